import { existsSync, readdirSync, renameSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** Of sqlite.org/rescode.html. */
const CORRUPT = 11;
const NOT_A_DATABASE = 26;
/** With SQLite's ERROR: what the file holds is not ours. */
const DAMAGE_CODES = new Set([1, CORRUPT, NOT_A_DATABASE]);
/** IOERR_SHORT_READ: the file ends where there should be more. */
const SHORT_READ = 522;
/** What SQLite keeps of a database, by what stands behind its name. */
const SUFFIXES = ['', '-wal', '-shm'] as const;

/** The file is there and can be read, but is no sound database any more. */
export class DamagedDatabaseError extends Error {
  constructor(name: string, found: string) {
    super(`The ${name} database is damaged: ${found}.`);
    this.name = 'DamagedDatabaseError';
  }
}

/** Whether an error of opening a database says that its content is damaged, not its disk. */
export function isDamage(error: unknown): boolean {
  if (error instanceof DamagedDatabaseError) return true;
  if (!(error instanceof Error) || !('errcode' in error)) return false;
  const code = Number(error.errcode);
  return code === SHORT_READ || DAMAGE_CODES.has(code & 0xff);
}

/** Whether what went wrong while the disk was well says that the database itself is damaged. */
export function isDamagedContent(error: unknown): boolean {
  const code = error instanceof Error && 'errcode' in error ? Number(error.errcode) & 0xff : 0;
  return code === CORRUPT || code === NOT_A_DATABASE;
}

/**
 * Moves a damaged database out of the way, whole, for whoever can still read something of it.
 * @returns the name it has now
 */
export function setAside(file: string, nowMs: number): string {
  const time = new Date(nowMs).toISOString().slice(0, 19).replaceAll(':', '-');
  const aside = `${file}.damaged-${time}`;
  for (const suffix of SUFFIXES) {
    if (existsSync(file + suffix)) renameSync(file + suffix, aside + suffix);
  }
  return basename(aside);
}

/** Names of what was set aside of a database and nobody has taken away. */
export function asideOf(file: string): readonly string[] {
  const prefix = `${basename(file)}.damaged-`;
  const isBeside = (name: string): boolean => name.endsWith('-wal') || name.endsWith('-shm');
  const names = readdirSync(dirname(join(file)));
  return names.filter((name) => name.startsWith(prefix) && !isBeside(name));
}
