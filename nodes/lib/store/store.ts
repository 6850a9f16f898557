import { existsSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import type { StatementSync } from 'node:sqlite';
import {
  DatabaseFile,
  DiskRefusedError,
  faultOf,
  type Looked,
  type Method,
  type StoreDeps,
  type Values,
} from './database-file.ts';
import { faultInUse } from './integrity.ts';

export {
  type DiskFault,
  DiskRefusedError,
  faultOf,
  isDamage,
  type Migration,
  setAside,
  type StoreDeps,
} from './database-file.ts';
export { faultOfCopy } from './integrity.ts';

/** A statement that cannot change anything; every other one counts as a change. */
const ONLY_READS = /^\s*(?:select|pragma)\b/i;

/** A statement as it was written, prepared on whatever the database is at that moment. */
interface Prepared {
  readonly sql: string;
  readonly isRead: boolean;
  /** Null before the first call. */
  statement: StatementSync | null;
  epoch: number;
}

/**
 * One SQLite file in WAL mode with its migrations applied. Calls are synchronous and short; a
 * statement is kept by the `*-rows.ts` that owns its table.
 *
 * While the disk refuses, durable writes are refused with {@link DiskRefusedError}; a store made
 * {@link forgiving} continues in memory instead.
 */
export class Store {
  /** Its file and the file's state: whether the disk takes it, whether it is sound. */
  readonly file: DatabaseFile;
  readonly #isForgiving: boolean;

  private constructor(file: DatabaseFile, isForgiving: boolean) {
    this.file = file;
    this.#isForgiving = isForgiving;
  }

  /**
   * @throws SchemaVersionError when another BaluPi wrote the file, which this one cannot go on from
   * @throws Error when the file cannot be opened or the wanted durability is not in force
   */
  static open(deps: StoreDeps): Store {
    return new Store(DatabaseFile.open(deps), false);
  }

  /** The same file, for tables that may live in memory while the disk refuses. */
  forgiving(): Store {
    return new Store(this.file, true);
  }

  /**
   * Prepared on first use: most of BaluPi's 570 statements are rarely needed, and together they
   * took 4 MB. `test/lib/store/statements.test.ts` prepares every one.
   */
  prepare(sql: string): StatementSync {
    const prepared: Prepared = { sql, isRead: ONLY_READS.test(sql), statement: null, epoch: 0 };
    const call =
      (name: Method) =>
      (...values: Values): unknown =>
        this.#call(prepared, name, values);
    const calls: Readonly<Record<Method, unknown>> = {
      ...{ run: call('run'), get: call('get'), all: call('all'), iterate: call('iterate') },
    };
    return calls as StatementSync;
  }

  /** Runs statements without values, once, for example right after opening. */
  exec(sql: string): void {
    this.file.database.exec(sql);
  }

  /** Runs `work` in one transaction: all of it is committed, or none when it throws. */
  transaction<T>(work: () => T): T {
    try {
      return this.#attempt(work);
    } catch (error) {
      if (!this.file.failed(error) || !this.#isForgiving) throw error;
    }
    try {
      return this.#attempt(work);
    } catch (error) {
      const fault = faultOf(error);
      if (fault === null || this.file.fault !== null) throw error;
      this.file.standIn(fault);
      return this.#attempt(work);
    }
  }

  /** The result `work` would have in a transaction; nothing of it is kept or synced. */
  rehearse<T>(work: () => T): T {
    this.file.begin();
    try {
      return work();
    } finally {
      this.file.rollBack();
    }
  }

  /** What SQLite finds wrong with the file; null where it is sound. Reads all of it. */
  fault(): string | null {
    const found = String(
      this.file.database.prepare('PRAGMA quick_check(1)').get()?.['quick_check'],
    );
    return found === 'ok' ? null : found;
  }

  /**
   * As {@link fault}, while the file goes on being used: nobody waits for it. What is damaged counts
   * as {@link isDamaged} from then on.
   * @param signal ends it
   * @throws what reading the file threw; the reason of the signal
   */
  async lookThrough(signal: AbortSignal): Promise<Looked> {
    return await this.file.lookThrough((file) => faultInUse(file, signal));
  }

  /** Whether any of these tables has a row. */
  holdsAnyOf(tables: readonly string[]): boolean {
    return tables.some(
      (table) => this.file.database.prepare(`SELECT 1 FROM ${table} LIMIT 1`).get() !== undefined,
    );
  }

  /** Whether the file can be read at this moment. */
  answers(): boolean {
    return this.file.database.prepare('PRAGMA schema_version').get() !== undefined;
  }

  /** Folds the WAL back and closes. Statements prepared here are dead afterwards. */
  close(): void {
    this.file.close();
  }

  #attempt<T>(work: () => T): T {
    this.#refuseOnStandIn();
    this.file.begin();
    try {
      const result = work();
      this.file.commit();
      return result;
    } catch (error) {
      this.file.rollBack();
      throw error;
    }
  }

  #call(prepared: Prepared, method: Method, values: Values): unknown {
    if (!prepared.isRead) {
      this.file.changed();
      this.#refuseOnStandIn();
    }
    if (this.file.database.isTransaction) return this.#perform(prepared, method, values);
    try {
      return this.#perform(prepared, method, values);
    } catch (error) {
      const mayRetry = prepared.isRead || this.#isForgiving;
      if (!this.file.failed(error) || !mayRetry) throw error;
      return this.#again(prepared, method, values);
    }
  }

  #again(prepared: Prepared, method: Method, values: Values): unknown {
    try {
      return this.#perform(prepared, method, values);
    } catch (error) {
      const fault = faultOf(error);
      if (fault === null || this.file.fault !== null) throw error;
      this.file.standIn(fault);
      return this.#perform(prepared, method, values);
    }
  }

  #perform(prepared: Prepared, method: Method, values: Values): unknown {
    const { database, epoch } = this.file;
    if (prepared.epoch !== epoch) prepared.statement = null;
    prepared.statement ??= database.prepare(prepared.sql);
    prepared.epoch = epoch;
    const result: unknown = prepared.statement[method](...values);
    if (!prepared.isRead) this.file.wrote({ sql: prepared.sql, method, values });
    return result;
  }

  #refuseOnStandIn(): void {
    const { fault, name } = this.file;
    if (fault !== null && !this.#isForgiving) throw new DiskRefusedError(name, fault);
  }
}

