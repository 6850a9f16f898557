import { randomBytes } from 'node:crypto';
import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { PROGRAM_ENDING, PROJECT_FOLDER } from '../project-folder.ts';
import type { PiGroup } from './pi-group.ts';
import { ended, pidOf, spawnNode } from './programs.ts';
import type { Target } from './target.ts';
import { until } from '../../fakes/until.ts';

/** As deploy/run.mjs starts it; a test keeps the two equal. */
export const HEAP_FLAGS = ['--max-old-space-size=192', '--max-semi-space-size=4'];
export const HEAP_ENVIRONMENT = { MALLOC_ARENA_MAX: '2' };

export interface BenchNas {
  readonly url: string;
  readonly macAddress: string;
  readonly wakeAddress: string;
}

/**
 * The cache alone in a process of its own. @param mode `from-disk`: also without its memory of
 * small files
 */
export function startCacheServer(
  files: string,
  workFolder: string,
  mode: 'from-memory' | 'from-disk' = 'from-memory',
): Promise<Target> {
  return startServer('cache alone', 'cache-process', [files, workFolder, mode]);
}

/** A bare `node:http` server in a process of its own. */
export function startBareNode(files: string): Promise<Target> {
  return startServer('bare node:http', 'bare-node-process', [files]);
}

async function startServer(name: string, file: string, args: readonly string[]): Promise<Target> {
  const program = join(import.meta.dirname, `${file}${PROGRAM_ENDING}`);
  const child = spawnNode(0, [...HEAP_FLAGS, program, ...args]);
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  child.once('message', (message) => {
    resolve((message as { readonly port: number }).port);
  });
  child.once('exit', () => {
    reject(new Error(`The ${name} ended before it listened.`));
  });
  const port = await promise;
  return {
    name,
    port,
    pids: [pidOf(child)],
    headers: {},
    pathOf: (served) => `/${served}`,
    stop: () => ended(child),
  };
}

/** A whole BaluPi in a process of its own, with a user signed in. */
export class BaluPiProcess implements Target {
  readonly name = 'BaluPi, whole';
  readonly port: number;
  readonly pids: readonly number[];
  headers: Readonly<Record<string, string>> = {};
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, port: number) {
    this.#child = child;
    this.port = port;
    this.pids = [pidOf(child)];
  }

  /**
   * @param workFolder contains its data folder, `data`
   * @param settings in addition to a bench's own
   * @param flows a folder with flows other than the project's
   * @param group limits it to a part of this machine
   */
  static async start(
    nas: BenchNas,
    workFolder: string,
    settings: Readonly<Record<string, string>> = {},
    flows: string | null = null,
    group: Pick<PiGroup, 'spawnNode'> | null = null,
  ): Promise<BaluPiProcess> {
    const program = join(PROJECT_FOLDER, 'dist', 'server.js');
    const own = flows === null ? [] : ['--flows', flows];
    const env = { ...environment(nas, workFolder), ...settings };
    const args = [...HEAP_FLAGS, program, ...own];
    const child = group === null ? spawnNode(0, args, env) : group.spawnNode(args, env);
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    if (child.stdout === null) throw new Error('BaluPi has no output to read.');
    createInterface({ input: child.stdout }).on('line', (line) => {
      const port = /^BaluPi ready on http:\/\/[^ ]+:(\d+)/.exec(line)?.[1];
      if (port !== undefined) resolve(Number(port));
    });
    child.once('exit', () => {
      reject(new Error('BaluPi ended before it was ready.'));
    });
    return new BaluPiProcess(child, await promise);
  }

  /** Waits until the NAS is seen, and signs a user in there. */
  async signIn(username: string, password: string): Promise<void> {
    await until('BaluPi to sign somebody in', async () => {
      const answered = await fetch(`${this.url}/api/auth/login`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ username, password }),
      });
      const { access_token: token } = (await answered.json()) as { access_token?: string };
      if (answered.status !== 200 || token === undefined) return false;
      this.headers = { Authorization: `Bearer ${token}` };
      return true;
    });
  }

  /** Requests JSON as the signed-in user. */
  async ask(path: string): Promise<unknown> {
    const answered = await fetch(`${this.url}${path}`, { headers: this.headers });
    return await answered.json();
  }

  pathOf(name: string): string {
    return `/api/files/download/alice/bench/${name}`;
  }

  stop(): Promise<void> {
    return ended(this.#child);
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }
}

function environment(nas: BenchNas, workFolder: string): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith('BALUPI_'));
  return {
    ...{ ...Object.fromEntries(kept), ...HEAP_ENVIRONMENT },
    BALUPI_HOST: '127.0.0.1',
    BALUPI_PORT: '0',
    BALUPI_DATA_DIR: join(workFolder, 'data'),
    BALUPI_LOG_LEVEL: 'warn',
    BALUPI_SECRET_KEY: randomBytes(32).toString('hex'),
    BALUPI_NAS_URL: nas.url,
    BALUPI_NAS_DIRECT_URL: nas.url,
    BALUPI_NAS_MAC_ADDRESS: nas.macAddress,
    BALUPI_NAS_WAKE_ADDRESS: nas.wakeAddress,
    BALUPI_NAS_PROBE_INTERVAL_SECONDS: '5',
    BALUPI_CACHE_MIN_FREE_GB: '0.1',
    BALUPI_CACHE_MAX_SIZE_GB: '8',
    BALUPI_EDITOR: 'off',
  };
}
