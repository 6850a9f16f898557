import { readFileSync } from 'node:fs';

const LINUX_NEIGHBOURS = '/proc/net/arp';

/** The kernel's neighbour table as text; empty on a machine that has none there. */
export function readNeighbourFile(): string {
  try {
    return readFileSync(LINUX_NEIGHBOURS, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error) return '';
    throw error;
  }
}
