import {
  createCipheriv,
  createDecipheriv,
  createHash,
  hkdfSync,
  timingSafeEqual,
} from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import type { PlugHttpOutcome } from '../plug-http.ts';
import {
  asRecord,
  badAnswer,
  type LoginOutcome,
  loginRefusal,
  type LoginRefusal,
  parseRecord,
  type PlugChannel,
  type PlugEndpoint,
  type PlugRequest,
  readAnswer,
  type SendOutcome,
  type WireRecord,
} from '../plug-protocol.ts';
import type { PlugCredentials, PlugFailure } from '../plug.ts';
import { pake, pakeNumber, type PakeResult, pakeSecrets, readPoint } from './spake2plus.ts';
import { readTpapOffer, type TpapOffer } from './tpap-offer.ts';

const RANDOM_BYTES = 32;
const SALT_BYTES = { least: 8, most: 64 } as const;
/** Plugs ask for 3,000; a higher count would only slow the Pi down. */
const MOST_ITERATIONS = 100_000;
/** 40 bytes give a secret number that is uniform over the whole order. */
const SECRET_BYTES = 40;
/** Lower-case MD5, or upper-case SHA-256, of `admin`: plugs know no other user, never the e-mail. */
const USER = {
  0: '21232f297a57a5a743894a0e4a801fc3',
  1: '8C6976E5B5410415BDE908BD4DEE15DFB167A9C873FC4BB8A81F6F2AB448A918',
} as const;
const CODE = { noTpap: 1_003, refused: -2_203, locked: -2_101 } as const;
const UNSUPPORTED: readonly number[] = [-2_201, -2_202];
/** Used when the plug does not tell. */
const LOCKED_MINUTES = 30;
const MOST_LOCKED_MINUTES = 7 * 24 * 60;
/** The length of a session whose end the plug does not tell; P110 says a week. */
const SESSION_S = 86_400;
const RENEW_BEFORE_S = 1_200;

/** What a plug says of itself over HTTP, to whoever asks. */
export type TpapDiscovery =
  | { readonly kind: 'offered'; readonly offer: TpapOffer; readonly mac: string | null }
  /** It answers, but does not speak TPAP. */
  | { readonly kind: 'not_offered' }
  | PlugFailure;

/** Asks a plug without any secret whether it speaks TPAP, and how. */
export async function discoverTpap(
  endpoint: PlugEndpoint,
  signal: AbortSignal,
): Promise<TpapDiscovery> {
  const answer = await step(endpoint, { sub_method: 'discover' }, signal);
  if (answer.kind === 'locked' || answer.kind === 'unreachable') return answer;
  if (answer.kind !== 'stepped') return { kind: 'not_offered' };
  const offer = readTpapOffer(answer.result['tpap']);
  if (offer === null) return { kind: 'not_offered' };
  return { kind: 'offered', offer, mac: readPlainMac(answer.result['mac']) };
}

/**
 * Logs in by TPAP: SPAKE2+ over two requests, then sealed ones. A stranger who answers learns
 * whether one guess at the password was right, and nothing to attack offline; so, as with KLAP, the
 * plug need not be identified beforehand.
 *
 * @param endpoint where the offer says the login lives
 */
export async function loginByTpap(
  endpoint: PlugEndpoint,
  credentials: PlugCredentials,
  offer: TpapOffer,
  signal: AbortSignal,
): Promise<LoginOutcome> {
  if (offer.tls === 2) return variant('The plug wants a TLS that only its maker can check.');
  if (!offer.takesPassword) return variant('The plug takes no password of an account.');
  const at = { ...endpoint, port: offer.port, isTls: offer.tls === 1 };
  const userRandom = endpoint.randomBytes(RANDOM_BYTES);
  const registered = await step(at, registration(userRandom, offer), signal);
  if (registered.kind !== 'stepped') return registered;
  const result = await shareOf(registered.result, userRandom, endpoint, credentials);
  if ('kind' in result) return result;
  const shared = await step(at, sharing(result), signal);
  const outcome = shared.kind === 'stepped' ? sessionOf(at, shared.result, result) : shared;
  if (outcome.kind === 'channel') return outcome;
  const failure =
    outcome.kind === 'not_spoken' ? badAnswer('The plug broke a login off.') : outcome;
  return { ...failure, gaveGuess: true };
}

