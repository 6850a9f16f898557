import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

/**
 * Loaded before BaluPi: puts one neighbour, `NEIGHBOUR` (address and MAC), into the machine's ARP
 * table, as loopback has none of its own.
 */
const TABLE = '/proc/net/arp';
const [address = '', mac = ''] = (process.env['NEIGHBOUR'] ?? '').split(' ');
const lines = [
  'IP address       HW type     Flags       HW address            Mask     Device',
  `${address}     0x1         0x2         ${mac}     *        lo`,
];

const { readFileSync } = fs;
function withNeighbour(...args: Parameters<typeof readFileSync>): unknown {
  return args[0] === TABLE ? `${lines.join('\n')}\n` : readFileSync(...args);
}
Reflect.set(fs, 'readFileSync', withNeighbour);
syncBuiltinESMExports();
