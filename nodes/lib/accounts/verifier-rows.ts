import type { Store } from '../store/store.ts';

type Statement = ReturnType<Store['prepare']>;

/** What is kept of a password: enough to recognise it, too little to know it. */
export interface VerifierRow {
  readonly salt: Uint8Array;
  readonly hash: Uint8Array;
  /** scrypt's N. */
  readonly cost: number;
}

/** All SQL of `password_verifiers`. */
export class VerifierRows {
  readonly #find: Statement;
  readonly #keep: Statement;
  readonly #drop: Statement;

  constructor(store: Store) {
    this.#find = store.prepare('SELECT salt, hash, cost FROM password_verifiers WHERE user_id = ?');
    this.#keep = store.prepare(`
      INSERT INTO password_verifiers (user_id, salt, hash, cost, created_at_ms)
      VALUES (?, ?, ?, ?, ?)
      ON CONFLICT (user_id) DO UPDATE SET salt = excluded.salt, hash = excluded.hash,
        cost = excluded.cost, created_at_ms = excluded.created_at_ms`);
    this.#drop = store.prepare('DELETE FROM password_verifiers WHERE user_id = ?');
  }

  find(userId: number): VerifierRow | null {
    const row = this.#find.get(userId);
    const salt = row?.['salt'];
    const hash = row?.['hash'];
    if (!(salt instanceof Uint8Array) || !(hash instanceof Uint8Array)) return null;
    return { salt, hash, cost: Number(row?.['cost']) };
  }

  keep(userId: number, verifier: VerifierRow, atMs: number): void {
    this.#keep.run(userId, verifier.salt, verifier.hash, verifier.cost, atMs);
  }

  drop(userId: number): void {
    this.#drop.run(userId);
  }
}
