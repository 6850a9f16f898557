import type { Log } from '../log/log.ts';
import type { Store } from '../store/store.ts';
import type { Clock } from '../time/clock.ts';
import { BucketRows } from './bucket-rows.ts';
import { type Costs, costsOf, type CostsWish } from './costs.ts';
import {
  Histories,
  type History,
  type HistoryPages,
  type HistoryWish,
  type WishRefusal,
} from './history.ts';
import { type Current, Latest } from './latest.ts';
import { LocalTime } from './local-time.ts';
import { Metering } from './metering.ts';
import { NasHourRows } from './nas-hour-rows.ts';
import { nasBorders, type NasPowerState, NasWatts } from './nas-watts.ts';
import { momentS } from './periods.ts';
import { PriceRows } from './price-rows.ts';
import type { PriceWish } from './price-wish.ts';
import { type PriceOutcome, Prices, type Recalculated, type RemovalOutcome } from './prices.ts';
import { Pruning } from './pruning.ts';
import { RollUp } from './roll-up.ts';
import { checkedReading, type EnergyDevice, type EnergyDevices } from './sample.ts';
import type { HourlyHistory, Reading } from './sample.ts';
import { SampleRows } from './sample-rows.ts';
import {
  type DeviceStandby,
  householdSummary,
  nasSummary,
  NO_NAS,
  standbyOfDevices,
  type Summary,
} from './summary.ts';
import { type Price, UC_PER_CENT } from './tariff.ts';

export type { Costs, CostsWish } from './costs.ts';
export type { History, HistoryPages, HistoryWish, WishRefusal } from './history.ts';
export type { Current, CurrentDevice } from './latest.ts';
export type { NasPowerState } from './nas-watts.ts';
export type { PriceOutcome, Recalculated, RemovalOutcome } from './prices.ts';
export type { PriceWish } from './price-wish.ts';
export type { EnergyDevice, EnergyDevices, HistoryHour, HourlyHistory, Reading } from './sample.ts';
export type { DeviceStandby, Summary } from './summary.ts';
export type { Price } from './tariff.ts';

export interface EnergySettings {
  readonly timeZone: string;
  readonly sampleIntervalSeconds: number;
  readonly rawRetentionDays: number;
  readonly hourlyRetentionDays: number;
  readonly defaultPriceCents: number;
  readonly commitSeconds: number;
  readonly nasPowerThresholdWatts: number;
}

export interface EnergyParts {
  /** The energy database. */
  readonly store: Store;
  readonly clock: Clock;
  readonly settings: EnergySettings;
  readonly devices: EnergyDevices;
  readonly log: Log;
  /** Whether the wall clock may be believed now; until then nothing is placed in time. */
  readonly isClockTrusted: () => boolean;
  /** Plugs that tell their own hours after a gap; null without. */
  readonly history: HourlyHistory | null;
}

/** Two samples up to three intervals apart are joined by a line (tapo.md 3, step 2). */
const JOINED_S = 95;

/** Meters the plugs around the clock and answers what they used and cost. */
export class Energy {
  readonly #devices: EnergyDevices;
  readonly #clock: Clock;
  readonly #time: LocalTime;
  readonly #nasHours: NasHourRows;
  readonly #latest: Latest;
  readonly #prices: Prices;
  readonly #metering: Metering;
  readonly #histories: Histories;
  readonly #nasWatts: NasWatts;
  #nasNumber: number | null = null;

