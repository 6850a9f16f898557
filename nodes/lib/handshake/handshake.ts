import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { RateLimiter } from '../limits/limits.ts';
import type { Store } from '../store/store.ts';
import type { Clock } from '../time/clock.ts';
import type { TrustedClock } from '../time/trusted-time.ts';
import { HandshakeRows, type Snapshot } from './handshake-rows.ts';

/** How far the time of a signature may be off, seconds (contract 6). */
const WINDOW_S = 60;
/** Kept a little longer than the window, so that no rounding lets a signature count twice. */
const REMEMBERED_S = 2 * WINDOW_S;
/**
 * How many wrong signatures an address may send: each may cost hashing and sorting a whole body.
 */
const WRONG_PER_MINUTE = 20;

/** A call that claims to come from the NAS. Nothing in it is believed yet. */
export interface ClaimedCall extends Omit<SignedCall, 'timestamp'> {
  /** `X-Balupi-Timestamp`: unix seconds. */
  readonly timestamp: string | undefined;
  /** `X-Balupi-Signature`: 64 hex digits. */
  readonly signature: string | undefined;
  readonly address: string;
}

export type HandshakeResult =
  | { readonly kind: 'accepted' }
  /** The NAS signed it, but its body is no JSON object. */
  | { readonly kind: 'malformed' }
  /** HANDSHAKE_SECRET is empty. */
  | { readonly kind: 'switched_off' }
  /** The Pi does not know the time, so it cannot tell whether a signature is fresh. */
  | { readonly kind: 'clock_unsynced' }
  | { readonly kind: 'too_many_tries'; readonly waitMs: number }
  | { readonly kind: 'refused'; readonly reason: string };

interface HandshakeDeps {
  /** The queue database. */
  readonly store: Store;
  readonly clock: Clock;
  readonly time: TrustedClock;
  /** HANDSHAKE_SECRET; null when not set. */
  readonly secret: string | null;
}

/** The NAS's authenticated goodbye and hello: who said them, and what came with them. */
export class Handshake {
  readonly #deps: HandshakeDeps;
  readonly #rows: HandshakeRows;
  readonly #wrong: RateLimiter;

  constructor(deps: HandshakeDeps) {
    this.#deps = deps;
    this.#rows = new HandshakeRows(deps.store);
    this.#wrong = new RateLimiter(deps.clock, { most: WRONG_PER_MINUTE });
  }

  /** Whether the NAS says hello now. Its body, if any, is not kept. */
  hello(call: ClaimedCall): HandshakeResult {
    return this.#judge(call, () => null);
  }

  /** Whether the NAS says goodbye now; keeps its snapshot before it is acknowledged. */
  goodbye(call: ClaimedCall): HandshakeResult {
    return this.#judge(call, (text) => ({ text, receivedAtMs: this.#deps.time.nowMs() }));
  }

  /** What the last goodbye contained; null when there was none, or it was empty. */
  snapshot(): Snapshot | null {
    return this.#rows.snapshot();
  }

  /** Epoch ms. */
  snapshotAtMs(): number | null {
    return this.#rows.snapshotAtMs();
  }

  #judge(call: ClaimedCall, snapshotOf: (text: string) => Snapshot | null): HandshakeResult {
    const { secret } = this.#deps;
    if (secret === null || secret === '') return { kind: 'switched_off' };
    const waitMs = this.#wrong.waitMs(call.address);
    if (waitMs > 0) return { kind: 'too_many_tries', waitMs };
    const { timestamp, signature } = call;
    if (timestamp === undefined || signature === undefined) {
      return refused('Missing HMAC headers');
    }
    const late = this.#timeFault(timestamp);
    if (late !== null) return late;
    if (!isSignedBy(secret, { ...call, timestamp }, signature)) {
      this.#wrong.add(call.address);
      return refused('Invalid HMAC signature');
    }
    return this.#accept(signature.toLowerCase(), Number(timestamp), call.body, snapshotOf);
  }

  #timeFault(timestamp: string): HandshakeResult | null {
    if (!/^\d{1,12}$/.test(timestamp)) return refused('Invalid HMAC timestamp');
    const { time } = this.#deps;
    const ageS = Math.trunc(time.nowMs() / 1_000 - Number(timestamp));
    if (Math.abs(ageS) <= WINDOW_S) return null;
    if (time.unsynced) return { kind: 'clock_unsynced' };
    return refused(ageS > 0 ? `Timestamp too old (${ageS}s)` : `Timestamp lies ahead (${-ageS}s)`);
  }

  #accept(
    signature: string,
    signedS: number,
    body: Uint8Array,
    snapshotOf: (text: string) => Snapshot | null,
  ): HandshakeResult {
    const text = textOf(body);
    if (text === null || (text !== '' && !isObject(text))) return { kind: 'malformed' };
    const snapshot = text === '' ? null : snapshotOf(text);
    const { time } = this.#deps;
    // A clock that is ahead must not let the same signature through again.
    const forgetBeforeS = time.isProved ? Math.floor(time.nowMs() / 1_000) - REMEMBERED_S : 0;
    const isFirst = this.#rows.accept(signature, signedS, forgetBeforeS, snapshot);
    return isFirst ? { kind: 'accepted' } : refused('This signature was used before');
  }
}

