import { isWithin, sameVersion, type FileVersion } from '../files/files.ts';
import type { FillTarget } from './fill-ports.ts';
import type { Fill } from './fill.ts';
import type { Origin } from './origin.ts';

/** What a fill has, whether of a file in one or of one in pieces. */
interface RunningFill {
  readonly version: FileVersion;
  readonly isJoinable: boolean;
  readonly finished: Promise<void>;
  doom(): void;
  stop(): void;
}

/** The fills that run: at most one for each version of a file. */
export class Fills<F extends RunningFill = Fill> {
  readonly #make: (origin: Origin, target: FillTarget) => F;
  readonly #running = new Map<string, Set<F>>();

  constructor(make: (origin: Origin, target: FillTarget) => F) {
    this.#make = make;
  }

  /** The fill of exactly this version, if one runs. */
  find(path: string, version: FileVersion): F | null {
    for (const fill of this.#running.get(path) ?? []) {
      if (fill.isJoinable && sameVersion(fill.version, version)) return fill;
    }
    return null;
  }

  start(origin: Origin, target: FillTarget): F {
    const fill = this.#make(origin, target);
    const { path } = target;
    const fills = this.#running.get(path) ?? new Set<F>();
    fills.add(fill);
    this.#running.set(path, fills);
    void fill.finished.then(() => {
      fills.delete(fill);
      if (fills.size === 0 && this.#running.get(path) === fills) this.#running.delete(path);
    });
    return fill;
  }

  /** What runs at or below a path is not to be kept. */
  doom(path: string): void {
    for (const [filled, fills] of this.#running) {
      if (isWithin(filled, path)) for (const fill of fills) fill.doom();
    }
  }

  /** Cuts all off and waits until their files are gone. */
  async stop(): Promise<void> {
    const all = [...this.#running.values()].flatMap((fills) => [...fills]);
    for (const fill of all) fill.stop();
    await Promise.all(all.map((fill) => fill.finished));
  }
}
