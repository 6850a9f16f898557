import type { IncomingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';
import type { NasCallError } from './nas-call-error.ts';

/** A request to the NAS. Nothing is followed, unpacked or repeated on its own. */
export interface NasRequest {
  readonly method: string;
  /** Path and query as they go on the wire, percent-encoded, with the leading slash. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** `sizeBytes` null sends it chunked. A stream is consumed or destroyed in any case. */
  readonly body?: Buffer | { readonly stream: Readable; readonly sizeBytes: number | null };
  /** How long the first byte of the answer may take, ms; 10 s when not given. */
  readonly firstByteMs?: number;
  readonly signal?: AbortSignal;
}

export type NasExchange =
  | {
      readonly kind: 'response';
      readonly status: number;
      readonly headers: IncomingHttpHeaders;
      /** The Content-Length; null when there is none. */
      readonly lengthBytes: number | null;
      /** Must be read or destroyed. Errors with a `NasCallError` unless it is whole. */
      readonly body: Readable;
    }
  | { readonly kind: 'failed'; readonly cause: NasCallError };
