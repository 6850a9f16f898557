import type { PlugAnswer, PlugRequest } from './plug-protocol.ts';
import type { PlugFailure, PlugHour, PlugHoursOutcome, PlugInfo, PlugReading } from './plug.ts';
import {
  asAmount,
  asIdentifier,
  asMac,
  asRecord,
  asSigned,
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
export const POWER = 'get_current_power';
export const EMETER = 'get_emeter_data';
export const HISTORY = 'get_energy_data';

export const INFO_REQUEST: PlugRequest = { method: INFO };

/** Several questions in one round trip. A plug stops at the first that it refuses. */
export function batchRequest(methods: readonly string[]): PlugRequest {
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

/** What was answered, by method; null for a method that was refused. */
export type PlugResults = ReadonlyMap<string, WireRecord | null>;

/** The answers of a batch, in order, up to the first that was refused; empty when it is no batch. */
export function readBatch(answer: PlugAnswer, methods: readonly string[]): PlugResults {
  const results = new Map<string, WireRecord | null>();
  const responses = asRecord(answer.result)?.['responses'];
  if (!Array.isArray(responses)) return results;
  for (const entry of responses.slice(0, methods.length)) {
    const response = asRecord(entry);
    const method = response?.['method'];
    if (typeof method !== 'string' || !methods.includes(method)) continue;
    results.set(method, response?.['error_code'] === 0 ? asRecord(response['result']) : null);
  }
  return results;
}

/**
 * The power in mW that a plug told by any of its methods, below 0 where a solar inverter feeds in
 * through it; null when none makes sense.
 */
export function powerOf(results: PlugResults): number | null {
  const watts = asSigned(results.get(POWER)?.['current_power'], MAX_POWER_MW / 1_000);
  const powerMw =
    asSigned(results.get(USAGE)?.['current_power'], MAX_POWER_MW) ??
    asSigned(results.get(EMETER)?.['power_mw'], MAX_POWER_MW) ??
    (watts === null ? null : watts * 1_000);
  return powerMw === null ? null : Math.round(powerMw);
}

/** Everything that makes sense of what was answered; the rest is unknown. */
export function readingOf(results: PlugResults, info: PlugInfo): PlugReading {
  const usage = results.get(USAGE);
  const emeter = results.get(EMETER);
  const isOn = results.get(INFO)?.['device_on'];
  const localTime = asLocalTime(usage?.['local_time']);
  return {
    powerMw: powerOf(results),
    voltageMv: asAmount(emeter?.['voltage_mv'], MAX_VOLTAGE_MV),
    currentMa: asAmount(emeter?.['current_ma'], MAX_CURRENT_MA),
    todayEnergyWh: counter(usage?.['today_energy']),
    monthEnergyWh: counter(usage?.['month_energy']),
    isOn: typeof isOn === 'boolean' ? isOn : null,
    ...(localTime === null ? {} : { deviceLocalTime: localTime }),
    info,
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

function counter(value: unknown): number | null {
  const energyWh = asAmount(value, MAX_ENERGY_WH);
  return energyWh === null ? null : Math.floor(energyWh);
}

function asLocalTime(value: unknown): string | null {
  return typeof value === 'string' && /^\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}$/.test(value)
    ? value
    : null;
}

function bad(detail: string): PlugFailure {
  return { kind: 'bad_answer', detail };
}
