import type { Log } from '../log/log.ts';
import type { Cancel, Clock } from './clock.ts';

/** Where the newest time ever known outlives a restart. */
export interface NewestTimeStore {
  /** @returns epoch ms, null when none was ever stored */
  read(): number | null;
  write(newestMs: number): void;
}

/** What nowMs() is for: the time that trust in tokens, verdicts and grants is measured on. */
export interface TrustedClock {
  /** Epoch ms. Never goes back, not even over a restart. */
  nowMs(): number;
  /** The wall clock is behind what is known to have passed, so it was not set yet. */
  readonly unsynced: boolean;
}

/**
 * How far the wall clock may lag before it counts as not set. NTP steps it back by a second or so
 * now and then, and it catches up by itself.
 */
const SLACK_MS = 5_000;

const TICK_MS = 60_000;

/** Written this often although nobody asked, so that a power cut on a quiet Pi loses little. */
const IDLE_WRITE_MS = 600_000;

/**
 * The latest of wall clock, newest time ever stored, and build date (contract 1, Time). A Pi has no
 * clock battery: after a power cut its wall clock may say 1970, and an expired token must not come
 * alive again by that. While the wall clock is behind, time goes on by the monotonic clock from that
 * floor, which is a lower bound of the real time and the best one there is.
 */
export class TrustedTime implements TrustedClock {
  readonly #clock: Clock;
  readonly #store: NewestTimeStore;
  readonly #log: Log;
  #newestMs: number;
  #readAtMs: number;
  #writtenMs: number;
  #asked = false;
  #cancel: Cancel | null = null;

  /** @param buildDateMs when this program was built, epoch ms */
  constructor(parts: {
    readonly clock: Clock;
    readonly store: NewestTimeStore;
    readonly buildDateMs: number;
    readonly log: Log;
  }) {
    this.#clock = parts.clock;
    this.#store = parts.store;
    this.#log = parts.log;
    this.#writtenMs = parts.store.read() ?? 0;
    this.#newestMs = Math.max(this.#writtenMs, parts.buildDateMs);
    this.#readAtMs = parts.clock.monotonicMs();
  }

  get unsynced(): boolean {
    return this.#advance() - this.#clock.nowMs() > SLACK_MS;
  }

  nowMs(): number {
    this.#asked = true;
    return this.#advance();
  }

  /** Begins to store the newest time, at most once a minute. */
  start(): void {
    this.#cancel ??= this.#clock.after(TICK_MS, () => {
      this.#cancel = null;
      this.start();
      this.#tick();
    });
  }

  /** Stores the newest time a last time. */
  stop(): void {
    this.#cancel?.();
    this.#cancel = null;
    this.#write(this.#advance());
  }

  /**
   * Stores the newest time now, which is also what shows whether the disk takes a synced row.
   * @throws what the store throws
   */
  keep(): void {
    const newestMs = this.#advance();
    this.#store.write(newestMs);
    this.#writtenMs = newestMs;
    this.#asked = false;
  }

  #advance(): number {
    const monotonicMs = this.#clock.monotonicMs();
    const wallMs = Math.floor(this.#clock.nowMs());
    if (wallMs >= this.#newestMs) this.#newestMs = wallMs;
    else if (this.#newestMs - wallMs > SLACK_MS) {
      this.#newestMs += Math.floor(monotonicMs) - Math.floor(this.#readAtMs);
    }
    this.#readAtMs = monotonicMs;
    return this.#newestMs;
  }

  #tick(): void {
    const newestMs = this.#advance();
    if (!this.#asked && newestMs - this.#writtenMs < IDLE_WRITE_MS) return;
    this.#write(newestMs);
  }

  #write(newestMs: number): void {
    if (newestMs <= this.#writtenMs) return;
    try {
      this.#store.write(newestMs);
      this.#writtenMs = newestMs;
      this.#asked = false;
    } catch (error) {
      // The next minute tries again; until then only the floor after a power cut is lower.
      this.#log.warn(`The newest time could not be stored: ${String(error)}`);
    }
  }
}
