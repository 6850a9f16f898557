import type { StatementSync } from 'node:sqlite';
import type { Store } from '../store/store.ts';
import { belowBounds, parentOf } from './nas-path.ts';

/** The table `refused_folders`: where the NAS's last word to a user was no. */
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

  /** The NAS refused that user this folder: what was listed of it and below counts no more. */
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
