import { closeSync, existsSync, fstatSync, openSync, readSync, renameSync, rmSync } from 'node:fs';
import type { SQLOutputValue, StatementSync } from 'node:sqlite';
import { Store, type StoreDeps } from './store.ts';

/** Suffix of the database file while its remains are collected. */
const GATHERING = '.salvaging';
/** How much is held in memory before it is committed. */
const ROWS_A_COMMIT = 20_000;
const BESIDE = ['', '-wal', '-shm'] as const;

interface Column {
  readonly name: string;
  readonly type: string;
  readonly mayBeNull: boolean;
  /** Rows from before the column was added do not have it. */
  readonly mayBeMissing: boolean;
  /** It is the row number itself, which is not among its values. */
  readonly isRowId: boolean;
}

interface Table {
  readonly isWithoutRowId: boolean;
  readonly columns: readonly Column[];
  /** For the first n columns; null for an index, whose entries may look like a table's rows. */
  readonly insert: ((columns: number) => StatementSync) | null;
}

/** A database rebuilt from what was salvaged, not in its place yet. */
export interface Salvaged {
  readonly rows: number;
  /** To be called once the damaged file is out of the way. */
  moveIn(): void;
}

/**
 * Collects what is left of a damaged database in a new file: page by page, each row by its shape,
 * as the schema may be damaged too.
 * @param after statements run at the end, for what must hold whatever was lost
 * @throws Error what the disk throws
 */
export function salvage(deps: StoreDeps, after: readonly string[]): Salvaged {
  const { file } = deps;
  const gathering = file + GATHERING;
  for (const beside of BESIDE) rmSync(gathering + beside, { force: true });
  const migrations = asOfThen(deps);
  const store = Store.open({ ...deps, migrations, file: gathering, isAlone: false });
  let rows: number;
  try {
    rows = gather(file, store);
    store.transaction(() => {
      for (const sql of after) store.prepare(sql).run();
    });
  } finally {
    store.close();
  }
  return {
    rows,
    moveIn: () => {
      renameSync(gathering, file);
    },
  };
}

/** A power cut may have come between setting aside and moving in; one before that starts over. */
export function takeUpSalvage(file: string): void {
  const gathering = file + GATHERING;
  if (existsSync(gathering) && !existsSync(file)) renameSync(gathering, file);
  for (const beside of BESIDE) rmSync(gathering + beside, { force: true });
}

/** The rows have the shapes of their time; opened in its place, the new file goes on from there. */
function asOfThen({ file, migrations }: StoreDeps): StoreDeps['migrations'] {
  const pages = new SqlitePages(file);
  try {
    const version = pages.userVersion ?? 0;
    if (version === 0) return migrations;
    return migrations.filter((step, index) => index === 0 || step.version <= version);
  } finally {
    pages.close();
  }
}

function gather(damaged: string, store: Store): number {
  const tables = tablesOf(store);
  const given = givenNumbers(store);
  const pages = new SqlitePages(damaged);
  let [found, batch] = [0, [] as LooseRow[]];
  const commit = (): void => {
    store.transaction(() => {
      for (const row of batch) found += given(row) || keep(row, tables);
    });
    batch = [];
  };
  try {
    for (const row of pages.rows()) {
      batch.push(row);
      if (batch.length >= ROWS_A_COMMIT) commit();
    }
    commit();
  } finally {
    pages.close();
  }
  return found;
}

/** A number that a table once assigned is never reused, even if its row is gone. */
function givenNumbers(store: Store): (row: LooseRow) => number {
  const known = store.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?");
  const raise = store.prepare('UPDATE sqlite_sequence SET seq = max(seq, ?2) WHERE name = ?1');
  const begin = store.prepare(`
    INSERT INTO sqlite_sequence (name, seq) SELECT ?1, 0
    WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = ?1)`);
  return ({ rowId, values: [name, number, ...others] }) => {
    const isOne = rowId !== null && others.length === 0 && typeof name === 'string';
    if (!isOne || typeof number !== 'number' || known.get(name) === undefined) return 0;
    begin.run(name);
    return Number(raise.run(name, number).changes);
  };
}

