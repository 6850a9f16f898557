import { closeSync, fchownSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import { renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';

const FILE = 'last-backup.json';
const HOUR_MS = 3_600_000;
/** A night and a half: one that came late is no fault yet. */
const LONGEST_AGE_MS = 36 * HOUR_MS;

/** Why a nightly backup was not made; `not_mounted` and `no_room` are of the disk it goes to. */
export type BackupProblem = 'not_mounted' | 'no_room' | 'not_running' | 'failed';

/** A nightly backup that was written, read again and found right. */
export interface MadeBackup {
  /** ISO 8601. */
  readonly at: string;
  /** The folder; for the NAS its path there. */
  readonly where: string;
  readonly sizeBytes: number;
}

/** How the last nightly backup went. Each part is null where there is nothing to tell. */
export interface LastBackup {
  readonly problem: BackupProblem | null;
  readonly made: MadeBackup | null;
}

const NONE: LastBackup = { problem: null, made: null };

/** What is kept of the nightly backups, each in a file of its own: they have different writers. */
export type Destination = 'disk' | 'nas';

function fileOf(dataFolder: string, destination: Destination): string {
  return join(dataFolder, destination === 'disk' ? FILE : `nas-${FILE}`);
}

/** @returns nothing known where the file is not there or was spoilt: the next night writes it anew */
export function readLastBackup(dataFolder: string, destination: Destination): LastBackup {
  try {
    const told = JSON.parse(
      readFileSync(fileOf(dataFolder, destination), 'utf8'),
    ) as Partial<LastBackup> | null;
    return { problem: told?.problem ?? null, made: told?.made ?? null };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || error instanceof SyntaxError) return NONE;
    throw error;
  }
}

/** What is told stands in the place of what was; a failure leaves the last good one standing. */
export function tellLastBackup(
  dataFolder: string,
  destination: Destination,
  told: Partial<LastBackup>,
): void {
  const next = { ...readLastBackup(dataFolder, destination), ...told };
  const file = fileOf(dataFolder, destination);
  const staged = `${file}.next`;
  rmSync(staged, { force: true });
  // Made anew and never followed: root writes here into a folder of somebody else's.
  const handle = openSync(staged, 'wx', 0o600);
  try {
    const { uid, gid } = statSync(dataFolder);
    if (process.getuid?.() === 0) fchownSync(handle, uid, gid);
    writeSync(handle, `${JSON.stringify(next)}\n`);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
  renameSync(staged, file);
}

/** From the best to the worst. */
const WORDS = ['off', 'ok', 'not_yet', 'old', 'not_mounted', 'failed'] as const;
type Word = (typeof WORDS)[number];

/** Where nightly backups are wished for. */
export interface BackupWish {
  readonly toDisk: boolean;
  readonly toNas: boolean;
}

/** @param runningMs since when somebody could have made one; Infinity for always */
export interface BackupLook {
  readonly nowMs: number;
  readonly runningMs: number;
}

/**
 * A word for how the nightly backups go, of whichever goes worst. `off`: nobody asked for any.
 * `not_yet`: the first night is still to come. `old`: a night and a half without one on the disk; to
 * the NAS it goes when that is awake, whenever that is.
 */
export function nightlyWord(dataFolder: string, wish: BackupWish, look: BackupLook): Word {
  const words: Word[] = ['off'];
  if (wish.toDisk) words.push(wordOfLast(readLastBackup(dataFolder, 'disk'), look));
  const timeless = { ...look, runningMs: 0 };
  if (wish.toNas) words.push(wordOfLast(readLastBackup(dataFolder, 'nas'), timeless));
  return words.reduce((worst, word) => (WORDS.indexOf(word) > WORDS.indexOf(worst) ? word : worst));
}

export function wordOfLast(
  { problem, made }: LastBackup,
  { nowMs, runningMs }: BackupLook,
): Exclude<Word, 'off'> {
  if (problem !== null) return problem === 'not_mounted' ? 'not_mounted' : 'failed';
  const ageMs = made === null ? Infinity : nowMs - Date.parse(made.at);
  // A Pi that was off for a week is no fault of its backups: the timer makes up for it at once.
  if (Math.min(ageMs, runningMs) > LONGEST_AGE_MS) return 'old';
  return made === null ? 'not_yet' : 'ok';
}
