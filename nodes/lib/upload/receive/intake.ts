import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import type { Caller } from '../../accounts/caller.ts';
import type { Clock } from '../../time/clock.ts';
import { type Disk, diskFaultOf } from '../spool/disk.ts';
import type { FileHashing } from '../spool/hashing.ts';
import { PartFile, type StagedFile } from '../spool/part-file.ts';
import { type RandomBytes, type ShownListings, uploadId } from '../upload-deps.ts';
import {
  type Admission,
  type BodySlots,
  boundaryOf,
  refused,
  type Refused,
  refusedAt,
  type Reservation,
  type UploadQuota,
  tooLarge,
  type UploadCall,
  type UploadHeaders,
  WRONG_HASH,
} from './admission.ts';
import { type AcceptedFile, type AimedFile, senderOf } from './enqueue.ts';
import {
  feedBody,
  MultipartError,
  MultipartParser,
  type PartHead,
  readPartHead,
} from './multipart.ts';
import type { Publisher } from './publisher.ts';
import { readFilename, readTarget } from './target.ts';

export type AcceptOutcome =
  /** From now on names, bytes and intent survive a power cut. */
  | { readonly kind: 'accepted'; readonly files: readonly AcceptedFile[] }
  | Refused
  /** The caller went away before the end of the body; nothing was kept. */
  | { readonly kind: 'gone' };

interface IntakeDeps {
  readonly admission: Admission;
  readonly slots: BodySlots;
  readonly quota: UploadQuota;
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

/** Everything between a request and the answer 200: receiving, checking, queueing. */
export class Intake {
  readonly #deps: IntakeDeps;
  readonly #running = new Map<IncomingMessage, Promise<unknown>>();
  #closed = false;

  constructor(deps: IntakeDeps) {
    this.#deps = deps;
  }

  /**
   * Receives a body and queues its files, all or none. A refused request is left open and paused,
   * so that the answer can still be given.
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

  /** Aborts the bodies still coming in, and waits for the rest to finish. */
  async stop(): Promise<void> {
    this.#closed = true;
    const running = [...this.#running];
    for (const [request] of running) if (!request.complete) request.destroy();
    await Promise.allSettled(running.map(([, work]) => work));
    await this.#deps.publisher.idle();
  }

  async #accept(
    caller: Caller,
    request: IncomingMessage,
    path: string | null,
  ): Promise<AcceptOutcome> {
    const call: UploadCall = { caller, headers: request.headers, path };
    const admitted = await this.#deps.admission.check(call);
    if (admitted.kind === 'refused') return admitted;
    const gone = new AbortController();
    const onClose = (): void => {
      gone.abort();
    };
    request.once('close', onClose);
    try {
      if (request.destroyed && !request.complete) return { kind: 'gone' };
      const giveBack = await this.#deps.slots.take(caller.user.id, gone.signal);
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
      const reserved = await this.#deps.quota.reserve(call.caller.user.id, headers.lengthBytes);
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
    const { admission, clock, randomBytes } = this.#deps;
    const received = await new MultipartIntake({
      ...this.#deps,
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
    const enqueued = await this.#deps.publisher.publish({
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

  /** Finds and checks each file's target, and checks the content against the headers. */
  async #aim(
    caller: Caller,
    path: string,
    files: readonly ReceivedFile[],
    headers: UploadHeaders,
  ): Promise<readonly AimedFile[] | Refused> {
    const { quota } = this.#deps;
    const wrong =
      faultOf(files, headers) ?? (await quota.rowsRefusal(caller.user.id, files.length));
    if (wrong !== null) return wrong;
    const { listings, admission } = this.#deps;
    const aimed: AimedFile[] = [];
    for (const { filename, staged } of files) {
      const read = readTarget({ path, filename, several: files.length > 1 }, (shown) =>
        listings.shows(caller.user.id, shown),
      );
      if (read.kind === 'bad_path') return refused('bad_path', read.reason);
      const { target } = read;
      for (const reading of [target.path, target.secondPath]) {
        const refusal = reading === null ? null : await admission.checkFile(caller, reading);
        if (refusal !== null) return refusal;
      }
      aimed.push({ staged, target });
    }
    return nameTwice(aimed) ?? aimed;
  }

  async #discard(files: readonly ReceivedFile[]): Promise<void> {
    for (const { staged } of files) await this.#deps.disk.remove(staged.partFile);
  }
}

/** Two files of one request have the same target, so only one could survive. */
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

/** No request may open more of anything than this. */
const MOST_FIELDS = 10;
const MOST_FILES = 200;
const MOST_FIELD_BYTES = 8 * 1024;
const LONGEST_FIELD_NAME = 100;

type Received =
  | {
      readonly kind: 'received';
      readonly files: readonly ReceivedFile[];
      /** The body's `path` field; null where it has none. */
      readonly path: string | null;
    }
  | Refused
  /** The caller went away before the end. */
  | { readonly kind: 'gone' };

interface MultipartIntakeDeps extends BodyFilesDeps {
  /** The query's `path`; null where it has none. */
  readonly queryPath: string | null;
  /** Refuses a `path` field as soon as it is read. */
  readonly checkPlace: (path: string) => Promise<Refused | null>;
}

/** The part being received. */
type Part =
  | { readonly kind: 'file' }
  /** `bytes` is null where nobody needs the value. */
  | { readonly kind: 'field'; readonly chunks: Buffer[] | null; sizeBytes: number };

/**
 * Receives one multipart body, reading only as fast as the disk writes, so memory and open files
 * stay bounded. The first fault ends it and leaves nothing on the disk. The request itself is left
 * paused, so that it can be answered.
 */
class MultipartIntake {
  readonly #checkPlace: (path: string) => Promise<Refused | null>;
  readonly #queryPath: string | null;
  readonly #files: BodyFiles;
  #part: Part = { kind: 'file' };
  #fieldCount = 0;
  #fileCount = 0;
  #path: string | null = null;
  #wake: () => void = () => undefined;

  constructor(deps: MultipartIntakeDeps) {
    this.#checkPlace = deps.checkPlace;
    this.#queryPath = deps.queryPath;
    this.#files = new BodyFiles(deps, () => {
      this.#wake();
    });
  }

