import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { isWithin, type LocatedFile } from '../../files/files.ts';
import type { ByteRange } from '../../http/http.ts';
import type { Store } from '../../store/store.ts';
import type { Cancel, Clock } from '../../time/clock.ts';
import type { OpenSegment } from '../download/ranges.ts';
import { type BlobStore, SMALL_FILE_BYTES } from '../entries/blob-store.ts';
import type { CacheEntry, EntryRows, KeptEntry } from '../entries/entry-rows.ts';
import type { EntryStore } from '../entries/entry-store.ts';
import { Layout, type SegmentedFile, type SegmentRows } from '../entries/segment-rows.ts';
import type { DiskHealth } from '../entries/space.ts';
import type { CachePolicy } from '../policy/policy.ts';
import type { CacheCounters } from '../stats/stats.ts';
import type {
  EntryTicket,
  Lookup,
  SegmentedTicket,
  ServeOutcome,
  FreshnessCheck,
  WholeTicket,
} from '../verify/freshness.ts';
import type { BufferPool } from './byte-source.ts';
import { keptSource } from './follow.ts';
import {
  type AnswerPlan,
  type FileHead,
  fileSource,
  type PartSource,
  planAnswer,
  respond,
  validatorsOf,
} from './respond.ts';

interface KeptDeps {
  readonly entryRows: EntryRows;
  readonly segments: SegmentRows;
  readonly entries: EntryStore;
  readonly blobs: BlobStore;
  readonly freshnessCheck: FreshnessCheck;
  readonly policy: Pick<CachePolicy, 'used'>;
  readonly clock: Pick<Clock, 'nowMs'>;
  readonly pool: BufferPool;
  readonly counters: CacheCounters;
  readonly touches: SegmentTouches;
  readonly diskHealth: DiskHealth;
}

/** Kept files, whole or in segments: found, served, dropped. */
export class KeptEntries {
  readonly #deps: KeptDeps;
  /** By path, how many answers are reading it now. */
  readonly #answering = new Map<string, number>();
  /** Emptied while it was read: its segments go with the last reader. */
  readonly #pending = new Set<string>();

  constructor(deps: KeptDeps) {
    this.#deps = deps;
  }

  /**
   * Whether what is kept answers a request, once files has decided that the caller may read the
   * file. Of a file held in segments all that is asked for must be here.
   */
  lookup(file: LocatedFile, request: IncomingMessage): Lookup {
    const { entryRows, segments, freshnessCheck } = this.#deps;
    const entry = entryRows.find(file.path);
    const freshness = entry === null ? null : freshnessCheck.of(file, entry);
    if (entry !== null && freshness !== null) {
      return { kind: freshness.label, ticket: { file, entry, ...freshness } };
    }
    const segmented = segments.find(file.path);
    const fresh = segmented === null ? null : freshnessCheck.of(file, segmented);
    if (segmented === null || fresh === null) return { kind: 'miss' };
    const ticket = { file, segmented, ...fresh };
    return this.#holdsAllOf(ticket, request) ? { kind: ticket.label, ticket } : { kind: 'miss' };
  }

