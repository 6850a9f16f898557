/**
 * Where a module tells its operator something. The lines are plain sentences; no secret, token,
 * file name or machine path goes in (contract 1), a person's name only as `quoted` gives it. What
 * happens as a matter of course begins with its word: `start:`, `stop:`, `wake:`, `delivery:`,
 * `conflict:`, `sign-in:`.
 */
export interface Log {
  debug(message: string): void;
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
}

/**
 * An error for the log: its code, else its name. The message may name a path or a person and stays
 * out of logs.
 */
export function errorKind(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  return 'code' in error ? String(error.code) : error.name;
}

/** Listeners to what a module reports. Each module has its own, of its own type. */
export class Listeners<News> {
  readonly #log: Log;
  readonly #listeners = new Set<(news: News) => void>();

  constructor(log: Log) {
    this.#log = log;
  }

  /** @returns how to unsubscribe */
  listen(listener: (news: News) => void): () => void {
    // A new function each time, so that one listener may subscribe twice and unsubscribe once.
    const one = (news: News): void => {
      listener(news);
    };
    this.#listeners.add(one);
    return () => {
      this.#listeners.delete(one);
    };
  }

  /** A listener's fault must not reach the work that produced the news. */
  tell(news: News): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(news);
      } catch (error) {
        this.#log.error(`A listener of news failed: ${errorKind(error)}.`);
      }
    }
  }
}

const MOST_CHARACTERS = 64;
/** Control, format (directions, joiners), line and paragraph marks, and lone halves of a pair. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

/**
 * A person's name for a log line, in quotes and safe against any input: nothing in it ends the
 * quotes, starts a line, reverses the text or is invisible, and it is not long.
 */
export function quoted(name: string): string {
  const characters = [...name];
  const cut = characters.slice(0, MOST_CHARACTERS).join('');
  const shown = cut
    .replace(/["\\]/g, '\\$&')
    .replace(UNSEEN, (one) => `\\u{${(one.codePointAt(0) ?? 0).toString(16)}}`);
  return `"${shown}${characters.length > MOST_CHARACTERS ? '…' : ''}"`;
}
