import type { IncomingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';
import type { NasCallError } from './nas-call-error.ts';

/** A request to the NAS. Nothing is followed, unpacked or repeated on its own. */
export interface NasRequest {
  readonly method: string;
  /** Path and query as they go on the wire, percent-encoded, with the leading slash. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer | NasRequestStream;
  /** How long the first byte of the answer may take, ms; 10 s when not given. */
  readonly firstByteMs?: number;
  /** The longest silence while bytes are under way, either way, ms; 15 s when not given. */
  readonly idleMs?: number;
  readonly signal?: AbortSignal;
}

/** A stream is consumed or destroyed in any case. */
export interface NasRequestStream {
  readonly stream: Readable;
  /** Null sends it chunked. */
  readonly sizeBytes: number | null;
  /** Nobody else looks at its blocks, so their memory is given back once they are sent. */
  readonly isForNobodyElse?: boolean;
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
