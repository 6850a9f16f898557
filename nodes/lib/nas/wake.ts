import type { Log } from '../log/log.ts';
import type { Clock } from '../time/clock.ts';
import type { WakeTarget } from './broadcast-addresses.ts';
import type { MagicPacketPort } from './magic-packet.ts';
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
  WakeOutcome,
  WakeState,
} from './presence-port.ts';
import type { ProbeOutcome } from './probe.ts';

/** A burst at most this often (contract 6), also within one wake: a card going to sleep hears none. */
const BURST_EVERY_MS = 30_000;
const PROBE_EVERY_MS = 1_000;
/** How often a NAS that answers but stays in soft sleep gets another plain request, ms. */
const NUDGE_EVERY_MS = 10_000;

export interface WakeOptions {
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

/** Wakes the NAS: one wake at a time, one burst in 30 s, misses under rules of their own. */
export class Wake implements NasWake, NasMissWake {
  readonly #options: WakeOptions;
  readonly #stopped = new AbortController();
  #status: NasWake['status'] = { state: 'idle', startedAtMs: null, attempts: 0 };
  #running: Promise<'awake' | 'failed'> | null = null;
  #burstAtMs = -Infinity;
  #nudgedAtMs = -Infinity;
  #misses: MissWakeHistory = NO_MISS_WAKES;
  #unsubscribe: () => void = () => undefined;

  constructor(options: WakeOptions) {
    this.#options = options;
  }

  /** `attempts` counts the wakes since the NAS was last woken. */
  get status(): NasWake['status'] {
    return this.#status;
  }

  start(): void {
    this.#unsubscribe = this.#options.presence.onChange((state) => {
      if (state.awake) this.#misses = afterSeenAwake(this.#misses);
    });
  }

  /** Ends a running wake as failed. */
  async stop(): Promise<void> {
    this.#unsubscribe();
    this.#stopped.abort();
    await this.#running;
  }

  wake(cause: string): WakeOutcome {
    const { presence, macAddress } = this.#options;
    if (presence.state.awake) return { kind: 'already_awake' };
    if (this.#running !== null) {
      this.#options.log.debug(`wake: ${cause} waits for the same one.`);
      return { kind: 'joined', packetSent: false, done: this.#running };
    }
    const { reachable } = presence.state;
    if (macAddress() === null && !reachable) return { kind: 'no_mac' };
    const packetSent = !reachable && this.#mayBurst();
    const means = reachable ? 'a plain request' : packetSent ? 'a magic packet' : 'the last packet';
    return { kind: 'started', packetSent, done: this.#start(`for ${cause}, by ${means}`) };
  }

  wakeForMiss(cause: string): MissWakeOutcome {
    const { presence, clock } = this.#options;
    if (this.#running !== null || presence.state.awake) return this.wake(cause);
    const nowMs = clock.monotonicMs();
    const decision = decideMissWake(this.#misses, presence.sinceGoodbyeMs, nowMs);
    if (decision.kind === 'held_back') return decision;
    const outcome = this.wake(cause);
    if (outcome.kind === 'started') this.#misses = afterMissWake(this.#misses, nowMs);
    return outcome;
  }

  #start(story: string): Promise<'awake' | 'failed'> {
    const { clock, log } = this.#options;
    const { attempts, state } = this.#status;
    this.#status = {
      state: 'waking',
      startedAtMs: clock.nowMs(),
      attempts: state === 'awake' ? 1 : attempts + 1,
    };
    log.info(`wake: begun ${story}; try ${this.#status.attempts}.`);
    const fromMs = clock.monotonicMs();
    this.#running = this.#run().then(
      (ended) => this.#ended(ended, fromMs),
      (error: unknown) => {
        log.error(`wake: broke off: ${reasonOf(error)}`);
        return this.#ended('failed', fromMs);
      },
    );
    return this.#running;
  }

  #ended(state: Exclude<WakeState, 'idle' | 'waking'>, fromMs: number): 'awake' | 'failed' {
    this.#running = null;
    this.#status = { ...this.#status, state };
    const { clock, log } = this.#options;
    const nowMs = clock.monotonicMs();
    const tookSeconds = Math.round((nowMs - fromMs) / 1_000);
    if (state === 'awake') log.info(`wake: the NAS is awake after ${tookSeconds} s.`);
    else if (this.#stopped.signal.aborted) log.info('wake: given up, as BaluPi stops.');
    else {
      log.warn(`wake: failed, the NAS is not awake after ${tookSeconds} s.`);
      this.#options.onFailed?.();
    }
    this.#misses =
      state === 'awake' ? afterSeenAwake(this.#misses) : afterFailedWake(this.#misses, nowMs);
    return state;
  }

  async #run(): Promise<'awake' | 'failed'> {
    const { clock, presence, probe, bootTimeoutSeconds } = this.#options;
    const deadlineMs = clock.monotonicMs() + bootTimeoutSeconds * 1_000;
    while (!this.#stopped.signal.aborted) {
      const turnAtMs = clock.monotonicMs();
      if (await this.#push()) return 'awake';
      await probe();
      if (presence.state.awake) return 'awake';
      const nowMs = clock.monotonicMs();
      if (nowMs >= deadlineMs) return 'failed';
      const waitMs = Math.min(turnAtMs + PROBE_EVERY_MS, deadlineMs) - nowMs;
      if (!(await this.#rest(waitMs))) return 'failed';
    }
    return 'failed';
  }

  /** @returns false when the wake was stopped meanwhile */
  async #rest(waitMs: number): Promise<boolean> {
    const { signal } = this.#stopped;
    await this.#options.clock.sleep(Math.max(0, waitMs), signal).catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
    return !signal.aborted;
  }

  /** Does what may wake it now. True: it is awake already. */
  async #push(): Promise<boolean> {
    if (this.#options.presence.state.reachable && (await this.#nudgeAwake())) return true;
    if (!this.#options.presence.state.reachable && this.#mayBurst()) await this.#burst();
    return false;
  }

  async #nudgeAwake(): Promise<boolean> {
    const { clock, nudge, presence, probe } = this.#options;
    if (clock.monotonicMs() - this.#nudgedAtMs < NUDGE_EVERY_MS) return false;
    this.#nudgedAtMs = clock.monotonicMs();
    if (!(await nudge())) return false;
    // Without a token nobody can ask how it sleeps; a plain request it answered has woken it
    // (measured), so it counts as waking until it says otherwise.
    if ((await probe()) === 'alive') presence.heard({ sleepState: 'waking' });
    return presence.state.awake;
  }

  #mayBurst(): boolean {
    const { clock, macAddress } = this.#options;
    return macAddress() !== null && clock.monotonicMs() - this.#burstAtMs >= BURST_EVERY_MS;
  }

  async #burst(): Promise<void> {
    const { clock, packet, targets, macAddress, log } = this.#options;
    const mac = macAddress();
    if (mac === null) return;
    this.#burstAtMs = clock.monotonicMs();
    for (const result of await Promise.allSettled(targets().map((to) => packet.send(mac, to)))) {
      if (result.status === 'rejected')
        log.warn(`wake: a packet went nowhere: ${reasonOf(result.reason)}`);
    }
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message} ${error.cause.message}` : error.message;
}
