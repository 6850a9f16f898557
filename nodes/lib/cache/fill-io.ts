import { write } from 'node:fs';

/** The next chunk of an answer, its end, or that it was cut short. */
export async function nextOf(chunks: AsyncIterator<Buffer>): Promise<Buffer | 'end' | 'cut'> {
  try {
    const next = await chunks.next();
    return next.done === true ? 'end' : next.value;
  } catch {
    // The NAS cut the stream short. What that means is decided by whoever called.
    return 'cut';
  }
}

/** @returns how many bytes went to the disk, which may be fewer than all */
export function writeSome(fd: number, chunk: Buffer, position: number): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  write(fd, chunk, 0, chunk.length, position, (error, count) => {
    if (error === null) resolve(count);
    else reject(error);
  });
  return promise;
}
