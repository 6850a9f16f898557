import type { Log } from '../../nodes/lib/log/log.ts';

/** Keeps what was logged, so that a test can look for what it says and for secrets in it. */
export class KeptLog implements Log {
  readonly lines: string[] = [];
  /** The same, each after its level. */
  readonly withLevels: string[] = [];
  /** Warnings and errors. */
  readonly problems: string[] = [];

  debug(message: string): void {
    this.#keep('debug', message);
  }

  info(message: string): void {
    this.#keep('info', message);
  }

  warn(message: string): void {
    this.#keep('warn', message);
    this.problems.push(message);
  }

  error(message: string): void {
    this.#keep('error', message);
    this.problems.push(message);
  }

  #keep(level: keyof Log, message: string): void {
    this.lines.push(message);
    this.withLevels.push(`${level} ${message}`);
  }
}
