import { parseArgs } from 'node:util';
import { arm64 } from './arm64.ts';
import { changes } from './changes.ts';
import { crowd } from './crowd.ts';
import { damage } from './damage.ts';
import { diskErrors } from './disk-errors.ts';
import { diskGone } from './disk-gone.ts';
import { flap } from './flap.ts';
import { fullDisk } from './full-disk.ts';
import { fuzz } from './fuzz.ts';
import { install } from './install.ts';
import { kill } from './kill.ts';
import { names } from './names.ts';
import { power } from './power.ts';
import type { Proof, Verdict } from './proof.ts';
import { queueLost } from './queue-lost.ts';
import { signins } from './signins.ts';
import { slow } from './slow.ts';
import { soak } from './soak.ts';

const PROOFS: Readonly<Record<string, Proof>> = {
  kill,
  power,
  errors: diskErrors,
  'disk-gone': diskGone,
  flap,
  full: fullDisk,
  fuzz,
  names,
  'queue-lost': queueLost,
  changes,
  damage,
  slow,
  crowd,
  signins,
  soak,
  install,
  arm64,
};

const UNNAMED = Object.keys(PROOFS).filter((name) => PROOFS[name]?.onlyByName !== true);

const USAGE = `npm run prove -- [${Object.keys(PROOFS).join('|')}] …   (none: all but install and arm64)
  -n N      how many rounds; left out: few enough for every run of the checks
  --seed N  chooses the moments and the sizes; left out: by the clock, and printed`;

class ProveUsageError extends Error {
  override readonly name = 'ProveUsageError';
}

interface Wish {
  readonly names: readonly string[];
  readonly count: number | null;
  readonly seed: number;
}

function readWish(args: readonly string[]): Wish {
  const { values, positionals } = parsed(args);
  for (const name of positionals) {
    if (!(name in PROOFS)) throw new ProveUsageError(`There is no proof '${name}'.`);
  }
  return {
    names: positionals.length > 0 ? positionals : UNNAMED,
    count: values.n === undefined ? null : whole('-n', values.n, 1),
    seed: values.seed === undefined ? Date.now() % 1_000_000 : whole('--seed', values.seed, 0),
  };
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { n: { type: 'string', short: 'n' }, seed: { type: 'string' } },
    });
  } catch (error) {
    throw new ProveUsageError((error as Error).message, { cause: error });
  }
}

function whole(name: string, text: string, least: number): number {
  const value = Number(text.replaceAll('_', ''));
  if (text.trim() !== '' && Number.isInteger(value) && value >= least) return value;
  throw new ProveUsageError(`${name} is '${text}', wanted a whole number from ${least} up.`);
}

async function tryOne(name: string, proof: Proof, { count, seed }: Wish): Promise<Verdict> {
  const rounds = count ?? proof.shortCount;
  console.log(`${name}: ${proof.title}, ${rounds} ${proof.counts}, seed ${seed}`);
  const verdict = await proof.run({
    count: rounds,
    seed,
    log: (line) => {
      console.log(`  ${line}`);
    },
  });
  for (const [what, figure] of Object.entries(verdict.figures)) console.log(`  ${what}: ${figure}`);
  for (const failure of verdict.failures) console.log(`  FAILED: ${failure}`);
  if (verdict.skipped !== undefined) console.log(`  skipped: ${verdict.skipped}`);
  return verdict;
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  // What runs and what is mounted is cleared away on 'exit', which a bare signal would not reach. A
  // terminal's signal comes twice, from it and from who started this, and must not cut that short.
  process.on(signal, () => process.exit(1));
}
try {
  const wish = readWish(process.argv.slice(2));
  let [held, failed, skipped] = [0, 0, 0];
  for (const name of wish.names) {
    const proof = PROOFS[name];
    if (proof === undefined) continue;
    const { failures, skipped: why } = await tryOne(name, proof, wish);
    if (why !== undefined) skipped += 1;
    else if (failures.length > 0) failed += 1;
    else held += 1;
  }
  console.log(`proofs: ${held} held, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
  process.exitCode = failed > 0 ? 1 : 0;
} catch (error) {
  if (!(error instanceof ProveUsageError)) throw error;
  console.error(`${error.message}\n${USAGE}`);
  process.exitCode = 1;
}
