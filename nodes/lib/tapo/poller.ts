import type { Log } from '../log/log.ts';
import type { Clock } from '../time/clock.ts';
import {
  stateOfFailure,
  topicOfFailure,
  type DeviceState,
  type HintTopic,
} from './device-states.ts';
import type { Device, Devices } from './devices.ts';
import type { PlugReadOutcome } from './plug.ts';

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

/** Reads plugs side by side, keeps how they stand, and passes every outcome on. */
export class Poller {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #devices: Devices;
  readonly #listeners = new Set<OnPlugSample>();

  constructor(clock: Clock, log: Log, devices: Devices) {
    this.#clock = clock;
    this.#log = log;
    this.#devices = devices;
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
      device.misses = outcome.kind === 'unreachable' ? device.misses + 1 : 0;
      this.#enter(device, stateOfFailure(outcome), topicOfFailure(outcome), outcome.detail);
      return;
    }
    device.isOnline = true;
    device.isOn = outcome.reading.isOn;
    device.misses = 0;
    device.row = { ...device.row, lastSeenMs: this.#clock.nowMs() };
    device.isDirty = true;
    const state = outcome.isContested ? 'session_taken' : 'ok';
    this.#enter(device, state, state, 'It can be read.');
  }

  #enter(device: Device, state: DeviceState, topic: HintTopic | 'ok', detail: string): void {
    if (device.topic === topic && device.row.state === state) return;
    device.topic = topic;
    device.row = { ...device.row, state };
    device.isDirty = true;
    const line = `Plug ${device.row.deviceNumber} is now ${state}. ${detail}`;
    if (state === 'ok') this.#log.info(line);
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
