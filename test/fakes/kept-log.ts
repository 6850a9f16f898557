import type { Log } from '../../nodes/lib/log/log.ts';

/** Keeps every line, so that tests can check what is logged and that no secret is. */
export class KeptLog implements Log {
  readonly lines: string[] = [];
  /** The same lines, each prefixed with its level. */
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
