import { randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { rename, rm, truncate } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { isShared, type Access } from './access.ts';
import { jsonBody, unprocessable } from './bodies.ts';
import { CHUNK_SIZE_BYTES, newSession, type ChunkSession } from './chunk-session.ts';
import { nameOf, type MetadataRows } from './metadata-rows.ts';
import { signedIn, type Route } from './router.ts';
import type { Space } from './space.ts';
import { isMissing, normal, type Storage } from './storage.ts';
import type { NasUser } from './users.ts';
import { json, refused, type Answer, type Exchange } from './wire.ts';

const BASE = '/api/files/upload/chunked';

/** Resumable uploads: strictly in order, in one worker's memory, published by a rename. */
export class ChunkedUploads {
  readonly #storage: Storage;
  readonly #rows: MetadataRows;
  readonly #access: Access;
  readonly #space: Space;

  constructor(storage: Storage, rows: MetadataRows, access: Access, space: Space) {
    this.#storage = storage;
    this.#rows = rows;
    this.#access = access;
    this.#space = space;
  }

  /** Register after all other routes below `/api/files`, whose DELETE swallows the abort. */
  get routes(): readonly Route[] {
    const limit = { limit: 'chunked' } as const;
    return [
      signedIn(`POST ${BASE}/init`, limit, (exchange, user) => this.#init(exchange, user)),
      signedIn(`POST ${BASE}/{id}/chunk`, limit, (exchange, user) => this.#chunk(exchange, user)),
      signedIn(`POST ${BASE}/{id}/complete`, limit, (exchange, user) =>
        this.#complete(exchange, user),
      ),
      signedIn(`DELETE ${BASE}/{id}`, limit, (exchange, user) => this.#abort(exchange, user)),
    ];
  }

  async #init(exchange: Exchange, user: NasUser): Promise<Answer> {
    const body = await jsonBody(exchange, {
      filename: 'string',
      total_size: 'integer',
      target_path: 'string?',
    });
    const folder = this.#access.jail(body.target_path ?? '', user);
    if (folder !== '' && !isShared(folder)) {
      this.#access.ensureOwner(user, this.#access.ownerOf(folder));
    }
    const filename = nameOf(normal(body.filename));
    if (filename === '' || filename === '..') throw refused(400, 'Invalid filename');
    this.#space.ensure(body.total_size);
    const uploadId = randomUUID();
    const session = newSession({
      uploadId,
      userId: user.id,
      folder,
      filename,
      totalBytes: body.total_size,
      spoolPath: this.#storage.spoolPath(uploadId),
    });
    exchange.worker.sessions.set(uploadId, session);
    return json({ upload_id: uploadId, chunk_size: CHUNK_SIZE_BYTES });
  }

  async #chunk(exchange: Exchange, user: NasUser): Promise<Answer> {
    const index = chunkIndex(exchange);
    const session = this.#session(exchange, user);
    if (index !== session.nextIndex) {
      exchange.request.resume();
      const got = `Expected chunk ${String(session.nextIndex)}, got ${String(index)}`;
      throw refused(400, got);
    }
    const hash = session.hash.copy();
    let length = 0;
    const body = exchange.body();
    body.on('data', (chunk: Buffer) => {
      length += chunk.length;
      hash.update(chunk);
    });
    try {
      await pipeline(body, createWriteStream(session.spoolPath, { flags: 'a' }));
    } catch {
      // The client went away. The NAS collects a chunk before it writes, so none of it counts.
      await this.#undo(session);
      throw refused(400, 'the client went away');
    }
    if (session.receivedBytes + length > session.totalBytes) {
      await this.#drop(exchange, session);
      throw refused(
        400,
        `Upload exceeds declared total_size (${String(session.totalBytes)} bytes) for session ${session.uploadId}`,
      );
    }
    session.hash = hash;
    session.receivedBytes += length;
    session.nextIndex += 1;
    return json({ received_bytes: session.receivedBytes });
  }

  async #complete(exchange: Exchange, user: NasUser): Promise<Answer> {
    exchange.request.resume();
    const session = this.#session(exchange, user);
    exchange.worker.sessions.delete(session.uploadId);
    const { folder, filename } = session;
    const path = folder === '' ? filename : `${folder}/${filename}`;
    const before = Number((await this.#storage.stat(path))?.size ?? 0n);
    await this.#storage.ensureFolder(folder);
    try {
      await rename(session.spoolPath, this.#storage.absolute(path));
    } catch (error) {
      if (!isMissing(error)) throw error;
      throw refused(400, `Temp file missing for session ${session.uploadId}`);
    }
    await this.#storage.stamp(path);
    this.#storage.touched(path);
    this.#space.changed(session.receivedBytes - before);
    this.#rows.stored(path, user.id, session.receivedBytes, session.hash.digest('hex'));
    // The size is never compared with the declared one (recorded on 1.38).
    return json({ path, size: session.receivedBytes });
  }

  async #abort(exchange: Exchange, user: NasUser): Promise<Answer> {
    const session = exchange.worker.sessions.get(exchange.param('id'));
    if (session !== undefined && session.userId !== user.id) {
      throw refused(403, 'Not your upload session');
    }
    if (session !== undefined) await this.#drop(exchange, session);
    return json({ message: 'Upload aborted' });
  }

  #session(exchange: Exchange, user: NasUser): ChunkSession {
    const session = exchange.worker.sessions.get(exchange.param('id'));
    if (session === undefined) throw refused(404, 'Upload session not found');
    if (session.userId !== user.id) throw refused(403, 'Not your upload session');
    return session;
  }

  async #drop(exchange: Exchange, session: ChunkSession): Promise<void> {
    exchange.worker.sessions.delete(session.uploadId);
    await rm(session.spoolPath, { force: true });
  }

  async #undo(session: ChunkSession): Promise<void> {
    if (session.nextIndex === 0) await rm(session.spoolPath, { force: true });
    else await truncate(session.spoolPath, session.receivedBytes);
  }
}

function chunkIndex(exchange: Exchange): number {
  const text = exchange.query.get('chunk_index');
  const loc = ['query', 'chunk_index'];
  if (text === null) {
    throw unprocessable({ type: 'missing', loc, msg: 'Field required', input: null });
  }
  if (!/^-?\d+$/.test(text)) {
    const msg = 'Input should be a valid integer, unable to parse string as an integer';
    throw unprocessable({ type: 'int_parsing', loc, msg, input: text });
  }
  return Number(text);
}
