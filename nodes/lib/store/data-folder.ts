import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import {
  asideOf,
  DamagedDatabaseError,
  faultOf,
  isDamage,
  SchemaVersionError,
  setAside,
} from './database-file.ts';
import {
  CACHE_MIGRATIONS,
  DISTRUST_CACHE,
  DISTRUST_PEOPLE,
  ENERGY_MIGRATIONS,
  SKIP_USED_IDS,
  PLUG_NUMBERS_STAY_GIVEN,
  QUEUE_MIGRATIONS,
  STRANGE_IDS,
  SWEEP_SOON,
} from './databases.ts';
import { salvage, type Salvaged, takeUpSalvage } from './salvage.ts';
import { Store, type StoreDeps } from './store.ts';

const QUEUE: Omit<SoundOptions, 'file'> = {
  name: 'queue',
  synchronous: 'FULL',
  migrations: QUEUE_MIGRATIONS,
  isAlone: true,
  distrust: DISTRUST_PEOPLE,
};
const CACHE: Omit<SoundOptions, 'file'> = {
  name: 'cache',
  synchronous: 'NORMAL',
  migrations: CACHE_MIGRATIONS,
  isAlone: true,
  whenEmpty: STRANGE_IDS,
  distrust: DISTRUST_CACHE,
  afterLoss: STRANGE_IDS + SWEEP_SOON,
};
const ENERGY: Omit<SoundOptions, 'file'> = {
  name: 'energy',
  // Its synced commit each minute proves the disk, so it needs no extra row.
  synchronous: 'FULL',
  migrations: ENERGY_MIGRATIONS,
  afterSalvage: PLUG_NUMBERS_STAY_GIVEN,
};
/**
 * Written by deploy/turn.sh where older databases replace newer ones: what to do in them, by file
 * name.
 */
const SKIP_USED_IDS_MARK = 'ids-anew';
const DISTRUST_MARK = 'distrust';
const FILES = ['queue.db', 'cache.db', 'energy.db'] as const;

/** Another BaluPi runs on the same data folder. */
class DataFolderInUseError extends Error {
  constructor(cause: unknown) {
    super('Another BaluPi uses this data folder. Stop it, or set BALUPI_DATA_DIR to another one.', {
      cause,
    });
    this.name = 'DataFolderInUseError';
  }
}

/** Placed in a folder that the data are being moved to; contains the old path. */
export const INCOMPLETE = 'incomplete';
/** Placed in a folder that the data were moved out of; contains the new path. */
export const MOVED = 'moved-to';
/** Whoever puts a backup back lays this file into the queue's folder; see docs/OPERATING.md. */
export const RESTORED_MARK = 'restored';

/** This folder does not hold all data, or not the current data. */
export class DataElsewhereError extends Error {
  constructor(sentence: string) {
    super(sentence);
    this.name = 'DataElsewhereError';
  }
}

/**
 * The folder that holds all data, locked by one process. Readable by its owner only: it keeps
 * people's files and accounts.
 */
export class DataFolder {
  readonly path: string;
  /** Data accepted as durable: while the disk refuses, so does this store. */
  readonly queue: Store;
  /** The same file, for sign-ins and what is known of the NAS: continues in memory. */
  readonly people: Store;
  readonly cache: Store;
  readonly energy: Store;
  /** Damaged databases that this start set aside. */
  readonly setAside: readonly SetAside[];
  readonly #lastRun: LastRun;
  #lock: Lock;

