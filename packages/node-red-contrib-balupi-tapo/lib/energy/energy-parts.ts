import type { Log } from '../../../../nodes/lib/log/log.ts';
import type { Store } from '../../../../nodes/lib/store/store.ts';
import type { Clock } from '../../../../nodes/lib/time/clock.ts';
import { LocalTime } from '../../../../nodes/lib/time/zoned-time.ts';
import { BucketRows } from './bucket-rows.ts';
import { CorrectionRows, SuccessorRows } from './correction-rows.ts';
import { type Aside, Corrections } from './corrections.ts';
import { Histories } from './history.ts';
import { Overlay } from './hour-slots.ts';
import { Latest } from './latest.ts';
import { Metering } from './metering.ts';
import { NasHourRows } from './nas-hour-rows.ts';
import { type NasBorders, nasBorders } from './nas-watts.ts';
import { PriceRows } from './price-rows.ts';
import { Prices } from './prices.ts';
import { Pruning } from './pruning.ts';
import { Reports } from './report.ts';
import { RollUp } from './roll-up.ts';
import { CalendarRows, SampleRows } from './sample-rows.ts';
import type { EnergyDevices, HourlyHistory, SeenPlugs } from './sample.ts';
import { Succession } from './succession.ts';
import type { Tariffs } from './tariff.ts';
import { UnusualWatch } from './unusual.ts';

export interface EnergySettings {
  readonly timeZone: string;
  readonly sampleIntervalSeconds: number;
  readonly rawRetentionDays: number;
  readonly hourlyRetentionDays: number;
  readonly defaultPriceCents: number;
  readonly commitSeconds: number;
  readonly nasPowerThresholdWatts: number;
  /** Null where nobody set it. */
  readonly co2GPerKwh: number | null;
}

export interface EnergyDeps {
  /** The energy database. */
  readonly store: Store;
  readonly clock: Clock;
  readonly settings: EnergySettings;
  readonly devices: EnergyDevices;
  readonly seen: SeenPlugs;
  readonly log: Log;
  /** Whether the wall clock may be believed now; until then nothing is placed in time. */
  readonly isClockTrusted: () => boolean;
  /** Whether the time is proved twice, so that old data may be deleted for its age. */
  readonly isClockProved: () => boolean;
  /** Plugs that report their own hours after a gap; null without. */
  readonly history: HourlyHistory | null;
  /** For a run whose database may be given up; left out where none ever is. */
  readonly trial?: {
    readonly isOn: () => boolean;
    /** Where readings are set aside meanwhile. */
    readonly file: string;
  };
}

/** The parts of the module. */
export interface AssembledEnergy {
  readonly corrections: Corrections;
  readonly time: LocalTime;
  readonly nasHours: NasHourRows;
  readonly latest: Latest;
  readonly prices: Prices;
  readonly metering: Metering;
  readonly histories: Histories;
  readonly reports: Reports;
  readonly borders: NasBorders;
  readonly watch: UnusualWatch;
}

/** Two samples up to three intervals apart are joined by a line (docs/adr/0008). */
const JOINED_S = 95;

/**
 * @param nasNumber number of the plug with role `nas`
 * @param onWritten called after each commit
 */
export function assembleEnergy(
  deps: EnergyDeps,
  nasNumber: () => number | null,
  onWritten: () => void,
): AssembledEnergy {
  const { store, settings, devices } = deps;
  const sampleIntervalS = settings.sampleIntervalSeconds;
  const longestS = Math.max(JOINED_S, 3 * sampleIntervalS + 5);
  const borders = nasBorders(settings.nasPowerThresholdWatts);
  const time = new LocalTime(settings.timeZone);
  const samples = new SampleRows(store);
  const buckets = new BucketRows(store);
  const nasHours = new NasHourRows(store);
  const aside: Aside = (work) => metering.counters.aside(work);
  const past = assemblePast(store, { buckets, samples, time, aside }, () => prices.tariffs);
  const { rollUp, corrections } = past;
  const latest = new Latest(sampleIntervalS);
  const rows = new PriceRows(store);
  const nowS = (): number => metering.nowS();
  const priced = { store, rows, buckets, nasHours, rollUp, time, aside, nowS };
  const prices: Prices = new Prices({ ...priced, defaultCents: settings.defaultPriceCents });
  const retention = retentionOf(settings);
  const pruning = new Pruning({ samples, buckets, nasHours, time, retention });
  const shared = { ...past, time, samples, buckets, nasHours, pruning, prices, latest };
  const { commitSeconds, timeZone } = settings;
  const metering: Metering = new Metering({
    ...{ ...deps, ...shared, calendar: new CalendarRows(store), timeZone },
    ...{ longestS, borders, nasNumber, commitSeconds, onWritten },
  });
  const present = { view: () => metering.view(), nowS };
  const histories = new Histories({
    ...{ buckets, samples, devices, time, sampleIntervalS, longestS },
    ...present,
  });
  const asked = { histories, devices, buckets, prices, time, co2GPerKwh: settings.co2GPerKwh };
  const reports = new Reports({ ...asked, ...present });
  const watch = new UnusualWatch({ devices: () => devices.list(), time, ...present });
  const answering = { histories, reports, latest, watch };
  return { corrections, time, nasHours, prices, metering, borders, ...answering };
}

function retentionOf(settings: EnergyDeps['settings']): {
  readonly rawDays: number;
  readonly hourlyDays: number;
} {
  return { rawDays: settings.rawRetentionDays, hourlyDays: settings.hourlyRetentionDays };
}

interface PastDeps {
  readonly buckets: BucketRows;
  readonly samples: SampleRows;
  readonly time: LocalTime;
  readonly aside: Aside;
}

/** What writes the past, and what changes it afterwards. */
function assemblePast(store: Store, deps: PastDeps, tariffs: () => Tariffs) {
  const rows = new CorrectionRows(store);
  const overlay = new Overlay(rows, deps.time, tariffs);
  const rollUp = new RollUp(deps.buckets, deps.time, overlay);
  const corrections = new Corrections({ ...deps, store, rows, rollUp, overlay });
  const successors = { rows: new SuccessorRows(store), corrections: rows };
  const succession = new Succession({ ...deps, ...successors, rollUp });
  return { overlay, rollUp, corrections, succession };
}
