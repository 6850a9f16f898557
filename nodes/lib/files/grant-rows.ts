import type { StatementSync } from 'node:sqlite';
import type { Store } from '../store/store.ts';
import { belowBounds, parentOf, type ShareGrant } from './nas-path.ts';

/** The table `share_grants`. */
export class GrantRows {
  readonly #store: Store;
  readonly #of: StatementSync;
  readonly #clear: StatementSync;
  readonly #drop: StatementSync;
  readonly #add: StatementSync;
  readonly #end: StatementSync;

  constructor(store: Store) {
    this.#store = store;
    this.#of = store.prepare(
      `SELECT path, is_directory, can_read, can_write, expires_at_ms, fetched_at_ms
       FROM share_grants WHERE user_id = ?`,
    );
    this.#drop = store.prepare('DELETE FROM share_grants WHERE user_id = ? AND path = ?');
    this.#clear = store.prepare('DELETE FROM share_grants WHERE user_id = ?');
    this.#end = store.prepare(
      `DELETE FROM share_grants WHERE path = ? OR (path > ? AND path < ?) RETURNING user_id`,
    );
    this.#add = store.prepare(
      `INSERT OR REPLACE INTO share_grants
         (user_id, path, is_directory, can_read, can_write, expires_at_ms, fetched_at_ms)
       VALUES (?, ?, ?, ?, ?, ?, ?)`,
    );
  }

  of(userId: number): ShareGrant[] {
    return this.#of.all(userId).map((row) => ({
      path: String(row['path']),
      isDirectory: row['is_directory'] === 1,
      canRead: row['can_read'] === 1,
      canWrite: row['can_write'] === 1,
      expiresAtMs: row['expires_at_ms'] === null ? null : Number(row['expires_at_ms']),
      fetchedAtMs: Number(row['fetched_at_ms']),
    }));
  }

  /** Replaces the NAS's previous answer with the present one. */
  replace(userId: number, grants: readonly ShareGrant[]): void {
    this.#store.transaction(() => {
      this.#clear.run(userId);
      for (const grant of grants) {
        this.#add.run(
          userId,
          grant.path,
          Number(grant.isDirectory),
          Number(grant.canRead),
          Number(grant.canWrite),
          grant.expiresAtMs,
          grant.fetchedAtMs,
        );
      }
    });
  }

  /** The trusted time was corrected: what the higher one ended stays ended. */
  clockPutRight(fromMs: number, toMs: number): void {
    this.#store.transaction(() => {
      this.#store
        .prepare('DELETE FROM share_grants WHERE expires_at_ms <= ?1 AND fetched_at_ms <= ?2')
        .run(fromMs, toMs);
      this.#store
        .prepare('UPDATE share_grants SET fetched_at_ms = fetched_at_ms - ?')
        .run(fromMs - toMs);
    });
  }

  drop(userId: number, path: string): void {
    this.#drop.run(userId, path);
  }

  /**
   * Ends every share at or below a path; `''` is all there are.
   * @returns whose they were, each once
   */
  end(path: string): readonly number[] {
    const { low, high } = belowBounds(path);
    const bounds = path === '' ? ['', '\u{10ffff}'] : [low, high];
    const users = this.#end.all(path, ...bounds).map((row) => Number(row['user_id']));
    return [...new Set(users)];
  }

  clear(userId: number): void {
    this.#clear.run(userId);
  }
}

/** The table `refused_folders`: where the NAS last refused a user. */
export class RefusalRows {
  readonly #store: Store;
  readonly #find: StatementSync;
  readonly #add: StatementSync;
  readonly #dropListings: StatementSync;
  readonly #clear: StatementSync;
  readonly #dropBelow: StatementSync;
  readonly #dropUser: StatementSync;

  constructor(store: Store) {
    this.#store = store;
    this.#find = store.prepare('SELECT 1 FROM refused_folders WHERE user_id = ? AND path = ?');
    this.#add = store.prepare(
      'INSERT OR IGNORE INTO refused_folders (user_id, path) VALUES (?, ?)',
    );
    this.#dropListings = store.prepare(
      'DELETE FROM listings WHERE user_id = ? AND (path = ? OR (path > ? AND path < ?))',
    );
    this.#clear = store.prepare('DELETE FROM refused_folders WHERE user_id = ? AND path = ?');
    this.#dropBelow = store.prepare(
      'DELETE FROM refused_folders WHERE path = ? OR (path > ? AND path < ?)',
    );
    this.#dropUser = store.prepare('DELETE FROM refused_folders WHERE user_id = ?');
  }

  /** The NAS refused that user this folder: its listing and those below no longer count. */
  add(userId: number, path: string): void {
    const { low, high } = belowBounds(path);
    this.#store.transaction(() => {
      this.#dropListings.run(userId, path, low, high);
      this.#add.run(userId, path);
    });
  }

  /** Whether that user was refused this folder or one it lies in. */
  covers(userId: number, path: string): boolean {
    for (let at: string | null = path; at !== null; at = parentOf(at)) {
      if (this.#find.get(userId, at) !== undefined) return true;
    }
    return false;
  }

  /** The NAS listed it again. */
  clear(userId: number, path: string): void {
    if (this.#find.get(userId, path) !== undefined) this.#clear.run(userId, path);
  }

  /** Something else lies at and below a path now, and nobody was refused that. */
  forget(path: string): void {
    const { low, high } = belowBounds(path);
    this.#dropBelow.run(path, low, high);
  }

  dropUser(userId: number): void {
    this.#dropUser.run(userId);
  }
}
