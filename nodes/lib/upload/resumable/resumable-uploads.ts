import type { IncomingMessage } from 'node:http';
import type { Caller } from '../../accounts/caller.ts';
import { answerTo } from '../../api/api.ts';
import { type Answer, isoSeconds } from '../../http/http.ts';
import type { Log } from '../../log/log.ts';
import type { Cancel, Clock } from '../../time/clock.ts';
import { reason } from '../reasons.ts';
import {
  type Admission,
  type BodySlots,
  type ContentHeaders,
  readContentHeaders,
  refused,
  type Refused,
  refusedAt,
  type Reservation,
  tooLarge,
  type UploadQuota,
  WRONG_HASH,
} from '../receive/admission.ts';
import { type AcceptedFile, type AimedFile, senderOf } from '../receive/enqueue.ts';
import { feedBody } from '../receive/multipart.ts';
import type { Publisher } from '../receive/publisher.ts';
import { readFilename, readTarget } from '../receive/target.ts';
import { type Disk, diskFaultOf, GatheredWrites, type SpoolHandle } from '../spool/disk.ts';
import { type BornAt, type RandomBytes, uploadId } from '../upload-deps.ts';
import { refusedAnswer } from '../view/answers.ts';
import type { ResumableRows, ResumableUpload } from '../rows/resumable-rows.ts';
import { CHUNK_BYTES, type ResumableSpool } from './resumable-spool.ts';

const EXPIRY_EVERY_MS = 3_600_000;

/** What a caller announces before the first chunk. */
interface ResumableInput {
  readonly filename: string;
  readonly totalBytes: number;
  /** Always a folder. */
  readonly folder: string;
}

type Begun = { readonly kind: 'begun'; readonly id: string; readonly chunkBytes: number } | Refused;

type Completed = { readonly kind: 'completed'; readonly file: AcceptedFile } | Refused;

interface ResumableDeps {
  readonly disk: Disk;
  readonly rows: ResumableRows;
  readonly spool: ResumableSpool;
  readonly slots: BodySlots;
  readonly quota: UploadQuota;
  readonly publisher: Publisher;
  readonly admission: Admission;
  readonly bornAt: BornAt;
  readonly clock: Clock;
  /** Whether the time is proved twice, so that old data may be deleted for its age. */
  readonly isClockProved: () => boolean;
  readonly log: Log;
  readonly randomBytes: RandomBytes;
  readonly maxFileBytes: number;
  /** Called when a row is new in the queue. */
  readonly onQueued: () => void;
}

/**
 * Uploads in chunks, in BaluHost's terms: begin, chunk by chunk in order, complete. A chunk is
 * durable before it is acknowledged, so uploads survive restarts of the Pi and of the phone. Once
 * complete, they are in the queue like any other.
 */
export class ResumableUploads {
  /** What users began and did not complete. */
  readonly unfinished: Pick<UnfinishedUploads, 'isMoving' | 'of'>;
  readonly #deps: ResumableDeps;
  readonly #unfinished: UnfinishedUploads;
  readonly #chunks: ChunkIntake;
  #cancel: Cancel = () => undefined;

  constructor(deps: ResumableDeps) {
    this.#deps = deps;
    this.unfinished = this.#unfinished = new UnfinishedUploads(deps);
    this.#chunks = new ChunkIntake(deps, (upload) => this.#unfinished.drop(upload));
  }

  /** @returns how many uploads had lost their file since the last run */
  async start(): Promise<number> {
    const lost = await this.#deps.spool.recover();
    await this.#expire();
    return lost;
  }

  async stop(): Promise<void> {
    this.#cancel();
    await this.#chunks.stop();
  }

