import type { IncomingMessage } from 'node:http';
import type { Caller } from '../accounts/caller.ts';
import type { Clock } from '../time/clock.ts';
import {
  refused,
  refusedAt,
  WRONG_HASH,
  type Admission,
  type Refused,
  type UploadCall,
  type UploadHeaders,
} from './admission.ts';
import type { BodySlots } from './body-slots.ts';
import { diskFaultOf, type Disk } from './disk.ts';
import type { FileHashing } from './file-hashing.ts';
import type { AcceptedFile, AimedFile } from './enqueue.ts';
import type { ReceivedFile } from './body-files.ts';
import { MultipartIntake } from './multipart-intake.ts';
import type { Publisher } from './publisher.ts';
import type { Reservation, RoomKeeper } from './room-keeper.ts';
import { senderOf } from './sender.ts';
import { readTarget } from './target.ts';
import { uploadId, type RandomBytes } from './upload-id.ts';
import type { ShownListings } from './upload-ports.ts';

export type AcceptOutcome =
  /** Names, bytes and intent survive a power cut from now on. */
  | { readonly kind: 'accepted'; readonly files: readonly AcceptedFile[] }
  | Refused
  /** The caller went away before the end of the body; nothing was kept. */
  | { readonly kind: 'gone' };

export interface IntakeParts {
  readonly admission: Admission;
  readonly slots: BodySlots;
  readonly room: RoomKeeper;
  readonly publisher: Publisher;
  readonly disk: Disk;
  readonly hashing: FileHashing;
  readonly clock: Clock;
  readonly listings: ShownListings;
  readonly randomBytes: RandomBytes;
  readonly incomingFolder: string;
  readonly maxFileBytes: number;
}

const KEY_REUSED = {
  loc: ['header', 'Idempotency-Key'],
  detail: 'This Idempotency-Key was used with another body.',
} as const;

/** From a request to rows in the queue: everything before the answer 200. */
export class Intake {
  readonly #parts: IntakeParts;
  readonly #running = new Map<IncomingMessage, Promise<unknown>>();
  #closed = false;

  constructor(parts: IntakeParts) {
    this.#parts = parts;
  }

  /**
   * Receives a body and queues its files, all or none. The request is left open and paused where it
   * is refused, so that the answer can still be given.
   * @param path the query's `path`
   */
  async accept(
    caller: Caller,
    request: IncomingMessage,
    path: string | null,
  ): Promise<AcceptOutcome> {
    if (this.#closed) return refused('restarting');
    const work = this.#accept(caller, request, path);
    this.#running.set(request, work);
    try {
      return await work;
    } finally {
      this.#running.delete(request);
    }
  }

  /** Cuts the bodies that are still coming in and waits for the rest to be done. */
  async stop(): Promise<void> {
    this.#closed = true;
    const running = [...this.#running];
    for (const [request] of running) if (!request.complete) request.destroy();
    await Promise.allSettled(running.map(([, work]) => work));
    await this.#parts.publisher.idle();
  }

  async #accept(
    caller: Caller,
    request: IncomingMessage,
    path: string | null,
  ): Promise<AcceptOutcome> {
    const call: UploadCall = { caller, headers: request.headers, path };
    const admitted = await this.#parts.admission.check(call);
    if (admitted.kind === 'refused') return admitted;
    const gone = new AbortController();
    const onClose = (): void => {
      gone.abort();
    };
    request.once('close', onClose);
    try {
      if (request.destroyed && !request.complete) return { kind: 'gone' };
      const giveBack = await this.#parts.slots.take(caller.user.id, gone.signal);
      if (giveBack === 'gone') return { kind: 'gone' };
      if (giveBack === 'crowded') return refused('too_many_tries');
      try {
        return await this.#reserveAndReceive(call, request, admitted.headers);
      } finally {
        giveBack();
      }
    } finally {
      request.off('close', onClose);
    }
  }

  async #reserveAndReceive(
    call: UploadCall,
    request: IncomingMessage,
    headers: UploadHeaders,
  ): Promise<AcceptOutcome> {
    let reservation: Reservation | null = null;
    try {
      const reserved = await this.#parts.room.reserve(call.caller.user.id, headers.lengthBytes);
      if ('code' in reserved) return reserved;
      reservation = reserved;
      return await this.#receive(call, request, headers, reservation);
    } catch (error) {
      const fault = diskFaultOf(error);
      if (fault === null) throw error;
      return refused(fault);
    } finally {
      reservation?.release();
    }
  }

