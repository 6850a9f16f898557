import type { Readable } from 'node:stream';
import type { FileVersion } from '../../files/files.ts';
import type { NasRange } from '../../nas/nas-client.ts';
import { segmentAt, segmentCount, segmentEnd } from '../entries/segment-rows.ts';
import type { DownloadOpened, DownloadTarget } from '../entries/space.ts';
import { VersionChecks } from '../verify/version-check.ts';
import {
  faultOf,
  type DownloadHead,
  isOfVersion,
  isWorthFinishing,
  type Origin,
} from './origin.ts';
import { type SegmentedDeps, PresentSegments } from './partial-segments.ts';
import type { Arrival, NotOpened, OpenSegment, SegmentReader, Span, Spans } from './ranges.ts';

/**
 * One version of a large file while somebody reads it: which bytes are here, which streams from the
 * NAS bring more, and who waits. A stream runs over what is missing only; one who seeks gets a
 * stream of their own at once, and the one before it ends where that begins, so that every byte is
 * fetched once. Segments are published only full, and only once the NAS showed, after their last byte
 * came, that the file still is the version it was before their first.
 */
export class SegmentedDownload {
  readonly target: DownloadTarget;
  /** Resolves when nobody reads, nothing runs and all temporary files are gone. Never rejects. */
  readonly finished: Promise<void>;
  /** What of it is here. */
  readonly here: PresentSegments;
  /** Whether it is of one version. */
  readonly proofs: VersionChecks;
  readonly #deps: SegmentedDeps;
  readonly #sizeBytes: number;
  readonly #runs: SegmentRuns;
  readonly #readers = new Set<SegmentReader>();
  readonly #over = Promise.withResolvers<void>();
  #state: 'running' | 'unstored' | 'failed' | 'over' = 'running';
  #head: DownloadHead | null = null;
  #origin: Origin;
  #keep = true;
  #isNasSilent = false;
  #areEdgesWanted = false;
  #isClosing = false;

