import type { NasFault, NasState, NasWake } from './presence-port.ts';

/** How the NAS runs, as its plug measures it (contract 6). */
export type NasPowerState = 'off' | 'standby' | 'idle' | 'active' | 'unknown';

/** What the plug with role `nas` knows, from memory. */
export interface NasPlug {
  /** Watts of a fresh sample; null without one. */
  watts(): number | null;
  powerState(): NasPowerState;
}

/** The NAS as `GET /api/nas/status` shows it. Answered from memory. */
export interface NasStatus {
  /** Whether it answered lately over HTTP. */
  readonly online: boolean;
  readonly version: string | null;
  /** NAS_URL without a user or password. */
  readonly url: string;
  readonly powerState: NasPowerState;
  readonly sleepState: string;
  readonly reachableBy: NasState['reachableBy'];
  readonly powerW: number | null;
  /** Epoch ms. */
  readonly sinceMs: number;
  /** Epoch ms. */
  readonly lastSeenMs: number | null;
  readonly nextWakeAt: string | null;
  readonly everSeen: boolean;
  readonly fault: NasFault | null;
  readonly wake: NasWake['status'];
}

export function nasStatus(
  state: NasState,
  wake: NasWake['status'],
  plug: NasPlug,
  url: URL,
): NasStatus {
  // What answers is not off: that reading is from before it woke, and the next one is not there yet.
  const isOld = state.reachable && plug.powerState() === 'off';
  return {
    online: state.reachable,
    version: state.version,
    url: withoutUser(url),
    powerState: isOld ? 'unknown' : plug.powerState(),
    sleepState: state.sleepState,
    reachableBy: state.reachableBy,
    powerW: isOld ? null : plug.watts(),
    sinceMs: state.sinceMs,
    lastSeenMs: state.lastSeenMs,
    nextWakeAt: state.nextWakeAt,
    everSeen: state.everSeen,
    fault: state.fault ?? null,
    wake,
  };
}

function withoutUser(url: URL): string {
  return `${url.protocol}//${url.host}${url.pathname.replace(/\/+$/, '')}`;
}
