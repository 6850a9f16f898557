import { generateKeyPair } from 'node:crypto';
import { networkInterfaces } from 'node:os';
import { promisify } from 'node:util';
import type { Log } from '../../../../nodes/lib/log/log.ts';
import type { Clock } from '../../../../nodes/lib/time/clock.ts';
import { discoveryQuery, parseAnnouncement, type PlugAnnouncement } from './discovery-packet.ts';
import { directedBroadcast, DISCOVERY_PORT, isLocalAddress } from './plug-address.ts';
import { withTimeLimit } from './time-limit.ts';
import type { OpenUdp, UdpAddress } from './udp.ts';

/** How long a search listens. Plugs answer within a few hundred ms; Wi-Fi may sleep for a second. */
const SEARCH_MS = 3_000;
/** Broadcasts get lost on Wi-Fi, where they are not acknowledged. */
const REPEAT_MS = 1_000;
/** How long one known plug has to say who it is. */
const IDENTIFY_MS = 1_000;
/** More answers than any home has plugs are a flood. */
const MOST_ANSWERS = 128;

/** A plug that answered, at the address its answer really came from. */
export interface FoundPlug extends PlugAnnouncement {
  readonly ip: string;
}

export interface DiscoveryOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly openUdp: OpenUdp;
  /** Where to ask; null for the directed broadcasts of our own interfaces. */
  readonly addresses: readonly UdpAddress[] | null;
  /** Makes the RSA key that goes into the query. Default: a fresh one, made at the first query. */
  readonly makePublicPem?: () => Promise<string>;
}

/** Finds plugs, and asks one who it is, by UDP and without credentials. */
export class Discovery {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #openUdp: OpenUdp;
  readonly #addresses: readonly UdpAddress[] | null;
  /** Where plugs at an IP were heard from last: it need not be port 20002. */
  readonly #heardFrom = new Map<string, UdpAddress>();
  #serial = 0;
  readonly #makePublicPem: () => Promise<string>;
  #publicPem: Promise<string> | null = null;

  constructor(options: DiscoveryOptions) {
    this.#clock = options.clock;
    this.#log = options.log;
    this.#openUdp = options.openUdp;
    this.#addresses = options.addresses;
    this.#makePublicPem = options.makePublicPem ?? makePublicPem;
  }

  /** All plugs that answer within {@link SEARCH_MS}, one entry per MAC address. */
  async search(signal?: AbortSignal): Promise<readonly FoundPlug[]> {
    const found = new Map<string, FoundPlug>();
    await this.#ask(this.#addresses ?? ownBroadcasts(), SEARCH_MS, signal, (plug) => {
      // The first answer stands: a later one under the same MAC may be a forger's.
      if (!found.has(plug.mac)) found.set(plug.mac, plug);
      return false;
    });
    return [...found.values()];
  }

  /** What the plug at `ip` that serves HTTP on `port` says it is; null when it stays silent. */
  async identify(ip: string, port: number, signal?: AbortSignal): Promise<FoundPlug | null> {
    let identity: FoundPlug | null = null;
    await this.#ask(this.#addressesOf(ip, port), IDENTIFY_MS, signal, (plug) => {
      if (plug.ip !== ip || plug.port !== port) return false;
      identity = plug;
      return true;
    });
    return identity;
  }

  /** @param take gets each plug that answers; true ends the listening */
  async #ask(
    to: readonly UdpAddress[],
    forMs: number,
    outer: AbortSignal | undefined,
    take: (plug: FoundPlug) => boolean,
  ): Promise<void> {
    if (to.length === 0) return;
    const packet = await this.#query();
    await withTimeLimit(this.#clock, forMs, [outer], async (signal) => {
      const done = Promise.withResolvers<undefined>();
      const finish = (): void => {
        done.resolve(undefined);
      };
      if (signal.aborted) return;
      signal.addEventListener('abort', finish, { once: true });
      let answers = 0;
      const socket = await this.#openUdp({
        onFault: (error) => {
          this.#log.debug(`A plug search could not send: ${error.message}`);
        },
        onPacket: (bytes, from) => {
          answers += 1;
          const plug = answers > MOST_ANSWERS ? null : this.#accept(bytes, from);
          if (plug !== null && take(plug)) finish();
        },
      });
      let cancel = (): void => undefined;
      const send = (): void => {
        for (const address of to) socket.send(packet, address);
        cancel = this.#clock.after(REPEAT_MS, send);
      };
      try {
        send();
        await done.promise;
      } finally {
        cancel();
        socket.close();
      }
    });
  }

  /**
   * The address is where the answer came from, never what it claims: a claim could send
   * credentials anywhere. Answers from outside the local networks are forged or misrouted.
   */
  #accept(bytes: Buffer, from: UdpAddress): FoundPlug | null {
    if (!isLocalAddress(from.host)) return null;
    const announcement = parseAnnouncement(bytes);
    if (announcement === null) return null;
    const key = `${from.host}:${announcement.port}`;
    if (this.#heardFrom.size < MOST_ANSWERS || this.#heardFrom.has(key)) {
      this.#heardFrom.set(key, from);
    }
    return { ...announcement, ip: from.host };
  }

  #addressesOf(ip: string, port: number): readonly UdpAddress[] {
    const heard = this.#heardFrom.get(`${ip}:${port}`);
    const configured = (this.#addresses ?? []).filter((address) => address.host === ip);
    const usual = { host: ip, port: DISCOVERY_PORT };
    return [...(heard === undefined ? [] : [heard]), ...configured, usual];
  }

  async #query(): Promise<Buffer> {
    this.#publicPem ??= this.#makePublicPem();
    this.#serial += 1;
    return discoveryQuery(await this.#publicPem, this.#serial);
  }
}

/** Plugs want a key in the query; ours is thrown away, as what they encrypt by it is of no use. */
async function makePublicPem(): Promise<string> {
  const { publicKey } = await promisify(generateKeyPair)('rsa', { modulusLength: 2_048 });
  return publicKey.export({ type: 'spki', format: 'pem' }).toString();
}

function ownBroadcasts(): readonly UdpAddress[] {
  const addresses = Object.values(networkInterfaces())
    .flatMap((list) => list ?? [])
    .filter((address) => address.family === 'IPv4' && !address.internal)
    .map((address) => directedBroadcast(address.address, address.netmask));
  return [...new Set(addresses)].map((host) => ({ host, port: DISCOVERY_PORT }));
}
