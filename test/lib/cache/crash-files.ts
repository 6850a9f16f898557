import type { FakeFileNas } from '../../fakes/file-nas.ts';
import { patterned } from './cache-bench.ts';

const MB = 1024 * 1024;

export const FILES: readonly { readonly path: string; readonly bytes: Buffer }[] = [
  { path: 'alice/a.jpg', bytes: patterned(40_000, 3) },
  { path: 'alice/b.jpg', bytes: patterned(3 * MB, 5) },
  { path: 'alice/c.mov', bytes: patterned(20 * MB, 7) },
  { path: 'alice/d.mp4', bytes: patterned(70 * MB + 77, 9) },
];

/** The NAS's files, the same before and after the crash. */
export function putAll(nas: FakeFileNas): void {
  for (const { path, bytes } of FILES) nas.put(path, bytes);
}