  constructor(parts: EnergyParts) {
    const { store, settings, clock, devices } = parts;
    const sampleIntervalS = settings.sampleIntervalSeconds;
    const longestS = Math.max(JOINED_S, 3 * sampleIntervalS + 5);
    const borders = nasBorders(settings.nasPowerThresholdWatts);
    const time = new LocalTime(settings.timeZone);
    const samples = new SampleRows(store);
    const buckets = new BucketRows(store);
    const nasHours = new NasHourRows(store);
    const rollUp = new RollUp(buckets, time);
    const latest = new Latest(sampleIntervalS);
    const prices = newPrices(parts, buckets, rollUp, time);
    const retention = {
      rawDays: settings.rawRetentionDays,
      hourlyDays: settings.hourlyRetentionDays,
    };
    const pruning = new Pruning({ samples, buckets, nasHours, time, retention });
    const nasNumber = (): number | null => this.#nas()?.number ?? null;
    const shared = { time, samples, buckets, nasHours, rollUp, pruning, prices, latest };
    const { commitSeconds } = settings;
    this.#metering = new Metering({
      ...parts,
      ...shared,
      longestS,
      borders,
      nasNumber,
      commitSeconds,
    });
    const metering = this.#metering;
    this.#histories = new Histories({
      ...{ buckets, samples, devices, time, sampleIntervalS, longestS },
      view: () => metering.view(),
      nowS: () => metering.nowS(),
    });
    this.#devices = devices;
    this.#clock = clock;
    this.#time = time;
    this.#nasHours = nasHours;
    this.#latest = latest;
    this.#prices = prices;
    this.#nasWatts = new NasWatts(borders);
  }

  /** Restores the meters from what was stored and begins to commit. */
  start(): void {
    this.#metering.start();
  }

  /**
   * Writes what is in memory.
   * @returns rejects with what the database throws
   */
  // eslint-disable-next-line @typescript-eslint/require-await -- a throw becomes a rejection
  async stop(): Promise<void> {
    this.#metering.stop();
  }

  /** Takes the answers of one round or of one plug. A plug that did not answer is simply missing. */
  record(readings: readonly Reading[]): void {
    this.#metering.record(readings);
    const number = this.#nas()?.number;
    for (const given of readings) {
      const reading = given.deviceNumber === number ? checkedReading(given) : null;
      if (reading !== null) this.#nasWatts.note(reading.powerMw, reading.monotonicMs);
    }
  }

  /**
   * Writes samples and all hours that are over. Called by itself every ENERGY_COMMIT_SECONDS.
   * @throws what the database throws; nothing is lost then
   */
  rollUp(): void {
    this.#metering.rollUp();
  }

  /**
   * Forgets one slice of what is older than its retention. Called by itself once an hour.
   * @returns whether more is due
   */
  prune(): boolean {
    return this.#metering.prune();
  }

  /** From memory; only a plug without a counter of its own is looked up. */
  current(): Current {
    const today = this.#time.date(this.#metering.nowS());
    return this.#latest.current(
      this.#devices.list(),
      this.#clock.monotonicMs(),
      (monotonicMs) => this.#metering.wallMs(monotonicMs),
      (reading) => this.#energyTodayWh(reading, today),
    );
  }

  history(wish: HistoryWish): History | WishRefusal {
    return this.#histories.history(wish);
  }

  /** The history without the limit on points, for an export. */
  historyPages(wish: HistoryWish): HistoryPages | WishRefusal {
    return this.#histories.pages(wish);
  }

  costs(wish: CostsWish): Costs | WishRefusal {
    return costsOf(
      {
        histories: this.#histories,
        prices: this.#prices,
        time: this.#time,
        view: () => this.#metering.view(),
        nowS: () => this.#metering.nowS(),
      },
      wish,
    );
  }

  summary(): Summary {
    const nowS = this.#metering.nowS();
    const isMetered = this.#nas() !== undefined;
    const [view, liveNasHours] = [this.#metering.view(), this.#metering.liveNasHours()];
    const parts = { view, nasHours: this.#nasHours, time: this.#time, nowS, liveNasHours };
    return {
      totalDevices: this.#devices.list().length,
      totalPowerW: this.current().totalPowerW,
      ...householdSummary(parts),
      nasState: this.nasState(),
      ...(isMetered ? nasSummary(parts) : NO_NAS),
    };
  }

  /** Always-on watts per plug and what a year of them costs. */
  standby(): DeviceStandby[] {
    const [devices, nowS] = [this.#devices.list(), this.#metering.nowS()];
    return standbyOfDevices(devices, this.#metering.view(), this.#prices, nowS, this.#time);
  }

  /** By the watts of the plug with role `nas`; null without one or without a fresh value of it. */
  nasState(): NasPowerState | null {
    const nas = this.#nas();
    if (nas === undefined) return null;
    if (!this.#latest.isFresh(nas.number, this.#clock.monotonicMs())) this.#nasWatts.forget();
    return this.#nasWatts.state;
  }

  prices(): Price[] {
    return this.#prices.list();
  }

  createPrice(wish: PriceWish): PriceOutcome {
    return this.#prices.create(wish, this.#metering.nowS());
  }

  updatePrice(id: number, wish: PriceWish): PriceOutcome {
    return this.#prices.update(id, wish);
  }

  removePrice(id: number): RemovalOutcome {
    return this.#prices.remove(id, this.#metering.nowS());
  }

  /**
   * Prices stored hours anew.
   * @param from epoch ms, or a time or date as text
   */
  async recalculate(from: number | string): Promise<Recalculated | { readonly kind: 'bad_range' }> {
    const fromS = momentS(from, this.#time);
    if (fromS === null) return { kind: 'bad_range' };
    return await this.#prices.recalculate(fromS, this.#metering.nowS());
  }

  /** The plug's own count where it is of today, else ours. */
  #energyTodayWh(reading: Reading, today: string): number | null {
    const readS = Math.floor(this.#metering.wallMs(reading.monotonicMs) / 1_000);
    if (reading.todayWh !== null && this.#time.date(readS) === today) return reading.todayWh;
    const nowS = this.#metering.nowS();
    const view = this.#metering.view();
    const [day] = view.days(reading.deviceNumber, this.#time.dayStart(nowS), nowS + 1);
    return day === undefined ? null : day.energyMwh / 1_000;
  }

  #nas(): EnergyDevice | undefined {
    const nas = this.#devices.list().find(({ role }) => role === 'nas');
    const number = nas?.number ?? null;
    if (number !== this.#nasNumber) {
      this.#nasNumber = number;
      this.#nasWatts.forget();
    }
    return nas;
  }
}

function newPrices(
  parts: EnergyParts,
  buckets: BucketRows,
  rollUp: RollUp,
  time: LocalTime,
): Prices {
  const { store, settings } = parts;
  const defaultUcPerKwh = Math.round(settings.defaultPriceCents * UC_PER_CENT);
  return new Prices({ store, rows: new PriceRows(store), buckets, rollUp, time, defaultUcPerKwh });
}
