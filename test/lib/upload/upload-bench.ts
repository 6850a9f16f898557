import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, request as httpRequest, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Caller } from '../../../nodes/lib/accounts/caller.ts';
import { DataFolder } from '../../../nodes/lib/store/data-folder.ts';
import type { AcceptOutcome } from '../../../nodes/lib/upload/receive/intake.ts';
import { NodeDisk } from '../../../nodes/lib/upload/spool/disk.ts';
import { HashThread } from '../../../nodes/lib/upload/spool/hashing.ts';
import {
  acceptAnswer,
  chunkAnswer,
  type DeliveredFile,
  type ShownEntry,
  Upload,
  type UploadDeps,
} from '../../../nodes/lib/upload/upload.ts';
import { KeptLog } from '../../fakes/kept-log.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { FakePresence, MemoryNas } from './memory-nas.ts';

/** The longest a test waits for real files and sockets; a loaded machine is slow. */
export const PATIENCE_MS = 20_000;
export const ALICE: Caller = caller(1, 'alice');
export const BOB: Caller = caller(2, 'bob');
export const ADMIN: Caller = caller(9, 'root', 'admin');

export function caller(id: number, username: string, role = 'user'): Caller {
  return { user: { id, username, role }, kind: 'pi', nasToken: null, scope: 'all' };
}

export interface Answered {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

/** A part of a multipart body: a file if it has a filename, else a field. */
export interface Part {
  readonly name: string;
  readonly filename?: string;
  readonly content: string | Buffer;
}

export const BOUNDARY = 'xXboundaryXx';

export function multipart(parts: readonly Part[]): Buffer {
  const body: Buffer[] = [];
  for (const { name, filename, content } of parts) {
    const file = filename === undefined ? '' : `; filename="${filename}"`;
    const type = filename === undefined ? '' : 'Content-Type: application/octet-stream\r\n';
    body.push(
      Buffer.from(`--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"${file}\r\n`),
      Buffer.from(`${type}\r\n`),
      Buffer.from(content),
      Buffer.from('\r\n'),
    );
  }
  return Buffer.concat([...body, Buffer.from(`--${BOUNDARY}--\r\n`)]);
}

/** The upload module over a real folder and database, a small NAS and a bare HTTP server. */
export class UploadBench {
  /** Whether time synchronisation and the NAS both confirm the clock. */
  isClockProved = true;
  readonly path = mkdtempSync(join(tmpdir(), 'balupi-upload-'));
  readonly clock = new ManualClock();
  readonly nas = new MemoryNas();
  presence = new FakePresence();
  readonly log = new KeptLog();
  readonly listed = new Map<string, ShownEntry>();
  /** When each user was created, as the NAS says. */
  readonly born = new Map<number, string>();
  /** Users whom the NAS let in within 30 days. */
  readonly signedIn = new Set<number>();
  readonly kept: DeliveredFile[] = [];
  readonly tokens = new Map<number, string>([
    [1, 'token-alice'],
    [2, 'token-bob'],
    [9, 'token-root'],
  ]);
  readonly refusedTokens: string[] = [];
  readonly touched: string[] = [];
  outcomes: AcceptOutcome[] = [];
  who: Caller = ALICE;
  /** Whether a flow delivers when uploads are due. */
  hasFlow = true;
  data: DataFolder;
  upload: Upload;
  parts: UploadDeps;
  #server: Server | null = null;

  constructor(over: Partial<UploadDeps> = {}) {
    this.data = DataFolder.open(this.path);
    this.parts = this.#partsOf(over);
    this.upload = new Upload(this.parts);
  }

  get queueFolder(): string {
    return join(this.path, 'queue');
  }

  onDisk(): string[] {
    return readdirSync(this.queueFolder, { recursive: true })
      .map(String)
      .filter((name) => !/^(incoming|resumable)$|\.intents$|^ends-/.test(name))
      .sort();
  }

