/**
 * What a kept file is worth, as one number that SQLite can index: uses per byte above a floor
 * (Greedy-Dual-Size with frequency, Cherkasova 1998). The floor is the worth of the last victim, so
 * old fame fades without recomputing anything. Why these rules: docs/adr/0021.
 */

/**
 * One ranking policy; a tournament of simulated caches picks the active one (policy.ts). All share
 * one scale, so that entries ranked under different variants are comparable.
 */
export interface PolicyVariant {
  readonly name: VariantName;
  /** The exponent of the uses: below 1 recency outweighs frequency. */
  readonly useExponent: number;
  /** The value of the first use. */
  readonly firstUse: number;
  /**
   * How far the floor rises towards each victim's worth. The slower, the longer a newcomer must be
   * requested before it displaces anything; at 0 a loop larger than the cache still hits.
   */
  readonly ages: number;
  /** Which newcomers must outrank those they displace: all, or those that displace much. */
  readonly judges: 'all' | 'large';
}

export type VariantName = 'even' | 'fresh' | 'slow' | 'steady';

export const VARIANTS: Readonly<Record<VariantName, PolicyVariant>> = {
  even: { name: 'even', useExponent: 1, firstUse: 1, ages: 1, judges: 'large' },
  slow: { name: 'slow', useExponent: 1, firstUse: 1, ages: 0.02, judges: 'large' },
  fresh: { name: 'fresh', useExponent: 0.5, firstUse: 1, ages: 1, judges: 'large' },
  steady: { name: 'steady', useExponent: 1, firstUse: 0.5, ages: 0, judges: 'all' },
};

/** The minimum weight of an entry: one file system block. */
const LEAST_WEIGHT_BYTES = 4096;
/** A newcomer larger than this share of the limit displaces much. */
const LARGE_SHARE = 0.4;
/** What an entry nobody has read is worth of one that was read once. */
const UNREAD_SHARE = 0.99;
/** The share of its fame an entry keeps when requested right after its eviction. */
const FADING = 0.95;

/** The denominator of an entry's worth, in bytes. */
export function weightOf(sizeBytes: number): number {
  return Math.max(sizeBytes, LEAST_WEIGHT_BYTES);
}

type Exponent = Pick<PolicyVariant, 'useExponent'>;

/** @param uses as counted, with what was remembered; may be a fraction */
export function worthOf(
  { useExponent }: Exponent,
  floor: number,
  uses: number,
  weight: number,
): number {
  return floor + uses ** useExponent / weight;
}

/**
 * The worth of what was fetched and nobody has read yet. Of two equal files the one somebody read
 * stays. Not much less, else each prefetched file would be the next one's victim.
 * @param floor or the worth of the next victim, where the floor lags
 */
export function unreadWorthOf(
  variant: Exponent,
  floor: number,
  uses: number,
  weight: number,
): number {
  return floor + UNREAD_SHARE * worthOf(variant, 0, Math.max(1, uses), weight);
}

/** Both as functions of SQL, so that rows are ranked again without reading any. */
export const WORTH_FUNCTIONS = {
  worth: (floor: number, useExponent: number, uses: number, weight: number) =>
    worthOf({ useExponent }, floor, uses, weight),
  unread_worth: (floor: number, useExponent: number, uses: number, weight: number) =>
    unreadWorthOf({ useExponent }, floor, uses, weight),
};

/** What is known of an entry that is kept no more, or as it was when last ranked. */
export interface Memory {
  readonly uses: number;
  /** The floor when it was last ranked. */
  readonly floor: number;
  readonly weight: number;
}

/** The uses a returning entry starts with: its first one, and what time has left of the others. */
export function usesOnReturn(variant: PolicyVariant, floor: number, memory: Memory | null): number {
  if (memory === null || memory.uses <= 0) return variant.firstUse;
  const { uses, weight } = memory;
  // 1 when the floor has risen by just as much as the entry was worth above it.
  const age = (floor - memory.floor) / worthOf(variant, 0, uses, weight);
  return variant.firstUse + uses * FADING ** Math.max(0, age);
}

interface Newcomer {
  readonly sizeBytes: number;
  readonly worth: number;
  /** What must go for it, in bytes; above 0. */
  readonly neededBytes: number;
  /** What all entries are kept below, in bytes. */
  readonly limitBytes: number;
}

/** An entry that would go, lowest worth first. */
export interface Displaced {
  readonly worth: number;
  readonly sizeBytes: number;
}

/**
 * Whether a newcomer may displace its victims: none may be worth more than it. That keeps one large
 * file from flushing many small ones.
 * @param next the next victim; null when there is none left
 */
export function mayEnter(
  variant: PolicyVariant,
  newcomer: Newcomer,
  next: () => Displaced | null,
): boolean {
  const { sizeBytes, worth, neededBytes, limitBytes } = newcomer;
  const judgesAll = variant.judges === 'all';
  if (!judgesAll && sizeBytes <= LARGE_SHARE * limitBytes) return true;
  let freedBytes = 0;
  while (freedBytes < neededBytes) {
    const displaced = next();
    if (displaced === null) return true;
    // On a tie the present entry stays where nothing ages; otherwise it has had its time.
    if (judgesAll ? displaced.worth >= worth : displaced.worth > worth) return false;
    freedBytes += displaced.sizeBytes;
  }
  return true;
}

/** How many evicted entries are remembered, by how many are kept. */
export function mostRemembered(keptCount: number): number {
  return Math.min(65_536, Math.max(64, 3 * keptCount));
}

const FNV_PRIME = 0x01000193;

/**
 * A path as a number of 53 bits, evenly spread in its low bits. Two paths with the same number
 * would share what is remembered of them, which costs a guess and nothing else.
 */
export function keyOf(path: string): number {
  let [low, high] = [0x811c9dc5, 0x9747b28c];
  for (let at = 0; at < path.length; at += 1) {
    const unit = path.charCodeAt(at);
    low = Math.imul(low ^ unit, FNV_PRIME);
    high = Math.imul(high ^ (unit + at), 0x85ebca6b);
  }
  return (mixed(high) >>> 11) * 0x1_0000_0000 + (mixed(low ^ high) >>> 0);
}

/** Spreads a change of any bit over all of them. */
function mixed(bits: number): number {
  const half = Math.imul(bits ^ (bits >>> 16), 0x7feb352d);
  const more = Math.imul(half ^ (half >>> 15), 0x846ca68b);
  return more ^ (more >>> 16);
}
