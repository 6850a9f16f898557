import { request as httpRequest } from 'node:http';
import type { LoadJob, LoadResult } from './load-job.ts';
import { ReadConnection } from './read-connection.ts';

type ReadJob = Extract<LoadJob, { kind: 'read' }>;
type UploadJob = Extract<LoadJob, { kind: 'upload' }>;

const BOUNDARY = 'balupi-bench';
const CHUNK_BYTES = 256 * 1024;

function read(job: ReadJob): Promise<LoadResult> {
  const { promise, resolve } = Promise.withResolvers<LoadResult>();
  const beganMs = performance.now();
  const most = job.mostAnswers ?? Infinity;
  let [answers, bytes] = [0, 0];
  let isOver = false;
  const connections: ReadConnection[] = [];
  const end = (fault: string | null): void => {
    if (isOver) return;
    isOver = true;
    clearTimeout(timer);
    const seconds = (performance.now() - beganMs) / 1000;
    for (const connection of connections) connection.end();
    resolve({ answers, bytes, seconds, fault });
  };
  const timer = setTimeout(() => {
    end(null);
  }, job.durationMs);
  const events = {
    bytes: (count: number) => {
      bytes += count;
    },
    answered: () => {
      answers += 1;
      if (answers >= most) end(null);
      return !isOver;
    },
    fault: end,
  };
  for (let index = 0; index < job.connections; index += 1) {
    connections.push(new ReadConnection(job.port, job.path, job.headers, events));
  }
  return promise;
}

/** Sends a body whose bytes identify their position, in chunks, with back-pressure. */
function upload(job: UploadJob): Promise<LoadResult> {
  const { promise, resolve, reject } = Promise.withResolvers<LoadResult>();
  const beganMs = performance.now();
  const head =
    `--${BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="${job.filename}"\r\n` +
    'Content-Type: application/octet-stream\r\n\r\n';
  const tail = `\r\n--${BOUNDARY}--\r\n`;
  const request = httpRequest(
    {
      port: job.port,
      host: '127.0.0.1',
      path: job.path,
      method: 'POST',
      agent: false,
      headers: {
        ...job.headers,
        'Content-Type': `multipart/form-data; boundary=${BOUNDARY}`,
        'Content-Length': head.length + job.sizeBytes + tail.length,
      },
    },
    (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text;
      });
      response.on('end', () => {
        const isGood = response.statusCode === 200;
        resolve({
          answers: isGood ? 1 : 0,
          bytes: job.sizeBytes,
          seconds: (performance.now() - beganMs) / 1000,
          fault: isGood ? null : `an upload was answered ${response.statusCode}: ${body}`,
          body,
        });
      });
    },
  );
  request.on('error', reject);
  request.write(head);
  let sent = 0;
  const pump = (): void => {
    while (sent < job.sizeBytes) {
      // A fresh buffer each time, as one still being written must not change.
      const chunk = Buffer.alloc(Math.min(CHUNK_BYTES, job.sizeBytes - sent), sent % 251);
      sent += chunk.length;
      if (!request.write(chunk)) {
        request.once('drain', pump);
        return;
      }
    }
    request.end(tail);
  };
  pump();
  return promise;
}

process.on('message', (job: LoadJob) => {
  const working = job.kind === 'read' ? read(job) : upload(job);
  working.then(
    (result) => process.send?.(result),
    (error: unknown) => {
      const fault = String(error);
      process.send?.({ answers: 0, bytes: 0, seconds: 0, fault } satisfies LoadResult);
    },
  );
});
process.on('disconnect', () => process.exit(0));
