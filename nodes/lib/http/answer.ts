import type { IncomingMessage, ServerResponse } from 'node:http';

/** A JSON answer ready for Node-RED's `http response` node, or for a plain `ServerResponse`. */
export interface Answer {
  readonly statusCode: number;
  readonly payload: unknown;
  readonly headers: Readonly<Record<string, string>>;
}

interface RefusalDetails {
  /** Replaces the table's sentence. One English sentence a person can act on. */
  readonly detail?: string;
  /** Adds `Retry-After` (whole seconds) and, for 429, `retry_after` in the body. */
  readonly retryAfterSeconds?: number;
  /** Gives 503 and 504 the object form of `detail` that the apps read (contract 1, Errors). */
  readonly sleep?: { readonly sleepState: string; readonly nextWakeAt: string | null };
  /** The place of each fault, for 422. */
  readonly errors?: readonly unknown[];
}

/** What a sleeping NAS's caller is told to wait when nothing better is known, in seconds. */
const DEFAULT_RETRY_SECONDS = 30;

export function answer(
  payload: unknown,
  statusCode = 200,
  headers: Readonly<Record<string, string>> = {},
): Answer {
  return { statusCode, payload, headers };
}

/** Says no in the contract's shape. */
export function refuse(code: RefusalCode, details: RefusalDetails = {}): Answer {
  const { status, detail: sentence } = REFUSALS[code];
  const message = details.detail ?? sentence;
  const retrySeconds = retryAfter(code, details);
  const payload = {
    detail:
      details.sleep === undefined ? message : sleepDetail(message, details.sleep, retrySeconds),
    code,
    ...(details.errors === undefined ? {} : { errors: details.errors }),
    ...(status === 429 ? { retry_after: retrySeconds } : {}),
  };
  const headers: Record<string, string> =
    retrySeconds === undefined ? {} : { 'Retry-After': String(retrySeconds) };
  return { statusCode: status, payload, headers };
}

function retryAfter(code: RefusalCode, details: RefusalDetails): number | undefined {
  if (details.retryAfterSeconds !== undefined) {
    return Math.max(1, Math.ceil(details.retryAfterSeconds));
  }
  const { status } = REFUSALS[code];
  const isPassing = status === 429 || status === 503;
  const wantsOne = isPassing || details.sleep !== undefined;
  return wantsOne ? DEFAULT_RETRY_SECONDS : undefined;
}

function sleepDetail(
  message: string,
  sleep: { readonly sleepState: string; readonly nextWakeAt: string | null },
  retrySeconds: number | undefined,
): Record<string, unknown> {
  return {
    message,
    sleep_state: sleep.sleepState,
    next_wake_at: sleep.nextWakeAt,
    retry_after_seconds: retrySeconds ?? DEFAULT_RETRY_SECONDS,
  };
}

/** How long the rest of a refused body is read and thrown away (contract 1, Errors). */
const DISCARD_MS = 2_000;
const NO_CONTENT = 204;

/**
 * Writes an answer past Node-RED. When the request still has a body under way, the whole answer
 * goes out at once but the connection stays open while up to 2 s of the rest are thrown away, so
 * that a client that goes on sending reads the refusal instead of a reset. Then it is closed.
 */
export function answerNow(request: IncomingMessage, response: ServerResponse, given: Answer): void {
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  const bodyWaits = !request.complete && hasBody(request);
  const isBare = given.statusCode === NO_CONTENT;
  const text = isBare ? '' : JSON.stringify(given.payload);
  response.writeHead(given.statusCode, {
    ...given.headers,
    ...(bodyWaits ? { Connection: 'close' } : {}),
    ...(isBare ? {} : bodyHeaders(text)),
  });
  if (!isBare && request.method !== 'HEAD') response.write(text);
  else response.flushHeaders();
  if (bodyWaits) discardRest(request, response);
  else response.end();
}

function bodyHeaders(text: string): Record<string, string | number> {
  return {
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': Buffer.byteLength(text),
  };
}

function hasBody(request: IncomingMessage): boolean {
  const { 'content-length': length, 'transfer-encoding': encoding } = request.headers;
  return encoding !== undefined || (length !== undefined && length !== '0');
}

/** Node closes the connection as soon as the answer ends, so the end waits for the body's. */
function discardRest(request: IncomingMessage, response: ServerResponse): void {
  const finish = (): void => {
    clearTimeout(timer);
    response.end();
  };
  // A plain timer: it bounds what a stranger may send, whatever the rooms' clock does.
  const timer = setTimeout(finish, DISCARD_MS);
  timer.unref();
  request.once('end', finish);
  request.once('error', finish);
  response.once('close', () => {
    clearTimeout(timer);
  });
  request.on('data', (chunk: Buffer) => {
    if (request.listenerCount('data') === 1) giveBack(chunk);
  });
  request.resume();
}

/**
 * Frees the memory of a piece of a body now; nobody may look at it any more. Left to the garbage
 * collector, the pieces of a fast body pile up to 30 MB before it looks, and each new one is written
 * to memory that no cache holds any longer (measured on Node 24: a fifth of an upload's CPU time).
 * A piece that is a part of something larger is left alone.
 */
