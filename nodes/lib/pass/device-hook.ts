import { refuse } from '../http/http.ts';
import type { PassBefore, PassHook, PassRequest, PassResult } from './pass-hook.ts';

export interface DeviceHookDeps {
  /** Null where the NAS has not said whose it is. */
  readonly ownerOf: (deviceId: string) => number | null;
  /** The NAS said whose it is. */
  readonly learn: (deviceId: string, userId: number) => void;
}

/** Addresses that end in a device's id and whose owner BaluHost 1.38 does not look at (measured). */
const OF_A_DEVICE: readonly (readonly string[])[] = [
  ['mobile', 'sync', 'folders'],
  ['mobile', 'camera', 'settings'],
  ['mobile', 'upload', 'queue'],
];

/**
 * A device's answers are its owner's alone. BaluHost lets any user read and set another's, so the Pi
 * looks, and learns whose a device is from what the NAS answers to its owner.
 */
export class DeviceHook implements PassHook {
  readonly #deps: DeviceHookDeps;

  constructor(deps: DeviceHookDeps) {
    this.#deps = deps;
  }

  concerns({ method, segments }: Pick<PassRequest, 'method' | 'segments'>): boolean {
    return deviceIn(segments) !== null || isList(method, segments) || isDesktop(method, segments);
  }

  before({ method, segments, caller }: PassRequest): PassBefore {
    const deviceId = deviceIn(segments);
    const owner = deviceId === null ? null : this.#deps.ownerOf(deviceId);
    if (owner !== null && owner !== caller.user.id) {
      return { kind: 'answer', answer: refuse('not_found') };
    }
    if (isList(method, segments)) return this.#learning((body) => devicesIn(body));
    if (!isDesktop(method, segments)) return { kind: 'go' };
    return this.#learning((body) => {
      const { device_id: id } = asRecord(body);
      return typeof id === 'string' ? [{ id, userId: caller.user.id }] : [];
    });
  }

  #learning(read: (body: unknown) => readonly { id: string; userId: number }[]): PassBefore {
    const after = (result: PassResult): undefined => {
      if (result.kind !== 'answered' || result.status !== 200) return;
      for (const { id, userId } of read(result.body)) this.#deps.learn(id, userId);
    };
    return { kind: 'go', readsAnswer: true, after };
  }
}

/** The device an address is about; ids of folders stand in the same place and are nobody's device. */
function deviceIn(segments: readonly string[]): string | null {
  const isOne = OF_A_DEVICE.some((head) => head.every((word, index) => segments[index] === word));
  return isOne ? (segments[3] ?? null) : null;
}

function isList(method: string, segments: readonly string[]): boolean {
  return method === 'GET' && segments.join('/') === 'mobile/devices';
}

function isDesktop(method: string, segments: readonly string[]): boolean {
  return method === 'POST' && segments.join('/') === 'sync/register-desktop';
}

function devicesIn(body: unknown): readonly { id: string; userId: number }[] {
  if (!Array.isArray(body)) return [];
  return body.flatMap((device: unknown) => {
    const { id, user_id: userId } = asRecord(device);
    return typeof id === 'string' && typeof userId === 'number' ? [{ id, userId }] : [];
  });
}

function asRecord(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
