import type { Log } from '../../../../nodes/lib/log/log.ts';
import type { Store } from '../../../../nodes/lib/store/store.ts';
import type { Cancel, Clock } from '../../../../nodes/lib/time/clock.ts';
import type { LocalTime } from '../../../../nodes/lib/time/zoned-time.ts';
import type { BucketRows } from './bucket-rows.ts';
import { BucketView } from './bucket-view.ts';
import { HOUSEHOLD } from './buckets.ts';
import { Counters } from './counters.ts';
import type { Overlay } from './hour-slots.ts';
import type { Latest } from './latest.ts';
import { MeterStates } from './meter-states.ts';
import type { NasHour, NasHourRows } from './nas-hour-rows.ts';
import { type NasBorders, nasHourOf } from './nas-watts.ts';
import type { Prices } from './prices.ts';
import type { Pruning } from './pruning.ts';
import {
  judgePlugClock,
  type Misplaced,
  type PlugClock,
  Recorder,
  WallAnchor,
} from './recorder.ts';
import { type DeviceHour, deviceHour, type RollUp } from './roll-up.ts';
import { type CalendarRows, CounterRows, MisplacedRows, type SampleRows } from './sample-rows.ts';
import type { HourlyHistory, Reading, SeenPlugs } from './sample.ts';
import type { HandOverOutcome, Succession } from './succession.ts';

interface MeteringDeps {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly time: LocalTime;
  readonly samples: SampleRows;
  readonly buckets: BucketRows;
  readonly nasHours: NasHourRows;
  readonly rollUp: RollUp;
  readonly succession: Succession;
  readonly overlay: Overlay;
  readonly pruning: Pruning;
  readonly prices: Prices;
  readonly latest: Latest;
  readonly history: HourlyHistory | null;
  readonly isClockTrusted: () => boolean;
  /** Whether the time is proved twice, so that old data may be deleted for its age. */
  readonly isClockProved: () => boolean;
  readonly longestS: number;
  readonly commitSeconds: number;
  readonly borders: NasBorders;
  /** Number of the plug with role `nas`. */
  readonly nasNumber: () => number | null;
  readonly seen: SeenPlugs;
  readonly calendar: CalendarRows;
  /** IANA name. */
  readonly timeZone: string;
  /** Everything recorded so far is in the database. */
  readonly onWritten: () => void;
}

/** Stored data ahead by no more than this is left alone. */
const AHEAD_S = 3_600;
/** Metering restarts this long before what was moved. */
const REPLAY_S = 7_200;

/**
 * From readings to rows: one transaction every ENERGY_COMMIT_SECONDS holds the samples since the
 * last one and, once an hour, the hours that are over, what follows from them, and the meters'
 * state. A transaction that fails loses nothing; the next one tries again.
 */
export class Metering {
  /** The plugs' counters, for those who do their own accounting. */
  readonly counters: Counters;
  readonly #deps: MeteringDeps;
  readonly #anchor: WallAnchor;
  readonly #states: MeterStates;
  readonly #recorder: Recorder;
  readonly #misplaced: MisplacedRows;
  #cancel: Cancel | null = null;
  /** The newest data an earlier run stored, epoch seconds. */
  #storedUntilS: number | null = null;
  #isFailing = false;

