import type { Store } from '../../../../nodes/lib/store/store.ts';
import type { Clock } from '../../../../nodes/lib/time/clock.ts';
import type { EnergyDevice, Reading } from '../energy/sample.ts';
import { type SourceRow, SourceRows } from './source-rows.ts';

/** What any meter can report. Values it does not report are left out or null. */
export interface Told {
  readonly id: string;
  readonly name?: string;
  /** Below 0 where it feeds in. */
  readonly watts: number | null;
  /** A growing counter with any start; it may restart. */
  readonly wh?: number | null;
  readonly volts?: number | null;
  readonly amperes?: number | null;
}

export type ToldOutcome =
  | { readonly kind: 'told'; readonly told: readonly Told[] }
  /** An English sentence: what was expected, and what came. */
  | { readonly kind: 'wrong'; readonly problem: string };

/** More make the list unreadable: a flow is probably giving each message its own id. */
const MOST_SOURCES = 64;
const LONGEST_ID = 100;
/** Below what would be nonsense for a counter; a remainder grows like the whole. */
const COUNTER_WH = 5_000_000;
/** After this many missed readings it counts as silent. */
const MISSED = 3;

/** Reads `{id, watts, wh}`, or a list of them. */
export function readTold(payload: unknown): ToldOutcome {
  const all = Array.isArray(payload) ? (payload as unknown[]) : [payload];
  const told: Told[] = [];
  for (const one of all) {
    const problem = problemOf(one);
    if (problem !== null) return { kind: 'wrong', problem };
    told.push(one as Told);
  }
  return { kind: 'told', told };
}

function problemOf(one: unknown): string | null {
  if (typeof one !== 'object' || one === null) {
    return `Got ${one === null ? 'null' : typeof one}, wanted an object with id and watts.`;
  }
  const { id, watts, wh, volts, amperes, name } = one as Record<string, unknown>;
  if (typeof id !== 'string' || id === '' || id.length > LONGEST_ID) {
    return `The id is ${JSON.stringify(id) ?? 'missing'}, wanted a text of 1 to ${LONGEST_ID} characters.`;
  }
  if (name !== undefined && typeof name !== 'string') return 'The name is no text.';
  const unlike = Object.entries({ watts, wh, volts, amperes }).find(
    ([, value]) => value !== undefined && value !== null && !Number.isFinite(value),
  );
  return unlike === undefined
    ? null
    : `${unlike[0]} is ${JSON.stringify(unlike[1])}, wanted a number or null.`;
}

/** Every source ever reported, as the energy module takes it. */
export class Sources {
  readonly #rows: SourceRows;
  readonly #clock: Clock;
  readonly #silentMs: number;
  readonly #known: Map<string, SourceRow>;
  readonly #heardMs = new Map<number, number>();

  /** @param intervalSeconds how often each of them tells something */
  constructor(store: Store, clock: Clock, intervalSeconds: number) {
    this.#rows = new SourceRows(store);
    this.#clock = clock;
    this.#silentMs = MISSED * intervalSeconds * 1_000;
    this.#known = new Map(this.#rows.all().map((row) => [row.id, row]));
  }

  list(): EnergyDevice[] {
    const nowMs = this.#clock.monotonicMs();
    return [...this.#known.values()].map(({ id, name, number, addedAtS }) => ({
      ...{ id, name, number, role: 'generic' as const, addedAtMs: addedAtS * 1_000 },
      isOnline: nowMs - (this.#heardMs.get(number) ?? -Infinity) <= this.#silentMs,
    }));
  }

  /**
   * Converts reported values to readings of this moment; a new id becomes a source.
   * @returns null where there are too many already, and nothing was taken
   */
  readings(told: readonly Told[]): Reading[] | null {
    const fresh = new Set(told.map(({ id }) => id).filter((id) => !this.#known.has(id)));
    if (this.#known.size + fresh.size > MOST_SOURCES) return null;
    const monotonicMs = this.#clock.monotonicMs();
    return told.map((one) => {
      const { number } = this.#row(one);
      this.#heardMs.set(number, monotonicMs);
      return {
        deviceNumber: number,
        monotonicMs,
        powerMw: thousandfold(one.watts),
        voltageMv: thousandfold(one.volts),
        currentMa: thousandfold(one.amperes),
        todayWh: null,
        monthWh: typeof one.wh === 'number' ? Math.floor(one.wh) % COUNTER_WH : null,
        relay: null,
      };
    });
  }

  #row({ id, name }: Told): SourceRow {
    const known = this.#known.get(id);
    if (known === undefined) {
      const addedAtS = Math.floor(this.#clock.nowMs() / 1_000);
      const row = this.#rows.add(id, name ?? id, addedAtS);
      this.#known.set(id, row);
      return row;
    }
    if (name === undefined || name === known.name) return known;
    this.#rows.rename(known.number, name);
    const renamed = { ...known, name };
    this.#known.set(id, renamed);
    return renamed;
  }
}

function thousandfold(value: number | null | undefined): number | null {
  return typeof value === 'number' ? value * 1_000 : null;
}
