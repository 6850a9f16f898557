import { lookup } from 'node:dns/promises';
import { type IncomingMessage, request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { readNeighbourFile } from '../nodes/lib/nas/nas.ts';

/** A BaluHost that answered. */
export interface FoundNas {
  readonly url: string;
  readonly version: string;
  /** From the neighbour table; null behind a router and on this machine. */
  readonly macAddress: string | null;
  /** SHA-256 of the certificate, hexadecimal; null over http. */
  readonly fingerprint: string | null;
}

/** The outcome of asking an address that somebody entered. */
export type AskedNas =
  | { readonly kind: 'found'; readonly nas: FoundNas }
  /** Not an address, or one with more than a host and a port. */
  | { readonly kind: 'bad_address' }
  /** Outside of home networks, so it was not asked. */
  | { readonly kind: 'far' }
  /** Nothing there answers as a BaluHost; what does is not disclosed. */
  | { readonly kind: 'silent'; readonly url: string; readonly macAddress: string | null };

const PORTS = [80, 8000];
const NAMES = ['baluhost.local'];
const ANSWER_LIMIT_MS = 2_500;
const ANSWER_BYTES = 64 * 1_024;
const AT_ONCE = 32;
const LONGEST_VERSION = 40;

/**
 * Private ranges (RFC 1918, 4193), shared ones of carriers and overlay networks (RFC 6598), this
 * machine. Not link-local: clouds serve secrets at 169.254.169.254, and no NAS lives there.
 */
const HOME = new BlockList();
HOME.addSubnet('10.0.0.0', 8);
HOME.addSubnet('172.16.0.0', 12);
HOME.addSubnet('192.168.0.0', 16);
HOME.addSubnet('100.64.0.0', 10);
HOME.addSubnet('127.0.0.0', 8);
HOME.addSubnet('fc00::', 7, 'ipv6');
HOME.addAddress('::1', 'ipv6');

/**
 * Asks one address whether a BaluHost is there. `GET /api/health` needs no sign-in and gives its
 * version (BaluHost 1.38); it also wakes a NAS whose disks rest, which the setup may do.
 * @param url without a path
 */
export async function askNas(url: string): Promise<FoundNas | null> {
  const address = URL.parse(url.replace(/\/+$/, ''));
  return address === null ? null : await askAt(address, lookupAny);
}

/**
 * As {@link askNas}, for an address that a browser sent: uses only its host and port, asks only home
 * networks, at the very address that was checked, follows no redirect, and discloses only a BaluHost's
 * answer.
 * @param typed `192.168.178.53`, `nas.local:8000`, with or without a scheme
 */
export async function askNearNas(typed: string): Promise<AskedNas> {
  const text = typed.trim();
  const url = URL.parse(/^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`);
  if (url === null || !/^https?:$/.test(url.protocol) || !isBare(url)) {
    return { kind: 'bad_address' };
  }
  const addresses = await addressesOf(bareHost(url));
  if (addresses.length === 0) return { kind: 'silent', url: url.origin, macAddress: null };
  if (!addresses.every((address) => isHome(address))) return { kind: 'far' };
  const [address = ''] = addresses;
  const nas = await askAt(url, lookupTo(address));
  const macAddress = macOf(address);
  if (nas === null) return { kind: 'silent', url: url.origin, macAddress };
  return { kind: 'found', nas: { ...nas, macAddress } };
}

/** Asks the names a BaluHost announces and every machine this one has recently spoken to. */
export async function findNas(): Promise<readonly FoundNas[]> {
  const hosts = [...NAMES, ...neighbours().map(([address]) => address)];
  const urls = hosts.flatMap((host) =>
    PORTS.map((port) => (port === 80 ? `http://${host}` : `http://${host}:${port}`)),
  );
  const found: FoundNas[] = [];
  for (let from = 0; from < urls.length; from += AT_ONCE) {
    const asked = await Promise.all(urls.slice(from, from + AT_ONCE).map(askNas));
    found.push(...asked.filter((nas) => nas !== null));
  }
  return found;
}

async function askAt(url: URL, by: LookupFunction): Promise<FoundNas | null> {
  const told = await healthAt(url, by);
  if (told === null) return null;
  const { version, api_version: apiVersion, service } = told.body;
  // Another BaluPi answers here too, and says so.
  if (typeof version !== 'string' || apiVersion === undefined || service === 'balupi') return null;
  // Shown on a page, so only short and harmless text.
  const shown = version.replace(/[^\w .+-]/g, '').slice(0, LONGEST_VERSION);
  const { fingerprint } = told;
  return { url: url.origin, version: shown, macAddress: macOf(bareHost(url)), fingerprint };
}

interface Health {
  readonly body: Readonly<Record<string, unknown>>;
  readonly fingerprint: string | null;
}

/** Null if nobody answers, or not as a BaluHost does: refused, silent, too long, not JSON. */
async function healthAt(url: URL, by: LookupFunction): Promise<Health | null> {
  const { promise, resolve } = Promise.withResolvers<Health | null>();
  const isSecure = url.protocol === 'https:';
  const signal = AbortSignal.timeout(ANSWER_LIMIT_MS);
  // A NAS has a self-signed certificate; its fingerprint is returned, to be pinned.
  const secure = isSecure ? { rejectUnauthorized: false } : {};
  const options = { lookup: by, signal, agent: false, ...secure } as const;
  const take = (response: IncomingMessage): void => {
    const { socket } = response;
    const fingerprint = isSecure ? fingerprintOf(socket as TLSSocket) : null;
    bodyOf(response).then(
      (body) => {
        resolve(response.statusCode === 200 && body !== null ? { body, fingerprint } : null);
      },
      () => {
        resolve(null);
      },
    );
  };
  const send = isSecure ? httpsRequest : httpRequest;
  const asked = send(new URL('/api/health', url.origin), options, take);
  asked.once('error', () => {
    resolve(null);
  });
  asked.end();
  const told = await promise;
  asked.destroy();
  return told;
}

async function bodyOf(response: IncomingMessage): Promise<Record<string, unknown> | null> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length;
    if (sizeBytes > ANSWER_BYTES) return null;
    chunks.push(chunk);
  }
  const value = JSON.parse(Buffer.concat(chunks).toString('utf8')) as unknown;
  const isRecord = typeof value === 'object' && value !== null && !Array.isArray(value);
  return isRecord ? (value as Record<string, unknown>) : null;
}

