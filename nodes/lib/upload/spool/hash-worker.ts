import { createHash, type Hash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';
import type { HashOrder, HashReport } from './hashing.ts';

/** Read and hashed at a time. */
const BLOCK_BYTES = 512 * 1024;
/** How often progress is reported. */
const REPORT_BYTES = 4 * 1024 * 1024;

interface Followed {
  readonly id: number;
  readonly descriptor: number;
  readonly hash: Hash;
  doneBytes: number;
  reportedBytes: number;
  untilBytes: number;
  isFinal: boolean;
}

/** Follows files and hashes what they grow by, a block of each in turn. */
class HashWorker {
  readonly #report: (report: HashReport) => void;
  readonly #files = new Map<number, Followed>();
  readonly #block = Buffer.allocUnsafeSlow(BLOCK_BYTES);
  #planned = false;

  constructor(report: (report: HashReport) => void) {
    this.#report = report;
  }

  take(order: HashOrder): void {
    if (order.kind === 'follow') {
      this.#guarded(order.id, () => {
        this.#open(order.id, order.file);
      });
      return;
    }
    const followed = this.#files.get(order.id);
    if (followed === undefined) return;
    if (order.kind === 'drop') {
      this.#close(followed);
      return;
    }
    followed.untilBytes = order.sizeBytes;
    followed.isFinal = order.kind === 'finish';
    this.#plan();
  }

  #open(id: number, file: string): void {
    this.#files.set(id, {
      id,
      descriptor: openSync(file, 'r'),
      hash: createHash('sha256'),
      doneBytes: 0,
      reportedBytes: 0,
      untilBytes: 0,
      isFinal: false,
    });
  }

  #close({ id, descriptor }: Followed): void {
    this.#files.delete(id);
    closeSync(descriptor);
  }

  #plan(): void {
    if (this.#planned) return;
    this.#planned = true;
    setImmediate(() => {
      this.#planned = false;
      for (const followed of [...this.#files.values()]) {
        this.#guarded(followed.id, () => {
          this.#advance(followed);
        });
      }
    });
  }

  #advance(followed: Followed): void {
    const wanted = Math.min(BLOCK_BYTES, followed.untilBytes - followed.doneBytes);
    if (wanted > 0) {
      const read = readSync(followed.descriptor, this.#block, 0, wanted, followed.doneBytes);
      if (read === 0) throw new Error('The file is shorter than it was said to be.');
      followed.hash.update(this.#block.subarray(0, read));
      followed.doneBytes += read;
    }
    const { id, doneBytes } = followed;
    if (doneBytes < followed.untilBytes) this.#plan();
    else if (followed.isFinal) {
      this.#close(followed);
      this.#report({ kind: 'hash', id, sha256: followed.hash.digest('hex') });
      return;
    }
    if (doneBytes - followed.reportedBytes < REPORT_BYTES) return;
    followed.reportedBytes = doneBytes;
    this.#report({ kind: 'progress', id, doneBytes });
  }

  #guarded(id: number, work: () => void): void {
    try {
      work();
    } catch (error) {
      const followed = this.#files.get(id);
      if (followed !== undefined) this.#close(followed);
      this.#report({ kind: 'fault', id, code: codeOf(error) });
    }
  }
}

function codeOf(error: unknown): string | null {
  return error instanceof Error && 'code' in error ? String(error.code) : null;
}

const port = parentPort;
if (port !== null) {
  const worker = new HashWorker((report) => {
    port.postMessage(report);
  });
  port.on('message', (order: HashOrder) => {
    worker.take(order);
  });
}
