import type { SQLOutputValue, StatementSync } from 'node:sqlite';
import type { Store } from '../../store/store.ts';

/** A kept blob to check: a whole file with its SHA-256, or a segment with its CRC-32. */
export type CheckedBlob =
  | {
      readonly kind: 'whole';
      readonly id: number;
      readonly blob: string;
      readonly sizeBytes: number;
      readonly sha256: string;
    }
  | {
      readonly kind: 'segment';
      readonly id: number;
      readonly blob: string;
      readonly sizeBytes: number;
      readonly crc32: number;
    };

/** The columns that tell how far each has come. */
const CURSOR_COLUMNS = {
  whole: 'copy_cursor',
  segment: 'piece_cursor',
  folder: 'folder_cursor',
} as const;
export type Cursor = keyof typeof CURSOR_COLUMNS;

const WHOLE = "'whole' AS kind, id, blob, size_bytes, sha256, 0 AS crc32, pinned, priority";
const SEGMENT = "'segment' AS kind, id, blob, size_bytes, '' AS sha256, crc32, pinned, priority";

/** The table `cache_care`, and the scrubber's reads of the entries. */
export class ScrubRows {
  readonly #begin: StatementSync;
  readonly #end: StatementSync;
  readonly #read: StatementSync;
  readonly #next: Readonly<Record<'whole' | 'segment', StatementSync>>;
  readonly #move: Readonly<Record<Cursor, StatementSync>>;
  readonly #hottest: StatementSync;
  readonly #known: StatementSync;

  constructor(store: Store) {
    this.#begin = store.prepare('UPDATE cache_care SET ended_in_order = 0');
    this.#end = store.prepare('UPDATE cache_care SET ended_in_order = 1');
    this.#read = store.prepare('SELECT * FROM cache_care');
    this.#next = {
      whole: store.prepare(`SELECT ${WHOLE} FROM cached_files WHERE id > ? ORDER BY id LIMIT 1`),
      segment: store.prepare(
        `SELECT ${SEGMENT} FROM cached_pieces WHERE id > ? ORDER BY id LIMIT 1`,
      ),
    };
    const moving = (of: Cursor): StatementSync =>
      store.prepare(`UPDATE cache_care SET ${CURSOR_COLUMNS[of]} = ?`);
    this.#move = { whole: moving('whole'), segment: moving('segment'), folder: moving('folder') };
    this.#hottest = store.prepare(
      `SELECT * FROM (
         SELECT * FROM (SELECT ${WHOLE} FROM cached_files
                        ORDER BY pinned DESC, priority DESC, id DESC LIMIT ?1)
         UNION ALL
         SELECT * FROM (SELECT ${SEGMENT} FROM cached_pieces
                        ORDER BY pinned DESC, priority DESC, id DESC LIMIT ?1))
       ORDER BY pinned DESC, priority DESC LIMIT ?1`,
    );
    this.#known = store.prepare(
      `SELECT EXISTS (SELECT 1 FROM cached_files WHERE blob = ?1)
           OR EXISTS (SELECT 1 FROM cached_pieces WHERE blob = ?1) AS known`,
    );
  }

  /** A run begins. @returns whether the previous one ended cleanly */
  begin(): boolean {
    const endedInOrder = this.#read.get()?.['ended_in_order'] === 1;
    this.#begin.run();
    return endedInOrder;
  }

  /** A run ends cleanly. */
  end(): void {
    this.#end.run();
  }

  cursor(of: Cursor): number {
    return Number(this.#read.get()?.[CURSOR_COLUMNS[of]]);
  }

  moveCursor(of: Cursor, to: number): void {
    this.#move[of].run(to);
  }

  /** The blob after one, in the order of their ids. */
  next(kind: 'whole' | 'segment', afterId: number): CheckedBlob | null {
    const row = this.#next[kind].get(afterId);
    return row === undefined ? null : blobOf(row);
  }

  /** Highest worth first, pinned before all. */
  hottest(limit: number): CheckedBlob[] {
    return this.#hottest.all(limit).map(blobOf);
  }

  isKnown(blob: string): boolean {
    return this.#known.get(blob)?.['known'] === 1;
  }
}

function blobOf(row: Record<string, SQLOutputValue>): CheckedBlob {
  const common = {
    id: Number(row['id']),
    blob: String(row['blob']),
    sizeBytes: Number(row['size_bytes']),
  };
  return row['kind'] === 'whole'
    ? { ...common, kind: 'whole', sha256: String(row['sha256']) }
    : { ...common, kind: 'segment', crc32: Number(row['crc32']) };
}
