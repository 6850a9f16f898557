import type { PlugAnswer, PlugRequest } from './plug-protocol.ts';
import type { PlugFailure, PlugHour, PlugHoursOutcome, PlugInfo, PlugReading } from './plug.ts';
import {
  asAmount,
  asIdentifier,
  asMac,
  asRecord,
  cleanText,
  decodeName,
  type WireRecord,
} from './wire-values.ts';

/** Recorded plugs allow 1,644 to 3,904 W (`get_max_power`). */
const MAX_POWER_MW = 4_000_000;
const MAX_VOLTAGE_MV = 300_000;
const MAX_CURRENT_MA = 20_000;
/** A month of 4 kW is 2,976,000 Wh. */
const MAX_ENERGY_WH = 3_000_000;
/** An hour at the most a plug carries, with some air. */
const MAX_HOUR_WH = 4_400;

export const INFO = 'get_device_info';
export const USAGE = 'get_energy_usage';
export const EMETER = 'get_emeter_data';
export const HISTORY = 'get_energy_data';

export const INFO_REQUEST: PlugRequest = { method: INFO };

/**
 * Everything a sample needs in one round trip. A plug stops at the first method that fails, so
 * the one that many firmwares do not know comes last.
 */
export function readRequest(withEmeter: boolean): PlugRequest {
  const methods = withEmeter ? [INFO, USAGE, EMETER] : [INFO, USAGE];
  return {
    method: 'multipleRequest',
    params: { requests: methods.map((method) => ({ method })) },
  };
}

/** Opens or closes the relay. */
export function relayRequest(on: boolean): PlugRequest {
  return { method: 'set_device_info', params: { device_on: on } };
}

/** One hour, the finest history a plug keeps. */
const HISTORY_MINUTES = 60;
const HOUR_S = 3_600;
/** Eight days, the most a plug tells at once. */
const MOST_HOURS = 8 * 24;

/** Asks for the plug's own hours, by epoch seconds. */
export function hoursRequest(fromS: number, toS: number): PlugRequest {
  return {
    method: HISTORY,
    params: { start_timestamp: fromS, end_timestamp: toS, interval: HISTORY_MINUTES },
  };
}

/** Reads the answer to {@link hoursRequest}: Wh per hour from its own `start_timestamp` on. */
export function parseHours(answer: PlugAnswer, fromS: number, toS: number): PlugHoursOutcome {
  // Firmware that does not know the method says so by an error; which one differs.
  if (answer.errorCode !== 0) return { kind: 'not_offered' };
  const result = asRecord(answer.result);
  const data = result?.['data'];
  const startS = result?.['start_timestamp'] ?? fromS;
  const isHourly = (result?.['interval'] ?? HISTORY_MINUTES) === HISTORY_MINUTES;
  if (!isHourly || !Array.isArray(data) || !Number.isSafeInteger(startS)) {
    return bad('The plug told a history nobody can read.');
  }
  const hours: PlugHour[] = [];
  for (const [index, value] of data.slice(0, MOST_HOURS).entries()) {
    const energyWh = asAmount(value, MAX_HOUR_WH);
    if (energyWh === null) return bad('The plug told an impossible energy in its history.');
    hours.push({ startS: (startS as number) + index * HOUR_S, energyWh: Math.floor(energyWh) });
  }
  return {
    kind: 'hours',
    hours: hours.filter((hour) => hour.startS >= fromS && hour.startS < toS),
  };
}

export type ReadingOutcome =
  | {
      readonly kind: 'reading';
      readonly reading: PlugReading;
      /** False when the plug was asked for volts and amperes and does not know the method. */
      readonly hasEmeter: boolean;
    }
  | PlugFailure;

/** Reads the answer to {@link readRequest}; a value that no plug can have spoils all of it. */
export function parseReading(answer: PlugAnswer): ReadingOutcome {
  const batch = readBatch(answer);
  const info = parseInfo(batch.get(INFO));
  if (info === null) return bad(`The plug did not say who it is (error ${answer.errorCode}).`);
  const isOn = batch.get(INFO)?.['device_on'];
  if (typeof isOn !== 'boolean') return bad('The device has no relay of its own (a power strip?).');
  const usage = batch.get(USAGE);
  if (usage === undefined) return bad('The plug did not tell its power.');
  const powerMw = asAmount(usage['current_power'], MAX_POWER_MW);
  if (powerMw === null) return bad('The plug told a power outside 0 to 4000 W.');
  const today = counter(usage['today_energy']);
  const month = counter(usage['month_energy']);
  if (today === 'absurd' || month === 'absurd') return bad('The plug told an impossible energy.');
  const emeter = batch.get(EMETER);
  const localTime = asLocalTime(usage['local_time']);
  return {
    kind: 'reading',
    hasEmeter: emeter !== undefined,
    reading: {
      powerMw: Math.round(powerMw),
      voltageMv: asAmount(emeter?.['voltage_mv'], MAX_VOLTAGE_MV),
      currentMa: asAmount(emeter?.['current_ma'], MAX_CURRENT_MA),
      todayEnergyWh: today,
      monthEnergyWh: month,
      isOn,
      ...(localTime === null ? {} : { deviceLocalTime: localTime }),
      info,
    },
  };
}

/** The result of `get_device_info`; null without an id or a MAC address. */
export function parseInfo(result: unknown): PlugInfo | null {
  const info = asRecord(result);
  const deviceId = asIdentifier(info?.['device_id']);
  const mac = asMac(info?.['mac']);
  if (info === null || deviceId === null || mac === null) return null;
  return {
    deviceId,
    mac,
    nickname: decodeName(info['nickname']),
    model: cleanText(info['model']),
    firmware: cleanText(info['fw_ver']),
  };
}

/** The successful results of a batch by method. */
function readBatch(answer: PlugAnswer): ReadonlyMap<string, WireRecord> {
  const results = new Map<string, WireRecord>();
  const responses = asRecord(answer.result)?.['responses'];
  if (!Array.isArray(responses)) return results;
  for (const entry of responses.slice(0, 16)) {
    const response = asRecord(entry);
    const method = response?.['method'];
    const result = asRecord(response?.['result']);
    if (typeof method !== 'string' || result === null || response?.['error_code'] !== 0) continue;
    results.set(method, result);
  }
  return results;
}

/** A counter a firmware does not have is unknown; one that is there must make sense. */
function counter(value: unknown): number | null | 'absurd' {
  if (value === undefined || value === null) return null;
  const energyWh = asAmount(value, MAX_ENERGY_WH);
  return energyWh === null ? 'absurd' : Math.floor(energyWh);
}

function asLocalTime(value: unknown): string | null {
  return typeof value === 'string' && /^\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}$/.test(value)
    ? value
    : null;
}

function bad(detail: string): PlugFailure {
  return { kind: 'bad_answer', detail };
}
