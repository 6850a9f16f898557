/** How many requests are remembered; older ones are dropped. */
const REMEMBERED = 2000;

/** One received request, for tests. */
export interface RequestRecord {
  readonly atMs: number;
  readonly method: string;
  /** As in the request line. */
  readonly url: string;
  /** Percent-decoded, without the query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly via: 'direct' | 'proxy';
  /** The connection's number since the start; equal numbers mean one socket. */
  readonly connection: number;
  /** The user as whom the caller was authenticated. */
  user: string | null;
  /** Null while it is being answered, or if no answer was sent. */
  status: number | null;
}

/** Requests since the last reset. */
export class RequestLog {
  connections = 0;
  bytesSent = 0;
  bytesReceived = 0;
  readonly #requests: RequestRecord[] = [];

  get requests(): readonly RequestRecord[] {
    return this.#requests;
  }

  add(record: RequestRecord): void {
    this.#requests.push(record);
    if (this.#requests.length > REMEMBERED) this.#requests.shift();
  }

  reset(): void {
    this.connections = 0;
    this.bytesSent = 0;
    this.bytesReceived = 0;
    this.#requests.length = 0;
  }
}
