import type { PlugHttp, PlugHttpOutcome } from './plug-http.ts';
import type { PlugCredentials, PlugFailure } from './plug.ts';
import { asRecord, parseRecord } from './wire-values.ts';

/** A method call as the plug takes it inside whatever envelope its protocol has. */
export interface PlugRequest {
  readonly method: string;
  readonly params?: Readonly<Record<string, unknown>>;
}

/** The inner answer: `error_code` 0 is success. */
export interface PlugAnswer {
  readonly kind: 'answer';
  readonly errorCode: number;
  readonly result: unknown;
}

export type SendOutcome =
  | PlugAnswer
  /** It does not know our session any more: expired, restarted, or another client logged in. */
  | { readonly kind: 'session_gone' }
  | PlugFailure;

/** A logged-in session. Not to be used by two calls at once. */
export interface PlugChannel {
  /** How long to use it before logging in anew. */
  readonly lifetimeMs: number;
  send(request: PlugRequest, signal: AbortSignal): Promise<SendOutcome>;
}

/** Why there is no session; `not_spoken`: something answers, but it speaks another protocol. */
export type LoginRefusal = { readonly kind: 'not_spoken' } | PlugFailure;

export type LoginOutcome =
  { readonly kind: 'channel'; readonly channel: PlugChannel } | LoginRefusal;

/** Logs in by KLAP, where the plug shows first that it knows the account. */
export type KlapLogin = (
  endpoint: PlugEndpoint,
  credentials: PlugCredentials,
  signal: AbortSignal,
) => Promise<LoginOutcome>;

/** @param level `lv` of the discovery answer */
export type AesLogin = (
  endpoint: PlugEndpoint,
  credentials: PlugCredentials,
  level: number,
  signal: AbortSignal,
) => Promise<LoginOutcome>;

/** What a protocol needs of the plug and its surroundings. */
export interface PlugEndpoint {
  readonly host: string;
  readonly port: number;
  readonly http: PlugHttp;
  /** Default: plain HTTP. With TLS any certificate is taken: the login says who answers. */
  readonly isTls?: boolean;
  /** Cryptographically strong bytes. */
  readonly randomBytes: (size: number) => Buffer;
}

/** `error_code`s with a meaning of their own (docs/adr/0008). */
export const ERROR_CODE = {
  ok: 0,
  protocolNotSpoken: 1003,
  sessionTimeout: 9999,
  wrongCredentials: -1501,
} as const;

const DEFAULT_TIMEOUT_SECONDS = 86_400;
/** python-kasa logs in again this long before the plug would forget the session. */
const RENEW_BEFORE_SECONDS = 1_200;

export interface SessionCookie {
  /** As to be sent back, `TP_SESSIONID=…`. */
  readonly header: string;
  readonly lifetimeMs: number;
}

/** Finds `TP_SESSIONID=…;TIMEOUT=<s>` among `Set-Cookie` lines; null when there is none. */
export function readSessionCookie(lines: readonly string[]): SessionCookie | null {
  for (const line of lines) {
    const id = /TP_SESSIONID=([0-9A-Za-z+/=_-]{1,256})/.exec(line)?.[1];
    if (id === undefined) continue;
    const told = Number(/TIMEOUT=(\d{1,8})/.exec(line)?.[1] ?? DEFAULT_TIMEOUT_SECONDS);
    const early = Math.max(told - RENEW_BEFORE_SECONDS, told / 2);
    return { header: `TP_SESSIONID=${id}`, lifetimeMs: Math.floor(early * 1_000) };
  }
  return null;
}

/** The inner JSON `{error_code, result}`; null when it is something else. */
export function readAnswer(bytes: Uint8Array): PlugAnswer | null {
  const record = parseRecord(bytes);
  const errorCode = record?.['error_code'];
  if (record === null || typeof errorCode !== 'number') return null;
  return { kind: 'answer', errorCode, result: asRecord(record['result']) ?? {} };
}

export function badAnswer(detail: string): PlugFailure {
  return { kind: 'bad_answer', detail };
}

/** What a status other than 200 means before there is a session. */
export function loginRefusal(answer: PlugHttpOutcome & { kind: 'answer' }): LoginRefusal {
  if (answer.status === 403) {
    return { kind: 'third_party_off', detail: 'The plug refuses third-party clients (403).' };
  }
  if (answer.status === 429) return tooMany();
  if (answer.status >= 400 && answer.status < 500) return { kind: 'not_spoken' };
  return badAnswer(`The plug answered the handshake with status ${answer.status}.`);
}

/** What a status other than 200 means within a session. */
export function requestRefusal(answer: PlugHttpOutcome & { kind: 'answer' }): SendOutcome {
  if (answer.status === 401 || answer.status === 403) return { kind: 'session_gone' };
  if (answer.status === 429) return tooMany();
  return badAnswer(`The plug answered a request with status ${answer.status}.`);
}

function tooMany(): PlugFailure {
  return {
    kind: 'bad_answer',
    cause: 'rate_limited',
    detail: 'The plug is asked too often (429).',
  };
}
