import {
  closeSync,
  fchownSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';

const FILE = 'last-backup.json';
const HOUR_MS = 3_600_000;
/** A night and a half: one that came late is no fault yet. */
const LONGEST_AGE_MS = 36 * HOUR_MS;

/** Why a nightly backup was not made; `not_mounted` and `no_room` are of the disk it goes to. */
export type BackupProblem = 'not_mounted' | 'no_room' | 'not_running' | 'failed';

/** A nightly backup that was written, read again and found right. */
interface MadeBackup {
  /** ISO 8601. */
  readonly at: string;
  /** The folder; for the NAS its path there. */
  readonly where: string;
  readonly sizeBytes: number;
}

/** How the last nightly backup went. Each part is null where there is nothing to tell. */
interface LastBackup {
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
interface BackupLook {
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

const DAY_MS = 86_400_000;
const DAYS = 7;
const WEEKS = 4;
/** As {@link nightName} gives them. Nothing else is ever taken away. */
const NIGHT = /^balupi-night-(\d{4}-\d{2}-\d{2})T\d{2}-\d{2}-\d{2}Z\.backup$/;

/** The name of a nightly backup: a name of its own, so that none made by hand is counted among them. */
export function nightName(atMs: number): string {
  const time = new Date(atMs).toISOString().slice(0, 19).replaceAll(':', '-');
  return `balupi-night-${time}Z.backup`;
}

export function isNightName(name: string): boolean {
  return NIGHT.test(name);
}

/**
 * Which nightly backups are not needed any more: the newest of each of the last seven days that have
 * one stay, and the newest of each of the last four weeks (from Monday) that have one.
 * @param names of all that lies there; others than nightly backups are passed over
 * @param newest stays in any case, though the clock may have been wrong when it was named
 */
export function outlived(names: readonly string[], newest: string): readonly string[] {
  const nights = names.filter(isNightName).sort().reverse();
  const kept = new Set([newest]);
  const days = new Set<string>();
  const weeks = new Set<number>();
  for (const name of nights) {
    const [, day = ''] = NIGHT.exec(name) ?? [];
    const week = mondayOf(day);
    if (!days.has(day) && days.size < DAYS) kept.add(name);
    if (!weeks.has(week) && weeks.size < WEEKS) kept.add(name);
    days.add(day);
    weeks.add(week);
  }
  return nights.filter((name) => !kept.has(name));
}

/** Days since 1970-01-01, a Thursday, of the Monday before or on a day. */
function mondayOf(day: string): number {
  const days = Math.floor(Date.parse(`${day}T00:00:00Z`) / DAY_MS);
  return days - ((days + 3) % 7);
}

/** Where in a backup things lie: as in the data folder. */
export const QUEUE = 'queue';
export const FLOWS = 'flows';
export const NODE_RED = 'node-red';
export const SETTINGS = 'settings.json';
export const KEY = 'secret.key';
/** Sealed under the first, the second; the one is nothing without the other. */
export const NODE_RED_FILES = ['credential.key', 'flows_cred.json'] as const;
/** Settings that a backup without a passphrase leaves out. */
export const SECRET_SETTING = /KEY|PASSWORD|SECRET|USERNAME/;
/** Inside the data folder: what waits to be taken to the NAS. No part of any backup. */
export const NAS_STAGING = 'backup-for-nas';
/** Its folder in the home of BACKUP_USER. */
export const NAS_FOLDER = 'BaluPi backups';