  constructor(deps: MeteringDeps) {
    const { clock, latest, history, log, time } = deps;
    this.#deps = deps;
    this.#misplaced = new MisplacedRows(deps.store);
    const [rows, live] = [new CounterRows(deps.store), () => this.#live()];
    this.counters = new Counters({ rows, buckets: deps.buckets, live });
    this.#anchor = new WallAnchor(deps.isClockTrusted);
    this.#states = new MeterStates(deps.time, deps.longestS);
    const [anchor, states] = [this.#anchor, this.#states];
    this.#recorder = new Recorder({ clock, anchor, states, latest, history, time, log });
  }

  start(): void {
    const { samples, log } = this.#deps;
    this.#settleZone();
    if (this.#states.load(samples, this.#hasHour).length > 0) {
      log.warn('A stored meter state could not be read; it was rebuilt from raw samples.');
    }
    this.counters.load();
    this.#storedUntilS = samples.newestS();
    this.#recorder.waitBefore(this.#storedUntilS);
    this.#recorder.observe();
    this.#schedule();
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = null;
    this.#recorder.release();
    this.#commit(true);
  }

  record(readings: readonly Reading[]): void {
    this.#recorder.record(readings);
  }

  /** @throws the database's error; nothing is lost then */
  rollUp(): void {
    this.#recorder.observe();
    this.#putRight();
    this.#commit(false);
  }

  /** @returns whether more is due */
  prune(): boolean {
    if (!this.#deps.isClockProved()) return false;
    return this.#deps.store.transaction(() => this.#deps.pruning.slice());
  }

  nowS(): number {
    return Math.floor(this.wallMs(this.#deps.clock.monotonicMs()) / 1_000);
  }

  /**
   * The wall-clock time of a monotonic one; while the wall clock is not trusted, by it as it is.
   */
  wallMs(monotonicMs: number): number {
    const { clock } = this.#deps;
    const placed = this.#anchor.place(monotonicMs);
    if (placed.kind === 'placed') return placed.atMs;
    return clock.nowMs() + monotonicMs - clock.monotonicMs();
  }

  /** How accurate a plug's own clock is; null while the time is unknown. */
  judgePlugClock(plugLocalTime: string): PlugClock | null {
    const placed = this.#anchor.place(this.#deps.clock.monotonicMs());
    if (placed.kind === 'untrusted') return null;
    return judgePlugClock(plugLocalTime, Math.floor(placed.atMs / 1_000), this.#deps.time);
  }

  /**
   * Transfers one plug's history to another.
   * @throws the database's error; nothing is changed then
   */
  handOver(fromNumber: number, toNumber: number, by: string): HandOverOutcome {
    const { store, succession, prices } = this.#deps;
    this.#recorder.release();
    this.#commit(false);
    const refusal = succession.refusal(fromNumber, toNumber, this.#states);
    if (refusal !== null) return refusal;
    const made = { by, atS: this.nowS() };
    const left = this.#states
      .live()
      .filter(({ deviceNumber }) => deviceNumber === fromNumber)
      .map(({ deviceNumber, metered }) => deviceHour(deviceNumber, metered, prices.tariffs));
    const before = [fromNumber, toNumber].map((number) => {
      return { number, state: this.#states.stateOf(number)?.state };
    });
    try {
      store.transaction(() => {
        this.counters.aside(() => {
          succession.hand(fromNumber, toNumber, this.#states, left, made);
          this.#states.drop(fromNumber);
        });
      });
    } catch (error) {
      for (const { number, state } of before) {
        if (state !== undefined) this.#states.restore(number, state);
      }
      throw error;
    }
    return { kind: 'handed_over' };
  }

  /** The stored buckets with what only memory has on top. */
  view(): BucketView {
    return new BucketView(this.#deps.buckets, this.#deps.time, this.#live());
  }

  /** The NAS's hours that only memory has. */
  liveNasHours(): NasHour[] {
    return this.#nasHoursOf(this.#live());
  }

  #live(): DeviceHour[] {
    const { prices, overlay } = this.#deps;
    return this.#states
      .live()
      .map(({ deviceNumber, metered }) => deviceHour(deviceNumber, metered, prices.tariffs))
      .map((hour) => overlay.over(hour))
      .filter((hour) => hour !== null);
  }

  readonly #hasHour = (deviceNumber: number, startS: number): boolean =>
    this.#deps.buckets.hours(deviceNumber, startS, startS + 1).length > 0;

  /** Hours stay the same in another zone; the days are those of the new calendar. */
  #settleZone(): void {
    const { calendar, store, rollUp, log, timeZone } = this.#deps;
    const before = calendar.zone();
    if (before === timeZone) return;
    const days = store.transaction(() => {
      calendar.put(timeZone, Math.floor(this.#deps.clock.nowMs() / 1_000));
      return before === null ? 0 : rollUp.rebuildDays();
    });
    if (before === null) return;
    log.warn(
      `The time zone is ${timeZone} now and was ${before}. Hours and what they cost stay; ` +
        `${days} days were recalculated from them.`,
    );
  }

  /**
   * Once the time is verified, samples of this run that a wrong clock placed ahead or behind are
   * moved to where they belong. It is unknown where an earlier run's samples ahead belong, so they
   * are dropped.
   */
  #putRight(): void {
    const { clock, isClockProved, store, samples, time, log } = this.#deps;
    if (!this.#anchor.isSettled || !isClockProved()) return;
    const [nowMs, tickMs] = [clock.nowMs(), clock.monotonicMs()];
    const misplaced = this.#anchor.misplacedBy(nowMs, tickMs);
    // Includes the end of an hour that a plug reported, and a clock still being corrected slowly.
    const lastS = Math.floor(nowMs / 1_000) + AHEAD_S;
    if (misplaced === null && (this.#misplaced.newestS() ?? 0) <= lastS) return;
    this.#recorder.release();
    this.#commit(false);
    const keepCounters = this.counters.mark();
    const { anewS, beforeS } = this.#dropMisplaced(misplaced, nowMs, lastS);
    if (misplaced !== null) this.#anchor.settleAgain(nowMs, tickMs);
    this.#states.reload(samples, time.hourStart(anewS) - REPLAY_S, this.#hasHour, beforeS);
    this.#recorder.waitBefore(null);
    this.#recorder.placeWaiting();
    store.transaction(keepCounters);
    log.warn(
      'Energy samples lay at a wrong time. Those of this run were moved to where they belong; ' +
        'others that lay ahead were dropped.',
    );
  }

  /**
   * Moves samples to where they belong, and drops what was derived from them and the gap before
   * them.
   * @returns from when to meter again, and until when the meters are right as they are
   */
  #dropMisplaced(
    misplaced: Misplaced | null,
    nowMs: number,
    lastS: number,
  ): { readonly anewS: number; readonly beforeS: number } {
    const { store, time, buckets, rollUp } = this.#deps;
    if (misplaced === null) {
      store.transaction(() => {
        this.#misplaced.drop(lastS);
      });
      return { anewS: Math.floor(nowMs / 1_000), beforeS: Number.NEGATIVE_INFINITY };
    }
    const byS = Math.round(misplaced.byMs / 1_000);
    // A clock that was behind started in the middle of what an earlier run stored correctly.
    const storedS = this.#storedUntilS ?? Number.NEGATIVE_INFINITY;
    const beganS = Math.floor(misplaced.fromMs / 1_000);
    const fromS = byS < 0 && storedS <= lastS ? Math.max(beganS, storedS + 1) : beganS;
    const beforeS = Math.min(this.#misplaced.newestBeforeS(fromS) ?? fromS - 1, lastS);
    const anewS = time.hourStart(Math.min(beforeS, fromS, fromS - byS));
    const devices = [...buckets.devices(), HOUSEHOLD];
    store.transaction(() => {
      this.#misplaced.moveBack(fromS, byS);
      this.#misplaced.drop(lastS);
      this.#misplaced.dropBuckets(anewS - 1, beforeS);
      for (const device of devices) rollUp.rewriteDay(device, time.dayStart(anewS));
    });
    return { anewS, beforeS };
  }

  #schedule(): void {
    this.#cancel = this.#deps.clock.after(this.#deps.commitSeconds * 1_000, () => {
      this.#schedule();
      this.#tick();
    });
  }

  #tick(): void {
    const { log } = this.#deps;
    try {
      this.rollUp();
      if (this.#isFailing) log.info('Energy samples are written again.');
      this.#isFailing = false;
    } catch (error) {
      // Logged once per disk outage: a full disk would otherwise fill the log as well.
      if (!this.#isFailing) {
        const reason = error instanceof Error ? error.message : 'no reason given';
        log.error(`Energy samples could not be written and stay in memory: ${reason}`);
      }
      this.#isFailing = true;
    }
  }

  #commit(isFinal: boolean): void {
    const { store, samples, prices, rollUp, nasHours, seen } = this.#deps;
    const draft = this.#states.draft(this.nowS(), isFinal);
    const hours = draft.hours.map(({ deviceNumber, metered }) =>
      deviceHour(deviceNumber, metered, prices.tariffs),
    );
    const written = store.transaction(() => {
      // Also where a transaction before this one was rolled back.
      if (draft.hours.length > 0) this.counters.forget();
      const done = this.#recorder.write(samples);
      // Last-seen times change all the time; writing them once an hour spares the card.
      const seenDone = seen.flush(draft.hours.length > 0 || isFinal);
      rollUp.write(hours);
      for (const hour of this.#nasHoursOf(hours)) nasHours.put(hour);
      for (const { deviceNumber, atS, state } of draft.meters) {
        samples.saveMeter(deviceNumber, atS, state);
      }
      const followed = this.counters.follow();
      return () => {
        done();
        seenDone();
        followed();
      };
    });
    written();
    draft.done();
    this.#deps.onWritten();
  }

  #nasHoursOf(hours: readonly DeviceHour[]): NasHour[] {
    const { nasNumber, prices, borders, time } = this.#deps;
    const number = nasNumber();
    return hours
      .filter(({ deviceNumber }) => deviceNumber === number)
      .map(({ hour, fine }) => {
        const { startS } = hour;
        const priceUcPerKwh = prices.tariffs.meanUcPerKwh(startS, time.hourEnd(startS));
        return nasHourOf(startS, fine.length > 0 ? fine : [hour], priceUcPerKwh, borders);
      });
  }
}
