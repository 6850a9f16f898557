import type { Store } from '../../store/store.ts';
import { PolicyRows } from './policy-rows.ts';
import { SimulatedCache } from './simulated-cache.ts';
import {
  type Displaced,
  keyOf,
  mayEnter,
  type PolicyVariant,
  type VariantName,
  VARIANTS,
  usesOnReturn,
  weightOf,
  worthOf,
} from './worth.ts';

interface CachePolicyDeps {
  readonly store: Store;
  /** What the entries are kept below, in bytes. */
  readonly limitBytes: () => number;
  /** Called before the variant changes: uses until then count under the old rule. */
  readonly beforeChange: () => void;
}

/** How often the limit is looked at; it moves with the disk and the queue. */
const LOOK_EVERY_USES = 256;

/** A file that is about to be fetched into a full cache. */
interface Applicant {
  readonly path: string;
  readonly sizeBytes: number;
  /** What must be evicted for it. */
  readonly neededBytes: number;
  readonly limitBytes: number;
}

/** Decides what is worth keeping: the rules of the policy folder, over the cache's own rows. */
export class CachePolicy {
  readonly #deps: CachePolicyDeps;
  readonly #rows: PolicyRows;
  #tournament: Tournament | null = null;
  #limitBytes = 0;
  #uses = 0;

  constructor(deps: CachePolicyDeps) {
    this.#deps = deps;
    this.#rows = new PolicyRows(deps.store);
  }

  /** A caller asked for a file, kept or not. */
  used(path: string, sizeBytes: number): void {
    const tournament = this.#running();
    if (!tournament.see(keyOf(path), sizeBytes)) return;
    this.#deps.beforeChange();
    this.#rows.lead(tournament.variant);
  }

  /**
   * Whether a file is worth those that must go for it. One that is not is remembered, so that it
   * may come in at a later use.
   * @param next the next entry that would go; null when there is none left
   */
  admits(applicant: Applicant, next: () => Displaced | null): boolean {
    const { path, sizeBytes, neededBytes, limitBytes } = applicant;
    const { floor, variant } = this.#rows.state();
    const key = keyOf(path);
    const weight = weightOf(sizeBytes);
    const uses = usesOnReturn(variant, floor, this.#rows.recall(key));
    const worth = worthOf(variant, floor, uses, weight);
    if (mayEnter(variant, { sizeBytes, worth, neededBytes, limitBytes }, next)) return true;
    this.#deps.store.transaction(() => {
      this.#rows.raiseFloor(worth);
      this.#rows.remember(key, { uses, floor: this.#rows.state().floor, weight });
    });
    return false;
  }

  #running(): Tournament {
    const isDue = this.#uses % LOOK_EVERY_USES === 0;
    this.#uses += 1;
    if (this.#tournament !== null && !isDue) return this.#tournament;
    const limitBytes = this.#deps.limitBytes();
    this.#tournament ??= new Tournament(this.#rows.state().variant.name, limitBytes);
    if (limitBytes !== this.#limitBytes) this.#tournament.resize(limitBytes);
    this.#limitBytes = limitBytes;
    return this.#tournament;
  }
}

/** Entries a simulated cache holds at most; above, every other key is left out of the sample. */
const SAMPLE_ENTRIES = 1024;
/** After this many uses of sampled keys a hit counts half. */
const HALF_LIFE_USES = 1000;
const KEPT_PER_USE = 0.5 ** (1 / HALF_LIFE_USES);
/** The margin a challenger needs, so that the lead does not flicker. */
const LEAD_FACTOR = 1.01;
const LEAD_HITS = 2;
/** How much a hit of average size counts for its bytes, besides 1 for itself. */
const BYTES_COUNT = 0.5;
/** A file many times the average size must not decide alone. */
const MOST_SIZES = 30;

interface Contender {
  readonly variant: PolicyVariant;
  readonly simulated: SimulatedCache;
  score: number;
}

/**
 * Simulated caches of keys and sizes, one per variant, run on a sample of the real requests; the
 * cache adopts the variant whose simulation has recently answered most. Sampling is by key, so that
 * a sampled file is seen at every use. Bounded and in memory: after a restart the last leader leads
 * until a new one is found.
 */
export class Tournament {
  readonly #contenders: readonly Contender[];
  #leader: Contender;
  #limitBytes: number;
  #everyNth = 1;
  #meanBytes = 0;
  #seen = 0;

  /** @param limitBytes what the real cache is kept below */
  constructor(leader: VariantName, limitBytes: number) {
    this.#limitBytes = limitBytes;
    this.#contenders = Object.values(VARIANTS).map((variant) => {
      return { variant, simulated: new SimulatedCache(variant, limitBytes), score: 0 };
    });
    this.#leader = this.#contenders.find(({ variant }) => variant.name === leader) as Contender;
  }

  get variant(): PolicyVariant {
    return this.#leader.variant;
  }

  /** The limit of the real cache changed. */
  resize(limitBytes: number): void {
    this.#limitBytes = limitBytes;
    const stays = (key: number): boolean => key % this.#everyNth === 0;
    for (const { simulated } of this.#contenders) {
      simulated.resize(Math.floor(limitBytes / this.#everyNth), stays);
    }
  }

  /**
   * Counts one request.
   * @returns whether another variant leads now
   */
  see(key: number, sizeBytes: number): boolean {
    if (key % this.#everyNth !== 0) return false;
    this.#seen = Math.min(HALF_LIFE_USES, this.#seen + 1);
    this.#meanBytes += (sizeBytes - this.#meanBytes) / this.#seen;
    const sizes = Math.min(MOST_SIZES, sizeBytes / Math.max(1, this.#meanBytes));
    for (const contender of this.#contenders) {
      contender.score *= KEPT_PER_USE;
      if (contender.simulated.use(key, sizeBytes)) contender.score += 1 + BYTES_COUNT * sizes;
    }
    if (this.#contenders.some(({ simulated }) => simulated.heldCount > SAMPLE_ENTRIES)) {
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
