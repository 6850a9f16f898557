import { mapOf, type FolderMap, type Read } from './browsing.ts';
import { Random } from './random.ts';

/** Synthetic ways in which people go through a folder; nothing was fitted to these. */
export interface MadeBrowsing {
  readonly name: string;
  readonly reads: readonly Read[];
  readonly map: FolderMap;
}

const ALBUMS = 220;
const VISITS = 900;

/** The order in which one visit reads a folder's files: indices of files. */
type Way = (random: Random, files: number) => number[];

const all = (files: number): number[] => Array.from({ length: files }, (_, index) => index);

const WAYS: Readonly<Record<string, Way>> = {
  'made-in-order': (_random, files) => all(files),
  'made-newest-first': (_random, files) => all(files).reverse(),
  /** Starts anywhere and stops after a while. */
  'made-partly': (random, files) => {
    const from = random.below(files);
    return all(files).slice(from, from + 3 + random.below(20));
  },
  'made-shuffled': (random, files) => random.shuffled(files).slice(0, 5 + random.below(files)),
  /** Opens single files, as from a search. */
  'made-single': (random, files) => [random.below(files)],
};

export function heldOutBrowsing(seed = 9_191): MadeBrowsing[] {
  return Object.entries(WAYS).map(([name, way], index) =>
    made(name, way, new Random(seed + index)),
  );
}

function made(name: string, way: Way, random: Random): MadeBrowsing {
  let key = 0;
  const folders = Array.from({ length: ALBUMS }, () =>
    Array.from({ length: 12 + random.below(110) }, () => {
      key += 1;
      return { key, sizeBytes: random.lognormal(3.5e6, 0.5) };
    }),
  );
  const draw = random.zipf(ALBUMS, 0.7);
  const order = random.shuffled(ALBUMS);
  const reads: Read[] = [];
  let atSeconds = 0;
  for (let visit = 0; visit < VISITS; visit += 1) {
    atSeconds += Math.round(random.lognormal(9_000, 1.2));
    const files = folders[order[draw()] ?? 0] ?? [];
    for (const index of way(random, files.length)) {
      const file = files[index];
      if (file === undefined) continue;
      atSeconds += 2 + random.below(18);
      reads.push({ atSeconds, ...file });
    }
  }
  return { name, reads, map: mapOf(folders) };
}
