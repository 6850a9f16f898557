import type { Log } from '../../../../nodes/lib/log/log.ts';
import type { Clock } from '../../../../nodes/lib/time/clock.ts';
import type { Device, Devices } from './devices.ts';
import type { Discovery, FoundPlug } from './discovery.ts';

/** An address read within this time is where the plug is, whatever an announcement says. */
const TRUSTED_MS = 90_000;
/** Reads in a row without an answer before a plug is looked for elsewhere, and how often. */
const LOST_AFTER_MISSES = 2;
const LOOK_EVERY_MS = 300_000;

export interface FindOutcome {
  /** How many answered. */
  readonly discovered: number;
  readonly added: readonly Device[];
  /** All that answered and are kept, in the order of their answers. */
  readonly devices: readonly Device[];
}

/** Keeps the registry in step with what answers on the network. */
export class Finder {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #devices: Devices;
  readonly #discovery: Discovery;
  #round: Promise<readonly FoundPlug[]> | null = null;
  #lookedAtMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock, log: Log, devices: Devices, discovery: Discovery) {
    this.#clock = clock;
    this.#log = log;
    this.#devices = devices;
    this.#discovery = discovery;
  }

  /** One round of discovery; a call that comes during a round shares it. */
  async find(signal: AbortSignal): Promise<FindOutcome> {
    const found = await this.#search(signal);
    const added: Device[] = [];
    const devices = new Set<Device>();
    for (const plug of found) {
      const known = this.place(plug);
      const device = known ?? this.#add(plug);
      if (device === null) continue;
      if (known === null) added.push(device);
      devices.add(device);
    }
    return { discovered: found.length, added, devices: [...devices] };
  }

  /** Looks for known plugs that do not answer where they were; adds none. */
  async lookForLost(signal: AbortSignal): Promise<void> {
    const isLost = this.#devices.all().some(({ misses }) => misses >= LOST_AFTER_MISSES);
    const nowMs = this.#clock.monotonicMs();
    if (!isLost || nowMs - this.#lookedAtMs < LOOK_EVERY_MS) return;
    this.#lookedAtMs = nowMs;
    for (const plug of await this.#search(signal)) this.place(plug);
  }

  /** The known plug an announcement is of, at its new address if it has moved; null if unknown. */
  place(found: FoundPlug): Device | null {
    const outcome = this.#devices.place(found, (device) => this.#isTrusted(device));
    switch (outcome.kind) {
      case 'new':
        return null;
      case 'moved':
        this.#log.info(`Plug ${outcome.device.row.deviceNumber} has a new address.`);
        return outcome.device;
      case 'contradicted':
        this.#log.warn(
          `Something else announced itself as plug ${outcome.device.row.deviceNumber}, which still answers where it was.`,
        );
        return outcome.device;
      case 'known':
        return outcome.device;
    }
  }

  async #search(signal: AbortSignal): Promise<readonly FoundPlug[]> {
    this.#round ??= this.#discovery.search(signal).finally(() => {
      this.#round = null;
    });
    return await this.#round;
  }

  #add(found: FoundPlug): Device | null {
    if (this.#devices.isFull) {
      this.#log.warn('More plugs announced themselves than are kept; the rest are left out.');
      return null;
    }
    const { ip, port } = found;
    return this.#devices.insert({ ip, port, name: null, role: null, found });
  }

  #isTrusted(device: Device): boolean {
    const { isOnline, seenTickMs } = device;
    return isOnline && seenTickMs !== null && this.#clock.monotonicMs() - seenTickMs < TRUSTED_MS;
  }
}
