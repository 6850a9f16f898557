import { closeSync, fchownSync, fsyncSync, mkdirSync, openSync } from 'node:fs';
import { readFileSync, renameSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Writes a small file of the data folder whole or not at all, for its owner only. Survives a power
 * cut once it returns.
 */
export function keepFile(folder: string, name: string, text: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const file = join(folder, name);
  // Root at the shell writes for the service, which must be able to read it.
  const { uid, gid } = statSync(folder);
  const handle = openSync(`${file}.next`, 'w', 0o600);
  try {
    if (process.getuid?.() === 0) fchownSync(handle, uid, gid);
    writeSync(handle, text);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
  renameSync(`${file}.next`, file);
  syncFolder(folder);
}

/** @returns null where there is no such file */
export function keptText(folder: string, name: string): string | null {
  try {
    return readFileSync(join(folder, name), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

function syncFolder(folder: string): void {
  const handle = openSync(folder, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
