import { isWithin } from '../../files/files.ts';
import type { Cancel, Clock } from '../../time/clock.ts';

interface Waiter {
  readonly paths: readonly string[];
  readonly give: (release: (() => void) | null) => void;
}

/**
 * Places of the NAS that somebody is at work on, so that nobody else is meanwhile: deliveries,
 * conflicts being settled, and changes that callers make. Two places meet where one is the other or
 * lies above it: a folder that is renamed takes all that is in it along.
 */
export class PathLocks {
  readonly #clock: Pick<Clock, 'after'>;
  readonly #taken = new Set<readonly string[]>();
  readonly #waiting = new Set<Waiter>();

  constructor(clock: Pick<Clock, 'after'>) {
    this.#clock = clock;
  }

  /** @returns how to give them back, or null when somebody is at work there */
  take(paths: readonly string[]): (() => void) | null {
    return this.#isFree(paths) ? this.#hold(paths) : null;
  }

  /**
   * As {@link take}, and waits for whoever is at work there. What is given back goes to who waits.
   * @param withinMs after so long it is given up
   */
  takeSoon(paths: readonly string[], withinMs: number): Promise<(() => void) | null> {
    const release = this.take(paths);
    if (release !== null) return Promise.resolve(release);
    const { promise, resolve } = Promise.withResolvers<(() => void) | null>();
    let stopTimer: Cancel = () => undefined;
    const waiter: Waiter = {
      paths,
      give: (given) => {
        this.#waiting.delete(waiter);
        stopTimer();
        resolve(given);
      },
    };
    this.#waiting.add(waiter);
    stopTimer = this.#clock.after(withinMs, () => {
      waiter.give(null);
    });
    return promise;
  }

  #isFree(paths: readonly string[]): boolean {
    for (const others of this.#taken) {
      if (paths.some((path) => others.some((other) => meets(path, other)))) return false;
    }
    return true;
  }

  #hold(paths: readonly string[]): () => void {
    const held = [...paths];
    this.#taken.add(held);
    return () => {
      if (!this.#taken.delete(held)) return;
      for (const waiter of [...this.#waiting]) {
        if (this.#isFree(waiter.paths)) waiter.give(this.#hold(waiter.paths));
      }
    };
  }
}

function meets(a: string, b: string): boolean {
  return isWithin(a, b) || isWithin(b, a);
}
