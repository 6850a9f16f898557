import type { Log } from '../../../../nodes/lib/log/log.ts';
import type { Clock } from '../../../../nodes/lib/time/clock.ts';
import type { LocalTime } from '../../../../nodes/lib/time/zoned-time.ts';
import type { Latest } from './latest.ts';
import type { MeterStates } from './meter-states.ts';
import type { SampleRows } from './sample-rows.ts';
import {
  checkedReading,
  type HistoryHour,
  type HourlyHistory,
  type Reading,
  type Sample,
  sampleAt,
} from './sample.ts';

interface RecorderDeps {
  readonly clock: Clock;
  readonly anchor: WallAnchor;
  readonly states: MeterStates;
  readonly latest: Latest;
  readonly history: HourlyHistory | null;
  readonly time: LocalTime;
  readonly log: Log;
}

/**
 * Readings kept while the time is unknown; beyond that the oldest go, and the counters cover them.
 */
const MOST_UNPLACED = 20_000;
/** Samples kept while the disk refuses writes; the meters continue with what they saw. */
const MOST_UNWRITTEN = 100_000;
/** How long a plug's own history is waited for, and its samples held back. */
const HISTORY_MS = 60_000;
const LONGEST_HOUR_S = 3_600;
/** Readings are out of order by less than this. */
const BEHIND_S = 60;
/** Data further ahead than this was stored by a wrong clock. */
const DAY_S = 86_400;

/**
 * Receives readings, places them in time, feeds the meters, and keeps what the next commit writes.
 */
export class Recorder {
  readonly #deps: RecorderDeps;
  #unplaced: Reading[] = [];
  #samples: Sample[] = [];
  #hours: { deviceNumber: number; hours: readonly HistoryHour[] }[] = [];
  /** Samples of plugs whose own history is being asked for, in order. */
  readonly #held = new Map<number, { samples: Sample[]; release: () => void }>();
  #rejected = 0;
  #storedUntilS: number | null = null;
  readonly #frozen = new Set<number>();

  constructor(deps: RecorderDeps) {
    this.#deps = deps;
  }

  record(readings: readonly Reading[]): void {
    const { clock, anchor, latest } = this.#deps;
    const hasSettled = anchor.observe(clock.nowMs(), clock.monotonicMs());
    if (hasSettled) this.#settle(clock.nowMs());
    for (const given of readings) {
      const reading = checkedReading(given);
      const isMeasured = reading !== null && (given.powerMw === null || reading.powerMw !== null);
      if (!isMeasured) this.#reject(given.deviceNumber);
      if (reading === null) continue;
      latest.note(this.#honest(reading));
      this.#place(reading);
    }
    if (this.#unplaced.length > MOST_UNPLACED) {
      this.#unplaced = this.#unplaced.slice(-MOST_UNPLACED);
    }
  }

  /**
   * Readings older than stored data wait until the time is known.
   * @param storedUntilS the newest data an earlier run stored; null for none, or once the time is
   * known
   */
  waitBefore(storedUntilS: number | null): void {
    this.#storedUntilS = storedUntilS;
  }

  /** Places waiting readings once the time is verified. */
  placeWaiting(): void {
    const waiting = this.#unplaced;
    this.#unplaced = [];
    for (const reading of waiting) this.#place(reading);
  }

  /**
   * Checks the clock without a reading, so that waiting ones are placed even when no plug answers.
   */
  observe(): void {
    this.record([]);
  }

  /** Hands everything not yet written to `rows`, inside a transaction of the caller. */
  write(rows: SampleRows): () => void {
    const samples = this.#samples;
    const hours = this.#hours;
    rows.insertAll(samples);
    for (const { deviceNumber, hours: list } of hours) rows.insertHours(deviceNumber, list);
    return () => {
      this.#samples = this.#samples.slice(samples.length);
      this.#hours = this.#hours.slice(hours.length);
    };
  }

  /** Releases everything that waits for a plug's history. */
  release(): void {
    for (const { release } of [...this.#held.values()]) release();
  }

  #settle(nowMs: number): void {
    const { states, log } = this.#deps;
    const forgotten = states.forgetFuture(Math.floor(nowMs / 1_000));
    if (forgotten.length > 0) {
      log.warn('Stored energy samples lie in the future; metering restarts at the present time.');
    }
    this.placeWaiting();
  }

  /** As far as the plug's clock can be judged, which needs a known time. */
  #honest(reading: Reading): Reading {
    const { plugLocalTime, monotonicMs } = reading;
    const placed = this.#deps.anchor.place(monotonicMs);
    if (plugLocalTime === undefined || placed.kind === 'untrusted') return reading;
    return withHonestCounters(reading, this.#judge(plugLocalTime, placed.atMs));
  }

  #judge(plugLocalTime: string, atMs: number): PlugClock {
    return judgePlugClock(plugLocalTime, Math.floor(atMs / 1_000), this.#deps.time);
  }

  /** By an earlier run's data the clock is behind; a correction moves this too. */
  #isOfBefore(atS: number): boolean {
    const storedS = this.#storedUntilS ?? atS;
    return atS < storedS - BEHIND_S && storedS - atS <= DAY_S;
  }

