import { lookup } from 'node:dns/promises';
import { isIPv4 } from 'node:net';
import { networkInterfaces } from 'node:os';
import { DnsName, NoDnsName, PiHole } from '../nodes/lib/dns/dns.ts';
import type { Site } from './site.ts';

/** The name of the house, where a Pi-hole knows one and the Pi may stand in for the NAS by it. */
export function dns({ settings, clock, log, rooms }: Site): DnsName | NoDnsName {
  const { PIHOLE_URL: url, DNS_NAME: name } = settings;
  if (url === null || name === null) return new NoDnsName(null);
  const nasUrl = new URL(settings.NAS_URL);
  const why = whyNot(nasUrl, settings.PORT);
  if (why !== null) {
    log.warn(`The name ${name} stays as it is: ${why}`);
    return new NoDnsName(why);
  }
  return new DnsName({
    clock,
    log,
    server: new PiHole({ url: new URL(url), password: settings.PIHOLE_PASSWORD, fetch }),
    name,
    mode: settings.DNS_MODE,
    piAddress: () => addressOfPi(nasUrl.hostname),
    nasAddress: () => addressOf(nasUrl.hostname),
    isAwake: () => rooms().nas.presence.state.awake,
    onChange: (listener) => rooms().nas.presence.onChange(listener),
  });
}

/** Who comes by that name comes to the NAS's port, and speaks as the NAS does. */
function whyNot(nasUrl: URL, ports: readonly number[]): string | null {
  if (nasUrl.protocol !== 'http:')
    return 'the NAS speaks https, and the Pi has no certificate of it.';
  const port = Number(nasUrl.port || '80');
  if (ports.includes(port)) return null;
  return `BaluPi does not listen on the NAS's port ${port} (BALUPI_PORT).`;
}

async function addressOf(host: string): Promise<string | null> {
  if (isIPv4(host)) return host;
  try {
    return (await lookup(host, { family: 4 })).address;
  } catch (error) {
    // Names do not resolve while the network is away; the next look tries again.
    if (error instanceof Error && 'code' in error) return null;
    throw error;
  }
}

/** The address in the NAS's own network, else the first that is not only this machine's. */
function addressOfPi(nasHost: string): string | null {
  const own = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ family, internal }) => family === 'IPv4' && !internal);
  const beside = own.find(({ address, netmask }) => isSameNetwork(address, nasHost, netmask));
  return (beside ?? own[0])?.address ?? null;
}

function isSameNetwork(one: string, other: string, netmask: string): boolean {
  if (!isIPv4(other)) return false;
  const [a, b, mask] = [one, other, netmask].map(numberOf);
  return ((a ?? 0) & (mask ?? 0)) === ((b ?? 0) & (mask ?? 0));
}

function numberOf(address: string): number {
  return address.split('.').reduce((sum, part) => (sum << 8) | Number(part), 0);
}
