import type {
  WakeOutcome,
  WakeStatus,
} from '../../../packages/node-red-contrib-balupi-wol/lib/wake.ts';

/** What the Pi knows of the NAS at this moment, without asking it. */
export interface NasState {
  /** It answered lately and says `awake` or `waking`: files, listings and the queue may use it. */
  readonly awake: boolean;
  /** It answered lately, asleep or awake: sign-in, refresh, me and preflight may use it. */
  readonly reachable: boolean;
  /** The NAS's own word, or `unreachable` / `unknown`. */
  readonly sleepState: string;
  readonly reachableBy: 'http' | 'power' | 'none';
  readonly everSeen: boolean;
  readonly version: string | null;
  /** Epoch ms since when `awake` and `reachable` are as they are. */
  readonly sinceMs: number;
  readonly lastSeenMs: number | null;
  /** As the NAS last told it, ISO 8601. */
  readonly nextWakeAt: string | null;
  /** Set while what answers at the NAS's address is not the NAS. */
  readonly fault?: NasFault;
}

/** Another MAC address over http, or another certificate over https. */
export type NasFault = 'nas_mismatch' | 'nas_tls';

/** Awake or asleep, as learnt from every answer and every silence. */
export interface NasPresence {
  readonly state: NasState;
  /** Any HTTP answer came. `sleepState` and more when it told them. */
  heard(told?: {
    readonly sleepState?: string;
    readonly nextWakeAt?: string | null;
    readonly version?: string;
    /** `sleep_schedule` of preflight, as it came. */
    readonly sleepSchedule?: unknown;
  }): void;
  /** A call found it gone: refused, reset or timed out, or somebody else in its place. */
  silent(fault?: NasFault): void;
  /** Calls back after each change of `awake` or `reachable`. Returns how to stop that. */
  onChange(listener: (state: NasState) => void): () => void;
}

/** Who or what wants the NAS awake. */
export interface WakeCause {
  /**
   * `call`: somebody asked for it. `read`: somebody reads a file that is not kept. `queue`: uploads
   * wait (FLUSH_WAKE). `door`: an admin whom the pages let in no further.
   */
  readonly kind: 'call' | 'read' | 'queue' | 'door';
  /** Whose call it was; null: a flow's, or nobody's. */
  readonly by: { readonly id: number; readonly username: string } | null;
}

/** One wake at a time, for all who want it: what a node is given of it. */
export interface NasWake {
  /** With who began the last one; null before the first. */
  readonly status: WakeStatus & { readonly cause: WakeCause | null };
  /** Starts a wake or joins the running one, and says at once what was done. */
  wake(cause: WakeCause): WakeOutcome;
}

/** What came of a file that is missing here and might be fetched by waking the NAS (contract 3). */
export type MissWakeOutcome =
  WakeOutcome | { readonly kind: 'held_back'; readonly retryAfterMs: number };

export interface NasMissWake {
  /** As {@link NasWake.wake}, under the rules for misses. Joining a running wake is always allowed. */
  wakeForMiss(cause: WakeCause): MissWakeOutcome;
}
