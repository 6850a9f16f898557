import { BlockList, isIPv4 } from 'node:net';
import type { UdpAddress } from './udp.ts';

/** Where plugs listen for discovery, unless told otherwise. */
export const DISCOVERY_PORT = 20_002;
/** Where plugs serve HTTP, unless told otherwise. */
export const PLUG_HTTP_PORT = 80;

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

export function isLocalAddress(ip: string): boolean {
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

/** The other way round; the usual port is left out. */
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
