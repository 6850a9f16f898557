import type { Log } from '../log/log.ts';
import type { Store } from '../store/store.ts';
import type { Cancel, Clock } from '../time/clock.ts';
import type { BucketRows } from './bucket-rows.ts';
import { BucketView } from './bucket-view.ts';
import { FutureRows } from './future-rows.ts';
import type { Latest } from './latest.ts';
import type { LocalTime } from './local-time.ts';
import { MeterBook } from './meter-book.ts';
import type { NasHour, NasHourRows } from './nas-hour-rows.ts';
import { type NasBorders, nasHourOf } from './nas-watts.ts';
import type { Prices } from './prices.ts';
import type { Pruning } from './pruning.ts';
import { judgePlugClock, type PlugClock } from './plug-clock.ts';
import { Recorder } from './recorder.ts';
import type { Overlay } from './overlay.ts';
import { type DeviceHour, deviceHour, type RollUp } from './roll-up.ts';
import type { HourlyHistory, Reading, SeenPlugs } from './sample.ts';
import type { SampleRows } from './sample-rows.ts';
import type { HandOverOutcome, Succession } from './succession.ts';
import { WallAnchor } from './wall-anchor.ts';

interface MeteringParts {
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
  /** Both proofs of the time stand, so that what is old may be deleted for its age. */
  readonly isClockProved: () => boolean;
  readonly longestS: number;
  readonly commitSeconds: number;
  readonly borders: NasBorders;
  /** Number of the plug with role `nas`. */
  readonly nasNumber: () => number | null;
  readonly seen: SeenPlugs;
}

const PRUNE_MS = 3_600_000;
/** What is stored no further ahead is left alone. */
const AHEAD_S = 3_600;
/** What is metered anew begins so long before what was moved. */
const REPLAY_S = 7_200;

/**
 * From readings to rows: one transaction every ENERGY_COMMIT_SECONDS holds the samples since the
 * last one and, once an hour, the hours that are over, what follows from them, and the meters'
 * state. A transaction that fails loses nothing; the next one tries again.
 */
export class Metering {
  readonly #parts: MeteringParts;
  readonly #anchor: WallAnchor;
  readonly #book: MeterBook;
  readonly #recorder: Recorder;
  readonly #future: FutureRows;
  #cancel: Cancel | null = null;
  #pruneDueMs = 0;
  #isFailing = false;

