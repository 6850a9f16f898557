import { setTimeout as pause } from 'node:timers/promises';
import { Goals } from './report/goals.ts';
import { median } from './report/stats.ts';
import { short, Table } from './report/table.ts';
import { BaluPiProcess } from './world/balupi.ts';
import { asyncChunks, BenchWorld, MB, passwordOf } from './world/bench-nas.ts';
import { download, type Arrived, type Asked } from './world/first-byte.ts';

const REPETITIONS = 7;
/** Ranges requested of one file during its download, and their distance. */
const SEEKS = 5;
const SEEK_BYTES = 3 * MB;
const CLIENTS = 8;
/** As far apart as the readers of the reference measurement. */
const APART_MS = 100;
const FILE_BYTES = 40 * MB;
const LARGE_BYTES = 100 * MB;
const NAS_BYTES_PER_SECOND = 20e6;
const RANGE_BYTES = 64 * 1024;
const FAR = 35 * MB;
const LARGE_FAR = 90 * MB;

interface Side {
  readonly name: string;
  readonly port: number;
  readonly headers: Readonly<Record<string, string>>;
}

/** One repetition on one side, in ms. */
interface Round {
  readonly firstMs: number;
  readonly medianMs: number;
  readonly worstMs: number;
  readonly lastDoneMs: number;
  /** Bytes that the NAS sent for all readers together, relative to the file's size. */
  readonly originRatio: number;
  readonly coldRangeMs: number;
  readonly farAheadMs: number;
  readonly segmentSeekMs: number;
}

/** Misses: several readers at once, and ranges that are not there yet, next to the NAS itself. */
export async function benchCold(print: (line: string) => void): Promise<void> {
  const world = new BenchWorld();
  const balupi = await started(world);
  try {
    const direct = { name: 'the NAS itself', ...(await signedIn(world)) };
    const through = { name: balupi.name, port: balupi.port, headers: balupi.headers };
    print(
      `${REPETITIONS} interleaved repetitions; ${CLIENTS} readers of one 40 MB file that begin ` +
        `${APART_MS} ms apart; the practice NAS gives each of its streams 20 MB/s at most`,
    );
    const rounds = new Map<string, Round[]>();
    for (let repetition = 0; repetition < REPETITIONS; repetition += 1) {
      for (const side of [direct, through]) {
        const folder = `alice/cold-${repetition}-${side === direct ? 'direct' : 'pi'}`;
        const round = await oneRound(world, side, folder);
        rounds.set(side.name, [...(rounds.get(side.name) ?? []), round]);
      }
    }
    print('');
    for (const line of tableOf(rounds)) print(line);
    print('');
    for (const line of goalsOf(rounds, direct.name, through.name).lines()) print(line);
  } finally {
    await balupi.stop();
    await world.stop();
  }
}

async function started(world: BenchWorld): Promise<BaluPiProcess> {
  await world.start();
  const balupi = await BaluPiProcess.start(world.nas, world.workFolder('balupi'));
  await balupi.signIn('alice', passwordOf('alice'));
  return balupi;
}

async function signedIn(world: BenchWorld): Promise<Omit<Side, 'name'>> {
  const answered = await fetch(`${world.nas.url}/api/auth/login`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ username: 'alice', password: passwordOf('alice') }),
  });
  const { access_token: token } = (await answered.json()) as { readonly access_token: string };
  const port = Number(new URL(world.nas.url).port);
  return { port, headers: { Authorization: `Bearer ${token}` } };
}

async function oneRound(world: BenchWorld, side: Side, folder: string): Promise<Round> {
  await world.nas.putFolder(folder, 'alice');
  for (const name of ['many.bin', 'cold.bin', 'ahead.bin', 'large.bin']) {
    const sizeBytes = name === 'large.bin' ? LARGE_BYTES : FILE_BYTES;
    await world.nas.putFile(`${folder}/${name}`, asyncChunks(sizeBytes), 'alice');
  }
  const path = /\/api\/files\/download/;
  const fast = world.nas.faults.set({ path, bytesPerSecond: NAS_BYTES_PER_SECOND });
  try {
    const asked = (name: string): Asked => ({ ...side, path: pathOf(folder, name) });
    const before = world.nas.bytesSent;
    const { all, lastDoneMs } = await crowd(asked('many.bin'));
    const originRatio = (world.nas.bytesSent - before) / FILE_BYTES;
    const firstBytes = all.map(({ firstByteMs }) => firstByteMs);
    return {
      firstMs: firstBytes[0] ?? NaN,
      medianMs: median(firstBytes),
      worstMs: Math.max(...firstBytes),
      lastDoneMs,
      originRatio,
      coldRangeMs: await firstByteAt(asked('cold.bin'), FAR),
      farAheadMs: await whileFilling(asked('ahead.bin'), FILE_BYTES, FAR),
      segmentSeekMs: await whileFilling(asked('large.bin'), LARGE_BYTES, LARGE_FAR),
    };
  } finally {
    fast();
  }
}

