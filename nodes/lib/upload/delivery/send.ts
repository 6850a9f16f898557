import { Readable } from 'node:stream';
import { nameOf } from '../../files/files.ts';
import { failureOf, goodBodyOf, isGood } from '../../nas/nas.ts';
import type { NasClient, NasJson, NasUploadChannel } from '../../nas/nas-client.ts';
import { reason } from '../reasons.ts';
import { folderOf } from '../receive/target.ts';
import type { Disk } from '../spool/disk.ts';
import type { PlainUpload } from '../upload-deps.ts';
import { fieldOf, type Interruption, interruptionOf } from './delivery-calls.ts';

/** The NAS gathers a whole chunk in memory before it writes it, so smaller than its own 32 MB. */
const CHUNK_BYTES = 8 * 1024 * 1024;
/** After this many lost sessions in a row it is clear that these addresses keep none. */
const MOST_RESTARTS = 3;
/** A session that keeps asking for a chunk other than the one sent is broken. */
const MOST_JUMPS = 8;
/** How many half-sent uploads are remembered for when the NAS is back. */
const MOST_SESSIONS = 32;

/** What is sent where. */
export interface Sending {
  readonly uploadId: string;
  readonly file: string;
  readonly sizeBytes: number;
  readonly path: string;
  /** Called after each chunk. */
  readonly onProgress: () => void;
  /** Called when all bytes are there, right before the step that publishes them. */
  readonly mayComplete: () => Promise<'yes' | 'no' | Interruption>;
}

export type Sent =
  /** The NAS says it is in place. */
  | { readonly kind: 'completed' }
  /** `mayComplete` said no. */
  | { readonly kind: 'held_back' }
  /** The session was lost at the last step, which may have been done before. */
  | { readonly kind: 'unknown' }
  /** No address keeps a session long enough. */
  | { readonly kind: 'no_sessions' }
  | Interruption;

type Prepared = { readonly kind: 'ready' } | { readonly kind: 'no_sessions' } | Interruption;

interface Session {
  readonly nasId: string;
  readonly path: string;
  readonly chunkBytes: number;
  nextIndex: number;
  jumps: number;
}

type Step = 'done' | 'restart' | Interruption;

/**
 * Sends one file through the NAS's chunked upload on one socket. A chunk without an answer is sent
 * again; the NAS then names the one it expects. A forgotten session is restarted.
 */
export class ChunkedSend {
  readonly #nas: NasClient;
  readonly #disk: Pick<Disk, 'read'>;
  readonly #sessions = new Map<string, Session>();
  #channel: { readonly token: string; readonly channel: NasUploadChannel } | null = null;

  constructor(nas: NasClient, disk: Pick<Disk, 'read'>) {
    this.#nas = nas;
    this.#disk = disk;
  }

  async send(token: string, sending: Sending): Promise<Sent> {
    const prepared = await this.prepare(token, sending);
    return prepared.kind === 'ready' ? await this.finish(token, sending) : prepared;
  }

  /** Sends all bytes and stops before the step that publishes them; {@link finish} does that. */
  async prepare(token: string, sending: Sending): Promise<Prepared> {
    for (let restarts = 0; restarts <= MOST_RESTARTS; restarts += 1) {
      const session = await this.#session(token, sending);
      if ('kind' in session) return session;
      const sent = await this.#sendChunks(token, session, sending);
      if (sent === 'done') return { kind: 'ready' };
      if (sent !== 'restart') return this.#interrupted(sent);
      this.#sessions.delete(sending.uploadId);
    }
    return { kind: 'no_sessions' };
  }

  /** Takes the last step for what was prepared a moment ago. */
  async finish(token: string, sending: Sending): Promise<Sent> {
    const session = this.#sessions.get(sending.uploadId);
    return session === undefined
      ? { kind: 'unknown' }
      : await this.#complete(token, session, sending);
  }

  /** Forgets a half-sent upload whose file or target has changed. */
  forget(uploadId: string): void {
    this.#sessions.delete(uploadId);
  }

  /** Closes the socket. */
  close(): void {
    this.#channel?.channel.close();
    this.#channel = null;
  }

