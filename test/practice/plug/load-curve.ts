/** What is plugged in. Times are epoch milliseconds by the plug's own clock. */
export interface LoadCurve {
  wattsAt(atMs: number): number;
  /** The exact integral from `fromMs` to `toMs`, in Wh. */
  energyWhBetween(fromMs: number, toMs: number): number;
}

/** A span of a pattern, linear from one power to the other. */
export interface LoadSegment {
  readonly durationMs: number;
  readonly fromW: number;
  readonly toW: number;
}

const MS_PER_HOUR = 3_600_000;
const SECOND_MS = 1_000;
const MINUTE_MS = 60_000;

/** A pattern of linear segments that repeats for ever, so that its integral is exact. */
export class PatternCurve implements LoadCurve {
  readonly #segments: readonly LoadSegment[];
  readonly #periodMs: number;
  readonly #periodWh: number;
  readonly #startMs: number;

  /** @param startMs any start of the pattern */
  constructor(segments: readonly LoadSegment[], startMs = 0) {
    this.#segments = segments;
    this.#startMs = startMs;
    this.#periodMs = segments.reduce((sum, segment) => sum + segment.durationMs, 0);
    this.#periodWh = segments.reduce(
      (sum, segment) => sum + segmentWh(segment, segment.durationMs),
      0,
    );
    if (!(this.#periodMs > 0)) throw new Error(`A load pattern lasts ${this.#periodMs} ms.`);
  }

  wattsAt(atMs: number): number {
    let intoMs = this.#intoPeriod(atMs);
    for (const segment of this.#segments) {
      if (intoMs < segment.durationMs) return powerInto(segment, intoMs);
      intoMs -= segment.durationMs;
    }
    return this.#segments.at(-1)?.toW ?? 0;
  }

  energyWhBetween(fromMs: number, toMs: number): number {
    return this.#whSinceStart(toMs) - this.#whSinceStart(fromMs);
  }

  #intoPeriod(atMs: number): number {
    const rest = (atMs - this.#startMs) % this.#periodMs;
    return rest < 0 ? rest + this.#periodMs : rest;
  }

  #whSinceStart(atMs: number): number {
    let intoMs = this.#intoPeriod(atMs);
    const periods = Math.round((atMs - this.#startMs - intoMs) / this.#periodMs);
    let energyWh = periods * this.#periodWh;
    for (const segment of this.#segments) {
      energyWh += segmentWh(segment, Math.min(intoMs, segment.durationMs));
      intoMs -= segment.durationMs;
      if (intoMs <= 0) break;
    }
    return energyWh;
  }
}

/** A load that is changed by hand or by a test: its steps are kept for the integral. */
export class SwitchedLoad implements LoadCurve {
  readonly #steps: { readonly atMs: number; readonly watts: number }[];

  constructor(watts: number) {
    this.#steps = [{ atMs: Number.NEGATIVE_INFINITY, watts }];
  }

  /** @param atMs not before the last change */
  setWatts(watts: number, atMs: number): void {
    this.#steps.push({ atMs, watts });
  }

  wattsAt(atMs: number): number {
    return this.#steps.findLast((step) => step.atMs <= atMs)?.watts ?? 0;
  }

  energyWhBetween(fromMs: number, toMs: number): number {
    let energyWh = 0;
    for (const [at, step] of this.#steps.entries()) {
      const endMs = Math.min(toMs, this.#steps[at + 1]?.atMs ?? toMs);
      const startMs = Math.max(fromMs, step.atMs);
      if (endMs > startMs) energyWh += (step.watts * (endMs - startMs)) / MS_PER_HOUR;
    }
    return energyWh;
  }
}

/** A NAS: about 45 W awake, 1.5 W asleep, 0.3 W off. */
export class NasLoad extends SwitchedLoad {
  constructor(state: NasLoadState = 'awake') {
    super(NAS_WATTS[state]);
  }

  setState(state: NasLoadState, atMs: number): void {
    this.setWatts(NAS_WATTS[state], atMs);
  }
}

export type NasLoadState = 'awake' | 'asleep' | 'off';

const NAS_WATTS: Readonly<Record<NasLoadState, number>> = { awake: 45, asleep: 1.5, off: 0.3 };

/** Constant power. */
export function steady(watts: number): LoadCurve {
  return new PatternCurve([{ durationMs: MS_PER_HOUR, fromW: watts, toW: watts }]);
}

/** A fridge: a start surge, a cycle that slowly falls, a long rest; 47 minutes in all. */
export function fridge(): LoadCurve {
  return new PatternCurve([
    { durationMs: SECOND_MS, fromW: 620, toW: 620 },
    { durationMs: 14 * MINUTE_MS, fromW: 96, toW: 78 },
    { durationMs: 33 * MINUTE_MS - SECOND_MS, fromW: 1.2, toW: 1.2 },
  ]);
}

/** A kettle: 2.1 kW for just under three minutes every two hours, a short burst in between. */
export function kettle(): LoadCurve {
  return new PatternCurve([
    { durationMs: 170 * SECOND_MS, fromW: 2_100, toW: 2_085 },
    { durationMs: 55 * MINUTE_MS, fromW: 0, toW: 0 },
    { durationMs: SECOND_MS, fromW: 2_000, toW: 2_000 },
    { durationMs: 62 * MINUTE_MS + 9 * SECOND_MS, fromW: 0, toW: 0 },
  ]);
}

/** A slow triangle wave between two powers. */
export function wave(lowW: number, highW: number, periodMs: number): LoadCurve {
  return new PatternCurve([
    { durationMs: periodMs / 2, fromW: lowW, toW: highW },
    { durationMs: periodMs / 2, fromW: highW, toW: lowW },
  ]);
}

function powerInto(segment: LoadSegment, intoMs: number): number {
  return segment.fromW + ((segment.toW - segment.fromW) * intoMs) / segment.durationMs;
}

function segmentWh(segment: LoadSegment, untilMs: number): number {
  return (((segment.fromW + powerInto(segment, untilMs)) / 2) * untilMs) / MS_PER_HOUR;
}
