import { EventEmitter, once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A request that a flow sent. */
export interface Taken {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

const LONGEST_MS = 30_000;

/** A foreign web server that accepts every request and records it. */
export class HttpSink {
  readonly taken: Taken[] = [];
  readonly #status: number;
  readonly #server: Server;
  /** Emits `taken`. */
  readonly #news = new EventEmitter();

  constructor(status = 200) {
    this.#status = status;
    this.#server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const { method = '', url = '', headers } = request;
        this.taken.push({ method, path: url, headers, body: Buffer.concat(chunks).toString() });
        response.statusCode = this.#status;
        response.end();
        this.#news.emit('taken');
      });
    });
  }

  /** @returns its URL */
  async start(): Promise<string> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Waits for a request that matches. @returns the first. @throws Error after 30 s */
  async took(isIt: (taken: Taken) => boolean): Promise<Taken> {
    const signal = AbortSignal.timeout(LONGEST_MS);
    for (;;) {
      const found = this.taken.find(isIt);
      if (found !== undefined) return found;
      try {
        await once(this.#news, 'taken', { signal });
      } catch (cause) {
        const all = JSON.stringify(this.taken);
        throw new Error(`Nothing like that was sent: ${all}`, { cause });
      }
    }
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
}