  async #receive(
    call: UploadCall,
    request: IncomingMessage,
    headers: UploadHeaders,
    reservation: Reservation,
  ): Promise<AcceptOutcome> {
    const { admission, clock, randomBytes } = this.#parts;
    const received = await new MultipartIntake({
      ...this.#parts,
      reservation,
      queryPath: call.path,
      newId: () => uploadId(clock.nowMs(), randomBytes),
      checkPlace: (path) => admission.checkPlace(call.caller, path),
    }).receive(request);
    if (received.kind !== 'received') return received;
    const path = received.path ?? call.path ?? '';
    let aimed: readonly AimedFile[] | Refused | null = null;
    try {
      aimed = await this.#aim(call.caller, path, received.files, headers);
      if ('code' in aimed) return aimed;
    } finally {
      if (aimed === null || 'code' in aimed) await this.#discard(received.files);
    }
    const enqueued = await this.#parts.publisher.publish({
      user: call.caller.user,
      sender: senderOf(call.caller),
      files: aimed,
      idempotencyKey: headers.idempotencyKey,
      baseChecksum: headers.baseChecksum,
    });
    return enqueued.kind === 'key_reused'
      ? refusedAt(KEY_REUSED.loc, KEY_REUSED.detail)
      : { kind: 'accepted', files: enqueued.files };
  }

  /** Finds each file's target and checks it, and what the headers say of the content. */
  async #aim(
    caller: Caller,
    path: string,
    files: readonly ReceivedFile[],
    headers: UploadHeaders,
  ): Promise<readonly AimedFile[] | Refused> {
    const { room } = this.#parts;
    const wrong = faultOf(files, headers) ?? (await room.rowsRefusal(caller.user.id, files.length));
    if (wrong !== null) return wrong;
    const { listings, admission } = this.#parts;
    const aimed: AimedFile[] = [];
    for (const { filename, staged } of files) {
      const read = readTarget({ path, filename, several: files.length > 1 }, (shown) =>
        listings.shows(caller.user.id, shown),
      );
      if (read.kind === 'bad_path') return refused('bad_path', read.reason);
      const { target } = read;
      for (const reading of [target.path, target.secondPath]) {
        const refusal = reading === null ? null : await admission.checkTarget(caller, reading);
        if (refusal !== null) return refusal;
      }
      aimed.push({ staged, target });
    }
    return nameTwice(aimed) ?? aimed;
  }

  async #discard(files: readonly ReceivedFile[]): Promise<void> {
    for (const { staged } of files) await this.#parts.disk.remove(staged.partFile);
  }
}

/** Two files of one request that would fall together: only one of them could survive. */
function nameTwice(files: readonly AimedFile[]): Refused | null {
  const hashes = new Map<string, string>();
  for (const { staged, target } of files) {
    const known = hashes.get(target.path);
    if (known !== undefined && known !== staged.sha256) {
      const detail = `Two different files of this request would both be ${target.path}. Give each a name of its own.`;
      return refusedAt(['body', 'files'], detail);
    }
    hashes.set(target.path, staged.sha256);
  }
  return null;
}

function faultOf(files: readonly ReceivedFile[], headers: UploadHeaders): Refused | null {
  const [first] = files;
  if (first === undefined) {
    return refused('invalid', 'The body has no part named file or files.');
  }
  const { contentSha256, baseChecksum } = headers;
  if (files.length > 1 && (contentSha256 !== null || baseChecksum !== null)) {
    const loc = ['header', contentSha256 === null ? 'X-Base-Checksum' : 'X-Content-SHA256'];
    return refusedAt(loc, 'X-Content-SHA256 and X-Base-Checksum go with a single file.');
  }
  if (contentSha256 !== null && contentSha256 !== first.staged.sha256) {
    return refusedAt(WRONG_HASH.loc, WRONG_HASH.detail);
  }
  return null;
}
