import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { once } from 'node:events';
import type { Caller } from '../../nodes/lib/accounts/caller.ts';
import { DataFolder } from '../../nodes/lib/store/data-folder.ts';
import { SystemClock } from '../../nodes/lib/time/system-clock.ts';
import { acceptAnswer, HashThread, NodeDisk, Upload } from '../../nodes/lib/upload/upload.ts';
import { FakePresence, MemoryNas } from '../lib/upload/memory-nas.ts';
import { Goals } from './report/goals.ts';
import { median } from './report/stats.ts';
import { load, type Taken } from './world/upload-load.ts';
import { openDavNginx, type DavNginx } from './world/nginx-dav.ts';
import { cpuSeconds } from './world/proc.ts';

const MB = 1024 * 1024;
const CALLER: Caller = {
  user: { id: 1, username: 'alice', role: 'user' },
  kind: 'pi',
  nasToken: null,
  scope: 'all',
};

const OURS = 'multipart + sha256 + fsync + rename + commit';
const NGINX = 'nginx dav PUT + fsync';

/** An upload room behind a bare server. */
export async function openRoom(path: string): Promise<{ url: string; close: () => Promise<void> }> {
  const data = DataFolder.open(path);
  const clock = new SystemClock((error) => {
    throw error;
  });
  const quiet = (): void => undefined;
  const upload = new Upload({
    store: data.queue,
    folder: join(path, 'queue'),
    disk: new NodeDisk(),
    hashing: new HashThread(),
    nas: new MemoryNas().client(),
    presence: new FakePresence(),
    credentials: { credentialFor: () => Promise.resolve(null), refused: quiet },
    listings: { shows: () => ({ kind: 'unknown' }) },
    mayWrite: () => true,
    makeRoom: quiet,
    keep: quiet,
    pendingDownloads: () => 0,
    fallback: null,
    clock,
    log: { debug: quiet, info: quiet, warn: quiet, error: quiet },
    random: Math.random,
    randomBytes,
    maxFileBytes: 16 * 1024 * MB,
    minFreeBytes: 0,
    timezone: 'UTC',
  });
  await upload.start();
  const server = createServer((request, response) => {
    const target = new URL(request.url ?? '', 'http://x').searchParams.get('path');
    void upload.accept(CALLER, request, { path: target }).then((outcome) => {
      const answered = acceptAnswer(outcome);
      response.writeHead(answered?.statusCode ?? 500, { 'Content-Type': 'application/json' });
      response.end(JSON.stringify(answered?.payload ?? null));
    });
  });
  server.requestTimeout = 0;
  const url = await listen(server);
  return {
    url,
    close: async () => {
      await upload.stop();
      server.closeAllConnections();
      server.close();
      data.close();
    },
  };
}

