/**
 * Greedy-Dual-Size with frequency (Cherkasova, 1998), as an indexed column: an entry is worth its
 * uses per byte, and the worth of the last victim is added to every entry used since, so that old
 * fame fades without anything being recomputed. Best of the simple policies on the traces in
 * docs/PERFORMANCE.md; a file of a few bytes still costs a block and a row.
 */

/** What an entry takes at least: a block of the file system. */
const LEAST_WEIGHT_BYTES = 4096;

/** The denominator of an entry's worth. */
export function weightOf(sizeBytes: number): number {
  return Math.max(sizeBytes, LEAST_WEIGHT_BYTES);
}

/** @param inflation worth of the last victim */
export function priorityOf(inflation: number, accessCount: number, weight: number): number {
  return inflation + accessCount / weight;
}
