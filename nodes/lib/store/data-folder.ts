import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { CACHE_MIGRATIONS, ENERGY_MIGRATIONS, QUEUE_MIGRATIONS } from './databases.ts';
import { asideOf, DamagedDatabaseError, isDamage, setAside } from './damage.ts';
import { Store, type StoreOptions } from './store.ts';

/** Another BaluPi runs on the same data folder. */
export class DataFolderInUseError extends Error {
  readonly code = 'data_folder_in_use';

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
  readonly queue: Store;
  readonly cache: Store;
  readonly energy: Store;
  /** What the queue's database is called since this start found it damaged; null where it did not. */
  readonly setAside: string | null;
  readonly #lock: DatabaseSync;

  private constructor(path: string, lock: DatabaseSync, nowMs: number) {
    this.path = path;
    this.#lock = lock;
    const opened: Store[] = [];
    const open = (
      name: 'queue' | 'cache' | 'energy',
      synchronous: 'FULL' | 'NORMAL',
      migrations: typeof QUEUE_MIGRATIONS,
    ): Store => {
      const store = Store.open({ file: join(path, `${name}.db`), name, synchronous, migrations });
      opened.push(store);
      return store;
    };
    try {
      this.setAside = asideWhenDamaged(join(path, 'queue.db'), nowMs);
      this.queue = open('queue', 'FULL', QUEUE_MIGRATIONS);
      this.cache = open('cache', 'NORMAL', CACHE_MIGRATIONS);
      this.energy = open('energy', 'NORMAL', ENERGY_MIGRATIONS);
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
      lock.close();
      throw error;
    }
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
    this.#lock.close();
  }
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
function takeLock(path: string): DatabaseSync {
  const lock = new DatabaseSync(join(path, 'lock.db'), { timeout: 0 });
  try {
    lock.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
  } catch (error) {
    lock.close();
    throw new DataFolderInUseError(error);
  }
  return lock;
}
