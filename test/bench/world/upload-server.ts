import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Caller } from '../../../nodes/lib/accounts/caller.ts';
import { DataFolder } from '../../../nodes/lib/store/data-folder.ts';
import { SystemClock } from '../../../nodes/lib/time/system-clock.ts';
import { acceptAnswer, HashThread, NodeDisk, Upload } from '../../../nodes/lib/upload/upload.ts';
import { FakePresence, MemoryNas } from '../../lib/upload/memory-nas.ts';

const CALLER: Caller = {
  user: { id: 1, username: 'alice', role: 'user' },
  kind: 'pi',
  nasToken: null,
  scope: 'all',
};

/** The upload module behind a bare server. */
export async function openUploadServer(
  path: string,
): Promise<{ url: string; close: () => Promise<void> }> {
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
    api: new MemoryNas().api(),
    presence: new FakePresence(),
    storageStands: () => Promise.resolve(true),
    credentials: { credentialFor: () => Promise.resolve(null), refused: quiet },
    bornAt: () => null,
    userNamed: () => null,
    listings: { shows: () => ({ kind: 'unknown' }) },
    shownPlaces: {
      treeShown: () => ({ kind: 'unlisted' }),
      placeShown: () => 'unknown',
      uploadShown: () => null,
    },
    mayWrite: () => true,
    evictFor: quiet,
    evictableBytes: () => 0,
    signedInSince: () => [],
    keep: quiet,
    pendingDownloads: () => 0,
    fallback: null,
    touched: quiet,
    changed: () => Promise.resolve(),
    takesChanges: true,
    isClockProved: () => true,
    flushWake: {
      rule: { kind: 'never' },
      wake: { wake: () => ({ kind: 'no_mac' }) },
      sinceGoodbyeMs: () => null,
      isClockTrusted: () => true,
    },
    clock,
    log: { debug: quiet, info: quiet, warn: quiet, error: quiet },
    random: Math.random,
    randomBytes,
    maxFileBytes: 16 * 1024 ** 3,
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
