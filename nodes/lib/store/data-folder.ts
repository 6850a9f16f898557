import { chmodSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import {
  CACHE_MIGRATIONS,
  DISTRUST_CACHE,
  DISTRUST_PEOPLE,
  ENERGY_MIGRATIONS,
  QUEUE_MIGRATIONS,
  STRANGE_IDS,
} from './databases.ts';
import { asideOf, DamagedDatabaseError, isDamage, setAside } from './damage.ts';
import { Store, type StoreOptions } from './store.ts';

/** Another BaluPi runs on the same data folder. */
export class DataFolderInUseError extends Error {
  constructor(cause: unknown) {
    super('Another BaluPi uses this data folder. Stop it, or set BALUPI_DATA_DIR to another one.', {
      cause,
    });
    this.name = 'DataFolderInUseError';
  }
}

/**
 * The folder everything lives in, held by one process. Readable by its owner only: it keeps
 * people's files and the accounts.
 */
export class DataFolder {
  readonly path: string;
  /** What was accepted for good: while the disk refuses, so does this. */
  readonly queue: Store;
  /** The same file, for who may come in and what is known of the NAS: goes on in memory. */
  readonly people: Store;
  readonly cache: Store;
  readonly energy: Store;
  /** What the queue's database is called since this start found it damaged; null where it did not. */
  readonly setAside: string | null;
  #lock: Lock;

  private constructor(path: string, lock: Lock, nowMs: number) {
    this.path = path;
    this.#lock = lock;
    const opened: Store[] = [];
    const open = (options: Omit<StoreOptions, 'file'>): Store => {
      const store = Store.open({ file: join(path, `${options.name}.db`), ...options });
      opened.push(store);
      return store;
    };
    try {
      this.setAside = asideWhenDamaged(join(path, 'queue.db'), nowMs);
      this.queue = open({
        name: 'queue',
        synchronous: 'FULL',
        migrations: QUEUE_MIGRATIONS,
        isAlone: true,
        distrust: DISTRUST_PEOPLE,
      });
      this.people = this.queue.forgiving();
      this.cache = open({
        name: 'cache',
        synchronous: 'NORMAL',
        migrations: CACHE_MIGRATIONS,
        isAlone: true,
        whenEmpty: STRANGE_IDS,
        distrust: DISTRUST_CACHE,
      }).forgiving();
      // Its commit a minute is synced, so that it proves the disk and needs no row beside it.
      this.energy = open({ name: 'energy', synchronous: 'FULL', migrations: ENERGY_MIGRATIONS });
    } catch (error) {
      for (const store of opened) store.close();
      throw error;
    }
  }

  /**
   * Creates what is missing and takes the folder for this process. A damaged queue database is set
   * aside: what was accepted is told beside it too, and the upload room rebuilds it.
   * @param nowMs epoch ms, for the name of what is set aside
   * @throws DataFolderInUseError
   * @throws SchemaTooNewError
   */
  static open(path: string, nowMs = Date.now()): DataFolder {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    chmodSync(path, 0o700);
    const lock = takeLock(path);
    try {
      return new DataFolder(path, lock, nowMs);
    } catch (error) {
      lock.database.close();
      throw error;
    }
  }

  /**
   * Goes back to the files where the disk takes writes again. A disk that was mounted anew knows
   * nothing of the lock on the old one, so that is taken first.
   * @returns whether all of them serve
   */
  heal(): boolean {
    if (!this.#holdsLock()) return false;
    return this.#stores.map((store) => store.heal()).every((isServing) => isServing);
  }

  /** Whether all files serve, and nothing stands in for one. */
  get isWell(): boolean {
    return this.#stores.every(({ refuses }) => refuses === null);
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

  /** Whether a damaged queue database still lies where it was set aside. */
  hasSetAside(): boolean {
    return asideOf(join(this.path, 'queue.db')).length > 0;
  }

  close(): void {
    this.energy.close();
    this.cache.close();
    this.queue.close();
    this.#lock.database.close();
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
      // Not there yet, or somebody else's by now: the next look tells.
      if (error instanceof DataFolderInUseError || isSystemError(error)) return false;
      throw error;
    }
  }
}

interface Lock {
  readonly database: DatabaseSync;
  /** Which file it is, whatever lies at that path later. */
  readonly file: string;
}

/**
 * @returns the name of what was set aside; null where the database is sound or not there
 * @throws SchemaTooNewError and what the disk throws
 */
function asideWhenDamaged(file: string, nowMs: number): string | null {
  const options: StoreOptions = {
    file,
    name: 'queue',
    synchronous: 'FULL',
    migrations: QUEUE_MIGRATIONS,
  };
  try {
    const store = Store.open(options);
    try {
      const fault = store.fault();
      if (fault !== null) throw new DamagedDatabaseError('queue', fault);
    } finally {
      store.close();
    }
    return null;
  } catch (error) {
    if (!isDamage(error)) throw error;
    return setAside(file, nowMs);
  }
}

/**
 * SQLite's own exclusive file lock: the kernel lets it go when the process dies, however it dies,
 * so no stale lock file is ever left to clean up by hand.
 */
function takeLock(path: string): Lock {
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
