import { existsSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { backup, DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';

/** One numbered step of a schema. Steps are only ever appended. */
export interface Migration {
  /** One more than the previous step. Kept in `PRAGMA user_version`. */
  readonly version: number;
  readonly sql: string;
}

export interface StoreDeps {
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
  /**
   * No other connection ever reads the file. The index of its WAL then lives in memory and not in a
   * mapped file: on a disk that is gone, a page fault in a mapped file ends the process (SIGBUS).
   */
  readonly isAlone?: boolean;
  /** Run in a stand-in that starts empty. */
  readonly whenEmpty?: string;
  /**
   * Run when the disk is back but the stand-in's writes cannot be carried over: deletes data that
   * may have been revoked meanwhile without a trace.
   */
  readonly distrust?: string;
}

export type Method = 'run' | 'get' | 'all' | 'iterate';
export type Values = readonly SQLInputValue[];

const SYNCHRONOUS_LEVEL = { NORMAL: 1, FULL: 2 } as const;
/** A stand-in may take this share of the free memory. */
const STAND_IN_SHARE = 0.25;
/** More statements than these are not carried over to the file when the disk is back. */
const MOST_PENDING = 50_000;
/** Touches the schema, so that it begins to read the file; a constant alone does not. */
const CHANGES = 'SELECT total_changes() AS changes FROM sqlite_schema LIMIT 1';
/** Offsets of the two format versions in a database's header: 1 is a rollback journal, 2 WAL. */
const FORMAT_VERSIONS = [18, 19] as const;

/** How much is copied in the first step, during which the database waits: 1 MB. */
const COPIED_PAGES = 256;
/** How often a copy is restarted. */
const MOST_COPIES = 50;
/** SQLITE_BUSY (sqlite.org/rescode.html). */
const BUSY = 5;

/** SQLite's default, in pages; 0 leaves everything in the log. */
const CHECKPOINT_PAGES = 1_000;

/** The result of checking a file that is in use. */
export type Looked =
  | { readonly kind: 'sound' }
  | { readonly kind: 'damaged'; readonly found: string }
  /** Somebody wrote to the file, or the disk refuses: there is no result. */
  | { readonly kind: 'not_now' };

interface StandIn {
  readonly database: DatabaseSync;
  /** It holds everything that the file held. */
  readonly isWhole: boolean;
}

/** Functions that statements may call, by their names in SQL: of their arguments alone. */
type SqlFunctions = Readonly<Record<string, (...values: number[]) => number>>;

/** One call of a statement that changes something. */
interface Write {
  readonly sql: string;
  readonly method: Method;
  readonly values: Values;
}

/**
 * One SQLite file, and its stand-in in memory while its disk refuses.
 *
 * Disks fail in several ways: they turn read-only, are pulled, or are filled by other files. People
 * still want to sign in and read then, which writes a little: a token just confirmed, a listing
 * just fetched. So when a write fails twice, a copy in memory takes the file's place, complete
 * where the file can still be read, empty where it cannot. Writes to a complete copy are replayed
 * into the file once it takes them; durable data is refused meanwhile ({@link Store}), so no
 * promise depends on that.
 */
export class DatabaseFile {
  readonly #deps: StoreDeps;
  #handle: DatabaseSync;
  /** Identifies the file of the handle, whatever is at that path later. */
  #identity: string | null;
  #standIn: StandIn | null = null;
  #fault: DiskFault | null = null;
  #failures = 0;
  #isDamaged = false;
  #lastFault: DiskFault = 'failing';
  #commits = 0;
  #epoch = 0;
  #version = 0;
  /** Written in the running transaction. */
  #pending: Write[] = [];
  /** Written in the transaction that runs. */
  #uncommitted: Write[] = [];
  #changes = 0;
  /** Of {@link CHANGES}, for the present handle. */
  #counting: StatementSync | null = null;
  /** What statements call besides SQLite's own, on whatever {@link database} is. */
  #functions: SqlFunctions = {};
  /** Broken handles must not be closed: that writes to the mapped index of the WAL. */
  readonly #abandoned: DatabaseSync[] = [];

  private constructor(deps: StoreDeps, handle: DatabaseSync) {
    this.#deps = deps;
    this.#handle = handle;
    this.#identity = identityOf(deps.file);
  }

  /**
   * @throws SchemaVersionError when another BaluPi wrote the file, which this one cannot go on from
   * @throws Error when the file cannot be opened or the wanted durability is not in force
   */
  static open(deps: StoreDeps): DatabaseFile {
    return new DatabaseFile(deps, openHandle(deps, deps.file));
  }

  get name(): string {
    return this.#deps.name;
  }

  /** Lets statements call these from now on. */
  define(functions: SqlFunctions): void {
    this.#functions = { ...this.#functions, ...functions };
    for (const database of new Set([this.database, this.#handle])) equip(database, functions);
  }

  /** What statements run on at this moment. */
  get database(): DatabaseSync {
    return this.#standIn?.database ?? this.#handle;
  }

  /** A new object whenever {@link database} was replaced: statements are then prepared again. */
  get epoch(): number {
    return this.#epoch;
  }

  /** Changes whenever something may have been written since. */
  get version(): number {
    return this.#version;
  }

  /** Why a stand-in serves; null while the file does. */
  get fault(): DiskFault | null {
    return this.#fault;
  }

  /** Whether everything ever written is known: not so where a stand-in had to start empty. */
  get isWhole(): boolean {
    return this.#standIn?.isWhole ?? true;
  }

  /** Why an operation was last refused. */
  get lastFault(): DiskFault {
    return this.#lastFault;
  }

  /** How many operations the disk refused since the start. */
  get failures(): number {
    return this.#failures;
  }

  /** It proved damaged since the start, though its disk is well. */
  get isDamaged(): boolean {
    return this.#isDamaged;
  }

  /** How many commits reached the file since the start. */
  get commits(): number {
    return this.#commits;
  }

  /** Something is about to be written, or was rolled back. */
  changed(): void {
    this.#version += 1;
  }

  begin(): void {
    this.database.exec('BEGIN IMMEDIATE');
    this.#uncommitted = [];
  }

  wrote(write: Write): void {
    this.#uncommitted.push(write);
    if (!this.database.isTransaction) this.#committed();
  }

  commit(): void {
    this.database.exec('COMMIT');
    this.#committed();
  }

  rollBack(): void {
    // Reads since then were of a rolled-back state and must not be trusted either.
    this.#version += 1;
    this.#uncommitted = [];
    rollBack(this.database);
  }

  /**
   * An operation failed outside a transaction. A disk that refused once may take the next write; if
   * it refuses that as well, the stand-in takes over.
   * @returns whether it was the disk's fault, so that a retry makes sense
   */
  failed(error: unknown): boolean {
    const fault = faultOf(error);
    if (this.#standIn !== null || (fault === null && !isDamage(error))) return false;
    const isWell = this.#takesWrites();
    // Damage on a disk that takes writes is not a disk fault.
    if (fault === null && isWell) {
      if (isDamagedContent(error)) this.#isDamaged = true;
      return false;
    }
    this.#failures += 1;
    this.#lastFault = fault ?? 'failing';
    if (!isWell) this.standIn(this.#lastFault);
    return true;
  }

  /** From now on a copy in memory answers instead of the file. */
  standIn(fault: DiskFault): void {
    if (this.#standIn !== null) return;
    this.#fault = fault;
    this.#pending = [];
    this.#standIn = copyOf(this.#handle, this.#deps);
    equip(this.#standIn.database, this.#functions);
    this.#exchanged();
  }

  /**
   * Returns to the file if it takes writes again, reopening it where the disk was remounted.
   * @returns whether the file serves
   */
  heal(): boolean {
    if (this.#standIn === null) return true;
    if (!this.#takesWrites() || !this.#paysBack(this.#standIn)) return false;
    this.#standIn.database.close();
    this.#standIn = null;
    this.#fault = null;
    this.#pending = [];
    this.#exchanged();
    return true;
  }

  /**
   * Copies the database as it is at one moment of this call, while it goes on being used.
   * @throws DiskRefusedError while a stand-in serves
   */
  async copyTo(file: string): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      if (this.#fault !== null) throw new DiskRefusedError(this.name, this.#fault);
      try {
        await backup(this.#handle, file, { rate: COPIED_PAGES * 2 ** Math.min(tries - 1, 12) });
        return;
      } catch (error) {
        // SQLite copies no half of a running commit. Larger steps meet fewer of them.
        if (!isBusy(error) || tries === MOST_COPIES) throw error;
        rmSync(file, { force: true });
      }
    }
  }

  foundDamaged(): void {
    this.#isDamaged = true;
  }

  /**
   * Checks the file while it is in use. A reader without a lock must not meet a page being written:
   * so the log is checkpointed first, and every commit stays in the log during the check. The
   * file's size and time tell whether that held; a fault has to show twice.
   */
  async lookThrough(check: (file: string) => Promise<string | null>): Promise<Looked> {
    if (this.#standIn !== null) return { kind: 'not_now' };
    const first = await this.#lookOnce(check);
    const second = first.kind === 'damaged' ? await this.#lookOnce(check) : first;
    if (second.kind === 'damaged') this.#isDamaged = true;
    return second;
  }

  async #lookOnce(check: (file: string) => Promise<string | null>): Promise<Looked> {
    const handle = this.#handle;
    if (!foldsBack(handle)) return { kind: 'not_now' };
    handle.exec('PRAGMA wal_autocheckpoint = 0');
    try {
      const before = stateOf(this.#deps.file);
      const found = await check(this.#deps.file);
      if (before === null || before !== stateOf(this.#deps.file)) return { kind: 'not_now' };
      return found === null ? { kind: 'sound' } : { kind: 'damaged', found };
    } finally {
      // Another handle has SQLite's own number.
      if (handle === this.#handle) handle.exec(`PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
    }
  }

  /** Folds the WAL back and closes. Statements prepared here are dead afterwards. */
  close(): void {
    this.#standIn?.database.close();
    if (this.#standIn === null || this.#deps.isAlone === true) this.#handle.close();
    else this.#abandoned.push(this.#handle);
  }

  #committed(): void {
    const written = this.#uncommitted;
    this.#uncommitted = [];
    if (this.#standIn !== null) {
      if (this.#pending.length <= MOST_PENDING) this.#pending.push(...written);
      return;
    }
    if (written.length === 0) return;
    // Reading also marks the newest commit as read in the mapped index, while the disk takes it.
    this.#counting ??= this.#handle.prepare(CHANGES);
    const changes = Number(this.#counting.get()?.['changes']);
    if (changes !== this.#changes) this.#commits += 1;
    this.#changes = changes;
  }

  #exchanged(): void {
    this.#epoch += 1;
    this.#version += 1;
  }

  #takesWrites(): boolean {
    if (isWritable(this.#handle)) return true;
    const { file } = this.#deps;
    const identity = identityOf(file);
    // An open handle of exactly that file is as good as a new one.
    if (identity === null || identity === this.#identity) return false;
    try {
      // Never created: below the mount point of a missing disk is a different folder.
      const handle = openHandle(this.#deps, `${pathToFileURL(resolve(file)).href}?mode=rw`);
      equip(handle, this.#functions);
      this.#letGoOf(this.#handle);
      this.#handle = handle;
      this.#counting = null;
      this.#identity = identity;
      this.#epoch += 1;
      return isWritable(handle);
    } catch (error) {
      if (!isOfSqlite(error) && !(error instanceof SchemaVersionError)) throw error;
      return false;
    }
  }

  #letGoOf(handle: DatabaseSync): void {
    if (this.#deps.isAlone !== true) this.#abandoned.push(handle);
    else closeBroken(handle);
  }

  /** @returns false when the disk refuses that */
  #paysBack({ isWhole }: StandIn): boolean {
    const isKnown = isWhole && this.#pending.length <= MOST_PENDING;
    if (isKnown && this.#pending.length === 0) return true;
    const distrust = (): void => {
      this.#handle.exec(this.#deps.distrust ?? '');
    };
    const replayed = isKnown ? this.#inOneCommit(() => this.#replay()) : 'other_file';
    return (replayed === 'other_file' ? this.#inOneCommit(distrust) : replayed) === 'done';
  }

  #replay(): void {
    for (const { sql, method, values } of this.#pending) {
      const statement = this.#handle.prepare(sql);
      const done = statement[method](...values);
      if (method === 'iterate') Array.from(done as Iterable<unknown>);
    }
  }

  /** @returns `other_file` where the writes do not fit: the stand-in had another state */
  #inOneCommit(work: () => void): 'done' | 'refused' | 'other_file' {
    try {
      this.#handle.exec('BEGIN IMMEDIATE');
      work();
      this.#handle.exec('COMMIT');
      return 'done';
    } catch (error) {
      rollBack(this.#handle);
      return faultOf(error) === null ? 'other_file' : 'refused';
    }
  }
}

function openHandle(deps: StoreDeps, file: string): DatabaseSync {
  const database = new DatabaseSync(file, { timeout: 5_000 });
  try {
    // Defaults differ between builds, so each is set and the vital one is read back.
    database.exec(`
      PRAGMA locking_mode = ${deps.isAlone === true ? 'EXCLUSIVE' : 'NORMAL'};
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = ${deps.synchronous};
      PRAGMA foreign_keys = ON;
      PRAGMA cache_size = -8000;
      PRAGMA mmap_size = 0;
      PRAGMA journal_size_limit = 4194304;
    `);
    const level = database.prepare('PRAGMA synchronous').get()?.['synchronous'];
    if (level !== SYNCHRONOUS_LEVEL[deps.synchronous]) {
      throw new Error(
        `The ${deps.name} database runs with synchronous=${String(level)}, wanted ${deps.synchronous}.`,
      );
    }
    migrate(database, deps);
  } catch (error) {
    closeBroken(database);
    throw error;
  }
  return database;
}

function equip(database: DatabaseSync, functions: SqlFunctions): void {
  for (const [name, compute] of Object.entries(functions)) {
    const take = (...values: readonly unknown[]): number => compute(...values.map(Number));
    database.function(name, { deterministic: true, varargs: true }, take);
  }
}

function migrate(database: DatabaseSync, deps: StoreDeps): void {
  const found = versionIn(database);
  const unknown = SchemaVersionError.of(deps.name, found, deps.migrations);
  if (unknown !== null) throw unknown;
  for (const step of deps.migrations) {
    if (step.version <= found) continue;
    database.exec(`BEGIN IMMEDIATE; ${step.sql}; PRAGMA user_version = ${step.version}; COMMIT`);
  }
}

function versionIn(database: DatabaseSync): number {
  return Number(database.prepare('PRAGMA user_version').get()?.['user_version']);
}

/** @returns null where there is no such file, as far as can be told */
function identityOf(file: string): string | null {
  try {
    const { dev, ino } = statSync(file);
    return `${dev}:${ino}`;
  } catch (error) {
    if (error instanceof Error && 'syscall' in error) return null;
    throw error;
  }
}

/** Identifies the file, its length and when it was last written to; null where there is none. */
function stateOf(file: string): string | null {
  const found = statSync(file, { bigint: true, throwIfNoEntry: false });
  if (found === undefined) return null;
  return `${found.dev}:${found.ino} ${found.size} ${found.mtimeNs}`;
}

/** Whether everything in the log is in the file now. Waits for nobody. */
function foldsBack(handle: DatabaseSync): boolean {
  const done = handle.prepare('PRAGMA wal_checkpoint(PASSIVE)').get();
  return Number(done?.['busy']) === 0 && done?.['log'] === done?.['checkpointed'];
}

/** Writes the schema's version again, which is one page and one commit. */
function isWritable(handle: DatabaseSync): boolean {
  try {
    handle.exec(`BEGIN IMMEDIATE; PRAGMA user_version = ${versionIn(handle)}`);
    handle.exec('COMMIT');
    return true;
  } catch (error) {
    rollBack(handle);
    // On a disk that is gone even the header reads as damaged.
    if (!isOfSqlite(error)) throw error;
    return false;
  }
}

/** A broken handle may refuse this as well; it is abandoned anyway. */
function rollBack(handle: DatabaseSync): void {
  try {
    if (handle.isTransaction) handle.exec('ROLLBACK');
  } catch (error) {
    if (!isOfSqlite(error)) throw error;
  }
}

function closeBroken(handle: DatabaseSync): void {
  try {
    handle.close();
  } catch (error) {
    if (!isOfSqlite(error)) throw error;
  }
}

function copyOf(handle: DatabaseSync, deps: StoreDeps): StandIn {
  const copied = wholeCopy(handle);
  if (copied !== null) return { database: copied, isWhole: true };
  const database = new DatabaseSync(':memory:');
  migrate(database, deps);
  database.exec(deps.whenEmpty ?? '');
  return { database, isWhole: false };
}

/** @returns null where the file cannot be read, or is too large for the free memory */
function wholeCopy(handle: DatabaseSync): DatabaseSync | null {
  const database = new DatabaseSync(':memory:');
  try {
    const version = versionIn(handle);
    if (bytesOf(handle) > process.availableMemory() * STAND_IN_SHARE) throw new TooLargeError();
    const image = handle.serialize();
    // In memory there is no WAL, and an image that says so does not open.
    for (const at of FORMAT_VERSIONS) image[at] = 1;
    database.deserialize(image);
    // A page that could not be read is a page of zeros in the image.
    const checked = database.prepare('PRAGMA quick_check(1)').get()?.['quick_check'];
    if (checked === 'ok' && versionIn(database) === version) return database;
  } catch (error) {
    if (!(error instanceof TooLargeError) && !isOfSqlite(error)) throw error;
  }
  database.close();
  return null;
}

function bytesOf(handle: DatabaseSync): number {
  const pages = handle.prepare('PRAGMA page_count').get()?.['page_count'];
  const size = handle.prepare('PRAGMA page_size').get()?.['page_size'];
  return Number(pages) * Number(size);
}

function isOfSqlite(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ERR_SQLITE_ERROR';
}

function isBusy(error: unknown): boolean {
  if (!(error instanceof Error) || !('errcode' in error)) return false;
  // Node.js 24 asks the copy for the original's error, and gets "not an error".
  return error.errcode === 0 || (Number(error.errcode) & 0xff) === BUSY;
}

class TooLargeError extends Error {
  override readonly name = 'TooLargeError';
}

/** Of sqlite.org/rescode.html. */
const CORRUPT = 11;
const NOT_A_DATABASE = 26;
/** Together with SQLite's ERROR: the content of the file is not ours. */
const DAMAGE_CODES = new Set([1, CORRUPT, NOT_A_DATABASE]);
/** IOERR_SHORT_READ: the file ends too early. */
const SHORT_READ = 522;
/** SQLite's files next to a database, by the suffix of its name. */
const SUFFIXES = ['', '-wal', '-shm'] as const;

/** The file is there and can be read, but is no sound database any more. */
export class DamagedDatabaseError extends Error {
  constructor(name: string, found: string) {
    super(`The ${name} database is damaged: ${found}.`);
    this.name = 'DamagedDatabaseError';
  }
}

/** Whether an error of opening a database says that its content is damaged, not its disk. */
export function isDamage(error: unknown): boolean {
  if (error instanceof DamagedDatabaseError) return true;
  if (!(error instanceof Error) || !('errcode' in error)) return false;
  const code = Number(error.errcode);
  return code === SHORT_READ || DAMAGE_CODES.has(code & 0xff);
}

/** Whether a failure on a healthy disk means that the database itself is damaged. */
function isDamagedContent(error: unknown): boolean {
  const code = error instanceof Error && 'errcode' in error ? Number(error.errcode) & 0xff : 0;
  return code === CORRUPT || code === NOT_A_DATABASE;
}

/**
 * Moves a damaged database aside, whole, for recovery by hand.
 * @returns its new name
 */
export function setAside(file: string, nowMs: number): string {
  const time = new Date(nowMs).toISOString().slice(0, 19).replaceAll(':', '-');
  const aside = `${file}.damaged-${time}`;
  for (const suffix of SUFFIXES) {
    if (existsSync(file + suffix)) renameSync(file + suffix, aside + suffix);
  }
  return basename(aside);
}

/** Names of what was set aside of a database and is still there. */
export function asideOf(file: string): readonly string[] {
  const prefix = `${basename(file)}.damaged-`;
  const isBeside = (name: string): boolean => name.endsWith('-wal') || name.endsWith('-shm');
  const names = readdirSync(dirname(join(file)));
  return names.filter((name) => name.startsWith(prefix) && !isBeside(name));
}

/** How a disk refuses: it is full, or something else. */
export type DiskFault = 'failing' | 'full';

/** SQLITE_READONLY, _IOERR, _FULL and _CANTOPEN (sqlite.org/rescode.html). */
const SQLITE_FULL = 13;
const SQLITE_DISK_CODES = new Set([8, 10, SQLITE_FULL, 14]);
const FULL_CODES = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);
const FAILING_CODES = new Set([
  'EIO',
  'EROFS',
  'ENXIO',
  'ENODEV',
  'ESTALE',
  'EUCLEAN',
  'ESHUTDOWN',
]);

/** The disk refused, and the write must not be kept in memory only: nothing was done. */
export class DiskRefusedError extends Error {
  override readonly name = 'DiskRefusedError';
  readonly fault: DiskFault;

  constructor(database: string, fault: DiskFault) {
    super(`The disk refuses to write the ${database} database (${fault}). Nothing was accepted.`);
    this.fault = fault;
  }
}

/**
 * Tells whether an error of SQLite or of the system means that the disk refused.
 * @returns null for every other error
 */
export function faultOf(error: unknown): DiskFault | null {
  if (error instanceof DiskRefusedError) return error.fault;
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string')
    return null;
  if (error.code === 'ERR_SQLITE_ERROR') return sqliteFault(error);
  if (FULL_CODES.has(error.code)) return 'full';
  return FAILING_CODES.has(error.code) ? 'failing' : null;
}

/** The lowest byte is the kind, whatever else an extended code contains. */
function sqliteFault(error: object): DiskFault | null {
  const kind = 'errcode' in error && typeof error.errcode === 'number' ? error.errcode & 0xff : 0;
  if (!SQLITE_DISK_CODES.has(kind)) return null;
  return kind === SQLITE_FULL ? 'full' : 'failing';
}

/**
 * Another BaluPi wrote the file and this one cannot continue from it: a newer one, of which it
 * could lose data, or one from before the first release.
 */
export class SchemaVersionError extends Error {
  constructor(name: string, found: number, known: { readonly oldest: number; newest: number }) {
    super(
      `The ${name} database has schema version ${found}, but this BaluPi knows versions ` +
        `${known.oldest} to ${known.newest}. ` +
        (found > known.newest
          ? 'Start the newer BaluPi that wrote it, or restore the backup made before the update.'
          : 'It was written before the first release; start the BaluPi that wrote it.'),
    );
    this.name = 'SchemaVersionError';
  }

  /**
   * @param steps of one database, in order
   * @param found the file's version; 0 for a file without tables
   * @returns null where this BaluPi can open it
   */
  static of(
    name: string,
    found: number,
    steps: readonly { readonly version: number }[],
  ): SchemaVersionError | null {
    const [oldest, newest] = [steps[0]?.version ?? 0, steps.at(-1)?.version ?? 0];
    if (found === 0 || (found >= oldest && found <= newest)) return null;
    return new SchemaVersionError(name, found, { oldest, newest });
  }
}
