import type {
  WakeOutcome,
  WakeStatus,
} from '../../../packages/node-red-contrib-balupi-wol/lib/wake.ts';
import type { Log } from '../log/log.ts';
import type { Cancel, Clock } from '../time/clock.ts';
import type { ServerProfileBook } from './server-profile.ts';

/** What the Pi knows of the NAS right now, without asking it. */
export interface NasState {
  /** It answered recently and says `awake` or `waking`: files, listings and the queue may use it. */
  readonly awake: boolean;
  /** It answered recently, asleep or awake: sign-in, refresh, me and preflight may use it. */
  readonly reachable: boolean;
  /** The NAS's own word, or `unreachable` / `unknown`. */
  readonly sleepState: string;
  readonly reachableBy: 'http' | 'power' | 'none';
  readonly everSeen: boolean;
  readonly version: string | null;
  /** Since when `awake` and `reachable` have been as they are, epoch ms. */
  readonly sinceMs: number;
  readonly lastSeenMs: number | null;
  /** As the NAS last told it, ISO 8601. */
  readonly nextWakeAt: string | null;
  /** Set while something else answers at the NAS's address. */
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
    /** `sleep_schedule` of preflight, unchanged. */
    readonly sleepSchedule?: unknown;
  }): void;
  /** A call found it gone: refused, reset or timed out, or another machine at its address. */
  silent(fault?: NasFault): void;
  /** Calls back after each change of `awake` or `reachable`. Returns how to unsubscribe. */
  onChange(listener: (state: NasState) => void): () => void;
}

/** Who or what wants the NAS awake. */
export interface WakeCause {
  /**
   * `call`: requested. `read`: somebody reads a file that is not cached. `queue`: uploads wait
   * (FLUSH_WAKE). `door`: an admin whose access to the pages is limited to waking.
   */
  readonly kind: 'call' | 'read' | 'queue' | 'door';
  /** Whose call it was; null for a flow's, or nobody's. */
  readonly by: { readonly id: number; readonly username: string } | null;
}

/** One wake at a time, shared by all who want it: the part that a node gets. */
export interface NasWake {
  /** Includes who started the last one; null before the first. */
  readonly status: WakeStatus & { readonly cause: WakeCause | null };
  /** Starts a wake or joins the running one, and reports at once which it was. */
  wake(cause: WakeCause): WakeOutcome;
}

/**
 * The outcome for a file that is missing here and might be fetched by waking the NAS (contract 3).
 */
export type MissWakeOutcome =
  | WakeOutcome
  | { readonly kind: 'held_back'; readonly retryAfterMs: number };

export interface NasMissWake {
  /** As {@link NasWake.wake}, under the rules for misses. Joining a running wake is always allowed. */
  wakeForMiss(cause: WakeCause): MissWakeOutcome;
}

/** After an accepted goodbye the NAS counts as asleep for this long, ms (contract 3). */
export const GOODBYE_MS = 2 * 60_000;

interface PresenceDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly book: ServerProfileBook;
  /** What the plug with role `nas` measures, watts; null where unknown. Must be quick. */
  readonly nasPlugWatts: () => number | null;
  /** NAS_POWER_THRESHOLD_WATTS. */
  readonly powerThresholdWatts: number;
  /** The two minutes after a goodbye are over, and the NAS's state is unknown. */
  readonly onGoodbyeOver?: () => void;
}

type Reachability = Pick<NasState, 'awake' | 'reachable'>;

/**
 * Awake and asleep (contract 1). Only preflight tells how the NAS sleeps; every other answer just
 * proves that it lives. So its last word holds while it answers, and a NAS that returns from
 * silence without one counts as awake, because whatever ended the silence woke it.
 */
export class Presence implements NasPresence {
  readonly #deps: PresenceDeps;
  readonly #listeners = new Set<(state: NasState) => void>();
  #alive = false;
  #asked = false;
  #askedBefore = false;
  #word: string | null = null;
  #fault: NasFault | null = null;
  #goodbyeAtMs: number | null = null;
  #holding = false;
  #wentSilentInHold = false;
  #stopHold: Cancel = () => undefined;
  #reachability: Reachability = { awake: false, reachable: false };
  #sinceMs: number;
  #sinceTickMs: number;

  constructor(deps: PresenceDeps) {
    this.#deps = deps;
    this.#sinceMs = deps.clock.nowMs();
    this.#sinceTickMs = deps.clock.monotonicMs();
  }

  /** How long this state has lasted, independent of the wall clock. */
  get unchangedMs(): number {
    return this.#deps.clock.monotonicMs() - this.#sinceTickMs;
  }

