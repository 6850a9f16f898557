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
const MAX_WAITING = 32;

export type Match = 'match' | 'mismatch' | 'none_kept' | 'busy';

/**
 * Recognises a password that the NAS accepted earlier. Every check costs the same, whether a
 * verifier is kept or not, so that time tells nobody which users exist.
 */
export class PasswordVerifiers {
  readonly #rows: VerifierRows;
  readonly #cost: number;
  readonly #dummy: VerifierRow;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  /** @param cost scrypt's N for verifiers made from now on, a power of two */
  constructor(rows: VerifierRows, cost: number) {
    this.#rows = rows;
    this.#cost = cost;
    this.#dummy = { salt: randomBytes(SALT_BYTES), hash: randomBytes(HASH_BYTES), cost };
  }

  /** @param userId null for a name nobody is known by */
  async check(userId: number | null, password: string): Promise<Match> {
    const kept = userId === null ? null : this.#rows.find(userId);
    const against = kept ?? this.#dummy;
    const hash = await this.#derive(password, against.salt, against.cost);
    if (hash === null) return 'busy';
    const same = timingSafeEqual(hash, against.hash);
    if (kept === null) return 'none_kept';
    return same ? 'match' : 'mismatch';
  }

  /** Keeps a verifier for a password the NAS just accepted, unless that very one is kept. */
  async keep(userId: number, password: string, atMs: number): Promise<void> {
    // One of another cost is made anew: each check of it would cost what it was made with.
    const isCurrent = this.#rows.find(userId)?.cost === this.#cost;
    if (isCurrent && (await this.check(userId, password)) === 'match') return;
    const salt = randomBytes(SALT_BYTES);
    const hash = await this.#derive(password, salt, this.#cost);
    // Under a flood of sign-ins the one before is gone at least: it is no longer the password.
    if (hash === null) this.#rows.drop(userId);
    else this.#rows.keep(userId, { salt, hash, cost: this.#cost }, atMs);
  }

  drop(userId: number): void {
    this.#rows.drop(userId);
  }

  async #derive(password: string, salt: Uint8Array, cost: number): Promise<Buffer | null> {
    if (this.#waiting.length >= MAX_WAITING) return null;
    if (this.#running >= CONCURRENT) {
      const { promise, resolve } = Promise.withResolvers<undefined>();
      this.#waiting.push(() => {
        resolve(undefined);
      });
      await promise;
    } else {
      this.#running += 1;
    }
    try {
      return await deriveHash(password, salt, cost);
    } finally {
      const next = this.#waiting.shift();
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
