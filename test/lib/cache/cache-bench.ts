import {
  request as httpRequest,
  createServer,
  type Server,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Caller } from '../../../nodes/lib/accounts/caller.ts';
import { Cache, type QueuedFile } from '../../../nodes/lib/cache/cache.ts';
import { Files, wireListing } from '../../../nodes/lib/files/files.ts';
import type { Store } from '../../../nodes/lib/store/store.ts';
import { FakeFileNas } from '../../fakes/file-nas.ts';
import { KeptLog } from '../../fakes/kept-log.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { openStore } from '../files/files-bench.ts';
import { STEADY_DISK } from '../../fakes/steady-disk.ts';
import { type Got, readAnswer } from './read-answer.ts';

export type { Got } from './read-answer.ts';

const MB = 1024 * 1024;

/** Files and cache services behind a plain HTTP server, over a fake NAS. */
export class CacheBench {
  readonly folder: string;
  readonly nas = new FakeFileNas();
  readonly clock = new ManualClock();
  readonly log = new KeptLog();
  readonly warnings = this.log.lines;
  readonly refused: string[] = [];
  readonly store: Store;
  readonly alice: Caller;
  readonly bob: Caller;
  readonly admin: Caller;
  awake = true;
  tokenOf = (caller: Caller): Promise<string | null> => Promise.resolve(caller.nasToken);
  maxBytes = 100 * MB;
  minFreeBytes = 0;
  threshold = 1;
  otherBytes = 0;
  diskBytes = 1000 * MB;
  queuedBytes = 0;
  queuedFile: QueuedFile | null = null;
  cache!: Cache;
  files!: Files;
  #server!: Server;

  /** @param folder of an earlier bench, whose process died */
  readonly health = STEADY_DISK;
  constructor(folder = mkdtempSync(join(tmpdir(), 'balupi-cache-'))) {
    this.folder = folder;
    this.store = openStore(join(folder, 'cache.db'));
    this.admin = this.nas.addUser({ id: 1, username: 'admin', role: 'admin' });
    this.alice = this.nas.addUser({ id: 4, username: 'alice', role: 'user' });
    this.bob = this.nas.addUser({ id: 5, username: 'bob', role: 'user' });
  }