/** A row that fits two tables proves neither. */
function keep(row: LooseRow, tables: readonly Table[]): number {
  const alike = tables.filter((table) => fits(row, table));
  const whole = alike.filter(({ columns }) => columns.length === row.values.length);
  const fitting = whole.length > 0 ? whole : alike;
  const [table] = fitting;
  if (table === undefined || table.insert === null || fitting.length > 1) return 0;
  const values = row.values.map((value, at) =>
    table.columns[at]?.isRowId === true ? row.rowId : value,
  );
  return Number(table.insert(values.length).run(...values).changes);
}

function fits({ rowId, values }: LooseRow, { columns, isWithoutRowId }: Table): boolean {
  if ((rowId === null) !== isWithoutRowId || values.length > columns.length) return false;
  return columns.every((column, at) =>
    at < values.length ? fitsColumn(values[at] ?? null, column) : column.mayBeMissing,
  );
}

function fitsColumn(value: StoredValue, { type, mayBeNull, isRowId }: Column): boolean {
  if (isRowId) return value === null;
  if (value === null) return mayBeNull;
  if (type === 'TEXT') return typeof value === 'string';
  if (type === 'BLOB') return value instanceof Uint8Array;
  if (type === 'INTEGER') return typeof value === 'bigint' || Number.isInteger(value);
  return type !== 'REAL' || typeof value === 'number';
}

function tablesOf(store: Store): Table[] {
  const listed = store.prepare('PRAGMA table_list').all();
  const tables = listed
    .filter(({ schema, type, name }) => schema === 'main' && type === 'table' && !isOwn(name))
    .map(({ name, wr }) => tableOf(store, String(name), wr === 1));
  const indexes = store
    .prepare("SELECT name, tbl_name FROM sqlite_schema WHERE type = 'index'")
    .all()
    .map(({ name, tbl_name: of }) => indexOf(store, String(name), String(of)));
  return [...tables, ...indexes];
}

/** Its columns, and the number of the row it leads to. */
function indexOf(store: Store, index: string, of: string): Table {
  const types = new Map(
    store
      .prepare(`PRAGMA table_xinfo(${of})`)
      .all()
      .map(({ name, type, notnull }) => [name, { type: String(type), mayBeNull: notnull === 0 }]),
  );
  const plain = { mayBeMissing: false, isRowId: false };
  const columns = store
    .prepare(`PRAGMA index_info("${index}")`)
    .all()
    .map(({ name }) => {
      const known = types.get(name) ?? { type: 'ANY', mayBeNull: true };
      return { ...plain, ...known, name: String(name) };
    });
  const row = { ...plain, name: 'rowid', type: 'INTEGER', mayBeNull: false };
  return { isWithoutRowId: true, columns: [...columns, row], insert: null };
}

function isOwn(name: SQLOutputValue | undefined): boolean {
  return String(name).startsWith('sqlite_');
}

function tableOf(store: Store, table: string, isWithoutRowId: boolean): Table {
  const listed = store.prepare(`PRAGMA table_xinfo(${table})`).all();
  const columns = listed
    .filter(({ hidden }) => hidden === 0)
    .map(({ name, type, notnull, pk, dflt_value: byDefault }) => ({
      name: String(name),
      type: String(type),
      mayBeNull: notnull === 0 && pk === 0,
      mayBeMissing: pk === 0 && (notnull === 0 || byDefault !== null),
      isRowId: !isWithoutRowId && pk === 1 && type === 'INTEGER',
    }));
  const statements = new Map<number, StatementSync>();
  const insert = (count: number): StatementSync => {
    const names = columns.slice(0, count).map(({ name }) => name);
    const places = names.map(() => '?').join(', ');
    const sql = `INSERT OR IGNORE INTO ${table} (${names.join(', ')}) VALUES (${places})`;
    const statement = statements.get(count) ?? store.prepare(sql);
    statements.set(count, statement);
    return statement;
  };
  return { isWithoutRowId, columns, insert };
}

type StoredValue = number | bigint | string | Uint8Array | null;

