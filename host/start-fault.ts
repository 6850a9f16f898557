import { basename } from 'node:path';

/** A start failed, with a message for the person who started it. */
export class StartFault extends Error {
  override readonly name = 'StartFault';
}

/** Errors whose message is already meant for that person, by name. */
const SAID_WELL = new Set([
  'StartFault',
  'FlowFileError',
  'PortError',
  'DataFolderInUseError',
  'DataElsewhereError',
  'SchemaVersionError',
  'DatabaseStartError',
]);

/**
 * Exit codes of a start, by what a retry can achieve (sysexits.h; contract 0). `again` is no fault: the
 * service manager is to start it again, with settings that a page changed.
 */
export const EXIT = { retry: 1, data: 65, again: 75, configuration: 78 } as const;

/** Faults that last until somebody changes a setting, a flow or the program. */
const CONFIGURATION = new Set(['StartFault', 'FlowFileError', 'DataElsewhereError']);

/** SQLite's own numbers: SQLITE_CORRUPT and SQLITE_NOTADB (sqlite.org/rescode.html). */
const DAMAGED = new Set([11, 26]);

/** @returns 78 for a wrong setting or program, 65 for damaged or newer data, else 1 */
export function exitCodeOf(error: unknown): number {
  const { name, errcode } = error as Error & { readonly errcode?: unknown };
  if (CONFIGURATION.has(name)) return EXIT.configuration;
  const damaged = typeof errcode === 'number' && DAMAGED.has(errcode & 0xff);
  return damaged || name === 'SchemaVersionError' ? EXIT.data : EXIT.retry;
}

/** The problem, and what to look at. */
const DISK_WORDS: Readonly<Record<string, string>> = {
  EACCES: 'this user may not write there (see: ls -ld, id)',
  EPERM: 'this user may not write there (see: ls -ld, id)',
  EROFS: 'its disk is read-only (see: dmesg, mount)',
  ENOSPC: 'its disk is full (see: df -h)',
  EIO: 'its disk fails (see: dmesg)',
  ENOTDIR: 'there is a file in its place or above it (see: ls -ld)',
  EEXIST: 'there is a file in its place (see: ls -ld)',
};

/** The text for a failed start: one clear line if the reason is known. */
export function wordsOfFault(error: unknown): string {
  const { name, message, code, path, stack } = error as NodeJS.ErrnoException;
  if (SAID_WELL.has(name)) return message;
  if (code === 'ERR_SQLITE_ERROR') {
    return `A database in the data folder (BALUPI_DATA_DIR) cannot be opened: ${message}.`;
  }
  const disk = code === undefined ? undefined : DISK_WORDS[code];
  if (disk === undefined) return String(stack ?? error);
  const what = path === undefined ? '' : ` at ${basename(path)}`;
  return `The data folder (BALUPI_DATA_DIR) cannot be used${what}: ${disk}.`;
}
