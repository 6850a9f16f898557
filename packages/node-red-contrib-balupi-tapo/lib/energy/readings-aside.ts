import { appendFileSync, readFileSync, rmSync } from 'node:fs';
import type { Clock } from '../../../../nodes/lib/time/clock.ts';
import type { Reading } from './sample.ts';

/** What lies aside for longer, or in the future, is left to the plugs' own counters. */
const LONGEST_MS = 1_800_000;

interface Line {
  /** Epoch ms. */
  readonly atMs: number;
  readonly reading: Reading;
}

/**
 * Readings of a run whose database may be given up, in a file beside it: whichever version runs after
 * that meters them. One JSON object a line, so that a cut costs the last one at most. Versions read
 * each other's lines, so a field of it is never given another meaning.
 */
export class ReadingsAside {
  readonly #file: string;
  readonly #clock: Clock;

  constructor(file: string, clock: Clock) {
    this.#file = file;
    this.#clock = clock;
  }

  /** @throws what the disk throws */
  add(readings: readonly Reading[]): void {
    const aheadMs = this.#clock.nowMs() - this.#clock.monotonicMs();
    const lines = readings.map((reading) => {
      const line: Line = { atMs: Math.round(reading.monotonicMs + aheadMs), reading };
      return `${JSON.stringify(line)}\n`;
    });
    appendFileSync(this.#file, lines.join(''), { mode: 0o600 });
  }

  /** @returns what lies aside in its order, at its place on the monotonic clock of this process */
  read(): readonly Reading[] {
    const [nowMs, tickMs] = [this.#clock.nowMs(), this.#clock.monotonicMs()];
    return linesIn(this.#file).flatMap((text) => {
      const line = lineOf(text);
      const ageMs = line === null ? -1 : nowMs - line.atMs;
      if (line === null || !(ageMs >= 0 && ageMs <= LONGEST_MS)) return [];
      return [{ ...line.reading, monotonicMs: tickMs - ageMs }];
    });
  }

  clear(): void {
    rmSync(this.#file, { force: true });
  }
}

function linesIn(file: string): readonly string[] {
  try {
    return readFileSync(file, 'utf8').split('\n');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** @returns null for a line that was cut */
function lineOf(text: string): Line | null {
  try {
    const line = JSON.parse(text) as Partial<Line> | null;
    const { atMs, reading } = line ?? {};
    return typeof atMs === 'number' && typeof reading?.deviceNumber === 'number'
      ? { atMs, reading }
      : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}