  async begin(caller: Caller, input: ResumableInput): Promise<Begun> {
    const { clock, spool, randomBytes, maxFileBytes, bornAt } = this.#deps;
    const aimed = await this.#aim(caller, input.folder, input.filename);
    if ('code' in aimed) return aimed;
    if (input.totalBytes > maxFileBytes) return tooLarge(maxFileBytes);
    return this.#onDisk(async () => {
      if (!(await this.#unfinished.hasPlace(caller.user.id))) {
        const detail = 'Complete or delete one of your unfinished uploads first.';
        return refused('too_many_tries', detail);
      }
      const nowMs = clock.nowMs();
      const id = uploadId(nowMs, randomBytes);
      // No space is reserved for what may never come, but what cannot fit is refused at once.
      const refusal = await this.#deps.quota.refusal(caller.user.id, input.totalBytes);
      if (refusal !== null) return refusal;
      const { folder, filename } = aimed;
      const { id: userId, username } = caller.user;
      const owner = { userId, ownerCreatedAt: bornAt(userId) };
      const what = { id, ...owner, folder, filename, totalBytes: input.totalBytes };
      await spool.open({ ...what, username });
      await this.#unfinished.add({ ...what, receivedBytes: 0, nextIndex: 0, touchedAtMs: nowMs });
      return { kind: 'begun', id, chunkBytes: CHUNK_BYTES };
    });
  }

  /** Says, from the headers alone, whether a chunk's body should be read at all. */
  async admitChunk(
    caller: Caller,
    request: IncomingMessage,
    id: string,
    index: number,
  ): Promise<Refused | null> {
    const upload = this.#unfinished.own(caller, id);
    const refusal = this.#chunks.admit(request, upload, index);
    if (upload === null || refusal !== 'too much') return refusal === 'too much' ? null : refusal;
    return this.#onDisk(() => this.#chunks.alone(id, () => this.#chunks.spoilt(upload)));
  }

  /** Where it refuses, the request is left open and paused. */
  async chunk(
    caller: Caller,
    request: IncomingMessage,
    id: string,
    index: number,
  ): Promise<ChunkReceived> {
    return this.#onDisk(() =>
      this.#chunks.receive(request, () => this.#unfinished.own(caller, id), index),
    );
  }

  /** Puts an upload whose bytes are all here into the queue. */
  async complete(
    caller: Caller,
    id: string,
    headers: IncomingMessage['headers'],
  ): Promise<Completed> {
    const content = readContentHeaders(headers);
    if ('code' in content) return content;
    return this.#chunks.alone(id, () =>
      this.#onDisk(async () => {
        const upload = this.#unfinished.own(caller, id);
        if (upload === null) return noSuchUpload();
        const { receivedBytes, totalBytes } = upload;
        if (receivedBytes < totalBytes) {
          // The NAS would store a truncated file and report success.
          const values = { received: receivedBytes, total: totalBytes };
          return refused('conflict', reason('restOfBytesMissing', values));
        }
        return this.#publish(caller, upload, content);
      }),
    );
  }

  async abort(caller: Caller, id: string): Promise<{ readonly kind: 'done' } | Refused> {
    return this.#chunks.alone(id, () =>
      this.#onDisk(async () => {
        const upload = this.#unfinished.own(caller, id);
        if (upload === null) return noSuchUpload();
        await this.#unfinished.drop(upload);
        return { kind: 'done' };
      }),
    );
  }

  /** Bytes on the disk. */
  storedBytes(): number {
    return this.#deps.rows.receivedBytes();
  }

  async #publish(
    caller: Caller,
    upload: ResumableUpload,
    content: ContentHeaders,
  ): Promise<Completed> {
    const { publisher, spool, rows } = this.#deps;
    const aimed = await this.#aim(caller, upload.folder, upload.filename);
    if ('code' in aimed) return aimed;
    const sha256 = await spool.hashOf(upload);
    if (content.contentSha256 !== null && content.contentSha256 !== sha256) {
      await this.#unfinished.drop(upload);
      return refusedAt(WRONG_HASH.loc, WRONG_HASH.detail);
    }
    const { id, totalBytes } = upload;
    const staged = { id, partFile: spool.fileOf(id), sizeBytes: totalBytes, sha256 };
    const enqueued = await publisher.publish({
      user: caller.user,
      files: [{ staged, target: aimed.target }],
      idempotencyKey: null,
      baseChecksum: content.baseChecksum,
      sender: senderOf(caller),
      alongside: () => {
        rows.remove(id);
      },
    });
    await spool.completed(id);
    this.#deps.onQueued();
    const file = enqueued.kind === 'enqueued' ? enqueued.files[0] : undefined;
    if (file === undefined) throw new Error('A complete upload came to no row.');
    return { kind: 'completed', file };
  }

  async #aim(
    caller: Caller,
    path: string,
    name: string,
  ): Promise<{ folder: string; filename: string; target: AimedFile['target'] } | Refused> {
    const read = readFilename(name);
    if (read.kind === 'bad_path') return refused('bad_path', read.reason);
    const { filename } = read;
    const aimed = readTarget({ path, filename, several: true }, () => ({ kind: 'unknown' }));
    if (aimed.kind === 'bad_path') return refused('bad_path', aimed.reason);
    const { target } = aimed;
    const refusal = await this.#deps.admission.checkFile(caller, target.path);
    return refusal ?? { folder: path, filename, target };
  }

  async #expire(): Promise<void> {
    const { clock, log } = this.#deps;
    for (const upload of this.#unfinished.overdue()) {
      await this.#chunks.alone(upload.id, () => this.#unfinished.drop(upload));
    }
    this.#cancel = clock.after(EXPIRY_EVERY_MS, () => {
      this.#expire().catch((error: unknown) => {
        log.error(`Old unfinished uploads could not be removed: ${String(error)}`);
      });
    });
  }

  async #onDisk<T>(work: () => Promise<T>): Promise<T | Refused> {
    try {
      return await work();
    } catch (error) {
      const fault = diskFaultOf(error);
      if (fault === null) throw error;
      return refused(fault);
    }
  }
}

