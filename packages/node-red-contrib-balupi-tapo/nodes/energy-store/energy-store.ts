import type { Node, NodeAPI, NodeDef } from 'node-red';
import type { Log } from '../../../../nodes/lib/log/log.ts';
import type { Store } from '../../../../nodes/lib/store/store.ts';
import type { Cancel, Clock } from '../../../../nodes/lib/time/clock.ts';
import { SystemClock } from '../../../../nodes/lib/time/system-clock.ts';
import type { EnergySettings } from '../../lib/energy/energy-parts.ts';
import { Energy } from '../../lib/energy/energy.ts';
import { CodedError, logOf, openNodeStore } from '../../lib/node-store.ts';
import { readTold, Sources } from '../../lib/sources/sources.ts';

interface EnergyStoreConfig extends NodeDef {
  /** Seconds between two readings of one source. */
  readonly interval: string | number;
  /** Cents of a kWh. */
  readonly price: string | number;
  /** IANA name; empty for this machine's. */
  readonly timeZone: string;
  readonly rawDays: string | number;
  readonly hourDays: string | number;
}

/** The config node as the energy nodes take it. */
export interface EnergyStoreNode extends Node {
  readonly energy: Energy;
  /**
   * Takes `{id, watts, wh}`, or a list of them, as of now.
   * @throws CodedError `bad_reading` or `too_many`
   */
  readonly record: (payload: unknown) => void;
}

/** A wall clock before this was never set, and cannot place anything in time. */
const NOT_SET_MS = Date.parse('2025-01-01T00:00:00Z');
const COMMIT_S = 60;
/** Old data is deleted one slice at a time. */
const PRUNE_EVERY_MS = 60_000;

function number(value: string | number, usual: number, least: number): number {
  const given = Number(value);
  return value === '' || !Number.isFinite(given) || given < least ? usual : given;
}

/** An unknown time zone is logged once and replaced by this machine's. */
function timeZoneOf({ timeZone }: EnergyStoreConfig, log: Log): string {
  const wanted = timeZone.trim();
  const own = new Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (wanted === '') return own;
  try {
    return new Intl.DateTimeFormat('en', { timeZone: wanted }).resolvedOptions().timeZone;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    log.warn(`There is no time zone "${wanted}"; ${own} is used.`);
    return own;
  }
}

function settingsOf(config: EnergyStoreConfig, log: Log): EnergySettings {
  return {
    timeZone: timeZoneOf(config, log),
    sampleIntervalSeconds: number(config.interval, 30, 1),
    rawRetentionDays: number(config.rawDays, 7, 1),
    hourlyRetentionDays: number(config.hourDays, 365, 1),
    defaultPriceCents: number(config.price, 32, 0),
    commitSeconds: COMMIT_S,
    nasPowerThresholdWatts: 30,
    co2GPerKwh: null,
  };
}

/** The energies of one config node for as long as it lives. */
class RunningStore {
  readonly energy: Energy;
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #sources: Sources;
  #cancel: Cancel;

  constructor(store: Store, clock: Clock, log: Log, settings: EnergySettings) {
    this.#store = store;
    this.#clock = clock;
    const sources = new Sources(store, clock, settings.sampleIntervalSeconds);
    this.#sources = sources;
    const isSet = (): boolean => clock.nowMs() >= NOT_SET_MS;
    this.energy = new Energy({
      ...{ store, clock, log, settings, history: null },
      devices: { list: () => sources.list(), forgotten: () => [] },
      seen: { flush: () => () => undefined },
      isClockTrusted: isSet,
      isClockProved: isSet,
    });
    this.energy.start();
    this.#cancel = this.#pruneLater();
  }

  /** @throws CodedError */
  record(payload: unknown, tooMany: () => string): void {
    const outcome = readTold(payload);
    if (outcome.kind === 'wrong') throw new CodedError('bad_reading', outcome.problem);
    const readings = this.#sources.readings(outcome.told);
    if (readings === null) throw new CodedError('too_many', tooMany());
    this.energy.record(readings);
  }

  #pruneLater(): Cancel {
    return this.#clock.after(PRUNE_EVERY_MS, () => {
      this.#cancel = this.#pruneLater();
      this.energy.prune();
    });
  }

  async stop(): Promise<void> {
    this.#cancel();
    try {
      await this.energy.stop();
    } finally {
      this.#store.close();
    }
  }
}

/** Config node `balupi-energy-store`. */
export default function register(RED: NodeAPI): void {
  function EnergyStore(this: EnergyStoreNode, config: EnergyStoreConfig): void {
    RED.nodes.createNode(this, config);
    const clock = new SystemClock((error) => {
      this.error(error);
    });
    const log = logOf(this);
    const store = openNodeStore(RED.settings, this.id, 'energy');
    const running = new RunningStore(store, clock, log, settingsOf(config, log));
    Object.assign(this, {
      energy: running.energy,
      record: (payload: unknown) => {
        running.record(payload, () => RED._('energy-store.error.too_many'));
      },
    });
    this.on('close', (done: () => void) => {
      running.stop().then(done, (error: unknown) => {
        this.error(error);
        done();
      });
    });
  }
  RED.nodes.registerType('balupi-energy-store', EnergyStore as never);
}