  private constructor(path: string, lock: Lock, nowMs: number) {
    this.path = path;
    this.#lock = lock;
    this.#lastRun = new LastRun(path);
    const opened: Store[] = [];
    const setAside: SetAside[] = [];
    const open = (options: Omit<SoundOptions, 'file'>): Store => {
      const { store, aside } = this.#openSound(options, nowMs);
      opened.push(store);
      if (aside !== null) setAside.push(aside);
      return store;
    };
    try {
      this.queue = open(QUEUE);
      this.people = this.queue.forgiving();
      this.cache = open(CACHE).forgiving();
      this.energy = open(ENERGY);
      this.setAside = setAside;
      this.#followMarks();
      this.#note(() => {
        this.#lastRun.begin();
      });
    } catch (error) {
      for (const store of opened) store.close();
      throw error;
    }
  }

  /**
   * Creates what is missing and locks the folder for this process. Each damaged database is set
   * aside on its own: the upload module rebuilds the queue from its intents, the cache starts
   * empty, and the readable part of the energy data is recovered.
   * @param nowMs epoch ms, for the name of what is set aside
   * @throws DataFolderInUseError
   * @throws DataElsewhereError
   * @throws SchemaVersionError
   * @throws DatabaseStartError
   */
  static open(path: string, nowMs = Date.now()): DataFolder {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    chmodSync(path, 0o700);
    refuseElsewhere(path);
    const lock = takeLock(path);
    try {
      return new DataFolder(path, lock, nowMs);
    } catch (error) {
      lock.database.close();
      throw error;
    }
  }

  /** How the previous run ended; null where there was none. */
  get lastEnd(): LastRun['lastEnd'] {
    return this.#lastRun.lastEnd;
  }

  /**
   * Returns to the files once the disk takes writes again. A remounted disk knows nothing of the
   * old lock, so it is locked first.
   * @returns whether all of them serve
   */
  heal(): boolean {
    if (!this.#holdsLock()) return false;
    return this.#stores.map((store) => store.file.heal()).every((isServing) => isServing);
  }

  /** Whether all files serve, and nothing stands in for one. */
  get isWell(): boolean {
    return this.#stores.every(({ file }) => file.fault === null);
  }

  get #stores(): readonly Store[] {
    return [this.queue, this.cache, this.energy];
  }

  /** A folder inside this one, created when missing. */
  folder(...names: string[]): string {
    const path = join(this.path, ...names);
    mkdirSync(path, { recursive: true, mode: 0o700 });
    return path;
  }

  /** Whether a damaged copy of one of these databases is still set aside. */
  hasSetAside(database: 'queue' | 'cache' | 'energy'): boolean {
    return asideOf(join(this.path, `${database}.db`)).length > 0;
  }

  close(): void {
    const isInOrder = this.isWell && this.#stores.every(({ file }) => !file.isDamaged);
    this.energy.close();
    this.cache.close();
    this.queue.close();
    if (isInOrder) {
      this.#note(() => {
        this.#lastRun.end(FILES);
      });
    }
    this.#lock.database.close();
  }

  #followMarks(): void {
    const follow = (name: string, work: () => void): void => {
      const mark = join(this.path, name);
      if (!existsSync(mark)) return;
      work();
      rmSync(mark);
    };
    follow(DISTRUST_MARK, () => {
      this.queue.exec(DISTRUST_PEOPLE);
      this.cache.exec(DISTRUST_CACHE);
    });
    follow(SKIP_USED_IDS_MARK, () => {
      this.cache.exec(SKIP_USED_IDS);
    });
  }

  #openSound(options: Omit<SoundOptions, 'file'>, nowMs: number): ReturnType<typeof openSound> {
    const name = `${options.name}.db`;
    const file = join(this.path, name);
    const isSuspect = !this.#lastRun.leftInOrder(name);
    const { wasUsed } = this.#lastRun;
    return openSound({ file, ...options }, { isSuspect, wasUsed, nowMs });
  }

  /** If the disk refuses this, the next start checks once more, or the files' own times show it. */
  #note(write: () => void): void {
    try {
      write();
    } catch (error) {
      if (faultOf(error) === null && !isSystemError(error)) throw error;
    }
  }

  #holdsLock(): boolean {
    try {
      const file = fileOf(this.path);
      if (file === this.#lock.file) return true;
      const lock = takeLock(this.path);
      this.#lock.database.close();
      this.#lock = lock;
      return true;
    } catch (error) {
      // Not there yet, or taken by another process: the next check tells.
      if (error instanceof DataFolderInUseError || isSystemError(error)) return false;
      throw error;
    }
  }
}

/**
 * Holds a data folder for work on its files while no BaluPi runs on it.
 * @returns how to release it
 * @throws DataFolderInUseError
 */
export function holdDataFolder(path: string): () => void {
  const lock = takeLock(path);
  return () => {
    lock.database.close();
  };
}

