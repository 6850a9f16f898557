import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';

export interface MultipartFile {
  /** Field `path` of the NAS: a folder, or the full path of the file. */
  readonly path: string;
  readonly filename: string;
  readonly body: Readable;
  readonly sizeBytes: number;
}

export interface MultipartBody {
  readonly contentType: string;
  readonly stream: Readable;
  readonly sizeBytes: number;
}

/** One file and its path as a multipart body of known length (RFC 7578), streamed. */
export function multipartBody(file: MultipartFile): MultipartBody {
  const boundary = `balupi-${randomBytes(18).toString('hex')}`;
  const head = Buffer.from(
    `--${boundary}\r\nContent-Disposition: form-data; name="path"\r\n\r\n${file.path}\r\n` +
      `--${boundary}\r\nContent-Disposition: form-data; name="file"; ` +
      `filename="${escaped(file.filename)}"\r\nContent-Type: application/octet-stream\r\n\r\n`,
  );
  const tail = Buffer.from(`\r\n--${boundary}--\r\n`);
  return {
    contentType: `multipart/form-data; boundary=${boundary}`,
    stream: Readable.from(pieces(head, file.body, tail), { objectMode: false }),
    sizeBytes: head.length + file.sizeBytes + tail.length,
  };
}

async function* pieces(head: Buffer, body: Readable, tail: Buffer): AsyncGenerator<Buffer> {
  yield head;
  for await (const piece of body as AsyncIterable<Buffer>) yield piece;
  yield tail;
}

/** As browsers write it (WHATWG, multipart/form-data encoding). */
function escaped(name: string): string {
  return name.replaceAll('"', '%22').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
}
