/** How a disk refuses: for want of room, or in another way. */
export type DiskFault = 'failing' | 'full';

/** SQLITE_READONLY, _IOERR, _FULL and _CANTOPEN (sqlite.org/rescode.html). */
const SQLITE_FULL = 13;
const SQLITE_DISK_CODES = new Set([8, 10, SQLITE_FULL, 14]);
const FULL_CODES = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);
const FAILING_CODES = new Set([
  'EIO',
  'EROFS',
  'ENXIO',
  'ENODEV',
  'ESTALE',
  'EUCLEAN',
  'ESHUTDOWN',
]);

/** The disk refused, and what was asked must not be kept in memory alone: nothing was done. */
export class DiskRefusedError extends Error {
  override readonly name = 'DiskRefusedError';
  readonly fault: DiskFault;

  constructor(database: string, fault: DiskFault) {
    super(`The disk refuses to write the ${database} database (${fault}). Nothing was accepted.`);
    this.fault = fault;
  }
}

/**
 * Sorts an error of SQLite or of the system by whether the disk refused.
 * @returns null for every other error
 */
export function faultOf(error: unknown): DiskFault | null {
  if (error instanceof DiskRefusedError) return error.fault;
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string')
    return null;
  if (error.code === 'ERR_SQLITE_ERROR') return sqliteFault(error);
  if (FULL_CODES.has(error.code)) return 'full';
  return FAILING_CODES.has(error.code) ? 'failing' : null;
}

/** The lowest byte is the kind, whatever stands above it in an extended code. */
function sqliteFault(error: object): DiskFault | null {
  const kind = 'errcode' in error && typeof error.errcode === 'number' ? error.errcode & 0xff : 0;
  if (!SQLITE_DISK_CODES.has(kind)) return null;
  return kind === SQLITE_FULL ? 'full' : 'failing';
}
