import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** So many ends that were none, within so long, and the owner's flows wait. */
const ENDS = 3;
const WITHIN_MS = 10 * 60_000;
const NAME = 'runs.json';

interface Told {
  /** Times are since the machine's start, as a Pi has no clock to trust; another start, none. */
  readonly bootId: string;
  readonly running: boolean;
  readonly endsAtMs: readonly number[];
}

interface Deps {
  readonly dataFolder: string;
  /** A name for this start of the machine. */
  readonly bootId: string;
  /** Since the machine's start. */
  readonly uptimeMs: () => number;
}

/**
 * How the last runs ended. A flow that holds the event loop or ends the process would do so again at
 * each start; after three such ends in ten minutes the next run leaves the owner's flows out. A run
 * that was stopped, or that could not start for a setting or for its data, counts as none.
 */
export class RunEnds {
  readonly #deps: Deps;
  #endsAtMs: readonly number[] = [];

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /** Notes that a run begins. @returns whether the owner's flows are to stay out of it */
  begin(): boolean {
    const { bootId, uptimeMs } = this.#deps;
    const nowMs = uptimeMs();
    const told = this.#read();
    const before = told?.bootId === bootId ? told : null;
    const ends = [...(before?.endsAtMs ?? []), ...(before?.running === true ? [nowMs] : [])];
    this.#endsAtMs = ends.filter((atMs) => nowMs - atMs < WITHIN_MS);
    this.#write(true);
    return this.#endsAtMs.length >= ENDS;
  }

  /** The run ends in order. */
  end(): void {
    this.#write(false);
  }

  /** The flows were mended: what was, counts no more. */
  forget(): void {
    this.#endsAtMs = [];
    this.#write(true);
  }

  #read(): Told | null {
    try {
      const value = JSON.parse(readFileSync(this.#file, 'utf8')) as Partial<Told> | null;
      const { bootId, running, endsAtMs } = value ?? {};
      if (typeof bootId !== 'string' || typeof running !== 'boolean') return null;
      if (!Array.isArray(endsAtMs) || !endsAtMs.every(Number.isFinite)) return null;
      return { bootId, running, endsAtMs };
    } catch {
      // Not there yet, or cut by what ended the machine: then nothing is known, which is no end.
      return null;
    }
  }

  #write(running: boolean): void {
    const text = JSON.stringify({ bootId: this.#deps.bootId, running, endsAtMs: this.#endsAtMs });
    const handle = openSync(`${this.#file}.next`, 'w', 0o600);
    try {
      writeSync(handle, text);
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
    renameSync(`${this.#file}.next`, this.#file);
  }

  get #file(): string {
    return join(this.#deps.dataFolder, NAME);
  }
}

/** This start of this machine (proc(5)); without one, a run never counts as following another. */
export function bootIdOf(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return `none-${process.pid}-${performance.timeOrigin}`;
  }
}
