import { join } from 'node:path';
import { BaluPiProcess, startBareNode, startCacheServer } from './balupi.ts';
import { type BenchWorld, passwordOf } from './bench-nas.ts';
import { startFastApi } from './fastapi.ts';
import { startNginxFront } from './nginx-front.ts';
import { startNginx } from './nginx.ts';
import type { Target } from './target.ts';

export const NGINX = 'nginx sendfile';
export const BARE = 'bare node:http, one buffer';
export const CACHE = 'cache alone';
export const CACHE_FROM_DISK = 'cache alone, from disk';
export const WHOLE = 'BaluPi, whole';
export const BEHIND_NGINX = 'BaluPi behind nginx (ACCEL)';
export const FASTAPI = 'FastAPI FileResponse';

/** Starts all servers to compare; those not installed here are reported and left out. */
export async function startServingTargets(
  world: BenchWorld,
  targets: Target[],
  print: (line: string) => void,
): Promise<void> {
  const nginx = await startNginx(world.files, world.workFolder('nginx'));
  if (nginx === null) print('nginx is not installed here: no ratio to it');
  else targets.push({ ...nginx, name: NGINX });
  targets.push({ ...(await startBareNode(world.files)), name: BARE });
  const cache = await startCacheServer(world.files, world.workFolder('cache'));
  targets.push({ ...cache, name: CACHE });
  const fromDisk = await startCacheServer(
    world.files,
    world.workFolder('module-disk'),
    'from-disk',
  );
  targets.push({ ...fromDisk, name: CACHE_FROM_DISK });
  const work = world.workFolder('balupi');
  const balupi = await BaluPiProcess.start(world.nas, work, {
    BALUPI_ACCEL: 'nginx',
    BALUPI_TRUSTED_PROXIES: '127.0.0.1',
  });
  targets.push(balupi);
  await balupi.signIn('alice', passwordOf('alice'));
  targets.push(...(await behindNginx(balupi, work, world.workFolder('front'))));
  const fastApi = await startFastApi(world.files, world.workFolder('fastapi'));
  if (fastApi === null) {
    print('the python3 on the PATH cannot import fastapi and uvicorn: no ratio to FastAPI');
  } else targets.push({ ...fastApi, name: FASTAPI });
}

async function behindNginx(
  balupi: BaluPiProcess,
  work: string,
  workFolder: string,
): Promise<Target[]> {
  const blobs = join(work, 'data', 'cache', 'blobs');
  const front = await startNginxFront(balupi.port, blobs, workFolder);
  if (front === null) return [];
  return [
    {
      name: BEHIND_NGINX,
      port: front.port,
      // The one that decides and the one that sends both cost.
      pids: [...balupi.pids, ...front.pids],
      headers: balupi.headers,
      pathOf: (name) => balupi.pathOf(name),
      stop: () => front.stop(),
    },
  ];
}