  async start(): Promise<void> {
    await this.reopen();
    this.#server = createServer((request, response) => {
      void this.#answer(
        { bob: this.bob, admin: this.admin }[String(request.headers['x-user'])] ?? this.alice,
        request,
        response,
      );
    });
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
  }

  /** New services over the same folder, as after the process died. */
  async reopen(): Promise<void> {
    const common = {
      store: this.store,
      nas: this.nas,
      clock: this.clock,
      tokenRefused: (token: string) => this.refused.push(token),
    };
    const state = () => ({ awake: this.awake });
    this.files = new Files({
      ...common,
      presence: {
        get state() {
          return state() as never;
        },
      },
      trustedNowMs: () => this.clock.nowMs(),
      tokenOf: (caller: Caller) => this.tokenOf(caller),
      holdsCredential: () => false,
      isKept: (path) => this.cache.isKept(path),
      pending: {
        inFolder: () => [],
        folders: () => [],
        find: () => null,
        changes: () => [],
        shown: () => undefined,
      },
    });
    this.cache = new Cache({
      ...common,
      folder: join(this.folder, 'cache'),
      files: this.files,
      log: this.log,
      diskHealth: this.health,
      disk: () => ({ totalBytes: this.diskBytes, freeBytes: this.#freeBytes() }),
      maxBytes: this.maxBytes,
      minFreeBytes: this.minFreeBytes,
      evictionThreshold: this.threshold,
      queuedBytes: () => this.queuedBytes,
      timeZone: 'Europe/Berlin',
      isClockProved: () => true,
    });
    await this.cache.start();
  }

  /** Sends `GET /<path>` and reads what comes, cut or whole. */
  get(path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Got> {
    const { port } = this.#server.address() as AddressInfo;
    return readAnswer(port, { method, path: `/${path}`, headers });
  }

  /** Reads a file and only counts its bytes. */
  count(path: string): Promise<number> {
    const { port } = this.#server.address() as AddressInfo;
    return new Promise((resolve, reject) => {
      const call = httpRequest({ port, path: `/${path}`, agent: false }, (reply) => {
        let count = 0;
        reply.on('data', (chunk: Buffer) => {
          count += chunk.length;
        });
        reply.on('end', () => resolve(count));
        reply.on('error', reject);
      });
      call.on('error', reject);
      call.end();
    });
  }

  /** Begins a download and hands out the call, to be given up on. */
  begin(path: string): Promise<{ readonly abort: () => void }> {
    const { port } = this.#server.address() as AddressInfo;
    return new Promise((resolve) => {
      const call = httpRequest({ port, path: `/${path}`, agent: false }, (reply) => {
        reply.on('error', () => undefined);
        reply.once('data', () => resolve({ abort: () => call.destroy() }));
      });
      call.on('error', () => undefined);
      call.end();
    });
  }

  /** Names of what lies in a part of the cache's folder. */
  onDisk(part: 'fills' | 'blobs'): string[] {
    const folder = join(this.folder, 'cache', part);
    return readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => !entry.isDirectory())
      .map((entry) => join(entry.parentPath, entry.name));
  }

  /** Streams asked of the NAS; one-byte questions about a version are none. */
  downloads(): number {
    return this.nas.calls.filter((call) => /^download (?!.* 0-0$)/.test(call)).length;
  }

  /** Waits for what a real disk and real sockets bring about. */
  async until(isSo: () => boolean): Promise<void> {
    while (!isSo()) await pause(1);
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
    await this.cache.stop();
    this.store.close();
    rmSync(this.folder, { recursive: true });
  }

  async #answerFile(
    caller: Caller,
    request: IncomingMessage,
    response: ServerResponse,
    say: (status: number, body: string) => void,
  ): Promise<void> {
    const located = await this.files.locate(caller, (request.url ?? '').slice(1));
    if (located.kind !== 'located') return say(404, located.kind);
    const found = this.cache.kept.lookup(located.file, request);
    if (found.kind !== 'miss') {
      const served = await this.cache.kept.serve(found.ticket, { request, response });
      if (served.kind === 'answered') {
        if (!this.awake) this.cache.background.counters.spared();
        return;
      }
    }
    if (located.file.known !== 'fresh') return say(503, 'asleep');
    const fetched = await this.cache.fetch(caller, located.file, request, response);
    if (fetched.kind !== 'answered') say(502, fetched.kind);
  }

  async #list(caller: Caller, folder: string): Promise<string> {
    const outcome = await this.files.list(caller, folder);
    if (outcome.kind !== 'listing') return outcome.kind;
    return JSON.stringify(wireListing(outcome.listing, (path) => this.cache.isKept(path)));
  }

  #freeBytes(): number {
    return this.diskBytes - this.otherBytes - this.cache.keptBytes();
  }

  async #answer(caller: Caller, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const say = (status: number, body: string): void => {
      response.writeHead(status, { 'Content-Length': Buffer.byteLength(body) }).end(body);
    };
    try {
      if (request.url === '/queued' && this.queuedFile !== null) {
        const sent = await this.cache.serveQueued(this.queuedFile, request, response);
        return sent.kind === 'gone' ? say(404, 'gone') : undefined;
      }
      const folder = /^\/\?list=(.*)$/.exec(request.url ?? '')?.[1];
      if (folder !== undefined) return say(200, await this.#list(caller, folder));
      await this.#answerFile(caller, request, response, say);
    } catch (error) {
      this.warnings.push(String(error));
      response.destroy();
    }
  }
}

/** Bytes that tell their own place, so that a shifted or mixed answer is seen. */
export function patterned(sizeBytes: number, seed = 1): Buffer {
  const words = new Uint32Array(Math.ceil(sizeBytes / 4));
  for (let at = 0; at + 4 <= sizeBytes; at += 4) words[at / 4] = at * seed;
  return Buffer.from(words.buffer, 0, sizeBytes);
}