  #open(token: string): NasUploadChannel {
    if (this.#channel?.token !== token) {
      this.close();
      this.#channel = { token, channel: this.#nas.openUpload(token) };
    }
    return this.#channel?.channel ?? this.#nas.openUpload(token);
  }

  async #session(token: string, sending: Sending): Promise<Session | Interruption> {
    const open = this.#sessions.get(sending.uploadId);
    if (open?.path === sending.path) return open;
    const answered = await this.#open(token).init({
      folder: folderOf(sending.path),
      filename: nameOf(sending.path),
      sizeBytes: sending.sizeBytes,
    });
    const interruption = interruptionOf(answered);
    if (interruption !== null) return this.#interrupted(interruption);
    const told = goodBodyOf(answered);
    const nasId = fieldOf(told, 'upload_id');
    if (typeof nasId !== 'string') return { kind: 'trouble', detail: reason('nasGaveNoSession') };
    const wanted = fieldOf(told, 'chunk_size');
    const chunkBytes =
      typeof wanted === 'number' && wanted > 0 ? Math.min(wanted, CHUNK_BYTES) : CHUNK_BYTES;
    const session: Session = { nasId, path: sending.path, chunkBytes, nextIndex: 0, jumps: 0 };
    this.#sessions.set(sending.uploadId, session);
    for (const oldest of this.#sessions.keys()) {
      if (this.#sessions.size <= MOST_SESSIONS) break;
      this.#sessions.delete(oldest);
    }
    return session;
  }

  /** An empty file is one empty chunk: the NAS creates its file on the first chunk. */
  async #sendChunks(token: string, session: Session, sending: Sending): Promise<Step> {
    const chunks = Math.max(1, Math.ceil(sending.sizeBytes / session.chunkBytes));
    while (session.nextIndex < chunks) {
      const step = await this.#sendChunk(token, session, sending, chunks);
      if (step !== 'done') return step;
      sending.onProgress();
    }
    return 'done';
  }

  async #sendChunk(
    token: string,
    session: Session,
    sending: Sending,
    chunks: number,
  ): Promise<Step> {
    const index = session.nextIndex;
    const firstByte = index * session.chunkBytes;
    const length = Math.min(session.chunkBytes, sending.sizeBytes - firstByte);
    const body = this.#disk.read(sending.file, firstByte, length);
    let readError: unknown = null;
    body.once('error', (error) => {
      readError = error;
    });
    const answered = await this.#open(token).chunk(session.nasId, index, body, length);
    // The Pi's own disk failed, whatever the NAS made of the end of the body.
    if (readError !== null) throw readError as Error;
    if (isGood(answered)) {
      session.nextIndex += 1;
      // The size differs from what was sent: a chunk was taken twice or in part, so the file is
      // spoilt.
      const received = fieldOf(answered.body, 'received_bytes');
      return received === firstByte + length ? 'done' : 'restart';
    }
    return chunkFault(answered, session, chunks);
  }

  async #complete(token: string, session: Session, sending: Sending): Promise<Sent> {
    const may = await sending.mayComplete();
    if (may === 'no') {
      this.#sessions.delete(sending.uploadId);
      return { kind: 'held_back' };
    }
    if (may !== 'yes') return may;
    const answered = await this.#open(token).complete(session.nasId);
    const lost = failureOf(answered)?.kind === 'not_found';
    const interruption = interruptionOf(answered);
    // A repeated complete may find its own work done, which only the folder can tell.
    if (interruption === null || lost || interruption.kind === 'gone') {
      this.#sessions.delete(sending.uploadId);
    }
    if (interruption === null) return { kind: 'completed' };
    return lost ? { kind: 'unknown' } : this.#interrupted(interruption);
  }

  #interrupted(interruption: Interruption): Interruption {
    if (interruption.kind === 'gone') this.close();
    return interruption;
  }
}

/** What a refused chunk means: jump to the one expected, start over, or give way. */
function chunkFault(answered: NasJson, session: Session, chunks: number): Step {
  const failure = failureOf(answered);
  if (failure?.kind === 'not_found') return 'restart';
  if (failure?.kind === 'refused' && failure.status === 400) {
    const match = /expected chunk (\d+)/i.exec(failure.detail ?? '');
    const expected = match === null ? NaN : Number(match[1]);
    session.jumps += 1;
    if (!(expected <= chunks) || expected === session.nextIndex) return 'restart';
    if (session.jumps > MOST_JUMPS) return 'restart';
    session.nextIndex = expected;
    return 'done';
  }
  return interruptionOf(answered) ?? 'restart';
}

/** A multipart upload as the NAS takes it; `HttpNasClient` in BaluPi. */
export interface MultipartSender {
  sendMultipart(
    token: string,
    sent: {
      readonly path: string;
      readonly filename: string;
      readonly body: Readable;
      readonly sizeBytes: number;
    },
  ): Promise<NasJson>;
}

/**
 * Sends a whole file in one request. The NAS reads `path` as the file itself where its last name
 * has a dot, else as a folder (docs/NAS.md); a file without a dot in a folder with one cannot be
 * sent this way.
 */
export class PlainSend implements PlainUpload {
  readonly #nas: MultipartSender;
  readonly #disk: Pick<Disk, 'read'>;

  constructor(nas: MultipartSender, disk: Pick<Disk, 'read'>) {
    this.#nas = nas;
    this.#disk = disk;
  }

  /** @throws the Pi's disk's error */
  async send(token: string, path: string, file: string, sizeBytes: number): Promise<NasJson> {
    const filename = nameOf(path);
    const target = filename.includes('.') ? path : folderOf(path);
    if (target !== path && nameOf(target).includes('.')) {
      return { kind: 'answer', status: 500, body: { detail: reason('onlyInChunks') } };
    }
    const body = this.#disk.read(file, 0, sizeBytes);
    let readError: unknown = null;
    body.once('error', (error) => {
      readError = error;
    });
    const answered = await this.#nas.sendMultipart(token, {
      path: target,
      filename,
      body,
      sizeBytes,
    });
    // The Pi's own disk failed, whatever the NAS made of the end of the body.
    if (readError !== null) throw readError as Error;
    return answered;
  }
}
