import type { StatementSync } from 'node:sqlite';
import type { Store } from '../store/store.ts';

/** Copies below one folder of the root: somebody's home, or Shared. */
export interface Held {
  readonly files: number;
  readonly bytes: number;
}

/** A copy that was fetched before anybody asked, and that nobody has read yet. */
export interface UnreadCopy {
  readonly path: string;
  readonly sizeBytes: number;
  readonly ownerId: string | null;
  readonly fetchedAtMs: number;
}

/** So many rows are summed up at a time: some milliseconds of a Pi. */
const SLICE = 2_000;

const TOP = "iif(instr(path, '/') = 0, '', substr(path, 1, instr(path, '/') - 1))";

/** What lies in the cache, by whose it is: `cached_files`, `pieced_files`, `prefetched_copies`. */
export class HeldRows {
  readonly #slices: readonly StatementSync[];
  readonly #ends: readonly StatementSync[];
  readonly #unread: StatementSync;
  readonly #unreadSum: StatementSync;

  constructor(store: Store) {
    const tables = [
      ['cached_files', 'size_bytes'],
      ['pieced_files', 'held_bytes'],
    ] as const;
    this.#slices = tables.map(([table, bytes]) =>
      store.prepare(`
        SELECT ${TOP} AS top, count(*) AS files, sum(${bytes}) AS bytes FROM (
          SELECT path, ${bytes} FROM ${table} WHERE id > ? ORDER BY id LIMIT ${SLICE})
        GROUP BY top`),
    );
    this.#ends = tables.map(([table]) =>
      store.prepare(`SELECT id FROM ${table} WHERE id > ? ORDER BY id LIMIT 1 OFFSET ${SLICE - 1}`),
    );
    const unread = `FROM prefetched_copies AS ahead JOIN cached_files AS copy ON copy.id = copy_id
      WHERE (:user IS NULL OR user_id = :user)`;
    this.#unread = store.prepare(`
      SELECT path, size_bytes, owner_id, created_at_ms ${unread} ORDER BY copy_id DESC LIMIT :limit`);
    this.#unreadSum = store.prepare(
      `SELECT count(*) AS files, coalesce(sum(size_bytes), 0) AS bytes ${unread}`,
    );
  }

  /** By the first folder of their paths, slice by slice, as there may be very many. */
  *byTop(): Generator<ReadonlyMap<string, Held>> {
    for (const [table, slice] of this.#slices.entries()) {
      for (let afterId: number | null = 0; afterId !== null;) {
        const rows = slice.all(afterId);
        yield new Map(
          rows.map((row) => [
            String(row['top']),
            { files: Number(row['files']), bytes: Number(row['bytes']) },
          ]),
        );
        const end: unknown = this.#ends[table]?.get(afterId)?.['id'];
        afterId = typeof end === 'number' ? end : null;
      }
    }
  }

  /** The newest first. @param userId null for everybody's */
  unread(userId: number | null, limit: number): UnreadCopy[] {
    return this.#unread.all({ user: userId, limit }).map((row) => ({
      path: String(row['path']),
      sizeBytes: Number(row['size_bytes']),
      ownerId: typeof row['owner_id'] === 'string' ? row['owner_id'] : null,
      fetchedAtMs: Number(row['created_at_ms']),
    }));
  }

  unreadSum(userId: number | null): Held {
    const row = this.#unreadSum.get({ user: userId });
    return { files: Number(row?.['files']), bytes: Number(row?.['bytes']) };
  }
}