/** Unfinished uploads of one user. */
const MOST_OF_USER = 16;
/** If idle this long, it may be replaced by a new one of its user. */
const IDLE_MS = 3_600_000;
/** One that moved within this time may well continue in a moment. */
const MOVING_MS = 600_000;
/** Without progress for this long it is abandoned, as on the NAS. */
const KEPT_MS = 86_400_000;

interface UnfinishedDeps {
  readonly rows: ResumableRows;
  readonly spool: ResumableSpool;
  readonly clock: Clock;
  /** Whether the time is proved twice, so that old data may be deleted for its age. */
  readonly isClockProved: () => boolean;
}

/** Which unfinished uploads there are, whose, and how many and how old they may be. */
class UnfinishedUploads {
  readonly #deps: UnfinishedDeps;

  constructor(deps: UnfinishedDeps) {
    this.#deps = deps;
  }

  /** @returns null for one that never existed, has ended, or is somebody else's */
  own(caller: Caller, id: string): ResumableUpload | null {
    const upload = this.#deps.rows.byId(id);
    return upload?.userId === caller.user.id && !this.#isOver(upload) ? upload : null;
  }

  /** Most recently active first. */
  of(caller: Caller): readonly ResumableUpload[] {
    const uploads = this.#deps.rows.ofUser(caller.user.id);
    return uploads.filter((upload) => !this.#isOver(upload)).reverse();
  }

  /** @throws the database's error; nothing of it is left then */
  async add(upload: ResumableUpload): Promise<void> {
    try {
      this.#deps.rows.insert(upload);
    } catch (error) {
      await this.drop(upload);
      throw error;
    }
  }

  /** @throws the disk's error when its file cannot be deleted; a start finds it again, for a day */
  async drop({ id }: ResumableUpload): Promise<void> {
    const { rows, spool } = this.#deps;
    rows.remove(id);
    await spool.discard(id);
  }

  /**
   * Whether a user may begin another. A user who lost the ids of broken uploads is not locked out
   * until they expire: the one longest idle is replaced.
   */
  async hasPlace(userId: number): Promise<boolean> {
    const uploads = this.#deps.rows.ofUser(userId);
    const [idlest] = uploads;
    if (idlest === undefined || uploads.length < MOST_OF_USER) return true;
    if (this.#idleMs(idlest) < IDLE_MS) return false;
    await this.drop(idlest);
    return true;
  }

  /** Whether one of that user started or moved recently; abandoned ones never complete. */
  isMoving(userId: number): boolean {
    return this.#deps.rows.ofUser(userId).some((upload) => this.#idleMs(upload) < MOVING_MS);
  }

  /** None before the time is known; one touched while the clock was ahead counts as touched now. */
  overdue(): readonly ResumableUpload[] {
    const { rows, clock, isClockProved } = this.#deps;
    if (!isClockProved()) return [];
    const nowMs = clock.nowMs();
    rows.touchedNoLater(nowMs);
    return rows.untouchedSince(nowMs - KEPT_MS);
  }

  #isOver({ touchedAtMs }: ResumableUpload): boolean {
    const { clock, isClockProved } = this.#deps;
    return clock.nowMs() - touchedAtMs >= KEPT_MS && isClockProved();
  }

  #idleMs({ touchedAtMs }: ResumableUpload): number {
    return Math.abs(this.#deps.clock.nowMs() - touchedAtMs);
  }
}

/** `{upload_id, chunk_size}`, as BaluHost answers (docs/NAS.md). */
export function begunAnswer(begun: Begun): Answer {
  if (begun.kind === 'refused') return refusedAnswer(begun);
  return answerTo('files-chunked-init', { upload_id: begun.id, chunk_size: begun.chunkBytes });
}

/** @returns null when nobody is left to answer */
export function chunkAnswer(received: ChunkReceived): Answer | null {
  if (received.kind === 'gone') return null;
  if (received.kind === 'refused') return refusedAnswer(received);
  return answerTo('files-chunked-chunk', { received_bytes: received.receivedBytes });
}

/** BaluHost's `{path, size}`, and what the Pi's own upload route tells of a file. */
export function completedAnswer(completed: Completed): Answer {
  if (completed.kind === 'refused') return refusedAnswer(completed);
  const { id, path, sizeBytes, sha256 } = completed.file;
  return answerTo('files-chunked-complete', {
    path,
    size: sizeBytes,
    id,
    sha256,
    status: 'queued',
  });
}

/** For somebody who lost the id, or the position, of an interrupted upload. */
export function unfinishedAnswer(uploads: readonly ResumableUpload[]): Answer {
  return answerTo('files-chunked-list', {
    uploads: uploads.map((upload) => ({
      upload_id: upload.id,
      filename: upload.filename,
      target_path: upload.folder,
      total_size: upload.totalBytes,
      received_bytes: upload.receivedBytes,
      next_chunk_index: upload.nextIndex,
      chunk_size: CHUNK_BYTES,
      touched_at: isoSeconds(upload.touchedAtMs),
    })),
  });
}

/** How many bytes of a chunk may wait for the disk before its sender is paused. */
const MOST_HELD_BYTES = 1024 * 1024;

type ChunkReceived =
  /** Of the whole upload, all durable. */
  | { readonly kind: 'received'; readonly receivedBytes: number }
  | Refused
  /** The caller left before the end, so nothing of the chunk counts. */
  | { readonly kind: 'gone' };

interface ChunkIntakeDeps {
  readonly disk: Disk;
  readonly rows: ResumableRows;
  readonly spool: ResumableSpool;
  readonly slots: BodySlots;
  readonly quota: UploadQuota;
  readonly clock: Clock;
}

interface Running {
  readonly request: IncomingMessage | null;
  readonly done: Promise<unknown>;
}

/** Receives chunks of resumable uploads, of each upload one at a time and in order. */
class ChunkIntake {
  readonly #deps: ChunkIntakeDeps;
  readonly #drop: (upload: ResumableUpload) => Promise<void>;
  readonly #running = new Map<string, Running>();
  #closed = false;

