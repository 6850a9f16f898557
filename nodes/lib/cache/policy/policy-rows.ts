import type { StatementSync } from 'node:sqlite';
import type { Store } from '../../store/store.ts';
import {
  type Memory,
  mostRemembered,
  type PolicyVariant,
  VARIANTS,
  WORTH_FUNCTIONS,
} from './worth.ts';

/** The inputs of an entry's rank. */
export interface PolicyState {
  /** Worth of the last victim. */
  readonly floor: number;
  readonly variant: PolicyVariant;
}

/** Statements prepared on this store may rank by `worth` and `unread_worth`. */
export function defineWorth(store: Store): void {
  store.file.define(WORTH_FUNCTIONS);
}

/** The table `cache_ghosts`, and the active policy variant in `cache_totals`. */
export class PolicyRows {
  readonly #state: StatementSync;
  readonly #raise: StatementSync;
  readonly #lead: StatementSync;
  readonly #recall: StatementSync;
  readonly #forget: StatementSync;
  readonly #remember: StatementSync;
  readonly #forgetOldest: StatementSync;
  readonly #keptCount: StatementSync;

  constructor(store: Store) {
    defineWorth(store);
    this.#state = store.prepare('SELECT inflation, temper FROM cache_totals');
    this.#raise = store.prepare(
      'UPDATE cache_totals SET inflation = inflation + ages * max(0, ? - inflation)',
    );
    this.#lead = store.prepare('UPDATE cache_totals SET temper = ?, use_exponent = ?, ages = ?');
    this.#recall = store.prepare('SELECT uses, ranked_at, weight FROM cache_ghosts WHERE key = ?');
    this.#forget = store.prepare('DELETE FROM cache_ghosts WHERE key = ?');
    this.#remember = store.prepare(
      'INSERT OR REPLACE INTO cache_ghosts (key, uses, ranked_at, weight) VALUES (?, ?, ?, ?)',
    );
    this.#forgetOldest = store.prepare(
      'DELETE FROM cache_ghosts WHERE number <= (SELECT max(number) FROM cache_ghosts) - ?',
    );
    this.#keptCount = store.prepare('SELECT file_count FROM cache_totals');
  }

  state(): PolicyState {
    const row = this.#state.get();
    const name = String(row?.['temper']);
    const variant = Object.values(VARIANTS).find((one) => one.name === name) ?? VARIANTS.even;
    return { floor: Number(row?.['inflation']), variant };
  }

  /** Entries used from now on start closer to the worth of the last victim. */
  raiseFloor(worth: number): void {
    this.#raise.run(worth);
  }

  lead(variant: PolicyVariant): void {
    this.#lead.run(variant.name, variant.useExponent, variant.ages);
  }

  recall(key: number): Memory | null {
    const row = this.#recall.get(key);
    if (row === undefined) return null;
    return {
      uses: Number(row['uses']),
      floor: Number(row['ranked_at']),
      weight: Number(row['weight']),
    };
  }

  forget(key: number): void {
    this.#forget.run(key);
  }

  /** Remembers what was evicted or not admitted; the oldest notes go. */
  remember(key: number, { uses, floor, weight }: Memory): void {
    this.#remember.run(key, uses, floor, weight);
    this.#forgetOldest.run(mostRemembered(Number(this.#keptCount.get()?.['file_count'])));
  }
}
