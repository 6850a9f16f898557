import { ShadowCache } from './shadow-cache.ts';
import { TEMPERS, type Temper, type TemperName } from './worth.ts';

/** Entries a shadow holds at most; above, every other key is left out of the sample. */
const SAMPLE_ENTRIES = 1024;
/** After so many uses of sampled keys a hit counts half. */
const HALF_LIFE_USES = 1000;
const KEPT_PER_USE = 0.5 ** (1 / HALF_LIFE_USES);
/** A challenger must be ahead by so much, so that the lead does not flicker. */
const LEAD_FACTOR = 1.01;
const LEAD_HITS = 2;
/** What a hit of average size counts for its bytes, beside 1 for itself. */
const BYTES_COUNT = 0.5;
/** One file of many times the average must not decide alone. */
const MOST_SIZES = 30;

interface Contender {
  readonly temper: Temper;
  readonly shadow: ShadowCache;
  score: number;
}

/**
 * Shadow caches of keys and sizes, one for each temper, run on a sample of the real requests; the
 * cache takes on the temper whose shadow would have answered most of late. Sampling is by key, so
 * that a sampled file is seen at every use. Bounded in memory and gone with the process: after a
 * start the last leader leads until a new one is found.
 */
export class Tournament {
  readonly #contenders: readonly Contender[];
  #leader: Contender;
  #limitBytes: number;
  #everyNth = 1;
  #meanBytes = 0;
  #seen = 0;

  /** @param limitBytes what the real cache is kept below */
  constructor(leader: TemperName, limitBytes: number) {
    this.#limitBytes = limitBytes;
    this.#contenders = Object.values(TEMPERS).map((temper) => {
      return { temper, shadow: new ShadowCache(temper, limitBytes), score: 0 };
    });
    this.#leader = this.#contenders.find(({ temper }) => temper.name === leader) as Contender;
  }

  get temper(): Temper {
    return this.#leader.temper;
  }

  /** The real cache's limit moved. */
  resize(limitBytes: number): void {
    this.#limitBytes = limitBytes;
    const stays = (key: number): boolean => key % this.#everyNth === 0;
    for (const { shadow } of this.#contenders) {
      shadow.resize(Math.floor(limitBytes / this.#everyNth), stays);
    }
  }

  /** Takes one request. @returns whether another temper leads now */
  see(key: number, sizeBytes: number): boolean {
    if (key % this.#everyNth !== 0) return false;
    this.#seen = Math.min(HALF_LIFE_USES, this.#seen + 1);
    this.#meanBytes += (sizeBytes - this.#meanBytes) / this.#seen;
    const sizes = Math.min(MOST_SIZES, sizeBytes / Math.max(1, this.#meanBytes));
    for (const contender of this.#contenders) {
      contender.score *= KEPT_PER_USE;
      if (contender.shadow.use(key, sizeBytes)) contender.score += 1 + BYTES_COUNT * sizes;
    }
    if (this.#contenders.some(({ shadow }) => shadow.heldCount > SAMPLE_ENTRIES)) {
      this.#everyNth *= 2;
      this.resize(this.#limitBytes);
    }
    return this.#follow();
  }

  #follow(): boolean {
    const best = this.#contenders.reduce((a, b) => (b.score > a.score ? b : a));
    if (best.score <= this.#leader.score * LEAD_FACTOR + LEAD_HITS) return false;
    this.#leader = best;
    return true;
  }
}