function registration(userRandom: Buffer, offer: TpapOffer): WireRecord {
  return {
    sub_method: 'pake_register',
    username: USER[offer.userHashType],
    user_random: userRandom.toString('base64'),
    cipher_suites: [1],
    encryption: ['aes_128_ccm'],
    passcode_type: 'userpw',
  };
}

function sharing({ userShare, userConfirm }: PakeResult): WireRecord {
  return {
    sub_method: 'pake_share',
    user_share: userShare.toString('base64'),
    user_confirm: userConfirm.toString('base64'),
  };
}

/** Our half of the login, from what the plug registered; implausible parameters are refused. */
async function shareOf(
  registered: WireRecord,
  userRandom: Buffer,
  endpoint: PlugEndpoint,
  credentials: PlugCredentials,
): Promise<PakeResult | PlugFailure> {
  const { iterations, cipher_suites: suite, encryption, extra_crypt: kind } = registered;
  const devRandom = readBytes(registered['dev_random'], RANDOM_BYTES, RANDOM_BYTES);
  const salt = readBytes(registered['dev_salt'], SALT_BYTES.least, SALT_BYTES.most);
  const devShare = readPoint(readBytes(registered['dev_share'], 33, 65) ?? Buffer.alloc(0));
  if (suite !== 1 || encryption !== 'aes_128_ccm') {
    return variant('The plug wants another cipher than it was offered.');
  }
  const credential = pakeCredential(kind, credentials);
  if (credential === null) return variant('The plug wants the password in an unknown form.');
  if (devRandom === null || salt === null || devShare === null || !isIterations(iterations)) {
    return badAnswer('The plug began a login that nobody can go on with.');
  }
  const secrets = await pakeSecrets(credential, salt, iterations);
  const x = pakeNumber(endpoint.randomBytes(SECRET_BYTES));
  const result = await pake(secrets, { userRandom, devRandom, devShare, x }, breathe);
  return result ?? badAnswer('The plug chose a share that would give the session away.');
}

function sessionOf(endpoint: PlugEndpoint, shared: WireRecord, result: PakeResult): LoginOutcome {
  const confirm = readBytes(shared['dev_confirm'], RANDOM_BYTES, RANDOM_BYTES);
  // A wrong password would have been refused; this device claims to know it, and does not.
  if (confirm === null || !timingSafeEqual(confirm, result.devConfirm)) {
    return { ...IMPOSTOR, detail: 'Whoever answers does not know the password it accepted.' };
  }
  const token = shared['stok'] ?? shared['sessionId'];
  const startSeq = shared['start_seq'];
  if (!isToken(token) || !isSeq(startSeq)) return badAnswer('The plug began no session.');
  const cipher = new SessionCipher(result.sharedKey, startSeq | 0);
  const lifetimeMs = lifetimeOf(shared['expired']);
  return { kind: 'channel', channel: new TpapChannel(endpoint, token, cipher, lifetimeMs) };
}

class TpapChannel implements PlugChannel {
  readonly lifetimeMs: number;
  readonly #endpoint: PlugEndpoint;
  readonly #token: string;
  readonly #cipher: SessionCipher;

  constructor(endpoint: PlugEndpoint, token: string, cipher: SessionCipher, lifetimeMs: number) {
    this.#endpoint = endpoint;
    this.#token = token;
    this.#cipher = cipher;
    this.lifetimeMs = lifetimeMs;
  }

  async send(request: PlugRequest, signal: AbortSignal): Promise<SendOutcome> {
    const { seq, body } = this.#cipher.seal(JSON.stringify(request));
    const answer = await post(
      this.#endpoint,
      { path: `/stok=${this.#token}/ds`, type: 'application/octet-stream', body },
      signal,
    );
    if (answer.kind === 'unreachable') return answer;
    if (answer.kind === 'answer' && answer.status === 429) {
      return { kind: 'bad_answer', cause: 'rate_limited', detail: 'The plug is asked too often.' };
    }
    // Anything the session did not seal means that there is none, whatever it says.
    if (answer.kind !== 'answer' || answer.status !== 200) return { kind: 'session_gone' };
    const plain = this.#cipher.open(seq, answer.body);
    if (plain === null) return { kind: 'session_gone' };
    return readAnswer(plain) ?? badAnswer('An answer was not what a plug sends.');
  }
}