/** Prepares statements under the names they have. */
export function prepareAll<const T extends Readonly<Record<string, string>>>(
  store: Store,
  texts: T,
): { readonly [Name in keyof T]: StatementSync } {
  const prepared = Object.entries(texts).map(([name, text]) => [name, store.prepare(text)]);
  return Object.fromEntries(prepared) as { readonly [Name in keyof T]: StatementSync };
}

/**
 * Cached query results, valid until anything is written to the database: then all are dropped. So
 * they are never older than the tables, without tracking what a change touches. A series of
 * downloads asks the same few things over and over, and each answer costs more than the rest of a
 * small file.
 */
export class Remembered<K extends string | number, V extends NonNullable<unknown> | null> {
  readonly #store: Store;
  readonly #most: number;
  readonly #answers = new Map<K, V>();
  #version = -1;

  /** @param most answers held; with one more all are forgotten */
  constructor(store: Store, most: number) {
    this.#store = store;
    this.#most = most;
  }

  /** @param ask only reads */
  get(key: K, ask: () => V): V {
    if (this.#version !== this.#store.file.version) this.#forget();
    const known = this.#answers.get(key);
    if (known !== undefined) return known;
    const answer = ask();
    if (this.#answers.size >= this.#most) this.#forget();
    this.#answers.set(key, answer);
    return answer;
  }

  #forget(): void {
    this.#version = this.#store.file.version;
    this.#answers.clear();
  }
}

interface Deps {
  readonly store: { readonly file: Pick<DatabaseFile, 'version' | 'copyTo'> };
  /** The database's own file. */
  readonly source: string;
  /** Where the copy lies. */
  readonly file: string;
}

/** Where a database's header says how it is written: 1 is a rollback journal, 2 a log (WAL). */
const FORMAT_VERSIONS_AT = 18;

/**
 * A copy of a database for nodes with their own SQLite in this process, such as
 * `node-red-node-sqlite`. Two of them must never open one file: POSIX drops all of a process's
 * locks on a file once any of its handles is closed (fcntl(2); sqlite.org/howtocorrupt.html, 2.2).
 * The owner would lose its lock, and the next program to open and close the file would remove the
 * log under it.
 *
 * The copy is never modified: a newer one takes its name. Whoever has the older one open keeps
 * reading that until they reopen it.
 */
export class SideCopy {
  readonly source: string;
  readonly file: string;
  readonly #store: Deps['store'];
  #version: number | null = null;
  #running: Promise<boolean> | null = null;

  constructor({ store, source, file }: Deps) {
    this.#store = store;
    this.source = source;
    this.file = file;
  }

  /** Makes one where there is none yet: a reader does not wait for its file. */
  async begin(): Promise<void> {
    if (!existsSync(this.file)) await this.refresh();
  }

  /**
   * Brings the copy up to date.
   * @returns whether another file is there now
   * @throws DiskRefusedError while the disk refuses
   */
  async refresh(): Promise<boolean> {
    this.#running ??= this.#refresh().finally(() => {
      this.#running = null;
    });
    return await this.#running;
  }

  async #refresh(): Promise<boolean> {
    const { version } = this.#store.file;
    if (version === this.#version && existsSync(this.file)) return false;
    const next = `${this.file}.next`;
    await rm(next, { force: true });
    await this.#store.file.copyTo(next);
    await closeOff(next);
    await rename(next, this.file);
    this.#version = version;
    return true;
  }
}

/** It has no log and needs none: a log next to it would belong to another copy. */
async function closeOff(file: string): Promise<void> {
  const handle = await open(file, 'r+');
  try {
    await handle.write(Uint8Array.of(1, 1), 0, 2, FORMAT_VERSIONS_AT);
    await handle.sync();
  } finally {
    await handle.close();
  }
}
