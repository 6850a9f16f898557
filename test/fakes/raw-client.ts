import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { checkAnswer } from './checked-answers.ts';

/** An answer exactly as it came over the wire. */
export interface RawAnswer {
  readonly status: number;
  readonly head: string;
  readonly text: string;
}

const CRLF = '\r\n';

/**
 * One connection that sends requests exactly as written, one after the other: `fetch` normalises
 * addresses before anybody sees them.
 */
export class RawClient {
  readonly #port: number;
  #socket: Socket | null = null;
  #seen = Buffer.alloc(0);
  #waits: PromiseWithResolvers<undefined> | null = null;

  constructor(port: number) {
    this.#port = port;
  }

  /** @param headers lines beside `Host`, without their line ends */
  async ask(method: string, target: string, headers: readonly string[] = []): Promise<RawAnswer> {
    const lines = [`${method} ${target} HTTP/1.1`, 'Host: pi', ...headers, '', ''];
    const bytes = Buffer.from(lines.join(CRLF), 'latin1');
    const answer = await this.send(bytes, method === 'HEAD');
    const isJson = /^content-type: application\/json/im.test(answer.head);
    if (isJson && answer.text !== '') checkAnswer(method, target, answer.status, answer.text);
    return answer;
  }

  /** Sends bytes and reads one answer. */
  async send(bytes: Buffer, isHead = false): Promise<RawAnswer> {
    const socket = this.#socket ?? (await this.#open());
    socket.write(bytes);
    const answer = await this.#read(isHead);
    this.#waits = null;
    if (/^connection: close/im.test(answer.head)) this.close();
    return answer;
  }

  close(): void {
    this.#socket?.destroy();
    this.#socket = null;
    this.#seen = Buffer.alloc(0);
  }

  async #open(): Promise<Socket> {
    const socket = connect(this.#port, '127.0.0.1');
    socket.setNoDelay(true);
    await once(socket, 'connect');
    socket.on('data', (chunk: Buffer) => {
      this.#seen = Buffer.concat([this.#seen, chunk]);
      this.#waits?.resolve(undefined);
    });
    const onEnd = (): void => {
      this.#waits?.reject(new Error(`The connection closed after ${this.#seen.toString()}`));
    };
    socket.once('error', onEnd);
    socket.once('close', onEnd);
    this.#socket = socket;
    return socket;
  }

  async #read(isHead: boolean): Promise<RawAnswer> {
    for (;;) {
      const answer = this.#take(isHead);
      if (answer !== null) return answer;
      this.#waits = Promise.withResolvers<undefined>();
      await this.#waits.promise;
    }
  }

  /** Takes one complete answer off the received bytes. */
  #take(isHead: boolean): RawAnswer | null {
    const end = this.#seen.indexOf(CRLF + CRLF);
    if (end === -1) return null;
    const head = this.#seen.subarray(0, end).toString('latin1');
    const status = Number(head.split(' ')[1]);
    const from = end + 4;
    const to = isHead || status === 204 || status < 200 ? from : bodyEnd(this.#seen, from, head);
    if (to === null || this.#seen.length < to) return null;
    const text = this.#seen.subarray(from, to).toString();
    this.#seen = this.#seen.subarray(to);
    return { status, head, text };
  }
}

function bodyEnd(seen: Buffer, from: number, head: string): number | null {
  const length = /^content-length: (\d+)/im.exec(head)?.[1];
  if (length !== undefined) return from + Number(length);
  const last = seen.indexOf(`${CRLF}0${CRLF}${CRLF}`, from - 2);
  return last === -1 ? null : last + 7;
}
