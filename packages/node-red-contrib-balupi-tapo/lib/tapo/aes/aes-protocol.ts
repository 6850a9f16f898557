import {
  constants,
  createCipheriv,
  createDecipheriv,
  createHash,
  generateKeyPair,
  type KeyObject,
  privateDecrypt,
} from 'node:crypto';
import { promisify } from 'node:util';
import { stripPadding } from '../klap/klap-protocol.ts';
import {
  asRecord,
  badAnswer,
  ERROR_CODE,
  type LoginOutcome,
  loginRefusal,
  type LoginRefusal,
  type PlugAnswer,
  type PlugChannel,
  type PlugEndpoint,
  type PlugRequest,
  readAnswer,
  readSessionCookie,
  requestRefusal,
  type SendOutcome,
} from '../plug-protocol.ts';
import type { PlugCredentials, PlugFailure } from '../plug.ts';

/**
 * Logs in by the legacy protocol (`encrypt_type` AES, firmware up to 1.2.3).
 *
 * Unlike KLAP it hands the password, or its hash, to whoever answers. So the caller must first have
 * identified the plug over UDP (see `plug-login.ts`).
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

/** The key strength that these old firmwares use; the key lives for one handshake only. */
const RSA_BITS = 1_024;
const KEY_BYTES = 16;
const BLOCK_BYTES = 16;

const makeKeyPair = promisify(generateKeyPair);

/** A key pair for one handshake, made off the main thread. */
async function makeHandshakeKey(): Promise<{
  readonly publicPem: string;
  readonly privateKey: KeyObject;
}> {
  const { publicKey, privateKey } = await makeKeyPair('rsa', { modulusLength: RSA_BITS });
  return { publicPem: publicKey.export({ type: 'spki', format: 'pem' }).toString(), privateKey };
}

/** The encryption of one legacy session: AES-128-CBC with one key and one IV, no signature. */
class AesCipher {
  readonly #key: Buffer;
  readonly #iv: Buffer;

  private constructor(secret: Buffer) {
    this.#key = secret.subarray(0, KEY_BYTES);
    this.#iv = secret.subarray(KEY_BYTES);
  }

  /**
   * The cipher from `result.key` of the handshake: base64 of the RSA-encrypted key and IV. Null
   * when it does not decrypt to 32 bytes.
   */
  static fromHandshake(sealedKey: string, privateKey: KeyObject): AesCipher | null {
    const sealed = Buffer.from(sealedKey.slice(0, 1_024), 'base64');
    if (sealed.length !== RSA_BITS / 8) return null;
    const secret = stripPkcs1(rawDecrypt(sealed, privateKey));
    return secret?.length === KEY_BYTES + BLOCK_BYTES ? new AesCipher(secret) : null;
  }

  /** Base64 of the encrypted text. */
  seal(plain: string): string {
    const cipher = createCipheriv('aes-128-cbc', this.#key, this.#iv);
    return Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()]).toString('base64');
  }

  /** The text in base64 `sealed`; null when it is not this session's. */
  open(sealed: unknown): Buffer | null {
    if (typeof sealed !== 'string') return null;
    const bytes = Buffer.from(sealed, 'base64');
    if (bytes.length === 0 || bytes.length % BLOCK_BYTES !== 0) return null;
    const decipher = createDecipheriv('aes-128-cbc', this.#key, this.#iv);
    decipher.setAutoPadding(false);
    return stripPadding(Buffer.concat([decipher.update(bytes), decipher.final()]));
  }
}

/** Zeros when the number is too big for the key, so that it fails like any other nonsense. */
function rawDecrypt(sealed: Buffer, key: KeyObject): Buffer {
  try {
    return privateDecrypt({ key, padding: constants.RSA_NO_PADDING }, sealed);
  } catch (error) {
    if (error instanceof Error && 'code' in error) return Buffer.alloc(sealed.length);
    throw error;
  }
}

/**
 * Removes PKCS#1 v1.5 encryption padding (RFC 8017, 7.2.2): 0, 2, at least 8 bytes other than 0,
 * then 0. Node refuses to do it (CVE-2023-46809: its timing could reveal the padding); here the key
 * is used for one message and then forgotten, so there is nothing to reveal.
 */
function stripPkcs1(padded: Buffer): Buffer | null {
  const end = padded.indexOf(0, 2);
  if (padded[0] !== 0 || padded[1] !== 2 || end < 10) return null;
  return padded.subarray(end + 1);
}
