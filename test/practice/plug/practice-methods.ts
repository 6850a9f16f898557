import { asRecordOf } from './practice-wire.ts';
import type { PlugMeter } from './plug-meter.ts';
import type { PlugSampleSet } from './plug-samples.ts';
import type { LocalTime } from './local-time.ts';

type Json = Readonly<Record<string, unknown>>;

export interface PlugAnswerBody {
  readonly error_code: number;
  readonly result?: Json;
}

export interface PracticeIdentity {
  readonly deviceId: string;
  readonly discoveryId: string;
  /** `AA-BB-CC-DD-EE-FF`, as plugs write it. */
  readonly mac: string;
  readonly nickname: string;
  readonly firmware: string | null;
}

/** The plug's methods, on top of what a real one of its kind answered. */
export class PracticeMethods {
  readonly #sample: PlugSampleSet;
  readonly #identity: PracticeIdentity;
  readonly #meter: PlugMeter;
  readonly #local: LocalTime;
  /** How often each method was called. */
  readonly calls = new Map<string, number>();
  isAbsurd = false;
  /** Answers in place of the real ones, or errors with which it refuses a method. */
  readonly instead = new Map<string, Json | number>();
  /** How far its own clock is ahead, ms. */
  clockAheadMs = 0;

  constructor(
    sample: PlugSampleSet,
    identity: PracticeIdentity,
    meter: PlugMeter,
    local: LocalTime,
  ) {
    this.#sample = sample;
    this.#identity = identity;
    this.#meter = meter;
    this.#local = local;
  }

  call(request: unknown, atMs: number): PlugAnswerBody {
    const { method, params } = asRecordOf(request);
    if (typeof method !== 'string') return { error_code: -1003 };
    this.calls.set(method, (this.calls.get(method) ?? 0) + 1);
    switch (method) {
      case 'multipleRequest':
        return this.#batch(asRecordOf(params)['requests'], atMs);
      case 'set_device_info':
        return this.#switch(asRecordOf(params)['device_on'], atMs);
      case 'get_energy_data':
        return this.#history(asRecordOf(params), atMs);
      default:
        return this.#read(method, atMs);
    }
  }

  /** Hours in Wh from `start_timestamp` on; firmware with version 1 metering has none. */
  #history(params: Json, atMs: number): PlugAnswerBody {
    const { start_timestamp: startS, end_timestamp: endS, interval } = params;
    if (!this.#keepsHours()) return { error_code: -1002 };
    if (typeof startS !== 'number' || typeof endS !== 'number' || interval !== 60) {
      return { error_code: -1008 };
    }
    if (endS < startS || endS - startS > 8 * 86_400) return { error_code: -1008 };
    const data: number[] = [];
    const lastS = Math.min(endS, Math.ceil(atMs / 1_000));
    for (let hourS = startS; hourS < lastS; hourS += 3_600) {
      data.push(this.#meter.hourWh(hourS * 1_000, Math.min(atMs, (hourS + 3_600) * 1_000)));
    }
    const result = { local_time: this.#local.text(atMs), data, interval };
    return {
      error_code: 0,
      result: { ...result, start_timestamp: startS, end_timestamp: startS + data.length * 3_600 },
    };
  }

  #keepsHours(): boolean {
    const list = this.#sample.methods.get('component_nego')?.['component_list'];
    const components = Array.isArray(list) ? list.map(asRecordOf) : [];
    return components.some((part) => part['id'] === 'energy_monitoring' && part['ver_code'] === 2);
  }

  /** Real plugs stop at the first method that fails. */
  #batch(requests: unknown, atMs: number): PlugAnswerBody {
    if (!Array.isArray(requests)) return { error_code: -1008 };
    const responses: Json[] = [];
    for (const request of requests) {
      const answer = this.call(request, atMs);
      responses.push({ method: asRecordOf(request)['method'], ...answer });
      if (answer.error_code !== 0) break;
    }
    return { error_code: 0, result: { responses } };
  }

  #switch(isOn: unknown, atMs: number): PlugAnswerBody {
    if (typeof isOn !== 'boolean') return { error_code: -1008 };
    this.#meter.setRelay(isOn, atMs);
    return { error_code: 0, result: {} };
  }

  #read(method: string, atMs: number): PlugAnswerBody {
    const recorded = this.#sample.methods.get(method);
    const instead = this.instead.get(method) ?? {};
    if (recorded === undefined) return { error_code: -1002 };
    if (typeof instead === 'number') return { error_code: instead };
    return { error_code: 0, result: { ...recorded, ...this.#live(method, atMs), ...instead } };
  }

  #live(method: string, atMs: number): Json {
    const watts = this.isAbsurd ? 5_000 : this.#meter.wattsAt(atMs);
    switch (method) {
      case 'get_device_info':
        return this.#info();
      case 'get_energy_usage': {
        const { todayWh, monthWh } = this.#meter.counters(atMs, this.clockAheadMs);
        return {
          current_power: Math.round(watts * 1_000),
          today_energy: todayWh,
          month_energy: monthWh,
          local_time: this.#local.text(atMs + this.clockAheadMs),
        };
      }
      case 'get_current_power':
        return { current_power: Math.round(watts) };
      case 'get_emeter_data':
        return {
          power_mw: Math.round(watts * 1_000),
          voltage_mv: 230_000,
          current_ma: Math.round((watts / 230) * 1_000),
        };
      case 'get_device_time':
        return { timestamp: Math.floor(atMs / 1_000) };
      default:
        return {};
    }
  }

  #info(): Json {
    const { deviceId, mac, nickname, firmware } = this.#identity;
    return {
      device_id: deviceId,
      mac,
      nickname: Buffer.from(nickname).toString('base64'),
      device_on: this.#meter.isOn,
      ...(firmware === null ? {} : { fw_ver: firmware }),
    };
  }
}
