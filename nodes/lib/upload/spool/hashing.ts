import { createHash } from 'node:crypto';
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';

/** The SHA-256 of a file that is still being written, computed by reading it as it grows. */
export interface FollowedHash {
  /** Written, but not hashed yet. */
  readonly behindBytes: number;
  /** Tells that the file now has that many bytes, which may be hashed. */
  extend(sizeBytes: number): void;
  /** Resolves when little is left to hash, or at the end. */
  caughtUp(): Promise<void>;
  /**
   * The hash of the first `sizeBytes` bytes, in hex. Ends the following.
   * @throws what reading the file threw
   */
  finish(sizeBytes: number): Promise<string>;
  /** Stops following where no hash is needed any more. Harmless after the end. */
  drop(): void;
}

/** Hashes off the event loop. */
export interface FileHashing {
  /** @param file exists and only ever grows */
  follow(file: string): FollowedHash;
  /** What is still being hashed fails. */
  stop(): Promise<void>;
}

/** The thread holds one block and a hash per file; V8's own default would let it grow to much more. */
const LIMITS = { maxOldGenerationSizeMb: 24, maxYoungGenerationSizeMb: 2, stackSizeMb: 1 };
/** Below this {@link FollowedHash.caughtUp} resolves. */
const LITTLE_BYTES = 8 * 1024 * 1024;

/** The worker next to this file, compiled or not. */
const PROGRAM = new URL(`./hash-worker${extname(import.meta.url)}`, import.meta.url);

/**
 * Hashes files on a thread of its own, which reads them back from the page cache: only sizes pass
 * between threads. A Pi without SHA instructions makes about 40 MB/s, so that four uploads at once
 * would block the event loop for most of every second. The thread starts with the first file and
 * dies with the process; if it dies earlier, its files fail and the next file starts another.
 */
export class HashThread implements FileHashing {
  readonly #followed = new Map<number, Followed>();
  #worker: Worker | null = null;
  #ids = 0;

