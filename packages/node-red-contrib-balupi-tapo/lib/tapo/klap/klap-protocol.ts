import { isPlugProof, KlapCipher, klapAuthHash, ownProof, type KlapSeeds } from './klap-cipher.ts';
import type { PlugHttpOutcome } from '../plug-http.ts';
import {
  badAnswer,
  ERROR_CODE,
  loginRefusal,
  type SessionCookie,
  readAnswer,
  readSessionCookie,
  requestRefusal,
  type LoginOutcome,
  type LoginRefusal,
  type PlugChannel,
  type PlugEndpoint,
  type PlugRequest,
  type SendOutcome,
} from '../plug-protocol.ts';
import type { PlugCredentials } from '../plug.ts';

const SEED_BYTES = 16;
const HANDSHAKE1_ANSWER_BYTES = 48;

/** The path of the first step, in which the plug shows that it knows the account. */
export const HANDSHAKE1_PATH = '/app/handshake1';

/** What a plug's answer to the first step says. */
export type FirstStep =
  | { readonly kind: 'proven'; readonly seeds: KlapSeeds; readonly cookie: SessionCookie }
  | LoginRefusal;

/**
 * Logs in by KLAP version 2.
 *
 * The plug proves first that it knows the account, so a stranger at this address learns nothing:
 * it gets 16 random bytes, and our own proof is sent only after its proof was right.
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

/** @param local the 16 bytes the plug was sent */
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

/** A 200 that is no KLAP: other protocols say so in JSON, everything else is nonsense. */
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
