import type { StatementSync } from 'node:sqlite';
import { LruMap } from '../limits/limits.ts';
import type { Store } from '../store/store.ts';

/** An answer of the NAS, as its JSON text. */
export interface KeptAnswer {
  readonly body: string;
  /** When the NAS gave it, epoch ms. */
  readonly toldAtMs: number;
}

/** An app asks for a few dozen; beyond this the oldest go. */
const MOST_PER_SCOPE = 120;
/** Poll answers change every time, and only the last one before the sleep is needed. */
const WRITE_EVERY_MS = 10 * 60_000;
const MOST_HELD = 2_000;

interface Held extends KeptAnswer {
  readonly writtenAtMs: number;
  readonly isWritten: boolean;
}

/** The table `kept_answers`, with what changes all the time in memory before it. */
export class AnswerRows {
  readonly #find: StatementSync;
  readonly #put: StatementSync;
  readonly #drop: StatementSync;
  readonly #dropScope: StatementSync;
  readonly #addresses: StatementSync;
  readonly #cap: StatementSync;
  readonly #held = new LruMap<string, Held>(MOST_HELD);

  constructor(store: Store) {
    this.#find = store.prepare(
      'SELECT body, told_at_ms FROM kept_answers WHERE scope = ? AND address = ?',
    );
    this.#put = store.prepare(
      `INSERT INTO kept_answers (scope, address, body, told_at_ms) VALUES (?, ?, ?, ?)
       ON CONFLICT (scope, address) DO UPDATE
       SET body = excluded.body, told_at_ms = excluded.told_at_ms`,
    );
    this.#drop = store.prepare('DELETE FROM kept_answers WHERE scope = ? AND address = ?');
    this.#dropScope = store.prepare('DELETE FROM kept_answers WHERE scope = ?');
    this.#addresses = store.prepare(
      'SELECT address, body, told_at_ms FROM kept_answers WHERE scope = ? AND address GLOB ?',
    );
    this.#cap = store.prepare(
      `DELETE FROM kept_answers WHERE scope = ?1 AND address IN (
         SELECT address FROM kept_answers WHERE scope = ?1
         ORDER BY told_at_ms DESC LIMIT -1 OFFSET ${MOST_PER_SCOPE})`,
    );
  }

  find(scope: string, address: string): KeptAnswer | null {
    const held = this.#held.get(keyOf(scope, address));
    if (held !== undefined) return held;
    const row = this.#find.get(scope, address);
    if (row === undefined) return null;
    return { body: String(row['body']), toldAtMs: Number(row['told_at_ms']) };
  }

  /** Every address of a scope that begins so, which has no `*`, `?` or `[` in it. */
  *beginning(scope: string, start: string): Generator<KeptAnswer & { readonly address: string }> {
    for (const row of this.#addresses.all(scope, `${start}*`)) {
      const address = String(row['address']);
      const answer = this.find(scope, address);
      if (answer !== null) yield { address, ...answer };
    }
  }

  /** @param isPoll it changes all the time, so it is stored now and then, and by {@link flush} */
  keep(scope: string, address: string, answer: KeptAnswer, isPoll: boolean): void {
    const key = keyOf(scope, address);
    const before = this.#held.get(key);
    const writtenAtMs = before?.writtenAtMs ?? -Infinity;
    const isSame = before?.body === answer.body || isPoll;
    const isDue = answer.toldAtMs - writtenAtMs >= WRITE_EVERY_MS;
    const isWritten = !isSame || isDue || answer.toldAtMs < writtenAtMs;
    const forgotten = this.#held.set(key, {
      ...answer,
      isWritten,
      writtenAtMs: isWritten ? answer.toldAtMs : writtenAtMs,
    });
    if (isWritten) this.#write(scope, address, answer);
    if (forgotten !== undefined) this.#writeHeld(...forgotten);
  }

  drop(scope: string, address: string): void {
    this.#held.delete(keyOf(scope, address));
    if (this.#find.get(scope, address) !== undefined) this.#drop.run(scope, address);
  }

  dropScope(scope: string): void {
    for (const [key] of this.#held) {
      if (key.startsWith(keyOf(scope, ''))) this.#held.delete(key);
    }
    this.#dropScope.run(scope);
  }

  /** Stores what is in memory only. */
  flush(): void {
    for (const [key, held] of [...this.#held]) {
      if (held.isWritten) continue;
      this.#writeHeld(key, held);
      this.#held.set(key, { ...held, isWritten: true, writtenAtMs: held.toldAtMs });
    }
  }

  #write(scope: string, address: string, { body, toldAtMs }: KeptAnswer): void {
    this.#put.run(scope, address, body, toldAtMs);
    this.#cap.run(scope);
  }

  #writeHeld(key: string, held: Held): void {
    if (held.isWritten) return;
    const [scope = '', address = ''] = key.split('\n');
    this.#write(scope, address, held);
  }
}

function keyOf(scope: string, address: string): string {
  return `${scope}\n${address}`;
}