  /** @throws what is neither the caller's nor the disk's fault */
  async receive(request: IncomingMessage): Promise<Received> {
    const files = this.#files;
    await this.#feed(request);
    await files.settle();
    if (files.end === null) {
      return { kind: 'received', files: files.received(), path: this.#path };
    }
    await files.discard();
    if (files.end.kind === 'surprise') {
      throw new Error('Receiving an upload failed.', { cause: files.end.error });
    }
    return files.end;
  }

  async #feed(request: IncomingMessage): Promise<void> {
    const files = this.#files;
    const boundary = boundaryOf(request.headers['content-type'] ?? '');
    if (boundary === null) {
      files.refuse(refused('malformed', 'Missing boundary in multipart.'));
      return;
    }
    const parser = new MultipartParser(boundary, {
      partBegin: (head) => {
        if (files.end === null) this.#begin(readPartHead(head));
      },
      partData: (bytes) => {
        if (files.end === null) this.#data(bytes);
      },
      partEnd: () => {
        if (files.end === null) this.#end();
      },
    });
    const ended = await feedBody(request, {
      take: (chunk) => {
        this.#guarded(() => {
          parser.push(chunk);
        });
      },
      state: () => (files.end !== null ? 'over' : files.isFull ? 'full' : 'ready'),
      onWake: (wake) => {
        this.#wake = wake;
      },
    });
    if (ended === 'gone') files.refuse({ kind: 'gone' });
    if (ended === 'whole') {
      this.#guarded(() => {
        parser.end();
      });
    }
  }

  #guarded(work: () => void): void {
    try {
      work();
    } catch (error) {
      if (!(error instanceof MultipartError)) this.#files.refuse({ kind: 'surprise', error });
      else if (error.filename !== null) this.#refuseName(error.filename, this.#fileCount + 1);
      else this.#refuse('malformed', `The multipart body cannot be read: ${error.message}.`);
    }
  }

  #refuse(code: Exclude<Refused['code'], 'conflict'>, detail: string): void {
    this.#files.refuse(refused(code, detail));
  }

  #begin({ name, filename }: PartHead): void {
    if (filename === null && name !== 'file' && name !== 'files') {
      this.#beginField(name);
      return;
    }
    this.#part = { kind: 'file' };
    this.#fileCount += 1;
    if (this.#fileCount > MOST_FILES) this.#refuse('invalid', tooMany());
    else if (name !== 'file' && name !== 'files') {
      this.#refuse('invalid', 'Send each file as a part named file or files.');
    } else {
      const read = readFilename(filename ?? '');
      if (read.kind === 'filename') this.#files.begin(read.filename);
      else this.#refuseName(filename ?? '', this.#fileCount);
    }
  }

  #refuseName(filename: string, count: number): void {
    const read = readFilename(filename);
    const reason = read.kind === 'bad_path' ? read.reason : 'The name cannot be read.';
    this.#refuse('bad_path', `File ${count}: ${reason}`);
  }

  #beginField(name: string): void {
    this.#fieldCount += 1;
    this.#part = { kind: 'field', chunks: name === 'path' ? [] : null, sizeBytes: 0 };
    if (this.#fieldCount > MOST_FIELDS) this.#refuse('invalid', tooMany());
    else if (name.length > LONGEST_FIELD_NAME) {
      this.#refuse('malformed', 'A field has too long a name.');
    }
  }

  #data(bytes: Buffer): void {
    if (this.#part.kind === 'file') {
      this.#files.push(bytes);
      return;
    }
    const { chunks } = this.#part;
    this.#part.sizeBytes += bytes.length;
    if (this.#part.sizeBytes <= MOST_FIELD_BYTES) chunks?.push(bytes);
    else if (chunks !== null) this.#refuse('bad_path', 'The path is too long.');
    else this.#refuse('malformed', 'A field is too long.');
  }

  #end(): void {
    if (this.#part.kind === 'file') this.#files.finish();
    else if (this.#part.chunks !== null)
      this.#takePath(Buffer.concat(this.#part.chunks).toString());
  }

  #takePath(path: string): void {
    if (this.#path !== null && this.#path !== path) {
      this.#refuse('malformed', 'The body names two paths.');
      return;
    }
    this.#path = path;
    if (this.#queryPath !== null && !isSamePath(this.#queryPath, path)) {
      const detail = 'The query and the form name different paths.';
      this.#files.refuse(refusedAt(['query', 'path'], detail));
      return;
    }
    this.#files.run(async () => {
      const refusal = await this.#checkPlace(path);
      if (refusal !== null) this.#files.refuse(refusal);
    });
  }
}

