import type { Clock } from '../../../nodes/lib/time/clock.ts';

/** Requests a minute in production (docs/NAS.md). */
const PER_MINUTE = {
  login: 5,
  verify_2fa: 5,
  refresh: 10,
  list: 200,
  download: 500,
  upload: 300,
  delete: 30,
  write: 30,
  sync: 300,
  mobile_sync: 300,
  chunked: 50_000,
  health: 120,
  system_info: 120,
  user: 30,
  admin: 30,
  mobile_register: 3,
  share_create: 10,
  share_list: 60,
  presence: 10,
  pairing_request: 3,
  pairing_poll: 12,
  pairing_verify: 10,
  pairing_approve: 5,
} as const;

const WINDOW_MS = 60_000;

/** The "lifted" limit of the recordings. */
const MILD_LIMIT = 1_000_000;

export type LimitScope = keyof typeof PER_MINUTE;
export type LimitMode = 'mild' | 'production';

export type LimitResult =
  | { readonly kind: 'allowed'; readonly headers: Readonly<Record<string, string>> }
  | { readonly kind: 'limited' };

interface Window {
  readonly endsMs: number;
  count: number;
}

/** Fixed windows of a minute per scope and caller, in one worker's memory. */
export class RateLimits {
  readonly #mode: LimitMode;
  readonly #clock: Clock;
  readonly #windows = new Map<string, Window>();

  constructor(mode: LimitMode, clock: Clock) {
    this.#mode = mode;
    this.#clock = clock;
  }

  /**
   * Counts one request of `key` in `scope`. The headers are a success's, of which `retry-after` is
   * the trap.
   */
  take(scope: LimitScope, key: string): LimitResult {
    const nowMs = this.#clock.nowMs();
    const window = this.#windowFor(`${scope} ${key}`, nowMs);
    const limit = this.#mode === 'mild' ? MILD_LIMIT : PER_MINUTE[scope];
    if (window.count >= limit) return { kind: 'limited' };
    window.count += 1;
    return {
      kind: 'allowed',
      headers: {
        'x-ratelimit-limit': String(limit),
        'x-ratelimit-remaining': String(limit - window.count),
        'x-ratelimit-reset': String(window.endsMs / 1000),
        'retry-after': String(Math.ceil((window.endsMs - nowMs) / 1000)),
      },
    };
  }

  #windowFor(name: string, nowMs: number): Window {
    const known = this.#windows.get(name);
    if (known !== undefined && known.endsMs > nowMs) return known;
    const window = { endsMs: nowMs + WINDOW_MS, count: 0 };
    this.#windows.set(name, window);
    return window;
  }
}
