import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';

const SERVER = resolve('dist', 'server.js');
/** As `deploy/run.mjs` starts it; without them V8 grows because it may. */
const SMALL_HEAP = ['--max-old-space-size=192', '--max-semi-space-size=4'];

export interface PiProcessOptions {
  readonly environment: Readonly<Record<string, string>>;
  readonly flowsFolder: string;
  /** Modules loaded before BaluPi, which may change what its system calls do. */
  readonly preload?: readonly string[];
  /** More of what Node is started with. */
  readonly nodeArgs?: readonly string[];
}

/** BaluPi as `npm start` runs it, in a process of its own: Node-RED is one per process. */
export class PiProcess {
  readonly #process: ChildProcess;
  #output = '';

  constructor({ environment, flowsFolder, preload = [], nodeArgs = [] }: PiProcessOptions) {
    const before = preload.flatMap((module) => ['--import', module]);
    const program = [SERVER, '--no-env-file', '--flows', flowsFolder];
    this.#process = spawn(process.execPath, [...SMALL_HEAP, ...nodeArgs, ...before, ...program], {
      env: { ...householdless(), ...environment },
      stdio: preload.length === 0 ? 'pipe' : ['pipe', 'pipe', 'pipe', 'ipc'],
    });
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      stream?.on('data', (chunk: Buffer) => (this.#output += chunk.toString()));
    }
    this.#endWithParent();
  }

  get output(): string {
    return this.#output;
  }

  /** Empty until it is ready. */
  get url(): string {
    return /^BaluPi ready on (\S+)/m.exec(this.#output)?.[1] ?? '';
  }

  get port(): number {
    return Number(new URL(this.url).port);
  }

  get editorUrl(): string {
    return / editor (\S+)/.exec(this.#output)?.[1] ?? '';
  }

  get isRunning(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }

  get residentBytes(): number {
    const status = readFileSync(`/proc/${String(this.#process.pid)}/status`, 'utf8');
    return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1_024;
  }

  get openFiles(): number {
    return readdirSync(`/proc/${String(this.#process.pid)}/fd`).length;
  }

  /** Waits for the ready line. @throws Error with what it printed when it ended before */
  async ready(): Promise<void> {
    if (this.url !== '') return;
    const { promise, resolve: found, reject } = Promise.withResolvers<undefined>();
    this.#process.stdout?.on('data', () => {
      if (this.url !== '') found(undefined);
    });
    this.#process.once('close', () => {
      reject(new Error(`BaluPi ended before it was ready:\n${this.#output}`));
    });
    await promise;
  }

  /** A message to a module that was loaded before BaluPi, and the next one it sends back. */
  async tell(message: object): Promise<unknown> {
    const { promise, resolve: answered, reject } = Promise.withResolvers<unknown>();
    const ended = () => {
      reject(new Error('BaluPi ended while it was told something.'));
    };
    this.#process.once('message', answered);
    this.#process.once('close', ended);
    this.#process.send(message);
    try {
      return await promise;
    } finally {
      this.#process.off('close', ended);
    }
  }

  /** Closes what it writes to, as a terminal does that goes away, or a journal. */
  readNoMore(): void {
    this.#process.stdout?.destroy();
    this.#process.stderr?.destroy();
  }

  signal(name: NodeJS.Signals): void {
    this.#process.kill(name);
  }

  /** @returns the exit code, once it ended; null when a signal ended it */
  async exit(): Promise<number | null> {
    if (!this.isRunning) return this.#process.exitCode;
    const { promise, resolve: ended } = Promise.withResolvers<number | null>();
    this.#process.once('close', ended);
    return await promise;
  }

  /** It never outlives who started it, however that ended. */
  #endWithParent(): void {
    const end = (): void => {
      this.#process.kill('SIGKILL');
    };
    process.once('exit', end);
    this.#process.once('close', () => process.off('exit', end));
  }

  /** Ends it as a person would, and waits. */
  async stop(): Promise<void> {
    if (this.isRunning) {
      this.#process.kill('SIGTERM');
      await this.exit();
    }
  }
}

/** Nothing of the household this runs in. */
function householdless(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith('BALUPI_'));
  return Object.fromEntries(kept);
}
