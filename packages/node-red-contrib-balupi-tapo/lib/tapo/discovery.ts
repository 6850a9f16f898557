import { generateKeyPair } from 'node:crypto';
import { BlockList, isIPv4 } from 'node:net';
import { networkInterfaces } from 'node:os';
import { promisify } from 'node:util';
import { crc32 } from 'node:zlib';
import type { Log } from '../../../../nodes/lib/log/log.ts';
import type { Clock } from '../../../../nodes/lib/time/clock.ts';
import { type OpenUdp, type UdpAddress, withTimeLimit } from './plug-http.ts';
import { asIdentifier, asMac, asRecord, cleanText, parseRecord } from './plug-protocol.ts';
import { readTpapOffer, type TpapOffer } from './tpap/tpap-offer.ts';

/** How long a search listens. Plugs answer within a few hundred ms; Wi-Fi may sleep for a second. */
const SEARCH_MS = 3_000;
/** Broadcasts get lost on Wi-Fi, where they are not acknowledged. */
const REPEAT_MS = 1_000;
/** How long one known plug has to say who it is. */
const IDENTIFY_MS = 1_000;
/** No home has more plugs than this; more answers are a flood. */
const MOST_ANSWERS = 128;

/** A plug that answered, at the address its answer really came from. */
export interface FoundPlug extends PlugAnnouncement {
  readonly ip: string;
}

interface DiscoveryDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly openUdp: OpenUdp;
  /** Where to ask; null for the directed broadcasts of our own interfaces. */
  readonly addresses: readonly UdpAddress[] | null;
  /** Makes the RSA key that goes into the query. Default: a fresh one, made at the first query. */
  readonly makePublicPem?: () => Promise<string>;
}

/** Finds plugs, and identifies one, by UDP and without credentials. */
export class Discovery {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #openUdp: OpenUdp;
  readonly #addresses: readonly UdpAddress[] | null;
  /** The port from which each plug last answered: it need not be 20002. */
  readonly #heardFrom = new Map<string, UdpAddress>();
  #serial = 0;
  readonly #makePublicPem: () => Promise<string>;
  #publicPem: Promise<string> | null = null;

  constructor(deps: DiscoveryDeps) {
    this.#clock = deps.clock;
    this.#log = deps.log;
    this.#openUdp = deps.openUdp;
    this.#addresses = deps.addresses;
    this.#makePublicPem = deps.makePublicPem ?? makePublicPem;
  }

