import type { PassRequest } from '../pass/pass-hook.ts';

/**
 * How an answer of the NAS is kept. `kept`: asked whenever the NAS is awake, and answered by the last
 * one in its sleep. `poll`: asked by machines all the time, so the NAS is asked only now and then.
 */
export interface KeptRoute {
  readonly kind: 'kept' | 'poll';
  /** Whose answer it is: one user's, or everybody's of a role. */
  readonly whose: 'user' | 'role';
}

type Address = Pick<PassRequest, 'method' | 'segments'>;

const ROUTES: readonly (readonly [pattern: string, route: KeptRoute])[] = [
  ['sync/schedule/list', { kind: 'kept', whose: 'user' }],
  ['system/sleep/my-permissions', { kind: 'kept', whose: 'user' }],
  ['notifications', { kind: 'kept', whose: 'user' }],
  ['notifications/unread-count', { kind: 'kept', whose: 'user' }],
  ['files/mountpoints', { kind: 'kept', whose: 'user' }],
  ['files/permissions', { kind: 'kept', whose: 'user' }],
  ['shares/statistics', { kind: 'poll', whose: 'user' }],
  ['activity/recent-files', { kind: 'poll', whose: 'user' }],
  ['system/info', { kind: 'poll', whose: 'role' }],
  ['system/info/local', { kind: 'poll', whose: 'role' }],
  ['system/raid/status', { kind: 'poll', whose: 'role' }],
  ['system/raid/available-disks', { kind: 'poll', whose: 'role' }],
  ['system/smart/*', { kind: 'poll', whose: 'role' }],
  ['system/telemetry/*', { kind: 'poll', whose: 'role' }],
  ['system/storage/*', { kind: 'poll', whose: 'role' }],
  ['monitoring/*', { kind: 'poll', whose: 'role' }],
  ['admin/services', { kind: 'poll', whose: 'role' }],
];

/** How what is asked for there is kept; null for what is not. */
export function keptRoute({ method, segments }: Address): KeptRoute | null {
  if (method !== 'GET' && method !== 'HEAD') return null;
  const path = segments.join('/');
  const found = ROUTES.find(([pattern]) =>
    pattern.endsWith('/*') ? path.startsWith(pattern.slice(0, -1)) : path === pattern,
  );
  return found?.[1] ?? null;
}

/** The address an answer is kept under: with its query in one order, as the NAS reads it. */
export function addressOf({ segments, query }: Pick<PassRequest, 'segments' | 'query'>): string {
  // Of several equal ones the NAS takes the last.
  const last = new Map(query);
  const words = [...last].sort(([a], [b]) => (a < b ? -1 : 1));
  const asked = new URLSearchParams(words).toString();
  const path = segments.map(encodeURIComponent).join('/');
  return asked === '' ? path : `${path}?${asked}`;
}

/** The device whose folders are asked for, or changed; null elsewhere. */
export function phoneFoldersOf({ segments }: Address): string | null {
  const [mobile, sync, folders, id, ...more] = segments;
  const isIt = mobile === 'mobile' && sync === 'sync' && folders === 'folders';
  return isIt && id !== undefined && more.length === 0 ? id : null;
}
