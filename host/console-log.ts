import type { Log } from '../nodes/lib/log/log.ts';

const LEVELS = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof LEVELS)[number];

/**
 * One line per message on standard output, errors on standard error; the service manager adds the
 * time. A line break in a message is shown, not made.
 */
export class ConsoleLog implements Log {
  readonly #from: number;
  readonly #out: (line: string) => void;
  readonly #err: (line: string) => void;

  constructor(
    level: LogLevel,
    out: (line: string) => void = (line) => process.stdout.write(line),
    err: (line: string) => void = (line) => process.stderr.write(line),
  ) {
    this.#from = LEVELS.indexOf(level);
    this.#out = out;
    this.#err = err;
  }

  debug(message: string): void {
    this.#write('debug', message, this.#out);
  }

  info(message: string): void {
    this.#write('info', message, this.#out);
  }

  warn(message: string): void {
    this.#write('warn', message, this.#out);
  }

  error(message: string): void {
    this.#write('error', message, this.#err);
  }

  #write(level: LogLevel, message: string, to: (line: string) => void): void {
    if (LEVELS.indexOf(level) < this.#from) return;
    to(`[${level}] ${message.replace(/\r?\n/g, ' ⏎ ')}\n`);
  }
}