/** Callers may send a leading slash (contract 1). */
/** A slash at either end means nothing. */
function isSamePath(one: string, other: string): boolean {
  const bare = (path: string): string => path.replace(/^\/|\/$/g, '');
  return bare(one) === bare(other);
}

function tooMany(): string {
  return `Send at most ${MOST_FILES} files and ${MOST_FIELDS} fields at once.`;
}

/** Files of one body that are written at the same time: small ones sync side by side. */
const FILES_AT_ONCE = 4;
/** How many bytes of one body may wait for the disk before its sender is paused. */
const MOST_HELD_BYTES = 1024 * 1024;

/** A file of a body, durable in the incoming folder. */
interface ReceivedFile {
  readonly filename: string;
  readonly staged: StagedFile;
}

/** Why nothing came of a body. `gone`: its sender left before the end. */
type BodyEnd =
  | Refused
  | { readonly kind: 'gone' }
  | { readonly kind: 'surprise'; readonly error: unknown };

interface BodyFilesDeps {
  readonly disk: Disk;
  readonly hashing: FileHashing;
  readonly incomingFolder: string;
  readonly maxFileBytes: number;
  readonly newId: () => string;
  readonly reservation: Reservation;
}

interface Incoming {
  readonly filename: string;
  readonly part: PartFile;
  staged: StagedFile | null;
}

