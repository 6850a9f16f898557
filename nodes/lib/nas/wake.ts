import {
  type MagicPacketPort,
  Wake,
  type WakeEnd,
  type WakeOutcome,
  type WakeTarget,
} from '../../../packages/node-red-contrib-balupi-wol/lib/wake.ts';
import { quoted } from '../log/quoted.ts';
import type { Log } from '../log/log.ts';
import type { Clock } from '../time/clock.ts';
import {
  afterFailedWake,
  afterMissWake,
  afterSeenAwake,
  decideMissWake,
  type MissWakeHistory,
  NO_MISS_WAKES,
} from './miss-wake-policy.ts';
import type {
  MissWakeOutcome,
  NasMissWake,
  NasState,
  NasWake,
  WakeCause,
} from './presence-port.ts';
import type { ProbeOutcome } from './probe.ts';

/** How often a NAS that answers but stays in soft sleep gets another plain request, ms. */
const NUDGE_EVERY_MS = 10_000;

export interface NasWakesDeps {
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
