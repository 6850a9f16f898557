import { HashThread } from '../../nodes/lib/upload/spool/hashing.ts';
import type { Proof, ProofOptions, ProofResult } from './proof.ts';
import { NightHome, type Wildness } from './world/night-home.ts';
import { Random } from './world/random.ts';

/** Enough to see what is wrong. */
const MOST_FAILURES = 5;
const MOST_NIGHTS = 2;

/**
 * Random users, trees, uploads, changes, nights, crashes and people at the NAS, compared with a
 * reference tree. The services are the real ones over a real data folder; the NAS behaves as
 * BaluHost 1.38 and lives in memory, so that thousands of nights take minutes.
 */
export const changes: Proof = {
  title:
    'changes while the NAS sleeps: no file lost that nobody deleted, no deleted one back, order kept',
  counts: 'homes',
  shortCount: 50,
  run: proveChanges,
};

async function proveChanges({ count, seed, log }: ProofOptions): Promise<ProofResult> {
  const failures: string[] = [];
  const figures = { requests: 0, deaths: 0, conflicts: 0 };
  const hashing = new HashThread();
  try {
    for (let home = 0; home < count && failures.length < MOST_FAILURES; home += 1) {
      const random = new Random(seed + home * 7_919);
      const wild = wildnessOf(random);
      const one = new NightHome(random, wild, hashing);
      await one.start();
      try {
        const nights = random.between(1, MOST_NIGHTS);
        for (let night = 0; night < nights && one.failures.length === 0; night += 1) {
          await one.night();
        }
      } finally {
        await one.close();
      }
      figures.requests += one.requests;
      figures.deaths += one.deaths;
      figures.conflicts += one.conflicts;
      const name = `home ${seed + home * 7_919} ${JSON.stringify(wild)}`;
      failures.push(...one.failures.map((failure) => `${name}: ${failure}`));
      if ((home + 1) % 100 === 0) log(`${home + 1} homes, ${JSON.stringify(figures)}`);
    }
    return { failures, figures };
  } finally {
    await hashing.stop();
  }
}

/** Half of them are alone, where the outcome is known to the last file. */
function wildnessOf(random: Random): Wildness {
  return {
    isAlone: random.next() < 0.5,
    mayDie: random.next() < 0.6,
    mayFail: random.next() < 0.6,
    losesDatabase: random.next() < 0.2,
  };
}
