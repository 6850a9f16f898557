import type { IncomingMessage } from 'node:http';
import type { Clock } from '../../time/clock.ts';
import {
  type BodySlots,
  refused,
  type Refused,
  type Reservation,
  type UploadQuota,
} from '../receive/admission.ts';
import { feedBody } from '../receive/multipart.ts';
import { type Disk, GatheredWrites, type SpoolHandle } from '../spool/disk.ts';
import type { ResumableRows, ResumableUpload } from './resumable-rows.ts';
import type { ResumableSpool } from './resumable-spool.ts';

/** What of a chunk may wait for the disk before its sender is held back. */
const MOST_HELD_BYTES = 1024 * 1024;

export type ChunkReceived =
  /** Of the whole upload, all durable. */
  | { readonly kind: 'received'; readonly receivedBytes: number }
  | Refused
  /** The caller went away before the end; none of the chunk counts. */
  | { readonly kind: 'gone' };

export interface ChunkIntakeDeps {
  readonly disk: Disk;
  readonly rows: ResumableRows;
  readonly spool: ResumableSpool;
  readonly slots: BodySlots;
  readonly room: UploadQuota;
  readonly clock: Clock;
}

interface Running {
  readonly request: IncomingMessage | null;
  readonly done: Promise<unknown>;
}

/** Receives chunks of resumable uploads: of each upload one at a time, and that in its order. */
export class ChunkIntake {
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
   * Does something to an upload while nothing else is done to it. A chunk that is still coming in
   * is cut: who calls now knows better than a connection that may be dead.
   * @param request the chunk that is coming in; null for anything else
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

  /** @param find the upload as it is once nothing else is done to it */
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

  /** As on the NAS: who sends more than was said has lost count, and starts again. */
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
        return await this.#withRoom(request, upload);
      } finally {
        giveBack();
      }
    } finally {
      request.off('close', onClose);
    }
  }

  /** Room is taken for this chunk alone. */
  async #withRoom(request: IncomingMessage, upload: ResumableUpload): Promise<ChunkReceived> {
    const length = request.headers['content-length'];
    const bytes = length === undefined ? null : Number(length);
    const reserved = await this.#deps.room.reserve(upload.userId, bytes);
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
      // Durable before it is said to be here. A sync that fails is never tried again.
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
    const flow: Flow = { isTooMuch: false, isStopped: false, noRoom: null, wake: () => undefined };
    const writing = writes.writeTo(handle, {
      takeRoom: (bytes) => takeRoom(reservation, flow, bytes),
      written: () => {
        flow.wake();
        return Promise.resolve();
      },
    });
    const onStop = (): void => {
      flow.isStopped = true;
      flow.wake();
    };
    // What it throws is thrown again where it is waited for.
    writing.then(onStop, onStop);
    const fed = await feedBody(request, {
      take: (piece) => {
        flow.isTooMuch ||= receivedBytes + writes.sizeBytes + piece.length > totalBytes;
        if (!flow.isTooMuch) writes.push(piece);
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

/** What goes on while a chunk is written. */
interface Flow {
  isTooMuch: boolean;
  isStopped: boolean;
  noRoom: Refused | null;
  wake: () => void;
}

/** @param bytes all that came; null where not all of it was written */
function writtenAs(flow: Flow, isGone: boolean, bytes: number | null): Written {
  if (flow.isTooMuch) return { kind: 'too much' };
  if (isGone) return { kind: 'gone' };
  return bytes === null ? (flow.noRoom ?? refused('no_room')) : { kind: 'whole', bytes };
}

async function takeRoom(reservation: Reservation, flow: Flow, bytes: number): Promise<boolean> {
  flow.noRoom = await reservation.take(bytes);
  return flow.noRoom === null;
}

type Written =
  | { readonly kind: 'whole'; readonly bytes: number }
  | { readonly kind: 'too much' }
  | { readonly kind: 'gone' }
  | Refused;

/** The same for what never was, is over and is somebody else's. */
export function noSuchUpload(): Refused {
  return refused('not_found', 'Upload session not found');
}