  constructor(parts: MeteringParts) {
    const { clock, latest, history, log, time } = parts;
    this.#parts = parts;
    this.#future = new FutureRows(parts.store);
    this.#anchor = new WallAnchor(parts.isClockTrusted);
    this.#book = new MeterBook(parts.time, parts.longestS);
    const [anchor, book] = [this.#anchor, this.#book];
    this.#recorder = new Recorder({ clock, anchor, book, latest, history, time, log });
  }

  start(): void {
    const { samples, log, clock } = this.#parts;
    if (this.#book.load(samples, this.#hasHour).length > 0) {
      log.warn('A kept meter state could not be read; it was rebuilt from raw samples.');
    }
    this.#recorder.observe();
    this.#pruneDueMs = clock.monotonicMs() + PRUNE_MS;
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

  /** @throws what the database throws; nothing is lost then */
  rollUp(): void {
    this.#recorder.observe();
    this.#putRight();
    this.#commit(false);
  }

  /** @returns whether more is due */
  prune(): boolean {
    if (!this.#parts.isClockProved()) return false;
    return this.#parts.store.transaction(() => this.#parts.pruning.slice());
  }

  nowS(): number {
    return Math.floor(this.wallMs(this.#parts.clock.monotonicMs()) / 1_000);
  }

  /** The wall-clock time of a monotonic one; by the wall clock as it is while that is not trusted. */
  wallMs(monotonicMs: number): number {
    const { clock } = this.#parts;
    const placed = this.#anchor.place(monotonicMs);
    if (placed.kind === 'placed') return placed.atMs;
    return clock.nowMs() + monotonicMs - clock.monotonicMs();
  }

  /** How right a plug's own clock is now; null while nobody knows the time. */
  judgePlugClock(plugLocalTime: string): PlugClock | null {
    const placed = this.#anchor.place(this.#parts.clock.monotonicMs());
    if (placed.kind === 'untrusted') return null;
    return judgePlugClock(plugLocalTime, Math.floor(placed.atMs / 1_000), this.#parts.time);
  }

  /**
   * Hands one plug's history to another.
   * @throws what the database throws; nothing is changed then
   */
  handOver(fromNumber: number, toNumber: number, by: string): HandOverOutcome {
    const { store, succession, prices } = this.#parts;
    this.#recorder.release();
    this.#commit(false);
    const refusal = succession.refusal(fromNumber, toNumber, this.#book);
    if (refusal !== null) return refusal;
    const made = { by, atS: this.nowS() };
    const left = this.#book
      .live()
      .filter(({ deviceNumber }) => deviceNumber === fromNumber)
      .map(({ deviceNumber, metered }) => deviceHour(deviceNumber, metered, prices.tariffs));
    const before = this.#book.stateOf(toNumber)?.state ?? null;
    try {
      store.transaction(() => {
        succession.hand(fromNumber, toNumber, this.#book, left, made);
      });
    } catch (error) {
      if (before !== null) this.#book.restore(toNumber, before);
      throw error;
    }
    this.#book.drop(fromNumber);
    return { kind: 'handed_over' };
  }

  /** The stored buckets with what only memory has on top. */
  view(): BucketView {
    return new BucketView(this.#parts.buckets, this.#parts.time, this.#live());
  }

  /** The NAS's hours that only memory has. */
  liveNasHours(): NasHour[] {
    return this.#nasHoursOf(this.#live());
  }

  #live(): DeviceHour[] {
    const { prices, overlay } = this.#parts;
    return this.#book
      .live()
      .map(({ deviceNumber, metered }) => deviceHour(deviceNumber, metered, prices.tariffs))
      .map((hour) => overlay.over(hour))
      .filter((hour) => hour !== null);
  }

  readonly #hasHour = (deviceNumber: number, startS: number): boolean =>
    this.#parts.buckets.hours(deviceNumber, startS, startS + 1).length > 0;

  /**
   * Once the time is proved, samples of this run that a clock placed ahead of it are moved to where
   * they belong. What an earlier run placed ahead belongs nobody knows where, and is dropped.
   */
  #putRight(): void {
    const { clock, isClockProved, store, samples, time, log } = this.#parts;
    if (!this.#anchor.isSettled || !isClockProved()) return;
    const [nowMs, tickMs] = [clock.nowMs(), clock.monotonicMs()];
    const misplaced = this.#anchor.aheadOf(nowMs, tickMs);
    // Up to the end of an hour that a plug told of, and of a clock that is drawn near slowly.
    const lastS = Math.floor(nowMs / 1_000) + AHEAD_S;
    if (misplaced === null && (this.#future.newestS() ?? 0) <= lastS) return;
    this.#recorder.release();
    this.#commit(false);
    const byS = Math.round((misplaced?.byMs ?? 0) / 1_000);
    const fromS = Math.floor((misplaced?.fromMs ?? nowMs) / 1_000);
    store.transaction(() => {
      if (misplaced !== null) this.#future.moveBack(fromS, byS);
      this.#future.drop(lastS);
    });
    if (misplaced !== null) this.#anchor.settleAnew(nowMs, tickMs);
    this.#book.reload(samples, time.hourStart(fromS - byS) - REPLAY_S, this.#hasHour);
    log.warn(
      'Energy samples lay ahead of the time. Those of this run were moved to where they belong, ' +
        'others were dropped.',
    );
  }

  #schedule(): void {
    this.#cancel = this.#parts.clock.after(this.#parts.commitSeconds * 1_000, () => {
      this.#schedule();
      this.#tick();
    });
  }

  #tick(): void {
    const { clock, log } = this.#parts;
    try {
      this.rollUp();
      if (clock.monotonicMs() >= this.#pruneDueMs && !this.prune()) {
        this.#pruneDueMs = clock.monotonicMs() + PRUNE_MS;
      }
      if (this.#isFailing) log.info('Energy samples are written again.');
      this.#isFailing = false;
    } catch (error) {
      // Said once per outage of the disk: a full one would fill the log as well.
      if (!this.#isFailing) {
        const reason = error instanceof Error ? error.message : 'no reason given';
        log.error(`Energy samples could not be written and stay in memory: ${reason}`);
      }
      this.#isFailing = true;
    }
  }

  #commit(isFinal: boolean): void {
    const { store, samples, prices, rollUp, nasHours, seen } = this.#parts;
    const draft = this.#book.draft(this.nowS(), isFinal);
    const hours = draft.hours.map(({ deviceNumber, metered }) =>
      deviceHour(deviceNumber, metered, prices.tariffs),
    );
    const written = store.transaction(() => {
      const done = this.#recorder.write(samples);
      // When each plug was seen last changes all the time; once an hour spares the card.
      const seenDone = seen.flush(draft.hours.length > 0 || isFinal);
      rollUp.write(hours);
      for (const hour of this.#nasHoursOf(hours)) nasHours.put(hour);
      for (const { deviceNumber, atS, state } of draft.meters) {
        samples.saveMeter(deviceNumber, atS, state);
      }
      return () => {
        done();
        seenDone();
      };
    });
    written();
    draft.done();
  }

  #nasHoursOf(hours: readonly DeviceHour[]): NasHour[] {
    const { nasNumber, prices, borders } = this.#parts;
    const number = nasNumber();
    return hours
      .filter(({ deviceNumber }) => deviceNumber === number)
      .map(({ hour, fine }) => {
        const { priceUcPerKwh } = prices.tariffs.at(hour.startS);
        return nasHourOf(hour.startS, fine.length > 0 ? fine : [hour], priceUcPerKwh, borders);
      });
  }
}
