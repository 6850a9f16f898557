import { isIPv4 } from 'node:net';
import type { NetworkInterfaceInfo } from 'node:os';

export interface WakeTarget {
  readonly address: string;
  readonly port: number;
}

/** Discard, the port by custom of magic packets; the network card looks at the bytes alone. */
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
