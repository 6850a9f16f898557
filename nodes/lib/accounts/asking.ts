import type { NasState } from '../nas/nas.ts';

/**
 * Whether the NAS may be asked about tokens and passwords: it answers, asleep or awake, or the
 * Pi has just started and nobody has tried yet.
 */
export function mayAsk(state: NasState): boolean {
  return state.reachable || state.sleepState === 'unknown';
}

/** Why it cannot be asked. */
export function silentCode(state: NasState): 'nas_asleep' | 'nas_never_seen' {
  return state.everSeen ? 'nas_asleep' : 'nas_never_seen';
}
