import { createCipheriv, createDecipheriv, createHash, timingSafeEqual } from 'node:crypto';
import type { PlugHttpOutcome } from '../plug-http.ts';
import {
  badAnswer,
  ERROR_CODE,
  type LoginOutcome,
  loginRefusal,
  type LoginRefusal,
  type PlugChannel,
  type PlugEndpoint,
  type PlugRequest,
  readAnswer,
  readSessionCookie,
  requestRefusal,
  type SendOutcome,
  type SessionCookie,
} from '../plug-protocol.ts';
import type { PlugCredentials } from '../plug.ts';

const SEED_BYTES = 16;
const HANDSHAKE1_ANSWER_BYTES = 48;

/** The path of the first step, in which the plug proves that it knows the account. */
export const HANDSHAKE1_PATH = '/app/handshake1';

/** What a plug's answer to the first step means. */
type FirstStep =
  | { readonly kind: 'proven'; readonly seeds: KlapSeeds; readonly cookie: SessionCookie }
  | LoginRefusal;

/**
 * Logs in by KLAP version 2.
 *
 * The plug first proves that it knows the account, so a stranger at this address learns nothing: it
 * gets 16 random bytes, and our own proof is only sent after its proof was right.
 */
export async function loginByKlap(
  endpoint: PlugEndpoint,
  credentials: PlugCredentials,
  signal: AbortSignal,
): Promise<LoginOutcome> {
  const local = endpoint.randomBytes(SEED_BYTES);
  const answer = await post(endpoint, HANDSHAKE1_PATH, local, {}, signal);
  const first = readFirstStep(local, answer, credentials);
  if (first.kind !== 'proven') return first;
  const { seeds, cookie } = first;
  const headers = { Cookie: cookie.header };
  const second = await post(endpoint, '/app/handshake2', ownProof(seeds), headers, signal);
  const refusal = secondStepRefusal(second);
  if (refusal !== null) return refusal;
  return {
    kind: 'channel',
    channel: new KlapChannel(endpoint, cookie.header, new KlapCipher(seeds), cookie.lifetimeMs),
  };
}

/** @param local the 16 random bytes sent to the plug */
export function readFirstStep(
  local: Buffer,
  answer: PlugHttpOutcome,
  credentials: PlugCredentials,
): FirstStep {
  if (answer.kind !== 'answer') return answer;
  if (answer.status !== 200) return loginRefusal(answer);
  if (answer.body.length !== HANDSHAKE1_ANSWER_BYTES) return strangeHandshake(answer.body);
  const cookie = readSessionCookie(answer.cookies);
  if (cookie === null) return badAnswer('The plug began no session.');
  const remote = answer.body.subarray(0, SEED_BYTES);
  const seeds: KlapSeeds = { local, remote, authHash: klapAuthHash(credentials) };
  if (!isPlugProof(answer.body.subarray(SEED_BYTES), seeds)) {
    return { kind: 'wrong_password', detail: 'The plug belongs to another account or password.' };
  }
  return { kind: 'proven', seeds, cookie };
}

/** Null when the plug accepted our proof. */
export function secondStepRefusal(answer: PlugHttpOutcome): LoginRefusal | null {
  if (answer.kind !== 'answer') return answer;
  if (answer.status === 200) return null;
  if (answer.status === 403) {
    return { kind: 'session_taken', detail: 'The session was taken during the handshake.' };
  }
  return loginRefusal(answer);
}

class KlapChannel implements PlugChannel {
  readonly lifetimeMs: number;
  readonly #endpoint: PlugEndpoint;
  readonly #cookie: string;
  readonly #cipher: KlapCipher;

  constructor(endpoint: PlugEndpoint, cookie: string, cipher: KlapCipher, lifetimeMs: number) {
    this.#endpoint = endpoint;
    this.#cookie = cookie;
    this.#cipher = cipher;
    this.lifetimeMs = lifetimeMs;
  }

