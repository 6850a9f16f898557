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
