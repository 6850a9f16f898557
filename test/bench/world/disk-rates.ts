import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Taken } from './upload-load.ts';

const MB = 1024 * 1024;

/** The disk's own rate, with nothing in between: 1 MB writes and one fsync. */
export function rawWrite(folder: string, bytes: number): Taken {
  const block = randomBytes(MB);
  const before = process.cpuUsage();
  const began = performance.now();
  const file = join(folder, 'raw');
  const handle = openSync(file, 'w');
  for (let left = bytes; left > 0; left -= block.length) {
    writeSync(handle, block, 0, Math.min(left, block.length));
  }
  fsyncSync(handle);
  closeSync(handle);
  const wallS = (performance.now() - began) / 1_000;
  const used = process.cpuUsage(before);
  rmSync(file);
  return { count: 1, wallS, cpuS: (used.user + used.system) / 1e6 };
}

/** How many small appends a second the disk makes durable. */
export function fsyncsPerSecond(folder: string): number {
  const handle = openSync(join(folder, 'fsync'), 'w');
  const block = randomBytes(4096);
  const began = performance.now();
  let count = 0;
  for (; performance.now() - began < 1_500; count += 1) {
    writeSync(handle, block);
    fsyncSync(handle);
  }
  const perSecond = count / ((performance.now() - began) / 1_000);
  closeSync(handle);
  return perSecond;
}
