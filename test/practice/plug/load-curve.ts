/** What is plugged in. Times are epoch milliseconds of the plug's own clock. */
export interface LoadCurve {
  wattsAt(atMs: number): number;
  /** The exact integral from `fromMs` to `toMs`, in Wh. */
  energyWhBetween(fromMs: number, toMs: number): number;
}

/** A stretch of a pattern, straight from one power to the other. */
export interface LoadPiece {
  readonly durationMs: number;
  readonly fromW: number;
  readonly toW: number;
}

const MS_PER_HOUR = 3_600_000;
const SECOND_MS = 1_000;
const MINUTE_MS = 60_000;

/** A pattern of straight pieces that repeats for ever, so that its integral is exact. */
export class PatternCurve implements LoadCurve {
  readonly #pieces: readonly LoadPiece[];
  readonly #periodMs: number;
  readonly #periodWh: number;
  readonly #startMs: number;

  /** @param startMs a moment at which the pattern begins */
  constructor(pieces: readonly LoadPiece[], startMs = 0) {
    this.#pieces = pieces;
    this.#startMs = startMs;
    this.#periodMs = pieces.reduce((sum, piece) => sum + piece.durationMs, 0);
    this.#periodWh = pieces.reduce((sum, piece) => sum + pieceWh(piece, piece.durationMs), 0);
    if (!(this.#periodMs > 0)) throw new Error(`A load pattern lasts ${this.#periodMs} ms.`);
  }

  wattsAt(atMs: number): number {
    let intoMs = this.#intoPeriod(atMs);
    for (const piece of this.#pieces) {
      if (intoMs < piece.durationMs) return powerInto(piece, intoMs);
      intoMs -= piece.durationMs;
    }
    return this.#pieces.at(-1)?.toW ?? 0;
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
    for (const piece of this.#pieces) {
      energyWh += pieceWh(piece, Math.min(intoMs, piece.durationMs));
      intoMs -= piece.durationMs;
      if (intoMs <= 0) break;
    }
    return energyWh;
  }
}

/** A load that somebody changes by hand or by a test: steps, remembered for the integral. */
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

/** The same power for ever. */
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

/** A slow wave of straight lines between two powers. */
export function wave(lowW: number, highW: number, periodMs: number): LoadCurve {
  return new PatternCurve([
    { durationMs: periodMs / 2, fromW: lowW, toW: highW },
    { durationMs: periodMs / 2, fromW: highW, toW: lowW },
  ]);
}

function powerInto(piece: LoadPiece, intoMs: number): number {
  return piece.fromW + ((piece.toW - piece.fromW) * intoMs) / piece.durationMs;
}

function pieceWh(piece: LoadPiece, untilMs: number): number {
  return (((piece.fromW + powerInto(piece, untilMs)) / 2) * untilMs) / MS_PER_HOUR;
}
