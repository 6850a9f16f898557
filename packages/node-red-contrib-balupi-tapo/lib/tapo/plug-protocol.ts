import type { PlugHttp, PlugHttpOutcome } from './plug-http.ts';
import type {
  PlugCredentials,
  PlugFailure,
  PlugHour,
  PlugHoursOutcome,
  PlugInfo,
  PlugReading,
} from './plug.ts';

/** A method call as the plug takes it inside whatever envelope its protocol has. */
export interface PlugRequest {
  readonly method: string;
  readonly params?: Readonly<Record<string, unknown>>;
}

/** The inner answer: `error_code` 0 is success. */
export interface PlugAnswer {
  readonly kind: 'answer';
  readonly errorCode: number;
  readonly result: unknown;
}

export type SendOutcome =
  | PlugAnswer
  /** It does not know our session any more: expired, restarted, or another client logged in. */
  | { readonly kind: 'session_gone' }
  | PlugFailure;

/** A logged-in session. Not to be used by two calls at once. */
export interface PlugChannel {
  /** How long to use it before logging in again. */
  readonly lifetimeMs: number;
  send(request: PlugRequest, signal: AbortSignal): Promise<SendOutcome>;
}

/** Why there is no session; `not_spoken`: something answers, but in another protocol. */
export type LoginRefusal = { readonly kind: 'not_spoken' } | PlugFailure;

export type LoginOutcome =
  | { readonly kind: 'channel'; readonly channel: PlugChannel }
  | LoginRefusal;

/** Logs in by KLAP, where the plug proves first that it knows the account. */
export type KlapLogin = (
  endpoint: PlugEndpoint,
  credentials: PlugCredentials,
  signal: AbortSignal,
) => Promise<LoginOutcome>;

/** @param level `lv` of the discovery answer */
export type AesLogin = (
  endpoint: PlugEndpoint,
  credentials: PlugCredentials,
  level: number,
  signal: AbortSignal,
) => Promise<LoginOutcome>;

/** What a protocol needs of the plug and its surroundings. */
export interface PlugEndpoint {
  readonly host: string;
  readonly port: number;
  readonly http: PlugHttp;
  /** Default: plain HTTP. With TLS any certificate is taken: the login says who answers. */
  readonly isTls?: boolean;
  /** Cryptographically strong bytes. */
  readonly randomBytes: (size: number) => Buffer;
}

/** `error_code`s with a meaning of their own (docs/adr/0008). */
export const ERROR_CODE = {
  ok: 0,
  protocolNotSpoken: 1003,
  sessionTimeout: 9999,
  wrongCredentials: -1501,
} as const;

const DEFAULT_TIMEOUT_SECONDS = 86_400;
/** python-kasa logs in again this long before the plug would forget the session. */
const RENEW_BEFORE_SECONDS = 1_200;

export interface SessionCookie {
  /** As to be sent back, `TP_SESSIONID=…`. */
  readonly header: string;
  readonly lifetimeMs: number;
}

/** Finds `TP_SESSIONID=…;TIMEOUT=<s>` among `Set-Cookie` lines; null when there is none. */
export function readSessionCookie(lines: readonly string[]): SessionCookie | null {
  for (const line of lines) {
    const id = /TP_SESSIONID=([0-9A-Za-z+/=_-]{1,256})/.exec(line)?.[1];
    if (id === undefined) continue;
    const told = Number(/TIMEOUT=(\d{1,8})/.exec(line)?.[1] ?? DEFAULT_TIMEOUT_SECONDS);
    const early = Math.max(told - RENEW_BEFORE_SECONDS, told / 2);
    return { header: `TP_SESSIONID=${id}`, lifetimeMs: Math.floor(early * 1_000) };
  }
  return null;
}

