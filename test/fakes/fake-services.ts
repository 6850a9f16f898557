import type { Caller } from '../../nodes/lib/accounts/caller.ts';
import type { Services } from '../../nodes/lib/services/services.ts';
import type { NasState } from '../../nodes/lib/nas/nas.ts';

/** Any part of `T`: what a test writes must have the type the real service has. */
type Fake<T> = T extends (...args: never[]) => unknown
  ? T
  : T extends object
    ? { readonly [Key in keyof T]?: Fake<T[Key]> }
    : T;

export type FakeServices = { readonly [Name in keyof Services]?: Fake<Services[Name]> };

/**
 * Services of which only what the test wrote exists.
 * @throws Error at the first access to anything else, naming it
 */
export function fakeServices(parts: FakeServices): Services {
  return strict(parts, 'services') as unknown as Services;
}

/** A service the test did not write exists, but has no members. */
function strict(parts: object, place: string): object {
  return new Proxy(parts, {
    get(target, key): unknown {
      const value: unknown = Reflect.get(target, key);
      const name = `${place}.${String(key)}`;
      if (place === 'services') return strictService(value ?? {}, name);
      if (value === undefined) throw new Error(`No fake of ${name}.`);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

function strictService(service: unknown, name: string): unknown {
  return typeof service === 'object' && service !== null ? strict(service, name) : service;
}

export const ALICE: Caller = {
  user: { id: 3, username: 'alice', role: 'user' },
  kind: 'nas',
  nasToken: 'token-of-alice',
  scope: 'all',
};

export const AWAKE: NasState = {
  awake: true,
  reachable: true,
  sleepState: 'awake',
  reachableBy: 'http',
  everSeen: true,
  version: '1.38.0',
  sinceMs: Date.parse('2026-02-22T14:00:00Z'),
  lastSeenMs: Date.parse('2026-02-22T14:29:30Z'),
  nextWakeAt: null,
};

export const ASLEEP: NasState = {
  ...AWAKE,
  awake: false,
  reachable: false,
  sleepState: 'unreachable',
  reachableBy: 'none',
  nextWakeAt: '2026-02-23T06:00:00Z',
};
