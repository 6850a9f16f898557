import { createHash, randomBytes } from 'node:crypto';
import type { BigIntStats } from 'node:fs';
import { open as openFile, type FileHandle } from 'node:fs/promises';
import type { Access } from './access.ts';
import { readRanges, type ByteRange } from './byte-ranges.ts';
import { contentTypeOf } from './media-types.ts';
import { nameOf } from './metadata-rows.ts';
import { signedIn, type Route } from './router.ts';
import type { Sender } from './sending.ts';
import type { Storage } from './storage.ts';
import { refused, type Answer, type Exchange, type Headers } from './wire.ts';

const READ_BYTES = 64 * 1024;

/** Seconds as Python prints a float: always with a fraction. */
function pythonSeconds(stats: BigIntStats): string {
  const seconds = Number(stats.mtimeNs / 1_000_000_000n);
  const value = seconds + 1e-9 * Number(stats.mtimeNs % 1_000_000_000n);
  return Number.isInteger(value) ? `${String(value)}.0` : String(value);
}

/** md5 of `{mtime}-{size}`, whatever the content (recorded on 1.38). */
export function etagOf(stats: BigIntStats): string {
  const text = `${pythonSeconds(stats)}-${String(stats.size)}`;
  return `"${createHash('md5').update(text).digest('hex')}"`;
}

function disposition(name: string): string {
  const quoted = encodeURIComponent(name).replace(
    /[!'()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return quoted === name
    ? `attachment; filename="${name}"`
    : `attachment; filename*=utf-8''${quoted}`;
}

/** Replaces the second half of what is read with another version's bytes. */
function torn(chunk: Buffer, at: number, sizeBytes: number): Buffer {
  const half = Math.floor(sizeBytes / 2);
  for (let index = Math.max(0, half - at); index < chunk.length; index += 1) {
    chunk[index] = (chunk[index] ?? 0) ^ 0xff;
  }
  return chunk;
}

async function* read(
  file: FileHandle,
  range: ByteRange,
  tear: number | null,
): AsyncGenerator<Uint8Array> {
  let at = range.start;
  while (at < range.end) {
    const buffer = Buffer.allocUnsafe(Math.min(READ_BYTES, range.end - at));
    const { bytesRead } = await file.read(buffer, 0, buffer.length, at);
    if (bytesRead === 0) return;
    const chunk = buffer.subarray(0, bytesRead);
    yield tear === null ? chunk : torn(chunk, at, tear);
    at += bytesRead;
  }
}

interface Download {
  readonly exchange: Exchange;
  readonly file: FileHandle;
  readonly sizeBytes: number;
  readonly headers: Headers & { readonly 'content-type': string };
}

/** `GET /api/files/download/…`: by path alone, with ranges, never a 304. */
export class Downloads {
  readonly #storage: Storage;
  readonly #access: Access;
  readonly #sender: Sender;

  constructor(storage: Storage, access: Access, sender: Sender) {
    this.#storage = storage;
    this.#access = access;
    this.#sender = sender;
  }

  get routes(): readonly Route[] {
    return [
      signedIn('GET /api/files/download/{path:path}', { limit: 'download' }, (exchange, user) => {
        const path = this.#access.jail(exchange.param('path'), user);
        this.#access.ensureCanView(path, user);
        return this.#download(exchange, path);
      }),
    ];
  }

  async #download(exchange: Exchange, path: string): Promise<Answer> {
    const stats = await this.#storage.stat(path);
    if (stats?.isFile() !== true) throw refused(404, 'File not found');
    const file = await openFile(this.#storage.absolute(path), 'r');
    try {
      const name = nameOf(path);
      const headers = {
        'content-type': contentTypeOf(name),
        'accept-ranges': 'bytes',
        'content-disposition': disposition(name),
        'last-modified': new Date(Number(stats.mtimeMs)).toUTCString(),
        etag: etagOf(stats),
      };
      return await this.#send({ exchange, file, sizeBytes: Number(stats.size), headers });
    } finally {
      await file.close();
    }
  }

  async #send(download: Download): Promise<Answer> {
    const { exchange, headers, sizeBytes } = download;
    const ifRange = exchange.header('if-range');
    const current =
      ifRange === undefined || ifRange === headers['etag'] || ifRange === headers['last-modified'];
    const asked = readRanges(current ? exchange.header('range') : undefined, sizeBytes);
    switch (asked.kind) {
      case 'whole':
        return this.#range(download, 200, { start: 0, end: sizeBytes });
      case 'ranges': {
        const [only] = asked.ranges;
        if (asked.ranges.length === 1 && only !== undefined) {
          return this.#range(download, 206, only);
        }
        return this.#several(download, asked.ranges);
      }
      case 'unsatisfiable':
        exchange.limitHeaders = {};
        return text(416, '', { 'content-range': `bytes */${String(sizeBytes)}` });
      case 'malformed':
        exchange.limitHeaders = {};
        return text(400, asked.message);
    }
  }

  async #range(download: Download, status: 200 | 206, range: ByteRange): Promise<Answer> {
    const { exchange, file, headers, sizeBytes } = download;
    const lengths = {
      'content-length': String(range.end - range.start),
      ...(status === 206 ? { 'content-range': contentRange(range, sizeBytes) } : {}),
    };
    const body = read(file, range, exchange.effect.tornRead === true ? sizeBytes : null);
    await this.#sender.stream(exchange, status, { ...headers, ...lengths }, body);
    return { kind: 'sent' };
  }

  async #several(download: Download, ranges: readonly ByteRange[]): Promise<Answer> {
    const { exchange, file, headers, sizeBytes } = download;
    const boundary = randomBytes(13).toString('hex');
    const heads = ranges.map((range) =>
      [
        `--${boundary}`,
        `Content-Type: ${headers['content-type']}`,
        `Content-Range: ${contentRange(range, sizeBytes)}`,
        '',
        '',
      ].join('\r\n'),
    );
    const end = `--${boundary}--`;
    const length = ranges.reduce(
      (sum, range, index) => sum + (heads[index]?.length ?? 0) + range.end - range.start + 2,
      end.length,
    );
    const all = {
      ...headers,
      'content-type': `multipart/byteranges; boundary=${boundary}`,
      'content-length': String(length),
    };
    await this.#sender.stream(exchange, 206, all, parts(file, ranges, heads, end));
    return { kind: 'sent' };
  }
}

async function* parts(
  file: FileHandle,
  ranges: readonly ByteRange[],
  heads: readonly string[],
  end: string,
): AsyncGenerator<Uint8Array> {
  for (const [index, range] of ranges.entries()) {
    yield Buffer.from(heads[index] ?? '');
    yield* read(file, range, null);
    yield Buffer.from('\r\n');
  }
  yield Buffer.from(end);
}

function contentRange(range: ByteRange, sizeBytes: number): string {
  return `bytes ${String(range.start)}-${String(range.end - 1)}/${String(sizeBytes)}`;
}

function text(status: number, body: string, headers: Headers = {}): Answer {
  return { kind: 'text', status, type: 'text/plain; charset=utf-8', body, headers };
}
