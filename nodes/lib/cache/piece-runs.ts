import type { FileVersion } from '../files/files.ts';
import type { FillHead, Origin } from './origin.ts';
import { PieceRun } from './piece-run.ts';
import { pieceAt } from './pieces.ts';
import type { Spans } from './spans.ts';

/**
 * A byte further ahead of a run than this gets a run of its own: waiting would take longer than
 * asking (256 KB is 7 ms of a Pi's network).
 */
const WORTH_WAITING_BYTES = 256 * 1024;

export interface RunFacts {
  /** What is on the disk. */
  readonly present: Spans;
  readonly origin: () => Origin;
  readonly version: () => FileVersion;
  readonly head: () => FillHead | null;
  /** Runs it to its end. */
  readonly drive: (run: PieceRun) => void;
}

/** The streams that fetch one file: disjoint, each over a stretch that is missing. */
export class PieceRuns {
  readonly #facts: RunFacts;
  readonly #runs = new Set<PieceRun>();

  constructor(facts: RunFacts) {
    this.#facts = facts;
  }

  get count(): number {
    return this.#runs.size;
  }

  /** The run that brings a byte soon, or a new one that goes on to `end` where nobody else does. */
  toward(position: number, end: number): PieceRun {
    for (const run of this.#runs) {
      const isAhead = run.position <= position && position < run.end;
      if (isAhead && position - run.position <= WORTH_WAITING_BYTES) return run;
    }
    return this.start(position, end);
  }

  /** A new run; one on its way there ends where this begins. */
  start(start: number, wantedEnd: number): PieceRun {
    let end = this.#facts.present.nextFrom(start, wantedEnd);
    for (const run of this.#runs) {
      if (run.position > start) end = Math.min(end, run.position);
      else if (start < run.end) run.endAt(start);
    }
    const { origin, version, head, drive } = this.#facts;
    const run = new PieceRun(origin(), version(), start, end, head());
    this.#runs.add(run);
    drive(run);
    return run;
  }

  /** Whether one is within a piece now. */
  isIn(number: number): boolean {
    for (const run of this.#runs) if (pieceAt(run.position) === number) return true;
    return false;
  }

  ended(run: PieceRun): void {
    run.stop();
    this.#runs.delete(run);
  }

  stopAll(): void {
    for (const run of this.#runs) run.stop();
  }
}
