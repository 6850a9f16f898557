import type { IncomingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';
import type { Caller } from '../accounts/caller.ts';
import { isNeverPassed, type PassedAddress, passedAddress, Target } from '../api/api.ts';
import type { Answer } from '../http/http.ts';
import type { Log } from '../log/log.ts';
import {
  failureOfStatus,
  type NasApi,
  type NasExchange,
  type NasPresence,
  type NasRefusal,
  readNasJson,
} from '../nas/nas.ts';
import type { Clock } from '../time/clock.ts';
import type { PassBefore, PassHook, PassRequest, PassResult } from './pass-hook.ts';
import { givenHeaders, sentHeaders } from './web-pages.ts';

export { type LiveOutcome, LiveSockets } from './live-sockets.ts';
export {
  DeviceHook,
  fateOf,
  isUnable,
  type PassBefore,
  type PassHook,
  type PassRequest,
  type PassResult,
  PasswordHook,
  toldIn,
} from './pass-hook.ts';
export { pagePathOf, type WebPage, type WebPageAsked, WebPages } from './web-pages.ts';

interface PassDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly nas: Pick<NasApi, 'relay'>;
  readonly presence: NasPresence;
  /** NAS_URL, the only place that a redirect is followed to. */
  readonly url: URL;
  /** A caller needs the NAS now. */
  readonly needed: () => void;
  /** A stored NAS token of that user; null where there is none right now. */
  readonly storedTokenOf: (userId: number) => Promise<string | null>;
  /** The NAS answered 401 to that token. */
  readonly refused: (token: string) => Promise<void>;
  /** In the order in which they are asked. */
  readonly hooks: readonly PassHook[];
}

/** A request as the guard let it in. */
interface PassAsked {
  readonly method: string;
  readonly address: PassedAddress;
  readonly caller: Caller;
  readonly auto: boolean;
  readonly headers: IncomingHttpHeaders;
  readonly signal: AbortSignal;
  /** Opens the body, once nothing rules the request out any more; null where there is none. */
  readonly openBody: (() => Readable) | null;
}

export type PassOutcome =
  /** Another module's answer in place of the NAS's. */
  | { readonly kind: 'answer'; readonly answer: Answer }
  | { readonly kind: 'asleep' | 'needs_nas_token' | 'nas_bad_answer' | 'nas_busy' }
  /** The body is larger than is accepted here. */
  | { readonly kind: 'too_large'; readonly maxBytes: number }
  /** The caller went away. */
  | { readonly kind: 'gone' }
  /** The NAS refused; `body` is undefined where it has no words for it. */
  | {
      readonly kind: 'refused';
      readonly status: number;
      readonly body: unknown;
      readonly headers: Readonly<Record<string, string>>;
    }
  | PassedAnswer;

/** The NAS's answer: the part read already, and the rest as a stream. */
export interface PassedAnswer {
  readonly kind: 'passed';
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[]>>;
  /** Null where the NAS does not tell. */
  readonly lengthBytes: number | null;
  readonly first: readonly Buffer[];
  /** Null where there is no more. Must be read or destroyed. */
  readonly rest: Readable | null;
}

type Response = Extract<NasExchange, { kind: 'response' }>;

/** A change only names paths, so a larger body is not one. */
const MOST_BODY_BYTES = 64 * 1024;
const MOST_ANSWER_BYTES = 1024 * 1024;
/**
 * Some of the NAS's work takes long before it answers; still shorter than callers are kept waiting.
 */
const FIRST_BYTE_MS = 50_000;
/** Longer than a sender may pause, so that a phone in a lift is not taken for a NAS that is gone. */
const IDLE_MS = 75_000;

/** Statuses without a body (RFC 9110, 15.3.5, 15.3.6 and 15.4.5). */
const BODILESS: ReadonlySet<number> = new Set([204, 205, 304]);

const ASLEEP: PassOutcome = { kind: 'asleep' };
const BAD_ANSWER: PassOutcome = { kind: 'nas_bad_answer' };
const NEEDS_NAS_TOKEN: PassOutcome = { kind: 'needs_nas_token' };

/**
 * Everything below `/api` that the Pi does not answer itself is streamed to the NAS and back, with
 * the caller's own token (contract 6). There is no list of known routes: what exists is for the NAS
 * to say. Other modules observe it by {@link PassHook}.
 */
export class PassThrough {
  readonly #deps: PassDeps;

  constructor(deps: PassDeps) {
    this.#deps = deps;
  }

