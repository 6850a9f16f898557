import { connect, type Socket } from 'node:net';

export interface ReadEvents {
  /** A chunk of a body came. */
  bytes(count: number): void;
  /** A complete answer came. @returns whether to send another request */
  answered(): boolean;
  fault(text: string): void;
}

const BUFFER_BYTES = 256 * 1024;

/**
 * One keep-alive connection that repeats one request and only counts what comes. On a bare socket
 * with one buffer, so that the load costs less than what it measures.
 */
export class ReadConnection {
  readonly #request: string;
  readonly #events: ReadEvents;
  readonly #socket: Socket;
  #head = '';
  #left = -1;
  #ended = false;

  constructor(
    port: number,
    path: string,
    headers: Readonly<Record<string, string>>,
    on: ReadEvents,
  ) {
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    this.#request = `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n${lines.join('')}\r\n`;
    this.#events = on;
    this.#socket = connect({
      port,
      host: '127.0.0.1',
      onread: {
        buffer: Buffer.allocUnsafeSlow(BUFFER_BYTES),
        callback: (count, buffer) => {
          this.#take(buffer.subarray(0, count));
          return true;
        },
      },
    });
    this.#socket.setNoDelay(true);
    this.#socket.on('error', (error) => {
      this.#fail(error.message);
    });
    this.#socket.on('close', () => {
      this.#fail('the server closed a connection');
    });
    this.#socket.write(this.#request);
  }

  end(): void {
    this.#ended = true;
    this.#socket.destroy();
  }

  #take(chunk: Uint8Array): void {
    if (this.#ended) return;
    if (this.#left < 0) {
      const text = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length).toString('latin1');
      const before = this.#head.length;
      this.#head += text;
      const at = this.#head.indexOf('\r\n\r\n');
      if (at < 0) return;
      this.#left = this.#lengthIn(this.#head.slice(0, at));
      this.#head = '';
      if (this.#left < 0) return;
      this.#count(chunk.length - (at + 4 - before));
    } else {
      this.#count(chunk.length);
    }
  }

  #count(bytes: number): void {
    this.#left -= bytes;
    this.#events.bytes(bytes);
    if (this.#left < 0) this.#fail('more came than was promised');
    if (this.#left !== 0) return;
    this.#left = -1;
    if (this.#events.answered()) this.#socket.write(this.#request);
    else this.end();
  }

  #lengthIn(head: string): number {
    const status = head.slice(9, 12);
    const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
    if (status === '200' && length !== undefined) return Number(length);
    this.#fail(`an answer began '${head.slice(0, 60).replaceAll('\r\n', ' ')}'`);
    return -1;
  }

  #fail(text: string): void {
    if (this.#ended) return;
    this.end();
    this.#events.fault(text);
  }
}
