import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';

/** Below DATA_DIR: where an owner lays the file of a version to come. */
export const DROP_FOLDER = 'updates';

/** As `npm run release` names an archive. */
const ARCHIVE = /^balupi-(\d+\.\d+\.\d+(?:-[\w.]+)?)-linux-(arm64|x64)\.tar\.xz$/;

/**
 * Looks for a release that is newer than the one that runs. Nobody outside is asked for one.
 * @param version of the one that runs
 * @returns the file of the newest for this machine; null where there is none, or the folder cannot be
 *   read
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

/** As {@link newerRelease}: the version that it is; null where there is none. */
export function newerVersion(dataFolder: string, version: string): string | null {
  const file = newerRelease(dataFolder, version);
  return file === null ? null : (ARCHIVE.exec(basename(file))?.[1] ?? null);
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    // No folder, no file. What is wrong with the disk its own check tells.
    if (error instanceof Error && 'syscall' in error) return [];
    throw error;
  }
}

/** Below 0 where `one` is the older. What is before a release (`1.0.0-rc.1`) is older than it. */
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
