import {
  type MagicPacketPort,
  Wake,
  type WakeEnd,
  type WakeOutcome,
  type WakeTarget,
} from '../../../packages/node-red-contrib-balupi-wol/lib/wake.ts';
import { type Log, quoted } from '../log/log.ts';
import type { Clock } from '../time/clock.ts';
import {
  GOODBYE_MS,
  type MissWakeOutcome,
  type NasMissWake,
  type NasState,
  type NasWake,
  type WakeCause,
} from './presence.ts';
import type { ProbeOutcome } from './probe.ts';

/** How often a NAS that answers but stays in soft sleep gets another plain request, ms. */
const NUDGE_EVERY_MS = 10_000;

interface NasWakesDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly presence: {
    readonly state: NasState;
    readonly sinceGoodbyeMs: number | null;
    heard(told: { readonly sleepState: string }): void;
    onChange(listener: (state: NasState) => void): () => void;
  };
  /** Asks the NAS now, outside the background budget. */
  readonly probe: () => Promise<ProbeOutcome>;
  /** One plain request, which ends a soft sleep. True: it was answered. */
  readonly nudge: () => Promise<boolean>;
  readonly packet: MagicPacketPort;
  readonly targets: () => readonly WakeTarget[];
  /** From the settings or the `servers` row, `aa:bb:cc:dd:ee:ff`. */
  readonly macAddress: () => string | null;
  readonly bootTimeoutSeconds: number;
  /** The NAS did not wake in time. */
  readonly onFailed?: () => void;
}

/** Wakes the NAS, out of its soft sleep too; misses under rules of their own. */
export class NasWakes implements NasWake, NasMissWake {
  readonly #deps: NasWakesDeps;
  readonly #wake: Wake;
  #nudgedAtMs = -Infinity;
  #misses: MissWakeHistory = NO_MISS_WAKES;
  /** Of the last one that was begun. */
  #cause: WakeCause | null = null;
  #unsubscribe: () => void = () => undefined;

  constructor(deps: NasWakesDeps) {
    const { presence, probe } = deps;
    this.#deps = deps;
    this.#wake = new Wake({
      ...deps,
      host: {
        name: 'the NAS',
        isAwake: () => presence.state.awake,
        isReachable: () => presence.state.reachable,
        probe,
        nudge: () => this.#nudgeAwake(),
      },
      onEnded: (ended) => {
        this.#ended(ended);
      },
    });
  }

  get status(): NasWake['status'] {
    return { ...this.#wake.status, cause: this.#cause };
  }

  start(): void {
    this.#unsubscribe = this.#deps.presence.onChange((state) => {
      if (state.awake) this.#misses = afterSeenAwake(this.#misses);
    });
  }

  /** Ends a running wake as failed. */
  async stop(): Promise<void> {
    this.#unsubscribe();
    await this.#wake.stop();
  }

  wake(cause: WakeCause): WakeOutcome {
    const outcome = this.#wake.wake(wordsOf(cause));
    if (outcome.kind === 'started') this.#cause = cause;
    return outcome;
  }

  wakeForMiss(cause: WakeCause): MissWakeOutcome {
    const { presence, clock } = this.#deps;
    if (this.status.state === 'waking' || presence.state.awake) return this.wake(cause);
    const nowMs = clock.monotonicMs();
    const decision = decideMissWake(this.#misses, presence.sinceGoodbyeMs, nowMs);
    if (decision.kind === 'held_back') return decision;
    const outcome = this.wake(cause);
    if (outcome.kind === 'started') this.#misses = afterMissWake(this.#misses, nowMs);
    return outcome;
  }

  #ended(ended: WakeEnd): void {
    const nowMs = this.#deps.clock.monotonicMs();
    if (ended === 'awake') this.#misses = afterSeenAwake(this.#misses);
    else {
      this.#misses = afterFailedWake(this.#misses, nowMs);
      this.#deps.onFailed?.();
    }
  }

  async #nudgeAwake(): Promise<boolean> {
    const { clock, nudge, presence, probe } = this.#deps;
    if (clock.monotonicMs() - this.#nudgedAtMs < NUDGE_EVERY_MS) return false;
    this.#nudgedAtMs = clock.monotonicMs();
    if (!(await nudge())) return false;
    // Without a token nobody can ask how it sleeps; a plain request it answered has woken it
    // (measured), so it counts as waking until it says otherwise.
    if ((await probe()) === 'alive') presence.heard({ sleepState: 'waking' });
    return presence.state.awake;
  }
}

