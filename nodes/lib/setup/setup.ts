import { createHash, timingSafeEqual } from 'node:crypto';
import { RateLimiter } from '../limits/limits.ts';
import type { Log } from '../log/log.ts';
import type { Cancel, Clock } from '../time/clock.ts';
import type { TrustedClock } from '../time/trusted-time.ts';

/** Crockford's 32 characters, without those that are misread: ten of them are 50 bits. */
const SIGNS = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const LENGTH = 10;

/** Makes a code of ten signs, each as likely as any other. */
export function newCode(randomBytes: (count: number) => Buffer): string {
  return [...randomBytes(LENGTH)].map((byte) => SIGNS[byte % SIGNS.length] ?? '').join('');
}

/** As it is read out: `ABCDE-FGHJK`. */
export function spokenCode(code: string): string {
  return `${code.slice(0, LENGTH / 2)}-${code.slice(LENGTH / 2)}`;
}

/** Normalises a typed code: small letters, spaces, dashes, O for 0, I and L for 1. */
export function meantCode(typed: string): string {
  const bare = typed.toUpperCase().replace(/[\s._–—-]/g, '');
  return bare.replace(/O/g, '0').replace(/[IL]/g, '1');
}

/** In constant time. */
function isSame(one: string, other: string): boolean {
  return timingSafeEqual(digest(one), digest(other));
}

