import type { Caller } from '../accounts/caller.ts';
import type { RefusalCode } from '../http/http.ts';

/** The part of an endpoint's description that says who may use it. */
export interface Wanted {
  readonly access: 'open' | 'caller' | 'caller_or_loopback' | 'admin' | 'wake';
  readonly wakeScope: boolean;
}

/**
 * Whether a caller's role suffices: the one rule for the API and for the pages.
 * @param mayWake as the accounts know it
 * @returns null, or how to refuse
 */
export function roleFault(
  caller: Caller,
  wanted: Wanted,
  mayWake: (caller: Caller) => boolean,
): RefusalCode | null {
  if (caller.scope === 'wake' && !wanted.wakeScope) return 'not_allowed';
  if (wanted.access === 'admin' && caller.user.role !== 'admin') return 'admin_only';
  if (wanted.access === 'wake' && caller.user.role !== 'admin' && !mayWake(caller)) {
    return 'not_allowed';
  }
  return null;
}