/** A row as it is in a page, where nothing tells its table. */
interface LooseRow {
  /** Null in an index, which is what a table WITHOUT ROWID is too. */
  readonly rowId: number | bigint | null;
  readonly values: readonly StoredValue[];
}

/** The kinds of pages that hold rows (sqlite.org/fileformat2.html, 1.6). */
const TABLE_LEAF = 13;
const INDEX_LEAF = 10;
const INDEX_INTERIOR = 2;
const MAGIC = 'SQLite format 3\0';
const DATABASE_HEADER_BYTES = 100;
const USER_VERSION_AT = 60;
const USUAL_PAGE_BYTES = 4096;
const WAL_HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;
const WAL_MAGIC = 0x377f0682;
/** Sizes of integers, by serial type. */
const INTEGER_BYTES = [0, 1, 2, 3, 4, 6, 8] as const;
const REAL = 7;
const ZERO = 8;
const ONE = 9;
const FIRST_BLOB = 12;

/**
 * The rows of a database file that SQLite itself no longer opens or reads to its end. Each page is
 * read on its own, overlaid with the newest commits of the log, so that a damaged page only costs
 * its own rows. Writes nothing.
 */
class SqlitePages {
  readonly #file: number;
  readonly #pageBytes: number;
  readonly #pageCount: number;
  readonly #log: Log | null;