  async pass(asked: PassAsked): Promise<PassOutcome> {
    const { method, address } = asked;
    const concerned = this.#deps.hooks.flatMap((hook) => {
      const concern = hook.concerns({ method, segments: address.segments });
      return concern === false ? [] : [{ hook, withBody: concern === 'with_body' }];
    });
    const wantsBody = concerned.some(({ withBody }) => withBody) && mayBeJson(asked.headers);
    let bytes: Buffer | null = null;
    if (wantsBody && asked.openBody !== null) {
      const read = await readSmallBody(asked.openBody(), MOST_BODY_BYTES);
      if (read.kind === 'too_large') return { kind: 'too_large', maxBytes: MOST_BODY_BYTES };
      if (read.kind === 'cut') return { kind: 'gone' };
      bytes = read.bytes;
    }
    const hooks = new RunningHooks(this.#deps.log);
    try {
      const request = requestOf(asked, bytes === null ? undefined : parsedJson(bytes));
      const answer = await hooks.before(
        concerned.map(({ hook }) => hook),
        request,
      );
      if (answer !== null) return { kind: 'answer', answer };
      const outcome = await this.#send(asked, hooks, bytes);
      const instead = await hooks.tell();
      if (instead === null) return outcome;
      if (outcome.kind === 'passed') outcome.rest?.destroy();
      return { kind: 'answer', answer: instead };
    } finally {
      await hooks.tell();
    }
  }

  async #send(asked: PassAsked, hooks: RunningHooks, bytes: Buffer | null): Promise<PassOutcome> {
    const { presence, needed, refused } = this.#deps;
    const { caller } = asked;
    if (!presence.state.awake) return ASLEEP;
    const token = caller.nasToken ?? (await this.#storedToken(asked));
    if (token === null) return NEEDS_NAS_TOKEN;
    if (asked.signal.aborted) return { kind: 'gone' };
    const auto = asked.auto || hooks.isAuto;
    if (!auto) needed();
    const exchange = await this.#exchange(asked, hooks, { token, auto, bytes });
    if (exchange.kind === 'failed') return failed(exchange, hooks);
    hooks.ended({ kind: 'answered', status: exchange.status, body: undefined });
    const failure = failureOfStatus(exchange.status);
    // There a redirect without a target is told from a 304.
    if (failure === null || failure.kind === 'bad_answer') {
      return await answerOf(exchange, asked.method, hooks);
    }
    if (failure.kind === 'token_refused') {
      await refused(token);
      if (caller.nasToken === null) {
        exchange.body.destroy();
        return NEEDS_NAS_TOKEN;
      }
    }
    return await this.#refusal(exchange, failure, hooks);
  }

  async #storedToken({ method, address, caller }: PassAsked): Promise<string | null> {
    if (!mayActStored(method, address.segments)) return null;
    return await this.#deps.storedTokenOf(caller.user.id);
  }

  /** Asks, and asks once more where a `GET` is redirected to another address of the NAS. */
  async #exchange(
    asked: PassAsked,
    hooks: RunningHooks,
    how: { readonly token: string; readonly auto: boolean; readonly bytes: Buffer | null },
  ): Promise<NasExchange> {
    const { nas } = this.#deps;
    const method = asked.method === 'HEAD' ? 'GET' : asked.method;
    const replaced = hooks.body;
    const headers = sentHeaders(asked.headers, how);
    if (replaced !== undefined) headers['content-type'] = 'application/json';
    const common = {
      ...{ method, headers, signal: asked.signal },
      ...{ firstByteMs: FIRST_BYTE_MS, idleMs: IDLE_MS },
    };
    const body = bodyOf(asked, how.bytes, replaced);
    const wanted = { ...common, path: asked.address.url };
    const first = await nas.relay(body === undefined ? wanted : { ...wanted, body });
    if (first.kind === 'failed' || !isRedirect(first.status)) return first;
    const path = method === 'GET' && body === undefined ? this.#ledTo(first) : null;
    if (path === null) return first;
    first.body.destroy();
    return await nas.relay({ ...common, path });
  }

  /** Where on the NAS a redirect leads to; null elsewhere, and where nothing is passed. */
  #ledTo({ headers }: Response): string | null {
    const { url } = this.#deps;
    const to = URL.parse(headers.location ?? '', url);
    const base = url.pathname.replace(/\/+$/, '');
    // The NAS writes the scheme that its proxy reported, which may differ from ours.
    if (to?.host !== url.host || !to.pathname.startsWith(`${base}/api/`)) return null;
    const target = new Target(to.pathname.slice(base.length) + to.search);
    if (isNeverPassed(target)) return null;
    const found = passedAddress('GET', target);
    return found.kind === 'address' ? found.address.url : null;
  }

  async #refusal(
    exchange: Response,
    { kind }: NasRefusal,
    hooks: RunningHooks,
  ): Promise<PassOutcome> {
    const { status } = exchange;
    const headers = wordHeaders(givenHeaders(exchange.headers, status));
    if (isJson(exchange)) {
      const told = await readNasJson(exchange, this.#deps.clock);
      if (told.kind === 'unreachable') return ASLEEP;
      const body = told.kind === 'answer' ? told.body : undefined;
      hooks.ended({ kind: 'answered', status, body });
      return { kind: 'refused', status, body, headers };
    }
    exchange.body.destroy();
    // Pages of its proxy: it is rate limiting, or finds no NAS behind it.
    if (kind === 'throttled' || kind === 'unavailable') return { kind: 'nas_busy' };
    if (kind === 'gateway') return ASLEEP;
    return { kind: 'refused', status, body: undefined, headers };
  }
}

