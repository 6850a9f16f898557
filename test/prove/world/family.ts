import { Agent, request } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { setTimeout as pause } from 'node:timers/promises';

const ASK_EVERY_MS = 10;
const PATIENCE_MS = 10_000;
const MOST_P95_MS = 1_000;
const LEAST_SHARE = 0.99;

/** What they request in turn. */
interface FamilyRequest {
  readonly path: string;
  readonly body?: object;
}

interface Deps {
  readonly port: number;
  readonly address: string;
  readonly token: string;
  readonly requests: readonly FamilyRequest[];
}

/** How a family was served. */
export class Served {
  readonly #tookMs: readonly number[];
  readonly #failed: readonly string[];

  constructor(tookMs: readonly number[], failed: readonly string[]) {
    this.#tookMs = tookMs;
    this.#failed = failed;
  }

  /** All of them as one. */
  static together(all: readonly Served[]): Served {
    return new Served(
      all.flatMap((served) => served.#tookMs),
      all.flatMap((served) => served.#failed),
    );
  }

  get asked(): number {
    return this.#tookMs.length;
  }

  get failed(): number {
    return this.#failed.length;
  }

  get p95Ms(): number {
    const sorted = this.#tookMs.toSorted((a, b) => a - b);
    return Math.round(sorted[Math.floor(sorted.length * 0.95)] ?? Infinity);
  }

  /** Unmet expectations. */
  get failures(): string[] {
    const { asked, failed, p95Ms } = this;
    const failures: string[] = [];
    if (p95Ms >= MOST_P95_MS) failures.push(`the family waited ${String(p95Ms)} ms (p95)`);
    if (failed > asked * (1 - LEAST_SHARE)) {
      const told = [...new Set(this.#failed)].slice(0, 3).join('; ');
      failures.push(
        `${String(failed)} of ${String(asked)} of the family's requests failed: ${told}`,
      );
    }
    return failures;
  }
}

/** Users at another address meanwhile, half of them over kept connections. */
export class Family {
  readonly #deps: Deps;
  readonly #agent = new Agent({ keepAlive: true });
  readonly #stop = new AbortController();
  readonly #tookMs: number[] = [];
  readonly #failures: string[] = [];
  #running: Promise<void> = Promise.resolve();

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  start(): void {
    this.#running = this.#run();
  }

  /** @returns how they were served */
  async stop(): Promise<Served> {
    this.#stop.abort();
    await this.#running;
    this.#agent.destroy();
    return new Served(this.#tookMs, this.#failures);
  }

  async #run(): Promise<void> {
    const { requests } = this.#deps;
    for (let count = 0; !this.#stop.signal.aborted; count += 1) {
      const wanted = requests[count % requests.length];
      if (wanted === undefined) return;
      const startedMs = performance.now();
      try {
        // Odd request lists and even turns: each is requested both ways.
        const status = await this.#ask(wanted, count % 2 === 0);
        if (status !== 200) this.#failures.push(`${wanted.path} answered ${String(status)}`);
      } catch (error) {
        this.#failures.push(`${wanted.path}: ${(error as Error).message}`);
      }
      this.#tookMs.push(performance.now() - startedMs);
      await pause(ASK_EVERY_MS);
    }
  }

  async #ask({ path, body }: FamilyRequest, isKept: boolean): Promise<number> {
    const { port, address, token } = this.#deps;
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const asked = request({
      ...{ host: '127.0.0.1', port, path, localAddress: address },
      method: body === undefined ? 'GET' : 'POST',
      agent: isKept ? this.#agent : false,
      signal: AbortSignal.timeout(PATIENCE_MS),
      headers: {
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
        Authorization: `Bearer ${token}`,
      },
    });
    asked.once('response', (answered) => {
      buffer(answered).then(() => {
        resolve(answered.statusCode ?? 0);
      }, reject);
    });
    asked.once('error', reject);
    asked.end(body === undefined ? undefined : JSON.stringify(body));
    return await promise;
  }
}
