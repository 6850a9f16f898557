import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SystemClock } from '../../../nodes/lib/time/system-clock.ts';
import { PRACTICE_USERS } from '../../practice/nas/options.ts';
import { PracticeNas } from '../../practice/nas/practice-nas.ts';

export const KB = 1024;
export const MB = 1024 * 1024;

const CHUNK_BYTES = 1024 * 1024;

/** Bytes that differ from chunk to chunk. */
export function* chunks(sizeBytes: number): Generator<Buffer> {
  for (let at = 0; at < sizeBytes; at += CHUNK_BYTES) {
    yield Buffer.alloc(Math.min(CHUNK_BYTES, sizeBytes - at), 1 + ((at / CHUNK_BYTES) % 251));
  }
}

/** A practice NAS, and folders for what is compared with it; all of it is removed at the end. */
export class BenchWorld {
  readonly folder = mkdtempSync(join(tmpdir(), 'balupi-bench-'));
  readonly nas: PracticeNas;
  /** Files that every measured server serves. */
  readonly files = join(this.folder, 'files');

  constructor() {
    const storageFolder = join(this.folder, 'nas');
    mkdirSync(storageFolder);
    mkdirSync(this.files);
    const clock = new SystemClock((problem) => {
      console.error(problem);
    });
    this.nas = new PracticeNas({ clock, storageFolder });
  }

  async start(): Promise<void> {
    await this.nas.start();
    await this.nas.putFolder('alice/bench', 'alice');
  }

  /** Puts a file into alice's folder on the NAS, and into `files`. */
  async put(name: string, sizeBytes: number): Promise<void> {
    await this.nas.putFile(`alice/bench/${name}`, asyncChunks(sizeBytes), 'alice');
    copyFileSync(join(this.folder, 'nas', 'alice', 'bench', name), join(this.files, name));
  }

  /** A fresh folder for one server. */
  workFolder(name: string): string {
    const folder = join(this.folder, name);
    mkdirSync(folder);
    return folder;
  }

  async stop(): Promise<void> {
    await this.nas.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** The same, as the NAS takes it. */
// eslint-disable-next-line @typescript-eslint/require-await
export async function* asyncChunks(sizeBytes: number): AsyncGenerator<Buffer> {
  yield* chunks(sizeBytes);
}

export function passwordOf(username: string): string {
  return PRACTICE_USERS.find((user) => user.username === username)?.password ?? '';
}