/** The inner JSON `{error_code, result}`; null for anything else. */
export function readAnswer(bytes: Uint8Array): PlugAnswer | null {
  const record = parseRecord(bytes);
  const errorCode = record?.['error_code'];
  if (record === null || typeof errorCode !== 'number') return null;
  return { kind: 'answer', errorCode, result: asRecord(record['result']) ?? {} };
}

export function badAnswer(detail: string): PlugFailure {
  return { kind: 'bad_answer', detail };
}

/** What a status other than 200 means before there is a session. */
export function loginRefusal(answer: PlugHttpOutcome & { kind: 'answer' }): LoginRefusal {
  if (answer.status === 403) {
    return { kind: 'third_party_off', detail: 'The plug refuses third-party clients (403).' };
  }
  if (answer.status === 429) return tooMany();
  if (answer.status >= 400 && answer.status < 500) return { kind: 'not_spoken' };
  return badAnswer(`The plug answered the handshake with status ${answer.status}.`);
}

/** What a status other than 200 means within a session. */
export function requestRefusal(answer: PlugHttpOutcome & { kind: 'answer' }): SendOutcome {
  if (answer.status === 401 || answer.status === 403) return { kind: 'session_gone' };
  if (answer.status === 429) return tooMany();
  return badAnswer(`The plug answered a request with status ${answer.status}.`);
}

function tooMany(): PlugFailure {
  return {
    kind: 'bad_answer',
    cause: 'rate_limited',
    detail: 'The plug is asked too often (429).',
  };
}

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

/** Several questions in one round trip. A plug stops at the first one it refuses. */
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

/** The answers by method; null for a method that was refused. */
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

/** Reads values out of JSON that a stranger wrote. Nothing here throws. */

export type WireRecord = Readonly<Record<string, unknown>>;

const LONGEST_TEXT = 64;
/** Control, format (bidirectional overrides), private and unassigned characters, line separators. */
const UNSHOWABLE = /[\p{C}\p{Zl}\p{Zp}]/gu;

/** The object in `bytes`, or null when they are not JSON or not an object. */
export function parseRecord(bytes: Uint8Array): WireRecord | null {
  try {
    return asRecord(JSON.parse(Buffer.from(bytes).toString('utf8')));
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

export function asRecord(value: unknown): WireRecord | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as WireRecord)
    : null;
}

/** `value` made safe for display: control characters out, cut to 64 characters or `most`. */
export function cleanText(value: unknown, most = LONGEST_TEXT): string {
  if (typeof value !== 'string') return '';
  // Cut before the clean-up too, so that megabytes of text cost nothing.
  const shown = value.slice(0, 1_024).replace(UNSHOWABLE, '').trim();
  return [...shown].slice(0, most).join('').trim();
}

/** Decodes the base64 that plugs wrap names in (seen in every recorded `get_device_info`). */
function decodeName(value: unknown): string {
  if (typeof value !== 'string') return '';
  return cleanText(Buffer.from(value.slice(0, 1_024), 'base64').toString('utf8'));
}

/** `AA:BB:CC:DD:EE:FF`, or null when it is no MAC address. Plugs write it with dashes. */
export function asMac(value: unknown): string | null {
  if (typeof value !== 'string' || !/^[0-9a-f]{2}([-:][0-9a-f]{2}){5}$/i.test(value)) return null;
  return value.toUpperCase().replaceAll('-', ':');
}

/** An identifier such as `device_id`: 8 to 64 letters, digits, dashes. */
export function asIdentifier(value: unknown): string | null {
  return typeof value === 'string' && /^[0-9A-Za-z_-]{8,64}$/.test(value) ? value : null;
}

/** A finite number from `-most` to `most`, or null. */
function asSigned(value: unknown, most: number): number | null {
  return typeof value === 'number' && Math.abs(value) <= most ? value : null;
}

/** A finite number from 0 to `max`, or null. */
function asAmount(value: unknown, max: number): number | null {
  return typeof value === 'number' && value >= 0 && value <= max ? value : null;
}
