import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { hostname } from 'node:os';

/**
 * Tells whether a request to the editor names this machine. A page on the internet can make a
 * browser send requests here under its own name (DNS rebinding) or from its own origin; both are
 * refused before Node-RED sees them.
 */
export class HostCheck {
  readonly #names: ReadonlySet<string>;

  /** @param extraNames further names this machine goes by, such as the configured editor host */
  constructor(extraNames: readonly string[]) {
    const own = hostname().toLowerCase();
    this.#names = new Set(
      ['localhost', own, `${own}.local`, ...extraNames].map((name) => name.toLowerCase()),
    );
  }

  allows(request: IncomingMessage): boolean {
    const { host, origin } = request.headers;
    if (host === undefined || !this.#isOurs(nameOf(`http://${host}`))) return false;
    if (origin === undefined) return true;
    return URL.parse(origin)?.host === URL.parse(`http://${host}`)?.host;
  }

  /** An address as such cannot be rebound: only names can. */
  #isOurs(name: string | null): boolean {
    return name !== null && (isIP(name.replace(/^\[|\]$/g, '')) !== 0 || this.#names.has(name));
  }
}

function nameOf(address: string): string | null {
  return URL.parse(address)?.hostname.toLowerCase() ?? null;
}
