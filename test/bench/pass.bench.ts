import { once } from 'node:events';
import { request } from 'node:http';
import { Goals } from './report/goals.ts';
import { short, Table } from './report/table.ts';
import { BaluPiProcess } from './world/balupi.ts';
import { BenchWorld, passwordOf } from './world/bench-nas.ts';
import { download } from './world/first-byte.ts';
import { MemoryWatch } from './world/proc.ts';

const MB = 1_000_000;
const ROUNDS = 200;
const BLOCK = Buffer.alloc(64 * 1024, 'x');

interface Times {
  readonly direct: readonly number[];
  readonly passed: readonly number[];
}

/** The cost of a request passed on to the NAS, next to one sent there directly. */
export async function benchPass(print: (line: string) => void): Promise<void> {
  const world = new BenchWorld();
  let balupi: BaluPiProcess | null = null;
  try {
    await world.start();
    balupi = await BaluPiProcess.start(world.nas, world.workFolder('balupi'));
    await balupi.signIn('alice', passwordOf('alice'));
    await down(balupi, 20 * MB);
    await up(balupi, 20 * MB);
    const times = await firstBytes(world, balupi);
    const one = balupi;
    const downMb = await grownMb(one, () => down(one, 200 * MB));
    const upMb = await grownMb(one, () => up(one, 100 * MB));
    const table = new Table('first byte of 1 KB', 'median', '95 %', 'most');
    for (const [name, all] of Object.entries(times) as [string, readonly number[]][]) {
      table.add(name, ...[0.5, 0.95, 1].map((part) => `${short(quantile(all, part))} ms`));
    }
    for (const line of table.lines()) print(line);
    print('');
    const goals = new Goals();
    const more = quantile(times.passed, 0.5) - quantile(times.direct, 0.5);
    goals.atMost('first byte, more than direct', more, 5, ' ms');
    goals.atMost('200 MB down, memory', downMb, 30, ' MB');
    goals.atMost('100 MB up, memory', upMb, 30, ' MB');
    for (const line of goals.lines()) print(line);
  } finally {
    await balupi?.stop();
    await world.stop();
  }
}

/** Alternately, so that both see the same conditions. */
async function firstBytes(world: BenchWorld, balupi: BaluPiProcess): Promise<Times> {
  const token = world.nas.accounts.accessToken('alice');
  const direct = {
    port: Number(new URL(world.nas.url).port),
    headers: { Authorization: `Bearer ${token}` },
  };
  const passed = { port: balupi.port, headers: balupi.headers };
  const times = { direct: [] as number[], passed: [] as number[] };
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [name, at] of [
      ['direct', direct],
      ['passed', passed],
    ] as const) {
      const { firstByteMs } = await download({ ...at, path: '/api/vpn/small?echo_bytes=1024' });
      times[name].push(firstByteMs);
    }
  }
  return times;
}

async function down({ port, headers }: BaluPiProcess, bytes: number): Promise<void> {
  const path = `/api/vpn/down?echo_bytes=${String(bytes)}`;
  const arrived = await download({ port, headers, path });
  if (arrived.bytes !== bytes) throw new Error(`${String(arrived.bytes)} bytes came.`);
}

async function up({ port, headers }: BaluPiProcess, bytes: number): Promise<void> {
  const asked = request({
    ...{ host: '127.0.0.1', port, path: '/api/vpn/up', method: 'POST' },
    headers: { ...headers, 'Content-Length': bytes },
  });
  for (let left = bytes; left > 0; left -= BLOCK.length) {
    const block = left >= BLOCK.length ? BLOCK : BLOCK.subarray(0, left);
    if (!asked.write(block)) await once(asked, 'drain');
  }
  asked.end();
  const [answer] = (await once(asked, 'response')) as [import('node:http').IncomingMessage];
  answer.resume();
  await once(answer, 'end');
  if (answer.statusCode !== 200) throw new Error(`It answered ${String(answer.statusCode)}.`);
}

async function grownMb(balupi: BaluPiProcess, work: () => Promise<void>): Promise<number> {
  const memory = new MemoryWatch(balupi.pids);
  await work();
  return memory.stop().grownBytes / MB;
}

function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((left, right) => left - right);
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? NaN;
}