function wordsOf({ kind, by }: WakeCause): string {
  const who = by === null ? 'a flow' : quoted(by.username);
  switch (kind) {
    case 'call':
      return who;
    case 'read':
      return `${who}, who reads what is not kept`;
    case 'queue':
      return 'the queue (FLUSH_WAKE)';
    case 'door':
      return 'an admin at the sign-in page';
  }
}

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const FIRST_REFUSAL_MS = 10 * MINUTE_MS;
const LONGEST_REFUSAL_MS = 2 * HOUR_MS;
const WAKES_AN_HOUR = 6;

/** What bears on whether a miss may wake the NAS. Times are monotonic ms. */
export interface MissWakeHistory {
  /** Wakes by misses within the last hour, oldest first. */
  readonly wokenAtMs: readonly number[];
  /** Failed wakes in a row, whoever asked for them. */
  readonly failures: number;
  readonly failedAtMs: number | null;
}

type MissWakeDecision =
  | { readonly kind: 'allowed' }
  | { readonly kind: 'held_back'; readonly retryAfterMs: number };

export const NO_MISS_WAKES: MissWakeHistory = { wokenAtMs: [], failures: 0, failedAtMs: null };

/**
 * The contract's rules for misses (contract 3): none in the 2 minutes after a goodbye, none for 10
 * minutes after a failed wake (doubling to 2 h), at most 6 an hour.
 * @param sinceGoodbyeMs null when the NAS said none
 */
export function decideMissWake(
  history: MissWakeHistory,
  sinceGoodbyeMs: number | null,
  nowMs: number,
): MissWakeDecision {
  const waits = [
    sinceGoodbyeMs === null ? 0 : GOODBYE_MS - sinceGoodbyeMs,
    history.failedAtMs === null ? 0 : history.failedAtMs + refusalMs(history.failures) - nowMs,
    hourlyWait(history.wokenAtMs, nowMs),
  ];
  const retryAfterMs = Math.max(...waits);
  return retryAfterMs > 0 ? { kind: 'held_back', retryAfterMs } : { kind: 'allowed' };
}

export function afterMissWake(history: MissWakeHistory, nowMs: number): MissWakeHistory {
  const recent = history.wokenAtMs.filter((atMs) => nowMs - atMs < HOUR_MS);
  return { ...history, wokenAtMs: [...recent, nowMs] };
}

export function afterFailedWake(history: MissWakeHistory, nowMs: number): MissWakeHistory {
  return { ...history, failures: history.failures + 1, failedAtMs: nowMs };
}

/** The NAS was seen awake, by a wake or on its own. */
export function afterSeenAwake(history: MissWakeHistory): MissWakeHistory {
  return { ...history, failures: 0, failedAtMs: null };
}

function refusalMs(failures: number): number {
  return Math.min(FIRST_REFUSAL_MS * 2 ** (failures - 1), LONGEST_REFUSAL_MS);
}

function hourlyWait(wokenAtMs: readonly number[], nowMs: number): number {
  const recent = wokenAtMs.filter((atMs) => nowMs - atMs < HOUR_MS);
  const oldestThatCounts = recent.at(-WAKES_AN_HOUR);
  return oldestThatCounts === undefined ? 0 : oldestThatCounts + HOUR_MS - nowMs;
}
