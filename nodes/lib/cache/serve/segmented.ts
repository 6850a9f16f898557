import type { IncomingMessage, ServerResponse } from 'node:http';
import { type FileVersion, isWithin, type LocatedFile } from '../../files/files.ts';
import type { ByteRange } from '../../http/http.ts';
import type { Store } from '../../store/store.ts';
import type { Cancel, Clock } from '../../time/clock.ts';
import { Downloads } from '../download/download.ts';
import type { DownloadHead, Origin } from '../download/origin.ts';
import type { OpenSegment, SegmentReader } from '../download/ranges.ts';
import { SegmentedDownload } from '../download/segmented-download.ts';
import type { BlobStore } from '../entries/blob-store.ts';
import type { SegmentStore } from '../entries/entry-store.ts';
import {
  pieceAt,
  type SegmentedFile,
  pieceEnd,
  type SegmentRows,
  piecesOf,
  pieceStart,
} from '../entries/segment-rows.ts';
import type { Reservation } from '../entries/space.ts';
import type { CacheCounters } from '../stats/stats.ts';
import type { Freshness, SegmentedTicket, ServeOutcome } from '../verify/freshness.ts';
import {
  type Availability,
  type BufferPool,
  type Extent,
  type ResponseWriter,
  sendExtent,
  type SendOutcome,
} from './extent.ts';
import {
  type Answered,
  type AnswerPlan,
  headOf,
  likelyRange,
  type PartSource,
  planAnswer,
  respond,
  sendFromOrigin,
  validatorsOf,
} from './respond.ts';

interface SegmentedFilesDeps {
  readonly store: Store;
  readonly rows: SegmentRows;
  readonly shelf: SegmentStore;
  readonly blobs: BlobStore;
  readonly clock: Clock;
  readonly pool: BufferPool;
  readonly tally: CacheCounters;
  readonly touches: SegmentTouches;
  readonly reserve: (bytes: number) => Promise<Reservation | null>;
  readonly storageFailed: (cause: unknown) => void;
}

/** Files held in pieces: served from what is here, fetched where it is not. */
export class SegmentedFiles {
  readonly #deps: SegmentedFilesDeps;
  readonly #fills: Downloads<SegmentedDownload>;
  /** By path, how many answers are made of it now. */
  readonly #answering = new Map<string, number>();
  /** Emptied while it was read: its pieces go with the last reader. */
  readonly #owed = new Set<string>();

  constructor(deps: SegmentedFilesDeps) {
    this.#deps = deps;
    this.#fills = new Downloads((origin, target) => new SegmentedDownload(deps, origin, target));
  }

  find(path: string): SegmentedFile | null {
    return this.#deps.rows.find(path);
  }

  isWhole(path: string): boolean {
    return this.#deps.rows.isWhole(path);
  }

