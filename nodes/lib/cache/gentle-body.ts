import { Readable } from 'node:stream';

/**
 * A stream that stops between two chunks for as long as its owner asks it to, so that whoever
 * fetches for nobody in particular leaves the network to those who wait. Destroying it destroys the
 * source at once, also in the middle of a wait.
 */
export class GentleBody extends Readable {
  readonly #source: Readable;
  readonly #wait: () => Promise<void> | undefined;

  /** @param wait resolves when the next chunk may be taken; undefined for at once */
  constructor(source: Readable, wait: () => Promise<void> | undefined) {
    super({ highWaterMark: 64 * 1024 });
    this.#source = source;
    this.#wait = wait;
    source.on('data', (chunk: Buffer) => {
      source.pause();
      this.push(chunk);
    });
    source.once('end', () => {
      this.push(null);
    });
    source.on('error', (error) => {
      this.destroy(error);
    });
    source.once('close', () => {
      if (!source.readableEnded) this.destroy(new Error('The source was cut short.'));
    });
    source.pause();
  }

  override _read(): void {
    const waiting = this.#wait();
    const go = (): void => {
      this.#source.resume();
    };
    if (waiting === undefined) go();
    // Given up waiting means that nobody wants it any more; what comes is dropped with the stream.
    else waiting.then(go, go);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#source.destroy();
    done(error);
  }
}
