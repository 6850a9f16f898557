import type { SpoolHandle } from '../../../nodes/lib/upload/spool/disk.ts';
import { NodeDisk, type UploadDeps } from '../../../nodes/lib/upload/upload.ts';
import type { UploadBench } from '../../lib/upload/upload-bench.ts';

type Method = (...given: unknown[]) => unknown;

/**
 * A process that can be killed at any call of its disk or its NAS: from then on none of its calls
 * takes effect or returns. Calls under way have happened, as far as they had begun.
 */
export class MortalProcess {
  #isDead = false;
  #inFlight = 0;
  #callsLeft = Infinity;
  readonly #open = new Set<{ close(): Promise<void> }>();
  readonly #died = Promise.withResolvers<'died'>();

  /** Dies at that call, counted from now. */
  dieIn(calls: number): void {
    this.#callsLeft = calls;
  }

  kill(): void {
    this.#isDead = true;
    this.#died.resolve('died');
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  /** The result of some work, or that the process died during it. */
  async outlives<T>(work: Promise<T>): Promise<T | 'died'> {
    work.catch(() => undefined);
    return await Promise.race([work, this.#died.promise]);
  }

  /** Waits until nothing it started is under way. */
  async buried(): Promise<void> {
    this.kill();
    do {
      await new Promise((resolve) => setImmediate(resolve));
    } while (this.#inFlight > 0);
    // As the system does with a dead process's descriptors.
    for (const handle of this.#open) await handle.close().catch(() => undefined);
    this.#open.clear();
  }

  /** Its calls to the outside. */
  partsOf(bench: UploadBench): Partial<UploadDeps> {
    return {
      nas: this.#gated(bench.nas.client()),
      api: this.#gated(bench.nas.api()),
      disk: this.#gated(new NodeDisk()),
    };
  }

  #gated<T extends object>(target: T): T {
    return new Proxy(target, {
      get: (of, key) => {
        const value: unknown = Reflect.get(of, key);
        if (typeof value !== 'function') return value;
        return (...given: unknown[]) => this.#call(String(key), value.bind(of) as Method, given);
      },
    });
  }

  #call(name: string, method: Method, given: unknown[]): unknown {
    if (name === 'isWell') return method(...given);
    this.#callsLeft -= 1;
    if (this.#callsLeft < 0) this.kill();
    if (this.#isDead) return name === 'names' ? never() : new Promise(() => undefined);
    const result = method(...given);
    if (!(result instanceof Promise)) return isObject(result) ? this.#part(result) : result;
    this.#inFlight += 1;
    return new Promise((resolve, reject) => {
      result.then(
        (value: unknown) => {
          this.#inFlight -= 1;
          const given = isObject(value) ? this.#part(value) : value;
          if (!this.#isDead) resolve(given);
        },
        (error: Error) => {
          this.#inFlight -= 1;
          if (!this.#isDead) reject(error);
        },
      );
    });
  }

  /** A file handle or a channel is a way to the outside too; streams and answers are not. */
  #part(value: object): object {
    if ('writev' in value) this.#open.add(value as SpoolHandle);
    return 'writev' in value || 'complete' in value ? this.#gated(value) : value;
  }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

async function* never(): AsyncGenerator<string> {
  await new Promise(() => undefined);
  yield '';
}
