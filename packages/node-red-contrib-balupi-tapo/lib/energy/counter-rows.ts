import type { StatementSync } from 'node:sqlite';
import type { Store } from '../../../../nodes/lib/store/store.ts';

/** How far the counters of a plug, or those of the household's money, are ahead of what is stored. */
export interface CounterOffset {
  readonly energyMwh: number;
  readonly feedInMwh: number;
  readonly costUc: number;
  readonly creditUc: number;
}

export const NO_OFFSET: CounterOffset = { energyMwh: 0, feedInMwh: 0, costUc: 0, creditUc: 0 };

/** SQL of `energy_counters`. */
export class CounterRows {
  readonly #all: StatementSync;
  readonly #add: StatementSync;

  constructor(store: Store) {
    this.#all = store.prepare('SELECT * FROM energy_counters');
    this.#add = store.prepare(
      `INSERT INTO energy_counters VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
         energy_mwh = energy_mwh + excluded.energy_mwh,
         feed_in_mwh = feed_in_mwh + excluded.feed_in_mwh,
         cost_uc = cost_uc + excluded.cost_uc, credit_uc = credit_uc + excluded.credit_uc`,
    );
  }

  /** By the number of the plug. */
  all(): Map<number, CounterOffset> {
    return new Map(
      this.#all.all().map((row) => [
        Number(row['device_number']),
        {
          energyMwh: Number(row['energy_mwh']),
          feedInMwh: Number(row['feed_in_mwh']),
          costUc: Number(row['cost_uc']),
          creditUc: Number(row['credit_uc']),
        },
      ]),
    );
  }

  add(deviceNumber: number, change: Partial<CounterOffset>): void {
    const { energyMwh, feedInMwh, costUc, creditUc } = { ...NO_OFFSET, ...change };
    this.#add.run(deviceNumber, energyMwh, feedInMwh, costUc, creditUc);
  }
}