async function crowd(
  asked: Asked,
): Promise<{ readonly all: readonly Arrived[]; readonly lastDoneMs: number }> {
  const beganMs = performance.now();
  const running: Promise<Arrived>[] = [];
  for (let client = 0; client < CLIENTS; client += 1) {
    if (client > 0) await pause(APART_MS);
    running.push(download(asked));
  }
  const all = await Promise.all(running);
  for (const { bytes } of all) {
    if (bytes !== FILE_BYTES) throw new Error(`A reader got ${bytes} bytes of ${FILE_BYTES}.`);
  }
  return { all, lastDoneMs: performance.now() - beganMs };
}

async function firstByteAt(asked: Asked, first: number): Promise<number> {
  const range = `bytes=${first}-${first + RANGE_BYTES - 1}`;
  const got = await download({ ...asked, headers: { ...asked.headers, Range: range } });
  if (got.statusCode !== 206 || got.bytes !== RANGE_BYTES) {
    throw new Error(`A range was answered ${got.statusCode} with ${got.bytes} bytes.`);
  }
  return got.firstByteMs;
}

/**
 * Ranges far ahead of a download that has just begun, one after another. Several, as the NAS's own
 * first byte takes 2 or 18 ms.
 * @returns the median
 */
async function whileFilling(asked: Asked, sizeBytes: number, first: number): Promise<number> {
  const whole = download(asked);
  await pause(3 * APART_MS);
  const firstByteMs: number[] = [];
  for (let seek = 0; seek < SEEKS; seek += 1) {
    firstByteMs.push(await firstByteAt(asked, first - seek * SEEK_BYTES));
  }
  const { bytes } = await whole;
  if (bytes !== sizeBytes) throw new Error(`The download beside it got ${bytes} bytes.`);
  return median(firstByteMs);
}

function pathOf(folder: string, name: string): string {
  return `/api/files/download/${folder}/${name}`;
}

const COLUMNS: readonly (readonly [string, keyof Round, string])[] = [
  ['first byte: first reader', 'firstMs', ' ms'],
  ['median of 8', 'medianMs', ' ms'],
  ['worst of 8', 'worstMs', ' ms'],
  ['all done after', 'lastDoneMs', ' ms'],
  ['bytes of the NAS by the file’s', 'originRatio', ''],
  ['first byte: cold range', 'coldRangeMs', ' ms'],
  ['range far ahead of a fill', 'farAheadMs', ' ms'],
  ['the same in a file of segments', 'segmentSeekMs', ' ms'],
];

function typical(rounds: readonly Round[] | undefined, what: keyof Round): number {
  return median((rounds ?? []).map((round) => round[what]));
}

function tableOf(rounds: ReadonlyMap<string, readonly Round[]>): string[] {
  const table = new Table('read from', ...COLUMNS.map(([title]) => title));
  for (const [name, of] of rounds) {
    table.add(name, ...COLUMNS.map(([, what, unit]) => `${short(typical(of, what))}${unit}`));
  }
  return table.lines();
}

function goalsOf(
  rounds: ReadonlyMap<string, readonly Round[]>,
  direct: string,
  through: string,
): Goals {
  const goals = new Goals();
  const [nas, pi] = [rounds.get(direct), rounds.get(through)];
  // Listings and one-byte reads are some KB of it.
  const origin = Math.round(typical(pi, 'originRatio') * 100) / 100;
  goals.atMost('8 misses: bytes of the NAS by the file’s', origin, 1);
  goals.atMost(
    '8 misses: median first byte, against 1.5 × the NAS + 5 ms',
    typical(pi, 'medianMs'),
    1.5 * typical(nas, 'medianMs') + 5,
    ' ms',
  );
  goals.atMost(
    '8 misses: all done, by the NAS itself',
    typical(pi, 'lastDoneMs') / typical(nas, 'lastDoneMs'),
    1.05,
  );
  for (const [what, title] of [
    ['coldRangeMs', 'a cold range'],
    ['farAheadMs', 'a range far ahead of a fill'],
    ['segmentSeekMs', 'a range far ahead in a file of segments'],
  ] as const) {
    const wanted = typical(nas, what) + 10;
    goals.atMost(`${title}: first byte, against the NAS + 10 ms`, typical(pi, what), wanted, ' ms');
  }
  return goals;
}
