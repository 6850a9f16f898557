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
/** A night and a half: a late backup is no fault yet. */
const LONGEST_AGE_MS = 36 * HOUR_MS;

/** Why a nightly backup was not made; `not_mounted` and `no_room` concern its target disk. */
export type BackupProblem = 'not_mounted' | 'no_room' | 'not_running' | 'failed';

/** A nightly backup that was written and verified. */
interface MadeBackup {
  /** ISO 8601. */
  readonly at: string;
  /** The folder, here or on the NAS. */
  readonly where: string;
  readonly sizeBytes: number;
}

/** The state of the nightly backup; fields are null if there is nothing to report. */
interface LastBackup {
  readonly problem: BackupProblem | null;
  readonly made: MadeBackup | null;
}

const NONE: LastBackup = { problem: null, made: null };

/** Each destination's state has its own file, as they have different writers. */
export type Destination = 'disk' | 'nas';

function fileOf(dataFolder: string, destination: Destination): string {
  return join(dataFolder, destination === 'disk' ? FILE : `nas-${FILE}`);
}

/** @returns nothing known if the file is missing or damaged: the next night rewrites it */
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

/** Replaces the given fields; a failure keeps the last good backup. */
export function tellLastBackup(
  dataFolder: string,
  destination: Destination,
  told: Partial<LastBackup>,
): void {
  const next = { ...readLastBackup(dataFolder, destination), ...told };
  const file = fileOf(dataFolder, destination);
  const staged = `${file}.next`;
  rmSync(staged, { force: true });
  // Exclusive, so that no link is followed: root writes here into another user's folder.
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

/** Best to worst. */
const WORDS = ['off', 'ok', 'not_yet', 'old', 'not_mounted', 'failed'] as const;
type Word = (typeof WORDS)[number];

/** Which destinations are configured. */
export interface BackupTargets {
  readonly toDisk: boolean;
  readonly toNas: boolean;
}

/** @param runningMs how long a backup has been possible; Infinity for always */
interface BackupLook {
  readonly nowMs: number;
  readonly runningMs: number;
}

/**
 * The state of the nightly backups, the worst of all destinations. `off`: none is configured.
 * `not_yet`: before the first night. `old`: a night and a half without one on the disk; for the NAS,
 * whose sleep may last, there is no such limit.
 */
export function nightlyWord(dataFolder: string, targets: BackupTargets, look: BackupLook): Word {
  const words: Word[] = ['off'];
  if (targets.toDisk) words.push(wordOfLast(readLastBackup(dataFolder, 'disk'), look));
  const timeless = { ...look, runningMs: 0 };
  if (targets.toNas) words.push(wordOfLast(readLastBackup(dataFolder, 'nas'), timeless));
  return words.reduce((worst, word) => (WORDS.indexOf(word) > WORDS.indexOf(worst) ? word : worst));
}

export function wordOfLast(
  { problem, made }: LastBackup,
  { nowMs, runningMs }: BackupLook,
): Exclude<Word, 'off'> {
  if (problem !== null) return problem === 'not_mounted' ? 'not_mounted' : 'failed';
  const ageMs = made === null ? Infinity : nowMs - Date.parse(made.at);
  // A Pi that was off for a week is no fault: the timer catches up at once.
  if (Math.min(ageMs, runningMs) > LONGEST_AGE_MS) return 'old';
  return made === null ? 'not_yet' : 'ok';
}

const DAY_MS = 86_400_000;
const DAYS = 7;
const WEEKS = 4;
/** Names by {@link nightName}. Nothing else is ever deleted. */
const NIGHT = /^balupi-night-(\d{4}-\d{2}-\d{2})T\d{2}-\d{2}-\d{2}Z\.backup$/;

/** The name of a nightly backup, distinct from those made by hand. */
export function nightName(atMs: number): string {
  const time = new Date(atMs).toISOString().slice(0, 19).replaceAll(':', '-');
  return `balupi-night-${time}Z.backup`;
}

export function isNightName(name: string): boolean {
  return NIGHT.test(name);
}

/**
 * The nightly backups to delete. Kept are the newest of each of the last seven days that have one, and
 * of each of the last four weeks (from Monday) that have one.
 * @param names all names in the folder; only nightly backups are considered
 * @param newest kept in any case, as the clock may have been wrong when it was named
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

/** The Monday of a day's week, in days since 1970-01-01, a Thursday. */
function mondayOf(day: string): number {
  const days = Math.floor(Date.parse(`${day}T00:00:00Z`) / DAY_MS);
  return days - ((days + 3) % 7);
}

/** Places in a backup, as in the data folder. */
export const QUEUE = 'queue';
export const FLOWS = 'flows';
export const NODE_RED = 'node-red';
export const SETTINGS = 'settings.json';
export const KEY = 'secret.key';
/** The second is encrypted with the first, so neither works alone. */
export const NODE_RED_FILES = ['credential.key', 'flows_cred.json'] as const;
/** Settings that a backup without a passphrase omits. */
export const SECRET_SETTING = /KEY|PASSWORD|SECRET|USERNAME/;
/** In the data folder: the backup that waits for the NAS. Part of no backup. */
export const NAS_STAGING = 'backup-for-nas';
/** Its folder in BACKUP_USER's home. */
export const NAS_FOLDER = 'BaluPi backups';
