import type { IncomingMessage, ServerResponse } from 'node:http';
import { isWithin, type LocatedFile } from '../../files/files.ts';
import type { Store } from '../../store/store.ts';
import type { Cancel, Clock } from '../../time/clock.ts';
import type { OpenSegment } from '../download/ranges.ts';
import type { SegmentStore } from '../entries/entry-store.ts';
import { Layout, type SegmentedFile, type SegmentRows } from '../entries/segment-rows.ts';
import type { CacheCounters } from '../stats/stats.ts';
import type { Freshness, SegmentedTicket, ServeOutcome } from '../verify/freshness.ts';
import type { BufferPool } from './extent.ts';
import { keptSource } from './follow.ts';
import { type AnswerPlan, planAnswer, respond, validatorsOf } from './respond.ts';

interface SegmentedFilesDeps {
  readonly rows: SegmentRows;
  readonly shelf: SegmentStore;
  readonly clock: Clock;
  readonly pool: BufferPool;
  readonly tally: CacheCounters;
  readonly touches: SegmentTouches;
}

/** Files kept in segments: found, served, given up. */
export class SegmentedFiles {
  readonly #deps: SegmentedFilesDeps;
  /** By path, how many answers are made of it now. */
  readonly #answering = new Map<string, number>();
  /** Emptied while it was read: its segments go with the last reader. */
  readonly #owed = new Set<string>();

  constructor(deps: SegmentedFilesDeps) {
    this.#deps = deps;
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
    const layout = new Layout(segmented.version.sizeBytes);
    const isAllHere = planOf(ticket, request, this.#deps.clock.nowMs()).parts.every(({ range }) => {
      const { first, last } = layout.of(range);
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
    return this.reading(ticket.file.path, () => this.#serve(ticket, request, response));
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
    const layout = new Layout(segmented.version.sizeBytes);
    const first = part === undefined ? undefined : layout.at(part.range.first);
    const opened = first === undefined ? undefined : await this.#open(segmented, first);
    if (opened === null) return { kind: 'gone' };
    await opened?.close();
    tally.answered(plan.fileBytes);
    touches.confirmed(segmented.id, heldAtMs);
    const source = keptSource((number) => this.#open(segmented, number), layout, pool);
    return { kind: 'answered', whole: await respond(request, response, plan, source) };
  }

  /** What lies at or below a path goes. */
  drop(path: string): Promise<void> {
    return this.#deps.shelf.discardBelow(path);
  }

  /** What lay at or below a path lies at another now, where nothing is kept. */
  move(from: string, to: string): void {
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

  /** Does something with a file that is not to be emptied meanwhile. */
  async reading<T>(path: string, work: () => Promise<T>): Promise<T> {
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

  async #open({ path, version }: SegmentedFile, number: number): Promise<OpenSegment | null> {
    const kept = await this.#deps.shelf.open(path, version, number);
    if (kept === null) return null;
    const { segment, blob } = kept;
    this.#deps.touches.used(segment.id);
    const layout = new Layout(version.sizeBytes);
    const [start, end] = [layout.start(number), layout.end(number)];
    const { fd, read } = blob;
    return { fd, read, start, end, id: segment.id, close: () => blob.close() };
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