  /**
   * All plugs that answer within {@link SEARCH_MS}, one entry per MAC address.
   *
   * @param isEnough of a plug that answered: ends the search at once
   */
  async search(
    signal?: AbortSignal,
    isEnough: (plug: FoundPlug) => boolean = () => false,
  ): Promise<readonly FoundPlug[]> {
    const found = new Map<string, FoundPlug>();
    await this.#ask(this.#addresses ?? ownBroadcasts(), SEARCH_MS, signal, (plug) => {
      // The first answer stands: a later one under the same MAC may be a forger's.
      if (!found.has(plug.mac)) found.set(plug.mac, plug);
      return isEnough(plug);
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

/** Plugs expect a key in the query; we throw ours away, as we do not need the encrypted part. */
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

const HEADER_BYTES = 16;
/** Where in the header the checksum goes, and what is there while it is computed. */
const CRC_OFFSET = 12;
const CRC_PRESET = 0x5a6b7c8d;
/** Recorded answers are about 1 KB with `encrypt_info`. */
const LARGEST_ANSWER_BYTES = 8_192;

/** What a plug tells anybody on its network, without a login. All of it may be forged. */
interface PlugAnnouncement {
  /** `device_id` of the announcement: 32 digits, not the one from `get_device_info`. */
  readonly discoveryId: string;
  /** `AA:BB:CC:DD:EE:FF`; the same as in `get_device_info`. */
  readonly mac: string;
  readonly port: number;
  /** With its region, such as `P110(EU)`. */
  readonly model: string;
  /** `KLAP`, `AES`, `TPAP` or something newer; empty when not told. */
  readonly encryptType: string;
  /** `lv`: 2 on later firmware, 0 when not told. */
  readonly level: number;
  /** How it speaks TPAP; null when it does not tell. */
  readonly tpap: TpapOffer | null;
}

/**
 * The query plugs answer on UDP 20002: a header `>BBHHBBII` (version 2, 0, operation 1, size of
 * the body, flags 17, 0, serial, CRC-32 over the packet with the field preset), then JSON.
 *
 * @param publicPem an RSA key for the encrypted part of the answer, which we do not need
 * @param serial any number; the answer does not have to repeat it
 */
export function discoveryQuery(publicPem: string, serial: number): Buffer {
  const body = Buffer.from(JSON.stringify({ params: { rsa_key: publicPem } }));
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt8(2, 0);
  header.writeUInt16BE(1, 2);
  header.writeUInt16BE(body.length, 4);
  header.writeUInt8(17, 6);
  header.writeUInt32BE(serial >>> 0, 8);
  header.writeUInt32BE(CRC_PRESET, CRC_OFFSET);
  const packet = Buffer.concat([header, body]);
  packet.writeUInt32BE(crc32(packet), CRC_OFFSET);
  return packet;
}

/**
 * Parses an answer; null when it is not a plug's. The checksum is ignored: UDP's own protects from
 * accidents, and a forger would get it right.
 */
export function parseAnnouncement(packet: Uint8Array): PlugAnnouncement | null {
  if (packet.length <= HEADER_BYTES || packet.length > LARGEST_ANSWER_BYTES) return null;
  const answer = parseRecord(packet.subarray(HEADER_BYTES));
  const result = asRecord(answer?.['result']);
  if (result === null || (answer?.['error_code'] ?? 0) !== 0) return null;
  // Cameras, hubs and bulbs answer as well.
  if (!/PLUG/i.test(cleanText(result['device_type']))) return null;
  const discoveryId = asIdentifier(result['device_id']);
  const mac = asMac(result['mac']);
  const scheme = readScheme(result['mgt_encrypt_schm']);
  if (discoveryId === null || mac === null || scheme === null) return null;
  const tpap = readTpapOffer(result['tpap']);
  return { discoveryId, mac, model: cleanText(result['device_model']), tpap, ...scheme };
}

function readScheme(
  value: unknown,
): Pick<PlugAnnouncement, 'port' | 'encryptType' | 'level'> | null {
  const scheme = asRecord(value);
  const port = asPort(scheme?.['http_port'] ?? 80);
  if (port === null) return null;
  const level = scheme?.['lv'];
  return {
    port,
    encryptType: cleanText(scheme?.['encrypt_type']).toUpperCase(),
    level: typeof level === 'number' && Number.isInteger(level) ? level : 0,
  };
}

function asPort(value: unknown): number | null {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 65_535
    ? value
    : null;
}

/** Where plugs listen for discovery, unless told otherwise. */
const DISCOVERY_PORT = 20_002;
/** Where plugs serve HTTP, unless told otherwise. */
const PLUG_HTTP_PORT = 80;

/**
 * The networks a plug can be in. An account's password must not be offered to an address out on
 * the internet, whoever typed or announced it.
 */
const LOCAL_NETWORKS = new BlockList();
for (const [network, prefix] of [
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
] as const) {
  LOCAL_NETWORKS.addSubnet(network, prefix, 'ipv4');
}

function isLocalAddress(ip: string): boolean {
  return isIPv4(ip) && LOCAL_NETWORKS.check(ip, 'ipv4');
}

export interface PlugAddress {
  readonly ip: string;
  readonly port: number;
}

/** Reads `192.168.178.60` or `192.168.178.60:8080`; null when it is no local IPv4 address. */
export function parsePlugAddress(text: string): PlugAddress | null {
  const parsed = parseHostPort(text, PLUG_HTTP_PORT);
  return parsed !== null && isLocalAddress(parsed.host)
    ? { ip: parsed.host, port: parsed.port }
    : null;
}

/** The reverse; the usual port is left out. */
export function formatPlugAddress(address: PlugAddress): string {
  return address.port === PLUG_HTTP_PORT ? address.ip : `${address.ip}:${address.port}`;
}

/**
 * Reads TAPO_DISCOVERY_ADDRESS: one or more `host[:port]`, by commas. Null when one of them is no
 * IPv4 address.
 */
export function parseDiscoveryAddresses(text: string): readonly UdpAddress[] | null {
  const parsed = text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .map((part) => parseHostPort(part, DISCOVERY_PORT));
  return parsed.every((address) => address !== null) ? parsed : null;
}

/** The address that reaches every host of an interface's own network. */
export function directedBroadcast(address: string, netmask: string): string {
  const ip = address.split('.').map(Number);
  const mask = netmask.split('.').map(Number);
  return ip.map((byte, at) => (byte | ~(mask[at] ?? 255)) & 255).join('.');
}

function parseHostPort(text: string, usualPort: number): UdpAddress | null {
  const match = /^([0-9.]{7,15})(?::(\d{1,5}))?$/.exec(text.trim());
  const host = match?.[1] ?? '';
  const port = match?.[2] === undefined ? usualPort : Number(match[2]);
  return isIPv4(host) && port >= 1 && port <= 65_535 ? { host, port } : null;
}
