import { createHash } from 'node:crypto';
import type { Store } from '../store/store.ts';

type Statement = ReturnType<Store['prepare']>;

/** A person's devices and the addresses they were given, with room for those that changed. */
const MAX_PER_USER = 50;
/** An address is given to others in the end. */
const FORGOTTEN_AFTER_MS = 90 * 86_400_000;
/** Written down anew at most this often: it costs a commit. */
const AGAIN_AFTER_MS = 86_400_000;

/** All SQL of `sign_in_places`: from where somebody has signed in before. */
export class PlaceRows {
  readonly #find: Statement;
  readonly #note: Statement;
  readonly #cap: Statement;
  readonly #dropOfUser: Statement;

  constructor(store: Store) {
    this.#find = store.prepare('SELECT seen_at_ms FROM sign_in_places WHERE place_hash = ?');
    this.#note = store.prepare(`
      INSERT INTO sign_in_places (place_hash, user_id, seen_at_ms) VALUES (?, ?, ?)
      ON CONFLICT (place_hash) DO UPDATE SET seen_at_ms = excluded.seen_at_ms`);
    this.#cap = store.prepare(`
      DELETE FROM sign_in_places WHERE place_hash IN (
        SELECT place_hash FROM sign_in_places WHERE user_id = ?
        ORDER BY seen_at_ms DESC LIMIT -1 OFFSET ${MAX_PER_USER})`);
    this.#dropOfUser = store.prepare('DELETE FROM sign_in_places WHERE user_id = ?');
  }

  /** Whether that user signed in from that address lately. */
  isKnown(userId: number, address: string, nowMs: number): boolean {
    const seenAtMs = this.#seenAtMs(hashOf(userId, address));
    return seenAtMs !== null && nowMs - seenAtMs < FORGOTTEN_AFTER_MS;
  }

  /** That user just signed in from there. */
  note(userId: number, address: string, nowMs: number): void {
    const hash = hashOf(userId, address);
    const seenAtMs = this.#seenAtMs(hash);
    if (seenAtMs !== null && Math.abs(nowMs - seenAtMs) < AGAIN_AFTER_MS) return;
    this.#note.run(hash, userId, nowMs);
    this.#cap.run(userId);
  }

  dropOfUser(userId: number): void {
    this.#dropOfUser.run(userId);
  }

  #seenAtMs(hash: Buffer): number | null {
    const row = this.#find.get(hash);
    return row === undefined ? null : Number(row['seen_at_ms']);
  }
}

function hashOf(userId: number, address: string): Buffer {
  return createHash('sha256').update(`${userId}\0${address}`).digest();
}
