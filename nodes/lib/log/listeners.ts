import { errorKind } from './error-kind.ts';
import type { Log } from './log.ts';

/** Who wants to hear what a room has to tell. Each room has its own, of its own type. */
export class Listeners<News> {
  readonly #log: Log;
  readonly #listeners = new Set<(news: News) => void>();

  constructor(log: Log) {
    this.#log = log;
  }

  /** @returns how to stop hearing */
  listen(listener: (news: News) => void): () => void {
    // A function of its own, so that one listener may listen twice and leave once.
    const one = (news: News): void => {
      listener(news);
    };
    this.#listeners.add(one);
    return () => {
      this.#listeners.delete(one);
    };
  }

  /** A listener's fault must not reach the work that happened to bring the news. */
  tell(news: News): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(news);
      } catch (error) {
        this.#log.error(`News could not be passed on: ${errorKind(error)}.`);
      }
    }
  }
}
