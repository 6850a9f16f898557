import type { StatementSync } from 'node:sqlite';
import type { Store } from '../store/store.ts';

/** What the NAS told of itself at its last goodbye. */
export interface Snapshot {
  /** JSON exactly as it arrived. */
  readonly text: string;
  /** Epoch ms. */
  readonly receivedAtMs: number;
}

/** `handshake_signatures` and the one row of `nas_snapshot` (queue database). */
export class HandshakeRows {
  readonly #store: Store;
  readonly #forget: StatementSync;
  readonly #remember: StatementSync;
  readonly #write: StatementSync;
  readonly #read: StatementSync;
  readonly #readTime: StatementSync;

  constructor(store: Store) {
    this.#store = store;
    this.#forget = store.prepare('DELETE FROM handshake_signatures WHERE signed_s < ?');
    this.#remember = store.prepare(
      'INSERT INTO handshake_signatures (signature, signed_s) VALUES (?, ?) ON CONFLICT DO NOTHING',
    );
    this.#write = store.prepare(`
      INSERT INTO nas_snapshot (id, text, received_at_ms) VALUES (1, ?, ?)
      ON CONFLICT (id) DO UPDATE SET
        text = excluded.text, received_at_ms = excluded.received_at_ms`);
    this.#read = store.prepare('SELECT text, received_at_ms FROM nas_snapshot WHERE id = 1');
    this.#readTime = store.prepare('SELECT received_at_ms FROM nas_snapshot WHERE id = 1');
  }

  /**
   * Uses up a signature and keeps what came with it, both or neither.
   * @param forgetBeforeS unix seconds; older signatures are refused by their time alone
   * @returns false when it was used before
   */
  accept(
    signature: string,
    signedS: number,
    forgetBeforeS: number,
    snapshot: Snapshot | null,
  ): boolean {
    return this.#store.transaction(() => {
      this.#forget.run(forgetBeforeS);
      if (this.#remember.run(signature, signedS).changes === 0) return false;
      if (snapshot !== null) this.#write.run(snapshot.text, snapshot.receivedAtMs);
      return true;
    });
  }

  snapshot(): Snapshot | null {
    const row = this.#read.get();
    if (row === undefined) return null;
    return { text: String(row['text']), receivedAtMs: Number(row['received_at_ms']) };
  }

  snapshotAtMs(): number | null {
    const row = this.#readTime.get();
    return row === undefined ? null : Number(row['received_at_ms']);
  }
}