  /** @param drop ends an upload that its caller has spoilt */
  constructor(deps: ChunkIntakeDeps, drop: (upload: ResumableUpload) => Promise<void>) {
    this.#deps = deps;
    this.#drop = drop;
  }

  async stop(): Promise<void> {
    this.#closed = true;
    const running = [...this.#running.values()];
    for (const { request } of running) if (request?.complete === false) request.destroy();
    await Promise.allSettled(running.map(({ done }) => done));
  }

  /**
   * Runs an operation exclusively on an upload. A chunk still coming in is aborted: a new call
   * knows better than a connection that may be dead.
   * @param request the incoming chunk; null for anything else
   */
  async alone<T>(
    id: string,
    work: () => Promise<T>,
    request: IncomingMessage | null = null,
  ): Promise<T> {
    for (let other = this.#running.get(id); other !== undefined; other = this.#running.get(id)) {
      if (other.request?.complete === false) other.request.destroy();
      await Promise.allSettled([other.done]);
    }
    const done = work();
    this.#running.set(id, { request, done });
    try {
      return await done;
    } finally {
      this.#running.delete(id);
    }
  }

  /**
   * Judges a chunk by its headers alone.
   * @param upload null where the caller has no such upload
   * @returns why it must not come; null when it may. `too much` spoils the upload
   */
  admit(
    request: IncomingMessage,
    upload: ResumableUpload | null,
    index: number,
  ): Refused | 'too much' | null {
    if (this.#closed) return refused('restarting');
    if (upload === null) return noSuchUpload();
    const { nextIndex, totalBytes, userId } = upload;
    const firstByte = this.#deps.spool.firstByteOf(upload, index);
    if (firstByte === null) {
      return refused('malformed', `Expected chunk ${nextIndex}, got ${index}`);
    }
    const length = Number(request.headers['content-length'] ?? 0);
    if (firstByte + length > totalBytes) return 'too much';
    if (this.#deps.slots.isCrowded(userId)) {
      return refused('too_many_tries', 'Too many uploads at once. Send fewer at a time.');
    }
    return null;
  }

  /** @param find looks the upload up once nothing else is running on it */
  async receive(
    request: IncomingMessage,
    find: () => ResumableUpload | null,
    index: number,
  ): Promise<ChunkReceived> {
    const known = find();
    if (known === null) return noSuchUpload();
    const work = async (): Promise<ChunkReceived> => {
      const upload = find();
      if (upload === null) return noSuchUpload();
      const refusal = this.admit(request, upload, index);
      if (refusal !== null) return refusal === 'too much' ? this.spoilt(upload) : refusal;
      const receivedBytes = this.#deps.spool.firstByteOf(upload, index) ?? upload.receivedBytes;
      return this.#inTurn(request, { ...upload, receivedBytes, nextIndex: index });
    };
    return this.alone(known.id, work, request);
  }

  /** As on the NAS: a sender of more than announced has lost count and starts over. */
  async spoilt(upload: ResumableUpload): Promise<Refused> {
    const { id, totalBytes } = upload;
    await this.#drop(upload);
    const detail = `Upload exceeds declared total_size (${totalBytes} bytes) for session ${id}`;
    return refused('malformed', detail);
  }

  async #inTurn(request: IncomingMessage, upload: ResumableUpload): Promise<ChunkReceived> {
    const gone = new AbortController();
    const onClose = (): void => {
      gone.abort();
    };
    request.once('close', onClose);
    try {
      if (request.destroyed) return { kind: 'gone' };
      const giveBack = await this.#deps.slots.take(upload.userId, gone.signal);
      if (giveBack === 'gone') return { kind: 'gone' };
      if (giveBack === 'crowded') return refused('too_many_tries');
      try {
        return await this.#withSpace(request, upload);
      } finally {
        giveBack();
      }
    } finally {
      request.off('close', onClose);
    }
  }

  /** Space is reserved for this chunk only. */
  async #withSpace(request: IncomingMessage, upload: ResumableUpload): Promise<ChunkReceived> {
    const length = request.headers['content-length'];
    const bytes = length === undefined ? null : Number(length);
    const reserved = await this.#deps.quota.reserve(upload.userId, bytes);
    if ('code' in reserved) return reserved;
    try {
      return await this.#store(request, upload, reserved);
    } finally {
      reserved.release();
    }
  }

