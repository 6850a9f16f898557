import { mkdtempSync, closeSync, fsyncSync, openSync, rmSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Goals } from './report/goals.ts';
import { median } from './report/stats.ts';
import { fsyncsPerSecond, rawWrite } from './world/disk-rates.ts';
import { openFastApiUpload, type FastApiUpload } from './world/fastapi-upload.ts';
import { openDavNginx, type DavNginx } from './world/nginx-dav.ts';
import { cpuSeconds } from './world/proc.ts';
import { load, type Taken } from './world/upload-load.ts';
import { openUploadServer } from './world/upload-server.ts';

const MB = 1024 * 1024;
const OURS = 'multipart + sha256 + fsync + rename + commit';
const NGINX = 'nginx dav PUT + fsync';
const FASTAPI = 'FastAPI, uvloop: multipart + sha256 + fsync + rename';
/** Concurrent uploads while the event loop is sampled, and the interval of that. */
const AT_ONCE = 4;
const LOOK_EVERY_MS = 1;

type Print = (line: string) => void;

/** PUTs one file and then makes it durable, which nginx does not. The CPU is its worker's. */
async function nginxPut(nginx: DavNginx, bytes: number): Promise<Taken> {
  const before = cpuSeconds(nginx.pids);
  const taken = await load({ url: nginx.url, method: 'PUT', bytes, clients: 1, seconds: 0 });
  const cpuS = cpuSeconds(nginx.pids) - before;
  const file = join(nginx.files, '1');
  const began = performance.now();
  const handle = openSync(file, 'r');
  fsyncSync(handle);
  closeSync(handle);
  const syncS = (performance.now() - began) / 1_000;
  rmSync(file);
  return { ...taken, cpuS, wallS: taken.wallS + syncS };
}

async function fastApiPost(server: FastApiUpload, bytes: number): Promise<Taken> {
  const before = cpuSeconds(server.pids);
  const taken = await load({ url: server.url, method: 'POST', bytes, clients: 1, seconds: 0 });
  return { ...taken, cpuS: cpuSeconds(server.pids) - before };
}

/** One way to store a large file. */
interface Way {
  readonly name: string;
  readonly take: (bytes: number) => Promise<Taken> | Taken;
}

function waysOf(
  folder: string,
  nginx: DavNginx | null,
  fastApi: FastApiUpload | null,
): readonly Way[] {
  const ours = async (bytes: number): Promise<Taken> => {
    const path = join(folder, 'server');
    const server = await openUploadServer(path);
    const taken = await load({ url: server.url, method: 'POST', bytes, clients: 1, seconds: 0 });
    await server.close();
    rmSync(path, { recursive: true, force: true });
    return taken;
  };
  return [
    { name: OURS, take: ours },
    { name: 'raw write + fsync', take: (bytes) => rawWrite(folder, bytes) },
    ...(nginx === null ? [] : [{ name: NGINX, take: (bytes: number) => nginxPut(nginx, bytes) }]),
    ...(fastApi === null
      ? []
      : [{ name: FASTAPI, take: (bytes: number) => fastApiPost(fastApi, bytes) }]),
  ];
}

/**
 * Uploads through the intake, next to the bare disk, nginx and FastAPI where installed: one large
 * file at a time in interleaved repetitions; then four at once while the event loop is sampled;
 * then 100 KB photos from 8 clients, next to the disk's fsyncs a second. Takes some minutes at 1
 * GB.
 */