  /** A ticket when every byte that a request asks for is here; a HEAD or a 304 needs none. */
  ticketFor(
    file: LocatedFile,
    pieced: SegmentedFile,
    freshness: Freshness,
    request: IncomingMessage,
  ): SegmentedTicket | null {
    const ticket = { file, pieced, ...freshness };
    const { rows } = this.#deps;
    const isAllHere = planOf(ticket, request, this.#deps.clock.nowMs()).parts.every(({ range }) => {
      const { first, last } = piecesOf(range);
      return rows.covers(pieced.id, first, last);
    });
    return isAllHere ? ticket : null;
  }

  /** Sends what a ticket is for. Nothing is written when it is `gone`. */
  serve(
    ticket: SegmentedTicket,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<ServeOutcome> {
    return this.#reading(ticket.file.path, () => this.#serve(ticket, request, response));
  }

  async #serve(
    ticket: SegmentedTicket,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<ServeOutcome> {
    const { pieced, heldAtMs } = ticket;
    const { tally, touches, pool } = this.#deps;
    const plan = planOf(ticket, request, this.#deps.clock.nowMs());
    const [part] = plan.parts;
    // Opened once before the head is sent, while it can still be said that it is gone.
    const first = part === undefined ? undefined : piecesOf(part.range).first;
    const opened = first === undefined ? undefined : await this.#open(pieced, first);
    if (opened === null) return { kind: 'gone' };
    await opened?.close();
    tally.answered(plan.fileBytes);
    touches.confirmed(pieced.id, heldAtMs);
    const source = keptSource((number) => this.#open(pieced, number), pool);
    return { kind: 'answered', whole: await respond(request, response, plan, source) };
  }

  /** Answers from what is here and fetches the rest, joining a fill that runs already. */
  answer(
    file: LocatedFile,
    version: FileVersion,
    origin: Origin,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<Answered | { readonly kind: 'no_storage' }> {
    return this.#reading(file.path, () => this.#answer(file, version, origin, request, response));
  }

  async #answer(
    file: LocatedFile,
    version: FileVersion,
    origin: Origin,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<Answered | { readonly kind: 'no_storage' }> {
    const fill = this.#fillOf(file, version, origin);
    const wanted = likelyRange(request, version.sizeBytes);
    const reader: SegmentReader = {
      origin,
      position: wanted?.first ?? 0,
      last: wanted?.last ?? version.sizeBytes - 1,
      isPartial: wanted !== null,
    };
    fill.join(reader);
    try {
      const opened = await fill.begin(reader);
      if (opened.kind !== 'open') return opened;
      const nowMs = this.#deps.clock.nowMs();
      const plan = planAnswer(request, headOf(file, version, opened.head, 'miss', nowMs));
      const source = this.#growing(fill, reader, opened.head);
      return { kind: 'answered', plan, whole: await respond(request, response, plan, source) };
    } finally {
      fill.leave(reader);
    }
  }

  /**
   * Joins the fill of a file as one who reads all of it and is nobody. What came is kept when its
   * reader leaves and on the way; to be left with {@link SegmentedDownload.leave}.
   */
  joinAll(
    file: LocatedFile,
    version: FileVersion,
    origin: Origin,
  ): { readonly fill: SegmentedDownload; readonly reader: SegmentReader } {
    const fill = this.#fillOf(file, version, origin);
    const reader = { origin, position: 0, last: version.sizeBytes - 1, isPartial: false };
    fill.join(reader);
    return { fill, reader };
  }

  /** What lies at or below a path goes, and what of it is being fetched is not kept. */
  drop(path: string): Promise<void> {
    this.#fills.doom(path);
    return this.#deps.shelf.discardBelow(path);
  }

  /** What lay at or below a path lies at another now, where nothing is kept. */
  move(from: string, to: string): void {
    this.#fills.doom(from);
    this.#deps.rows.files.move(from, to);
  }

  /**
   * As {@link drop} for whoever empties the cache: what somebody pinned stays, and what is being
   * read goes with its last reader.
   */
  async empty(path: string): Promise<void> {
    const { rows, shelf } = this.#deps;
    const read = new Set<number>();
    for (const reading of this.#answering.keys()) {
      const file = isWithin(reading, path) ? rows.find(reading) : null;
      if (file === null) continue;
      this.#owed.add(reading);
      read.add(file.id);
    }
    await shelf.discardUnpinned(path, (fileId) => read.has(fileId));
  }

  /** Cuts off what is being fetched and waits until its temporary files are gone. */
  async stop(): Promise<void> {
    await this.#fills.stop();
    this.#deps.touches.flush();
  }

  async #reading<T>(path: string, work: () => Promise<T>): Promise<T> {
    this.#answering.set(path, (this.#answering.get(path) ?? 0) + 1);
    try {
      return await work();
    } finally {
      const others = (this.#answering.get(path) ?? 1) - 1;
      if (others > 0) this.#answering.set(path, others);
      else this.#answering.delete(path);
      if (others === 0 && this.#owed.delete(path)) await this.empty(path);
    }
  }

  #fillOf(file: LocatedFile, version: FileVersion, origin: Origin): SegmentedDownload {
    const { path, mimeType, ownerId } = file;
    const running = this.#fills.find(path, version);
    return running ?? this.#fills.start(origin, { path, version, mimeType, ownerId });
  }

  async #open({ path, version }: SegmentedFile, number: number): Promise<OpenSegment | null> {
    const kept = await this.#deps.shelf.open(path, version, number);
    if (kept === null) return null;
    const { piece, blob } = kept;
    this.#deps.touches.used(piece.id);
    const [start, end] = [pieceStart(number), pieceEnd(number, version.sizeBytes)];
    const { fd, read } = blob;
    return { fd, read, start, end, id: piece.id, close: () => blob.close() };
  }

  #growing(fill: SegmentedDownload, reader: SegmentReader, head: DownloadHead): PartSource {
    const { pool, touches } = this.#deps;
    const { version } = fill;
    return growingSource(
      fill,
      reader,
      pool,
      (pieceId) => {
        touches.used(pieceId);
      },
      (outlet, rest) => sendFromOrigin(outlet, reader.origin, rest, version, head.etag),
    );
  }
}

function planOf(ticket: SegmentedTicket, request: IncomingMessage, nowMs: number): AnswerPlan {
  const { file, pieced, label, ageSeconds } = ticket;
  const { version } = pieced;
  return planAnswer(request, {
    name: file.name,
    sizeBytes: version.sizeBytes,
    ...validatorsOf(version, version.etag, nowMs),
    mimeType: file.mimeType ?? pieced.mimeType,
    label,
    ageSeconds,
  });
}

/** What a piece is opened with; null where it is gone. */
type OpenKept = (number: number) => Promise<OpenSegment | null>;

/** A file whose wanted pieces are all kept. One that is gone meanwhile cuts its reader off. */
function keptSource(open: OpenKept, pool: BufferPool): PartSource {
  return {
    send: async (outlet, range) => {
      let position = range.first;
      while (position <= range.last) {
        const piece = await open(pieceAt(position));
        if (piece === null) return false;
        const stretch = { first: position, last: Math.min(range.last, piece.end - 1) };
        const outcome = await sendPiece(outlet, piece, wholePiece(piece), stretch, pool);
        if (outcome.kind !== 'sent') return false;
        position = piece.end;
      }
      return true;
    },
  };
}

/**
 * A file that is being fetched. The last byte of each stretch waits until the NAS has shown that
 * all of the stretch is of one version, so that bytes that turn out torn never end cleanly.
 * @param past sends the rest of a stretch from the NAS, where the disk took no more
 */
function growingSource(
  fill: SegmentedDownload,
  reader: SegmentReader,
  pool: BufferPool,
  used: (pieceId: number) => void,
  past: (outlet: ResponseWriter, rest: ByteRange) => Promise<boolean>,
): PartSource {
  const send = async (outlet: ResponseWriter, range: ByteRange): Promise<boolean> => {
    const outcome = await follow(outlet, fill, reader, range, pool, used);
    if (outcome.kind === 'sent') return true;
    return outcome.kind === 'unstored' && past(outlet, { ...range, first: outcome.position });
  };
  return {
    send: async (outlet, range) => {
      reader.position = range.first;
      reader.last = range.last;
      if (fill.here.isKept(range.first, range.last)) return send(outlet, range);
      const { first, last } = range;
      if (last > first && !(await send(outlet, { first, last: last - 1 }))) return false;
      if (
        (await fill.whenThere(reader, last)) === 'there' &&
        (await fill.proofs.prove()) === 'changed'
      ) {
        return false;
      }
      return send(outlet, { first: last, last });
    },
  };
}

async function follow(
  outlet: ResponseWriter,
  fill: SegmentedDownload,
  reader: SegmentReader,
  range: ByteRange,
  pool: BufferPool,
  used: (pieceId: number) => void,
): Promise<SendOutcome> {
  let position = range.first;
  while (position <= range.last) {
    reader.position = position;
    outlet.whenClosed(() => {
      fill.here.arrivals.cancel(reader);
    });
    const piece = await fill.open(reader, position);
    if (piece === 'cut') return { kind: 'cut' };
    if (piece === 'unstored') return { kind: 'unstored', position };
    if (piece.id !== null) used(piece.id);
    const stretch = { first: position, last: Math.min(range.last, piece.end - 1) };
    const extent = piece.id === null ? growingPiece(fill, reader, piece) : wholePiece(piece);
    const outcome = await sendPiece(outlet, piece, extent, stretch, pool);
    if (outcome.kind !== 'sent') return outcome;
    position = stretch.last + 1;
  }
  return { kind: 'sent' };
}

/** Sends part of a piece and closes it. @param stretch in positions of the file, as the outcome */
async function sendPiece(
  outlet: ResponseWriter,
  piece: OpenSegment,
  extent: Extent,
  stretch: ByteRange,
  pool: BufferPool,
): Promise<SendOutcome> {
  try {
    const within = { first: stretch.first - piece.start, last: stretch.last - piece.start };
    const outcome = await sendExtent(outlet, extent, within, pool);
    if (outcome.kind !== 'unstored') return outcome;
    return { ...outcome, position: outcome.position + piece.start };
  } finally {
    await piece.close();
  }
}

function wholePiece(piece: OpenSegment): Extent {
  return {
    fd: piece.fd,
    ...(piece.read === undefined ? {} : { read: piece.read }),
    available: () => ({ kind: 'upto', bytes: piece.end - piece.start }),
    cancel: () => undefined,
  };
}

/** A piece on its way, in positions of its own. */
function growingPiece(fill: SegmentedDownload, reader: SegmentReader, piece: OpenSegment): Extent {
  const upto = (position: number): Availability => ({
    kind: 'upto',
    bytes: Math.min(fill.here.arrivals.present.endFrom(position), piece.end) - piece.start,
  });
  return {
    fd: piece.fd,
    available: (within) => {
      const position = within + piece.start;
      reader.position = position;
      const arrival = fill.whenThere(reader, position);
      if (arrival === 'there') return upto(position);
      return Promise.resolve(arrival).then((how) =>
        how === 'there' ? upto(position) : { kind: how },
      );
    },
    cancel: () => {
      fill.here.arrivals.cancel(reader);
    },
  };
}

const FLUSH_AFTER_MS = 1_000;
const FLUSH_AT = 256;

/** Uses of pieces, gathered and written together, as those of whole copies are. */
export class SegmentTouches {
  readonly #store: Store;
  readonly #rows: SegmentRows;
  readonly #clock: Pick<Clock, 'nowMs' | 'after'>;
  readonly #uses = new Map<number, number>();
  readonly #confirmed = new Map<number, number>();
  #timer: Cancel | null = null;

  constructor(store: Store, rows: SegmentRows, clock: Pick<Clock, 'nowMs' | 'after'>) {
    this.#store = store;
    this.#rows = rows;
    this.#clock = clock;
  }

  /** A piece was read. */
  used(pieceId: number): void {
    this.#uses.set(pieceId, (this.#uses.get(pieceId) ?? 0) + 1);
    this.#soon();
  }

  /** The version of a file was held against what the NAS tells, at that time. */
  confirmed(fileId: number, heldAtMs: number): void {
    this.#confirmed.set(fileId, Math.max(this.#confirmed.get(fileId) ?? 0, heldAtMs));
    this.#soon();
  }

  flush(): void {
    this.#timer?.();
    this.#timer = null;
    if (this.#uses.size === 0 && this.#confirmed.size === 0) return;
    const nowMs = this.#clock.nowMs();
    this.#store.transaction(() => {
      for (const [id, uses] of this.#uses) this.#rows.touch(id, uses, nowMs);
      for (const [id, atMs] of this.#confirmed) this.#rows.files.validated(id, atMs);
    });
    this.#uses.clear();
    this.#confirmed.clear();
  }

  #soon(): void {
    if (this.#uses.size >= FLUSH_AT) this.flush();
    else
      this.#timer ??= this.#clock.after(FLUSH_AFTER_MS, () => {
        this.#timer = null;
        this.flush();
      });
  }
}
