import type { Clock } from '../time/clock.ts';

/** How long a reader of what is kept waits for the NAS to confirm it, ms. A listing takes 5 to 50. */
const PATIENT_MS = 2_000;
/** Once a reader waited for nothing, the next ones wait no longer than this, ms, ... */
const WARNED_MS = 200;
/** ... for so long: about the time in which a connection without an answer is given up, ms. */
const WARNED_FOR_MS = 10_000;

/** How long a question to the NAS may hold up a caller who can be answered without it. */
export class Patience {
  readonly #clock: Pick<Clock, 'after' | 'monotonicMs'>;
  #warnedUntilMs = -Infinity;

  constructor(clock: Pick<Clock, 'after' | 'monotonicMs'>) {
    this.#clock = clock;
  }

  /**
   * The answer, or `otherwise` when it takes too long; the question itself goes on, for whoever
   * asks next.
   * @throws what `answer` rejects with in time
   */
  async for<T>(answer: Promise<T>, otherwise: T): Promise<T> {
    const tooLong = Promise.withResolvers<T>();
    const isWarned = this.#clock.monotonicMs() < this.#warnedUntilMs;
    const stop = this.#clock.after(isWarned ? WARNED_MS : PATIENT_MS, () => {
      if (!isWarned) this.#warnedUntilMs = this.#clock.monotonicMs() + WARNED_FOR_MS;
      tooLong.resolve(otherwise);
    });
    return Promise.race([answer.finally(stop), tooLong.promise]);
  }
}