/** The files of one body being written, and the work that runs parallel to parsing. */
class BodyFiles {
  readonly #deps: BodyFilesDeps;
  readonly #onChange: () => void;
  readonly #files: Incoming[] = [];
  readonly #tasks = new Set<Promise<void>>();
  readonly #queue: Incoming[] = [];
  readonly #storing = new Set<Incoming>();
  #current: Incoming | null = null;
  #end: BodyEnd | null = null;

  /** @param onChange called when there is space for more, and when the body ends */
  constructor(deps: BodyFilesDeps, onChange: () => void) {
    this.#deps = deps;
    this.#onChange = onChange;
  }

  /** Set once: the first reason counts, later ones are only its consequences. */
  get end(): BodyEnd | null {
    return this.#end;
  }

  /** Whether the sender should pause. */
  get isFull(): boolean {
    let heldBytes = 0;
    for (const { part } of [...this.#storing, ...this.#queue]) heldBytes += part.heldBytes;
    return heldBytes >= MOST_HELD_BYTES || this.#queue.length > 1;
  }

  refuse(end: BodyEnd): void {
    this.#end ??= end;
    for (const { part } of this.#files) part.giveUp();
    this.#onChange();
  }

  /** The next file of the body begins. */
  begin(filename: string): void {
    const { disk, hashing, incomingFolder, newId, reservation } = this.#deps;
    const id = newId();
    const part = new PartFile(id, join(incomingFolder, `${id}.part`), {
      disk,
      hashing,
      reserve: async (bytes) => {
        const refusal = await reservation.take(bytes);
        if (refusal !== null) this.refuse(refusal);
        return refusal === null;
      },
      onWritten: this.#onChange,
    });
    const file: Incoming = { filename, part, staged: null };
    this.#current = file;
    this.#files.push(file);
    this.#queue.push(file);
    this.#storeNext();
  }

  /** More bytes of that file. */
  push(bytes: Buffer): void {
    if (this.#current === null || this.#end !== null) return;
    const { part } = this.#current;
    const { maxFileBytes } = this.#deps;
    if (part.sizeBytes + bytes.length > maxFileBytes) this.refuse(tooLarge(maxFileBytes));
    else part.push(bytes);
  }

  /** That file is complete. */
  finish(): void {
    this.#current?.part.end();
    this.#current = null;
  }

  /** Runs a part of the work; if it fails, the whole body fails. */
  run(work: () => Promise<void>): void {
    const task = this.#guarded(work).finally(() => {
      this.#tasks.delete(task);
      this.#onChange();
    });
    this.#tasks.add(task);
  }

  /** Waits for all running work. */
  async settle(): Promise<void> {
    while (this.#tasks.size > 0) await Promise.all(this.#tasks);
  }

  /** All files in the order sent. Only after {@link settle}, and without an end. */
  received(): readonly ReceivedFile[] {
    return this.#files.map(({ filename, staged }) => {
      if (staged === null) throw new Error('A file of the body was never stored.');
      return { filename, staged };
    });
  }

  /** Leaves nothing of the body on the disk. Only after {@link settle}. */
  async discard(): Promise<void> {
    for (const file of this.#files) {
      if (this.#queue.includes(file)) continue;
      try {
        await file.part.discard();
      } catch (error) {
        // If the disk cannot delete either, the next start does.
        if (diskFaultOf(error) === null) throw error;
      }
    }
  }

  async #guarded(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      const fault = diskFaultOf(error);
      this.refuse(fault === null ? { kind: 'surprise', error } : refused(fault));
    }
  }

  #storeNext(): void {
    while (this.#end === null && this.#storing.size < FILES_AT_ONCE) {
      const file = this.#queue.shift();
      if (file === undefined) return;
      this.#storing.add(file);
      this.run(async () => {
        try {
          await this.#store(file);
        } finally {
          this.#storing.delete(file);
          this.#storeNext();
        }
      });
    }
  }

  async #store(file: Incoming): Promise<void> {
    file.staged = await file.part.store();
    if (file.staged === null) this.refuse(refused('no_room'));
  }
}