function refuseElsewhere(path: string): void {
  if (existsSync(join(path, INCOMPLETE))) {
    throw new DataElsewhereError(
      'The data are still being moved into this data folder: `balupi move` goes on with it. Until then BALUPI_DATA_DIR is the old one.',
    );
  }
  if (!existsSync(join(path, MOVED))) return;
  throw new DataElsewhereError(
    `The data were moved out of this data folder; the file ${MOVED} in it names where to. Set BALUPI_DATA_DIR to that, or take the file away to go back to what they were then.`,
  );
}

interface Lock {
  readonly database: DatabaseSync;
  /** Identifies the file, whatever is at that path later. */
  readonly file: string;
}

/**
 * SQLite's own exclusive file lock: the kernel releases it however the process dies, so a stale
 * lock file never has to be cleaned up by hand.
 */
function takeLock(path: string): Lock {
  try {
    return lockIn(path);
  } catch (error) {
    // It is empty: its reader has read it whole, and a damaged one counts for nothing.
    if (!(error instanceof DataFolderInUseError) || !isDamage(error.cause)) throw error;
    for (const suffix of ['', '-journal']) rmSync(`${lockFile(path)}${suffix}`, { force: true });
    return lockIn(path);
  }
}

function lockIn(path: string): Lock {
  const database = new DatabaseSync(lockFile(path), { timeout: 0 });
  try {
    database.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
    return { database, file: fileOf(path) };
  } catch (error) {
    database.close();
    throw new DataFolderInUseError(error);
  }
}

function lockFile(path: string): string {
  return join(path, 'lock.db');
}

function fileOf(path: string): string {
  const { dev, ino } = statSync(lockFile(path));
  return `${dev}:${ino}`;
}

function isSystemError(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error;
}

/** What becomes of a database that is damaged. */
interface SoundOptions extends StoreDeps {
  /** SQL that is run in the empty one that takes its place. */
  readonly afterLoss?: string;
  /** Its rows are collected page by page; these statements run afterwards. */
  readonly afterSalvage?: readonly string[];
}

/** A damaged database that this start set aside. */
interface SetAside {
  readonly database: string;
  /** Its present name, in the data folder. */
  readonly name: string;
  /** Rows that are in its successor; null where none are looked for, or there is no space for them. */
  readonly salvagedRows: number | null;
}

interface Look {
  /** The last run did not end cleanly, or the file has changed since. */
  readonly isSuspect: boolean;
  /** There were databases in this folder before. */
  readonly wasUsed: boolean;
  readonly nowMs: number;
}

/**
 * Opens a database, whatever state its file is in. A damaged one is moved aside whole and replaced
 * by an empty one, or by one with what could be salvaged.
 * @throws SchemaVersionError
 * @throws DatabaseStartError what the disk throws, with the database's name
 */
function openSound(
  options: SoundOptions,
  look: Look,
): { readonly store: Store; readonly aside: SetAside | null } {
  try {
    takeUpSalvage(options.file);
    try {
      return { store: openChecked(options, look), aside: null };
    } catch (error) {
      if (!isDamage(error)) throw error;
    }
    const aside = putAside(options, look.nowMs);
    return { store: successor(options, aside), aside };
  } catch (error) {
    if (error instanceof SchemaVersionError) throw error;
    throw new DatabaseStartError(basename(options.file), error);
  }
}

function openChecked(options: SoundOptions, { isSuspect, wasUsed }: Look): Store {
  // SQLite takes an empty file for a new database, and drops the log next to it.
  if (wasUsed && isEmptied(options.file)) throw new DamagedDatabaseError(options.name, 'empty');
  const store = Store.open(options);
  if (!isSuspect) return store;
  try {
    const fault = store.fault();
    if (fault !== null) throw new DamagedDatabaseError(options.name, fault);
    return store;
  } catch (error) {
    store.close();
    throw error;
  }
}

function isEmptied(file: string): boolean {
  return statSync(file, { throwIfNoEntry: false })?.size === 0;
}

function putAside(options: SoundOptions, nowMs: number): SetAside {
  const salvaged = options.afterSalvage === undefined ? null : tryToSalvage(options);
  const name = setAside(options.file, nowMs);
  salvaged?.moveIn();
  return { database: options.name, name, salvagedRows: salvaged?.rows ?? null };
}

