import type { IncomingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';

/**
 * The outcome of asking the NAS for JSON. Only `unreachable` and a 5xx count as "cannot ask"
 * (contract 2); a refusal is an answer.
 */
export type NasJson =
  | { readonly kind: 'answer'; readonly status: number; readonly body: unknown }
  /**
   * It answered, but not with JSON (an HTML page of its proxy) or with far too much of it. Status
   * 502 stands for an answer that was not HTTP.
   */
  | { readonly kind: 'bad_answer'; readonly status: number }
  /** `cause` is a `NasCallError`, whose `code` tells why (also `tls`, `mismatch`, `aborted`). */
  | { readonly kind: 'unreachable'; readonly cause: Error };

/** How a call presents itself to the NAS. */
export interface NasCallOptions {
  /** Sends `X-Sync-Trigger: auto`, which keeps a soft-sleeping NAS asleep (measured on 1.38). */
  readonly auto?: boolean;
  readonly signal?: AbortSignal;
}

/** The NAS's own folder row, names as on the wire (BaluHost 1.38, `GET /api/files/list`). */
export interface NasFileItem {
  readonly name: string;
  readonly path: string;
  readonly size: number;
  readonly type: 'file' | 'directory';
  readonly modified_at: string;
  readonly owner_id: string | null;
  readonly owner_name: string | null;
  readonly mime_type: string | null;
  readonly file_id: number | null;
  readonly checksum: string | null;
  readonly can_read: boolean | null;
  readonly can_write: boolean | null;
  readonly can_delete: boolean | null;
}

export interface NasListOptions extends NasCallOptions {
  /**
   * Takes the rows as they arrive, where there may be too many for memory. No more are read until
   * it resolves; completeness is known when the call ends.
   */
  readonly each?: (items: readonly NasFileItem[]) => void | Promise<void>;
}

export type NasListing =
  /** `items`: those that were not passed to `each`. */
  | { readonly kind: 'listing'; readonly items: readonly NasFileItem[] }
  | { readonly kind: 'refused'; readonly status: number }
  | { readonly kind: 'bad_answer'; readonly status: number }
  | { readonly kind: 'unreachable'; readonly cause: Error };

/** A byte range to fetch; `lastByte` open means to the end. */
export interface NasRange {
  readonly firstByte: number;
  readonly lastByte?: number;
  /** The ETag that the rest must still have; else the NAS sends the whole file with 200. */
  readonly ifRange?: string;
}

export type NasDownload =
  | {
      readonly kind: 'stream';
      readonly status: 200 | 206;
      /** Bytes in this answer. */
      readonly lengthBytes: number;
      /** Bytes in the whole file. */
      readonly sizeBytes: number;
      readonly etag: string | null;
      readonly lastModified: string | null;
      readonly contentType: string | null;
      /** Must be read or destroyed. Errors when the NAS cuts it short. */
      readonly body: Readable;
    }
  | { readonly kind: 'refused'; readonly status: number }
  | { readonly kind: 'bad_answer'; readonly status: number }
  | { readonly kind: 'unreachable'; readonly cause: Error };

/**
 * One resumable upload on one keep-alive socket: the NAS keeps a session in one worker's memory, so
 * another connection may not find it (measured: 9 of 12 lost with two workers).
 */
export interface NasUploadChannel {
  init(target: {
    readonly folder: string;
    readonly filename: string;
    readonly sizeBytes: number;
  }): Promise<NasJson>;
  /** Sends one chunk. `length` bytes are read from `body`, which is consumed either way. */
  chunk(uploadId: string, index: number, body: Readable, length: number): Promise<NasJson>;
  complete(uploadId: string): Promise<NasJson>;
  /** Closes the socket. */
  close(): void;
}

/** Every call the services make. No call throws for what a NAS or a network may do. */
export interface NasClient {
  login(username: string, password: string): Promise<NasJson>;
  verifyTwoFactor(pendingToken: string, code: string): Promise<NasJson>;
  refresh(refreshToken: string): Promise<NasJson>;
  logout(token: string): Promise<NasJson>;
  me(token: string, options?: NasCallOptions): Promise<NasJson>;
  /** Tells whether a token is good and how the NAS sleeps, without waking it. */
  preflight(token: string, options?: NasCallOptions): Promise<NasJson>;
  /** `GET /api/system/info` without a token: a 401 proves that the NAS is up, and wakes nothing. */
  systemInfo(): Promise<NasJson>;
  sharedWithMe(token: string, options?: NasCallOptions): Promise<NasJson>;
  /** `GET /api/system/sleep/my-permissions`. */
  myPermissions(token: string, options?: NasCallOptions): Promise<NasJson>;
  list(token: string, path: string, options?: NasListOptions): Promise<NasListing>;
  download(
    token: string,
    path: string,
    range?: NasRange,
    options?: NasCallOptions,
  ): Promise<NasDownload>;
  mkdir(token: string, path: string): Promise<NasJson>;
  /** Opens the one-socket channel a chunked upload needs, to NAS_DIRECT_URL. */
  openUpload(token: string): NasUploadChannel;
}

/** A JSON call that has no method of its own in {@link NasClient}. */
export interface NasApiCall extends NasCallOptions {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Path and query, percent-encoded, from `/api/` on. */
  readonly path: string;
  readonly token?: string;
  readonly body?: unknown;
}

/** The rest of the NAS's API, for enrolment, kept answers, single-request uploads and the proxy. */
export interface NasApi {
  /** A JSON call; an empty body counts as `bad_answer` with its status, 204 too. */
  call(wanted: NasApiCall): Promise<NasJson>;
  /** A request and its answer unchanged, streaming both ways. */
  relay(wanted: NasRequest): Promise<NasExchange>;
}

/** A request to the NAS. Redirects are not followed, bodies not decompressed, nothing retried. */
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
  /** Nobody else uses its blocks, so their memory is freed once they are sent. */
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

/**
 * Why a call to the NAS came to nothing.
 * - `refused`: no connection (refused, no route, unknown name)
 * - `timeout`: silent for too long while connecting, before the first byte or in the middle
 * - `cut`: the connection ended before the answer did
 * - `tls`: another certificate than the pinned one, or none that can be trusted
 * - `mismatch`: another machine holds the NAS's address; nothing was sent
 * - `protocol`: what came back is not HTTP, or its head is too large
 * - `aborted`: the caller gave up
 * - `body`: what was to be sent could not be read, or had another length than announced
 */
type CallFault =
  | 'refused'
  | 'timeout'
  | 'cut'
  | 'tls'
  | 'mismatch'
  | 'protocol'
  | 'aborted'
  | 'body';

const SENTENCES: Readonly<Record<CallFault, string>> = {
  refused: 'The NAS takes no connection.',
  timeout: 'The NAS was silent for too long.',
  cut: 'The NAS ended the connection before its answer was complete.',
  tls: 'The certificate at the address of the NAS is not the expected one.',
  mismatch: 'Another machine holds the address of the NAS.',
  protocol: 'The NAS gave an answer that is not HTTP.',
  aborted: 'The call to the NAS was given up by its caller.',
  body: 'What was to be sent to the NAS could not be read in full.',
};

/** A failed call, as a value in an outcome or as the error of an interrupted body. */
export class NasCallError extends Error {
  readonly code: CallFault;

  constructor(code: CallFault, cause?: unknown) {
    super(SENTENCES[code], cause === undefined ? {} : { cause });
    this.name = 'NasCallError';
    this.code = code;
  }
}

/** Node's error codes for an untrusted certificate. */
const TLS_CODES = /^(ERR_TLS|ERR_SSL|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|EPROTO|HOSTNAME_)/;
const CONNECT_CODES = /^(ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|EHOSTDOWN|ENOTFOUND|EAI_|EADDRNOT)/;

/** Sorts what Node's sockets and parser throw into the failures above. */
export function asNasCallError(error: unknown): NasCallError {
  if (error instanceof NasCallError) return error;
  const code = codeOf(error);
  if (TLS_CODES.test(code)) return new NasCallError('tls', error);
  if (CONNECT_CODES.test(code)) return new NasCallError('refused', error);
  if (code === 'ETIMEDOUT') return new NasCallError('timeout', error);
  if (code.startsWith('HPE_INVALID_EOF')) return new NasCallError('cut', error);
  if (/^(HPE_|ERR_INVALID|ERR_UNESCAPED|ERR_HTTP)/.test(code)) {
    return new NasCallError('protocol', error);
  }
  return new NasCallError('cut', error);
}

function codeOf(error: unknown): string {
  if (typeof error !== 'object' || error === null || !('code' in error)) return '';
  return String(error.code);
}

/** A JSON object's members, or null when the value is not an object. */
export function asRecord(value: unknown): Readonly<Record<string, unknown>> | null {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
  return value as Readonly<Record<string, unknown>>;
}

/** A text of at most `maxLength` UTF-16 units that has a UTF-8 form, else null. */
export function asText(value: unknown, maxLength: number): string | null {
  if (typeof value !== 'string' || value.length > maxLength) return null;
  return value.isWellFormed() ? value : null;
}
