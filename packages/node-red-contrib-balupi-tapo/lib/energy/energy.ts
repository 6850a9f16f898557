import { Listeners } from '../../../../nodes/lib/log/log.ts';
import type { Clock } from '../../../../nodes/lib/time/clock.ts';
import type { LocalTime } from '../../../../nodes/lib/time/zoned-time.ts';
import type { BucketView } from './bucket-view.ts';
import type {
  CorrectionOutcome,
  Corrections,
  NamedCorrection,
  UndoOutcome,
} from './corrections.ts';
import { type Costs, costsOf, type CostsQuery } from './costs.ts';
import { assembleEnergy, type EnergyDeps } from './energy-parts.ts';
import type { Histories, QueryRefusal } from './history.ts';
import { type Current, type Latest, ReadingsAside } from './latest.ts';
import type { Metering } from './metering.ts';
import type { NasHourRows } from './nas-hour-rows.ts';
import { type NasBorders, type NasPowerState, NasWatts } from './nas-watts.ts';
import { momentS, type RangeQuery } from './periods.ts';
import type { Prices } from './prices.ts';
import type { Reports } from './report.ts';
import { checkedReading, type EnergyDevice, type EnergyDevices, type Reading } from './sample.ts';
import {
  type Dashboard,
  dashboardOf,
  type DeviceStandby,
  type HoursOf,
  hoursOf,
  householdSummary,
  type NasPlug,
  nasSummary,
  NO_NAS,
  standbyOfDevices,
  type StretchUse,
  type Summary,
  useInStretch,
} from './summary.ts';
import type { UnusualWatch } from './unusual.ts';

export type { Costs } from './costs.ts';
export type { Counted } from './counters.ts';
export type { Dashboard, PeriodStats } from './summary.ts';
export * from './energy-wire.ts';
export {
  homeAssistantFarewells,
  homeAssistantSensors,
  homeAssistantStates,
} from './home-assistant.ts';
export type { HistoryQuery, QueryRefusal } from './history.ts';
export type { CurrentDevice } from './latest.ts';
export type { CorrectionFault } from './corrections.ts';
export type { PriceOutcome } from './prices.ts';
export type { ReportRefusal } from './report.ts';
export type { PlugClock } from './recorder.ts';
export type { Price } from './tariff.ts';
export type { EnergyDevice } from './sample.ts';
export type { UnusualHour } from './unusual.ts';

/** A correction an admin wants. */
export interface RangeCorrection {
  readonly deviceId: string;
  /** Times or dates as text. */
  readonly from: string;
  readonly to: string;
  /** Null: nothing is known of it. */
  readonly energyWh: number | null;
  readonly why: string;
}

/** An admin corrected the past of a plug, or undid that. */
export interface CorrectionNews {
  readonly kind: 'correction';
  readonly isUndone: boolean;
  readonly correction: NamedCorrection;
  readonly by: string;
}

export interface CorrectionRefusal {
  readonly kind: 'unknown_device';
}

/** Meters the plugs around the clock and answers queries on use and cost. */
export class Energy {
  /** The past of a plug or of the household, in points; in pages without a limit on points for an export. */
  readonly histories: Histories;
  /** Any stretch of the past in bars and by plug, next to another one; in lines for an export. */
  readonly reports: Reports;
  readonly prices: Prices;
  /** Judges each plug's hours; listeners learn of unusual ones, and of their end. */
  readonly unusual: UnusualWatch;
  /** What each plug counted since it was first metered, as of a commit that is never undone. */
  readonly counters: Pick<Metering['counters'], 'of' | 'cost'>;
  /**
   * A plug's clock against ours, and history transfers; readings come by {@link record}.
   */
  readonly metering: Pick<Metering, 'judgePlugClock' | 'handOver'>;
  readonly #devices: EnergyDevices;
  readonly #metering: Metering;
  readonly #clock: Clock;
  readonly #time: LocalTime;
  readonly #nasHours: NasHourRows;
  readonly #latest: Latest;
  readonly #corrections: Corrections;
  readonly #nasWatts: NasWatts;
  readonly #borders: NasBorders;
  readonly #sampleIntervalS: number;
  readonly #isOnTrial: () => boolean;
  readonly #aside: ReadingsAside | null;
  readonly #corrected: Listeners<CorrectionNews>;
  /** Journaled readings are metered but not written yet. */
  #owesAside = false;
  readonly #present = { view: () => this.#metering.view(), nowS: () => this.#metering.nowS() };
  #nasNumber: number | null = null;

