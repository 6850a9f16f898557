import type { Readable } from 'node:stream';
import { type FileVersion, isWithin, sameVersion } from '../../files/files.ts';
import type { NasRange } from '../../nas/nas-client.ts';
import type { Layout } from '../entries/segment-rows.ts';
import type { DownloadOpened, DownloadTarget } from '../entries/space.ts';
import { VersionChecks } from '../verify/version-check.ts';
import {
  faultOf,
  type DownloadHead,
  isOfVersion,
  isWorthFinishing,
  type Origin,
  type Comparison,
} from './origin.ts';
import { type DownloadDeps, DownloadState, PresentSegments } from './partial-segments.ts';
import type {
  Arrival,
  NotOpened,
  OpenSegment,
  Reader,
  SegmentSource,
  Span,
  Spans,
} from './ranges.ts';

/**
 * One version of a file while somebody reads it: which bytes are here, which streams from the NAS
 * bring more, and who waits. Invariants (docs/adr/0071):
 *
 * - A stream covers missing bytes only. A reader who seeks further ahead gets another stream at
 *   once, and the one before it ends where that begins, so every byte is fetched once.
 * - Segments are published only when full, and only after the NAS showed, after their last byte
 *   arrived, that the file is still the version it was before their first. A file of one segment is
 *   published with its whole hash; its row and the rename share one turn, after the sync (EntryStore).
 * - No reader gets the last byte of a request before that check, so torn bytes never end cleanly.
 *   The end of a one-segment file also waits until it is kept: a client that asks again finds it.
 * - Space is reserved before a byte is written, and for a one-segment file before the NAS is asked:
 *   without space the caller bypasses the cache. If it is free only for now, readers share the
 *   stream and nothing is kept.
 * - A broken stream ends a one-segment file: its readers are cut off, and the next download starts
 *   over. Of a larger file verified segments stay, and the next stream continues from there.
 * - When the disk takes no more, readers get the rest from the NAS.
 */
export class Download implements SegmentSource {
  /** Resolves when it has no readers, no streams and no temporary files left. Never rejects. */
  readonly finished: Promise<void>;
  /** What is here of the file. */
  readonly here: PresentSegments;
  /** When what is verified is published. */
  readonly checks: Pick<VersionChecks, 'settled'>;
  readonly #deps: DownloadDeps;
  readonly #state: DownloadState;
  readonly #layout: Layout;
  readonly #checks: VersionChecks;
  readonly #runs: Runs;
  readonly #readers = new Set<Reader>();
  readonly #over = Promise.withResolvers<void>();
  #phase: 'running' | 'unstored' | 'failed' | 'over' = 'running';
  #mostReaders = 0;
  #isNasSilent = false;
  #areEdgesWanted = false;
  #isClosing = false;