  #place(reading: Reading): void {
    const placed = this.#deps.anchor.place(reading.monotonicMs);
    if (placed.kind === 'untrusted') {
      this.#unplaced.push(reading);
      return;
    }
    const { plugLocalTime } = reading;
    const clock = plugLocalTime === undefined ? 'right' : this.#judge(plugLocalTime, placed.atMs);
    const sample = sampleAt(withHonestCounters(reading, clock), placed.atMs);
    if (sample === null) return;
    if (this.#isOfBefore(sample.atS)) {
      this.#unplaced.push(reading);
      return;
    }
    const held = this.#held.get(sample.deviceNumber);
    if (held !== undefined) held.samples.push(sample);
    // Its hours would come from a wrong clock.
    else if (clock === 'right' && this.#wantsHistory(sample)) this.#hold(sample);
    else this.#feed(sample, []);
  }

  #wantsHistory(sample: Sample): boolean {
    const { states, history } = this.#deps;
    return history !== null && states.wantsHistory(sample.deviceNumber, sample.atS);
  }

  #feed(sample: Sample, hours: readonly HistoryHour[]): void {
    const { states, log } = this.#deps;
    const { deviceNumber } = sample;
    if (!states.add(sample, hours)) return;
    this.#samples.push(sample);
    if (this.#samples.length > MOST_UNWRITTEN) this.#samples.shift();
    if (hours.length > 0) this.#hours.push({ deviceNumber, hours });
    const isFrozen = states.isCounterFrozen(deviceNumber);
    if (isFrozen && !this.#frozen.has(deviceNumber)) {
      this.#frozen.add(deviceNumber);
      log.warn(`The counter of plug ${deviceNumber} stands still under load; it is not used now.`);
    } else if (!isFrozen) this.#frozen.delete(deviceNumber);
  }

  #hold(sample: Sample): void {
    const { clock, history, states, time } = this.#deps;
    const { deviceNumber, atS } = sample;
    const samples = [sample];
    const ending = new AbortController();
    const finish = (hours: readonly HistoryHour[]): void => {
      if (this.#held.get(deviceNumber)?.samples !== samples) return;
      this.#held.delete(deviceNumber);
      cancel();
      ending.abort();
      samples.forEach((held, index) => {
        this.#feed(held, index === 0 ? hours : []);
      });
    };
    const cancel = clock.after(HISTORY_MS, () => {
      finish([]);
    });
    this.#held.set(deviceNumber, {
      samples,
      release: () => {
        finish([]);
      },
    });
    const lastS = states.lastS(deviceNumber) ?? atS;
    const fromS = time.dayStart(lastS);
    const asked = history?.hours(deviceNumber, fromS * 1_000, atS * 1_000, ending.signal);
    Promise.resolve(asked).then(
      (hours) => {
        finish(
          (hours ?? []).filter((hour) => isHour(hour) && hour.startS > lastS - LONGEST_HOUR_S),
        );
      },
      (error: unknown) => {
        const reason = error instanceof Error ? error.name : 'no reason given';
        this.#deps.log.warn(`Plug ${deviceNumber} did not return its own history: ${reason}.`);
        finish([]);
      },
    );
  }

  #reject(deviceNumber: number): void {
    this.#rejected += 1;
    if (this.#rejected % 100 !== 1) return;
    this.#deps.log.warn(`Plug ${deviceNumber} reported an impossible power; it was not counted.`);
  }
}

function isHour(hour: HistoryHour): boolean {
  return (
    Number.isSafeInteger(hour.startS) && Number.isSafeInteger(hour.energyWh) && hour.energyWh >= 0
  );
}

/** Differences up to here are drift or a small correction and are followed slowly. */
const SMALL_STEP_MS = 60_000;
/** 500 ppm: at most 0.05 % of the energy, less than any plug's own error. */
const SLEW_PER_MS = 0.000_5;
/** How long a clock must insist on a large forward step before it is believed. */
const INSISTS_MS = 24 * 3_600_000;

/** Two proofs of the time differ by no more than this (contract 1, Time). */
const PROOF_MS = 300_000;

/** Samples placed since then are ahead by this much, or behind where negative. */
export interface Misplaced {
  readonly fromMs: number;
  readonly byMs: number;
}

type Placed = { readonly kind: 'placed'; readonly atMs: number } | { readonly kind: 'untrusted' };