function hashOf(text: string): string {
  return digest(text).toString('hex');
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

/** A code that was given out. */
export interface GivenCode {
  readonly code: string;
  /**
   * Trusted time, epoch ms; null until the running process has seen it: a shell's clock may be
   * wrong.
   */
  readonly seenAtMs: number | null;
  /** How many wrong codes were entered instead. */
  readonly tries: number;
  /** SHA-256, hexadecimal, of the passes of the browsers that entered it. */
  readonly browsers: readonly string[];
}

/**
 * Whether a code still lets somebody in.
 * @param nowMs trusted time, epoch ms
 */
export function isGood({ tries, seenAtMs }: GivenCode, nowMs: number): boolean {
  const isOld = seenAtMs !== null && nowMs - seenAtMs >= CODE_LIVES_MS;
  return tries < TRIES_IN_ALL && !isOld;
}

/** What outlives a restart. */
export interface SetupRecord {
  /**
   * A NAS admin was once known here: setup stays closed from then on, whatever happens to the
   * accounts.
   */
  readonly isOver: boolean;
  readonly given: GivenCode | null;
}

/** Where it is stored; each write survives a power cut once it returns. */
export interface SetupStore {
  read(): SetupRecord;
  write(record: SetupRecord): void;
}

export type CodeOutcome =
  /** The browser is to keep `pass` for at most this long. */
  | { readonly kind: 'let_in'; readonly pass: string; readonly maxAgeSeconds: number }
  | { readonly kind: 'wrong' }
  | { readonly kind: 'too_many_tries'; readonly retryAfterSeconds: number }
  /** It is older than a day, or 50 wrong ones were entered. Only a new one helps. */
  | { readonly kind: 'code_over' }
  | { readonly kind: 'setup_over' };

interface Deps {
  readonly clock: Clock;
  readonly time: TrustedClock;
  readonly store: SetupStore;
  readonly log: Log;
  readonly randomBytes: (count: number) => Buffer;
  /** Whether the data folder knows an admin of the NAS. */
  readonly knowsAdmin: () => boolean;
}

const CODE_LIVES_MS = 86_400_000;
const TRIES_A_MINUTE = 5;
const TRIES_IN_ALL = 50;
/** How soon a code made at the shell is noticed. */
const LOOK_MS = 5_000;
const PASS_BYTES = 32;
const PASS_FORM = /^[\w-]{43}$/;
/** A household has a phone and a laptop at hand. */
const MOST_BROWSERS = 5;
/** How long after its end the browser that finished it needs no password again. */
const JUST_DONE_MS = 1_800_000;

/**
 * The first start in a browser: open while no admin of the NAS is known here, and only with the
 * code shown by the installer and the log (contract 7). Tries are counted over all callers, as a
 * guesser can have any number of addresses.
 */
export class Setup {
  readonly #deps: Deps;
  readonly #tries: RateLimiter;
  #isOver = false;
  /** The passes valid when setup ended in this run, and when that was, on the monotonic clock. */
  #done: { readonly browsers: readonly string[]; readonly atMs: number } | null = null;
  #cancel: Cancel | null = null;

  constructor(deps: Deps) {
    this.#deps = deps;
    this.#tries = new RateLimiter(deps.clock, { most: TRIES_A_MINUTE });
  }

  /** Makes a code where one is needed and none is valid, and logs it. */
  start(): void {
    if (!this.isOpen) return;
    const given = this.#seen();
    if (given === null || !this.#isGood(given)) this.#giveNew();
    else this.#tell(given);
    this.#look();
  }

  stop(): void {
    this.#cancel?.();
  }

  get isOpen(): boolean {
    if (this.#isOver) return false;
    const { store, knowsAdmin } = this.#deps;
    const { isOver, given } = store.read();
    if (!isOver && !knowsAdmin()) return true;
    if (!isOver) {
      this.#done = { browsers: given?.browsers ?? [], atMs: this.#deps.clock.monotonicMs() };
      store.write({ isOver: true, given: null });
    }
    this.#isOver = true;
    return false;
  }

  /** @param typed the code as somebody typed it */
  enter(typed: string): CodeOutcome {
    if (!this.isOpen) return { kind: 'setup_over' };
    const given = this.#seen();
    if (given === null || !this.#isGood(given)) return { kind: 'code_over' };
    const leave = this.#tries.take();
    if (leave.kind === 'wait') {
      return { kind: 'too_many_tries', retryAfterSeconds: leave.retryAfterSeconds };
    }
    // Counted before it is checked: a crash in between gives no free try.
    const counted = { ...given, tries: given.tries + 1 };
    this.#write(counted);
    if (!isSame(meantCode(typed), given.code)) {
      if (counted.tries >= TRIES_IN_ALL) this.#sayUsedUp();
      return { kind: 'wrong' };
    }
    const pass = this.#deps.randomBytes(PASS_BYTES).toString('base64url');
    const browsers = [...given.browsers, hashOf(pass)].slice(-MOST_BROWSERS);
    this.#write({ ...given, browsers });
    return { kind: 'let_in', pass, maxAgeSeconds: CODE_LIVES_MS / 1_000 };
  }

  /** @returns whether that browser entered the code that is still valid */
  holds(pass: string | undefined): boolean {
    if (pass === undefined || !PASS_FORM.test(pass) || !this.isOpen) return false;
    const given = this.#seen();
    return given !== null && !this.#isOld(given) && given.browsers.includes(hashOf(pass));
  }

  /** @returns whether that browser has just finished the setup */
  isJustDone(pass: string | undefined): boolean {
    if (pass === undefined || this.isOpen || this.#done === null) return false;
    const isLate = this.#deps.clock.monotonicMs() - this.#done.atMs >= JUST_DONE_MS;
    return !isLate && this.#done.browsers.includes(hashOf(pass));
  }

  #look(): void {
    this.#cancel = this.#deps.clock.after(LOOK_MS, () => {
      // First, so that a disk that fails once does not end it.
      this.#look();
      if (this.isOpen) this.#seen();
      else this.stop();
    });
  }

  /** The code as stored; its day starts when it is first seen here. */
  #seen(): GivenCode | null {
    const { given } = this.#deps.store.read();
    if (given === null || given.seenAtMs !== null) return given;
    const seen = { ...given, seenAtMs: this.#deps.time.nowMs() };
    this.#write(seen);
    this.#tries.forget();
    this.#tell(seen);
    return seen;
  }

  #giveNew(): void {
    const { randomBytes, time } = this.#deps;
    const code = newCode(randomBytes);
    const given = { code, seenAtMs: time.nowMs(), tries: 0, browsers: [] };
    this.#write(given);
    this.#tell(given);
  }

  #tell({ code }: GivenCode): void {
    this.#deps.log.info(
      `BaluPi is not set up yet. Open /dashboard in a browser; the setup code is ${spokenCode(code)}.`,
    );
  }

  #sayUsedUp(): void {
    this.#deps.log.warn(
      `The setup code is used up: ${TRIES_IN_ALL} wrong ones were entered. \`balupi setup-code\` makes a new one.`,
    );
  }

  #write(given: GivenCode): void {
    this.#deps.store.write({ isOver: false, given });
  }

  #isGood(given: GivenCode): boolean {
    return isGood(given, this.#deps.time.nowMs());
  }

  #isOld({ seenAtMs }: GivenCode): boolean {
    return seenAtMs !== null && this.#deps.time.nowMs() - seenAtMs >= CODE_LIVES_MS;
  }
}
