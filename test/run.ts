import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Mocha from 'mocha';
import { mochaHooks } from './unhandled-rejections.ts';

/**
 * Runs every test below this folder, or those named on the command line, and ends with the one
 * line that says how it went: `N passed, N failed`, and `, N skipped` where a machine lacks
 * something a test needs. `--jobs N` runs N files at a time, each in a process of its own kind;
 * whole runs take three, as most of a test's time is waiting for processes to start and end.
 */
const JOBS_OF_A_WHOLE_RUN = 3;
/** Linux keeps what is written there in memory (tmpfs). */
const MEMORY = '/dev/shm';
/** Far more than three files write at once: the largest keeps a cache of 400 MB. */
const MEMORY_BYTES = 6 * 1024 ** 3;
/** Tests that start processes or browsers, or move hundreds of megabytes. */
const SLOW = /\/(?:host|pages|prove|packages|deploy|flows)\/|tour|\/lib\/cache\/|energy\/accuracy/;
const here = fileURLToPath(new URL('.', import.meta.url));
useMemory();
const { wanted, jobs } = readArguments(process.argv.slice(2));

function readArguments(args: readonly string[]): { wanted: string[]; jobs: number } {
  const at = args.indexOf('--jobs');
  const wanted = args.filter((_, index) => at < 0 || (index !== at && index !== at + 1));
  const jobs = at < 0 ? (wanted.length === 0 ? JOBS_OF_A_WHOLE_RUN : 1) : Number(args[at + 1]);
  if (!Number.isInteger(jobs) || jobs < 1) {
    console.error(`--jobs is '${args[at + 1] ?? ''}', wanted a whole number above 0.`);
    process.exit(1);
  }
  return { wanted, jobs };
}

/**
 * What tests write goes to memory where this machine has enough of it: they wait for each flush to a
 * disk, and prove nothing by it, as a killed process loses nothing that was written. What a power
 * cut loses is for the proofs, on disks of their own. The processes they start also share what V8
 * made of the sources. A TMPDIR that is set stays.
 */
function useMemory(): void {
  if (process.env['TMPDIR'] !== undefined || !existsSync(MEMORY)) return;
  const { bavail, bsize } = statfsSync(MEMORY);
  if (bavail * bsize < MEMORY_BYTES) return;
  const folder = mkdtempSync(join(MEMORY, 'balupi-tests-'));
  // As /tmp is: a database server of the tests runs as somebody else.
  chmodSync(folder, 0o1777);
  process.env['TMPDIR'] = folder;
  process.env['NODE_COMPILE_CACHE'] ??= join(folder, 'compiled');
  process.on('exit', () => {
    rmSync(folder, { recursive: true, force: true });
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => process.exit(1));
  }
}

/** The slow ones first, so that none of them runs alone at the end. */
function testFiles(): string[] {
  const byCost = (one: string, other: string): number =>
    Number(SLOW.test(other)) - Number(SLOW.test(one)) || (one < other ? -1 : 1);
  return readdirSync(here, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.test.js'))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((file) => wanted.length === 0 || wanted.some((part) => file.includes(part)))
    .sort(byCost);
}

const mocha = new Mocha({
  ...{ reporter: 'spec', timeout: 10_000, forbidOnly: true },
  ...{ parallel: jobs > 1, jobs },
  // Processes of their own load it, this one has it.
  ...(jobs > 1 ? { require: [join(here, 'unhandled-rejections.js')] } : { rootHooks: mochaHooks }),
});
for (const file of testFiles()) mocha.addFile(file);
if (jobs === 1) await mocha.loadFilesAsync();

const runner = mocha.run();
runner.on('end', () => {
  const { passes = 0, failures = 0, pending = 0, tests = 0 } = runner.stats ?? {};
  // The spec reporter prints its summary in the same turn; the closing line comes behind it.
  setImmediate(() => {
    if (tests === 0 && failures === 0) console.error('No test was found.');
    const skipped = pending > 0 ? `, ${pending} skipped` : '';
    console.log(`${passes} passed, ${failures} failed${skipped}`);
    process.exit(failures > 0 || tests === 0 ? 1 : 0);
  });
});