  constructor(deps: SegmentedDeps, origin: Origin, target: DownloadTarget) {
    this.#deps = deps;
    this.#origin = origin;
    this.target = target;
    this.#sizeBytes = target.version.sizeBytes;
    this.finished = this.#over.promise;
    this.here = new PresentSegments(deps, target);
    this.#head = this.here.takeUp();
    const facts = { head: () => this.#head, origin: () => this.#origin };
    this.#runs = new SegmentRuns({
      ...facts,
      present: this.here.arrivals.present,
      version: () => this.version,
      drive: (run) => void this.#drive(run),
    });
    this.proofs = new VersionChecks(deps, {
      ...facts,
      target,
      isWhole: () => this.here.missingBytes === 0,
      open: (position) => this.open({ last: position }, position),
      published: (number) => this.here.growing.letGo(number),
      spoiled: () => {
        this.#fail();
      },
    });
  }

  /** The version with the tag the NAS sent, once it did. */
  get version(): FileVersion {
    return { ...this.target.version, etag: this.#head?.etag ?? this.target.version.etag };
  }

  get isJoinable(): boolean {
    return this.#state === 'running';
  }

  get readerCount(): number {
    return this.#readers.size;
  }

  /** Counts a reader in; the download does not go away before {@link leave}. */
  join(reader: SegmentReader): void {
    this.#origin = reader.origin;
    this.#isNasSilent = false;
    this.#readers.add(reader);
  }

  leave(reader: SegmentReader): void {
    this.#readers.delete(reader);
    this.here.arrivals.cancel(reader);
    this.#goOn();
  }

  /** Makes sure that the first byte a reader wants is here or on its way. */
  async begin(reader: SegmentReader): Promise<DownloadOpened> {
    const opened = await this.#opened(reader);
    // Not before the reader's own first byte came, so as not to hold that up.
    if (opened.kind === 'open' && reader.isPartial) this.#areEdgesWanted = true;
    if (this.here.arrivals.isThere(reader.position)) this.#fetchEdges();
    return opened;
  }

  /** Waits for a byte, and sees to it that it is fetched. */
  whenThere(reader: { readonly last: number }, position: number): Arrival | Promise<Arrival> {
    if (this.#state === 'failed' || this.#state === 'over') return 'cut';
    if (this.here.arrivals.isThere(position)) return 'there';
    if (this.#state === 'unstored') return 'unstored';
    const arrival = this.here.arrivals.wait(reader, position, reader.last);
    this.#demand(position, reader.last);
    return arrival;
  }

  /** Opens the segment a byte lies in, once the byte is there. */
  async open(
    reader: { readonly last: number },
    position: number,
  ): Promise<OpenSegment | NotOpened> {
    for (;;) {
      const arrival = await this.whenThere(reader, position);
      if (arrival !== 'there') return arrival;
      const opened = await this.here.open(segmentAt(position));
      if (opened !== null) return opened;
      // It was evicted or spoiled meanwhile: fetched again, like any that is missing.
    }
  }

  /** What is being fetched was deleted or replaced: it may be read to its end, not kept. */
  doom(): void {
    this.#keep = false;
    this.proofs.stopKeeping();
  }

  /** Ends it now; its readers are cut off. */
  stop(): void {
    this.doom();
    this.#fail();
    this.#goOn();
  }

  #opened(reader: SegmentReader): DownloadOpened | Promise<DownloadOpened> {
    const head = this.#head;
    const isThere = this.here.arrivals.isThere(reader.position);
    if (head !== null && isThere) return { kind: 'open', head };
    if (this.#state !== 'running') return { kind: 'no_storage' };
    return this.#demand(reader.position, reader.last).opened;
  }

  #demand(position: number, last: number): SegmentRun {
    return this.#runs.toward(position, segmentEnd(segmentAt(last), this.#sizeBytes));
  }

  async #drive(run: SegmentRun): Promise<void> {
    let end: RunEnd = 'cut';
    try {
      const opened = await run.opened;
      if (opened.kind === 'changed') this.#fail();
      if (opened.kind === 'open' && this.#state === 'running') {
        this.#head ??= opened.head;
        const isThere = this.here.arrivals.present.endFrom(0) >= run.position;
        await this.proofs.catchUp(run.position, isThere);
        end = await run.pump((position, chunk) => this.#take(run, position, chunk));
      }
    } catch (error) {
      this.#deps.storageFailed(error);
    } finally {
      this.#runs.ended(run);
      this.#ended(run, end);
    }
  }

  #ended(run: SegmentRun, end: RunEnd): void {
    if (end === 'unstored' && this.#state === 'running') {
      this.#state = 'unstored';
      this.#runs.stopAll();
      this.here.arrivals.giveUp(0, this.#sizeBytes, 'unstored');
    }
    if (end === 'cut') {
      this.#isNasSilent = true;
      this.here.arrivals.giveUp(run.position, run.end, 'cut');
    }
    // Who waited for what this run was told not to bring any more needs another one.
    if (this.#state === 'running') {
      for (const { position, last } of [...this.here.arrivals.waiters])
        this.#demand(position, last);
    }
    this.#goOn();
  }

  async #take(run: SegmentRun, position: number, chunk: Buffer): Promise<boolean> {
    try {
      return await this.here.take(position, chunk, (at, part, number) => {
        if (this.#state !== 'running') return false;
        this.proofs.offer(at, part);
        this.#fetchEdges();
        const end = at + part.length;
        const segment = this.here.growing.get(number);
        if (segment?.isFull === true) this.proofs.add(segment);
        if (end === segmentEnd(number, this.#sizeBytes) && !this.#isWanted(run, end))
          run.endAt(end);
        return end < run.end;
      });
    } catch (error) {
      this.#deps.storageFailed(error);
      return false;
    }
  }

  /** Whether all of it is fetched, whoever reads. */
  get #isForAll(): boolean {
    return this.#keep && isWorthFinishing(this.#sizeBytes, this.here.missingBytes);
  }

  #isWanted(run: SegmentRun, position: number): boolean {
    for (const reader of this.#readers) {
      if (reader.last >= position && reader.position < run.end) return true;
    }
    return this.#isForAll;
  }

  /** The first and the last segment, which a player reads before anything else. */
  #fetchEdges(): void {
    if (!this.#areEdgesWanted || this.#state !== 'running') return;
    this.#areEdgesWanted = false;
    for (const number of [0, segmentCount(this.#sizeBytes) - 1]) {
      const gap = this.here.gapIn(number);
      if (gap !== null && !this.#runs.isIn(number)) this.#runs.start(gap.start, gap.end);
    }
  }

  /** What is fetched though nobody waits: the rest of segments begun, and of a file worth it. */
  #nextUnasked(): Span | null {
    if (!this.#keep || this.#isNasSilent || this.#state !== 'running') return null;
    return this.here.gapInGrowing() ?? (this.#isForAll ? this.here.firstGap() : null);
  }

  #goOn(): void {
    if (this.#runs.count > 0 || this.#state === 'over') return;
    const gap = this.#nextUnasked();
    if (gap !== null) this.#runs.start(gap.start, gap.end);
    else if (this.#readers.size === 0 && !this.#isClosing) void this.#close();
  }

  /** Publishes what can be proved and lets go of the rest, unless somebody came meanwhile. */
  async #close(): Promise<void> {
    this.#isClosing = true;
    try {
      if (this.proofs.hasUnproved && this.#state !== 'failed' && this.#keep)
        await this.proofs.prove();
      await this.proofs.settled();
    } catch (error) {
      this.#deps.storageFailed(error);
    }
    this.#isClosing = false;
    if (this.#readers.size > 0 || this.#runs.count > 0) return;
    this.#state = 'over';
    await this.here.growing.letAllGo();
    this.#over.resolve();
  }

  #fail(): void {
    if (this.#state === 'over') return;
    this.#state = 'failed';
    this.#runs.stopAll();
    this.here.arrivals.giveUp(0, this.#sizeBytes, 'cut');
  }
}

/**
 * A byte further ahead of a run than this gets a run of its own: waiting would take longer than
 * asking (256 KB is 7 ms of a Pi's network).
 */
const WORTH_WAITING_BYTES = 256 * 1024;

interface RunFacts {
  /** What is on the disk. */
  readonly present: Spans;
  readonly origin: () => Origin;
  readonly version: () => FileVersion;
  readonly head: () => DownloadHead | null;
  /** Runs it to its end. */
  readonly drive: (run: SegmentRun) => void;
}

/** The streams that fetch one file: disjoint, each over a stretch that is missing. */
class SegmentRuns {
  readonly #facts: RunFacts;
  readonly #runs = new Set<SegmentRun>();

  constructor(facts: RunFacts) {
    this.#facts = facts;
  }

  get count(): number {
    return this.#runs.size;
  }

  /** The run that brings a byte soon, or a new one that goes on to `end` where nobody else does. */
  toward(position: number, end: number): SegmentRun {
    for (const run of this.#runs) {
      const isAhead = run.position <= position && position < run.end;
      if (isAhead && position - run.position <= WORTH_WAITING_BYTES) return run;
    }
    return this.start(position, end);
  }

  /** A new run; one on its way there ends where this begins. */
  start(start: number, wantedEnd: number): SegmentRun {
    let end = this.#facts.present.nextFrom(start, wantedEnd);
    for (const run of this.#runs) {
      if (run.position > start) end = Math.min(end, run.position);
      else if (start < run.end) run.endAt(start);
    }
    const { origin, version, head, drive } = this.#facts;
    const run = new SegmentRun(origin(), version(), start, end, head());
    this.#runs.add(run);
    drive(run);
    return run;
  }

  /** Whether one is within a segment now. */
  isIn(number: number): boolean {
    for (const run of this.#runs) if (segmentAt(run.position) === number) return true;
    return false;
  }

  ended(run: SegmentRun): void {
    run.stop();
    this.#runs.delete(run);
  }

  stopAll(): void {
    for (const run of this.#runs) run.stop();
  }
}

/** How a run ended. */
type RunEnd =
  /** It brought all it was to bring, or was told to stop. */
  | 'done'
  /** The NAS ended it before. */
  | 'cut'
  /** The disk took no more. */
  | 'unstored';

/** Takes what a run brings; false where the disk takes no more. Never rejects. */
type RunSink = (position: number, chunk: Buffer) => Promise<boolean>;

/**
 * A run's position must not lag far behind what lies on the disk: who waits for the byte after that
 * would think it far away and begin another stream.
 */
const PART_BYTES = 128 * 1024;

/** One stream from the NAS over a stretch of a file that is missing here. */
class SegmentRun {
  readonly opened: Promise<DownloadOpened>;
  readonly #sizeBytes: number;
  #position: number;
  #end: number;
  #body: Readable | null = null;
  #isStopped = false;

  /**
   * @param end the position after the last byte to be fetched
   * @param head what the NAS said of this version before, which it must say again
   */
  constructor(
    origin: Origin,
    version: FileVersion,
    start: number,
    end: number,
    head: DownloadHead | null,
  ) {
    this.#sizeBytes = version.sizeBytes;
    this.#position = start;
    this.#end = end;
    this.opened = this.#open(origin, version, head);
  }

  /** The next byte it brings. */
  get position(): number {
    return this.#position;
  }

  /** The position after the last byte it brings. */
  get end(): number {
    return this.#end;
  }

  /** It need not come further than this: somebody else brings the rest. */
  endAt(position: number): void {
    this.#end = Math.min(this.#end, position);
  }

  stop(): void {
    this.#isStopped = true;
    this.#body?.destroy();
  }

  /** Hands over what comes, to its end. Only once `opened` said `open`. */
  async pump(sink: RunSink): Promise<RunEnd> {
    try {
      for await (const chunk of this.#body as AsyncIterable<Buffer>) {
        for (const part of partsOf(chunk)) {
          const wanted = part.subarray(0, Math.max(0, this.#end - this.#position));
          if (wanted.length > 0 && !(await sink(this.#position, wanted))) return 'unstored';
          this.#position += wanted.length;
          if (this.#isOver) return 'done';
        }
      }
    } catch {
      // The NAS went away, or stop() let it go.
      return this.#isOver ? 'done' : 'cut';
    } finally {
      this.#body?.destroy();
    }
    return this.#isOver ? 'done' : 'cut';
  }

  get #isOver(): boolean {
    return this.#isStopped || this.#position >= this.#end;
  }

  async #open(
    origin: Origin,
    version: FileVersion,
    head: DownloadHead | null,
  ): Promise<DownloadOpened> {
    const [start, end] = [this.#position, this.#end];
    const answer = await origin.open(this.#rangeOf(start, end, head));
    if (answer.kind !== 'stream') return faultOf(answer);
    const { body } = answer;
    // Whoever stops the run destroys the stream; that it was cut short is told where it is read.
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
