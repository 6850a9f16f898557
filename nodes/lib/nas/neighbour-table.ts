import { normaliseMac } from '../../../packages/node-red-contrib-balupi-wol/lib/wake.ts';

/** Whether the machine behind an IP address is the NAS; what cannot be known is `ok`. */
export type IdentityCheck = (ipAddress: string) => 'ok' | 'mismatch';

/**
 * The kernel's table of neighbours on the LAN, in the form of Linux's /proc/net/arp: a head line,
 * then `IP address, HW type, Flags, HW address, Mask, Device`. Flags 0x0 marks an unanswered entry.
 */
export class NeighbourTable {
  readonly #read: () => string;

  /** @param read gives the table's text, empty where there is none */
  constructor(read: () => string) {
    this.#read = read;
  }

  /** All MAC addresses known for an IP address, `aa:bb:cc:dd:ee:ff`; several on several interfaces. */
  macsOf(ipAddress: string): readonly string[] {
    const wanted = ipAddress.replace(/^::ffff:/i, '');
    const macs: string[] = [];
    for (const line of this.#read().split('\n').slice(1)) {
      const [address, , flags, hardware] = line.trim().split(/\s+/);
      if (address !== wanted || hardware === undefined) continue;
      const mac = normaliseMac(hardware);
      if (mac === null || Number(flags) === 0 || mac === '00:00:00:00:00:00') continue;
      macs.push(mac);
    }
    return macs;
  }
}

/**
 * Compares the neighbour table with the NAS's MAC address (contract 2, "Is it the NAS?").
 * @param expectedMac as {@link normaliseMac} gives it
 */
export function identityCheck(table: NeighbourTable, expectedMac: string): IdentityCheck {
  return (ipAddress) => {
    const macs = table.macsOf(ipAddress);
    return macs.length === 0 || macs.includes(expectedMac) ? 'ok' : 'mismatch';
  };
}
