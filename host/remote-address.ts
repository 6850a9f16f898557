import type { IncomingMessage } from 'node:http';
import { BlockList, isIPv6 } from 'node:net';

interface RemoteAddress {
  readonly address: string;
  /** From this very machine, and not through anybody's proxy. */
  readonly loopback: boolean;
}

const MAPPED_PREFIX = '::ffff:';
/** Each of them says that somebody passed the request on. */
const PASSED_ON = ['forwarded', 'x-real-ip', 'via'] as const;
/** Somebody who forges the header fills no log with it. */
const MOST_TOLD = 20;

/**
 * Who is at the other end. `X-Forwarded-For` is believed from the configured proxies only, and a
 * request that carries it is never loopback (contract 0, TRUSTED_PROXIES); nor is one that says in
 * another way that it was passed on.
 */
export class RemoteAddresses {
  readonly #trusted = new BlockList();
  readonly #onUnlisted: (peer: string) => void;
  readonly #told = new Set<string>();

  /** @param onUnlisted told once of each address that speaks for others and is not trusted to */
  constructor(
    trustedProxies: readonly string[],
    onUnlisted: (peer: string) => void = () => undefined,
  ) {
    this.#onUnlisted = onUnlisted;
    for (const range of trustedProxies) {
      const [address = '', bits] = range.split('/');
      const family = isIPv6(address) ? 'ipv6' : 'ipv4';
      if (bits === undefined) this.#trusted.addAddress(address, family);
      else this.#trusted.addSubnet(address, Number(bits), family);
    }
  }

  of(request: IncomingMessage): RemoteAddress {
    const peer = plain(request.socket.remoteAddress ?? '');
    const forwarded = request.headers['x-forwarded-for'];
    if (forwarded === undefined) {
      const isPassedOn = PASSED_ON.some((name) => request.headers[name] !== undefined);
      return { address: peer, loopback: isLoopback(peer) && !isPassedOn };
    }
    if (!this.#trusts(peer)) {
      this.#tell(peer);
      return { address: peer, loopback: false };
    }
    const hops = String(forwarded)
      .split(',')
      .map((hop) => plain(hop.trim()));
    // From the right, the first hop that is no proxy of ours is the client.
    const client = hops.reverse().find((hop) => !this.#trusts(hop));
    return { address: client ?? peer, loopback: false };
  }

  /** Whether a proxy we trust sent this. */
  isFromProxy(request: IncomingMessage): boolean {
    return this.#trusts(plain(request.socket.remoteAddress ?? ''));
  }

  /** Whether it came to a proxy of ours by https, as that proxy says. */
  isSecure(request: IncomingMessage): boolean {
    return request.headers['x-forwarded-proto'] === 'https' && this.isFromProxy(request);
  }

  #tell(peer: string): void {
    if (this.#told.has(peer) || this.#told.size >= MOST_TOLD) return;
    this.#told.add(peer);
    this.#onUnlisted(peer);
  }

  #trusts(address: string): boolean {
    return this.#trusted.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
  }
}

/**
 * What counts as one address where things are shared out: all of a /64 for IPv6, as any machine may
 * take as many addresses of its own /64 as it likes.
 */
export function shareOf(address: string): string {
  const one = plain(address);
  if (!one.includes(':')) return one;
  const [words = ''] = one.split('%');
  const [head = '', tail] = words.split('::');
  const before = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - before.length - after.length);
  const groups = [...before, ...Array<string>(zeros).fill('0'), ...after].slice(0, 4);
  return `${groups.map((group) => parseInt(group, 16).toString(16)).join(':')}::/64`;
}

function plain(address: string): string {
  return address.startsWith(MAPPED_PREFIX) ? address.slice(MAPPED_PREFIX.length) : address;
}

function isLoopback(address: string): boolean {
  return address === '::1' || address.startsWith('127.');
}

/**
 * Whether the nginx a request came through may send a file's bytes for us (deploy/nginx.conf). It
 * says so by a header, which counts from a trusted proxy alone: anybody else would be given the
 * name of a blob where they asked for a file.
 */
export class Accel {
  readonly #isOn: boolean;
  readonly #remotes: RemoteAddresses;

  /** @param mode the setting ACCEL */
  constructor(mode: 'off' | 'nginx', remotes: RemoteAddresses) {
    this.#isOn = mode === 'nginx';
    this.#remotes = remotes;
  }

  allows(request: IncomingMessage): boolean {
    if (!this.#isOn || request.headers['x-balupi-accel'] !== 'nginx') return false;
    return this.#remotes.isFromProxy(request);
  }
}
