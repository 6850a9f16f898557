import { request as httpRequest } from 'node:http';

/** The course of one download. */
export interface Arrived {
  readonly statusCode: number;
  /** From the request to the body's first byte, ms. */
  readonly firstByteMs: number;
  readonly totalMs: number;
  readonly bytes: number;
}

export interface Asked {
  readonly port: number;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Downloads once on a connection of its own, and only counts. */
export function download({ port, path, headers }: Asked): Promise<Arrived> {
  const beganMs = performance.now();
  const { promise, resolve, reject } = Promise.withResolvers<Arrived>();
  const call = httpRequest({ host: '127.0.0.1', port, path, headers, agent: false }, (reply) => {
    let [bytes, firstByteMs] = [0, NaN];
    reply.on('data', (chunk: Buffer) => {
      if (bytes === 0) firstByteMs = performance.now() - beganMs;
      bytes += chunk.length;
    });
    reply.on('end', () => {
      const totalMs = performance.now() - beganMs;
      resolve({ statusCode: reply.statusCode ?? 0, firstByteMs, totalMs, bytes });
    });
    reply.on('error', reject);
  });
  call.on('error', reject);
  call.end();
  return promise;
}
