import { BlockList, isIP } from 'node:net';
import { networkInterfaces } from 'node:os';

/** Where a browser may have its messages sent. Another rule is for tests alone. */
export interface AddressRule {
  readonly url: (url: URL) => boolean;
  readonly address: (address: string) => boolean;
}

const LONGEST = 2_048;
/** IANA's special-purpose registries (RFC 6890) and multicast: nothing there is on the internet. */
const SPECIAL = new BlockList();
for (const [network, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
] as const) {
  SPECIAL.addSubnet(network, prefix);
}
for (const [network, prefix] of [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
] as const) {
  SPECIAL.addSubnet(network, prefix, 'ipv6');
}
/** What IPv6 gives out for the internet (RFC 4291); all else is local, mapped or translated. */
const GLOBAL = new BlockList();
GLOBAL.addSubnet('2000::', 3, 'ipv6');

/**
 * Push services are on the internet, by name and by https. Somebody who sends an address of the house
 * instead would have the Pi knock there.
 */
export const PUBLIC: AddressRule = {
  url: ({ protocol, hostname, port, username, password }) => {
    const isName = isIP(hostname.replace(/^\[|\]$/g, '')) === 0 && hostname.includes('.');
    return protocol === 'https:' && isName && port === '' && username + password === '';
  },
  address: (address) => {
    if (isIP(address) === 4) return !SPECIAL.check(address);
    const isGlobal = GLOBAL.check(address, 'ipv6') && !SPECIAL.check(address, 'ipv6');
    return isGlobal && !ownNetworks().check(address, 'ipv6');
  },
};

/** @returns null where it is no address that a browser's push service could have given out */
export function pushUrl(text: string, rule: AddressRule): URL | null {
  const url = text.length > LONGEST ? null : URL.parse(text);
  return url !== null && rule.url(url) ? url : null;
}

/** A house's IPv6 addresses are global ones, of the networks that this machine is in. */
function ownNetworks(): BlockList {
  const own = new BlockList();
  for (const { cidr, family } of Object.values(networkInterfaces()).flatMap((one) => one ?? [])) {
    const [network, prefix] = (cidr ?? '').split('/');
    if (family === 'IPv6' && network !== undefined && network !== '') {
      own.addSubnet(network, Math.min(Number(prefix), 64), 'ipv6');
    }
  }
  return own;
}
