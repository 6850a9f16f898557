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
  segmentAt,
  type SegmentedFile,
  segmentEnd,
  type SegmentRows,
  segmentsOf,
  segmentStart,
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

/** Files held in segments: served from what is here, fetched where it is not. */
export class SegmentedFiles {
  readonly #deps: SegmentedFilesDeps;
  readonly #downloads: Downloads<SegmentedDownload>;
  /** By path, how many answers are made of it now. */
  readonly #answering = new Map<string, number>();
  /** Emptied while it was read: its segments go with the last reader. */
  readonly #owed = new Set<string>();

  constructor(deps: SegmentedFilesDeps) {
    this.#deps = deps;
    this.#downloads = new Downloads(
      (origin, target) => new SegmentedDownload(deps, origin, target),
    );
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
    segmented: SegmentedFile,
    freshness: Freshness,
    request: IncomingMessage,
  ): SegmentedTicket | null {
    const ticket = { file, segmented, ...freshness };
    const { rows } = this.#deps;
    const isAllHere = planOf(ticket, request, this.#deps.clock.nowMs()).parts.every(({ range }) => {
      const { first, last } = segmentsOf(range);
      return rows.covers(segmented.id, first, last);
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
    const { segmented, heldAtMs } = ticket;
    const { tally, touches, pool } = this.#deps;
    const plan = planOf(ticket, request, this.#deps.clock.nowMs());
    const [part] = plan.parts;
    // Opened once before the head is sent, while it can still be said that it is gone.
    const first = part === undefined ? undefined : segmentsOf(part.range).first;
    const opened = first === undefined ? undefined : await this.#open(segmented, first);
    if (opened === null) return { kind: 'gone' };
    await opened?.close();
    tally.answered(plan.fileBytes);
    touches.confirmed(segmented.id, heldAtMs);
    const source = keptSource((number) => this.#open(segmented, number), pool);
    return { kind: 'answered', whole: await respond(request, response, plan, source) };
  }

  /** Answers from what is here and fetches the rest, joining a download that runs already. */
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
    const download = this.#downloadOf(file, version, origin);
    const wanted = likelyRange(request, version.sizeBytes);
    const reader: SegmentReader = {
      origin,
      position: wanted?.first ?? 0,
      last: wanted?.last ?? version.sizeBytes - 1,
      isPartial: wanted !== null,
    };
    download.join(reader);
    try {
      const opened = await download.begin(reader);
      if (opened.kind !== 'open') return opened;
      const nowMs = this.#deps.clock.nowMs();
      const plan = planAnswer(request, headOf(file, version, opened.head, 'miss', nowMs));
      const source = this.#growing(download, reader, opened.head);
      return { kind: 'answered', plan, whole: await respond(request, response, plan, source) };
    } finally {
      download.leave(reader);
    }
  }

  /**
   * Joins the download of a file as one who reads all of it and is nobody. What came is kept when its
   * reader leaves and on the way; to be left with {@link SegmentedDownload.leave}.
   */
  joinAll(
    file: LocatedFile,
    version: FileVersion,
    origin: Origin,
  ): { readonly download: SegmentedDownload; readonly reader: SegmentReader } {
    const download = this.#downloadOf(file, version, origin);
    const reader = { origin, position: 0, last: version.sizeBytes - 1, isPartial: false };
    download.join(reader);
    return { download, reader };
  }

  /** What lies at or below a path goes, and what of it is being fetched is not kept. */
  drop(path: string): Promise<void> {
    this.#downloads.doom(path);
    return this.#deps.shelf.discardBelow(path);
  }

  /** What lay at or below a path lies at another now, where nothing is kept. */
  move(from: string, to: string): void {
    this.#downloads.doom(from);
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
    await this.#downloads.stop();
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

  #downloadOf(file: LocatedFile, version: FileVersion, origin: Origin): SegmentedDownload {
    const { path, mimeType, ownerId } = file;
    const running = this.#downloads.find(path, version);
    return running ?? this.#downloads.start(origin, { path, version, mimeType, ownerId });
  }

  async #open({ path, version }: SegmentedFile, number: number): Promise<OpenSegment | null> {
    const kept = await this.#deps.shelf.open(path, version, number);
    if (kept === null) return null;
    const { segment, blob } = kept;
    this.#deps.touches.used(segment.id);
    const [start, end] = [segmentStart(number), segmentEnd(number, version.sizeBytes)];
    const { fd, read } = blob;
    return { fd, read, start, end, id: segment.id, close: () => blob.close() };
  }

  #growing(download: SegmentedDownload, reader: SegmentReader, head: DownloadHead): PartSource {
    const { pool, touches } = this.#deps;
    const { version } = download;
    return growingSource(
      download,
      reader,
      pool,
      (segmentId) => {
        touches.used(segmentId);
      },
      (outlet, rest) => sendFromOrigin(outlet, reader.origin, rest, version, head.etag),
    );
  }
}

