import type { LocalTime } from '../../../../nodes/lib/time/zoned-time.ts';
import type { Bucket } from './buckets.ts';
import { IntervalMeter, type MeteredHour, type MeterState } from './interval-meter.ts';
import type { SampleRows } from './sample-rows.ts';
import type { HistoryHour, Sample } from './sample.ts';
import { joinSlots } from './slots.ts';

interface Entry {
  readonly meter: IntervalMeter;
  /** Complete hours that are not in the database yet. */
  readonly pending: MeteredHour[];
  /** The open hour has more than the database has of it. */
  isOpenDirty: boolean;
  /** The meter has advanced since its state was last stored. */
  isMoved: boolean;
  /** Hours before this are complete in the database, and their raw samples may be gone. */
  keepBeforeS: number;
}

/** An hour of one plug that the database lacks, wholly or in part. */
export interface LiveHour {
  readonly deviceNumber: number;
  readonly metered: MeteredHour;
}

/** What a commit writes, and what the book does once it is written. */
export interface BookDraft {
  readonly hours: readonly LiveHour[];
  readonly meters: readonly { deviceNumber: number; atS: number; state: string }[];
  /** To be called once the transaction is through. */
  done(): void;
}

/** No sample is written more than this after a later one, so replay starts this much earlier. */
const OVERLAP_S = 3_600;
const REPLAY_PAGE = 2_000;

/**
 * The meters of all plugs. Their state is stored once an hour, in the transaction that writes the
 * hours; after a crash the raw samples since then are replayed and produce the same rows.
 */
export class MeterStates {
  readonly #time: LocalTime;
  readonly #longestS: number;
  readonly #entries = new Map<number, Entry>();

  /** @param longestS two samples of a plug further apart than this have a gap between them */
  constructor(time: LocalTime, longestS: number) {
    this.#time = time;
    this.#longestS = longestS;
  }

  /**
   * Restores the meters.
   * @param hasHour whether the database has that hour of that plug
   * @returns the plugs whose kept state could not be read
   */
  load(rows: SampleRows, hasHour: (deviceNumber: number, startS: number) => boolean): number[] {
    const unreadable: number[] = [];
    let newestS = Number.NEGATIVE_INFINITY;
    for (const { deviceNumber, atS, state } of rows.meters()) {
      const parsed = parseState(state);
      if (parsed === null) {
        unreadable.push(deviceNumber);
        continue;
      }
      newestS = Math.max(newestS, atS);
      this.#entries.set(deviceNumber, newEntry(this.#meter(parsed)));
    }
    const fromS = unreadable.length > 0 || newestS < 0 ? -1 : newestS - OVERLAP_S;
    this.#replay(rows, fromS, hasHour);
    return unreadable;
  }

  /**
   * Restarts from the raw samples after a time; hours complete in the database stay.
   * @param keptUntilS meters that stopped by then continue from their stored state
   */
  reload(
    rows: SampleRows,
    fromS: number,
    hasHour: (deviceNumber: number, startS: number) => boolean,
    keptUntilS: number,
  ): void {
    this.#entries.clear();
    for (const { deviceNumber, atS, state } of rows.meters()) {
      const parsed = atS <= keptUntilS ? parseState(state) : null;
      if (parsed !== null) this.#entries.set(deviceNumber, newEntry(this.#meter(parsed)));
    }
    this.#replay(rows, fromS, hasHour);
  }

  /** Time of the plug's last sample, epoch seconds. */
  lastS(deviceNumber: number): number | null {
    return this.#entries.get(deviceNumber)?.meter.state.last?.atS ?? null;
  }

  wantsHistory(deviceNumber: number, atS: number): boolean {
    return this.#entries.get(deviceNumber)?.meter.wantsHistory(atS) ?? false;
  }

  isCounterFrozen(deviceNumber: number): boolean {
    return this.#entries.get(deviceNumber)?.meter.isCounterFrozen ?? false;
  }

  /** @returns whether the sample was new */
  add(sample: Sample, history: readonly HistoryHour[]): boolean {
    const { deviceNumber, atS } = sample;
    const entry = this.#entries.get(deviceNumber) ?? newEntry(this.#meter());
    this.#entries.set(deviceNumber, entry);
    const lastS = entry.meter.state.last?.atS ?? null;
    if (lastS !== null && atS <= lastS) return false;
    for (const closed of entry.meter.add(sample, history)) {
      if (closed.hour.startS >= entry.keepBeforeS) entry.pending.push(closed);
    }
    entry.isMoved = true;
    entry.isOpenDirty = true;
    return true;
  }

  /** Meters that stopped over a day ahead of now saw a wrong clock; they start over. */
  forgetFuture(nowS: number): number[] {
    const forgotten: number[] = [];
    for (const [deviceNumber, { meter }] of this.#entries) {
      if ((meter.state.last?.atS ?? 0) <= nowS + 86_400) continue;
      meter.forgetLast();
      forgotten.push(deviceNumber);
    }
    return forgotten;
  }

  /** The hour the plug is in. */
  openHourS(deviceNumber: number): number | null {
    return this.#entries.get(deviceNumber)?.meter.open?.hour.startS ?? null;
  }

