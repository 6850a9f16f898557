import { createHash } from 'node:crypto';
import { AesCipher, makeHandshakeKey } from './aes-cipher.ts';
import {
  badAnswer,
  ERROR_CODE,
  loginRefusal,
  readAnswer,
  readSessionCookie,
  requestRefusal,
  type LoginOutcome,
  type LoginRefusal,
  type PlugAnswer,
  type PlugChannel,
  type PlugEndpoint,
  type PlugRequest,
  type SendOutcome,
} from '../plug-protocol.ts';
import type { PlugCredentials, PlugFailure } from '../plug.ts';
import { asRecord } from '../wire-values.ts';

/**
 * Logs in by the legacy protocol (`encrypt_type` AES, firmware up to 1.2.3).
 *
 * Unlike KLAP it hands the password, or its hash, to whoever answers. So the caller must have
 * asked over UDP first which plug is there (see `plug-login.ts`).
 *
 * @param level `lv` of the discovery answer; from 2 on the plug takes a hash of the password
 */
export async function loginByAes(
  endpoint: PlugEndpoint,
  credentials: PlugCredentials,
  level: number,
  signal: AbortSignal,
): Promise<LoginOutcome> {
  const handshake = await shakeHands(endpoint, signal);
  if (!(handshake instanceof AesChannel)) return handshake;
  const login = await handshake.send(loginRequest(credentials, level), signal);
  if (login.kind === 'session_gone') {
    return { kind: 'session_taken', detail: 'The session was taken during the login.' };
  }
  if (login.kind !== 'answer') return login;
  if (login.errorCode === ERROR_CODE.wrongCredentials) {
    return { kind: 'wrong_password', detail: 'The plug refused the account (-1501).' };
  }
  const token = asRecord(login.result)?.['token'];
  if (login.errorCode !== ERROR_CODE.ok || !isToken(token)) {
    return badAnswer(`The plug refused the login with error ${login.errorCode}.`);
  }
  return { kind: 'channel', channel: handshake.withToken(token) };
}

async function shakeHands(
  endpoint: PlugEndpoint,
  signal: AbortSignal,
): Promise<AesChannel | LoginRefusal> {
  const { publicPem, privateKey } = await makeHandshakeKey();
  const request = { method: 'handshake', params: { key: publicPem } };
  const outcome = await endpoint.http({ ...envelope(endpoint, '/app', request), signal });
  if (outcome.kind !== 'answer') return outcome;
  if (outcome.status !== 200) return loginRefusal(outcome);
  const answer = readAnswer(outcome.body);
  if (answer === null) return badAnswer('The plug answered the handshake with something else.');
  if (answer.errorCode === ERROR_CODE.protocolNotSpoken) return { kind: 'not_spoken' };
  const key = asRecord(answer.result)?.['key'];
  const cipher = typeof key === 'string' ? AesCipher.fromHandshake(key, privateKey) : null;
  if (cipher === null) return badAnswer('The plug sent no usable key.');
  const cookie = readSessionCookie(outcome.cookies);
  if (cookie === null) return badAnswer('The plug began no session.');
  return new AesChannel(endpoint, cookie.header, cipher, cookie.lifetimeMs, null);
}

class AesChannel implements PlugChannel {
  readonly lifetimeMs: number;
  readonly #endpoint: PlugEndpoint;
  readonly #cookie: string;
  readonly #cipher: AesCipher;
  readonly #token: string | null;

  constructor(
    endpoint: PlugEndpoint,
    cookie: string,
    cipher: AesCipher,
    lifetimeMs: number,
    token: string | null,
  ) {
    this.#endpoint = endpoint;
    this.#cookie = cookie;
    this.#cipher = cipher;
    this.lifetimeMs = lifetimeMs;
    this.#token = token;
  }

  withToken(token: string): AesChannel {
    return new AesChannel(this.#endpoint, this.#cookie, this.#cipher, this.lifetimeMs, token);
  }

  async send(request: PlugRequest, signal: AbortSignal): Promise<SendOutcome> {
    const path = this.#token === null ? '/app' : `/app?token=${this.#token}`;
    const passed = {
      method: 'securePassthrough',
      params: { request: this.#cipher.seal(JSON.stringify(request)) },
    };
    const post = envelope(this.#endpoint, path, passed, this.#cookie);
    const outcome = await this.#endpoint.http({ ...post, signal });
    if (outcome.kind !== 'answer') return outcome;
    if (outcome.status !== 200) return requestRefusal(outcome);
    const outer = readAnswer(outcome.body);
    if (outer === null) return badAnswer('An answer was not what a plug sends.');
    if (outer.errorCode === ERROR_CODE.sessionTimeout) return { kind: 'session_gone' };
    if (outer.errorCode !== ERROR_CODE.ok) return outer;
    return this.#inner(outer);
  }

  #inner(outer: PlugAnswer): SendOutcome | PlugFailure {
    const plain = this.#cipher.open(asRecord(outer.result)?.['response']);
    const inner = plain === null ? null : readAnswer(plain);
    if (inner === null) return badAnswer('An answer was not encrypted by the session.');
    return inner.errorCode === ERROR_CODE.sessionTimeout ? { kind: 'session_gone' } : inner;
  }
}

function loginRequest(credentials: PlugCredentials, level: number): PlugRequest {
  const username = base64(sha1Hex(credentials.username));
  return level >= 2
    ? {
        method: 'login_device',
        params: { username, password2: base64(sha1Hex(credentials.password)) },
      }
    : { method: 'login_device', params: { username, password: base64(credentials.password) } };
}

function envelope(
  endpoint: PlugEndpoint,
  path: string,
  message: PlugRequest,
  cookie?: string,
): Omit<Parameters<PlugEndpoint['http']>[0], 'signal'> {
  return {
    host: endpoint.host,
    port: endpoint.port,
    path,
    body: Buffer.from(JSON.stringify(message)),
    headers: {
      'Content-Type': 'application/json',
      ...(cookie === undefined ? {} : { Cookie: cookie }),
    },
  };
}

function isToken(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9A-Za-z._~-]{1,256}$/.test(value);
}

function sha1Hex(text: string): string {
  return createHash('sha1').update(text, 'utf8').digest('hex');
}

function base64(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64');
}
