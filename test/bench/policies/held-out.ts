import { Random } from './random.ts';
import { traceFrom, type Trace } from './trace.ts';

type SizeOf = (key: number) => number;
interface Made {
  readonly keys: readonly number[];
  readonly sizeOf: SizeOf;
}

const REQUESTS = 30_000;

/**
 * Synthetic traces of workloads that the three shipped ones lack, so that a policy is not judged by
 * what it was chosen on. Nothing in nodes/lib/cache/policy was fitted to these seeds.
 */
export function heldOutTraces(seed = 4_242): Trace[] {
  return Object.entries(KINDS).map(([name, make], index) => {
    const { keys, sizeOf } = make(new Random(seed + index));
    return traceFrom(name, keys, sizeOf);
  });
}

const KINDS: Readonly<Record<string, (random: Random) => Made>> = {
  /** Popularity and size are independent. */
  'made-zipf-sizes': (random) => popular(random, 9_000, 0.8, () => random.lognormal(60_000, 1.8)),
  /** Equal sizes: size cannot help. */
  'made-zipf-uniform': (random) => popular(random, 6_000, 1.1, () => 2_500_000),
  'made-zipf-flat': (random) => popular(random, 3_000, 0.5, () => random.lognormal(1e6, 0.8)),
  'made-scans': (random) => {
    const draw = random.zipf(5_000, 0.85);
    let cold = 100_000;
    const keys = repeated((add) => {
      for (let n = 0; n < 1_800; n += 1) add(draw());
      for (let n = 0; n < 1_200; n += 1) add((cold += 1));
    });
    return { keys, sizeOf: () => random.lognormal(400_000, 1.2) };
  },
  'made-loops': (random) => {
    const keys = repeated((add) => {
      const loop = random.below(3);
      const length = [90, 400, 1_600][loop] ?? 0;
      for (let n = 0; n < length; n += 1) add(loop * 10_000 + n);
    });
    return { keys, sizeOf: () => random.lognormal(80_000, 0.7) };
  },
  /** Bodies of a web server: recency and a heavy tail. */
  'made-web': (random) => {
    const recent: number[] = [];
    let fresh = 0;
    const keys = repeated((add) => {
      const back = Math.floor(random.lognormal(40, 1.8));
      const isNew = recent.length <= back || random.next() < 0.25;
      const key = isNew ? (fresh += 1) : (recent.splice(-1 - back, 1)[0] ?? 0);
      recent.push(key);
      if (recent.length > 4_000) recent.shift();
      add(key);
    });
    return { keys, sizeOf: () => random.pareto(5_000, 1.2, 2e8) };
  },
  /** Popularity shifts, a little all the time and a lot now and then. */
  'made-shifting': (random) => shifting(random, () => random.lognormal(250_000, 1.3)),
  'made-shifting-uniform': (random) => shifting(random, () => 1_000_000),
  /** Photos viewed in the order of their names, new albums more often than old ones. */
  'made-albums': (random) => {
    const age = random.zipf(250, 0.9);
    let newest = 30;
    const keys = repeated((add) => {
      if (random.next() < 0.1) newest = Math.min(249, newest + 1);
      const album = Math.max(0, newest - age());
      const photos = 15 + ((album * 37) % 90);
      const from = random.next() < 0.7 ? 0 : random.below(photos);
      const to = random.next() < 0.6 ? photos : Math.min(photos, from + 4 + random.below(25));
      for (let photo = from; photo < to; photo += 1) add(album * 1_000 + photo);
    });
    return { keys, sizeOf: () => random.lognormal(4e6, 0.4) };
  },
  /** A few videos with most of the bytes, each up to a tenth of them. */
  'made-few-huge': (random) => {
    const made = popular(random, 900, 0.75, () => random.lognormal(600_000, 1.4));
    return { ...made, sizeOf: (key) => (key % 45 === 0 ? 4e7 + key * 3e5 : made.sizeOf(key)) };
  },
  /** The most popular are the largest: the worst case for policies that favour small objects. */
  'made-large-popular': (random) => {
    const draw = random.zipf(3_500, 0.95);
    const keys = repeated((add) => add(draw()));
    return { keys, sizeOf: (key) => random.lognormal(key < 300 ? 3e6 : 3e5, 0.9) };
  },
  /** Documents in use: hot for days, then hardly ever. */
  'made-documents': (random) => {
    let newest = 150;
    const keys = repeated((add) => {
      if (random.next() < 0.12) newest += 1;
      const mean = random.next() < 0.75 ? 30 : 900;
      add(Math.max(0, newest - Math.floor(-Math.log(1 - random.next()) * mean)));
    });
    return { keys, sizeOf: () => random.lognormal(120_000, 1.9) };
  },
};

/** Calls `some` until there are enough requests. */
function repeated(some: (add: (key: number) => void) => void): number[] {
  const keys: number[] = [];
  while (keys.length < REQUESTS) some((key) => keys.push(key));
  return keys;
}

function popular(random: Random, count: number, alpha: number, sizeOf: SizeOf): Made {
  const order = random.shuffled(count);
  const draw = random.zipf(count, alpha);
  return { keys: repeated((add) => add(order[draw()] ?? 0)), sizeOf };
}

function shifting(random: Random, sizeOf: SizeOf): Made {
  const count = 6_000;
  const order = random.shuffled(count);
  const draw = random.zipf(count, 0.95);
  const swap = (within: number): void => {
    const [one, other] = [random.below(within), random.below(count)];
    [order[one], order[other]] = [order[other] ?? 0, order[one] ?? 0];
  };
  let requests = 0;
  const keys = repeated((add) => {
    requests += 1;
    if (requests % 40 === 0) swap(200);
    if (requests % 9_000 === 0) for (let n = 0; n < 300; n += 1) swap(400);
    add(order[draw()] ?? 0);
  });
  return { keys, sizeOf };
}