  follow(file: string): FollowedHash {
    const id = (this.#ids += 1);
    const worker = (this.#worker ??= this.#begin());
    const tell = (order: HashOrder): void => {
      if (this.#worker === worker) worker.postMessage(order);
    };
    const followed = new Followed(id, tell, () => {
      this.#followed.delete(id);
    });
    this.#followed.set(id, followed);
    tell({ kind: 'follow', id, file });
    return followed;
  }

  async stop(): Promise<void> {
    const worker = this.#worker;
    this.#worker = null;
    this.#failAll(new Error('The hashing was stopped.'));
    await worker?.terminate();
  }

  #begin(): Worker {
    const worker = new Worker(PROGRAM, { resourceLimits: LIMITS, name: 'upload-hashes' });
    // What waits for a hash holds a socket, and that keeps the process alive.
    worker.unref();
    worker.on('message', (report: HashReport) => {
      this.#followed.get(report.id)?.take(report);
    });
    const onEnd = (cause: unknown): void => {
      if (this.#worker !== worker) return;
      this.#worker = null;
      this.#failAll(new Error('The hashing thread ended.', { cause }));
    };
    worker.on('error', onEnd);
    worker.on('exit', onEnd);
    return worker;
  }

  #failAll(error: Error): void {
    for (const followed of [...this.#followed.values()]) followed.fail(error);
  }
}

class Followed implements FollowedHash {
  readonly #id: number;
  readonly #tell: (order: HashOrder) => void;
  readonly #onEnd: () => void;
  readonly #done = Promise.withResolvers<string>();
  #caughtUp: PromiseWithResolvers<void> | null = null;
  #sizeBytes = 0;
  #doneBytes = 0;
  #ended = false;

  constructor(id: number, tell: (order: HashOrder) => void, onEnd: () => void) {
    this.#id = id;
    this.#tell = tell;
    this.#onEnd = onEnd;
    // A fault may come before the hash is requested; then it waits for the request.
    this.#done.promise.catch(() => undefined);
  }

  get behindBytes(): number {
    return this.#ended ? 0 : this.#sizeBytes - this.#doneBytes;
  }

  extend(sizeBytes: number): void {
    if (this.#ended) return;
    this.#sizeBytes = sizeBytes;
    this.#tell({ kind: 'extend', id: this.#id, sizeBytes });
  }

  async caughtUp(): Promise<void> {
    if (this.behindBytes <= LITTLE_BYTES) return;
    this.#caughtUp ??= Promise.withResolvers();
    await this.#caughtUp.promise;
  }

  async finish(sizeBytes: number): Promise<string> {
    if (!this.#ended) this.#tell({ kind: 'finish', id: this.#id, sizeBytes });
    return this.#done.promise;
  }

  drop(): void {
    if (this.#ended) return;
    this.#tell({ kind: 'drop', id: this.#id });
    this.fail(new Error('The hash was given up.'));
  }

  take(report: HashReport): void {
    switch (report.kind) {
      case 'progress':
        this.#doneBytes = report.doneBytes;
        break;
      case 'hash':
        this.#done.resolve(report.sha256);
        this.#end();
        break;
      case 'fault':
        this.fail(faultOf(report.code));
    }
    if (this.behindBytes <= LITTLE_BYTES) this.#wake();
  }

  fail(error: Error): void {
    this.#done.reject(error);
    this.#end();
    this.#wake();
  }

  #end(): void {
    this.#ended = true;
    this.#onEnd();
  }

  #wake(): void {
    this.#caughtUp?.resolve();
    this.#caughtUp = null;
  }
}

/** As the disk itself would have thrown it; an error loses its code on the way between threads. */
function faultOf(code: string | null): Error {
  const error = new Error('A file could not be read back for its hash.');
  return code === null ? error : Object.assign(error, { code, syscall: 'read' });
}

/** What the hashing thread is told. Orders for one file come in the order they are given. */
export type HashOrder =
  | { readonly kind: 'follow'; readonly id: number; readonly file: string }
  | { readonly kind: 'extend' | 'finish'; readonly id: number; readonly sizeBytes: number }
  | { readonly kind: 'drop'; readonly id: number };

/** What the hashing thread tells. `code` is the system's word, null where it was none of its. */
export type HashReport =
  | { readonly kind: 'progress'; readonly id: number; readonly doneBytes: number }
  | { readonly kind: 'hash'; readonly id: number; readonly sha256: string }
  | { readonly kind: 'fault'; readonly id: number; readonly code: string | null };

/**
 * What is hashed on the event loop: below this, handing over costs more than hashing (measured: two
 * messages take as long as 64 KB). A Pi takes 6 ms for it.
 */
const SMALL_BYTES = 256 * 1024;
/** Written and not hashed yet; more might have left the page cache before it is read back. */
const MOST_BEHIND_BYTES = 32 * 1024 * 1024;

/**
 * SHA-256 of a file being written: of a small one as its bytes pass, of a larger one by reading it
 * back off the event loop.
 */
export class ContentHash {
  readonly #hashing: FileHashing;
  readonly #file: string;
  readonly #hash = createHash('sha256');
  #seenBytes = 0;
  #followed: FollowedHash | null = null;

  constructor(hashing: FileHashing, file: string) {
    this.#hashing = hashing;
    this.#file = file;
  }

  /** The next bytes, before they are written. */
  update(bytes: Uint8Array): void {
    this.#seenBytes += bytes.length;
    if (this.#seenBytes <= SMALL_BYTES) this.#hash.update(bytes);
  }

  /** The file holds that many bytes by now. Resolves when more may be written. */
  async written(sizeBytes: number): Promise<void> {
    if (this.#seenBytes <= SMALL_BYTES) return;
    this.#followed ??= this.#hashing.follow(this.#file);
    this.#followed.extend(sizeBytes);
    if (this.#followed.behindBytes > MOST_BEHIND_BYTES) await this.#followed.caughtUp();
  }

  /**
   * Hex.
   * @throws what reading the file back threw
   */
  async digest(): Promise<string> {
    if (this.#followed === null) return this.#hash.digest('hex');
    return this.#followed.finish(this.#seenBytes);
  }

  drop(): void {
    this.#followed?.drop();
  }
}