  /** Whether every byte that a request asks for is here; a HEAD or a 304 needs none. */
  #holdsAllOf(ticket: SegmentedTicket, request: IncomingMessage): boolean {
    const { id, version } = ticket.segmented;
    const layout = new Layout(version.sizeBytes);
    return planAnswer(request, this.#headOf(ticket, ticket.segmented)).parts.every(({ range }) => {
      const { first, last } = layout.of(range);
      return this.#deps.segments.covers(id, first, last);
    });
  }

  /**
   * The whole entry of a file, once files has decided that the caller may read it.
   * @returns null where there is none, or one of another version
   */
  entryOf(file: LocatedFile): KeptEntry | null {
    const { entryRows, freshnessCheck, blobs } = this.#deps;
    const entry = entryRows.find(file.path);
    if (entry === null || freshnessCheck.of(file, entry) === null) return null;
    const { id, blob, version } = entry;
    return { id, blob, file: blobs.pathOf(blob), sizeBytes: version.sizeBytes };
  }

  /** Sends what a ticket is for: whole, in ranges, or only its head. Nothing is written when `gone`. */
  async serve(ticket: EntryTicket, exchange: Exchange): Promise<ServeOutcome> {
    try {
      if (!('segmented' in ticket)) return await this.#serveWhole(ticket, exchange);
      return await this.reading(ticket.file.path, () => this.#serveSegments(ticket, exchange));
    } catch (error) {
      // The NAS may have what cannot be read here; a started answer can only be cut.
      if (exchange.response.headersSent || !this.#deps.diskHealth.failed(error)) throw error;
      return { kind: 'gone' };
    }
  }

  async #serveWhole(ticket: WholeTicket, exchange: Exchange): Promise<ServeOutcome> {
    const { blobs, diskHealth, entries } = this.#deps;
    const { id, blob, version } = ticket.entry;
    const { sizeBytes } = version;
    if (sizeBytes > SMALL_FILE_BYTES) {
      const file = await blobs.openBlob(blob, sizeBytes);
      if (file !== null) {
        try {
          return await this.#sendFile(ticket, exchange, file);
        } finally {
          await file.close();
        }
      }
    } else {
      const bytes = blobs.small.get(blob) ?? (await blobs.readSmall(blob, sizeBytes));
      if (bytes !== null) {
        const plan = this.#planOf(ticket, exchange);
        return {
          kind: 'answered',
          whole: await respond(exchange.request, exchange.response, plan, memorySource(bytes)),
        };
      }
    }
    if (diskHealth.refuses === null) await entries.discardWhole({ id, blob, sizeBytes });
    return { kind: 'gone' };
  }

  async #sendFile(
    ticket: WholeTicket,
    exchange: Exchange,
    file: Parameters<typeof fileSource>[0],
  ): Promise<ServeOutcome> {
    const plan = this.#planOf(ticket, exchange);
    if (nginxCanSend(exchange, plan)) {
      handToNginx(exchange.response, plan, ticket.entry.blob);
      return { kind: 'answered', whole: true };
    }
    const source = fileSource(file, ticket.entry.version.sizeBytes, this.#deps.pool);
    return {
      kind: 'answered',
      whole: await respond(exchange.request, exchange.response, plan, source),
    };
  }

  /** What is sent of a whole entry, counted as a hit. */
  #planOf(ticket: WholeTicket, { request }: Exchange): AnswerPlan {
    const { entry, file, heldAtMs } = ticket;
    const plan = planAnswer(request, this.#headOf(ticket, entry));
    this.#deps.policy.used(file.path, entry.version.sizeBytes);
    this.#deps.counters.hit(entry.id, plan.fileBytes, heldAtMs);
    return plan;
  }

  async #serveSegments(ticket: SegmentedTicket, exchange: Exchange): Promise<ServeOutcome> {
    const { segmented, heldAtMs } = ticket;
    const { counters, touches, pool } = this.#deps;
    const plan = planAnswer(exchange.request, this.#headOf(ticket, segmented));
    const [part] = plan.parts;
    // Opened before the head is sent, while `gone` can still be reported.
    const layout = new Layout(segmented.version.sizeBytes);
    const first = part === undefined ? undefined : layout.at(part.range.first);
    const opened = first === undefined ? undefined : await this.#open(segmented, first);
    if (opened === null) return { kind: 'gone' };
    await opened?.close();
    counters.answered(plan.fileBytes);
    touches.confirmed(segmented.id, heldAtMs);
    const source = keptSource((number) => this.#open(segmented, number), layout, pool);
    return {
      kind: 'answered',
      whole: await respond(exchange.request, exchange.response, plan, source),
    };
  }

  #headOf(ticket: EntryTicket, { version, mimeType }: CacheEntry | SegmentedFile): FileHead {
    const { file, label, ageSeconds } = ticket;
    return {
      ...validatorsOf(version, version.etag, this.#deps.clock.nowMs()),
      name: file.name,
      sizeBytes: version.sizeBytes,
      mimeType: file.mimeType ?? mimeType,
      label,
      ageSeconds,
    };
  }

  /**
   * Empties the cache at and below a path: pinned files stay, and files being read go with their
   * last reader.
   */
  async empty(path: string): Promise<void> {
    const { entries, segments } = this.#deps;
    const read = new Set<number>();
    for (const reading of this.#answering.keys()) {
      const file = isWithin(reading, path) ? segments.find(reading) : null;
      if (file === null) continue;
      this.#pending.add(reading);
      read.add(file.id);
    }
    await entries.discardBelow(path, 'unpinned', (fileId) => read.has(fileId));
  }

  /** Uses a file that must not be emptied meanwhile. */
  async reading<T>(path: string, work: () => Promise<T>): Promise<T> {
    this.#answering.set(path, (this.#answering.get(path) ?? 0) + 1);
    try {
      return await work();
    } finally {
      const others = (this.#answering.get(path) ?? 1) - 1;
      if (others > 0) this.#answering.set(path, others);
      else this.#answering.delete(path);
      if (others === 0 && this.#pending.delete(path)) await this.empty(path);
    }
  }

  async #open({ path, version }: SegmentedFile, number: number): Promise<OpenSegment | null> {
    const kept = await this.#deps.entries.openSegment(path, version, number);
    if (kept === null) return null;
    const { segment, blob } = kept;
    this.#deps.touches.used(segment.id);
    const layout = new Layout(version.sizeBytes);
    const [start, end] = [layout.start(number), layout.end(number)];
    const { fd, read } = blob;
    return { fd, read, start, end, id: segment.id, close: () => blob.close() };
  }
}

/** A whole file in memory. */
function memorySource(bytes: Buffer): PartSource {
  const stretch = ({ first, last }: ByteRange): Buffer =>
    first === 0 && last === bytes.length - 1 ? bytes : bytes.subarray(first, last + 1);
  return { send: (writer, range) => writer.write(stretch(range)), small: stretch };
}

/** One request, and whether its nginx may send the answer's bytes. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** The nginx in front may be told to send the bytes. */
  readonly offload?: boolean;
}

/** Where deploy/nginx.conf lets nginx find the blobs, and nobody else. */
const BLOBS_LOCATION = '/_balupi/blobs';

/** What nginx knows better, as it sends the bytes. */
const NGINX_SETS: readonly string[] = ['Content-Length', 'Content-Range'];

/** Conditions nginx would judge again, by a file whose time and tag are not the NAS's. */
const JUDGED_AGAIN = ['if-match', 'if-unmodified-since'] as const;

/**
 * Whether nginx can send exactly what was planned: the whole file, or one range that it parses the
 * same way. Everything else, such as several ranges, is sent from here.
 */
function nginxCanSend({ request, offload }: Exchange, plan: AnswerPlan): boolean {
  if (offload !== true || request.method !== 'GET' || plan.parts.length !== 1) return false;
  if (JUDGED_AGAIN.some((name) => request.headers[name] !== undefined)) return false;
  return plan.statusCode === 206 || request.headers.range === undefined;
}

/** Tells nginx which file to send (its `X-Accel-Redirect`), with all headers but its own. */
function handToNginx(response: ServerResponse, plan: AnswerPlan, blob: string): void {
  const headers: OutgoingHttpHeaders = {
    'X-Accel-Redirect': `${BLOBS_LOCATION}/${blob.slice(0, 2)}/${blob}`,
  };
  for (const [name, value] of Object.entries(plan.headers)) {
    if (!NGINX_SETS.includes(name)) headers[name] = value;
  }
  // nginx sets it for a whole file, but not for a range (measured on 1.22).
  if (plan.statusCode === 200) delete headers['Accept-Ranges'];
  response.writeHead(200, headers);
  response.end();
}

const FLUSH_AFTER_MS = 1_000;
const FLUSH_AT = 256;

/** Uses of segments, gathered and written together, like those of whole entries. */
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

  /** The version of a file was compared with the NAS's listing at that time. */
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