function requestOf(asked: PassAsked, body: unknown): PassRequest {
  const { method, caller, auto, headers, signal } = asked;
  const { segments, filePath, query } = asked.address;
  return { method, segments, filePath, query, caller, auto, body, headers, signal };
}

function bodyOf(
  asked: PassAsked,
  bytes: Buffer | null,
  replaced: unknown,
): Parameters<NasApi['relay']>[0]['body'] {
  if (replaced !== undefined) return Buffer.from(JSON.stringify(replaced));
  if (bytes !== null) return bytes;
  if (asked.openBody === null) return undefined;
  const { 'content-length': length } = asked.headers;
  const sizeBytes = length === undefined ? null : Number(length);
  return { stream: asked.openBody(), sizeBytes, isForNobodyElse: true };
}

function failed(
  { cause }: Extract<NasExchange, { kind: 'failed' }>,
  hooks: RunningHooks,
): PassOutcome {
  switch (cause.code) {
    case 'refused':
    case 'tls':
    case 'mismatch':
      return ASLEEP;
    case 'timeout':
    case 'cut':
      hooks.ended({ kind: 'no_answer' });
      return ASLEEP;
    case 'protocol':
      hooks.ended({ kind: 'no_answer' });
      return BAD_ANSWER;
    case 'aborted':
    case 'body':
      hooks.ended({ kind: 'no_answer' });
      return { kind: 'gone' };
  }
}

async function answerOf(
  exchange: Response,
  method: string,
  hooks: RunningHooks,
): Promise<PassOutcome> {
  const { status, body } = exchange;
  if (isNothingToGiveOn(exchange)) {
    body.destroy();
    return BAD_ANSWER;
  }
  const headers = givenHeaders(exchange.headers, status);
  const answer = { kind: 'passed', status, headers } as const;
  if (method === 'HEAD' || BODILESS.has(status)) {
    body.destroy();
    const lengthBytes = method === 'HEAD' ? exchange.lengthBytes : null;
    return { ...answer, lengthBytes, first: [], rest: null };
  }
  const { lengthBytes } = exchange;
  const isSmall = lengthBytes === null || lengthBytes <= MOST_ANSWER_BYTES;
  if (!hooks.readsAnswer || !isJson(exchange) || !isSmall) {
    return { ...answer, lengthBytes, first: [], rest: body };
  }
  return await readFirst(exchange, hooks, answer);
}

/** A page, or a redirect that leads away from the NAS or would need the body sent again. */
function isNothingToGiveOn(exchange: Response): boolean {
  return (isRedirect(exchange.status) && !BODILESS.has(exchange.status)) || isPage(exchange);
}

/** Reads an answer that another module wants to see, as far as it is small. */
async function readFirst(
  { status, body, lengthBytes }: Response,
  hooks: RunningHooks,
  answer: Pick<PassedAnswer, 'kind' | 'status' | 'headers'>,
): Promise<PassOutcome> {
  const first: Buffer[] = [];
  let sizeBytes = 0;
  const blocks = (body as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await blocks.next();
      if (next.done === true) break;
      first.push(next.value);
      sizeBytes += next.value.length;
      if (sizeBytes > MOST_ANSWER_BYTES) return { ...answer, lengthBytes, first, rest: body };
    }
  } catch {
    // The answer broke off: what the NAS did stands, and the caller gets no half of it.
    return ASLEEP;
  }
  const bytes = Buffer.concat(first);
  hooks.ended({ kind: 'answered', status, body: parsedJson(bytes) });
  return { ...answer, lengthBytes: bytes.length, first: [bytes], rest: null };
}

/** Headers of a refusal whose body is rewritten. */
function wordHeaders(given: ReturnType<typeof givenHeaders>): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(given)) {
    if (typeof value === 'string' && !name.startsWith('content-')) kept[name] = value;
  }
  return kept;
}

function isRedirect(status: number): boolean {
  return status >= 300 && status < 400;
}

function isJson({ headers }: Response): boolean {
  return /^application\/(?:[\w.+-]+\+)?json\b/i.test(headers['content-type'] ?? '');
}

function isPage({ headers }: Response): boolean {
  return /^\s*(?:text\/html|application\/xhtml\+xml)\b/i.test(headers['content-type'] ?? '');
}

