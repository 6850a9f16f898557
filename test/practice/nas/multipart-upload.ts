import { createHash, randomUUID } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { Transform, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import busboy from 'busboy';
import type { Clock } from '../../../nodes/lib/time/clock.ts';
import { isShared, type Access } from './access.ts';
import { nameOf, parentOf, type MetadataRows } from './metadata-rows.ts';
import { signedIn, type Route } from './router.ts';
import { pace } from './sending.ts';
import type { Space } from './space.ts';
import { normal, type Storage } from './storage.ts';
import type { NasUser } from './users.ts';
import { json, refused, type Answer, type Exchange } from './wire.ts';

const COPY_BYTES = 64 * 1024;

interface Part {
  readonly field: string;
  readonly filename: string;
  readonly spoolPath: string;
  readonly hash: ReturnType<typeof createHash>;
  sizeBytes: number;
  /** Resolves once what came of the part is on disk. */
  spooled: Promise<void>;
}

interface Form {
  readonly parts: Part[];
  path: string;
  /** False if the client went away. */
  complete: boolean;
}

/** `POST /api/files/upload`: overwrites in place, without a temporary file (docs/NAS.md). */
export class MultipartUploads {
  readonly #storage: Storage;
  readonly #rows: MetadataRows;
  readonly #access: Access;
  readonly #space: Space;
  readonly #clock: Clock;

  constructor(storage: Storage, rows: MetadataRows, access: Access, space: Space, clock: Clock) {
    this.#storage = storage;
    this.#rows = rows;
    this.#access = access;
    this.#space = space;
    this.#clock = clock;
  }

  get routes(): readonly Route[] {
    return [
      signedIn('POST /api/files/upload', { limit: 'upload' }, (exchange, user) =>
        this.#upload(exchange, user),
      ),
    ];
  }

  async #upload(exchange: Exchange, user: NasUser): Promise<Answer> {
    const form = await this.#receive(exchange);
    try {
      return await this.#store(exchange, user, form);
    } finally {
      await Promise.all(form.parts.map((part) => rm(part.spoolPath, { force: true })));
    }
  }

  async #receive(exchange: Exchange): Promise<Form> {
    const form: Form = { parts: [], path: '', complete: true };
    const type = exchange.header('content-type') ?? '';
    const body = exchange.body();
    if (!/^(multipart\/form-data|application\/x-www-form-urlencoded)\b/i.test(type)) {
      body.resume();
      return form;
    }
    if (/^multipart/i.test(type) && !/boundary=/i.test(type)) {
      body.resume();
      throw refused(400, 'Missing boundary in multipart.');
    }
    const parser = busboy({
      headers: { 'content-type': type },
      defParamCharset: 'utf8',
      preservePath: true,
    });
    parser.on('field', (name, value) => {
      if (name === 'path') form.path = value;
    });
    parser.on('file', (field, stream, info) => {
      form.parts.push(this.#spool(field, String(info.filename), stream));
    });
    form.complete = await arrived(body, parser);
    await Promise.all(form.parts.map((part) => part.spooled));
    return form;
  }

  #spool(field: string, filename: string, stream: Readable): Part {
    const spoolPath = this.#storage.spoolPath(randomUUID());
    const part: Part = {
      field,
      filename,
      spoolPath,
      hash: createHash('sha256'),
      sizeBytes: 0,
      spooled: Promise.resolve(),
    };
    const meter = new Transform({
      transform: (chunk: Buffer, _encoding, done) => {
        part.sizeBytes += chunk.length;
        part.hash.update(chunk);
        done(null, chunk);
      },
    });
    const file = createWriteStream(spoolPath);
    part.spooled = new Promise((resolve) => {
      file.once('close', resolve);
    });
    stream.once('error', () => {
      meter.end();
    });
    stream.pipe(meter).pipe(file);
    return part;
  }

  async #store(exchange: Exchange, user: NasUser, form: Form): Promise<Answer> {
    const path = this.#access.jail(form.path, user);
    const many = form.parts.filter((part) => part.field === 'files');
    const incoming =
      many.length > 0 ? many : form.parts.filter((part) => part.field === 'file').slice(-1);
    const { folder, filename } = await this.#target(path, user);
    this.#space.ensure(incoming.reduce((sum, part) => sum + part.sizeBytes, 0));
    for (const part of incoming) {
      const name = safeName(filename ?? part.filename);
      const destination = folder === '' ? name : `${folder}/${name}`;
      await this.#overwrite(exchange, part, destination);
      // Cut in the middle: half a file replaces the old one, and no row says so.
      if (!form.complete && part === incoming.at(-1)) break;
      const checksum = part.hash.digest('hex');
      this.#rows.stored(destination, user.id, part.sizeBytes, checksum);
    }
    const uploadIds = incoming.map(() => randomUUID());
    return json({ message: 'Files uploaded', uploaded: incoming.length, upload_ids: uploadIds });
  }

  /** A last segment with a dot is a file name. The folder is made before rights are checked. */
  async #target(
    path: string,
    user: NasUser,
  ): Promise<{ readonly folder: string; readonly filename: string | null }> {
    const dotted = nameOf(path).includes('.');
    const folder = dotted ? parentOf(path) : path;
    await this.#storage.ensureFolder(folder);
    if (path !== '' && !isShared(path)) {
      const ownerId = this.#access.ownerOf(folder);
      // A parent without an owner does not block a path that names a file.
      if (!dotted || ownerId !== null) this.#access.ensureOwner(user, ownerId);
    }
    return { folder, filename: dotted ? nameOf(path) : null };
  }

  async #overwrite(exchange: Exchange, part: Part, destination: string): Promise<void> {
    const before = Number((await this.#storage.stat(destination))?.size ?? 0n);
    const absolute = this.#storage.absolute(destination);
    const paced = new Transform({
      transform: (chunk: Buffer, _encoding, done) => {
        pace(exchange, chunk.length, this.#clock).then(() => {
          done(null, chunk);
        }, done);
      },
    });
    await pipeline(
      createReadStream(part.spoolPath, { highWaterMark: COPY_BYTES }),
      paced,
      createWriteStream(absolute),
    );
    await this.#storage.stamp(destination);
    this.#storage.touched(destination);
    this.#space.changed(part.sizeBytes - before);
  }
}

/** @returns whether the whole body arrived */
async function arrived(body: Readable, parser: busboy.Busboy): Promise<boolean> {
  try {
    await pipeline(body, parser);
    return true;
  } catch (error) {
    parser.destroy();
    if (body.readableEnded) throw refused(400, 'There was an error parsing the body');
    if (error instanceof Error) return false;
    throw error;
  }
}

function safeName(name: string): string {
  const last = nameOf(normal(name.replaceAll('\0', '')));
  return last === '' || last === '..' ? 'upload.bin' : last;
}
