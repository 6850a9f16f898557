import type { FileVersion } from '../files/files.ts';
import { isWorthFinishing } from './abandoned.ts';
import type { Arrival } from './arrivals.ts';
import type { FillOpened, FillTarget } from './fill-ports.ts';
import type { FillHead, Origin } from './origin.ts';
import { PieceProofs } from './piece-proofs.ts';
import type { NotOpened, OpenPiece, PieceReader } from './piece-reader.ts';
import type { PieceRun, RunEnd } from './piece-run.ts';
import { PieceRuns } from './piece-runs.ts';
import type { PiecedPorts } from './pieced-ports.ts';
import { pieceAt, pieceCount, pieceEnd } from './pieces.ts';
import { PresentPieces } from './present-pieces.ts';
import type { Span } from './spans.ts';

/**
 * One version of a large file while somebody reads it: which bytes are here, which streams from the
 * NAS bring more, and who waits. A stream runs over what is missing only; one who seeks gets a
 * stream of their own at once, and the one before it ends where that begins, so that every byte is
 * fetched once. Pieces are published only full, and only once the NAS showed, after their last byte
 * came, that the file still is the version it was before their first.
 */
export class PiecedFill {
  readonly target: FillTarget;
  /** Resolves when nobody reads, nothing runs and all temporary files are gone. Never rejects. */
  readonly finished: Promise<void>;
  /** What of it is here. */
  readonly here: PresentPieces;
  /** Whether it is of one version. */
  readonly proofs: PieceProofs;
  readonly #ports: PiecedPorts;
  readonly #sizeBytes: number;
  readonly #runs: PieceRuns;
  readonly #readers = new Set<PieceReader>();
  readonly #over = Promise.withResolvers<void>();
  #state: 'running' | 'unstored' | 'failed' | 'over' = 'running';
  #head: FillHead | null = null;
  #origin: Origin;
  #keep = true;
  #isNasSilent = false;
  #areEdgesWanted = false;
  #isClosing = false;

  constructor(ports: PiecedPorts, origin: Origin, target: FillTarget) {
    this.#ports = ports;
    this.#origin = origin;
    this.target = target;
    this.#sizeBytes = target.version.sizeBytes;
    this.finished = this.#over.promise;
    this.here = new PresentPieces(ports, target);
    this.#head = this.here.takeUp();
    const facts = { head: () => this.#head, origin: () => this.#origin };
    this.#runs = new PieceRuns({
      ...facts,
      present: this.here.arrivals.present,
      version: () => this.version,
      drive: (run) => void this.#drive(run),
    });
    this.proofs = new PieceProofs(ports, {
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

  /** Counts a reader in; the fill does not go away before {@link leave}. */
  join(reader: PieceReader): void {
    this.#origin = reader.origin;
    this.#isNasSilent = false;
    this.#readers.add(reader);
  }

  leave(reader: PieceReader): void {
    this.#readers.delete(reader);
    this.here.arrivals.cancel(reader);
    this.#goOn();
  }

  /** Makes sure that the first byte a reader wants is here or on its way. */
  async begin(reader: PieceReader): Promise<FillOpened> {
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

  /** Opens the piece a byte lies in, once the byte is there. */
  async open(reader: { readonly last: number }, position: number): Promise<OpenPiece | NotOpened> {
    for (;;) {
      const arrival = await this.whenThere(reader, position);
      if (arrival !== 'there') return arrival;
      const opened = await this.here.open(pieceAt(position));
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

  #opened(reader: PieceReader): FillOpened | Promise<FillOpened> {
    const head = this.#head;
    const isThere = this.here.arrivals.isThere(reader.position);
    if (head !== null && isThere) return { kind: 'open', head };
    if (this.#state !== 'running') return { kind: 'no_storage' };
    return this.#demand(reader.position, reader.last).opened;
  }

  #demand(position: number, last: number): PieceRun {
    return this.#runs.toward(position, pieceEnd(pieceAt(last), this.#sizeBytes));
  }

  async #drive(run: PieceRun): Promise<void> {
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
      this.#ports.storageFailed(error);
    } finally {
      this.#runs.ended(run);
      this.#ended(run, end);
    }
  }

  #ended(run: PieceRun, end: RunEnd): void {
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

  async #take(run: PieceRun, position: number, chunk: Buffer): Promise<boolean> {
    try {
      return await this.here.take(position, chunk, (at, part, number) => {
        if (this.#state !== 'running') return false;
        this.proofs.offer(at, part);
        this.#fetchEdges();
        const end = at + part.length;
        const piece = this.here.growing.get(number);
        if (piece?.isFull === true) this.proofs.add(piece);
        if (end === pieceEnd(number, this.#sizeBytes) && !this.#isWanted(run, end)) run.endAt(end);
        return end < run.end;
      });
    } catch (error) {
      this.#ports.storageFailed(error);
      return false;
    }
  }

  /** Whether all of it is fetched, whoever reads. */
  get #isForAll(): boolean {
    return this.#keep && isWorthFinishing(this.#sizeBytes, this.here.missingBytes);
  }

  #isWanted(run: PieceRun, position: number): boolean {
    for (const reader of this.#readers) {
      if (reader.last >= position && reader.position < run.end) return true;
    }
    return this.#isForAll;
  }

  /** The first and the last piece, which a player reads before anything else. */
  #fetchEdges(): void {
    if (!this.#areEdgesWanted || this.#state !== 'running') return;
    this.#areEdgesWanted = false;
    for (const number of [0, pieceCount(this.#sizeBytes) - 1]) {
      const gap = this.here.gapIn(number);
      if (gap !== null && !this.#runs.isIn(number)) this.#runs.start(gap.start, gap.end);
    }
  }

  /** What is fetched though nobody waits: the rest of pieces begun, and of a file worth it. */
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
      this.#ports.storageFailed(error);
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