function planOf(ticket: SegmentedTicket, request: IncomingMessage, nowMs: number): AnswerPlan {
  const { file, segmented, label, ageSeconds } = ticket;
  const { version } = segmented;
  return planAnswer(request, {
    name: file.name,
    sizeBytes: version.sizeBytes,
    ...validatorsOf(version, version.etag, nowMs),
    mimeType: file.mimeType ?? segmented.mimeType,
    label,
    ageSeconds,
  });
}

/** What a segment is opened with; null where it is gone. */
type OpenKept = (number: number) => Promise<OpenSegment | null>;

/** A file whose wanted segments are all kept. One that is gone meanwhile cuts its reader off. */
function keptSource(open: OpenKept, pool: BufferPool): PartSource {
  return {
    send: async (outlet, range) => {
      let position = range.first;
      while (position <= range.last) {
        const segment = await open(segmentAt(position));
        if (segment === null) return false;
        const stretch = { first: position, last: Math.min(range.last, segment.end - 1) };
        const outcome = await sendSegment(outlet, segment, wholeSegment(segment), stretch, pool);
        if (outcome.kind !== 'sent') return false;
        position = segment.end;
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
  download: SegmentedDownload,
  reader: SegmentReader,
  pool: BufferPool,
  used: (segmentId: number) => void,
  past: (outlet: ResponseWriter, rest: ByteRange) => Promise<boolean>,
): PartSource {
  const send = async (outlet: ResponseWriter, range: ByteRange): Promise<boolean> => {
    const outcome = await follow(outlet, download, reader, range, pool, used);
    if (outcome.kind === 'sent') return true;
    return outcome.kind === 'unstored' && past(outlet, { ...range, first: outcome.position });
  };
  return {
    send: async (outlet, range) => {
      reader.position = range.first;
      reader.last = range.last;
      if (download.here.isKept(range.first, range.last)) return send(outlet, range);
      const { first, last } = range;
      if (last > first && !(await send(outlet, { first, last: last - 1 }))) return false;
      if (
        (await download.whenThere(reader, last)) === 'there' &&
        (await download.proofs.prove()) === 'changed'
      ) {
        return false;
      }
      return send(outlet, { first: last, last });
    },
  };
}

async function follow(
  outlet: ResponseWriter,
  download: SegmentedDownload,
  reader: SegmentReader,
  range: ByteRange,
  pool: BufferPool,
  used: (segmentId: number) => void,
): Promise<SendOutcome> {
  let position = range.first;
  while (position <= range.last) {
    reader.position = position;
    outlet.whenClosed(() => {
      download.here.arrivals.cancel(reader);
    });
    const segment = await download.open(reader, position);
    if (segment === 'cut') return { kind: 'cut' };
    if (segment === 'unstored') return { kind: 'unstored', position };
    if (segment.id !== null) used(segment.id);
    const stretch = { first: position, last: Math.min(range.last, segment.end - 1) };
    const extent =
      segment.id === null ? growingSegment(download, reader, segment) : wholeSegment(segment);
    const outcome = await sendSegment(outlet, segment, extent, stretch, pool);
    if (outcome.kind !== 'sent') return outcome;
    position = stretch.last + 1;
  }
  return { kind: 'sent' };
}

/** Sends part of a segment and closes it. @param stretch in positions of the file, as the outcome */
async function sendSegment(
  outlet: ResponseWriter,
  segment: OpenSegment,
  extent: Extent,
  stretch: ByteRange,
  pool: BufferPool,
): Promise<SendOutcome> {
  try {
    const within = { first: stretch.first - segment.start, last: stretch.last - segment.start };
    const outcome = await sendExtent(outlet, extent, within, pool);
    if (outcome.kind !== 'unstored') return outcome;
    return { ...outcome, position: outcome.position + segment.start };
  } finally {
    await segment.close();
  }
}

function wholeSegment(segment: OpenSegment): Extent {
  return {
    fd: segment.fd,
    ...(segment.read === undefined ? {} : { read: segment.read }),
    available: () => ({ kind: 'upto', bytes: segment.end - segment.start }),
    cancel: () => undefined,
  };
}

/** A segment on its way, in positions of its own. */
function growingSegment(
  download: SegmentedDownload,
  reader: SegmentReader,
  segment: OpenSegment,
): Extent {
  const upto = (position: number): Availability => ({
    kind: 'upto',
    bytes: Math.min(download.here.arrivals.present.endFrom(position), segment.end) - segment.start,
  });
  return {
    fd: segment.fd,
    available: (within) => {
      const position = within + segment.start;
      reader.position = position;
      const arrival = download.whenThere(reader, position);
      if (arrival === 'there') return upto(position);
      return Promise.resolve(arrival).then((how) =>
        how === 'there' ? upto(position) : { kind: how },
      );
    },
    cancel: () => {
      download.here.arrivals.cancel(reader);
    },
  };
}

const FLUSH_AFTER_MS = 1_000;
const FLUSH_AT = 256;

/** Uses of segments, gathered and written together, as those of whole copies are. */
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

  /** A segment was read. */
  used(segmentId: number): void {
    this.#uses.set(segmentId, (this.#uses.get(segmentId) ?? 0) + 1);
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
