import { BackupFault } from './backup-fault.ts';

/** Far above any line that is written here. */
const LONGEST_LINE_BYTES = 64 * 1024;
const LINE_FEED = 0x0a;

/** Takes lines and counted bytes out of a stream that comes in whatever pieces it likes. */
export class ByteReader {
  readonly #pieces: AsyncIterator<Buffer>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(bytes: AsyncIterable<Buffer>) {
    this.#pieces = bytes[Symbol.asyncIterator]();
  }

  /** @returns the next line, without its end */
  async line(): Promise<string> {
    for (;;) {
      const at = this.#rest.indexOf(LINE_FEED);
      if (at >= 0) return this.#cut(at + 1).toString('utf8', 0, at);
      if (this.#rest.length > LONGEST_LINE_BYTES) throw new BackupFault('damaged');
      await this.#need();
    }
  }

  async exactly(count: number): Promise<Buffer> {
    while (this.#rest.length < count) await this.#need();
    return this.#cut(count);
  }

  /** The next bytes, as they come. */
  async *take(count: number): AsyncGenerator<Buffer> {
    for (let left = count; left > 0;) {
      if (this.#rest.length === 0) await this.#need();
      const piece = this.#cut(Math.min(left, this.#rest.length));
      left -= piece.length;
      yield piece;
    }
  }

  /** All that is left, as it comes. */
  async *rest(): AsyncGenerator<Buffer> {
    while (!(await this.isAtEnd())) yield this.#cut(this.#rest.length);
  }

  async isAtEnd(): Promise<boolean> {
    return this.#rest.length === 0 && !(await this.#more());
  }

  #cut(count: number): Buffer {
    const cut = this.#rest.subarray(0, count);
    this.#rest = this.#rest.subarray(count);
    return cut;
  }

  async #need(): Promise<void> {
    if (!(await this.#more())) throw new BackupFault('cut');
  }

  async #more(): Promise<boolean> {
    for (;;) {
      const next = await this.#pieces.next();
      if (next.done === true) return false;
      if (next.value.length === 0) continue;
      this.#rest = this.#rest.length === 0 ? next.value : Buffer.concat([this.#rest, next.value]);
      return true;
    }
  }
}