/** Better to run without the past than not at all: without space the file stays in place. */
function tryToSalvage(options: SoundOptions): Salvaged | null {
  try {
    return salvage(options, options.afterSalvage ?? []);
  } catch (error) {
    if (faultOf(error) === null) throw error;
    return null;
  }
}

function successor(options: SoundOptions, { salvagedRows }: SetAside): Store {
  const store = Store.open(options);
  if (salvagedRows === null) store.exec(options.afterLoss ?? '');
  return store;
}

/** What to do, by how the disk refuses. */
const HELP = {
  full: 'Make room on the disk of the data folder (see: df -h), then start again.',
  failing:
    'Look whether its disk is mounted for writing and who owns the file (see: mount, ls -l, ' +
    'dmesg), then start again.',
} as const;

/** A database in the data folder cannot be opened, and not because of its content. */
class DatabaseStartError extends Error {
  constructor(name: string, cause: unknown) {
    const { message } = cause as Error;
    const help = HELP[faultOf(cause) ?? 'failing'];
    super(`${name} in the data folder (BALUPI_DATA_DIR) cannot be opened: ${message}. ${help}`, {
      cause,
    });
    this.name = 'DatabaseStartError';
  }
}

const NAME = 'last-run';

/** @returns the path of its file in a data folder */
export function lastRunIn(folder: string): string {
  return join(folder, NAME);
}

interface Told {
  readonly endedInOrder: boolean;
  /** Size and time of each database as the run left it, by file name. */
  readonly files: Readonly<Record<string, string>>;
}

/**
 * How the last run on a data folder ended, in its own file: a database that was not closed, or has
 * changed since, is checked before it is trusted.
 */
export class LastRun {
  readonly #folder: string;
  readonly #told: Told | null;
  readonly #wasUsed: boolean;

  constructor(folder: string) {
    this.#folder = folder;
    const text = textIn(lastRunIn(folder));
    this.#wasUsed = text !== null;
    this.#told = text === null ? null : read(text);
  }

  /** Whether any run was here before. */
  get wasUsed(): boolean {
    return this.#wasUsed;
  }

  /** How the last run ended; null where there was none. */
  get lastEnd(): 'in_order' | 'cut' | null {
    if (!this.#wasUsed) return null;
    return this.#told?.endedInOrder === true ? 'in_order' : 'cut';
  }

  /** Whether a database is exactly as a cleanly ended run left it. */
  leftInOrder(file: string): boolean {
    const { endedInOrder = false, files = {} } = this.#told ?? {};
    return endedInOrder && files[file] === stateOf(join(this.#folder, file));
  }

  /** Synced before anything is written: however this run ends, the next one knows. */
  begin(): void {
    this.#write({ endedInOrder: false, files: {} });
  }

  /** The databases are closed. */
  end(files: readonly string[]): void {
    const states = files.map((file) => [file, stateOf(join(this.#folder, file))] as const);
    this.#write({ endedInOrder: true, files: Object.fromEntries(states) });
  }

  #write(told: Told): void {
    replaceFile(lastRunIn(this.#folder), JSON.stringify(told));
  }
}

/** Replaces a small file. Survives a power cut once it returns. */
export function replaceFile(file: string, text: string): void {
  writeSynced(`${file}.next`, text);
  renameSync(`${file}.next`, file);
  const folder = openSync(dirname(file), 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

function writeSynced(file: string, text: string): void {
  const handle = openSync(file, 'w', 0o600);
  try {
    writeSync(handle, text);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

function textIn(file: string): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

/** Null for a file that a dying disk garbled: then nothing is known of the last run. */
function read(text: string): Told | null {
  try {
    const told = JSON.parse(text) as Partial<Told> | null;
    const { endedInOrder, files } = told ?? {};
    const isTold = typeof files === 'object';
    return isTold ? { endedInOrder: endedInOrder === true, files } : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

function stateOf(file: string): string {
  const found = statSync(file, { throwIfNoEntry: false });
  return found === undefined ? 'none' : `${found.size} ${Math.floor(found.mtimeMs)}`;
}
