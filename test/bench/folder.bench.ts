import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { LARGE_FOLDER, LARGE_FOLDER_FILES, LargeNas } from '../fakes/large-nas.ts';
import { PROGRAM_ENDING } from './project-folder.ts';
import { Goals } from './report/goals.ts';
import { median } from './report/stats.ts';
import { short, Table } from './report/table.ts';
import { BaluPiProcess } from './world/balupi.ts';
import { BenchWorld, passwordOf } from './world/bench-nas.ts';
import { cpuSeconds, MemoryWatch } from './world/proc.ts';
import { moveToCore } from './world/programs.ts';
import { until } from '../fakes/until.ts';

const MB = 1_000_000;
const PAGE = 100;
const PAGES = 300;
const DOWNLOADS = 60;
const PATIENCE_MS = 30_000;

interface Held {
  readonly p99Ms: number;
  /** The longest, without the time the thread waited for a core. */
  readonly mostMs: number;
  readonly mostWithWaitsMs: number;
}

interface Step {
  readonly name: string;
  readonly tookMs: number;
  readonly cpuS: number;
  readonly grownBytes: number;
  readonly held: Held;
}

/** Measures steps of one process: time, CPU, memory, and its event loop. */
class Steps {
  readonly steps: Step[] = [];
  readonly #balupi: BaluPiProcess;
  readonly #watchFile: string;

  constructor(balupi: BaluPiProcess, watchFile: string) {
    this.#balupi = balupi;
    this.#watchFile = watchFile;
  }

