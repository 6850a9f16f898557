import { isWithin } from '../../files/files.ts';
import type { Cancel, Clock } from '../../time/clock.ts';

interface Waiter {
  readonly paths: readonly string[];
  readonly give: (release: (() => void) | null) => void;
}

/**
 * Locks on paths of the NAS for deliveries, conflict resolution and callers' changes. Two paths
 * collide where one equals or contains the other: renaming a folder takes everything in it along.
 */
export class PathLocks {
  readonly #clock: Pick<Clock, 'after'>;
  readonly #taken = new Set<readonly string[]>();
  readonly #waiting = new Set<Waiter>();

  constructor(clock: Pick<Clock, 'after'>) {
    this.#clock = clock;
  }

  /** @returns how to release them, or null when one is locked */
  take(paths: readonly string[]): (() => void) | null {
    return this.#isFree(paths) ? this.#hold(paths) : null;
  }

  /**
   * As {@link take}, but waits for the current holder. Released paths go to the waiters.
   * @param withinMs when to give up
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