/** Not the plug, whatever it claims: the password would prove it. */
const IMPOSTOR = { kind: 'unreachable', cause: 'impostor' } as const;

type Step = { readonly kind: 'stepped'; readonly result: WireRecord } | LoginRefusal;

/** One step of the login, unencrypted. */
async function step(
  endpoint: PlugEndpoint,
  params: WireRecord,
  signal: AbortSignal,
): Promise<Step> {
  const body = Buffer.from(JSON.stringify({ method: 'login', params }));
  const answer = await post(endpoint, { path: '/', type: 'application/json', body }, signal);
  if (answer.kind !== 'answer') return answer;
  if (answer.status !== 200) return loginRefusal(answer);
  const told = parseRecord(answer.body);
  const code = told?.['error_code'];
  if (told === null || typeof code !== 'number') {
    return badAnswer('The plug answered a login with something else.');
  }
  if (code !== 0) return refusalOf(code, told);
  return { kind: 'stepped', result: asRecord(told['result']) ?? {} };
}

function refusalOf(code: number, told: WireRecord): LoginRefusal {
  const info = asRecord(told['error_info']) ?? asRecord(asRecord(told['result'])?.['error_info']);
  if (code === CODE.noTpap) return { kind: 'not_spoken' };
  if (code === CODE.locked) {
    const lockedMinutes = minutesOf(info?.['lockedMinute']);
    return { kind: 'locked', lockedMinutes, detail: 'The plug is locked after wrong passwords.' };
  }
  if (code === CODE.refused) {
    const left = info?.['remainAttempts'];
    return {
      kind: 'wrong_password',
      detail: 'The plug refused the password (-2203).',
      ...(typeof left === 'number' && Number.isInteger(left) ? { attemptsLeft: left } : {}),
    };
  }
  if (UNSUPPORTED.includes(code)) return variant(`The plug refuses our kind of login (${code}).`);
  return badAnswer(`The plug refused the login with error ${code}.`);
}

async function post(
  endpoint: PlugEndpoint,
  sent: { readonly path: string; readonly type: string; readonly body: Buffer },
  signal: AbortSignal,
): Promise<PlugHttpOutcome> {
  const { host, port, isTls = false } = endpoint;
  const headers = { 'Content-Type': sent.type };
  return await endpoint.http({
    ...{ host, port, isTls, headers, signal },
    ...{ path: sent.path, body: sent.body },
  });
}

/** Each product of the curve takes an event-loop turn of its own. */
async function breathe(): Promise<void> {
  await setImmediate();
}

function variant(detail: string): PlugFailure {
  return { kind: 'unsupported_protocol', cause: 'tpap_variant', detail };
}

function readBytes(value: unknown, least: number, most: number): Buffer | null {
  if (typeof value !== 'string' || value.length > 256) return null;
  if (!/^[0-9A-Za-z+/]*={0,2}$/.test(value)) return null;
  const bytes = Buffer.from(value, 'base64');
  return bytes.length >= least && bytes.length <= most ? bytes : null;
}

/** `AABBCCDDEEFF`, as `discover` writes it; `AA:BB:CC:DD:EE:FF` here. */
function readPlainMac(value: unknown): string | null {
  if (typeof value !== 'string') return null;
  const plain = value.replaceAll(/[-:]/g, '').toUpperCase();
  return /^[0-9A-F]{12}$/.test(plain) ? (plain.match(/../g) ?? []).join(':') : null;
}

function isIterations(value: unknown): value is number {
  return Number.isInteger(value) && Number(value) >= 1 && Number(value) <= MOST_ITERATIONS;
}

/** It goes into a path as it is: plugs use `! * ( ) ~`, and none of what ends a path or a line. */
function isToken(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9A-Za-z!*()~._@$&'+,;=:-]{1,256}$/.test(value);
}

