import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
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
import type { Proof, ProofResult } from './proof.ts';
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

interface Counts {
  readonly held: number;
  readonly failed: number;
  readonly skipped: number;
}

interface RunOptions {
  readonly names: readonly string[];
  /** All that a whole run of the checks tries, the patient ones beside the others. */
  readonly isWhole: boolean;
  readonly count: number | null;
  readonly seed: number;
}

function readOptions(args: readonly string[]): RunOptions {
  const { values, positionals } = parsed(args);
  for (const name of positionals) {
    if (!(name in PROOFS)) throw new ProveUsageError(`There is no proof '${name}'.`);
  }
  return {
    names: positionals.length > 0 ? positionals : UNNAMED,
    isWhole: positionals.length === 0,
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

async function tryOne(
  name: string,
  proof: Proof,
  { count, seed }: Omit<RunOptions, 'isWhole'>,
): Promise<ProofResult> {
  const rounds = count ?? proof.shortCount;
  const beganMs = performance.now();
  console.log(`${name}: ${proof.title}, ${rounds} ${proof.counts}, seed ${seed}`);
  const result = await proof.run({
    count: rounds,
    seed,
    log: (line) => {
      console.log(`  ${line}`);
    },
  });
  for (const [what, figure] of Object.entries(result.figures)) console.log(`  ${what}: ${figure}`);
  for (const failure of result.failures) console.log(`  FAILED: ${failure}`);
  if (result.skipped !== undefined) console.log(`  skipped: ${result.skipped}`);
  console.log(`  took, s: ${Math.round((performance.now() - beganMs) / 1_000)}`);
  return result;
}

async function tryAll({ names, ...options }: Omit<RunOptions, 'isWhole'>): Promise<Counts> {
  const counts = { held: 0, failed: 0, skipped: 0 };
  for (const name of names) {
    const proof = PROOFS[name];
    if (proof === undefined) continue;
    const { failures, skipped: why } = await tryOne(name, proof, { names, ...options });
    if (why !== undefined) counts.skipped += 1;
    else if (failures.length > 0) counts.failed += 1;
    else counts.held += 1;
  }
  return counts;
}

/** Tries them in a process next to this one, and prints its output once it ends. */
async function tryBeside(names: readonly string[], { count, seed }: RunOptions): Promise<Counts> {
  const options = [...(count === null ? [] : ['-n', String(count)]), '--seed', String(seed)];
  const here = fileURLToPath(import.meta.url);
  const args = [...process.execArgv, here, ...names, ...options];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
  process.on('exit', () => child.kill());
  const { promise, resolve, reject } = Promise.withResolvers<Counts>();
  const said: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (part: Buffer) => said.push(part));
  }
  let counts: Counts = { held: 0, failed: names.length, skipped: 0 };
  child.on('message', (told) => (counts = told as Counts));
  child.on('error', reject);
  child.on('close', () => {
    process.stdout.write(Buffer.concat(said));
    resolve(counts);
  });
  return await promise;
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  // Processes and mounts are cleaned up on 'exit', which a bare signal would skip. A terminal's
  // signal comes twice, from it and from the parent, and must not cut that short.
  process.on(signal, () => process.exit(1));
}
try {
  const options = readOptions(process.argv.slice(2));
  const isPatient = (name: string): boolean => PROOFS[name]?.isPatient === true;
  const beside = options.isWhole ? options.names.filter(isPatient) : [];
  const names = options.names.filter((name) => !beside.includes(name));
  const counted = await Promise.all([
    tryAll({ ...options, names }),
    ...(beside.length > 0 ? [tryBeside(beside, options)] : []),
  ]);
  const sum = (of: keyof Counts): number => counted.reduce((all, counts) => all + counts[of], 0);
  const [held, failed, skipped] = [sum('held'), sum('failed'), sum('skipped')];
  process.send?.({ held, failed, skipped });
  if (process.send === undefined) {
    console.log(
      `proofs: ${held} held, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`,
    );
  }
  process.exitCode = failed > 0 ? 1 : 0;
} catch (error) {
  if (!(error instanceof ProveUsageError)) throw error;
  console.error(`${error.message}\n${USAGE}`);
  process.exitCode = 1;
}