  async run(name: string, work: () => Promise<unknown>): Promise<void> {
    await this.#held();
    const memory = new MemoryWatch(this.#balupi.pids);
    const [beganMs, beforeS] = [performance.now(), cpuSeconds(this.#balupi.pids)];
    await work();
    const tookMs = performance.now() - beganMs;
    const cpuS = cpuSeconds(this.#balupi.pids) - beforeS;
    const { grownBytes } = memory.stop();
    this.steps.push({ name, tookMs, cpuS, grownBytes, held: await this.#held() });
  }

  /** @returns how long the loop was blocked since the last call */
  async #held(): Promise<Held> {
    rmSync(this.#watchFile, { force: true });
    for (const pid of this.#balupi.pids) process.kill(pid, 'SIGUSR2');
    let held: Held | null = null;
    await until('the watch of the event loop', () => {
      try {
        held = JSON.parse(readFileSync(this.#watchFile, 'utf8')) as Held;
        return true;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
        throw error;
      }
    });
    return held ?? { p99Ms: NaN, mostMs: NaN, mostWithWaitsMs: NaN };
  }
}

/** The cost of a folder of 100,000 files in a whole BaluPi, to its reader and to everybody else. */
export async function benchFolder(print: (line: string) => void): Promise<void> {
  const world = new BenchWorld();
  let nas: LargeNas | null = null;
  let balupi: BaluPiProcess | null = null;
  // BaluPi has the other one; this process must not slow its loop down.
  moveToCore(1);
  try {
    await world.start();
    for (let index = 0; index < PAGE; index += 1) await world.put(`f${index}.txt`, 10);
    nas = new LargeNas(world.nas.url);
    const url = await nas.start();
    const { macAddress, wakeAddress } = world.nas;
    const watchFile = join(world.folder, 'loop.json');
    const watch = join(import.meta.dirname, 'world', `loop-watch${PROGRAM_ENDING}`);
    balupi = await BaluPiProcess.start({ url, macAddress, wakeAddress }, world.workFolder('pi'), {
      NODE_OPTIONS: `--import ${pathToFileURL(watch).href}`,
      LOOP_WATCH_FILE: watchFile,
      BALUPI_NAS_PROBE_INTERVAL_SECONDS: '1',
    });
    await balupi.signIn('alice', passwordOf('alice'));
    await measure(print, world, nas, balupi, new Steps(balupi, watchFile));
  } finally {
    await balupi?.stop();
    nas?.stop();
    await world.stop();
  }
}

async function measure(
  print: (line: string) => void,
  world: BenchWorld,
  nas: LargeNas,
  balupi: BaluPiProcess,
  steps: Steps,
): Promise<void> {
  const { url, headers } = balupi;
  const list = async (query: string, coding = 'identity'): Promise<Response> =>
    await fetch(`${url}/api/files/list?${query}`, {
      headers: { ...headers, 'Accept-Encoding': coding },
    });
  const whole = async (coding?: string): Promise<void> => {
    const { files } = (await (await list(`path=${LARGE_FOLDER}`, coding)).json()) as {
      readonly files: readonly unknown[];
    };
    if (files.length !== LARGE_FOLDER_FILES) throw new Error(`${files.length} files were listed.`);
  };
  /** Reads pages one after another. @returns the median time of one */
  const pages = async (folder: string): Promise<number> => {
    const times: number[] = [];
    let cursor = '';
    for (let count = 0; count < PAGES; count += 1) {
      const beganMs = performance.now();
      const page = (await (await list(`path=${folder}&limit=${PAGE}${cursor}`)).json()) as {
        readonly next?: string | null;
      };
      times.push(performance.now() - beganMs);
      const { next } = page;
      cursor = next === null || next === undefined ? '' : `&cursor=${next}`;
    }
    return median(times);
  };
  // A process that has just started still loads and compiles what any listing needs.
  await pages('alice/bench');
  let [smallMs, largeMs] = [NaN, NaN];
  await steps.run(`${PAGES} listings of a folder of ${PAGE}`, async () => {
    smallMs = await pages('alice/bench');
  });
  await steps.run('listed whole, of the NAS, 30 MB', () => whole());
  await steps.run('listed whole, as kept', () => whole());
  await steps.run('the same, packed (gzip)', () => whole('gzip'));
  await steps.run(`${PAGES} pages of ${PAGE} of it`, async () => {
    largeMs = await pages(LARGE_FOLDER);
  });
  await steps.run(`${DOWNLOADS} files of it read`, async () => {
    for (let index = 0; index < DOWNLOADS; index += 1) {
      const name = `IMG_${String(index * 1_500).padStart(6, '0')}.jpg`;
      const read = await fetch(`${url}/api/files/download/${LARGE_FOLDER}/${name}`, { headers });
      if ((await read.text()) !== 'hello') throw new Error(`${name} was answered ${read.status}.`);
    }
  });
  await world.nas.sleep('suspend');
  nas.stop();
  await until(
    'BaluPi to see the NAS asleep',
    async () => !((await balupi.ask('/api/nas/status')) as { online: boolean }).online,
    PATIENCE_MS,
  );
  await steps.run('listed whole, asleep', () => whole());
  report(print, steps.steps, smallMs, largeMs);
}

function report(
  print: (line: string) => void,
  steps: readonly Step[],
  smallMs: number,
  largeMs: number,
): void {
  const table = new Table(
    'step',
    'took',
    'CPU',
    'memory grew by',
    'loop held, p99',
    'most',
    'with waits for a core',
  );
  for (const { name, tookMs, cpuS, grownBytes, held } of steps) {
    table.add(
      name,
      `${short(tookMs)} ms`,
      `${short(cpuS)} s`,
      `${short(grownBytes / MB)} MB`,
      `${short(held.p99Ms)} ms`,
      `${short(held.mostMs)} ms`,
      `${short(held.mostWithWaitsMs)} ms`,
    );
  }
  for (const line of table.lines()) print(line);
  print('');
  const goals = new Goals();
  goals.atMost(
    'event loop held at a time',
    Math.max(...steps.map((one) => one.held.mostMs)),
    20,
    ' ms',
  );
  goals.atMost(
    'memory of any step',
    Math.max(...steps.map((one) => one.grownBytes)) / MB,
    60,
    ' MB',
  );
  goals.atMost(`a page of ${PAGE} against a folder of ${PAGE}`, largeMs / smallMs, 1.5, ' times');
  for (const line of goals.lines()) print(line);
}