  constructor(deps: EnergyDeps) {
    const assembled = assembleEnergy(
      deps,
      () => this.#nas()?.number ?? null,
      () => {
        this.#forgetAside();
      },
    );
    this.#devices = deps.devices;
    this.#clock = deps.clock;
    this.#sampleIntervalS = deps.settings.sampleIntervalSeconds;
    this.#time = assembled.time;
    this.#nasHours = assembled.nasHours;
    this.#latest = assembled.latest;
    this.prices = assembled.prices;
    this.counters = assembled.metering.counters;
    this.metering = this.#metering = assembled.metering;
    this.#corrections = assembled.corrections;
    this.histories = assembled.histories;
    this.reports = assembled.reports;
    this.#borders = assembled.borders;
    this.#nasWatts = new NasWatts(assembled.borders);
    this.unusual = assembled.watch;
    this.#corrected = new Listeners(deps.log);
    const { trial } = deps;
    this.#isOnTrial = trial?.isOn ?? (() => false);
    this.#aside = trial === undefined ? null : new ReadingsAside(trial.file, deps.clock);
  }

  /**
   * Restores the meters, meters journaled readings, and begins to commit. On trial it does none of
   * that; it is called again once the trial is over.
   */
  start(): void {
    if (this.#isOnTrial()) return;
    this.#metering.start();
    const aside = this.#aside?.read() ?? [];
    this.#owesAside = this.#aside !== null;
    this.#metering.record(aside);
  }

  /**
   * Writes what is in memory.
   * @returns rejects with the database's error
   */
  // eslint-disable-next-line @typescript-eslint/require-await -- a throw becomes a rejection
  async stop(): Promise<void> {
    if (this.#isOnTrial()) return;
    this.#metering.stop();
  }

  /** Takes the answers of one round or one plug. A plug that did not answer is simply missing. */
  record(readings: readonly Reading[]): void {
    if (this.#isOnTrial()) this.#layAside(readings);
    else this.#metering.record(readings);
    const number = this.#nas()?.number;
    for (const given of readings) {
      const reading = given.deviceNumber === number ? checkedReading(given) : null;
      const powerMw = reading?.powerMw ?? null;
      if (powerMw !== null) this.#nasWatts.note(powerMw, given.monotonicMs);
    }
  }

  /**
   * Writes samples and all completed hours. Called automatically every ENERGY_COMMIT_SECONDS.
   * @throws the database's error; nothing is lost then
   */
  rollUp(): void {
    if (this.#isOnTrial()) return;
    this.#metering.rollUp();
  }

  /**
   * Deletes one slice of data past its retention. Nothing is deleted unless this is called.
   * @returns whether more is due
   */
  prune(): boolean {
    if (this.#isOnTrial()) return false;
    return this.#metering.prune();
  }

  /** Powers from memory, the energy of our own day from the buckets. */
  current(): Current {
    const view = this.#metering.view();
    return this.#latest.current(
      this.#devices.list(),
      this.#clock.monotonicMs(),
      (monotonicMs) => this.#metering.wallMs(monotonicMs),
      ({ deviceNumber }) => this.#energyTodayWh(view, deviceNumber),
    );
  }

  costs(query: CostsQuery): Costs | QueryRefusal {
    const parts = { histories: this.histories, prices: this.prices, time: this.#time };
    return costsOf({ ...parts, ...this.#present }, query);
  }

  summary(): Summary {
    const nowS = this.#metering.nowS();
    const nas = this.#nas();
    const [view, liveNasHours] = [this.#metering.view(), this.#metering.liveNasHours()];
    const parts = { view, nasHours: this.#nasHours, time: this.#time, nowS, liveNasHours };
    return {
      totalDevices: this.#devices.list().length,
      totalPowerW: this.current().totalPowerW,
      ...householdSummary(parts),
      nasState: this.nasState(),
      ...(nas === undefined ? NO_NAS : nasSummary(parts, this.#nasPlug(nas.number))),
    };
  }

  /**
   * One plug since the beginning of today, this week and this month; null for no such plug.
   * @param hours how many of the last ones
   */
  dashboard(deviceNumber: number, hours = 24): Dashboard | null {
    if (!this.#devices.list().some(({ number }) => number === deviceNumber)) return null;
    const [view, nowS] = [this.#metering.view(), this.#metering.nowS()];
    return dashboardOf(deviceNumber, view, nowS, this.#time, this.#sampleIntervalS, hours);
  }

  /**
   * Hour by hour what a stretch used and cost, up to now.
   * @param deviceNumber null for the household
   */
  hours(deviceNumber: number | null, query: RangeQuery): HoursOf | QueryRefusal {
    const [view, nowS] = [this.#metering.view(), this.#metering.nowS()];
    return hoursOf(deviceNumber, query, view, nowS, this.#time);
  }

  /** Always-on watts per plug and what a year of them costs. */
  standby(): DeviceStandby[] {
    const [view, nowS] = [this.#metering.view(), this.#metering.nowS()];
    return standbyOfDevices(this.#devices.list(), view, this.prices, nowS, this.#time);
  }

  /** Reports each correction and each undo. @returns how to unsubscribe */
  onCorrection(listener: (news: CorrectionNews) => void): () => void {
    return this.#corrected.listen(listener);
  }

  /** From the power of the plug with role `nas`; null without one, or without a fresh value. */
  nasState(): NasPowerState | null {
    const nas = this.#nas();
    if (nas === undefined) return null;
    if (!this.#latest.hasFreshPower(nas.number, this.#clock.monotonicMs())) {
      this.#nasWatts.forget();
    }
    return this.#nasWatts.state;
  }

  /** How long the NAS's plug has read under 2 W, ms; null when it does not, or is not read. */
  nasUnpoweredMs(): number | null {
    if (this.nasState() === null) return null;
    return this.#nasWatts.unpoweredMs(this.#clock.monotonicMs());
  }

  /**
   * What the NAS's plug measured between two times, epoch ms.
   * @returns null without such a plug, or where too little was measured
   */
  nasUse(fromMs: number, toMs: number): StretchUse | null {
    const deviceNumber = this.#nas()?.number;
    if (deviceNumber === undefined) return null;
    const [view, { tariffs }] = [this.#metering.view(), this.prices];
    const [fromS, toS] = [Math.floor(fromMs / 1_000), Math.ceil(toMs / 1_000)];
    return useInStretch({ deviceNumber, fromS, toS, view, tariffs });
  }

  /**
   * Corrects a range of one plug without changing what was metered.
   * @param by who made the correction
   */
  correct(query: RangeCorrection, by: string): CorrectionOutcome | CorrectionRefusal {
    const subject = this.histories.subject(query.deviceId);
    if (subject.kind !== 'subject') return subject;
    const fromS = momentS(query.from, this.#time);
    const toS = momentS(query.to, this.#time);
    // Energy that cannot have been metered is rejected.
    if (fromS === null || fromS < 0 || toS === null) {
      return { kind: 'invalid', fault: toS === null ? 'to' : 'from' };
    }
    const energyMwh = query.energyWh === null ? null : Math.round(query.energyWh * 1_000);
    const deviceNumber = subject.number;
    // Complete hours in memory must be in the database to be corrected.
    this.#metering.rollUp();
    const range = { deviceNumber, fromS, toS, energyMwh, why: query.why };
    const outcome = this.#corrections.correct(range, by, this.#metering.nowS());
    if (outcome.kind === 'corrected') this.#tellCorrected(outcome.id, by, false);
    return outcome;
  }

  /** All corrections, oldest first, including undone ones. */
  corrections(): NamedCorrection[] {
    const known = [...this.#devices.list(), ...this.#devices.forgotten()];
    const devices = new Map(known.map((device) => [device.number, device]));
    return this.#corrections.all().map((correction) => {
      const device = devices.get(correction.deviceNumber);
      return { ...correction, deviceId: device?.id ?? null, deviceName: device?.name ?? null };
    });
  }

  /** Takes a correction back; it stays in the list as undone. */
  undoCorrection(id: number, by: string): UndoOutcome {
    this.#metering.rollUp();
    const outcome = this.#corrections.undo(id, by, this.#metering.nowS());
    if (outcome.kind === 'undone') this.#tellCorrected(id, by, true);
    return outcome;
  }

  #tellCorrected(id: number, by: string, isUndone: boolean): void {
    const correction = this.corrections().find((one) => one.id === id);
    if (correction === undefined) return;
    this.#corrected.tell({ kind: 'correction', isUndone, correction, by });
  }

  /** What was metered of the current local day; null while nothing of it is known. */
  #energyTodayWh(view: BucketView, deviceNumber: number): number | null {
    const nowS = this.#metering.nowS();
    const [day] = view.days(deviceNumber, this.#time.dayStart(nowS), nowS + 1);
    return day === undefined ? null : day.energyMwh / 1_000;
  }

  /** Shown at once, but metered only by the version that is kept. */
  #layAside(readings: readonly Reading[]): void {
    const checked = readings.map(checkedReading).filter((reading) => reading !== null);
    for (const reading of checked) this.#latest.note(reading);
    this.#aside?.add(checked);
  }

  #nasPlug(number: number): NasPlug {
    const corrected = this.#corrections.active(number);
    return { number, borders: this.#borders, corrected };
  }

  #forgetAside(): void {
    if (!this.#owesAside) return;
    this.#owesAside = false;
    this.#aside?.clear();
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
