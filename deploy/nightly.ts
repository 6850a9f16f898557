import { existsSync, lchownSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import {
  type BackupProblem,
  type Destination,
  readLastBackup,
  tellLastBackup,
} from '../host/backup/last-backup.ts';
import { isNightName, nightName, outlived } from '../host/backup/outlived.ts';
import { NAS_STAGING } from '../host/backup/places.ts';
import { type Made, makeBackup, NotRunning } from './backup.ts';
import { UsageFault } from './usage-fault.ts';

export interface NightWish {
  readonly dataFolder: string;
  /** BACKUP_DIR. */
  readonly folder: string | null;
  /** BACKUP_USER is set. */
  readonly goesToNas: boolean;
  /** Null leaves everything out that is secret. */
  readonly passphrase: () => string | null;
  /** That none of the backups made before is there is as it should be. */
  readonly isNewDisk: boolean;
  readonly nowMs: number;
  readonly say: (line: string) => void;
}

/** The disk for the backups is not there, and what lies in its place is the system's own. */
class NotMounted extends UsageFault {
  override readonly name = 'NotMounted';
}

/**
 * The nightly backup: to the disk of BACKUP_DIR, of which what is too old goes once the new one was
 * found right, and one to be taken to the NAS by the running house. What came of it is kept beside
 * the data, for health, doctor and the page System.
 * @throws what the first one that failed throws, once all were tried
 */
export async function backUpByNight(wish: NightWish): Promise<void> {
  const { folder, goesToNas, say } = wish;
  if (folder === null && !goesToNas) {
    say('Neither BALUPI_BACKUP_DIR nor BALUPI_BACKUP_USER says where to: nothing was done.');
    return;
  }
  const faults: unknown[] = [];
  if (folder !== null) faults.push(...(await attempt(wish, 'disk', () => toDisk(wish, folder))));
  if (goesToNas) faults.push(...(await attempt(wish, 'nas', () => forNas(wish))));
  if (faults.length > 0) throw faults[0];
}

async function attempt(
  { dataFolder }: NightWish,
  destination: Destination,
  work: () => Promise<void>,
): Promise<readonly unknown[]> {
  try {
    await work();
    return [];
  } catch (error) {
    tellLastBackup(dataFolder, destination, { problem: problemOf(error) });
    return [error];
  }
}

async function toDisk(wish: NightWish, given: string): Promise<void> {
  const folder = resolve(given);
  checkPlace(folder, wish);
  for (const name of readdirSync(folder)) {
    // Of one that a power cut ended.
    if (isNightName(name.replace(/\.part$/, '')) && name.endsWith('.part')) {
      rmSync(join(folder, name));
    }
  }
  const name = nightName(wish.nowMs);
  const made = await make(wish, folder, name, 'backup whole');
  const gone = outlived(readdirSync(folder), name);
  for (const old of gone) rmSync(join(folder, old));
  const { dataFolder, nowMs } = wish;
  const at = new Date(nowMs).toISOString();
  const told = { at, where: folder, sizeBytes: made.sizeBytes };
  tellLastBackup(dataFolder, 'disk', { problem: null, made: told });
  wish.say(`ok, ${made.entries} files: ${join(folder, name)}`);
  for (const old of gone) wish.say(`Taken away, as newer ones are enough: ${old}`);
}

/** Laid where the running house looks for it, and takes it to the NAS once that is awake. */
async function forNas(wish: NightWish): Promise<void> {
  const folder = join(wish.dataFolder, NAS_STAGING);
  if (!existsSync(folder)) throw new NotRunning('BaluPi runs without BALUPI_BACKUP_USER yet.');
  // The one of last night, if the NAS slept: the new one stands for both.
  for (const old of readdirSync(folder)) rmSync(join(folder, old), { recursive: true });
  const name = nightName(wish.nowMs);
  await make(wish, folder, name, 'backup own');
  const { uid, gid } = statSync(wish.dataFolder);
  if (process.getuid?.() === 0) lchownSync(join(folder, name), uid, gid);
  wish.say('ok, one waits to be taken to the NAS.');
}

async function make(
  { dataFolder, passphrase: read, nowMs }: NightWish,
  target: string,
  name: string,
  sealed: 'backup whole' | 'backup own',
): Promise<Made> {
  const passphrase = read();
  const made = await makeBackup({ dataFolder, target, passphrase, nowMs, name, sealed });
  if (made.faults.length === 0) return made;
  throw new UsageFault(`The disk does not give ${made.faults.join(', ')} as it once was.`);
}

/**
 * Where a disk is not mounted, its folder is one of the system's own disk: filling that would end
 * the house one night. So the folder has to lie on another file system than the system's and the
 * data's; and where one was made before, it has to be there.
 */
function checkPlace(folder: string, { dataFolder, isNewDisk }: NightWish): void {
  let place = folder;
  while (!existsSync(place) && place !== dirname(place)) place = dirname(place);
  const { dev } = statSync(place);
  if (dev === statSync('/').dev || dev === statSync(dataFolder).dev) {
    throw new NotMounted(
      `${folder} lies on the disk of the system or of the data: its own disk is not mounted. Nothing was written.`,
    );
  }
  const { made } = readLastBackup(dataFolder, 'disk');
  const wasUsed = made?.where === folder;
  const isAsLeft = place === folder && readdirSync(folder).some(isNightName);
  if (wasUsed && !isAsLeft && !isNewDisk) {
    throw new NotMounted(
      `None of the backups made before is in ${folder}: another disk is mounted, or none. For a new disk begin with \`balupi backup --nightly --new-disk\`.`,
    );
  }
  mkdirSync(folder, { recursive: true, mode: 0o700 });
}

function problemOf(error: unknown): BackupProblem {
  if (error instanceof NotMounted) return 'not_mounted';
  if (error instanceof NotRunning) return 'not_running';
  const { cause } = error as Error;
  const { code = '' } = (cause ?? {}) as NodeJS.ErrnoException;
  return code === 'ENOSPC' || code === 'EDQUOT' ? 'no_room' : 'failed';
}
