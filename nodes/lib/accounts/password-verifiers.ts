import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import type { VerifierRow, VerifierRows } from './verifier-rows.ts';

/**
 * scrypt's N with r 8 and p 1: 32 MB and, on a Pi 3B+, a fraction of a second. One derivation is one
 * block a little over 32 MB, and that is the point: glibc maps a block of that size by itself and
 * gives it back whole. Anything smaller it learns to take from the arena of whichever thread asks,
 * and keeps there: at half the cost fifteen sign-ins left 66 MB behind in four threads for good.
 * More would let sign-ins eat the Pi's memory while they last.
 */
export const SCRYPT_COST = 2 ** 15;
/** What OpenSSL may take for it; Node's own limit is 32 MB sharp. */
const MOST_SCRYPT_BYTES = 64 * 1024 * 1024;
const HASH_BYTES = 32;
const SALT_BYTES = 16;

/** Derivations at once; each holds 32 MB and a thread of the pool that file reads need too. */
const CONCURRENT = 1;
const MAX_STRANGERS_WAITING = 32;

/** `busy` is only said to strangers. */
export type Match = 'match' | 'mismatch' | 'none_kept' | 'busy';

/**
 * Who waits for a derivation. Whoever signed in from there before comes first and is never turned
 * away: they are few, by the tries an address has.
 */
export type Turn = 'known' | 'stranger';

/**
 * Recognises a password that the NAS accepted earlier. Every check costs the same, whether a
 * verifier is kept or not, so that time tells nobody which users exist.
 */
export class PasswordVerifiers {
  readonly #rows: VerifierRows;
  readonly #cost: number;
  readonly #dummy: VerifierRow;
  readonly #waiting: Readonly<Record<Turn, (() => void)[]>> = { known: [], stranger: [] };
  #running = 0;

  /** @param cost scrypt's N for verifiers made from now on, a power of two */
  constructor(rows: VerifierRows, cost: number) {
    this.#rows = rows;
    this.#cost = cost;
    this.#dummy = { salt: randomBytes(SALT_BYTES), hash: randomBytes(HASH_BYTES), cost };
  }

  /** @param userId null for a name nobody is known by */
  async check(userId: number | null, password: string, turn: Turn): Promise<Match> {
    const kept = userId === null ? null : this.#rows.find(userId);
    const against = kept ?? this.#dummy;
    if (turn === 'stranger' && this.#waiting.stranger.length >= MAX_STRANGERS_WAITING) {
      return 'busy';
    }
    const hash = await this.#derive(password, against.salt, against.cost, turn);
    const same = timingSafeEqual(hash, against.hash);
    if (kept === null) return 'none_kept';
    return same ? 'match' : 'mismatch';
  }

  /** Keeps a verifier for a password the NAS just accepted. */
  async keep(userId: number, password: string, atMs: number): Promise<void> {
    const salt = randomBytes(SALT_BYTES);
    const hash = await this.#derive(password, salt, this.#cost, 'known');
    this.#rows.keep(userId, { salt, hash, cost: this.#cost }, atMs);
  }

  /** Whether one is kept and costs what it would now; each check costs what it was made with. */
  isCurrent(userId: number): boolean {
    return this.#rows.find(userId)?.cost === this.#cost;
  }

  async #derive(password: string, salt: Uint8Array, cost: number, turn: Turn): Promise<Buffer> {
    if (this.#running >= CONCURRENT) {
      const { promise, resolve } = Promise.withResolvers<undefined>();
      this.#waiting[turn].push(() => {
        resolve(undefined);
      });
      await promise;
    } else {
      this.#running += 1;
    }
    try {
      return await deriveHash(password, salt, cost);
    } finally {
      const next = this.#waiting.known.shift() ?? this.#waiting.stranger.shift();
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }
}

function deriveHash(password: string, salt: Uint8Array, cost: number): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const options = { N: cost, r: 8, p: 1, maxmem: MOST_SCRYPT_BYTES };
  scrypt(password, salt, HASH_BYTES, options, (error, hash) => {
    if (error === null) resolve(hash);
    else reject(error);
  });
  return promise;
}