  async #store(
    request: IncomingMessage,
    upload: ResumableUpload,
    reservation: Reservation,
  ): Promise<ChunkReceived> {
    const { disk, spool, rows, clock } = this.#deps;
    const { id, receivedBytes, nextIndex } = upload;
    const file = spool.fileOf(id);
    if (((await disk.sizeOf(file)) ?? -1) < receivedBytes) {
      await this.#drop(upload);
      return noSuchUpload();
    }
    const handle = await disk.goOn(file, receivedBytes);
    let written: Written;
    try {
      written = await this.#write(request, handle, upload, reservation);
      // Durable before it is acknowledged. A failed sync is never retried.
      if (written.kind === 'whole') await handle.sync();
    } finally {
      await handle.close();
    }
    if (written.kind === 'too much') return this.spoilt(upload);
    if (written.kind !== 'whole') return written;
    const nowReceived = receivedBytes + written.bytes;
    const chunk = { index: nextIndex, firstByte: receivedBytes, endByte: nowReceived };
    await spool.told(upload, chunk);
    const progress = { receivedBytes: nowReceived, nextIndex: nextIndex + 1 };
    rows.advance(id, progress, clock.nowMs());
    spool.grown(id, nowReceived);
    return { kind: 'received', receivedBytes: nowReceived };
  }

