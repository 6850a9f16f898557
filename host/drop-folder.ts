import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';

/** Below DATA_DIR: where an owner puts the archive of a newer release. */
export const DROP_FOLDER = 'updates';

/** Archive names of `npm run release`. */
const ARCHIVE = /^balupi-(\d+\.\d+\.\d+(?:-[\w.]+)?)-linux-(arm64|x64)\.tar\.xz$/;

/**
 * Looks in the drop folder for a release newer than the running one; no network involved.
 * @param version the running one
 * @returns the newest archive for this machine; null if there is none, or the folder is unreadable
 */
export function newerRelease(dataFolder: string, version: string): string | null {
  const folder = join(dataFolder, DROP_FOLDER);
  let newest = version;
  let found: string | null = null;
  for (const name of namesIn(folder)) {
    const [, itsVersion, machine] = ARCHIVE.exec(name) ?? [];
    if (itsVersion === undefined || machine !== process.arch) continue;
    if (compareVersions(itsVersion, newest) <= 0) continue;
    newest = itsVersion;
    found = join(folder, name);
  }
  return found;
}

/** The version of {@link newerRelease}; null if there is none. */
export function newerVersion(dataFolder: string, version: string): string | null {
  const file = newerRelease(dataFolder, version);
  return file === null ? null : (ARCHIVE.exec(basename(file))?.[1] ?? null);
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    // No folder, no release. A faulty disk has its own health check.
    if (error instanceof Error && 'syscall' in error) return [];
    throw error;
  }
}

/** Below 0 if `one` is older. A pre-release (`1.0.0-rc.1`) is older than its release. */
function compareVersions(one: string, other: string): number {
  const [[ones, onesMore], [others, othersMore]] = [partsOf(one), partsOf(other)];
  for (const [at, part] of ones.entries()) {
    const difference = part - (others[at] ?? 0);
    if (difference !== 0) return difference;
  }
  if (onesMore === othersMore) return 0;
  if (onesMore === '' || othersMore === '') return onesMore === '' ? 1 : -1;
  return onesMore.localeCompare(othersMore, 'en', { numeric: true });
}

function partsOf(version: string): [readonly number[], string] {
  const [numbers = '', ...more] = version.split('-');
  return [numbers.split('.').map(Number), more.join('-')];
}
