import type { Readable } from 'node:stream';
import type { NasJson, NasUploadChannel } from './nas-client.ts';
import type { NasRequest } from './nas-request.ts';

/** The NAS writes a chunk or moves the whole file before it answers. */
const SLOW_STEP_MS = 60_000;

/** Where a channel's calls go, opened for it alone. */
export interface ChannelLink {
  json(wanted: NasRequest): Promise<NasJson>;
  close(): void;
}

/**
 * A resumable upload whose calls go one after the other over one connection. When the NAS drops
 * that connection the next call opens another, where the NAS answers 404 if the session is not in
 * that worker; the caller then starts again from `init`.
 */
export class HttpUploadChannel implements NasUploadChannel {
  readonly #open: () => Promise<ChannelLink>;
  readonly #headers: Readonly<Record<string, string>>;
  #link: Promise<ChannelLink> | null = null;
  #turn: Promise<unknown> = Promise.resolve();
  #closed = false;

  /** @param headers go with every call (the bearer token) */
  constructor(open: () => Promise<ChannelLink>, headers: Readonly<Record<string, string>>) {
    this.#open = open;
    this.#headers = headers;
  }

  init(target: {
    readonly folder: string;
    readonly filename: string;
    readonly sizeBytes: number;
  }): Promise<NasJson> {
    const body = Buffer.from(
      JSON.stringify({
        filename: target.filename,
        total_size: target.sizeBytes,
        target_path: target.folder,
      }),
    );
    return this.#call({
      method: 'POST',
      path: '/api/files/upload/chunked/init',
      headers: { 'Content-Type': 'application/json' },
      body,
    });
  }

  /** @throws NasCallError `body` when `body` fails or does not hold exactly `length` bytes */
  async chunk(uploadId: string, index: number, body: Readable, length: number): Promise<NasJson> {
    const result = await this.#call({
      method: 'POST',
      path: `${sessionPath(uploadId)}/chunk?chunk_index=${index}`,
      headers: { 'Content-Type': 'application/octet-stream' },
      body: { stream: body, sizeBytes: length },
      firstByteMs: SLOW_STEP_MS,
    });
    const ownFault = result.kind === 'unreachable' && 'code' in result.cause;
    if (ownFault && result.cause.code === 'body') throw result.cause;
    return result;
  }

  complete(uploadId: string): Promise<NasJson> {
    return this.#call({
      method: 'POST',
      path: `${sessionPath(uploadId)}/complete`,
      firstByteMs: SLOW_STEP_MS,
    });
  }

  close(): void {
    this.#closed = true;
    // A link that never opened was reported by the call that wanted it.
    void this.#link?.then(
      (link) => {
        link.close();
      },
      () => undefined,
    );
  }

  #call(wanted: NasRequest): Promise<NasJson> {
    const turn = this.#turn.then(() => this.#send(wanted));
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  async #send(wanted: NasRequest): Promise<NasJson> {
    if (this.#closed) throw new Error('The upload channel was closed before this call.');
    this.#link ??= this.#open();
    const link = await this.#link;
    return link.json({ ...wanted, headers: { ...wanted.headers, ...this.#headers } });
  }
}

function sessionPath(uploadId: string): string {
  return `/api/files/upload/chunked/${encodeURIComponent(uploadId)}`;
}