/** A 32-bit number, signed or not. */
function isSeq(value: unknown): value is number {
  return Number.isInteger(value) && Number(value) >= -(2 ** 31) && Number(value) < 2 ** 32;
}

function lifetimeOf(expired: unknown): number {
  const told = Number.isInteger(expired) && Number(expired) > 0 ? Number(expired) : SESSION_S;
  return Math.floor(Math.max(told - RENEW_BEFORE_S, told / 2) * 1_000);
}

function minutesOf(value: unknown): number {
  const isTold = Number.isInteger(value) && Number(value) > 0;
  return isTold ? Math.min(Number(value), MOST_LOCKED_MINUTES) : LOCKED_MINUTES;
}

const ALGORITHM = 'aes-128-ccm';
const TAG_BYTES = 16;
const SEQ_BYTES = 4;
const NONCE_BYTES = 12;

/**
 * Seals the requests of one TPAP session and opens their answers. Each request has its own number,
 * which goes into the nonce: none is ever reused, answered or not.
 */
export class SessionCipher {
  readonly #key: Buffer;
  readonly #base: Buffer;
  #seq: number;

  /** @param startSeq `start_seq`, the number of the first request, a signed 32-bit number */
  constructor(sharedKey: Buffer, startSeq: number) {
    this.#key = derived(sharedKey, 'key', 16);
    this.#base = derived(sharedKey, 'iv', NONCE_BYTES);
    this.#seq = startSeq;
  }

  seal(plain: string): { readonly seq: number; readonly body: Buffer } {
    const seq = this.#seq;
    this.#seq = (seq + 1) | 0;
    const cipher = createCipheriv(ALGORITHM, this.#key, this.#nonce(seq), {
      authTagLength: TAG_BYTES,
    });
    const sealed = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()]);
    return { seq, body: Buffer.concat([seqBytes(seq), sealed, cipher.getAuthTag()]) };
  }

  /** The answer to the request of that number; null when the session did not seal it. */
  open(seq: number, body: Buffer): Buffer | null {
    if (body.length < SEQ_BYTES + TAG_BYTES || body.readInt32BE() !== seq) return null;
    const decipher = createDecipheriv(ALGORITHM, this.#key, this.#nonce(seq), {
      authTagLength: TAG_BYTES,
    });
    decipher.setAuthTag(body.subarray(body.length - TAG_BYTES));
    const plain = decipher.update(body.subarray(SEQ_BYTES, body.length - TAG_BYTES));
    try {
      decipher.final();
    } catch (error) {
      // CCM has no other way to report a wrong tag.
      if (error instanceof Error) return null;
      throw error;
    }
    return plain;
  }

  #nonce(seq: number): Buffer {
    return Buffer.concat([this.#base.subarray(0, NONCE_BYTES - SEQ_BYTES), seqBytes(seq)]);
  }
}

function seqBytes(seq: number): Buffer {
  const bytes = Buffer.alloc(SEQ_BYTES);
  bytes.writeInt32BE(seq);
  return bytes;
}

function derived(sharedKey: Buffer, what: 'key' | 'iv', length: number): Buffer {
  const name = `aes128-${what}`;
  const [salt, info] = [`tp-kdf-salt-${name}`, `tp-kdf-info-${name}`];
  return Buffer.from(hkdfSync('sha256', sharedKey, salt, info, length));
}

/**
 * What the password is, as the plug's `extra_crypt` asks for it. Plugs ask for `password_shadow` 2:
 * the SHA-1 of the password, into which the e-mail does not enter.
 * @returns null for a kind that is not known: guessing would cost one of the plug's few attempts
 */
export function pakeCredential(extraCrypt: unknown, credentials: PlugCredentials): string | null {
  const { username, password } = credentials;
  if (extraCrypt === undefined || extraCrypt === null) return `${username}/${password}`;
  const { type, params } = asRecord(extraCrypt) ?? {};
  const kind = asRecord(params)?.['passwd_id'];
  const isShadow = type === 'password_shadow' && (kind === 2 || kind === 4);
  return isShadow ? createHash('sha1').update(password, 'utf8').digest('hex') : null;
}
