import { request as plainRequest } from 'node:http';
import { request as tlsRequest } from 'node:https';
import { connect, isIPv4 } from 'node:net';
import type { NetworkInterfaceInfo } from 'node:os';
import { wake as sendPackets } from 'wake_on_lan';
import type { Log } from '../../../nodes/lib/log/log.ts';
import type { Clock } from '../../../nodes/lib/time/clock.ts';

/**
 * Reads a MAC address written with colons, dashes or nothing between its bytes.
 * @returns `aa:bb:cc:dd:ee:ff`, or null when it is not one
 */
export function normaliseMac(text: string): string | null {
  const trimmed = text.trim();
  if (!/^([0-9a-f]{2}([:-]?))(?:[0-9a-f]{2}\2){4}[0-9a-f]{2}$/i.test(trimmed)) return null;
  const digits = trimmed.replace(/[:-]/g, '').toLowerCase();
  return digits.replace(/(..)(?=.)/g, '$1:');
}

/** Sends one burst of magic packets to one address. */
export interface MagicPacketPort {
  /** @throws Error when the packet could not be handed to the network */
  send(macAddress: string, target: WakeTarget): Promise<void>;
}

/** UDP is lossy, so a burst is three packets. */
const PACKETS = 3;

/** Magic packets over UDP. */
export const udpMagicPacket: MagicPacketPort = {
  async send(macAddress, target) {
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    const { address, port } = target;
    sendPackets(macAddress, { address, port, num_packets: PACKETS }, (error) => {
      if (error instanceof Error) {
        reject(new Error('The magic packet could not be sent.', { cause: error }));
      } else {
        resolve(undefined);
      }
    });
    await promise;
  },
};

/** At most one burst per interval, also within a wake: a card that is going to sleep hears none. */
const BURST_EVERY_MS = 30_000;
const PROBE_EVERY_MS = 1_000;

/** The machine to be woken, as a wake sees it. */
interface SleepingHost {
  /** `the NAS`, for the log. */
  readonly name: string;
  readonly isAwake: () => boolean;
  /** It answers, awake or not: then no packet is sent, and `nudge` may wake it. */
  readonly isReachable: () => boolean;
  /** Probes it, so that the two above are current afterwards. Never rejects because of silence. */
  readonly probe: () => Promise<unknown>;
  /**
   * Called each turn while it answers but is not awake.
   * @returns true when that woke it
   */
  readonly nudge?: () => Promise<boolean>;
}

interface WakeDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly host: SleepingHost;
  readonly packet: MagicPacketPort;
  readonly targets: () => readonly WakeTarget[];
  /** `aa:bb:cc:dd:ee:ff`; null where it is not known. */
  readonly macAddress: () => string | null;
  readonly bootTimeoutSeconds: number;
  /** A wake ended, other than by {@link Wake.stop}. */
  readonly onEnded?: (ended: WakeEnd) => void;
}

export type WakeEnd = 'awake' | 'failed';

export interface WakeStatus {
  readonly state: 'idle' | 'waking' | WakeEnd;
  /** Epoch ms. */
  readonly startedAtMs: number | null;
  /** The wakes since the machine was last woken. */
  readonly attempts: number;
}

export type WakeOutcome =
  | {
      readonly kind: 'started' | 'joined';
      readonly packetSent: boolean;
      readonly done: Promise<WakeEnd>;
    }
  | { readonly kind: 'already_awake' }
  | { readonly kind: 'no_mac' };

/**
 * Wakes one machine: one wake at a time for all who want it, one burst in 30 s, and a check every
 * second.
 */
export class Wake {
  readonly #deps: WakeDeps;
  readonly #stopped = new AbortController();
  #status: WakeStatus = { state: 'idle', startedAtMs: null, attempts: 0 };
  #running: Promise<WakeEnd> | null = null;
  #burstAtMs = -Infinity;

  constructor(deps: WakeDeps) {
    this.#deps = deps;
  }

  get status(): WakeStatus {
    return this.#status;
  }