  get state(): NasState {
    const { profile } = this.#deps.book;
    return {
      ...this.#reachability,
      sleepState: this.#sleepState(),
      reachableBy: this.#reachableBy(),
      everSeen: profile.lastSeenMs !== null,
      version: profile.version,
      sinceMs: this.#sinceMs,
      lastSeenMs: profile.lastSeenMs,
      nextWakeAt: profile.nextWakeAt,
      ...(this.#fault === null ? {} : { fault: this.#fault }),
    };
  }

  /** False until the first state since the start is known, which does not count as a change. */
  get wasKnown(): boolean {
    return this.#askedBefore;
  }

  /** Monotonic ms since the last accepted goodbye; null when there was none since the start. */
  get sinceGoodbyeMs(): number | null {
    if (this.#goodbyeAtMs === null) return null;
    return this.#deps.clock.monotonicMs() - this.#goodbyeAtMs;
  }

  heard(told: Parameters<NasPresence['heard']>[0] = {}): void {
    const cameBack = !this.#alive;
    this.#noteAsked();
    this.#alive = true;
    this.#fault = null;
    if (told.sleepState !== undefined) this.#word = told.sleepState;
    // It went and came back, so the goodbye is history.
    if (cameBack && this.#holding && this.#wentSilentInHold) this.#endHold();
    this.#deps.book.seen({
      ...(told.version === undefined ? {} : { version: told.version }),
      ...(told.nextWakeAt === undefined ? {} : { nextWakeAt: told.nextWakeAt }),
      ...(told.sleepSchedule === undefined
        ? {}
        : { sleepSchedule: JSON.stringify(told.sleepSchedule) }),
    });
    this.#settle();
  }

  silent(fault?: NasFault): void {
    this.#noteAsked();
    this.#alive = false;
    this.#word = null;
    this.#fault = fault ?? null;
    if (this.#holding) this.#wentSilentInHold = true;
    this.#settle();
  }

  /**
   * The NAS said that it is going: asleep from now on, and for two minutes even if it still
   * answers.
   */
  goodbye(): void {
    const { clock } = this.#deps;
    this.#stopHold();
    this.#goodbyeAtMs = clock.monotonicMs();
    this.#noteAsked();
    this.#alive = false;
    this.#word = null;
    this.#holding = true;
    this.#wentSilentInHold = false;
    this.#stopHold = clock.after(GOODBYE_MS, () => {
      this.#endHold();
      this.#settle();
      if (!this.#alive) this.#deps.onGoodbyeOver?.();
    });
    this.#settle();
  }

  /** The NAS said hello. It may not serve yet, so this only ends the goodbye. */
  hello(): void {
    this.#goodbyeAtMs = null;
    this.#endHold();
    this.#settle();
  }

  onChange(listener: (state: NasState) => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  /** Stops its timer. */
  stop(): void {
    this.#stopHold();
  }

  #noteAsked(): void {
    this.#askedBefore = this.#asked;
    this.#asked = true;
  }

  #endHold(): void {
    this.#stopHold();
    this.#holding = false;
  }

  #settle(): void {
    const reachable = this.#alive && !this.#holding;
    const awake = reachable && (this.#word === null || /^(awake|waking)$/.test(this.#word));
    if (awake === this.#reachability.awake && reachable === this.#reachability.reachable) return;
    this.#reachability = { awake, reachable };
    this.#sinceMs = this.#deps.clock.nowMs();
    this.#sinceTickMs = this.#deps.clock.monotonicMs();
    const { state } = this;
    for (const listener of [...this.#listeners]) this.#tell(listener, state);
  }

  /** A listener's fault must not reach the call that produced the news. */
  #tell(listener: (state: NasState) => void, state: NasState): void {
    try {
      listener(state);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#deps.log.error(`A listener to the state of the NAS failed: ${reason}`);
    }
  }

  #sleepState(): string {
    if (this.#fault !== null) return this.#fault;
    if (this.#holding) return 'going_offline';
    if (!this.#asked) return 'unknown';
    return this.#alive ? (this.#word ?? 'awake') : 'unreachable';
  }

  #reachableBy(): NasState['reachableBy'] {
    if (this.#alive) return 'http';
    const watts = this.#deps.nasPlugWatts();
    return watts !== null && watts >= this.#deps.powerThresholdWatts ? 'power' : 'none';
  }
}

/** What everybody may learn of the NAS. `nas_goodbye`: it, or a caller, announced its sleep. */
export interface NasNews {
  readonly kind: 'nas_awake' | 'nas_asleep' | 'nas_goodbye' | 'wake_failed';
  /** The NAS's own word, or `unreachable`. */
  readonly sleepState: string;
}
