import { Listeners, type Log } from '../../../../nodes/lib/log/log.ts';
import type { Clock } from '../../../../nodes/lib/time/clock.ts';
import type { Device, Devices } from './devices.ts';
import type { PlugReading, PlugReadOutcome } from './plug.ts';
import {
  type DeviceState,
  type HintTopic,
  type PlugHint,
  stateOfFailure,
  topicOfFailure,
} from './tapo-rows.ts';

/** One attempt to read one plug. */
export interface PlugSample {
  /** The Pi's id of the plug. */
  readonly id: string;
  readonly deviceNumber: number;
  /** When the answer arrived, on the monotonic clock. */
  readonly atMonotonicMs: number;
  readonly outcome: PlugReadOutcome;
}

export type OnPlugSample = (sample: PlugSample) => void;

/** Whether a plug's own `YYYY-MM-DD HH:MM:SS` is right; null while nobody knows the time. */
export type JudgePlugClock = (plugLocalTime: string) => boolean | null;

/** What is logged of a plug that can be read. */
const READABLE: Readonly<Record<PlugHint | 'ok', string>> = {
  ok: 'It can be read.',
  power_unknown: 'It does not tell its power.',
  counters_unknown: 'It does not tell its counters.',
  clock_wrong: 'Its own clock is wrong.',
};

/** Reads plugs in parallel, keeps their states, and passes on every outcome. */
export class Poller {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #devices: Devices;
  readonly #listeners = new Set<OnPlugSample>();

  readonly #judgeClock: JudgePlugClock;

  constructor(clock: Clock, log: Log, devices: Devices, judgeClock: JudgePlugClock) {
    this.#clock = clock;
    this.#log = log;
    this.#devices = devices;
    this.#judgeClock = judgeClock;
  }

  listen(listener: OnPlugSample): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  /**
   * Reads one plug. Null when its outcome is void: the plug was removed or has moved meanwhile, or
   * the caller aborted.
   */
  async poll(device: Device, signal?: AbortSignal): Promise<PlugReadOutcome | null> {
    const { plug } = device;
    device.isBusy = true;
    let outcome: PlugReadOutcome;
    try {
      outcome = await plug.read(signal);
    } finally {
      if (device.plug === plug) device.isBusy = false;
    }
    const isVoid = device.plug !== plug || this.#devices.get(device.row.id) !== device;
    if (isVoid || signal?.aborted === true) return null;
    const owner =
      outcome.kind === 'reading' ? this.#devices.bind(device, outcome.reading.info) : device;
    this.#stand(owner, outcome);
    this.#tell({
      id: owner.row.id,
      deviceNumber: owner.row.deviceNumber,
      atMonotonicMs: this.#clock.monotonicMs(),
      outcome,
    });
    return outcome;
  }

  #stand(device: Device, outcome: PlugReadOutcome): void {
    if (outcome.kind !== 'reading') {
      if (outcome.cause === 'other_device') this.#devices.withdrawOldProtocol(device);
      device.isOnline = false;
      device.isOn = null;
      device.lockedUntilMs = outcome.untilMs ?? null;
      device.misses = outcome.kind === 'unreachable' ? device.misses + 1 : 0;
      this.#enter(device, stateOfFailure(outcome), topicOfFailure(outcome), outcome.detail);
      return;
    }
    const { reading } = outcome;
    device.isOnline = true;
    device.lockedUntilMs = null;
    device.isOn = reading.isOn ?? device.isOn;
    device.misses = 0;
    device.row = { ...device.row, lastSeenMs: this.#clock.nowMs() };
    device.seenTickMs = this.#clock.monotonicMs();
    device.isSeenDirty = true;
    if (outcome.isContested) {
      this.#enter(device, 'session_taken', 'session_taken', 'It can be read.');
      return;
    }
    const missing = missingOf(reading, this.#judgeClock);
    this.#enter(device, 'ok', missing, READABLE[missing]);
  }

  #enter(device: Device, state: DeviceState, topic: HintTopic | 'ok', detail: string): void {
    if (device.topic === topic && device.row.state === state) return;
    device.topic = topic;
    device.row = { ...device.row, state };
    device.isStateDirty = true;
    const line = `Plug ${device.row.deviceNumber} is now ${state}. ${detail}`;
    if (topic === 'ok') this.#log.info(line);
    else this.#log.warn(line);
  }

  #tell(sample: PlugSample): void {
    for (const listener of this.#listeners) {
      try {
        listener(sample);
      } catch (error) {
        const reason = error instanceof Error ? error.message : 'unknown';
        this.#log.error(`A sample of plug ${sample.deviceNumber} was not taken: ${reason}`);
      }
    }
  }
}

