import type { Store } from '../store/store.ts';
import type { Clock } from '../time/clock.ts';
import type { TrustedClock } from '../time/trusted-time.ts';
import { HandshakeRows, type Snapshot } from './handshake-rows.ts';
import { isSignedBy, type SignedCall, textOf } from './signature.ts';
import { WrongTries } from './wrong-tries.ts';

/** How far the time of a signature may be off, seconds (contract 6). */
const WINDOW_S = 60;
/** Kept a little longer than the window, so that no rounding lets a signature count twice. */
const REMEMBERED_S = 2 * WINDOW_S;

/** A call that says it comes from the NAS. Nothing of it is believed yet. */
export interface ClaimedCall extends Omit<SignedCall, 'timestamp'> {
  /** `X-Balupi-Timestamp`: unix seconds. */
  readonly timestamp: string | undefined;
  /** `X-Balupi-Signature`: 64 hex digits. */
  readonly signature: string | undefined;
  readonly address: string;
}

export type Verdict =
  | { readonly kind: 'accepted' }
  /** The NAS signed it, but its body is no JSON object. */
  | { readonly kind: 'malformed' }
  /** HANDSHAKE_SECRET is empty. */
  | { readonly kind: 'switched_off' }
  /** The Pi does not know the time, so it cannot tell whether a signature is fresh. */
  | { readonly kind: 'clock_unsynced' }
  | { readonly kind: 'too_many_tries'; readonly waitMs: number }
  | { readonly kind: 'refused'; readonly reason: string };

export interface HandshakeParts {
  /** The queue database. */
  readonly store: Store;
  readonly clock: Clock;
  readonly time: TrustedClock;
  /** HANDSHAKE_SECRET; null when not set. */
  readonly secret: string | null;
}

/** The NAS's goodbye and hello, as far as they are words: who said them, and what came with them. */
export class Handshake {
  readonly #parts: HandshakeParts;
  readonly #rows: HandshakeRows;
  readonly #wrong: WrongTries;

  constructor(parts: HandshakeParts) {
    this.#parts = parts;
    this.#rows = new HandshakeRows(parts.store);
    this.#wrong = new WrongTries(parts.clock);
  }

  /** Whether the NAS says hello now. Its body, if any, is not kept. */
  hello(call: ClaimedCall): Verdict {
    return this.#judge(call, () => null);
  }

  /** Whether the NAS says goodbye now; keeps its snapshot before it is acknowledged. */
  goodbye(call: ClaimedCall): Verdict {
    return this.#judge(call, (text) => ({ text, receivedAtMs: this.#parts.time.nowMs() }));
  }

  /** What the last goodbye told; null when none came or none told anything. */
  snapshot(): Snapshot | null {
    return this.#rows.snapshot();
  }

  /** Epoch ms. */
  snapshotAtMs(): number | null {
    return this.#rows.snapshotAtMs();
  }

  #judge(call: ClaimedCall, snapshotOf: (text: string) => Snapshot | null): Verdict {
    const { secret } = this.#parts;
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

  #timeFault(timestamp: string): Verdict | null {
    if (!/^\d{1,12}$/.test(timestamp)) return refused('Invalid HMAC timestamp');
    const { time } = this.#parts;
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
  ): Verdict {
    const text = textOf(body);
    if (text === null || (text !== '' && !isObject(text))) return { kind: 'malformed' };
    const snapshot = text === '' ? null : snapshotOf(text);
    const { time } = this.#parts;
    // A clock that is ahead must not make room for the same signature again.
    const forgetBeforeS = time.isProved ? Math.floor(time.nowMs() / 1_000) - REMEMBERED_S : 0;
    const isFirst = this.#rows.accept(signature, signedS, forgetBeforeS, snapshot);
    return isFirst ? { kind: 'accepted' } : refused('This signature was used before');
  }
}

function refused(reason: string): Verdict {
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