type SmallBody =
  | { readonly kind: 'bytes'; readonly bytes: Buffer }
  | { readonly kind: 'too_large' }
  /** It broke off. */
  | { readonly kind: 'cut' };

/** What the NAS takes for JSON: JSON types, and no type at all (BaluHost 1.38's framework). */
function mayBeJson({ 'content-type': type }: IncomingHttpHeaders): boolean {
  return type === undefined || /^application\/(?:[\w.+-]+\+)?json\b/i.test(type.trim());
}

/** Reads a stream to its end if it brings no more than that; the rest is left unread. */
async function readSmallBody(stream: Readable, maxBytes: number): Promise<SmallBody> {
  const { promise, resolve } = Promise.withResolvers<SmallBody>();
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  const onData = (chunk: Buffer): void => {
    sizeBytes += chunk.length;
    chunks.push(chunk);
    if (sizeBytes > maxBytes) resolve({ kind: 'too_large' });
  };
  const onEnd = (): void => {
    resolve({ kind: 'bytes', bytes: Buffer.concat(chunks) });
  };
  const onCut = (): void => {
    resolve({ kind: 'cut' });
  };
  stream.on('data', onData);
  stream.once('end', onEnd);
  stream.once('error', onCut);
  stream.once('close', onCut);
  const read = await promise;
  stream.off('data', onData);
  stream.off('end', onEnd);
  stream.off('error', onCut);
  stream.off('close', onCut);
  if (read.kind === 'too_large') stream.destroy();
  return read;
}

/** @returns undefined for what is no JSON */
function parsedJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8')) as unknown;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Everything below these, whatever the method (contract 2, "For a Pi token"). */
const ACTS_BELOW: readonly string[] = [
  'files',
  'sync',
  'shares',
  'notifications',
  'mobile/camera',
  'mobile/devices',
  'mobile/sync',
  'mobile/upload',
];
/** Read-only there. */
const READS_BELOW: readonly string[] = [
  'energy',
  'health',
  'mobile/power-summary',
  'monitoring',
  'smart-devices',
  'system',
];
/** Giving away or moving somebody's data is not use of one's own files. */
const NEVER: readonly string[] = ['files/transfer-ownership', 'files/enforce-residency'];
const WAKES: readonly string[] = ['system/sleep/wake', 'system/sleep/wol'];

/**
 * Whether a stored credential may act there for a caller with a Pi token. Such a token lives for 15
 * minutes and is given for a password or a refresh token alone; creating accounts, keys and
 * sign-ins, and anything of an admin's, needs a token of the NAS.
 * @param segments decoded, without the `api` before them
 */
function mayActStored(method: string, segments: readonly string[]): boolean {
  const isBelow = (place: string): boolean =>
    place.split('/').every((word, index) => segments[index] === word);
  if (NEVER.some(isBelow)) return false;
  if (ACTS_BELOW.some(isBelow)) return true;
  if (method === 'GET' || method === 'HEAD') return READS_BELOW.some(isBelow);
  return method === 'POST' && WAKES.some(isBelow);
}

type Go = Extract<PassBefore, { kind: 'go' }>;

/** The hooks of one request: asked in order, notified in reverse. */
class RunningHooks {
  readonly #log: Log;
  #going: Go[] = [];
  #result: PassResult = { kind: 'not_sent' };

  constructor(log: Log) {
    this.#log = log;
  }

  /** @returns the first answer one of them gives in the NAS's place, or null */
  async before(hooks: readonly PassHook[], request: PassRequest): Promise<Answer | null> {
    for (const hook of hooks) {
      const before = await hook.before(request);
      if (before.kind === 'answer') return before.answer;
      this.#going.push(before);
    }
    return null;
  }

  get isAuto(): boolean {
    return this.#going.some(({ auto }) => auto === true);
  }

  get readsAnswer(): boolean {
    return this.#going.some(({ readsAnswer }) => readsAnswer === true);
  }

  /** What is sent in place of the body; undefined for the original. */
  get body(): unknown {
    return this.#going.findLast(({ body }) => body !== undefined)?.body;
  }

  /** How it stands, should it be told now. */
  ended(result: PassResult): void {
    this.#result = result;
  }

  /**
   * Notifies each of them once.
   * @returns what is sent in place of the NAS's answer, or null
   */
  async tell(): Promise<Answer | null> {
    const going = this.#going.reverse();
    this.#going = [];
    let instead: Answer | null = null;
    for (const { after } of going) {
      try {
        instead = (await after?.(this.#result)) ?? instead;
      } catch (error) {
        // The NAS has done it by now, so the caller gets its answer all the same.
        const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
        this.#log.error(`The follow-up of a passed request failed: ${reason}`);
      }
    }
    return instead;
  }
}
