import { Goals } from './report/goals.ts';
import { benchPages } from './pages-memory.ts';
import { short, Table } from './report/table.ts';
import { BaluPiProcess } from './world/balupi.ts';
import { BenchWorld, KB, passwordOf } from './world/bench-nas.ts';
import { Load } from './world/load.ts';
import { MemoryWatch } from './world/proc.ts';
import { until } from '../fakes/until.ts';

const GB = 1_000_000_000;
const MB = 1_000_000;
const PATIENCE_MS = 120_000;

interface Step {
  readonly name: string;
  readonly fromBytes: number;
  readonly mostBytes: number;
  readonly seconds: number;
}

/**
 * Growth of a BaluPi with one file of 1 GB: uploaded asleep, delivered, downloaded as a miss and as
 * a hit.
 */
export async function benchMemory(print: (line: string) => void): Promise<void> {
  const world = new BenchWorld();
  const load = new Load();
  let balupi: BaluPiProcess | null = null;
  try {
    await world.start();
    await benchPages(world, print);
    print('');
    await world.put('small.bin', 100 * KB);
    await world.put('large.bin', GB);
    balupi = await BaluPiProcess.start(world.nas, world.workFolder('balupi'));
    await balupi.signIn('alice', passwordOf('alice'));
    const steps = await runSteps(world, load, balupi);
    const table = new Table('1 GB', 'before', 'most', 'grew by', 'took');
    for (const { name, fromBytes, mostBytes, seconds } of steps) {
      const grown = mostBytes - fromBytes;
      const cells = [fromBytes, mostBytes, grown].map((bytes) => `${short(bytes / MB)} MB`);
      table.add(name, ...cells, `${short(seconds)} s`);
    }
    for (const line of table.lines()) print(line);
    print('');
    for (const line of goalsOf(steps).lines()) print(line);
  } finally {
    await load.stop();
    await balupi?.stop();
    await world.stop();
  }
}

async function runSteps(world: BenchWorld, load: Load, balupi: BaluPiProcess): Promise<Step[]> {
  const { port, headers } = balupi;
  const upload = (filename: string, sizeBytes: number) =>
    load.run({
      ...{ kind: 'upload', port, headers, filename, sizeBytes },
      path: '/api/files/upload?path=alice%2Fbench',
    });
  const download = (name: string) =>
    load.run({
      ...{ kind: 'read', port, headers, path: balupi.pathOf(name) },
      ...{ connections: 1, mostAnswers: 1, durationMs: PATIENCE_MS },
    });
  const isDelivered = async (): Promise<boolean> => {
    const status = (await balupi.ask('/api/files/sync/status')) as { pending_uploads: number };
    return status.pending_uploads === 0;
  };
  const delivered = (): Promise<boolean> => until('the delivery', isDelivered, PATIENCE_MS);
  // What a first request loads and compiles is not the file's doing.
  await upload('first.bin', 100 * KB);
  await delivered();
  await download('small.bin');
  await download('small.bin');
  const steps = [await watched('download, miss', balupi, () => download('large.bin'))];
  steps.push(await watched('download, hit', balupi, () => download('large.bin')));
  await world.nas.sleep('suspend');
  await until('BaluPi to see the NAS asleep', async () => {
    const status = (await balupi.ask('/api/nas/status')) as { online: boolean };
    return !status.online;
  });
  steps.push(await watched('upload, NAS asleep', balupi, () => upload('up.bin', GB)));
  await world.nas.wake();
  steps.push(await watched('delivery of that upload', balupi, delivered));
  steps.push(
    await watched('upload and delivery at once', balupi, async () => {
      await upload('up2.bin', GB);
      await delivered();
    }),
  );
  return steps;
}

async function watched(
  name: string,
  balupi: BaluPiProcess,
  work: () => Promise<unknown>,
): Promise<Step> {
  const memory = new MemoryWatch(balupi.pids);
  const beganMs = performance.now();
  await work();
  const { fromBytes, mostBytes } = memory.stop();
  return { name, fromBytes, mostBytes, seconds: (performance.now() - beganMs) / 1000 };
}

function goalsOf(steps: readonly Step[]): Goals {
  const goals = new Goals();
  const grownMb = (name: string): number => {
    const step = steps.find((one) => one.name === name);
    return step === undefined ? NaN : (step.mostBytes - step.fromBytes) / MB;
  };
  goals.atMost('1 GB up', grownMb('upload, NAS asleep'), 60, ' MB');
  goals.atMost('1 GB up and delivered', grownMb('upload and delivery at once'), 60, ' MB');
  goals.atMost('1 GB down, a miss', grownMb('download, miss'), 32, ' MB');
  goals.atMost('1 GB down, a hit', grownMb('download, hit'), 32, ' MB');
  return goals;
}
