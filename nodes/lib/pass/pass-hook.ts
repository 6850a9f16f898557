import type { IncomingHttpHeaders } from 'node:http';
import type { Caller } from '../accounts/caller.ts';
import { type Answer, refuse } from '../http/http.ts';
import { failureOfStatus, isCannotAsk, isInDoubt } from '../nas/nas.ts';

/** A request below `/api` that neither BaluPi nor a tinkerer's flow answers. */
export interface PassRequest {
  /** As sent, upper case. `HEAD` goes to the NAS as `GET`. */
  readonly method: string;
  /** Decoded, without the `api` before them; a file's own path is among them. */
  readonly segments: readonly string[];
  /** The file's path where the address ends in one, as `alice/a.jpg`; else null. */
  readonly filePath: string | null;
  /** Of several equal ones the NAS takes the last. */
  readonly query: URLSearchParams;
  readonly caller: Caller;
  /** The caller sent `X-Sync-Trigger: auto`. */
  readonly auto: boolean;
  /** Where a hook asked for it: the JSON that was sent; undefined for anything else. */
  readonly body: unknown;
  readonly headers: IncomingHttpHeaders;
  readonly signal: AbortSignal;
}

/** How a request that a hook let go ended on the NAS. */
export type PassResult =
  /** `body`: where a hook reads the answer and it is JSON of at most 1 MB; else undefined. */
  | { readonly kind: 'answered'; readonly status: number; readonly body: unknown }
  /** It went out and no answer came: the NAS may have done it. */
  | { readonly kind: 'no_answer' }
  /** Nothing of it reached the NAS. */
  | { readonly kind: 'not_sent' };

/** The outcome of a passed change. `in_doubt`: the NAS may have made it all the same. */
export function fateOf(result: PassResult): 'done' | 'refused' | 'in_doubt' | 'not_sent' {
  if (result.kind === 'not_sent') return 'not_sent';
  if (result.kind === 'no_answer') return 'in_doubt';
  const failure = failureOfStatus(result.status);
  if (failure === null) return 'done';
  return isInDoubt(failure) ? 'in_doubt' : 'refused';
}

/** The body of a good answer; undefined for any other, and where nobody read it. */
export function toldIn(result: PassResult): unknown {
  const isGood = result.kind === 'answered' && failureOfStatus(result.status) === null;
  return isGood ? result.body : undefined;
}

/** Whether the NAS could not tell, so that what is kept stands in. A refusal is an answer. */
export function isUnable(result: PassResult): boolean {
  return result.kind !== 'answered' || isCannotAsk(failureOfStatus(result.status));
}

export type PassBefore =
  /** Nothing goes to the NAS, awake or asleep. */
  | { readonly kind: 'answer'; readonly answer: Answer }
  | {
      readonly kind: 'go';
      /** Sent as `X-Sync-Trigger: auto`; does not count as a need of the NAS. */
      readonly auto?: boolean;
      /** Sent as JSON in place of what came; only where the body was asked for. */
      readonly body?: unknown;
      readonly readsAnswer?: boolean;
      /**
       * Called exactly once, whatever the outcome, before the first byte goes to the caller. What
       * it returns is sent in place of the NAS's answer.
       */
      readonly after?: (result: PassResult) => Answer | undefined | Promise<Answer | undefined>;
    };

/** Another module's part in requests that are passed on. */
export interface PassHook {
  /**
   * Decides by method and segments alone. `with_body`: the body is read first, at most 64 KB of it.
   */
  concerns(address: Pick<PassRequest, 'method' | 'segments'>): boolean | 'with_body';
  before(request: PassRequest): PassBefore | Promise<PassBefore>;
}

interface DeviceHookDeps {
  /** Null where the NAS has not told the owner. */
  readonly ownerOf: (deviceId: string) => number | null;
  /** The NAS told the owner. */
  readonly learn: (deviceId: string, userId: number) => void;
}

/**
 * Addresses that end in a device's id, for which BaluHost 1.38 does not check the owner (measured).
 */
const OF_A_DEVICE: readonly (readonly string[])[] = [
  ['mobile', 'sync', 'folders'],
  ['mobile', 'camera', 'settings'],
  ['mobile', 'upload', 'queue'],
];

/**
 * A device's answers belong to its owner. BaluHost lets any user read and set another's, so the Pi
 * checks, and learns a device's owner from what the NAS answers.
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
      for (const { id, userId } of read(toldIn(result))) this.#deps.learn(id, userId);
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

/** Detects password changes, by the user or an admin: earlier pairings then end. */
export class PasswordHook implements PassHook {
  readonly #changed: (userId: number) => void;

  constructor(changed: (userId: number) => void) {
    this.#changed = changed;
  }

  concerns({ method, segments }: Pick<PassRequest, 'method' | 'segments'>): boolean {
    return isOwn(method, segments) || userIn(method, segments) !== null;
  }

  before({ method, segments, caller }: PassRequest): PassBefore {
    const userId = isOwn(method, segments) ? caller.user.id : userIn(method, segments);
    const after = (result: PassResult): undefined => {
      // Also where the NAS broke off after having done it.
      const mayBe = fateOf(result) === 'done' || fateOf(result) === 'in_doubt';
      if (userId !== null && mayBe) this.#changed(userId);
    };
    return { kind: 'go', after };
  }
}

function isOwn(method: string, segments: readonly string[]): boolean {
  return method === 'POST' && segments.join('/') === 'auth/change-password';
}

/** Anything an admin sets for a user may be the password; only the body could tell. */
function userIn(method: string, segments: readonly string[]): number | null {
  const [users, id = '', ...more] = segments;
  if (users !== 'users' || more.length > 0 || (method !== 'PUT' && method !== 'PATCH')) return null;
  return /^[1-9]\d{0,14}$/.test(id) ? Number(id) : null;
}