  async send(request: PlugRequest, signal: AbortSignal): Promise<SendOutcome> {
    const { seq, body } = this.#cipher.seal(JSON.stringify(request));
    const headers = { Cookie: this.#cookie };
    const path = `/app/request?seq=${seq}`;
    const answer = await post(this.#endpoint, path, body, headers, signal);
    if (answer.kind !== 'answer') return answer;
    if (answer.status !== 200) return requestRefusal(answer);
    const plain = this.#cipher.open(seq, answer.body);
    if (plain === null) return badAnswer('An answer was not signed by the session.');
    const inner = readAnswer(plain);
    if (inner === null) return badAnswer('An answer was not what a plug sends.');
    return inner.errorCode === ERROR_CODE.sessionTimeout ? { kind: 'session_gone' } : inner;
  }
}

/** A 200 that is not KLAP: other protocols say so in JSON, anything else is nonsense. */
function strangeHandshake(body: Buffer): LoginRefusal {
  return readAnswer(body) === null
    ? badAnswer('The plug answered the handshake with something else.')
    : { kind: 'not_spoken' };
}

async function post(
  endpoint: PlugEndpoint,
  path: string,
  body: Uint8Array,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<PlugHttpOutcome> {
  return await endpoint.http({
    host: endpoint.host,
    port: endpoint.port,
    path,
    body,
    headers: { 'Content-Type': 'application/octet-stream', ...headers },
    signal,
  });
}

/** Bytes of the signature before each ciphertext (SHA-256). */
const SIGNATURE_BYTES = 32;
const BLOCK_BYTES = 16;

function sha256(...parts: readonly Uint8Array[]): Buffer {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
}

/** sha256(sha1(user) + sha1(password)): what both sides prove to know (KLAP v2). */
export function klapAuthHash(credentials: PlugCredentials): Buffer {
  const user = createHash('sha1').update(credentials.username, 'utf8').digest();
  const password = createHash('sha1').update(credentials.password, 'utf8').digest();
  return sha256(user, password);
}

/** The plug's proof, in its answer to handshake 1. It comes before ours. */
export function isPlugProof(proof: Uint8Array, seeds: KlapSeeds): boolean {
  const wanted = sha256(seeds.local, seeds.remote, seeds.authHash);
  return proof.length === wanted.length && timingSafeEqual(proof, wanted);
}

/** Our proof, the body of handshake 2. */
export function ownProof(seeds: KlapSeeds): Buffer {
  return sha256(seeds.remote, seeds.local, seeds.authHash);
}

/** The 16 random bytes of either side, and the account's hash. */
interface KlapSeeds {
  readonly local: Uint8Array;
  readonly remote: Uint8Array;
  readonly authHash: Uint8Array;
}

/** The encryption of one KLAP session: AES-128-CBC under a running number, signed both ways. */
export class KlapCipher {
  readonly #key: Buffer;
  readonly #ivStart: Buffer;
  readonly #signatureKey: Buffer;
  #seq: number;

  /** @param firstSeq where the running number starts; default: what the seeds give */
  constructor(seeds: KlapSeeds, firstSeq?: number) {
    const derive = (label: string): Buffer =>
      sha256(Buffer.from(label), seeds.local, seeds.remote, seeds.authHash);
    const iv = derive('iv');
    this.#key = derive('lsk').subarray(0, BLOCK_BYTES);
    this.#ivStart = iv.subarray(0, 12);
    this.#seq = firstSeq ?? iv.readInt32BE(28);
    this.#signatureKey = derive('ldk').subarray(0, 28);
  }

  /** The next request: its running number and body. */
  seal(plain: string): { readonly seq: number; readonly body: Buffer } {
    // The plug counts in a signed 32-bit integer, which wraps from 2^31-1 to -2^31.
    this.#seq = (this.#seq + 1) | 0;
    const cipher = createCipheriv('aes-128-cbc', this.#key, this.#iv(this.#seq));
    const sealed = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()]);
    return { seq: this.#seq, body: Buffer.concat([this.#sign(this.#seq, sealed), sealed]) };
  }

  /** The text of the answer to request `seq`; null when it is not signed by this session. */
  open(seq: number, body: Buffer): Buffer | null {
    const sealed = body.subarray(SIGNATURE_BYTES);
    if (sealed.length === 0 || sealed.length % BLOCK_BYTES !== 0) return null;
    if (!timingSafeEqual(body.subarray(0, SIGNATURE_BYTES), this.#sign(seq, sealed))) return null;
    const decipher = createDecipheriv('aes-128-cbc', this.#key, this.#iv(seq));
    decipher.setAutoPadding(false);
    return stripPadding(Buffer.concat([decipher.update(sealed), decipher.final()]));
  }

  #iv(seq: number): Buffer {
    return Buffer.concat([this.#ivStart, int32(seq)]);
  }

  #sign(seq: number, sealed: Uint8Array): Buffer {
    return sha256(this.#signatureKey, int32(seq), sealed);
  }
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

/**
 * Takes PKCS#7 padding off; null when it is none. By hand, because Node throws on bad padding and
 * a plug's nonsense is a value here.
 */
export function stripPadding(padded: Buffer): Buffer | null {
  const count = padded.at(-1) ?? 0;
  if (count < 1 || count > BLOCK_BYTES || count > padded.length) return null;
  if (padded.subarray(-count).some((byte) => byte !== count)) return null;
  return padded.subarray(0, padded.length - count);
}