  constructor(deps: DownloadDeps, origin: Origin, target: DownloadTarget) {
    this.#deps = deps;
    this.#state = new DownloadState(target, origin);
    this.#layout = this.#state.layout;
    this.finished = this.#over.promise;
    this.here = new PresentSegments(deps, this.#state);
    this.#state.head = this.here.takeUp();
    this.#runs = new Runs(this.#state, this.here.ranges.present);
    this.#checks = new VersionChecks(deps, this.#state, this.here);
    this.checks = this.#checks;
  }

  /** The version with the tag the NAS sent, once it did. */
  get version(): FileVersion {
    return this.#state.version;
  }

  /** What the NAS said of it; null before its first byte. */
  get head(): DownloadHead | null {
    return this.#state.head;
  }

  /** Whether a new reader may still join. */
  get isJoinable(): boolean {
    return this.#phase === 'running';
  }

  get readerCount(): number {
    return this.#readers.size;
  }

  /** Whether it ever had two readers at once: in the background, whether a caller joined. */
  get wasRead(): boolean {
    return this.#mostReaders > 1;
  }

  /** Adds a reader; the download stays until {@link leave}. */
  join(reader: Reader): void {
    this.#state.origin = reader.origin;
    this.#isNasSilent = false;
    this.#readers.add(reader);
    this.#mostReaders = Math.max(this.#mostReaders, this.#readers.size);
  }

  /** Removes a reader. After the last one, what is not worth finishing is stopped. */
  leave(reader: Reader): void {
    this.#readers.delete(reader);
    this.here.ranges.cancel(reader);
    this.#stopIfUseless();
    this.#goOn();
  }

  /** Makes sure that the first byte a reader wants is here or on its way. */
  async begin(reader: Reader): Promise<DownloadOpened> {
    const opened = await this.#opened(reader);
    // Only after the reader's own first byte, so as not to delay that.
    if (opened.kind === 'open' && reader.isPartial) this.#areEdgesWanted = true;
    if (this.here.ranges.isThere(reader.position)) this.#fetchEdges();
    return opened;
  }

  /** Waits for a byte and makes sure it is fetched. */
  whenThere(reader: { readonly last: number }, position: number): Arrival | Promise<Arrival> {
    if (this.#phase === 'failed' || this.#phase === 'over') return 'cut';
    if (this.here.ranges.isThere(position)) return 'there';
    if (this.#phase === 'unstored') return 'unstored';
    const arrival = this.here.ranges.wait(reader, position, reader.last);
    this.#demand(position, reader.last);
    return arrival;
  }

  /**
   * Waits until a reader may have the last byte they asked for.
   * @returns false where what came is not of one version
   */
  async mayEnd(reader: Reader, last: number): Promise<boolean> {
    // Readers that continue learn why it is not there.
    if ((await this.whenThere(reader, last)) !== 'there') return true;
    if ((await this.verify()) === 'changed') return false;
    const isEnd = last === this.#layout.sizeBytes - 1;
    if (isEnd && this.#layout.isOneSegment) await this.#checks.settled();
    return true;
  }

  /** Asks the NAS whether what came is of one version; publishes it, or ends the download. */
  async verify(): Promise<Comparison> {
    const result = await this.#checks.verify(this);
    if (result === 'changed') this.#fail();
    return result;
  }

  async open(
    reader: { readonly last: number },
    position: number,
  ): Promise<OpenSegment | NotOpened> {
    for (;;) {
      const arrival = await this.whenThere(reader, position);
      if (arrival !== 'there') return arrival;
      const opened = await this.here.open(this.#layout.at(position));
      if (opened !== null) return opened;
      // It was evicted or spoiled meanwhile: fetched again, like any that is missing.
    }
  }

  /** The file being fetched was deleted or replaced: readers may finish, but it is not kept. */
  doom(): void {
    this.#state.keep = false;
    this.#stopIfUseless();
  }

  /** Ends it now; its readers are cut off. */
  stop(): void {
    this.doom();
    this.#fail();
    this.#goOn();
  }

  /** It has no readers, and is not to be kept. */
  #stopIfUseless(): void {
    if (this.#readers.size === 0 && !this.#state.keep) this.#fail();
  }

  #opened(reader: Reader): DownloadOpened | Promise<DownloadOpened> {
    const { head } = this.#state;
    const isThere = this.here.ranges.isThere(reader.position);
    if (head !== null && (isThere || this.#layout.sizeBytes === 0)) return { kind: 'open', head };
    if (this.#phase !== 'running') return { kind: 'no_storage' };
    return this.#demand(reader.position, reader.last).opened;
  }

  #demand(position: number, last: number): Run {
    const end = this.#layout.end(this.#layout.at(last));
    return this.#runs.toward(position) ?? this.#start(position, end);
  }

  #start(start: number, end: number): Run {
    const run = this.#runs.start(start, end, this.#prepare(start));
    void this.#drive(run);
    return run;
  }

  /** Whether there is space for the first bytes of a stream. Never rejects. */
  async #prepare(position: number): Promise<boolean> {
    // A larger file can skip a segment there is no space for; one of a single segment cannot.
    if (!this.#layout.isOneSegment) return true;
    try {
      return (await this.here.partial.make(this.#layout.at(position))) !== null;
    } catch (error) {
      this.#deps.storageFailed(error);
      return false;
    } finally {
      // The space may be there only while somebody reads.
      this.#stopIfUseless();
    }
  }

  async #drive(run: Run): Promise<void> {
    let end: RunEnd = 'cut';
    try {
      const opened = await run.opened;
      if (opened.kind === 'no_storage') end = 'unstored';
      if (opened.kind === 'changed') this.#fail();
      if (opened.kind === 'open' && this.#phase === 'running') {
        this.#state.head ??= opened.head;
        if (this.#layout.sizeBytes === 0) this.#full(0);
        await this.#checks.catchUp(run.position, this);
        end = await run.pump((position, chunk) => this.#take(run, position, chunk));
      }
    } catch (error) {
      this.#deps.storageFailed(error);
    } finally {
      this.#runs.ended(run);
      this.#ended(run, end);
    }
  }

  #ended(run: Run, end: RunEnd): void {
    if (end === 'unstored' && this.#phase === 'running') {
      this.#phase = 'unstored';
      this.#runs.stopAll();
      this.here.ranges.giveUp(0, this.#layout.sizeBytes, 'unstored');
    }
    if (end === 'cut') {
      this.#isNasSilent = true;
      if (this.#layout.isOneSegment) this.#fail();
      else this.here.ranges.giveUp(run.position, run.end, 'cut');
    }
    // Readers waiting for bytes that this run was told to skip need another run.
    if (this.#phase === 'running') {
      for (const { position, last } of [...this.here.ranges.waiters]) this.#demand(position, last);
    }
    this.#goOn();
  }

  async #take(run: Run, position: number, chunk: Buffer): Promise<boolean> {
    try {
      return await this.here.take(position, chunk, (at, part, number) => {
        if (this.#phase !== 'running') return false;
        this.#checks.offer(at, part);
        this.#fetchEdges();
        const end = at + part.length;
        this.#full(number);
        if (end === this.#layout.end(number) && !this.#isWanted(run, end)) run.endAt(end);
        return end < run.end;
      });
    } catch (error) {
      this.#deps.storageFailed(error);
      return false;
    }
  }

  /** Has a full segment checked, and the file as soon as all of it has arrived. */
  #full(number: number): void {
    const segment = this.here.partial.get(number);
    if (segment?.isFull !== true) return;
    const isDue = this.#checks.add(segment);
    if (isDue || this.here.missingBytes === 0) void this.verify();
  }

  /** Whether all of it is fetched, whoever reads. */
  get #isForAll(): boolean {
    return this.#state.keep && isWorthFinishing(this.#layout.sizeBytes, this.here.missingBytes);
  }

  #isWanted(run: Run, position: number): boolean {
    for (const reader of this.#readers) {
      if (reader.last >= position && reader.position < run.end) return true;
    }
    return this.#isForAll;
  }

  /** The first and the last segment, which a player reads before anything else. */
  #fetchEdges(): void {
    if (!this.#areEdgesWanted || this.#phase !== 'running') return;
    this.#areEdgesWanted = false;
    for (const number of [0, this.#layout.count - 1]) {
      const gap = this.here.gapIn(number);
      if (gap !== null && !this.#runs.isIn(number)) this.#start(gap.start, gap.end);
    }
  }

  /**
   * What is fetched although nobody waits: the rest of started segments, and of a file worth it.
   */
  #nextUnasked(): Span | null {
    if (!this.#state.keep || this.#isNasSilent || this.#phase !== 'running') return null;
    return this.here.gapInPartial() ?? (this.#isForAll ? this.here.firstGap() : null);
  }

  #goOn(): void {
    if (this.#runs.count > 0 || this.#phase === 'over') return;
    const gap = this.#nextUnasked();
    if (gap !== null) this.#start(gap.start, gap.end);
    else if (this.#readers.size === 0 && !this.#isClosing) void this.#close();
  }

  /** Publishes what can be verified and releases the rest, unless a reader came meanwhile. */
  async #close(): Promise<void> {
    this.#isClosing = true;
    try {
      if (this.#checks.hasUnverified && this.#phase !== 'failed' && this.#state.keep)
        await this.verify();
      await this.#checks.settled();
    } catch (error) {
      this.#deps.storageFailed(error);
    }
    this.#isClosing = false;
    if (this.#readers.size > 0 || this.#runs.count > 0) return;
    this.#phase = 'over';
    await this.here.partial.letAllGo();
    this.#over.resolve();
  }

  #fail(): void {
    if (this.#phase === 'over') return;
    this.#phase = 'failed';
    this.#runs.stopAll();
    this.here.ranges.giveUp(0, this.#layout.sizeBytes, 'cut');
  }
}

/** The downloads that run: at most one for each version of a file. */
export class Downloads {
  readonly #make: (origin: Origin, target: DownloadTarget) => Download;
  readonly #running = new Map<string, Set<Download>>();

  constructor(make: (origin: Origin, target: DownloadTarget) => Download) {
    this.#make = make;
  }

  /** The download of exactly this version: the one that runs, or a new one. */
  of(origin: Origin, target: DownloadTarget): Download {
    return this.find(target.path, target.version) ?? this.start(origin, target);
  }

  /** The download of exactly this version, if one runs. */
  find(path: string, version: FileVersion): Download | null {
    for (const download of this.#running.get(path) ?? []) {
      if (download.isJoinable && sameVersion(download.version, version)) return download;
    }
    return null;
  }

  start(origin: Origin, target: DownloadTarget): Download {
    const download = this.#make(origin, target);
    const { path } = target;
    const downloads = this.#running.get(path) ?? new Set<Download>();
    downloads.add(download);
    this.#running.set(path, downloads);
    void download.finished.then(() => {
      downloads.delete(download);
      if (downloads.size === 0 && this.#running.get(path) === downloads) this.#running.delete(path);
    });
    return download;
  }

  /** Downloads at or below a path must not be kept. */
  doom(path: string): void {
    for (const [filled, downloads] of this.#running) {
      if (isWithin(filled, path)) for (const download of downloads) download.doom();
    }
  }

  /** Cuts all off and waits until their files are gone. */
  async stop(): Promise<void> {
    const all = [...this.#running.values()].flatMap((downloads) => [...downloads]);
    for (const download of all) download.stop();
    await Promise.all(all.map((download) => download.finished));
  }
}

/**
 * A byte further ahead of a run than this gets its own run: waiting would take longer than asking
 * (256 KB is 7 ms of a Pi's network).
 */
const WORTH_WAITING_BYTES = 256 * 1024;

/** The streams that fetch one file: disjoint, each over a stretch that is missing. */
class Runs {
  readonly #state: DownloadState;
  readonly #present: Spans;
  readonly #runs = new Set<Run>();

  /** @param present what is on the disk */
  constructor(state: DownloadState, present: Spans) {
    this.#state = state;
    this.#present = present;
  }

  get count(): number {
    return this.#runs.size;
  }

  /** The run that will bring a byte soon, or null. */
  toward(position: number): Run | null {
    for (const run of this.#runs) {
      const isAhead = run.position <= position && position < Math.max(run.end, 1);
      if (isAhead && position - run.position <= WORTH_WAITING_BYTES) return run;
    }
    return null;
  }

  /**
   * A new run; an earlier run heading there stops where this one starts.
   * @param hasSpace whether there is space for its first bytes; never rejects
   */
  start(start: number, wantedEnd: number, hasSpace: Promise<boolean>): Run {
    let end = this.#present.nextFrom(start, wantedEnd);
    for (const run of this.#runs) {
      if (run.position > start) end = Math.min(end, run.position);
      else if (start < run.end) run.endAt(start);
    }
    const { origin, version, head } = this.#state;
    const run = new Run(origin, version, start, end, head, hasSpace);
    this.#runs.add(run);
    return run;
  }

  /** Whether one is within a segment now. */
  isIn(number: number): boolean {
    const { layout } = this.#state;
    for (const run of this.#runs) if (layout.at(run.position) === number) return true;
    return false;
  }

  ended(run: Run): void {
    run.stop();
    this.#runs.delete(run);
  }

  stopAll(): void {
    for (const run of this.#runs) run.stop();
  }
}

/** How a run ended. */
type RunEnd =
  /** It brought everything it was to bring, or was told to stop. */
  | 'done'
  /** The NAS ended it early. */
  | 'cut'
  /** The disk took no more. */
  | 'unstored';

/** Takes what a run brings; false where the disk takes no more. Never rejects. */
type RunSink = (position: number, chunk: Buffer) => Promise<boolean>;

/**
 * A run's position must not lag far behind the disk: a reader waiting for the next byte would
 * consider it far away and start another stream.
 */
const PART_BYTES = 128 * 1024;

const NOTHING = Buffer.alloc(0);

/** One stream from the NAS over a stretch of a file that is missing here. */
class Run {
  readonly opened: Promise<DownloadOpened>;
  readonly #sizeBytes: number;
  /** The position after the last byte the NAS was asked for. */
  #askedEnd: number;
  #position: number;
  #end: number;
  #body: Readable | null = null;
  /** The last bytes of what was asked for. */
  #last: Buffer = NOTHING;
  #isStopped = false;

  /**
   * @param end the position after the last byte to fetch
   * @param head what the NAS said of this version before, which it must repeat
   * @param hasSpace awaited before the NAS is asked
   */
  constructor(
    origin: Origin,
    version: FileVersion,
    start: number,
    end: number,
    head: DownloadHead | null,
    hasSpace: Promise<boolean>,
  ) {
    this.#sizeBytes = version.sizeBytes;
    this.#position = start;
    this.#end = end;
    this.#askedEnd = end;
    this.opened = this.#open(origin, version, head, hasSpace);
  }

  /** The next byte it brings. */
  get position(): number {
    return this.#position;
  }

  /** The position after the last byte it brings. */
  get end(): number {
    return this.#end;
  }

  /** It need not go further: another run brings the rest. */
  endAt(position: number): void {
    this.#end = Math.min(this.#end, position);
  }

  stop(): void {
    this.#isStopped = true;
    this.#body?.destroy();
  }

  /**
   * Hands over the bytes to their end; only after `opened` said `open`. The last bytes are handed
   * over once the answer has ended: a longer one is not accepted.
   */
  async pump(sink: RunSink): Promise<RunEnd> {
    try {
      for await (const chunk of this.#body as AsyncIterable<Buffer>) {
        if (this.#position + this.#last.length + chunk.length > this.#askedEnd) return 'cut';
        if (!(await this.#takeChunk(chunk, sink))) return 'unstored';
        if (this.#isOver) return 'done';
      }
      if (!this.#isStopped && !(await this.#hand(this.#last, sink))) return 'unstored';
    } catch {
      // The NAS went away, or stop() closed it.
    } finally {
      this.#body?.destroy();
    }
    return this.#isOver ? 'done' : 'cut';
  }

  async #takeChunk(chunk: Buffer, sink: RunSink): Promise<boolean> {
    for (const part of partsOf(chunk)) {
      if (this.#position + part.length === this.#askedEnd) this.#last = part;
      else if (!(await this.#hand(part, sink))) return false;
      if (this.#isOver) return true;
    }
    return true;
  }

  /** @returns false where the disk takes no more */
  async #hand(part: Buffer, sink: RunSink): Promise<boolean> {
    const wanted = part.subarray(0, Math.max(0, this.#end - this.#position));
    if (wanted.length > 0 && !(await sink(this.#position, wanted))) return false;
    this.#position += wanted.length;
    return true;
  }

  get #isOver(): boolean {
    return this.#isStopped || this.#position >= this.#end;
  }

  async #open(
    origin: Origin,
    version: FileVersion,
    head: DownloadHead | null,
    hasSpace: Promise<boolean>,
  ): Promise<DownloadOpened> {
    if (!(await hasSpace)) return { kind: 'no_storage' };
    // If it was stopped meanwhile, the NAS is not needed.
    if (this.#isStopped) return { kind: 'unreachable' };
    const [start, end] = [this.#position, this.#end];
    this.#askedEnd = end;
    const answer = await origin.open(this.#rangeOf(start, end, head));
    if (answer.kind !== 'stream') return faultOf(answer);
    const { body } = answer;
    // Stopping the run destroys the stream; the reading side reports that it was cut short.
    body.on('error', () => undefined);
    const isAsked = answer.lengthBytes === end - start && isOfVersion(answer, version, head);
    if (!isAsked || this.#isStopped) {
      body.destroy();
      return isAsked ? { kind: 'unreachable' } : { kind: 'changed' };
    }
    this.#body = body;
    return { kind: 'open', head: { etag: answer.etag, mimeType: answer.contentType } };
  }

  #rangeOf(start: number, end: number, head: DownloadHead | null): NasRange | undefined {
    if (start === 0 && end === this.#sizeBytes) return undefined;
    const range = { firstByte: start, lastByte: end - 1 };
    const etag = head?.etag ?? null;
    return etag === null ? range : { ...range, ifRange: etag };
  }
}

function* partsOf(chunk: Buffer): Generator<Buffer> {
  if (chunk.length <= PART_BYTES) yield chunk;
  else
    for (let at = 0; at < chunk.length; at += PART_BYTES) yield chunk.subarray(at, at + PART_BYTES);
}