export function giveBack(piece: Uint8Array): void {
  const { buffer } = piece;
  const isItsOwn = piece.byteLength === buffer.byteLength;
  if (isItsOwn && buffer instanceof ArrayBuffer) buffer.transfer(0);
}

/**
 * Every way the API says no: its stable code, its HTTP status and its default sentence (contract 1,
 * Errors). A code is never renamed and never given a second status.
 */
const REFUSALS = {
  malformed: { status: 400, detail: 'The request could not be read.' },
  bad_path: { status: 400, detail: 'The path is not one a NAS file can have.' },
  no_mac: {
    status: 400,
    detail: 'No MAC address of the NAS is known. Set BALUPI_NAS_MAC_ADDRESS.',
  },
  no_token: { status: 401, detail: 'Sign in first: send Authorization: Bearer <token>.' },
  bad_token: { status: 401, detail: 'This token is not valid. Sign in again.' },
  bad_signature: { status: 401, detail: 'This call is not signed by the NAS.' },
  bad_credentials: { status: 401, detail: 'Invalid credentials' },
  refresh_token_now: {
    status: 401,
    detail: 'The NAS is awake again and wants a token of its own. Refresh and repeat the call.',
  },
  admin_only: { status: 403, detail: 'Only an admin may do this.' },
  not_allowed: { status: 403, detail: 'You may not do this.' },
  not_yours: { status: 403, detail: 'You cannot write to this place.' },
  not_through_the_pi: {
    status: 403,
    detail: 'BaluPi never passes this on. Do it at the NAS itself; files go to /api/files/upload.',
  },
  not_found: { status: 404, detail: 'There is nothing at this address.' },
  no_thumbnail: { status: 404, detail: 'There is no small picture of this file.' },
  method_not_allowed: { status: 405, detail: 'This address does not take this method.' },
  too_slow: { status: 408, detail: 'The request came in too slowly and was ended.' },
  already_awake: { status: 409, detail: 'The NAS is awake already.' },
  nas_plug_guard: {
    status: 409,
    detail: 'This plug feeds the NAS, which is not off. Send {"force": true} to switch it anyway.',
  },
  conflict: { status: 409, detail: 'This does not fit the present state.' },
  precondition_failed: { status: 412, detail: 'The file is not the version you asked for.' },
  too_large: { status: 413, detail: 'The request is larger than this address takes.' },
  wrong_body_type: { status: 415, detail: 'This address does not take a body of this type.' },
  range_not_satisfiable: { status: 416, detail: 'The file has no such range.' },
  invalid: { status: 422, detail: 'Some values are not valid.' },
  too_many_tries: { status: 429, detail: 'Too many tries. Wait a little.' },
  nas_busy: { status: 429, detail: 'The NAS is busy. Try again shortly.' },
  failed: { status: 500, detail: 'Something went wrong here. It was logged.' },
  nas_failed: { status: 500, detail: 'The NAS failed at this.' },
  nas_bad_answer: { status: 502, detail: 'The NAS gave an answer that makes no sense.' },
  push_failed: { status: 502, detail: 'The push service of this browser did not take it.' },
  plug_unreachable: { status: 503, detail: 'The plug does not answer.' },
  restarting: { status: 503, detail: 'BaluPi is starting its flows. Try again in a moment.' },
  busy: { status: 503, detail: 'The Pi is short of memory for a moment. Try again shortly.' },
  flow_missing: {
    status: 503,
    detail: 'The flow of this address was taken out or leads to no reply. The editor has it.',
  },
  nas_asleep: { status: 503, detail: 'The NAS sleeps and this cannot be answered without it.' },
  nas_left_alone: {
    status: 503,
    detail: 'The NAS is asked for this only now and then, so that it can fall asleep.',
  },
  nas_never_seen: {
    status: 503,
    detail: 'The NAS was never seen. Wake it by hand or run `npm run wake` on the Pi.',
  },
  nas_storage_missing: {
    status: 503,
    detail: 'The NAS shows nothing of its storage. Look whether its disk is mounted.',
  },
  uploads_waiting: {
    status: 503,
    detail: 'Uploads of yours are not on the NAS yet. Sync again when they have arrived.',
  },
  clock_unsynced: { status: 503, detail: 'The clock of the Pi is not set yet. Try again shortly.' },
  handshake_off: {
    status: 503,
    detail: 'The Pi and the NAS share no secret. Set BALUPI_HANDSHAKE_SECRET.',
  },
  disk_failing: {
    status: 503,
    detail: 'The disk of the Pi refused to write. Nothing was accepted.',
  },
  deadline: { status: 504, detail: 'This took too long and was ended.' },
  gateway_timeout: { status: 504, detail: 'The NAS cannot be asked right now. Keep your tokens.' },
  pin_too_large: { status: 507, detail: 'This folder is larger than your share of the cache.' },
  share_used: { status: 507, detail: 'Your share of the room on the Pi is used up.' },
  no_room: { status: 507, detail: 'There is no room for this on the Pi.' },
} as const satisfies Record<string, { status: number; detail: string }>;

export type RefusalCode = keyof typeof REFUSALS;

/** `2026-02-22T14:30:00Z`, the contract's form of a time. */
export function isoSeconds(atMs: number): string {
  return `${new Date(atMs).toISOString().slice(0, 19)}Z`;
}