/** What to report of a plug that was read: the first thing that is wrong. */
function missingOf(reading: PlugReading, isClockRight: JudgePlugClock): PlugHint | 'ok' {
  const { powerMw, todayEnergyWh, monthEnergyWh, deviceLocalTime } = reading;
  if (powerMw === null) return 'power_unknown';
  if (deviceLocalTime !== undefined && isClockRight(deviceLocalTime) === false) {
    return 'clock_wrong';
  }
  return todayEnergyWh === null && monthEnergyWh === null ? 'counters_unknown' : 'ok';
}

/** Who switched a plug. `elsewhere`: at the plug itself, or in an app that is not ours. */
export type SwitchedBy =
  | { readonly how: 'user'; readonly username: string }
  | { readonly how: 'flow' }
  | { readonly how: 'elsewhere' };

/** What happened to a plug. */
export type PlugNews =
  | { readonly kind: 'plug_lost' | 'plug_back'; readonly id: string; readonly name: string }
  | {
      readonly kind: 'plug_switched';
      readonly id: string;
      readonly name: string;
      readonly isOn: boolean;
      readonly by: SwitchedBy;
    };

/** One not read for this long counts as lost, ms: a plug in a far room misses single rounds. */
const LOST_MS = 60_000;

interface Known {
  seenTickMs: number;
  isLost: boolean;
  isOn: boolean | null;
  /** Who is about to switch it: a round may read it before that call is answered. */
  by: SwitchedBy | null;
}

/** Derives events worth reporting from plugs' answers. */
export class PlugWatch {
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #nameOf: (id: string) => string;
  readonly #news: Listeners<PlugNews>;
  readonly #plugs = new Map<string, Known>();

  constructor(clock: Pick<Clock, 'monotonicMs'>, log: Log, nameOf: (id: string) => string) {
    this.#clock = clock;
    this.#nameOf = nameOf;
    this.#news = new Listeners(log);
  }

  listen(listener: (news: PlugNews) => void): () => void {
    return this.#news.listen(listener);
  }

  /** Every outcome of every read. */
  heard({ id, outcome }: PlugSample): void {
    const nowMs = this.#clock.monotonicMs();
    const plug = this.#known(id, nowMs);
    if (outcome.kind !== 'reading') {
      if (plug.isLost || nowMs - plug.seenTickMs < LOST_MS) return;
      plug.isLost = true;
      this.#news.tell({ kind: 'plug_lost', id, name: this.#nameOf(id) });
      return;
    }
    const wasLost = plug.isLost;
    plug.seenTickMs = nowMs;
    plug.isLost = false;
    if (wasLost) this.#news.tell({ kind: 'plug_back', id, name: this.#nameOf(id) });
    const { isOn } = outcome.reading;
    if (isOn !== null) this.#stands(id, plug, isOn);
  }

  /** Somebody is about to switch it. */
  switching(id: string, by: SwitchedBy): void {
    this.#known(id, this.#clock.monotonicMs()).by = by;
  }

  /** The outcome of that; null where it failed. */
  switched(id: string, isOn: boolean | null): void {
    const plug = this.#known(id, this.#clock.monotonicMs());
    if (isOn !== null) this.#stands(id, plug, isOn);
    plug.by = null;
  }

  /** It is no longer one of our plugs. */
  forget(id: string): void {
    this.#plugs.delete(id);
  }

  #stands(id: string, plug: Known, isOn: boolean): void {
    const before = plug.isOn;
    plug.isOn = isOn;
    // The state before the first reading is unknown.
    if (before === null || before === isOn) return;
    const by = plug.by ?? { how: 'elsewhere' };
    this.#news.tell({ kind: 'plug_switched', id, name: this.#nameOf(id), isOn, by });
  }

  #known(id: string, nowMs: number): Known {
    const known = this.#plugs.get(id) ?? { seenTickMs: nowMs, isLost: false, isOn: null, by: null };
    this.#plugs.set(id, known);
    return known;
  }
}
