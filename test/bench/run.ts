import { readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, loadavg } from 'node:os';
import { join } from 'node:path';
import { benchCold } from './cold.bench.ts';
import { benchEnergy } from './energy.bench.ts';
import { benchMemory } from './memory.bench.ts';
import { benchMetadata } from './metadata.bench.ts';
import { benchFolder } from './folder.bench.ts';
import { BenchUsageError, readBenchOptions, type BenchOptions } from './options.ts';
import { benchPages } from './pages.bench.ts';
import { benchPi } from './pi.bench.ts';
import { benchPass } from './pass.bench.ts';
import { benchPolicy } from './policy.bench.ts';
import { PROJECT_FOLDER } from './project-folder.ts';
import { withSection } from './report/document.ts';
import { benchServe } from './serve.bench.ts';
import { benchUpload } from './upload.bench.ts';

/** Prints as it goes. @returns the document's lines, if they differ from the printed ones */
type Part = (
  print: (line: string) => void,
  options: BenchOptions,
) => Promise<void> | void | string[];

const PARTS: Readonly<Record<string, Part>> = {
  serve: benchServe,
  cold: (print) => benchCold(print),
  upload: (print) => benchUpload(print),
  policy: benchPolicy,
  metadata: benchMetadata,
  energy: benchEnergy,
  memory: (print) => benchMemory(print),
  folder: (print) => benchFolder(print),
  pages: (print) => benchPages(print),
  pi: benchPi,
  pass: (print) => benchPass(print),
};

const USAGE = `npm run bench -- <${Object.keys(PARTS).join('|')}>
  --seconds N     how long serve may take in all (90)
  --trace FILE    policy: a trace, time,key,size in gzipped CSV; may be given again
  --folders FILE  policy: key,folder,index_in_folder,kind,size of the traces' files, gzipped CSV
  --sizes LIST    policy: cache sizes in per cent of the footprint (1,5,10,20)
  --seed N        energy: the first random world (the day's number)
  --worlds N      energy: random worlds of each kind (40)
  --rows N        metadata: entries of the largest table (100000)
  --minutes N     pi: how long everything at once (10)
  --write         puts the tables into docs/PERFORMANCE.md`;

const DOCUMENT = join(PROJECT_FOLDER, 'docs', 'PERFORMANCE.md');

async function run(part: string, options: BenchOptions): Promise<void> {
  const bench = PARTS[part];
  if (bench === undefined) throw new BenchUsageError(`There is no part '${part}'.`);
  const [busy = 0] = loadavg();
  const printed: string[] = [];
  const instead = await bench((line) => {
    printed.push(line);
    console.log(line);
  }, options);
  if (!options.write) return;
  const today = new Date().toISOString().slice(0, 10);
  const where =
    `Measured ${today}, ${process.arch}, ${availableParallelism()} cores, Node ` +
    `${process.versions.node}; load average before ${busy.toFixed(1)}.`;
  const lines = [where, ...(instead ?? printed)];
  writeFileSync(DOCUMENT, withSection(readFileSync(DOCUMENT, 'utf8'), part, lines));
}

try {
  const { part, options } = readBenchOptions(process.argv.slice(2));
  await run(part, options);
} catch (error) {
  if (!(error instanceof BenchUsageError)) throw error;
  console.error(`${error.message}\n${USAGE}`);
  process.exitCode = 1;
}