  /** Ends a running wake as failed. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#running;
  }

  /**
   * Starts a wake or joins the running one.
   * @param cause who or what wants it, for the log
   * @returns at once: what was done. `done` of `started` and `joined` tells how it ended.
   */
  wake(cause: string): WakeOutcome {
    const { host, macAddress, log } = this.#deps;
    if (host.isAwake()) return { kind: 'already_awake' };
    if (this.#running !== null) {
      log.debug(`wake: ${cause} waits for the same one.`);
      return { kind: 'joined', packetSent: false, done: this.#running };
    }
    const reachable = host.isReachable();
    if (macAddress() === null && !reachable) return { kind: 'no_mac' };
    const packetSent = !reachable && this.#mayBurst();
    const means = reachable ? 'a plain request' : packetSent ? 'a magic packet' : 'the last packet';
    return { kind: 'started', packetSent, done: this.#start(`for ${cause}, by ${means}`) };
  }

  #start(story: string): Promise<WakeEnd> {
    const { clock, log } = this.#deps;
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

  #ended(state: WakeEnd, fromMs: number): WakeEnd {
    this.#running = null;
    this.#status = { ...this.#status, state };
    const { clock, log, host, onEnded } = this.#deps;
    const tookSeconds = Math.round((clock.monotonicMs() - fromMs) / 1_000);
    if (state === 'awake') log.info(`wake: ${host.name} is awake after ${tookSeconds} s.`);
    else if (this.#stopped.signal.aborted) {
      log.info('wake: given up, as its owner stops.');
      return state;
    } else log.warn(`wake: failed, ${host.name} is not awake after ${tookSeconds} s.`);
    onEnded?.(state);
    return state;
  }

  async #run(): Promise<WakeEnd> {
    const { clock, host, bootTimeoutSeconds } = this.#deps;
    const deadlineMs = clock.monotonicMs() + bootTimeoutSeconds * 1_000;
    while (!this.#stopped.signal.aborted) {
      const turnAtMs = clock.monotonicMs();
      if (await this.#push()) return 'awake';
      await host.probe();
      if (host.isAwake()) return 'awake';
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
    await this.#deps.clock.sleep(Math.max(0, waitMs), signal).catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
    return !signal.aborted;
  }

  /** Does whatever may wake it now. True: it is awake already. */
  async #push(): Promise<boolean> {
    const { host } = this.#deps;
    if (host.isReachable() && (await host.nudge?.()) === true) return true;
    if (!host.isReachable() && this.#mayBurst()) await this.#burst();
    return false;
  }

  #mayBurst(): boolean {
    const { clock, macAddress } = this.#deps;
    return macAddress() !== null && clock.monotonicMs() - this.#burstAtMs >= BURST_EVERY_MS;
  }

  async #burst(): Promise<void> {
    const { clock, packet, targets, macAddress, log } = this.#deps;
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

/** How to check whether a machine is up. */
export type HostAddress =
  | { readonly kind: 'http'; readonly url: URL }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number };

/** How long a booting machine may take to answer; one that is off never does. */
const PATIENCE_MS = 1_500;

/**
 * @param text `host:port`, `[ipv6]:port` or an http(s) URL
 * @returns null when it is none of these
 */
export function parseHostAddress(text: string): HostAddress | null {
  const trimmed = text.trim();
  if (/^https?:\/\//i.test(trimmed)) {
    const url = URL.parse(trimmed);
    return url === null ? null : { kind: 'http', url };
  }
  const parts = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+)):(\d{1,5})$/i.exec(trimmed);
  const host = parts?.[1] ?? parts?.[2];
  const port = Number(parts?.[3]);
  if (host === undefined || port < 1 || port > 65_535) return null;
  return { kind: 'tcp', host, port };
}

/**
 * Whether a machine answers within 1.5 s. By http any answer counts, whatever its status; the
 * certificate is not checked, as nothing confidential is sent.
 */
export function answers(address: HostAddress): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const attempt = address.kind === 'tcp' ? opened(address, resolve) : asked(address.url, resolve);
  attempt.setTimeout(PATIENCE_MS, () => {
    attempt.destroy();
    resolve(false);
  });
  attempt.once('error', () => {
    resolve(false);
  });
  return promise;
}

function opened(
  { host, port }: { readonly host: string; readonly port: number },
  tell: (isThere: boolean) => void,
): ReturnType<typeof connect> {
  const socket = connect({ host, port });
  socket.once('connect', () => {
    socket.destroy();
    tell(true);
  });
  return socket;
}

function asked(url: URL, tell: (isThere: boolean) => void): ReturnType<typeof plainRequest> {
  const options = { agent: false, rejectUnauthorized: false };
  const asking =
    url.protocol === 'https:' ? tlsRequest(url, options) : plainRequest(url, { agent: false });
  asking.once('response', (response) => {
    response.destroy();
    tell(true);
  });
  asking.end();
  return asking;
}

export interface WakeTarget {
  readonly address: string;
  readonly port: number;
}

/** Discard, the usual port for magic packets; the network card only looks at the bytes. */
const WAKE_PORT = 9;

const EVERYBODY = '255.255.255.255';

/**
 * The directed broadcast of every IPv4 network the machine is in; the limited broadcast when it is
 * in none.
 * @param interfaces as `os.networkInterfaces()` gives them
 */
export function broadcastAddresses(
  interfaces: Readonly<Record<string, readonly NetworkInterfaceInfo[] | undefined>>,
): readonly string[] {
  const found = new Set<string>();
  for (const infos of Object.values(interfaces)) {
    for (const info of infos ?? []) {
      const address = info.internal ? null : directedBroadcast(info);
      if (address !== null) found.add(address);
    }
  }
  return found.size === 0 ? [EVERYBODY] : [...found];
}

/** @returns null for IPv6 and for networks too small to have a broadcast (/31, /32) */
function directedBroadcast(info: NetworkInterfaceInfo): string | null {
  if (!isIPv4(info.address) || !isIPv4(info.netmask)) return null;
  const address = info.address.split('.').map(Number);
  const mask = info.netmask.split('.').map(Number);
  if ((mask[3] ?? 255) >= 254) return null;
  return address.map((byte, place) => byte | (~(mask[place] ?? 255) & 255)).join('.');
}

/**
 * Reads NAS_WAKE_ADDRESS.
 * @param text `host`, `host:port` or `[ipv6]:port`
 * @returns null when it is none of these
 */
export function parseWakeAddress(text: string): WakeTarget | null {
  const parts = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::(\d{1,5}))?$/i.exec(text.trim());
  const address = parts?.[1] ?? parts?.[2];
  const port = Number(parts?.[3] ?? WAKE_PORT);
  if (address === undefined || port < 1 || port > 65_535) return null;
  return { address, port };
}

/** Where a magic packet goes: the set address, else every broadcast address. */
export function wakeTargets(
  set: WakeTarget | null,
  interfaces: Parameters<typeof broadcastAddresses>[0],
): readonly WakeTarget[] {
  if (set !== null) return [set];
  return broadcastAddresses(interfaces).map((address) => ({ address, port: WAKE_PORT }));
}
