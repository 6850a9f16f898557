/** What the energy module needs to know of the plugs; the tapo module's list fits it. */
export interface EnergyDevices {
  list(): readonly EnergyDevice[];
  /** Forgotten plugs that have a history. */
  forgotten(): readonly EnergyDevice[];
}

/** The plugs' states, written along with their samples: one commit spares the card. */
export interface SeenPlugs {
  /**
   * Writes within the caller's transaction.
   * @param isFull also when each was seen last, not only what changed of its state
   * @returns to be called once the transaction is through
   */
  flush(isFull: boolean): () => void;
}

export interface EnergyDevice {
  /** Stable text id, as the API shows it. */
  readonly id: string;
  /** Stable small number from 1 up, as the tables keep it. */
  readonly number: number;
  readonly name: string;
  readonly role: 'nas' | 'monitor' | 'generic';
  readonly addedAtMs: number;
  readonly isOnline: boolean;
}

/** The readings of a plug, placed by the monotonic clock of this process. */
export interface Reading {
  readonly deviceNumber: number;
  /** `Clock.monotonicMs()` at the middle of the poll. */
  readonly monotonicMs: number;
  /**
   * Below 0 where the connected device feeds in. Null where the plug did not report it: then this
   * reading meters nothing.
   */
  readonly powerMw: number | null;
  readonly voltageMv: number | null;
  readonly currentMa: number | null;
  /** The plug's counters in whole Wh since its local midnight and since its month began. */
  readonly todayWh: number | null;
  readonly monthWh: number | null;
  readonly relay: 'on' | 'off' | null;
  /** The plug's own `YYYY-MM-DD HH:MM:SS`; counters of a plug with a wrong clock are left out. */
  readonly plugLocalTime?: string;
}

/** A reading placed on the wall clock, in the whole numbers that are stored. */
export interface Sample {
  readonly deviceNumber: number;
  /** Epoch seconds. */
  readonly atS: number;
  /** Below 0 where what is plugged in feeds in. */
  readonly powerMw: number;
  readonly voltageMv: number | null;
  readonly currentMa: number | null;
  readonly todayWh: number | null;
  readonly monthWh: number | null;
  readonly relay: 'on' | 'off';
}

/** One hour of a plug's own history (`get_energy_data`, interval 60 min). */
export interface HistoryHour {
  readonly startS: number;
  readonly energyWh: number;
}

/** Asks a plug for its own hourly history, from a local midnight on; null when it offers none. */
export interface HourlyHistory {
  hours(
    deviceNumber: number,
    fromMs: number,
    toMs: number,
    signal: AbortSignal,
  ): Promise<readonly HistoryHour[] | null>;
}

/** Recorded EU plugs allow at most 3,904 W, so anything above is no measurement. */
export const MAX_POWER_MW = 4_000_000;
/** Mains voltage and current that no plug of this kind can have. */
const MAX_VOLTAGE_MV = 400_000;
const MAX_CURRENT_MA = 20_000;
/** A month at full load is under 3 MWh. */
const MAX_COUNTER_WH = 10_000_000;

/**
 * A reading as whole numbers; null when its time is unknown. An implausible value becomes unknown;
 * the others still count.
 */
export function checkedReading(reading: Reading): Reading | null {
  const { plugLocalTime } = reading;
  if (!Number.isFinite(reading.monotonicMs)) return null;
  return {
    deviceNumber: reading.deviceNumber,
    monotonicMs: reading.monotonicMs,
    powerMw: whole(reading.powerMw, MAX_POWER_MW, -MAX_POWER_MW),
    voltageMv: whole(reading.voltageMv, MAX_VOLTAGE_MV),
    currentMa: whole(reading.currentMa, MAX_CURRENT_MA),
    todayWh: whole(reading.todayWh, MAX_COUNTER_WH),
    monthWh: whole(reading.monthWh, MAX_COUNTER_WH),
    relay: reading.relay,
    ...(plugLocalTime === undefined ? {} : { plugLocalTime }),
  };
}

/** Puts a checked reading at its wall-clock second; null for one without a power. */
export function sampleAt(reading: Reading, atMs: number): Sample | null {
  const { deviceNumber, powerMw, voltageMv, currentMa, todayWh, monthWh } = reading;
  if (powerMw === null) return null;
  const atS = Math.round(atMs / 1_000);
  // An unknown relay state counts as closed if power flows.
  const relay = reading.relay ?? (powerMw === 0 ? 'off' : 'on');
  return { deviceNumber, atS, powerMw, voltageMv, currentMa, todayWh, monthWh, relay };
}

function whole(value: number | null, max: number, least = 0): number | null {
  if (value === null || !Number.isFinite(value) || value < least || value > max) return null;
  return Math.round(value);
}
