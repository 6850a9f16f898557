import type { IncomingMessage } from 'node:http';
import type { Caller } from '../accounts/caller.ts';
import type { Log } from '../log/log.ts';
import type { Cancel, Clock } from '../time/clock.ts';
import {
  readContentHeaders,
  refused,
  refusedAt,
  tooLarge,
  WRONG_HASH,
  type Admission,
  type ContentHeaders,
  type Refused,
} from './admission.ts';
import type { BodySlots } from './body-slots.ts';
import { ChunkIntake, noSuchUpload, type ChunkReceived } from './chunk-intake.ts';
import { diskFaultOf, type Disk } from './disk.ts';
import type { AcceptedFile, AimedFile } from './enqueue.ts';
import type { Publisher } from './publisher.ts';
import { ResumableBook } from './resumable-book.ts';
import { CHUNK_BYTES } from './resumable-intents.ts';
import type { ResumableRows, ResumableUpload } from './resumable-rows.ts';
import type { RoomKeeper } from './room-keeper.ts';
import type { ResumableSpool } from './resumable-spool.ts';
import { senderOf } from './sender.ts';
import { readFilename, readTarget } from './target.ts';
import type { BornAt } from './upload-ports.ts';
import { uploadId, type RandomBytes } from './upload-id.ts';

const EXPIRY_EVERY_MS = 3_600_000;

/** What a caller says before the first chunk. */
export interface ResumableWish {
  readonly filename: string;
  readonly totalBytes: number;
  /** Always a folder. */
  readonly folder: string;
}

export type Begun =
  { readonly kind: 'begun'; readonly id: string; readonly chunkBytes: number } | Refused;

export type Completed = { readonly kind: 'completed'; readonly file: AcceptedFile } | Refused;

export interface ResumableParts {
  readonly disk: Disk;
  readonly rows: ResumableRows;
  readonly spool: ResumableSpool;
  readonly slots: BodySlots;
  readonly room: RoomKeeper;
  readonly publisher: Publisher;
  readonly admission: Admission;
  readonly bornAt: BornAt;
  readonly clock: Clock;
  /** Both proofs of the time stand, so that what is old may be deleted for its age. */
  readonly isClockProved: () => boolean;
  readonly log: Log;
  readonly randomBytes: RandomBytes;
  readonly maxFileBytes: number;
  /** A row is new in the queue. */
  readonly onQueued: () => void;
}

/**
 * Uploads in chunks, in BaluHost's words: begin, chunk by chunk in order, complete. A chunk is
 * durable before it is acknowledged, so they survive a restart of the Pi as they do one of the
 * phone. Complete, they are in the queue like any other.
 */
export class ResumableUploads {
  readonly #parts: ResumableParts;
  readonly #book: ResumableBook;
  readonly #chunks: ChunkIntake;
  #cancel: Cancel = () => undefined;

  constructor(parts: ResumableParts) {
    this.#parts = parts;
    this.#book = new ResumableBook(parts);
    this.#chunks = new ChunkIntake(parts, (upload) => this.#book.drop(upload));
  }

  /** @returns how many uploads had lost their file since the last run */
  async start(): Promise<number> {
    const lost = await this.#parts.spool.recover();
    await this.#expire();
    return lost;
  }

  async stop(): Promise<void> {
    this.#cancel();
    await this.#chunks.stop();
  }

  async begin(caller: Caller, wish: ResumableWish): Promise<Begun> {
    const { clock, spool, randomBytes, maxFileBytes, bornAt } = this.#parts;
    const aimed = await this.#aim(caller, wish.folder, wish.filename);
    if ('code' in aimed) return aimed;
    if (wish.totalBytes > maxFileBytes) return tooLarge(maxFileBytes);
    return this.#onDisk(async () => {
      if (!(await this.#book.hasPlace(caller.user.id))) {
        const detail = 'Complete or delete one of your unfinished uploads first.';
        return refused('too_many_tries', detail);
      }
      const nowMs = clock.nowMs();
      const id = uploadId(nowMs, randomBytes);
      // Nothing is set aside for what may never come; what cannot fit is told before it is sent.
      const refusal = await this.#parts.room.refusal(caller.user.id, wish.totalBytes);
      if (refusal !== null) return refusal;
      const { folder, filename } = aimed;
      const { id: userId, username } = caller.user;
      const owner = { userId, ownerCreatedAt: bornAt(userId) };
      const what = { id, ...owner, folder, filename, totalBytes: wish.totalBytes };
      await spool.open({ ...what, username });
      await this.#book.add({ ...what, receivedBytes: 0, nextIndex: 0, touchedAtMs: nowMs });
      return { kind: 'begun', id, chunkBytes: CHUNK_BYTES };
    });
  }

  /** What a caller began and did not complete; what moved last first. */
  unfinished(caller: Caller): readonly ResumableUpload[] {
    return this.#book.unfinished(caller);
  }

  /** Says, from the headers alone, whether a chunk's body should be read at all. */
  async admitChunk(
    caller: Caller,
    request: IncomingMessage,
    id: string,
    index: number,
  ): Promise<Refused | null> {
    const upload = this.#book.own(caller, id);
    const refusal = this.#chunks.admit(request, upload, index);
    if (upload === null || refusal !== 'too much') return refusal === 'too much' ? null : refusal;
    return this.#onDisk(() => this.#chunks.alone(id, () => this.#chunks.spoilt(upload)));
  }

  /** The request is left open and paused where it is refused. */
  async chunk(
    caller: Caller,
    request: IncomingMessage,
    id: string,
    index: number,
  ): Promise<ChunkReceived> {
    return this.#onDisk(() =>
      this.#chunks.receive(request, () => this.#book.own(caller, id), index),
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
        const upload = this.#book.own(caller, id);
        if (upload === null) return noSuchUpload();
        const { receivedBytes, totalBytes } = upload;
        if (receivedBytes < totalBytes) {
          // The NAS would store a file that is cut short and say that all is well.
          const detail = `${receivedBytes} of ${totalBytes} bytes are here. Send the rest first.`;
          return refused('conflict', detail);
        }
        return this.#publish(caller, upload, content);
      }),
    );
  }

  async abort(caller: Caller, id: string): Promise<{ readonly kind: 'done' } | Refused> {
    return this.#chunks.alone(id, () =>
      this.#onDisk(async () => {
        const upload = this.#book.own(caller, id);
        if (upload === null) return noSuchUpload();
        await this.#book.drop(upload);
        return { kind: 'done' };
      }),
    );
  }

  /** Whether one of that user began or moved lately, so that more of it is to be expected. */
  isMoving(userId: number): boolean {
    return this.#book.isMoving(userId);
  }

  /** Bytes on the disk. */
  storedBytes(): number {
    return this.#parts.rows.receivedBytes();
  }

  async #publish(
    caller: Caller,
    upload: ResumableUpload,
    content: ContentHeaders,
  ): Promise<Completed> {
    const { publisher, spool, rows } = this.#parts;
    const aimed = await this.#aim(caller, upload.folder, upload.filename);
    if ('code' in aimed) return aimed;
    const sha256 = await spool.hashOf(upload);
    if (content.contentSha256 !== null && content.contentSha256 !== sha256) {
      await this.#book.drop(upload);
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
    this.#parts.onQueued();
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
    const refusal = await this.#parts.admission.checkTarget(caller, target.path);
    return refusal ?? { folder: path, filename, target };
  }

  async #expire(): Promise<void> {
    const { clock, log } = this.#parts;
    for (const upload of this.#book.overdue()) {
      await this.#chunks.alone(upload.id, () => this.#book.drop(upload));
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
