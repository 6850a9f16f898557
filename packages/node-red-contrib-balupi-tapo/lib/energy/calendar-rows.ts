import type { StatementSync } from 'node:sqlite';
import type { Store } from '../../../../nodes/lib/store/store.ts';

/** SQL of `energy_calendar`: one row with the zone that the stored days are of. */
export class CalendarRows {
  readonly #zone: StatementSync;
  readonly #drop: StatementSync;
  readonly #put: StatementSync;

  constructor(store: Store) {
    this.#zone = store.prepare('SELECT zone FROM energy_calendar');
    this.#drop = store.prepare('DELETE FROM energy_calendar');
    this.#put = store.prepare('INSERT INTO energy_calendar VALUES (?, ?)');
  }

  /** IANA name; null before it was ever noted. */
  zone(): string | null {
    const zone = this.#zone.get()?.['zone'];
    return typeof zone === 'string' ? zone : null;
  }

  put(zone: string, sinceS: number): void {
    this.#drop.run();
    this.#put.run(zone, sinceS);
  }
}
