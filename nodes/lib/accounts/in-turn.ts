import { errorKind } from '../log/error-kind.ts';
import type { Log } from '../log/log.ts';

/** Background work on credentials, one piece at a time: the NAS limits it by address. */
export class InTurn {
  readonly #log: Log;
  #last: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(log: Log) {
    this.#log = log;
  }

  /** Work that fails is told of and does not hold up what comes after it. */
  add(work: () => Promise<void>): void {
    this.#last = this.#last
      .then(() => (this.#stopped ? undefined : work()))
      .catch((error: unknown) => {
        this.#log.error(`A credential could not be looked after: ${errorKind(error)}.`);
      });
  }

  /** Begins nothing more and waits for what runs. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#last;
  }
}
