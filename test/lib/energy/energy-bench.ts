import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Energy } from '../../../packages/node-red-contrib-balupi-tapo/lib/energy/energy.ts';
import { ENERGY_MIGRATIONS } from '../../../nodes/lib/store/databases.ts';
import { Store } from '../../../nodes/lib/store/store.ts';
import { LocalTime } from '../../../nodes/lib/time/zoned-time.ts';
import type { EnergySettings } from '../../../packages/node-red-contrib-balupi-tapo/lib/energy/energy-parts.ts';
import type {
  EnergyDevices,
  HourlyHistory,
} from '../../../packages/node-red-contrib-balupi-tapo/lib/energy/sample.ts';
import { KeptLog } from '../../fakes/kept-log.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { devicesOf, generator, type SimulatedPlug } from './simulated-plug.ts';

export interface Weather {
  readonly seed?: number;
  /** Share of polls without an answer. */
  readonly loss?: number;
  readonly intervalS?: number;
  readonly jitterS?: number;
  /** Spans [fromS, toS) without any poll. */
  readonly outages?: readonly (readonly [number, number])[];
}

/** The energy module over a real file, with a clock that only moves when told. */
export class Bench {
  readonly folder = mkdtempSync(join(tmpdir(), 'balupi-energy-'));
  time: LocalTime;
  settings: EnergySettings;
  readonly log = new KeptLog();
  readonly warnings: readonly string[] = this.log.problems;
  devices: EnergyDevices = devicesOf(1, 2, 3);
  history: HourlyHistory | null = null;
  isTrusted = true;
  /** Only for tests that keep the clock running: samples ahead of a proved clock are dropped. */
  isClockProved = false;
  /** On trial, readings are set aside. */
  isOnTrial = false;
  clock: ManualClock;
  store: Store;
  energy: Energy;

  constructor(startS: number, settings: Partial<EnergySettings> = {}) {
    this.settings = {
      timeZone: 'Europe/Berlin',
      sampleIntervalSeconds: 30,
      rawRetentionDays: 7,
      hourlyRetentionDays: 365,
      defaultPriceCents: 32,
      commitSeconds: 60,
      nasPowerThresholdWatts: 30,
      co2GPerKwh: null,
      ...settings,
    };
    this.time = new LocalTime(this.settings.timeZone);
    this.clock = new ManualClock(startS * 1_000);
    this.store = this.#open();
    this.energy = this.#energy();
    this.energy.start();
  }

  get nowS(): number {
    return this.clock.nowMs() / 1_000;
  }

  /** Kills the process without any further write. The next one starts at `atS`. */
  crash(atS: number): void {
    this.store.close();
    this.clock = new ManualClock(atS * 1_000);
    this.store = this.#open();
    this.energy = this.#energy();
    this.energy.start();
  }

  /** Prunes all that is due, with the time proved. */
  prune(): void {
    this.isClockProved = true;
    while (this.energy.prune());
    this.isClockProved = false;
  }

  /** Stops in order, and starts with another BALUPI_TIMEZONE. */
  async restartIn(timeZone: string, atS: number): Promise<void> {
    await this.energy.stop();
    this.settings = { ...this.settings, timeZone };
    this.time = new LocalTime(timeZone);
    this.crash(atS);
  }

  async restart(atS: number): Promise<void> {
    await this.energy.stop();
    this.crash(atS);
  }

  /** Polls the plugs up to a true time, and asks for a commit about every minute. */
  run(
    plugs: readonly Pick<SimulatedPlug, 'read'>[],
    fromS: number,
    toS: number,
    weather: Weather = {},
  ): void {
    const random = generator(weather.seed ?? 1);
    const step = weather.intervalS ?? 30;
    for (let gridS = fromS, count = 0; gridS < toS; gridS += step, count += 1) {
      if (weather.outages?.some(([from, to]) => gridS >= from && gridS < to) === true) continue;
      const readings = plugs.flatMap((plug) => {
        if (random() < (weather.loss ?? 0)) return [];
        const atS = gridS + (weather.jitterS ?? 0) * (random() * 2 - 1);
        return [plug.read(atS, this.#monotonicAt(atS))];
      });
      this.energy.record(readings);
      if (count % 2 === 1) this.energy.rollUp();
    }
  }

  /** Advances the clock and fires what the module scheduled. */
  async moveTo(atS: number): Promise<void> {
    await this.clock.advance(Math.max(0, atS * 1_000 - this.clock.nowMs()));
  }

  rows(table: string): string {
    return JSON.stringify(this.store.prepare(`SELECT * FROM ${table}`).all());
  }

  sum(sql: string, ...values: (number | string)[]): number {
    return Number(Object.values(this.store.prepare(sql).get(...values) ?? {})[0] ?? 0);
  }

  /** Wh of one plug on a local day, both stored and in memory. */
  dayWh(number: number, atS: number): number {
    const outcome = this.energy.histories.history({
      deviceId: `plug-${number}`,
      from: this.time.dayStart(atS) * 1_000,
      to: this.time.nextDayStart(atS) * 1_000,
      resolution: 'day',
    });
    if (outcome.kind !== 'history') throw new Error(outcome.kind);
    return outcome.points.reduce((sum, point) => sum + point.energyMwh, 0) / 1_000;
  }

  close(): void {
    this.store.close();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** True time and this clock's wall time agree at its creation, and run at the same rate. */
  #monotonicAt(atS: number): number {
    return atS * 1_000 - this.#bornMs();
  }

  #bornMs(): number {
    return this.clock.nowMs() - this.clock.monotonicMs() - this.stepMs;
  }

  /** By how much the wall clock was stepped away from the true time. */
  stepMs = 0;

  #open(): Store {
    const file = join(this.folder, 'energy.db');
    return Store.open({
      file,
      name: 'energy',
      synchronous: 'NORMAL',
      migrations: ENERGY_MIGRATIONS,
    });
  }

  #energy(): Energy {
    return new Energy({
      store: this.store,
      clock: this.clock,
      settings: this.settings,
      devices: { list: () => this.devices.list(), forgotten: () => [] },
      seen: { flush: () => () => undefined },
      log: this.log,
      isClockTrusted: () => this.isTrusted,
      isClockProved: () => this.isClockProved,
      history: this.history,
      trial: { isOn: () => this.isOnTrial, file: join(this.folder, 'readings-aside.jsonl') },
    });
  }
}