/**
 * Ties the monotonic clock to the wall clock once, when the wall clock is first trusted, so that a
 * later step of the wall clock neither creates nor loses energy. Small differences are followed at
 * 500 ppm. A large one is a clock somebody broke or repaired: it is ignored unless it lasts for a
 * day. Then a forward step is adopted (the meter sees a gap and covers it from the plug's counter),
 * and a backward one followed slowly, as time must not run twice.
 */
export class WallAnchor {
  readonly #isTrusted: () => boolean;
  #offsetMs: number | null = null;
  /** Before the first reading of this run. */
  #firstTickMs: number | null = null;
  #lastMonotonicMs = 0;
  #largeSinceMs: number | null = null;

  /** @param isTrusted whether the wall clock may be believed at this moment */
  constructor(isTrusted: () => boolean) {
    this.#isTrusted = isTrusted;
  }

  get isSettled(): boolean {
    return this.#offsetMs !== null;
  }

  /**
   * Looks at both clocks; called now and then, at least once per round of readings.
   * @returns whether this call settled the anchor
   */
  observe(nowMs: number, monotonicMs: number): boolean {
    this.#firstTickMs ??= monotonicMs;
    if (this.#offsetMs === null) {
      if (!this.#isTrusted()) return false;
      this.#settle(nowMs, monotonicMs);
      return true;
    }
    const difference = nowMs - monotonicMs - this.#offsetMs;
    const elapsedMs = Math.max(0, monotonicMs - this.#lastMonotonicMs);
    this.#lastMonotonicMs = Math.max(this.#lastMonotonicMs, monotonicMs);
    if (Math.abs(difference) <= SMALL_STEP_MS) this.#largeSinceMs = null;
    else this.#largeSinceMs ??= monotonicMs;
    this.#offsetMs += this.#correction(difference, elapsedMs, monotonicMs);
    return false;
  }

  /**
   * The difference to a verified time.
   * @returns null when it is within what a clock is normally corrected by
   */
  misplacedBy(provedMs: number, monotonicMs: number): Misplaced | null {
    if (this.#offsetMs === null || this.#firstTickMs === null) return null;
    const byMs = monotonicMs + this.#offsetMs - provedMs;
    return Math.abs(byMs) > PROOF_MS ? { fromMs: this.#firstTickMs + this.#offsetMs, byMs } : null;
  }

  /** Adopts a verified time at once. */
  settleAgain(provedMs: number, monotonicMs: number): void {
    this.#settle(provedMs, monotonicMs);
    this.#largeSinceMs = null;
  }

  /** The wall-clock time of a monotonic reading. */
  place(monotonicMs: number): Placed {
    if (this.#offsetMs === null) return { kind: 'untrusted' };
    return { kind: 'placed', atMs: monotonicMs + this.#offsetMs };
  }

  #settle(nowMs: number, monotonicMs: number): void {
    this.#offsetMs = nowMs - monotonicMs;
    this.#lastMonotonicMs = monotonicMs;
  }

  #correction(differenceMs: number, elapsedMs: number, monotonicMs: number): number {
    if (this.#largeSinceMs !== null) {
      if (monotonicMs - this.#largeSinceMs < INSISTS_MS) return 0;
      if (differenceMs > 0) return differenceMs;
    }
    const mostMs = elapsedMs * SLEW_PER_MS;
    return Math.max(-mostMs, Math.min(mostMs, differenceMs));
  }
}

/** Beyond this a plug's day, and its daily counter, starts at another time than ours. */
const WRONG_FROM_S = 300;
/** No zone or daylight saving explains more: the plug does not know the time at all. */
const LOST_FROM_S = 26 * 3_600;

/**
 * How far a plug's own clock can be trusted. `wrong`: its day is not ours, so neither its daily
 * counter nor its history tells when energy went through. `lost`: not even its month is. One
 * recorded plug was in the year 2000 without NTP; the counters of such a plug misbehave.
 */
export type PlugClock = 'right' | 'wrong' | 'lost';

/** @param plugLocalTime `YYYY-MM-DD HH:MM:SS` in the plug's zone, which is the household's */
export function judgePlugClock(plugLocalTime: string, nowS: number, time: LocalTime): PlugClock {
  const asIfUtcMs = Date.parse(`${plugLocalTime.replace(' ', 'T')}Z`);
  if (Number.isNaN(asIfUtcMs)) return 'lost';
  const offS = Math.abs(asIfUtcMs / 1_000 - (nowS + time.offsetS(nowS)));
  if (offS >= LOST_FROM_S) return 'lost';
  return offS >= WRONG_FROM_S ? 'wrong' : 'right';
}

/** The reading, without counters that the plug's clock makes unreliable. */
export function withHonestCounters(reading: Reading, clock: PlugClock): Reading {
  if (clock === 'right') return reading;
  return { ...reading, todayWh: null, monthWh: clock === 'lost' ? null : reading.monthWh };
}
