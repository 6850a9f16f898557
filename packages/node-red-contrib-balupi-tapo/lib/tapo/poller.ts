import type { Log } from '../../../../nodes/lib/log/log.ts';
import type { Clock } from '../../../../nodes/lib/time/clock.ts';
import {
  stateOfFailure,
  topicOfFailure,
  type DeviceState,
  type HintTopic,
  type PlugHint,
} from './device-states.ts';
import type { Device, Devices } from './devices.ts';
import type { PlugReading, PlugReadOutcome } from './plug.ts';

/** One attempt to read one plug. */
export interface PlugSample {
  /** The Pi's id of the plug. */
  readonly id: string;
  readonly deviceNumber: number;
  /** When the answer was there, on the monotonic clock. */
  readonly atMonotonicMs: number;
  readonly outcome: PlugReadOutcome;
}

export type OnPlugSample = (sample: PlugSample) => void;

/** Whether a plug's own `YYYY-MM-DD HH:MM:SS` is right; null while nobody knows the time. */
export type JudgePlugClock = (plugLocalTime: string) => boolean | null;

/** What the log says of a plug that can be read. */
const READABLE: Readonly<Record<PlugHint | 'ok', string>> = {
  ok: 'It can be read.',
  power_unknown: 'It does not tell its power.',
  counters_unknown: 'It does not tell its counters.',
  clock_wrong: 'Its own clock is wrong.',
};

/** Reads plugs side by side, keeps how they stand, and passes every outcome on. */
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
   * Reads one plug. Null when its outcome is void: the plug was removed or has moved meanwhile,
   * or the caller gave up.
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

/** What to say of a plug that was read: the first thing that is not as it should be. */
function missingOf(reading: PlugReading, isClockRight: JudgePlugClock): PlugHint | 'ok' {
  const { powerMw, todayEnergyWh, monthEnergyWh, deviceLocalTime } = reading;
  if (powerMw === null) return 'power_unknown';
  if (deviceLocalTime !== undefined && isClockRight(deviceLocalTime) === false) {
    return 'clock_wrong';
  }
  return todayEnergyWh === null && monthEnergyWh === null ? 'counters_unknown' : 'ok';
}