  constructor(file: string) {
    this.#file = openSync(file, 'r');
    const header = Buffer.alloc(DATABASE_HEADER_BYTES);
    readSync(this.#file, header, 0, header.length, 0);
    const isSound = header.toString('latin1', 0, MAGIC.length) === MAGIC;
    this.#log = existsSync(`${file}-wal`) ? Log.open(`${file}-wal`) : null;
    const told = isSound ? pageBytesIn(header) : (this.#log?.pageBytes ?? 0);
    this.#pageBytes = isPageSize(told) ? told : USUAL_PAGE_BYTES;
    const inFile = Math.floor(fstatSync(this.#file).size / this.#pageBytes);
    this.#pageCount = Math.max(inFile, this.#log?.pageCount ?? 0);
  }

  /** The schema's version as the file tells it; null where its header is damaged. */
  get userVersion(): number | null {
    const first = this.#page(1);
    const isSound = first?.toString('latin1', 0, MAGIC.length) === MAGIC;
    return isSound ? first.readUInt32BE(USER_VERSION_AT) : null;
  }

  /** Every row of every page that is in use and can be read, in the order of the file. */
  *rows(): Generator<LooseRow> {
    const free = this.#freePages();
    for (let number = 1; number <= this.#pageCount; number += 1) {
      const page = free.has(number) ? null : this.#page(number);
      if (page !== null) yield* this.#rowsIn(page, number);
    }
  }

  close(): void {
    closeSync(this.#file);
    this.#log?.close();
  }

  #page(number: number): Buffer | null {
    const page = Buffer.alloc(this.#pageBytes);
    if (this.#log?.read(number, page) === true) return page;
    const at = (number - 1) * this.#pageBytes;
    return readSync(this.#file, page, 0, page.length, at) === page.length ? page : null;
  }

  /** Deleted rows are still there and must not return. Empty where page 1 is damaged. */
  #freePages(): Set<number> {
    const free = new Set<number>();
    const first = this.#page(1);
    if (first?.toString('latin1', 0, MAGIC.length) !== MAGIC) return free;
    let trunk = first.readUInt32BE(32);
    while (trunk > 0 && trunk <= this.#pageCount && !free.has(trunk)) {
      free.add(trunk);
      const page = this.#page(trunk);
      if (page === null) break;
      const count = Math.min(page.readUInt32BE(4), this.#pageBytes / 4 - 2);
      for (let at = 0; at < count; at += 1) free.add(page.readUInt32BE(8 + at * 4));
      trunk = page.readUInt32BE(0);
    }
    return free;
  }

  *#rowsIn(page: Buffer, number: number): Generator<LooseRow> {
    const header = number === 1 ? DATABASE_HEADER_BYTES : 0;
    const kind = page[header] ?? 0;
    if (kind !== TABLE_LEAF && kind !== INDEX_LEAF && kind !== INDEX_INTERIOR) return;
    const count = page.readUInt16BE(header + 3);
    const pointers = header + (kind === INDEX_INTERIOR ? 12 : 8);
    for (let at = 0; at < count && pointers + at * 2 + 2 <= page.length; at += 1) {
      const row = this.#cell(page, page.readUInt16BE(pointers + at * 2), kind);
      if (row !== null) yield row;
    }
  }

  #cell(page: Buffer, at: number, kind: number): LooseRow | null {
    try {
      const cell = new Bytes(page, kind === INDEX_INTERIOR ? at + 4 : at);
      const length = Number(cell.varint());
      const rowId = kind === TABLE_LEAF ? cell.varint() : null;
      const payload = this.#payload(cell, length, kind === TABLE_LEAF);
      const values = payload === null ? null : recordIn(payload);
      return values === null ? null : { rowId, values };
    } catch (error) {
      // It points past the end of its page or of its record: no row of anybody's.
      if (error instanceof RangeError) return null;
      throw error;
    }
  }

  /** @returns null where it is incomplete */
  #payload(cell: Bytes, length: number, isTable: boolean): Buffer | null {
    const usable = this.#pageBytes;
    const least = Math.floor(((usable - 12) * 32) / 255) - 23;
    const most = isTable ? usable - 35 : Math.floor(((usable - 12) * 64) / 255) - 23;
    if (length <= most) return cell.take(length);
    if (length > this.#pageCount * usable) return null;
    const wanted = least + ((length - least) % (usable - 4));
    const parts = [cell.take(wanted <= most ? wanted : least)];
    let missing = length - (parts[0]?.length ?? 0);
    let next = cell.take(4).readUInt32BE(0);
    while (missing > 0) {
      const page = next > 0 && next <= this.#pageCount ? this.#page(next) : null;
      if (page === null) return null;
      parts.push(page.subarray(4, 4 + Math.min(missing, usable - 4)));
      missing -= usable - 4;
      next = page.readUInt32BE(0);
    }
    return Buffer.concat(parts);
  }
}

/** The write-ahead log next to a database: pages of commits that are not folded back yet. */
class Log {
  readonly pageBytes: number;
  /** Pages of the database after the newest commit; 0 where there is none. */
  pageCount = 0;
  readonly #file: number;
  /** Where the newest committed state of a page lies. */
  readonly #places = new Map<number, number>();

  private constructor(file: number, header: Buffer) {
    this.#file = file;
    this.pageBytes = header.readUInt32BE(8);
    this.#read(header);
  }

  /** @returns null where it contains nothing that can be trusted */
  static open(path: string): Log | null {
    const file = openSync(path, 'r');
    const header = Buffer.alloc(WAL_HEADER_BYTES);
    const isWhole = readSync(file, header, 0, header.length, 0) === header.length;
    const isLog = isWhole && (header.readUInt32BE(0) & ~1) >>> 0 === WAL_MAGIC;
    if (isLog && isPageSize(header.readUInt32BE(8))) return new Log(file, header);
    closeSync(file);
    return null;
  }

  /** @returns whether the log has that page */
  read(number: number, into: Buffer): boolean {
    const at = this.#places.get(number);
    return at !== undefined && readSync(this.#file, into, 0, into.length, at) === into.length;
  }

  close(): void {
    closeSync(this.#file);
  }

  /** Each frame's checksum continues the previous one; the first mismatch ends the log. */
  #read(header: Buffer): void {
    const sum = new Sum((header.readUInt32BE(0) & 1) === 1);
    if (!sum.add(header.subarray(0, 24)).is(header, 24)) return;
    const frame = Buffer.alloc(FRAME_HEADER_BYTES + this.pageBytes);
    const uncommitted = new Map<number, number>();
    let at = WAL_HEADER_BYTES;
    while (readSync(this.#file, frame, 0, frame.length, at) === frame.length) {
      const isOfThisLog = frame.compare(header, 16, 24, 8, 16) === 0;
      sum.add(frame.subarray(0, 8)).add(frame.subarray(FRAME_HEADER_BYTES));
      if (!isOfThisLog || !sum.is(frame, 16)) return;
      uncommitted.set(frame.readUInt32BE(0), at + FRAME_HEADER_BYTES);
      const pagesAfterCommit = frame.readUInt32BE(4);
      if (pagesAfterCommit > 0) {
        for (const [number, place] of uncommitted) this.#places.set(number, place);
        uncommitted.clear();
        this.pageCount = pagesAfterCommit;
      }
      at += frame.length;
    }
  }
}

/** The log's running checksum (fileformat2.html, 4.2). */
class Sum {
  #first = 0;
  #second = 0;
  readonly #isBigEndian: boolean;

  constructor(isBigEndian: boolean) {
    this.#isBigEndian = isBigEndian;
  }

  add(bytes: Buffer): this {
    for (let at = 0; at + 8 <= bytes.length; at += 8) {
      this.#first = (this.#first + this.#word(bytes, at) + this.#second) >>> 0;
      this.#second = (this.#second + this.#word(bytes, at + 4) + this.#first) >>> 0;
    }
    return this;
  }

  is(bytes: Buffer, at: number): boolean {
    return bytes.readUInt32BE(at) === this.#first && bytes.readUInt32BE(at + 4) === this.#second;
  }

  #word(bytes: Buffer, at: number): number {
    return this.#isBigEndian ? bytes.readUInt32BE(at) : bytes.readUInt32LE(at);
  }
}

/**
 * Reads sequentially through some bytes.
 * @throws RangeError past their end
 */
class Bytes {
  readonly #bytes: Buffer;
  #at: number;

  constructor(bytes: Buffer, at = 0) {
    this.#bytes = bytes;
    this.#at = at;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  get at(): number {
    return this.#at;
  }

  take(length: number): Buffer {
    if (this.#at + length > this.#bytes.length) throw new RangeError('It ends before.');
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  varint(): number | bigint {
    let value = 0n;
    for (let count = 0; count < 9; count += 1) {
      const byte = BigInt(this.take(1).readUInt8(0));
      if (count === 8) return plain(BigInt.asIntN(64, (value << 8n) | byte));
      value = (value << 7n) | (byte & 127n);
      if (byte < 128n) break;
    }
    return plain(value);
  }
}

/** @returns null for what is not a record: its parts do not add up to its length */
function recordIn(payload: Buffer): StoredValue[] | null {
  const head = new Bytes(payload);
  const headBytes = Number(head.varint());
  if (headBytes > payload.length) return null;
  const types: number[] = [];
  while (head.at < headBytes) types.push(Number(head.varint()));
  if (head.at !== headBytes) return null;
  const body = new Bytes(payload, headBytes);
  const values = types.map((type) => valueOf(type, body));
  return body.isAtEnd ? values : null;
}

function valueOf(type: number, body: Bytes): StoredValue {
  if (type === 0) return null;
  if (type === ZERO || type === ONE) return type - ZERO;
  if (type === REAL) return body.take(8).readDoubleBE(0);
  if (type < REAL) return integerIn(body.take(INTEGER_BYTES[type as 1] ?? 0));
  if (type < FIRST_BLOB) throw new RangeError('No such type.');
  const bytes = body.take(Math.floor((type - FIRST_BLOB) / 2));
  return type % 2 === 1 ? bytes.toString('utf8') : new Uint8Array(bytes);
}

function integerIn(bytes: Buffer): number | bigint {
  return bytes.length === 8 ? plain(bytes.readBigInt64BE(0)) : bytes.readIntBE(0, bytes.length);
}

function plain(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/** A page size of 65536 does not fit its two bytes and is written as 1. */
function pageBytesIn(header: Buffer): number {
  const told = header.readUInt16BE(16);
  return told === 1 ? 65_536 : told;
}

function isPageSize(bytes: number): boolean {
  return bytes >= 512 && bytes <= 65_536 && (bytes & (bytes - 1)) === 0;
}
