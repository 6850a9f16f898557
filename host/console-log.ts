import { fstatSync } from 'node:fs';
import type { Log } from '../nodes/lib/log/log.ts';

const LEVELS = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof LEVELS)[number];

// eslint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g;

/**
 * A message as one line: control characters and line breaks are escaped, as it may quote what a
 * caller sent.
 */
export function oneLine(message: string): string {
  return message.replace(/\r?\n/g, ' ⏎ ').replace(CONTROL, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}

/** A message of Node-RED's own log, or of a node. */
interface NodeRedMessage {
  readonly level: number;
  readonly msg?: unknown;
  readonly type?: string;
  readonly name?: string;
  readonly id?: string;
}

/** Node-RED's levels. Trace lies below, audit and metrics above; all three are off. */
const NODE_RED_WARN = 30;
const NODE_RED_INFO = 40;

/** Printed at every start where a tinkerer has no credentials; and Node-RED's banner. */
const NOTHING_TO_SAY = /^(?:Encrypted credentials not found$|\s*Welcome to Node-RED\s)/;

/** Node-RED's log handler setting: writes its lines in the form of our own. */
export function nodeRedLogHandler(log: Log): () => (message: NodeRedMessage) => void {
  return () => (message) => {
    const { level, msg, type, name, id } = message;
    const where = type === undefined ? '' : `[${type}:${name ?? id ?? ''}] `;
    const line = where + textOf(msg);
    if (NOTHING_TO_SAY.test(line)) log.debug(line);
    else if (level < NODE_RED_WARN) log.error(line);
    else if (level === NODE_RED_WARN) log.warn(line);
    else if (level === NODE_RED_INFO) log.info(line);
    else log.debug(line);
  };
}

function textOf(msg: unknown): string {
  if (msg instanceof Error) return msg.stack ?? msg.message;
  return typeof msg === 'string' ? msg : JSON.stringify(msg);
}

type Marks = Readonly<Record<LogLevel, string>>;

const WORDS: Marks = { debug: '[debug] ', info: '[info] ', warn: '[warn] ', error: '[error] ' };
/** Priorities of syslog, as journald reads them at the head of a line (sd-daemon(3)). */
const PRIORITIES: Marks = { debug: '<7>', info: '<6>', warn: '<4>', error: '<3>' };
const STANDARD_OUTPUT = 1;

/**
 * Line prefixes: priorities for journald, so that `journalctl -p warning` finds them. Programs started
 * by hand below a service inherit systemd's variable, so it counts only where standard output is that
 * very stream (systemd.exec(5)).
 */
export function lineMarks(
  environment: Readonly<Record<string, string | undefined>>,
  statusOf: (fileDescriptor: number) => { dev: number; ino: number } = fstatSync,
): Marks {
  const { dev, ino } = statusOf(STANDARD_OUTPUT);
  return environment['JOURNAL_STREAM'] === `${dev}:${ino}` ? PRIORITIES : WORDS;
}

/**
 * One line per message on standard output, errors on standard error; the service manager adds the
 * time. Line breaks in a message are escaped.
 */
export class ConsoleLog implements Log {
  readonly #from: number;
  readonly #out: (line: string) => void;
  readonly #err: (line: string) => void;
  readonly #marks: Marks;

  constructor(
    level: LogLevel,
    marks: Marks = WORDS,
    out: (line: string) => void = (line) => process.stdout.write(line),
    err: (line: string) => void = (line) => process.stderr.write(line),
  ) {
    this.#marks = marks;
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
    to(`${this.#marks[level]}${oneLine(message)}\n`);
  }
}