export async function benchUpload(
  print: Print,
  options: { readonly fileBytes?: number; readonly repetitions?: number } = {},
): Promise<void> {
  const { fileBytes = 1024 * MB, repetitions = 5 } = options;
  const folder = mkdtempSync(join(tmpdir(), 'balupi-bench-'));
  const nginx = await openDavNginx(join(folder, 'nginx'));
  const fastApi = await openFastApiUpload(join(folder, 'fastapi'));
  try {
    if (nginx === null) print('nginx with its dav module is not installed here: not compared');
    if (fastApi === null) {
      print('no python3 with fastapi, uvicorn, uvloop and python-multipart here: not compared');
    }
    const ways = waysOf(folder, nginx, fastApi);
    const taken = await interleaved(print, ways, fileBytes, repetitions);
    const atOnce = await benchAtOnce(print, folder, fileBytes);
    const photos = await benchPhotos(print, folder);
    for (const line of goalsOf(taken, atOnce, photos).lines()) print(line);
  } finally {
    await nginx?.stop();
    await fastApi?.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

type TakenByWay = ReadonlyMap<string, readonly Taken[]>;

async function interleaved(
  print: Print,
  ways: readonly Way[],
  fileBytes: number,
  repetitions: number,
): Promise<TakenByWay> {
  const all = new Map<string, Taken[]>(ways.map(({ name }) => [name, []]));
  // The first round compiles, and allocates the page cache for the first time.
  for (const { take } of ways) await take(Math.min(fileBytes, 256 * MB));
  for (let repetition = 1; repetition <= repetitions; repetition += 1) {
    print(`repetition ${repetition} of ${repetitions}, ${(fileBytes / MB).toFixed(0)} MB`);
    for (const { name, take } of ways) {
      const taken = await take(fileBytes);
      all.get(name)?.push(taken);
      const rate = (fileBytes / MB / taken.wallS).toFixed(0);
      print(`  ${name}: ${taken.wallS.toFixed(2)} s, ${rate} MB/s, CPU ${taken.cpuS.toFixed(2)} s`);
    }
  }
  for (const [name, taken] of all) {
    const wallS = median(taken.map((each) => each.wallS));
    print(`median ${name}: ${(fileBytes / MB / wallS).toFixed(0)} MB/s`);
  }
  return all;
}

interface AtOnce {
  readonly p99Ms: number;
  readonly grewBytes: number;
}

/** The delay is what exceeds the interval of the samples. */
async function benchAtOnce(print: Print, folder: string, bytes: number): Promise<AtOnce> {
  const server = await openUploadServer(join(folder, 'at-once'));
  const delay = monitorEventLoopDelay({ resolution: LOOK_EVERY_MS });
  const beforeBytes = process.memoryUsage.rss();
  let mostBytes = beforeBytes;
  const watch = setInterval(() => {
    mostBytes = Math.max(mostBytes, process.memoryUsage.rss());
  }, 100);
  delay.enable();
  const taken = await load({
    url: server.url,
    method: 'POST',
    bytes,
    clients: AT_ONCE,
    seconds: 0,
  });
  delay.disable();
  clearInterval(watch);
  await server.close();
  rmSync(join(folder, 'at-once'), { recursive: true, force: true });
  const [p50Ms = 0, p99Ms = 0, maxMs = 0] = [
    delay.percentile(50),
    delay.percentile(99),
    delay.max,
  ].map((ns) => ns / 1e6 - LOOK_EVERY_MS);
  const grewBytes = mostBytes - beforeBytes;
  print(
    `${AT_ONCE} at once: ${((AT_ONCE * bytes) / MB / taken.wallS).toFixed(0)} MB/s in all; delay of ` +
      `the event loop p50 ${p50Ms.toFixed(1)} ms, p99 ${p99Ms.toFixed(1)} ms, most ` +
      `${maxMs.toFixed(0)} ms; memory grew by ${(grewBytes / MB).toFixed(0)} MB`,
  );
  return { p99Ms, grewBytes };
}

interface Photos {
  readonly perSecond: number;
  readonly fsyncsPerSecond: number;
}

async function benchPhotos(print: Print, folder: string): Promise<Photos> {
  const before = fsyncsPerSecond(folder);
  const server = await openUploadServer(join(folder, 'photos'));
  const small = { method: 'POST', bytes: 100_000, clients: 8, seconds: 5 } as const;
  const taken = await load({ url: server.url, ...small });
  await server.close();
  const after = fsyncsPerSecond(folder);
  print(
    `100 KB photos from 8 clients: ${(taken.count / taken.wallS).toFixed(0)} acknowledged a second, ` +
      `CPU ${taken.cpuS.toFixed(2)} s of ${taken.wallS.toFixed(2)} s; the disk makes ` +
      `${before.toFixed(0)} to ${after.toFixed(0)} fsyncs a second`,
  );
  return { perSecond: taken.count / taken.wallS, fsyncsPerSecond: Math.min(before, after) };
}

function goalsOf(taken: TakenByWay, atOnce: AtOnce, photos: Photos): Goals {
  const goals = new Goals();
  const against = (way: string, what: 'wallS' | 'cpuS'): number => {
    const theirs = taken.get(way) ?? [];
    const ours = taken.get(OURS) ?? [];
    return median(ours.map((our, at) => (theirs[at]?.[what] ?? NaN) / our[what]));
  };
  goals.atLeast('1 GB against nginx dav PUT + fsync, wall time', against(NGINX, 'wallS'), 0.9);
  goals.atLeast('the same, by CPU seconds', against(NGINX, 'cpuS'), 0.9);
  if (taken.has(FASTAPI)) {
    goals.atLeast('1 GB against a FastAPI streaming upload', against(FASTAPI, 'wallS'), 1.3);
  } else goals.open('1 GB against a FastAPI streaming upload', '≥ 1.30', 'no such peer here');
  goals.atMost('event loop, p99 while 4 × 1 GB come in', atOnce.p99Ms, 20, ' ms');
  const limit = Math.min(150, photos.fsyncsPerSecond);
  goals.atLeast('100 KB photos acknowledged a second', photos.perSecond, limit);
  return goals;
}
