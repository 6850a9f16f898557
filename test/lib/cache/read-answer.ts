import type { IncomingHttpHeaders } from 'node:http';
import { connect } from 'node:net';

export interface Got {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** The connection broke before the promised length came. */
  readonly cut: boolean;
}

interface Head {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
}

const END_OF_HEAD = '\r\n\r\n';
/** All connections read into this one; what came is copied before the next read. */
const landing = Buffer.allocUnsafeSlow(256 * 1024);

/**
 * Sends one request on a connection of its own and reads what comes, cut or whole. Node's own client
 * makes a buffer for each piece: V8 then collects garbage for longer than the cache works.
 */
export function readAnswer(
  port: number,
  { method, path, headers }: { method: string; path: string; headers: Record<string, string> },
): Promise<Got> {
  const { promise, resolve, reject } = Promise.withResolvers<Got>();
  const answer = new Answer(method === 'HEAD');
  const onread = {
    buffer: landing,
    callback: (count: number): boolean => {
      answer.add(landing.subarray(0, count));
      return true;
    },
  };
  const socket = connect({ port, host: '127.0.0.1', onread });
  const lines = [`Host: 127.0.0.1:${port}`, 'Connection: close'];
  for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`);
  socket.write(`${method} ${path} HTTP/1.1\r\n${lines.join('\r\n')}${END_OF_HEAD}`, 'latin1');
  // An answer that broke off is told by its length.
  socket.on('error', () => undefined);
  socket.once('close', () => {
    if (answer.fault === null) resolve(answer.got());
    else reject(answer.fault);
  });
  // Its end is seen by those alone who read it.
  socket.resume();
  return promise;
}

class Answer {
  readonly #isHead: boolean;
  #early = Buffer.alloc(0);
  #head: Head | null = null;
  #body = Buffer.alloc(0);
  #length = 0;
  /** What no client would take for an answer. */
  fault: Error | null = null;

  constructor(isHead: boolean) {
    this.#isHead = isHead;
  }

  add(bytes: Buffer): void {
    if (this.#head !== null) return this.#addBody(bytes);
    this.#early = Buffer.concat([this.#early, bytes]);
    const end = this.#early.indexOf(END_OF_HEAD);
    if (end === -1) return;
    this.#head = headIn(this.#early.toString('latin1', 0, end));
    this.#body = Buffer.allocUnsafeSlow(this.#promised(this.#head));
    this.#addBody(this.#early.subarray(end + END_OF_HEAD.length));
  }

  got(): Got {
    const body = this.#body.subarray(0, this.#length);
    if (this.#head === null) return { status: 0, headers: {}, body, cut: true };
    return { ...this.#head, body, cut: this.#length < this.#body.length };
  }

  #promised({ status, headers }: Head): number {
    if (this.#isHead || status === 204 || status === 304) return 0;
    const length = headers['content-length'];
    if (length === undefined) this.fault ??= new Error('An answer came without its length.');
    return Number(length ?? 0);
  }

  #addBody(bytes: Buffer): void {
    const end = this.#length + bytes.length;
    if (end > this.#body.length) this.fault ??= new Error('More came than the promised length.');
    bytes.copy(this.#body, this.#length);
    this.#length = Math.min(end, this.#body.length);
  }
}

function headIn(text: string): Head {
  const [first = '', ...lines] = text.split('\r\n');
  const headers = lines.map((line): [string, string] => {
    const colon = line.indexOf(':');
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
  });
  return { status: Number(first.split(' ')[1]), headers: Object.fromEntries(headers) };
}
