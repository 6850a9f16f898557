/** A reproducible random number generator (mulberry32's recurrence). */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** Uniform in [0, 1). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let bits = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), 61 | bits);
    return ((bits ^ (bits >>> 14)) >>> 0) / 0x1_0000_0000;
  }

  /** An integer from 0 to `count` - 1. */
  below(count: number): number {
    return Math.floor(this.next() * count);
  }

  lognormal(median: number, sigma: number): number {
    const normal = Math.sqrt(-2 * Math.log(1 - this.next())) * Math.cos(2 * Math.PI * this.next());
    return Math.max(1, Math.round(median * Math.exp(sigma * normal)));
  }

  pareto(least: number, shape: number, most: number): number {
    return Math.round(Math.min(most, least * (1 - this.next()) ** (-1 / shape)));
  }

  /** Draws from 0 to `count` - 1, number k with a weight of 1 / (k + 1) ** alpha. */
  zipf(count: number, alpha: number): () => number {
    const sums = new Float64Array(count);
    let sum = 0;
    for (let k = 0; k < count; k += 1) sums[k] = sum += (k + 1) ** -alpha;
    return () => {
      const wanted = this.next() * sum;
      let [low, high] = [0, count - 1];
      while (low < high) {
        const middle = (low + high) >> 1;
        if ((sums[middle] ?? 0) < wanted) low = middle + 1;
        else high = middle;
      }
      return low;
    };
  }

  shuffled(count: number): number[] {
    const order = Array.from({ length: count }, (_, index) => index);
    for (let at = count - 1; at > 0; at -= 1) {
      const other = this.below(at + 1);
      [order[at], order[other]] = [order[other] ?? 0, order[at] ?? 0];
    }
    return order;
  }
}