async function listen(server: Server): Promise<string> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/upload`;
}

/** What the disk gives when nothing stands between: 1 MB writes and one fsync. */
function rawWrite(folder: string, bytes: number): Taken {
  const block = randomBytes(MB);
  const before = process.cpuUsage();
  const began = performance.now();
  const file = join(folder, 'raw');
  const handle = openSync(file, 'w');
  for (let left = bytes; left > 0; left -= block.length) {
    writeSync(handle, block, 0, Math.min(left, block.length));
  }
  fsyncSync(handle);
  closeSync(handle);
  const wallS = (performance.now() - began) / 1_000;
  const used = process.cpuUsage(before);
  rmSync(file);
  return { count: 1, wallS, cpuS: (used.user + used.system) / 1e6 };
}

/** How many small appends the disk makes durable in a second. */
function fsyncsPerSecond(folder: string): number {
  const handle = openSync(join(folder, 'fsync'), 'w');
  const block = randomBytes(4096);
  const began = performance.now();
  let count = 0;
  for (; performance.now() - began < 1_500; count += 1) {
    writeSync(handle, block);
    fsyncSync(handle);
  }
  const perSecond = count / ((performance.now() - began) / 1_000);
  closeSync(handle);
  return perSecond;
}

/** nginx taking PUTs, where it is installed with its dav module. Its CPU time is not measured. */
/** PUTs one file and then makes it durable, as nginx does not. The CPU is its worker's. */
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

/**
 * Uploads through the intake beside the bare disk, and beside nginx where it is installed: one large
 * file at a time in interleaved repetitions, then 100 KB photos from 8 clients beside the disk's
 * fsyncs a second. Takes a minute or two at 1 GB.
 */
export async function benchUpload(
  print: (line: string) => void,
  options: { readonly fileBytes?: number; readonly repetitions?: number } = {},
): Promise<void> {
  const { fileBytes = 1024 * MB, repetitions = 5 } = options;
  const folder = mkdtempSync(join(tmpdir(), 'balupi-bench-'));
  const nginx = await openDavNginx(join(folder, 'nginx'));
  try {
    if (nginx === null) print('nginx with its dav module is not installed here: not compared');
    const ways = new Map<string, Taken[]>();
    const note = (way: string, taken: Taken): void => {
      ways.set(way, [...(ways.get(way) ?? []), taken]);
      const rate = (fileBytes / MB / taken.wallS).toFixed(0);
      print(`  ${way}: ${taken.wallS.toFixed(2)} s, ${rate} MB/s, CPU ${taken.cpuS.toFixed(2)} s`);
    };
    for (let repetition = 1; repetition <= repetitions; repetition += 1) {
      print(`repetition ${repetition} of ${repetitions}, ${(fileBytes / MB).toFixed(0)} MB`);
      const path = join(folder, `room-${repetition}`);
      const room = await openRoom(path);
      const one = {
        url: room.url,
        method: 'POST',
        bytes: fileBytes,
        clients: 1,
        seconds: 0,
      } as const;
      note(OURS, await load(one));
      await room.close();
      rmSync(path, { recursive: true, force: true });
      note('raw write + fsync', rawWrite(folder, fileBytes));
      if (nginx !== null) note(NGINX, await nginxPut(nginx, fileBytes));
    }
    for (const [way, taken] of ways) {
      const wallS = median(taken.map((each) => each.wallS));
      print(`median ${way}: ${(fileBytes / MB / wallS).toFixed(0)} MB/s`);
    }
    const photos = await benchPhotos(print, folder);
    for (const line of goalsOf(ways, photos).lines()) print(line);
  } finally {
    await nginx?.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Photos {
  readonly perSecond: number;
  readonly fsyncsPerSecond: number;
}

async function benchPhotos(print: (line: string) => void, folder: string): Promise<Photos> {
  const before = fsyncsPerSecond(folder);
  const room = await openRoom(join(folder, 'photos'));
  const taken = await load({
    url: room.url,
    method: 'POST',
    bytes: 100_000,
    clients: 8,
    seconds: 5,
  });
  await room.close();
  const after = fsyncsPerSecond(folder);
  print(
    `100 KB photos from 8 clients: ${(taken.count / taken.wallS).toFixed(0)} acknowledged a second, ` +
      `CPU ${taken.cpuS.toFixed(2)} s of ${taken.wallS.toFixed(2)} s; the disk makes ` +
      `${before.toFixed(0)} to ${after.toFixed(0)} fsyncs a second`,
  );
  return { perSecond: taken.count / taken.wallS, fsyncsPerSecond: Math.min(before, after) };
}

function goalsOf(ways: ReadonlyMap<string, readonly Taken[]>, photos: Photos): Goals {
  const goals = new Goals();
  const theirs = ways.get(NGINX) ?? [];
  const against = (what: 'wallS' | 'cpuS'): number =>
    median((ways.get(OURS) ?? []).map((our, at) => (theirs[at]?.[what] ?? NaN) / our[what]));
  goals.atLeast('1 GB against nginx dav PUT + fsync, wall time', against('wallS'), 0.9);
  goals.atLeast('the same, by CPU seconds', against('cpuS'), 0.9);
  goals.open('1 GB against a FastAPI streaming upload', '≥ 1.30', 'no such peer here');
  const limit = Math.min(150, photos.fsyncsPerSecond);
  goals.atLeast('100 KB photos acknowledged a second', photos.perSecond, limit);
  return goals;
}
