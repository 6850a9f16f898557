import { existsSync, renameSync, rmSync } from 'node:fs';
import type { SQLOutputValue, StatementSync } from 'node:sqlite';
import { SqlitePages, type LooseRow, type StoredValue } from './sqlite-pages.ts';
import { Store, type StoreOptions } from './store.ts';

/** Stands behind the name of a database while what is left of it is gathered. */
const GATHERING = '.salvaging';
/** So much is held in memory before it is committed. */
const ROWS_A_COMMIT = 20_000;
const BESIDE = ['', '-wal', '-shm'] as const;

interface Column {
  readonly name: string;
  readonly type: string;
  readonly mayBeNull: boolean;
  /** Rows from before the column was added do not have it. */
  readonly mayBeMissing: boolean;
  /** It is the row's own number, which is not among its values. */
  readonly isRowId: boolean;
}

interface Table {
  readonly isWithoutRowId: boolean;
  readonly columns: readonly Column[];
  /** Of the first so many columns; null for an index, whose entries may look like a table's rows. */
  readonly insert: ((columns: number) => StatementSync) | null;
}

/** A gathered database, not in its place yet. */
export interface Salvaged {
  readonly rows: number;
  /** To be called once the damaged file is out of the way. */
  moveIn(): void;
}

/**
 * Gathers what is left of a damaged database in a new one beside it: page by page, a row by its own
 * shape, as what tells the tables apart may be damaged too.
 * @param after statements that are run at the end, for what must hold whatever was lost
 * @throws Error what the disk throws
 */
export function salvage(options: StoreOptions, after: readonly string[]): Salvaged {
  const { file } = options;
  const gathering = file + GATHERING;
  for (const beside of BESIDE) rmSync(gathering + beside, { force: true });
  const migrations = asOfThen(options);
  const store = Store.open({ ...options, migrations, file: gathering, isAlone: false });
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

/** A power cut may have come between setting aside and moving in; one before that begins anew. */
export function takeUpSalvage(file: string): void {
  const gathering = file + GATHERING;
  if (existsSync(gathering) && !existsSync(file)) renameSync(gathering, file);
  for (const beside of BESIDE) rmSync(gathering + beside, { force: true });
}

/** The rows have the shapes of their time; opened in its place, the new file goes on from there. */
function asOfThen({ file, migrations }: StoreOptions): StoreOptions['migrations'] {
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

/** A number that a table once gave is not given again, though its row is gone. */
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

/** What fits two tables is no proof of either. */
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
