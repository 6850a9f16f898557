import { chmodSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { errorKind, type Log } from '../../nodes/lib/log/log.ts';
import { CannotBackUp } from './archive.ts';
import type { Backup, BackupScope } from './backup.ts';

const FILE = 'control.sock';
/** Longest silence in either direction; checking a database of years takes minutes. */
const IDLE_MS = 600_000;
const LONGEST_REQUEST_BYTES = 64;
/** First line of an answer, ahead of the bytes. */
export const ANSWERS = {
  ok: 'ok',
  busy: 'A backup is being made already.',
  strange: 'strange',
} as const;
/** The requests, and the scope of each. */
export const REQUESTS = {
  'backup whole': 'whole',
  'backup own': 'own',
  'backup open': 'open',
} as const satisfies Readonly<Record<string, BackupScope>>;

export type BackupRequest = keyof typeof REQUESTS;

export function controlSocketIn(dataFolder: string): string {
  return join(dataFolder, FILE);
}

export interface Deps {
  readonly backup: Backup;
  readonly log: Log;
  readonly dataFolder: string;
}

/**
 * Serves `balupi backup`, as only the running process may read the databases. A Unix socket in the data
 * folder: no page or other machine can reach it, and the kernel admits only the service's user and
 * root. Nothing can be changed through it. It accepts one exact line, which shuts out HTTP clients,
 * such as a flow's node that was tricked into connecting.
 */
export class ControlSocket {
  readonly #deps: Deps;
  readonly #file: string;
  readonly #sockets = new Set<Socket>();
  readonly #running = new Set<Promise<void>>();
  #server: Server | null = null;
  #isBusy = false;

  constructor(deps: Deps) {
    this.#deps = deps;
    this.#file = controlSocketIn(deps.dataFolder);
  }

  /** If it fails BaluPi runs on: only backups cannot be made then. */
  async start(): Promise<void> {
    const { log, backup } = this.#deps;
    await backup.clear();
    // A stale one: we hold the data folder's lock.
    rmSync(this.#file, { force: true });
    const server = createServer((socket) => {
      this.#take(socket);
    });
    const { promise, resolve: listening, reject } = Promise.withResolvers<undefined>();
    server.once('error', reject);
    server.listen(this.#file, () => {
      listening(undefined);
    });
    try {
      await promise;
      chmodSync(this.#file, 0o600);
      this.#server = server;
    } catch (error) {
      log.warn(`No backup can be made in this run: its socket did not open (${errorKind(error)}).`);
    }
  }

  async stop(): Promise<void> {
    this.#server?.close();
    this.#server = null;
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all(this.#running);
  }

  #take(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    socket.setTimeout(IDLE_MS, () => socket.destroy());
    // The client is gone; a running backup ends by its own write error.
    socket.on('error', () => socket.destroy());
    let asked = '';
    const read = (chunk: Buffer): void => {
      asked += chunk.toString('latin1');
      if (!asked.includes('\n') && asked.length < LONGEST_REQUEST_BYTES) return;
      socket.off('data', read);
      const done = this.#answer(socket, asked);
      this.#running.add(done);
      void done.finally(() => this.#running.delete(done));
    };
    socket.on('data', read);
  }

  async #answer(socket: Socket, asked: string): Promise<void> {
    const { backup, log } = this.#deps;
    const request = asked.replace(/\n$/, '');
    if (!isRequest(request)) {
      log.warn('The control socket was asked something that it does not know.');
      socket.destroy();
      return;
    }
    if (this.#isBusy) {
      socket.end(`${ANSWERS.busy}\n`);
      return;
    }
    this.#isBusy = true;
    try {
      await pipeline(Readable.from(withAnswer(backup.stream(REQUESTS[request]))), socket);
      log.info('A backup was made.');
    } catch (error) {
      const reason = error instanceof CannotBackUp ? error.message : errorKind(error);
      log.error(`A backup was not made: ${reason}`);
      socket.destroy();
    } finally {
      this.#isBusy = false;
    }
  }
}

async function* withAnswer(bytes: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  yield Buffer.from(`${ANSWERS.ok}\n`);
  yield* bytes;
}

function isRequest(text: string): text is BackupRequest {
  return Object.hasOwn(REQUESTS, text);
}
