import { copyFileSync, readdirSync, statSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Cache } from '../../../nodes/lib/cache/cache.ts';
import type { LocatedFile } from '../../../nodes/lib/files/files.ts';
import { CACHE_MIGRATIONS } from '../../../nodes/lib/store/databases.ts';
import { Store } from '../../../nodes/lib/store/store.ts';
import { SystemClock } from '../../../nodes/lib/time/system-clock.ts';
import { STEADY_DISK } from '../../fakes/steady-disk.ts';

/**
 * The cache alone: `node cache-process <files> <work folder> <mode>` caches the files and serves
 * them by lookup and serve on a bare server, without sign-in, permissions and flows.
 */
const [files = '', workFolder = '', mode = 'from-memory'] = process.argv.slice(2);
const PLENTY = 1e12;
const warn = (message: string): void => {
  process.stderr.write(`${message}\n`);
};
const store = Store.open({
  file: join(workFolder, 'cache.db'),
  name: 'cache',
  synchronous: 'NORMAL',
  migrations: CACHE_MIGRATIONS,
});
const cache = new Cache({
  store,
  folder: join(workFolder, 'cache'),
  clock: new SystemClock((problem) => {
    warn(String(problem));
  }),
  log: { debug: () => undefined, info: () => undefined, warn, error: warn },
  nas: { download: () => Promise.reject(new Error('There is no NAS here.')) },
  files: {
    views: { access: () => Promise.resolve({ kind: 'asleep' }), itemOf: () => null },
    locator: { relist: () => Promise.resolve({ kind: 'unknown' }) },
    refused: () => Promise.resolve(),
    grants: { mayRead: () => true, mayWrite: () => true, clockPutRight: () => undefined },
  },
  tokenRefused: () => undefined,
  diskHealth: STEADY_DISK,
  isClockProved: () => true,
  disk: () => ({ totalBytes: PLENTY, freeBytes: PLENTY }),
  maxBytes: PLENTY,
  minFreeBytes: 0,
  evictionThreshold: 1,
  queuedBytes: () => 0,
  timeZone: 'UTC',
  ...(mode === 'from-disk' ? { memoryBytes: 0 } : {}),
});
await cache.start();
const located = new Map<string, LocatedFile>();
for (const name of readdirSync(files)) located.set(`/${name}`, await admit(name));

async function admit(name: string): Promise<LocatedFile> {
  const path = `bench/${name}`;
  const copy = join(workFolder, `copy-${name}`);
  copyFileSync(join(files, name), copy);
  const version = {
    sizeBytes: statSync(copy).size,
    modifiedAtText: '2026-02-22T14:30:00Z',
    modifiedAtMs: Date.parse('2026-02-22T14:30:00Z'),
    checksum: null,
    etag: null,
  };
  const sha256 = '0'.repeat(64);
  await cache.admit({ path, version, sha256, mimeType: null, ownerId: null, file: copy });
  const user = { id: 1, username: 'bench', role: 'user' } as const;
  const known = { known: 'fresh', listedAtMs: Date.now() } as const;
  return { user, path, name, ownerId: null, mimeType: null, version, ...known };
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const file = located.get(request.url ?? '');
  const found = file === undefined ? null : cache.kept.lookup(file, request);
  if (found === null || found.kind === 'miss') response.writeHead(404).end();
  else await cache.kept.serve(found.ticket, { request, response });
}

const server = createServer((request, response) => {
  answer(request, response).catch((error: unknown) => {
    warn(String(error));
    response.destroy();
  });
});
server.listen(0, '127.0.0.1', () => {
  process.send?.({ port: (server.address() as AddressInfo).port });
});
process.on('disconnect', () => process.exit(0));
