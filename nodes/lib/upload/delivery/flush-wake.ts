import type { Log } from '../../log/log.ts';
import type { NasPresence, NasWake } from '../../nas/nas.ts';
import type { Clock } from '../../time/clock.ts';
import { LocalTime } from '../../time/zoned-time.ts';
import type { FlushWakeRows } from '../rows/queue-view-rows.ts';

/** FLUSH_WAKE: never, at a time of day, or at an age of the oldest upload. */
export type FlushWakeRule =
  | { readonly kind: 'never' }
  | { readonly kind: 'daily'; readonly hour: number; readonly minute: number }
  | { readonly kind: 'age'; readonly hours: number };

export interface FlushWakeDeps {
  readonly rows: FlushWakeRows;
  readonly rule: FlushWakeRule;
  /** IANA name. */
  readonly timezone: string;
  readonly presence: Pick<NasPresence, 'state'>;
  readonly wake: Pick<NasWake, 'wake'>;
  /** Monotonic ms since the NAS said goodbye; null when it did not. */
  readonly sinceGoodbyeMs: () => number | null;
  readonly isClockTrusted: () => boolean;
  readonly clock: Clock;
  readonly log: Log;
}

const HOUR_MS = 3_600_000;
/** A failed wake is retried after this, doubling up to the longest. */
const FIRST_RETRY_MS = 600_000;
const LONGEST_RETRY_MS = 2 * HOUR_MS;
/** A NAS that is just shutting down does not hear a magic packet. */
const GOODBYE_MS = 120_000;

/**
 * Wakes the NAS for the queue where FLUSH_WAKE asks for it, and only for uploads that existed when
 * the time came. A time missed while the Pi was off, or its clock not set, is made up for; one at
 * which the NAS was awake anyway is satisfied.
 */
export class FlushWake {
  readonly #deps: FlushWakeDeps;
  #running: Promise<void> | null = null;
  #failures = 0;
  #notBeforeMs = -Infinity;

  constructor(deps: FlushWakeDeps) {
    this.#deps = deps;
  }

  /** Called every few seconds; starts a wake when it is time. */
  tick(): void {
    const { rows, presence, clock } = this.#deps;
    const dueMs = this.#due();
    if (dueMs === null || this.#running !== null) return;
    if (presence.state.awake) {
      this.#met(rows, dueMs);
      return;
    }
    if (clock.monotonicMs() < this.#notBeforeMs) return;
    this.#running = this.#wake(dueMs).finally(() => {
      this.#running = null;
    });
  }

  /** Waits for a wake in progress. */
  async stop(): Promise<void> {
    await this.#running;
  }

  /** @returns the time that a wake now would satisfy, epoch ms; null when nothing is due */
  #due(): number | null {
    const { rule, rows, clock, timezone, isClockTrusted, sinceGoodbyeMs } = this.#deps;
    if (rule.kind === 'never' || !isClockTrusted()) return null;
    const goodbyeMs = sinceGoodbyeMs();
    if (goodbyeMs !== null && goodbyeMs < GOODBYE_MS) return null;
    const oldestMs = rows.oldestMs();
    if (oldestMs === null) return null;
    const nowMs = clock.nowMs();
    if (rule.kind === 'daily') {
      const slotMs =
        new LocalTime(timezone).latestTimeOfDay(Math.floor(nowMs / 1_000), rule) * 1_000;
      return oldestMs <= slotMs && rows.metMs() < slotMs ? slotMs : null;
    }
    // A clock that was ahead at the last wake must not silence the rule until then.
    const metMs = Math.min(rows.metMs(), nowMs);
    return Math.max(oldestMs, metMs) + rule.hours * HOUR_MS <= nowMs ? nowMs : null;
  }

  async #wake(dueMs: number): Promise<void> {
    const { rows, wake, log } = this.#deps;
    const outcome = wake.wake({ kind: 'queue', by: null });
    if (outcome.kind === 'no_mac') log.warn('FLUSH_WAKE: no MAC address of the NAS is known.');
    const ended = 'done' in outcome ? await outcome.done : outcome.kind;
    if (ended === 'awake' || ended === 'already_awake') this.#met(rows, dueMs);
    else this.#failed();
  }

  #met(rows: FlushWakeRows, dueMs: number): void {
    rows.setMet(dueMs);
    this.#failures = 0;
    this.#notBeforeMs = -Infinity;
  }

  #failed(): void {
    const { clock, log } = this.#deps;
    const waitMs = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** this.#failures);
    this.#failures += 1;
    this.#notBeforeMs = clock.monotonicMs() + waitMs;
    log.warn('The NAS could not be woken for the queue; it will be tried again.');
  }
}