function refused(reason: string): HandshakeResult {
  return { kind: 'refused', reason };
}

function isObject(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw error;
  }
}

/** What a signature covers. */
interface SignedCall {
  readonly method: string;
  /** Without query and host. */
  readonly path: string;
  /** Unix seconds, exactly as in the header. */
  readonly timestamp: string;
  readonly body: Uint8Array;
}

const HEX_SHA256 = /^[0-9a-f]{64}$/i;

/**
 * Whether the NAS signed this call: hex HMAC-SHA256 over `METHOD:path:timestamp:sha256hex(body)`.
 * The NAS signs the canonical form of its JSON and sends another one (measured on BaluHost 1.38), so
 * the body counts as it came or in that form.
 */
export function isSignedBy(secret: string, call: SignedCall, signature: string): boolean {
  if (!HEX_SHA256.test(signature)) return false;
  const given = Buffer.from(signature, 'hex');
  const fits = (body: Uint8Array | string): boolean =>
    timingSafeEqual(signatureOf(secret, call, body), given);
  if (fits(call.body)) return true;
  const text = textOf(call.body);
  const canonical = text === null ? null : canonicalJson(text);
  return canonical !== null && fits(canonical);
}

/** @returns null for bytes that are no UTF-8 */
function textOf(body: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch (error) {
    if (error instanceof TypeError) return null;
    throw error;
  }
}

function signatureOf(secret: string, call: SignedCall, body: Uint8Array | string): Buffer {
  const { method, path, timestamp } = call;
  const bodyHash = createHash('sha256').update(body).digest('hex');
  const signed = `${method.toUpperCase()}:${path}:${timestamp}:${bodyHash}`;
  return createHmac('sha256', secret).update(signed).digest();
}

/** The NAS's own snapshot nests five levels; a body of nothing but brackets must not cost a stack. */
const MOST_LEVELS = 64;

const STRING = /"[^"\\]*(?:\\.[^"\\]*)*"/y;
const BARE = /[^\s,\]}:]+/y;
const SPACE = /[ \t\r\n]*/y;

class TooDeep extends Error {}

/**
 * JSON as the NAS signs it (`json.dumps` with sorted keys, no spaces and ASCII escapes, read in its
 * code), made from whatever form came over the wire. Numbers and strings keep the very letters they
 * came in: `16.0` and 9007199254740993 would not survive being read as numbers. Only what is not
 * printable ASCII becomes an escape.
 * @returns null for text that is no JSON, or nested deeper than 64 levels
 */
export function canonicalJson(text: string): string | null {
  try {
    JSON.parse(text);
    return new Scanner(text).value(0);
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TooDeep) return null;
    throw error;
  }
}

/** Walks through text that is known to be JSON. */
class Scanner {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  value(level: number): string {
    if (level > MOST_LEVELS) throw new TooDeep();
    this.#take(SPACE);
    const first = this.#text[this.#at];
    if (first === '{') return this.#object(level);
    if (first === '[') return this.#array(level);
    return first === '"' ? escaped(this.#take(STRING)) : this.#take(BARE);
  }

  #array(level: number): string {
    const items: string[] = [];
    this.#at += 1;
    while (!this.#ends(']')) items.push(this.value(level + 1));
    return `[${items.join(',')}]`;
  }

  #object(level: number): string {
    const fields: { readonly name: string; readonly text: string }[] = [];
    this.#at += 1;
    while (!this.#ends('}')) {
      const name = this.#take(STRING);
      this.#take(SPACE);
      this.#at += 1;
      const text = `${escaped(name)}:${this.value(level + 1)}`;
      fields.push({ name: JSON.parse(name) as string, text });
    }
    fields.sort((left, right) => byCodePoint(left.name, right.name));
    return `{${fields.map((field) => field.text).join(',')}}`;
  }

  /** Skips a comma to what follows it, or skips the end. */
  #ends(bracket: string): boolean {
    this.#take(SPACE);
    const next = this.#text[this.#at];
    if (next === ',') {
      this.#at += 1;
      this.#take(SPACE);
      return false;
    }
    if (next !== bracket) return false;
    this.#at += 1;
    return true;
  }

  #take(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0] ?? '';
    this.#at += found.length;
    return found;
  }
}

function escaped(lexeme: string): string {
  return lexeme.replace(
    /[^ -~]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** JavaScript compares UTF-16 units, which puts U+10000 and above before U+E000. */
function byCodePoint(left: string, right: string): number {
  for (let at = 0; at < left.length && at < right.length; at += 1) {
    const [one, other] = [left.codePointAt(at) ?? 0, right.codePointAt(at) ?? 0];
    if (one !== other) return one - other;
  }
  return left.length - right.length;
}
