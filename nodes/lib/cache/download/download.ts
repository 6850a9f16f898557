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
} from './origin.ts';
import { type DownloadDeps, PresentSegments } from './partial-segments.ts';
import type { Arrival, NotOpened, OpenSegment, Reader, Span, Spans } from './ranges.ts';

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
export class Download {
  readonly target: DownloadTarget;
  /** Resolves when it has no readers, no streams and no temporary files left. Never rejects. */
  readonly finished: Promise<void>;
  /** What is here of the file. */
  readonly here: PresentSegments;
  /** Whether it is of one version. */
  readonly checks: VersionChecks;
  readonly #deps: DownloadDeps;
  readonly #layout: Layout;
  readonly #runs: Runs;
  readonly #readers = new Set<Reader>();
  readonly #over = Promise.withResolvers<void>();
  #state: 'running' | 'unstored' | 'failed' | 'over' = 'running';
  #head: DownloadHead | null = null;
  #origin: Origin;
  #mostReaders = 0;
  #keep = true;
  #isNasSilent = false;
  #areEdgesWanted = false;
  #isClosing = false;

  constructor(deps: DownloadDeps, origin: Origin, target: DownloadTarget) {
    this.#deps = deps;
    this.#origin = origin;
    this.target = target;
    this.finished = this.#over.promise;
    this.here = new PresentSegments(deps, target, () => {
      this.doom();
    });
    this.#layout = this.here.layout;
    this.#head = this.here.takeUp();
    const facts = { head: () => this.#head, origin: () => this.#origin };
    this.#runs = new Runs({
      ...facts,
      present: this.here.arrivals.present,
      version: () => this.version,
      prepare: (position) => this.#prepare(position),
      drive: (run) => void this.#drive(run),
    });
    this.checks = new VersionChecks(deps, {
      ...facts,
      target,
      isOneSegment: this.#layout.isOneSegment,
      isWhole: () => this.here.missingBytes === 0,
      open: (position) => this.open({ last: position }, position),
      published: (number) => this.#published(number),
      spoiled: () => {
        this.#fail();
      },
    });
  }

  /** The version with the tag the NAS sent, once it did. */
  get version(): FileVersion {
    return { ...this.target.version, etag: this.#head?.etag ?? this.target.version.etag };
  }

  /** What the NAS said of it; null before its first byte. */
  get head(): DownloadHead | null {
    return this.#head;
  }

  /** Whether a new reader may still join. */
  get isJoinable(): boolean {
    return this.#state === 'running';
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
    this.#origin = reader.origin;
    this.#isNasSilent = false;
    this.#readers.add(reader);
    this.#mostReaders = Math.max(this.#mostReaders, this.#readers.size);
  }

  /** Removes a reader. After the last one, what is not worth finishing is stopped. */
  leave(reader: Reader): void {
    this.#readers.delete(reader);
    this.here.arrivals.cancel(reader);
    this.#stopIfUseless();
    this.#goOn();
  }

  /** Makes sure that the first byte a reader wants is here or on its way. */
  async begin(reader: Reader): Promise<DownloadOpened> {
    const opened = await this.#opened(reader);
    // Only after the reader's own first byte, so as not to delay that.
    if (opened.kind === 'open' && reader.isPartial) this.#areEdgesWanted = true;
    if (this.here.arrivals.isThere(reader.position)) this.#fetchEdges();
    return opened;
  }

  /** Waits for a byte and makes sure it is fetched. */
  whenThere(reader: { readonly last: number }, position: number): Arrival | Promise<Arrival> {
    if (this.#state === 'failed' || this.#state === 'over') return 'cut';
    if (this.here.arrivals.isThere(position)) return 'there';
    if (this.#state === 'unstored') return 'unstored';
    const arrival = this.here.arrivals.wait(reader, position, reader.last);
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
    if ((await this.checks.prove()) === 'changed') return false;
    const isEnd = last === this.#layout.sizeBytes - 1;
    if (isEnd && this.#layout.isOneSegment) await this.checks.settled();
    return true;
  }

  /** Opens the segment a byte lies in, once the byte is there. */
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
    this.#keep = false;
    this.checks.stopKeeping();
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
    if (this.#readers.size === 0 && !this.#keep) this.#fail();
  }

  #opened(reader: Reader): DownloadOpened | Promise<DownloadOpened> {
    const head = this.#head;
    const isThere = this.here.arrivals.isThere(reader.position);
    if (head !== null && (isThere || this.#layout.sizeBytes === 0)) return { kind: 'open', head };
    if (this.#state !== 'running') return { kind: 'no_storage' };
    return this.#demand(reader.position, reader.last).opened;
  }

  #demand(position: number, last: number): Run {
    return this.#runs.toward(position, this.#layout.end(this.#layout.at(last)));
  }

  /** Whether there is space for the first bytes of a stream that begins at a position. */
  async #prepare(position: number): Promise<boolean> {
    // A larger file can skip a segment there is no space for; one of a single segment cannot.
    if (!this.#layout.isOneSegment) return true;
    try {
      return (await this.here.partial.make(this.#layout.at(position))) !== null;
    } catch (error) {
      this.#deps.storageFailed(error);
      return false;
    }
  }

  async #drive(run: Run): Promise<void> {
    let end: RunEnd = 'cut';
    try {
      const opened = await run.opened;
      if (opened.kind === 'no_storage') end = 'unstored';
      if (opened.kind === 'changed') this.#fail();
      if (opened.kind === 'open' && this.#state === 'running') {
        this.#head ??= opened.head;
        if (this.#layout.sizeBytes === 0) this.#full(0);
        const isThere = this.here.arrivals.present.endFrom(0) >= run.position;
        await this.checks.catchUp(run.position, isThere);
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
    if (end === 'unstored' && this.#state === 'running') {
      this.#state = 'unstored';
      this.#runs.stopAll();
      this.here.arrivals.giveUp(0, this.#layout.sizeBytes, 'unstored');
    }
    if (end === 'cut') {
      this.#isNasSilent = true;
      if (this.#layout.isOneSegment) this.#fail();
      else this.here.arrivals.giveUp(run.position, run.end, 'cut');
    }
    // Readers waiting for bytes that this run was told to skip need another run.
    if (this.#state === 'running') {
      for (const { position, last } of [...this.here.arrivals.waiters])
        this.#demand(position, last);
    }
    this.#goOn();
  }

  async #take(run: Run, position: number, chunk: Buffer): Promise<boolean> {
    try {
      return await this.here.take(position, chunk, (at, part, number) => {
        if (this.#state !== 'running') return false;
        this.checks.offer(at, part);
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
    this.checks.add(segment);
    if (this.here.missingBytes === 0) void this.checks.prove();
  }

  async #published(number: number): Promise<void> {
    // Readers of a one-segment file keep the file they have open.
    if (!this.#layout.isOneSegment) await this.here.partial.letGo(number);
  }

  /** Whether all of it is fetched, whoever reads. */
  get #isForAll(): boolean {
    return this.#keep && isWorthFinishing(this.#layout.sizeBytes, this.here.missingBytes);
  }

  #isWanted(run: Run, position: number): boolean {
    for (const reader of this.#readers) {
      if (reader.last >= position && reader.position < run.end) return true;
    }
    return this.#isForAll;
  }

  /** The first and the last segment, which a player reads before anything else. */
  #fetchEdges(): void {
    if (!this.#areEdgesWanted || this.#state !== 'running') return;
    this.#areEdgesWanted = false;
    for (const number of [0, this.#layout.count - 1]) {
      const gap = this.here.gapIn(number);
      if (gap !== null && !this.#runs.isIn(number, this.#layout))
        this.#runs.start(gap.start, gap.end);
    }
  }

  /**
   * What is fetched although nobody waits: the rest of started segments, and of a file worth it.
   */
  #nextUnasked(): Span | null {
    if (!this.#keep || this.#isNasSilent || this.#state !== 'running') return null;
    return this.here.gapInPartial() ?? (this.#isForAll ? this.here.firstGap() : null);
  }

  #goOn(): void {
    if (this.#runs.count > 0 || this.#state === 'over') return;
    const gap = this.#nextUnasked();
    if (gap !== null) this.#runs.start(gap.start, gap.end);
    else if (this.#readers.size === 0 && !this.#isClosing) void this.#close();
  }

  /** Publishes what can be verified and releases the rest, unless a reader came meanwhile. */
  async #close(): Promise<void> {
    this.#isClosing = true;
    try {
      if (this.checks.hasUnproved && this.#state !== 'failed' && this.#keep)
        await this.checks.prove();
      await this.checks.settled();
    } catch (error) {
      this.#deps.storageFailed(error);
    }
    this.#isClosing = false;
    if (this.#readers.size > 0 || this.#runs.count > 0) return;
    this.#state = 'over';
    await this.here.partial.letAllGo();
    this.#over.resolve();
  }

  #fail(): void {
    if (this.#state === 'over') return;
    this.#state = 'failed';
    this.#runs.stopAll();
    this.here.arrivals.giveUp(0, this.#layout.sizeBytes, 'cut');
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

interface RunFacts {
  /** What is on the disk. */
  readonly present: Spans;
  readonly origin: () => Origin;
  readonly version: () => FileVersion;
  readonly head: () => DownloadHead | null;
  /** Whether there is space for the first bytes. Never rejects. */
  readonly prepare: (position: number) => Promise<boolean>;
  /** Runs it to its end. */
  readonly drive: (run: Run) => void;
}

/** The streams that fetch one file: disjoint, each over a stretch that is missing. */
class Runs {
  readonly #facts: RunFacts;
  readonly #runs = new Set<Run>();

  constructor(facts: RunFacts) {
    this.#facts = facts;
  }

  get count(): number {
    return this.#runs.size;
  }

  /** The run that will bring a byte soon, or a new one up to `end` where no other run will. */
  toward(position: number, end: number): Run {
    for (const run of this.#runs) {
      const isAhead = run.position <= position && position < Math.max(run.end, 1);
      if (isAhead && position - run.position <= WORTH_WAITING_BYTES) return run;
    }
    return this.start(position, end);
  }

  /** A new run; an earlier run heading there stops where this one starts. */
  start(start: number, wantedEnd: number): Run {
    let end = this.#facts.present.nextFrom(start, wantedEnd);
    for (const run of this.#runs) {
      if (run.position > start) end = Math.min(end, run.position);
      else if (start < run.end) run.endAt(start);
    }
    const { origin, version, head, drive, prepare } = this.#facts;
    const run = new Run(origin(), version(), start, end, head(), prepare);
    this.#runs.add(run);
    drive(run);
    return run;
  }

  /** Whether one is within a segment now. */
  isIn(number: number, layout: Layout): boolean {
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
   * @param prepare whether there is space, asked before the NAS is
   */
  constructor(
    origin: Origin,
    version: FileVersion,
    start: number,
    end: number,
    head: DownloadHead | null,
    prepare: (position: number) => Promise<boolean>,
  ) {
    this.#sizeBytes = version.sizeBytes;
    this.#position = start;
    this.#end = end;
    this.#askedEnd = end;
    this.opened = this.#open(origin, version, head, prepare);
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
    prepare: (position: number) => Promise<boolean>,
  ): Promise<DownloadOpened> {
    if (!(await prepare(this.#position))) return { kind: 'no_storage' };
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
