import type { Store } from '../../../../nodes/lib/store/store.ts';

/** Something that is metered: a plug, a meter, a solar panel. */
export interface SourceRow {
  readonly number: number;
  readonly id: string;
  readonly name: string;
  /** Epoch seconds. */
  readonly addedAtS: number;
}

/** In the same file as BaluPi's own tables: who has which number in them. */
const TABLE = `
CREATE TABLE IF NOT EXISTS energy_sources (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  added_at INTEGER NOT NULL
) STRICT;
`;

/** Every source ever reported: a number is never reused, as a history belongs to it. */
export class SourceRows {
  readonly #all;
  readonly #add;
  readonly #rename;

  constructor(store: Store) {
    store.exec(TABLE);
    this.#all = store.prepare('SELECT number, id, name, added_at FROM energy_sources');
    this.#add = store.prepare(
      'INSERT INTO energy_sources (id, name, added_at) VALUES (?, ?, ?) RETURNING number',
    );
    this.#rename = store.prepare('UPDATE energy_sources SET name = ? WHERE number = ?');
  }

  all(): SourceRow[] {
    return this.#all.all().map((row) => ({
      number: Number(row['number']),
      id: String(row['id']),
      name: String(row['name']),
      addedAtS: Number(row['added_at']),
    }));
  }

  add(id: string, name: string, addedAtS: number): SourceRow {
    const row = this.#add.get(id, name, addedAtS);
    return { number: Number(row?.['number']), id, name, addedAtS };
  }

  rename(number: number, name: string): void {
    this.#rename.run(name, number);
  }
}