  async start(): Promise<void> {
    // The shipped flow schedule-upload does the same.
    this.upload.delivery.onDue(() => {
      if (!this.hasFlow) return;
      this.upload.delivery.flush().catch((error: unknown) => {
        this.log.error(String(error));
      });
    });
    await this.upload.start();
    this.#server = createServer((request, response) => {
      void this.#serve(request).then(({ status, body }) => {
        if (response.destroyed) return;
        response.writeHead(status, { 'Content-Type': 'application/json', Connection: 'close' });
        response.end(JSON.stringify(body));
      });
    });
    await new Promise<void>((resolve) => {
      this.#server?.listen(0, '127.0.0.1', resolve);
    });
  }

  async #serve(request: IncomingMessage): Promise<Answered> {
    const url = new URL(request.url ?? '', 'http://x');
    const path = url.searchParams.get('path');
    try {
      if (url.pathname === '/chunk') return await this.#serveChunk(request, url.searchParams);
      const outcome = await this.upload.accept(this.who, request, { path });
      this.outcomes.push(outcome);
      const given = acceptAnswer(outcome);
      if (given === null) return { status: 0, body: {} };
      return { status: given.statusCode, body: given.payload as Answered['body'] };
    } catch (error) {
      return { status: 500, body: { error: String(error), cause: String((error as Error).cause) } };
    }
  }

  async #serveChunk(request: IncomingMessage, query: URLSearchParams): Promise<Answered> {
    const [id, index] = [query.get('id') ?? '', Number(query.get('index'))];
    const given = chunkAnswer(await this.upload.resumable.chunk(this.who, request, id, index));
    if (given === null) return { status: 0, body: {} };
    return { status: given.statusCode, body: given.payload as Answered['body'] };
  }

  async chunk(id: string, index: number, bytes: Buffer): Promise<Answered> {
    const answered = await fetch(`http://127.0.0.1:${this.port}/chunk?id=${id}&index=${index}`, {
      method: 'POST',
      body: new Uint8Array(bytes),
    });
    return { status: answered.status, body: (await answered.json()) as Answered['body'] };
  }

  get port(): number {
    assert.ok(this.#server, 'This is not started.');
    return (this.#server.address() as AddressInfo).port;
  }

  /** Sends raw bytes as a body. */
  async post(
    body: Buffer,
    headers: Readonly<Record<string, string>> = {},
    path: string | null = null,
  ): Promise<Answered> {
    const query = path === null ? '' : `?path=${encodeURIComponent(path)}`;
    return new Promise((resolve, reject) => {
      const sent = httpRequest(
        {
          port: this.port,
          method: 'POST',
          path: `/upload${query}`,
          headers: {
            'Content-Type': `multipart/form-data; boundary=${BOUNDARY}`,
            ...(headers['Transfer-Encoding'] === undefined
              ? { 'Content-Length': String(body.length) }
              : {}),
            ...headers,
          },
        },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('end', () => {
            const text = Buffer.concat(chunks).toString();
            resolve({
              status: response.statusCode ?? 0,
              body: JSON.parse(text) as Answered['body'],
            });
          });
          response.on('error', reject);
        },
      );
      sent.on('error', reject);
      sent.end(body);
    });
  }

  /** Uploads one file into a folder, or to a full path. */
  async send(
    path: string,
    filename: string,
    content: string | Buffer,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Answered> {
    const body = multipart([
      { name: 'file', filename, content },
      { name: 'path', content: path },
    ]);
    return this.post(body, headers);
  }

  /** Wakes the NAS and delivers the queue, pacing included. */
  async deliver(): Promise<void> {
    this.presence.set(true);
    await this.flushed();
  }

  async flushed(): Promise<void> {
    let done = false;
    const flushing = this.upload.delivery.flush();
    // Handled from the start, so that an early failure is no unhandled rejection.
    void Promise.allSettled([flushing]).then(() => {
      done = true;
    });
    const limitMs = performance.now() + PATIENCE_MS;
    for (let turn = 0; !done && performance.now() < limitMs; turn += 1) {
      await new Promise<void>((resolve) => {
        setImmediate(resolve);
      });
      if (turn % 50 === 49) await this.clock.advance(100);
    }
    await flushing;
  }

  states(who: Caller = ALICE): string[] {
    const listed = this.upload.view.list(who, null);
    if (listed.kind !== 'uploads') throw new Error('no list');
    return listed.uploads.map(({ state }) => state).reverse();
  }

  /**
   * Discards the process and starts another over the same folder.
   * @param meanwhile changes the folder while no process has it open
   * @param onOpened called when its databases are open again, before the queue starts
   */
  async restart(
    over: Partial<UploadDeps> = {},
    meanwhile: (bench: UploadBench) => void = () => undefined,
    onOpened: () => void = () => undefined,
  ): Promise<void> {
    await this.closeServer();
    this.data.close();
    meanwhile(this);
    this.presence = new FakePresence();
    this.data = DataFolder.open(this.path);
    onOpened();
    this.parts = this.#partsOf(over);
    this.upload = new Upload(this.parts);
    await this.start();
  }

  async closeServer(): Promise<void> {
    this.#server?.closeAllConnections();
    await new Promise<void>((resolve) => {
      if (this.#server === null) resolve();
      else
        this.#server.close(() => {
          resolve();
        });
    });
  }

  /** For a process that is dead already: there is nothing to wait for. */
  async discard(): Promise<void> {
    await this.closeServer();
    this.data.close();
    rmSync(this.path, { recursive: true, force: true });
  }

  async close(): Promise<void> {
    await this.upload.stop();
    await this.closeServer();
    this.data.close();
    rmSync(this.path, { recursive: true, force: true });
  }

  #partsOf(over: Partial<UploadDeps>): UploadDeps {
    return {
      store: this.data.queue,
      folder: this.queueFolder,
      disk: new NodeDisk(),
      hashing: new HashThread(),
      nas: this.nas.client(),
      api: this.nas.api(),
      presence: this.presence,
      storageStands: () => Promise.resolve(true),
      credentials: {
        credentialFor: async (userId) => Promise.resolve(this.tokens.get(userId) ?? null),
        refused: (userId, token) => {
          this.refusedTokens.push(token);
          if (this.tokens.get(userId) === token) this.tokens.delete(userId);
        },
      },
      bornAt: (userId) => this.born.get(userId) ?? null,
      userNamed: (name) =>
        [ALICE, BOB, ADMIN].find(({ user }) => user.username === name)?.user ?? null,
      listings: { shows: (userId, path) => this.listed.get(`${userId} ${path}`) ?? UNKNOWN },
      shownPlaces: {
        treeShown: () => ({ kind: 'unlisted' }),
        placeShown: () => 'unknown',
        uploadShown: () => null,
      },
      mayWrite: (who, path) => {
        const first = path.split('/')[0];
        return who.user.role === 'admin' || first === 'Shared' || first === who.user.username;
      },
      evictFor: () => undefined,
      evictableBytes: () => 0,
      signedInSince: () => [...this.signedIn],
      keep: (delivered) => {
        this.kept.push(delivered);
      },
      pendingDownloads: () => 0,
      fallback: null,
      touched: (_userId, places) => {
        this.touched.push(...places.map(({ path }) => path));
      },
      changed: () => Promise.resolve(),
      takesChanges: true,
      flushWake: {
        rule: { kind: 'never' },
        wake: { wake: () => ({ kind: 'no_mac' }) },
        sinceGoodbyeMs: () => null,
        isClockTrusted: () => true,
      },
      clock: this.clock,
      isClockProved: () => this.isClockProved,
      log: this.log,
      random: () => 0.5,
      randomBytes: (size) => randomBytes(size),
      maxFileBytes: 10_000_000,
      minFreeBytes: 0,
      timezone: 'Europe/Berlin',
      ...over,
    };
  }
}

const UNKNOWN: ShownEntry = { kind: 'unknown' };