  /** The meter's state for a restart; null before its first sample. */
  stateOf(deviceNumber: number): { readonly atS: number; readonly state: string } | null {
    const meter = this.#entries.get(deviceNumber)?.meter;
    const atS = meter?.state.last?.atS;
    return meter === undefined || atS === undefined
      ? null
      : { atS, state: JSON.stringify(meter.state) };
  }

  /** Adds what another plug metered of the current hour. */
  join(deviceNumber: number, fine: readonly Bucket[]): void {
    const entry = this.#entries.get(deviceNumber);
    const open = entry?.meter.open ?? null;
    if (entry === undefined || open === null || fine.length === 0) return;
    joinSlots(open.hour, fine);
    entry.isOpenDirty = true;
    entry.isMoved = true;
  }

  /** Resets a meter to a state from {@link stateOf}; no hour of it may be pending. */
  restore(deviceNumber: number, text: string): void {
    const state = parseState(text);
    if (state !== null) this.#entries.set(deviceNumber, newEntry(this.#meter(state)));
  }

  /** Ends the meter of a plug. */
  drop(deviceNumber: number): void {
    this.#entries.delete(deviceNumber);
  }

  /** Hours that the database lacks, wholly or in part. */
  live(): LiveHour[] {
    return [...this.#entries].flatMap(([deviceNumber, entry]) => {
      const open = entry.isOpenDirty ? openOf(entry) : [];
      return [...entry.pending, ...open].map((metered) => ({ deviceNumber, metered }));
    });
  }

  /**
   * What is ready for the database: complete hours, and open ones that are over although no later
   * sample came. States are kept along with hours, or always when `isFinal`.
   */
  draft(nowS: number, isFinal: boolean): BookDraft {
    const hours: LiveHour[] = [];
    const done: (() => void)[] = [];
    for (const [deviceNumber, entry] of this.#entries) {
      const count = entry.pending.length;
      const over = isFinal
        ? []
        : openOf(entry).filter(({ hour }) => hour.endS + this.#longestS < nowS);
      const late = entry.isOpenDirty ? over : [];
      for (const metered of [...entry.pending, ...late]) hours.push({ deviceNumber, metered });
      done.push(() => {
        entry.pending.splice(0, count);
        if (late.length > 0) entry.isOpenDirty = false;
      });
    }
    const meters = hours.length > 0 || isFinal ? this.#moved(done) : [];
    return {
      hours,
      meters,
      done: () => {
        for (const step of done) step();
      },
    };
  }

  #moved(done: (() => void)[]): BookDraft['meters'] {
    return [...this.#entries].flatMap(([deviceNumber, entry]) => {
      const { last } = entry.meter.state;
      if (!entry.isMoved || last === null) return [];
      done.push(() => {
        entry.isMoved = false;
      });
      return [{ deviceNumber, atS: last.atS, state: JSON.stringify(entry.meter.state) }];
    });
  }

  #replay(
    rows: SampleRows,
    fromS: number,
    hasHour: (deviceNumber: number, startS: number) => boolean,
  ): void {
    let place = { atS: fromS, deviceNumber: 0 };
    for (;;) {
      const page = rows.after(place.atS, place.deviceNumber, REPLAY_PAGE);
      for (const sample of page) this.#replayOne(rows, sample, hasHour);
      const last = page.at(-1);
      if (last === undefined || page.length < REPLAY_PAGE) return;
      place = last;
    }
  }

  #replayOne(
    rows: SampleRows,
    sample: Sample,
    hasHour: (deviceNumber: number, startS: number) => boolean,
  ): void {
    const { deviceNumber, atS } = sample;
    const lastS = this.lastS(deviceNumber);
    const history =
      lastS !== null && this.wantsHistory(deviceNumber, atS)
        ? rows.hours(deviceNumber, lastS - 7_200, atS)
        : [];
    const isFirst = !this.#entries.has(deviceNumber);
    this.add(sample, history);
    const entry = this.#entries.get(deviceNumber);
    if (!isFirst || entry === undefined) return;
    // The raw samples of its first hour may be pruned in part; the hour itself was complete.
    const startS = this.#time.hourStart(atS);
    if (hasHour(deviceNumber, startS)) entry.keepBeforeS = this.#time.hourEnd(startS);
  }

  #meter(state?: MeterState): IntervalMeter {
    return new IntervalMeter(this.#time, this.#longestS, state);
  }
}

function newEntry(meter: IntervalMeter): Entry {
  return {
    meter,
    pending: [],
    isOpenDirty: meter.open !== null,
    isMoved: false,
    keepBeforeS: Number.NEGATIVE_INFINITY,
  };
}

function openOf(entry: Entry): MeteredHour[] {
  const { open } = entry.meter;
  return open === null || open.hour.startS < entry.keepBeforeS ? [] : [open];
}

/** Null for a state of another version or invalid JSON; the raw samples then rebuild it. */
function parseState(text: string): MeterState | null {
  try {
    const state = JSON.parse(text) as MeterState;
    return state.version === 1 ? state : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}