function fingerprintOf(socket: TLSSocket): string {
  return socket.getPeerCertificate().fingerprint256.replace(/:/g, '').toLowerCase();
}

function isBare({ pathname, search, hash, username, password }: URL): boolean {
  return pathname === '/' && search + hash + username + password === '';
}

function bareHost({ hostname }: URL): string {
  return hostname.replace(/^\[|\]$/g, '');
}

async function addressesOf(host: string): Promise<readonly string[]> {
  if (isIP(host) !== 0) return [host];
  try {
    return (await lookup(host, { all: true })).map(({ address }) => address);
  } catch (error) {
    // An unknown name is an answer too.
    if (error instanceof Error && 'code' in error) return [];
    throw error;
  }
}

function isHome(address: string): boolean {
  return HOME.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');
}

/** Always that address, whatever a name server answers the second time (DNS rebinding). */
function lookupTo(address: string): LookupFunction {
  const family = isIP(address);
  return (_host, options, told) => {
    if (options.all === true) told(null, [{ address, family }]);
    else told(null, address, family);
  };
}

const lookupAny: LookupFunction = (host, options, told) => {
  lookup(host, { ...options, all: true }).then(
    (all) => {
      const [first] = all;
      if (options.all === true) told(null, all);
      else told(null, first?.address ?? '', first?.family);
    },
    (error: unknown) => {
      told(error as NodeJS.ErrnoException, '', 0);
    },
  );
};

function macOf(host: string): string | null {
  return neighbours().find(([address]) => address === host)?.[1] ?? null;
}

/** Address and MAC of every neighbour in /proc/net/arp that has answered. */
function neighbours(): readonly (readonly [address: string, mac: string])[] {
  return readNeighbourFile()
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .flatMap(([address, , flags, mac]) =>
      address === undefined || mac === undefined || Number(flags) === 0
        ? []
        : [[address, mac.toLowerCase()] as const],
    );
}
