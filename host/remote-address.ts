import { BlockList, isIPv6 } from 'node:net';
import type { IncomingMessage } from 'node:http';

export interface RemoteAddress {
  readonly address: string;
  /** From this very machine, and not through anybody's proxy. */
  readonly loopback: boolean;
}

const MAPPED_PREFIX = '::ffff:';

/**
 * Who is at the other end. `X-Forwarded-For` is believed from the configured proxies only, and a
 * request that carries it is never loopback (contract 0, TRUSTED_PROXIES).
 */
export class RemoteAddresses {
  readonly #trusted = new BlockList();

  constructor(trustedProxies: readonly string[]) {
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
    if (forwarded === undefined) return { address: peer, loopback: isLoopback(peer) };
    if (!this.#trusts(peer)) return { address: peer, loopback: false };
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

  #trusts(address: string): boolean {
    return this.#trusted.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
  }
}

function plain(address: string): string {
  return address.startsWith(MAPPED_PREFIX) ? address.slice(MAPPED_PREFIX.length) : address;
}

function isLoopback(address: string): boolean {
  return address === '::1' || address.startsWith('127.');
}
