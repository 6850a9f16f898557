import type { ServerResponse } from 'node:http';

/** The caller's end of a transfer: written with back-pressure, ended whole or cut. */
export class Outlet {
  readonly #response: ServerResponse;
  #isOpen = true;
  #onClose: () => void = () => undefined;
  #writing: ((isOpen: boolean) => void) | null = null;

  constructor(response: ServerResponse) {
    this.#response = response;
    this.#isOpen = !response.destroyed;
    response.once('close', () => {
      this.#isOpen = false;
      this.#settle(false);
      this.#onClose();
    });
    // A reset connection is told by 'close' as well.
    response.on('error', () => undefined);
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Whom to tell when the caller is gone. The last one set is told. */
  whenClosed(listener: () => void): void {
    this.#onClose = listener;
    if (!this.#isOpen) listener();
  }

  /**
   * Writes one piece.
   * @returns once `chunk` may be used again: whether the caller is still there
   */
  write(chunk: Buffer | string): Promise<boolean> {
    if (!this.#isOpen) return Promise.resolve(false);
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.#writing = resolve;
    this.#response.write(chunk, (error) => {
      this.#settle(error === null || error === undefined);
    });
    return promise;
  }

  /** As {@link write} for several pieces, which go out together. */
  writeAll(chunks: readonly Buffer[]): Promise<boolean> {
    const last = chunks.at(-1);
    if (!this.#isOpen || last === undefined) return Promise.resolve(this.#isOpen);
    // Node holds what is written in one turn back until its end, and sends it in one call.
    for (const chunk of chunks) if (chunk !== last) this.#response.write(chunk);
    return this.write(last);
  }

  end(chunk?: Buffer | string): void {
    this.#response.end(chunk);
  }

  /** Breaks the connection, so that what was sent can never be taken for the whole. */
  cut(): void {
    this.#response.destroy();
  }

  #settle(isOpen: boolean): void {
    const resolve = this.#writing;
    this.#writing = null;
    resolve?.(isOpen);
  }
}
