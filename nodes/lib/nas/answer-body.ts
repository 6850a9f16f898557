import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import type { Cancel, Clock } from '../time/clock.ts';
import { asNasCallError, NasCallError } from './nas-call-error.ts';

const NOTHING_TO_CANCEL: Cancel = () => undefined;

/**
 * The body of an answer that never ends cleanly unless it is whole: a cut, a silence while the
 * reader waits, or another number of bytes than announced is an error (`NasCallError`). Silence
 * counts only while the reader wants more; a slow reader is nobody's fault.
 */
export class AnswerBody extends Readable {
  readonly #source: IncomingMessage;
  readonly #clock: Clock;
  readonly #idleMs: number;
  readonly #announcedBytes: number | null;
  #receivedBytes = 0;
  #stopTimer: Cancel = NOTHING_TO_CANCEL;

  /** @param announcedBytes the Content-Length, null when the answer is chunked */
  constructor(
    source: IncomingMessage,
    clock: Clock,
    idleMs: number,
    announcedBytes: number | null,
  ) {
    super({ highWaterMark: 64 * 1024 });
    this.#source = source;
    this.#clock = clock;
    this.#idleMs = idleMs;
    this.#announcedBytes = announcedBytes;
    source.on('data', (chunk: Buffer) => {
      this.#take(chunk);
    });
    source.once('end', () => {
      this.#end();
    });
    source.once('error', (error) => this.destroy(asNasCallError(error)));
    source.once('close', () => {
      if (!source.complete) this.destroy(new NasCallError('cut'));
    });
    source.pause();
  }

  override _read(): void {
    this.#watch();
    this.#source.resume();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#stopTimer();
    // An answer that is not wanted to its end takes its connection with it.
    if (!this.#source.readableEnded) this.#source.destroy();
    done(error);
  }

  #take(chunk: Buffer): void {
    this.#receivedBytes += chunk.length;
    this.#stopTimer();
    if (this.push(chunk)) this.#watch();
    else this.#source.pause();
  }

  #end(): void {
    this.#stopTimer();
    const whole =
      this.#source.complete &&
      (this.#announcedBytes === null || this.#announcedBytes === this.#receivedBytes);
    if (whole) this.push(null);
    else this.destroy(new NasCallError('cut'));
  }

  #watch(): void {
    this.#stopTimer();
    this.#stopTimer = this.#clock.after(this.#idleMs, () => {
      this.destroy(new NasCallError('timeout'));
    });
  }
}
