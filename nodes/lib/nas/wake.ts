import {
  type MagicPacketPort,
  Wake,
  type WakeEnd,
  type WakeOutcome,
  type WakeTarget,
} from '../../../packages/node-red-contrib-balupi-wol/lib/wake.ts';
import { RateLimiter } from '../limits/limits.ts';
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
  /** One plain request, which ends a soft sleep. True if it was answered. */
  readonly nudge: () => Promise<boolean>;
  readonly packet: MagicPacketPort;
  readonly targets: () => readonly WakeTarget[];
  /** From the settings or the `servers` row, `aa:bb:cc:dd:ee:ff`. */
  readonly macAddress: () => string | null;
  readonly bootTimeoutSeconds: number;
  /** The NAS did not wake in time. */
  readonly onFailed?: () => void;
}

/** Wakes the NAS, also out of its soft sleep; misses have rules of their own. */
export class NasWakes implements NasWake, NasMissWake {
  readonly #deps: NasWakesDeps;
  readonly #wake: Wake;
  #nudgedAtMs = -Infinity;
  readonly #misses: MissWakes;
  /** The cause of the last one that was started. */
  #cause: WakeCause | null = null;
  #unsubscribe: () => void = () => undefined;

  constructor(deps: NasWakesDeps) {
    const { presence, probe } = deps;
    this.#deps = deps;
    this.#misses = new MissWakes(deps.clock);
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
      if (state.awake) this.#misses.seenAwake();
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
    const { presence } = this.#deps;
    if (this.status.state === 'waking' || presence.state.awake) return this.wake(cause);
    const decision = this.#misses.decide(presence.sinceGoodbyeMs);
    if (decision.kind === 'held_back') return decision;
    const outcome = this.wake(cause);
    if (outcome.kind === 'started') this.#misses.began();
    return outcome;
  }

  #ended(ended: WakeEnd): void {
    if (ended === 'awake') this.#misses.seenAwake();
    else {
      this.#misses.failed();
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

type MissWakeDecision =
  | { readonly kind: 'allowed' }
  | { readonly kind: 'held_back'; readonly retryAfterMs: number };

/**
 * The contract's rules for misses (contract 3): none in the 2 minutes after a goodbye, none for 10
 * minutes after a failed wake (doubling to 2 h), at most 6 an hour.
 */
export class MissWakes {
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #begun: RateLimiter;
  /** In a row, whoever asked for them. */
  #failures = 0;
  #failedAtMs = -Infinity;

  constructor(clock: Pick<Clock, 'monotonicMs'>) {
    this.#clock = clock;
    this.#begun = new RateLimiter(clock, { most: WAKES_AN_HOUR, windowMs: HOUR_MS });
  }

  /**
   * Whether a miss may wake the NAS now.
   * @param sinceGoodbyeMs null when the NAS said none
   */
  decide(sinceGoodbyeMs: number | null): MissWakeDecision {
    const retryAfterMs = Math.max(
      sinceGoodbyeMs === null ? 0 : GOODBYE_MS - sinceGoodbyeMs,
      this.#failedAtMs + refusalMs(this.#failures) - this.#clock.monotonicMs(),
      this.#begun.waitMs(),
    );
    return retryAfterMs > 0 ? { kind: 'held_back', retryAfterMs } : { kind: 'allowed' };
  }

  /** A miss began to wake the NAS. */
  began(): void {
    this.#begun.add();
  }

  failed(): void {
    this.#failures += 1;
    this.#failedAtMs = this.#clock.monotonicMs();
  }

  /** The NAS was seen awake, by a wake or on its own. */
  seenAwake(): void {
    this.#failures = 0;
    this.#failedAtMs = -Infinity;
  }
}

function refusalMs(failures: number): number {
  return Math.min(FIRST_REFUSAL_MS * 2 ** (failures - 1), LONGEST_REFUSAL_MS);
}
