import type { IncomingMessage } from 'node:http';
import { BlockList, isIPv6 } from 'node:net';

interface RemoteAddress {
  readonly address: string;
  /** From this machine, and not through a proxy. */
  readonly loopback: boolean;
}

const MAPPED_PREFIX = '::ffff:';
/** Each of these headers shows that a proxy forwarded the request. */
const PASSED_ON = ['forwarded', 'x-real-ip', 'via'] as const;
/** So that forged headers cannot fill the log. */
const MOST_TOLD = 20;

/**
 * The client's address. `X-Forwarded-For` is trusted from the configured proxies only; a request with
 * it, or with another sign of a proxy, is never loopback (contract 0, TRUSTED_PROXIES).
 */
export class RemoteAddresses {
  readonly #trusted = new BlockList();
  readonly #onUnlisted: (peer: string) => void;
  readonly #told = new Set<string>();

  /** @param onUnlisted called once for each untrusted address that forwards for others */
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
    // From the right, the first hop that is not a trusted proxy is the client.
    const client = hops.reverse().find((hop) => !this.#trusts(hop));
    return { address: client ?? peer, loopback: false };
  }

  /** Whether a trusted proxy sent this. */
  isFromProxy(request: IncomingMessage): boolean {
    return this.#trusts(plain(request.socket.remoteAddress ?? ''));
  }

  /** Whether a trusted proxy received it over https. */
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
 * The key of an address for limits: the whole /64 for IPv6, as a machine can use any address of its
 * own /64.
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
 * Whether the nginx in front may send a file's bytes for us (deploy/nginx.conf). It asks by a header,
 * which counts from a trusted proxy only: anybody else would get the name of a blob instead of a file.
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
