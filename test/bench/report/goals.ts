import { short, Table } from './table.ts';

interface Goal {
  readonly what: string;
  readonly wanted: string;
  readonly measured: string;
  readonly result: string;
}

/** Wanted figures, next to the measured ones. */
export class Goals {
  readonly #goals: Goal[] = [];

  atLeast(what: string, measured: number, wanted: number, unit = ''): void {
    this.#add(what, `≥ ${short(wanted)}${unit}`, measured, unit, measured >= wanted);
  }

  atMost(what: string, measured: number, wanted: number, unit = ''): void {
    this.#add(what, `≤ ${short(wanted)}${unit}`, measured, unit, measured <= wanted);
  }

  /** A figure that cannot be measured here. */
  open(what: string, wanted: string, why: string): void {
    this.#goals.push({ what, wanted, measured: '–', result: why });
  }

  lines(): string[] {
    const table = new Table('goal', 'wanted', 'measured', 'reached');
    for (const { what, wanted, measured, result } of this.#goals) {
      table.add(what, wanted, measured, result);
    }
    return table.lines();
  }

  #add(what: string, wanted: string, measured: number, unit: string, reached: boolean): void {
    const known = Number.isFinite(measured);
    const result = known ? (reached ? 'yes' : '**no**') : 'not measured';
    this.#goals.push({ what, wanted, measured: `${short(measured)}${known ? unit : ''}`, result });
  }
}