  async #write(
    request: IncomingMessage,
    handle: SpoolHandle,
    { receivedBytes, totalBytes }: ResumableUpload,
    reservation: Reservation,
  ): Promise<Written> {
    const writes = new GatheredWrites();
    const flow: Flow = { isTooMuch: false, isStopped: false, noSpace: null, wake: () => undefined };
    const writing = writes.writeTo(handle, {
      reserve: (bytes) => reserve(reservation, flow, bytes),
      written: () => {
        flow.wake();
        return Promise.resolve();
      },
    });
    const onStop = (): void => {
      flow.isStopped = true;
      flow.wake();
    };
    // An error is thrown again where it is awaited.
    writing.then(onStop, onStop);
    const fed = await feedBody(request, {
      take: (bytes) => {
        flow.isTooMuch ||= receivedBytes + writes.sizeBytes + bytes.length > totalBytes;
        if (!flow.isTooMuch) writes.push(bytes);
      },
      state: () => {
        if (flow.isTooMuch || flow.isStopped) return 'over';
        return writes.heldBytes >= MOST_HELD_BYTES ? 'full' : 'ready';
      },
      onWake: (wake) => {
        flow.wake = wake;
      },
    });
    if (fed === 'whole') writes.end();
    else writes.giveUp();
    return writtenAs(flow, fed === 'gone', (await writing) ? writes.sizeBytes : null);
  }
}

/** Runs while a chunk is written. */
interface Flow {
  isTooMuch: boolean;
  isStopped: boolean;
  noSpace: Refused | null;
  wake: () => void;
}

/** @param bytes all that came; null where not all of it was written */
function writtenAs(flow: Flow, isGone: boolean, bytes: number | null): Written {
  if (flow.isTooMuch) return { kind: 'too much' };
  if (isGone) return { kind: 'gone' };
  return bytes === null ? (flow.noSpace ?? refused('no_room')) : { kind: 'whole', bytes };
}

async function reserve(reservation: Reservation, flow: Flow, bytes: number): Promise<boolean> {
  flow.noSpace = await reservation.take(bytes);
  return flow.noSpace === null;
}

type Written =
  | { readonly kind: 'whole'; readonly bytes: number }
  | { readonly kind: 'too much' }
  | { readonly kind: 'gone' }
  | Refused;

/** The same for one that never existed, has ended, or is somebody else's. */
function noSuchUpload(): Refused {
  return refused('not_found', 'Upload session not found');
}
