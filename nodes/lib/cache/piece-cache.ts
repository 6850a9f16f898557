import type { IncomingMessage, ServerResponse } from 'node:http';
import { isWithin, type FileVersion, type LocatedFile } from '../files/files.ts';
import type { Store } from '../store/store.ts';
import type { Clock } from '../time/clock.ts';
import { likelyRange, planAnswer, type AnswerPlan } from './answer-plan.ts';
import type { BlobStore } from './blob-store.ts';
import type { BufferPool } from './buffer-pool.ts';
import { Fills } from './fills.ts';
import { headOf, validatorsOf } from './miss-head.ts';
import type { FillHead, Origin } from './origin.ts';
import { sendFromOrigin, type Answered } from './passage.ts';
import type { OpenPiece, PieceReader } from './piece-reader.ts';
import type { PieceRows } from './piece-rows.ts';
import type { PieceShelf } from './piece-shelf.ts';
import { growingSource, keptSource } from './piece-source.ts';
import type { PieceTouches } from './piece-touches.ts';
import { PiecedFill } from './pieced-fill.ts';
import type { PiecedFile } from './pieced-file-rows.ts';
import { pieceEnd, piecesOf, pieceStart } from './pieces.ts';
import { respond, type PartSource } from './respond.ts';
import type { Reservation } from './room.ts';
import type { Freshness } from './standing.ts';
import type { Tally } from './tally.ts';
import type { PiecedTicket, ServeOutcome } from './tickets.ts';

export interface PieceCachePorts {
  readonly store: Store;
  readonly rows: PieceRows;
  readonly shelf: PieceShelf;
  readonly blobs: BlobStore;
  readonly clock: Clock;
  readonly pool: BufferPool;
  readonly tally: Tally;
  readonly touches: PieceTouches;
  readonly reserve: (bytes: number) => Promise<Reservation | null>;
  readonly storageFailed: (cause: unknown) => void;
}

/** Files held in pieces: served from what is here, fetched where it is not. */
export class PieceCache {
  readonly #ports: PieceCachePorts;
  readonly #fills: Fills<PiecedFill>;
  /** By path, how many answers are made of it now. */
  readonly #answering = new Map<string, number>();
  /** Emptied while it was read: its pieces go with the last reader. */
  readonly #owed = new Set<string>();

  constructor(ports: PieceCachePorts) {
    this.#ports = ports;
    this.#fills = new Fills((origin, target) => new PiecedFill(ports, origin, target));
  }

  find(path: string): PiecedFile | null {
    return this.#ports.rows.find(path);
  }

  isWhole(path: string): boolean {
    return this.#ports.rows.isWhole(path);
  }

  /** A ticket when every byte that a request asks for is here; a HEAD or a 304 needs none. */
  ticketFor(
    file: LocatedFile,
    pieced: PiecedFile,
    freshness: Freshness,
    request: IncomingMessage,
  ): PiecedTicket | null {
    const ticket = { file, pieced, ...freshness };
    const { rows } = this.#ports;
    const isAllHere = planOf(ticket, request, this.#ports.clock.nowMs()).parts.every(
      ({ range }) => {
        const { first, last } = piecesOf(range);
        return rows.covers(pieced.id, first, last);
      },
    );
    return isAllHere ? ticket : null;
  }

  /** Sends what a ticket is for. Nothing is written when it is `gone`. */
  serve(
    ticket: PiecedTicket,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<ServeOutcome> {
    return this.#reading(ticket.file.path, () => this.#serve(ticket, request, response));
  }

  async #serve(
    ticket: PiecedTicket,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<ServeOutcome> {
    const { pieced, heldAtMs } = ticket;
    const { tally, touches, pool } = this.#ports;
    const plan = planOf(ticket, request, this.#ports.clock.nowMs());
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
    const reader: PieceReader = {
      origin,
      position: wanted?.first ?? 0,
      last: wanted?.last ?? version.sizeBytes - 1,
      isPartial: wanted !== null,
    };
    fill.join(reader);
    try {
      const opened = await fill.begin(reader);
      if (opened.kind !== 'open') return opened;
      const nowMs = this.#ports.clock.nowMs();
      const plan = planAnswer(request, headOf(file, version, opened.head, 'miss', nowMs));
      const source = this.#growing(fill, reader, opened.head);
      return { kind: 'answered', plan, whole: await respond(request, response, plan, source) };
    } finally {
      fill.leave(reader);
    }
  }

  /**
   * Joins the fill of a file as one who reads all of it and is nobody. What came is kept when its
   * reader leaves and on the way; to be left with {@link PiecedFill.leave}.
   */
  joinAll(
    file: LocatedFile,
    version: FileVersion,
    origin: Origin,
  ): { readonly fill: PiecedFill; readonly reader: PieceReader } {
    const fill = this.#fillOf(file, version, origin);
    const reader = { origin, position: 0, last: version.sizeBytes - 1, isPartial: false };
    fill.join(reader);
    return { fill, reader };
  }

  /** What lies at or below a path goes, and what of it is being fetched is not kept. */
  drop(path: string): Promise<void> {
    this.#fills.doom(path);
    return this.#ports.shelf.discardBelow(path);
  }

  /** What lay at or below a path lies at another now, where nothing is kept. */
  move(from: string, to: string): void {
    this.#fills.doom(from);
    this.#ports.rows.files.move(from, to);
  }

  /**
   * As {@link drop} for whoever empties the cache: what somebody pinned stays, and what is being
   * read goes with its last reader.
   */
  async empty(path: string): Promise<void> {
    const { rows, shelf } = this.#ports;
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
    this.#ports.touches.flush();
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

  #fillOf(file: LocatedFile, version: FileVersion, origin: Origin): PiecedFill {
    const { path, mimeType, ownerId } = file;
    const running = this.#fills.find(path, version);
    return running ?? this.#fills.start(origin, { path, version, mimeType, ownerId });
  }

  async #open({ path, version }: PiecedFile, number: number): Promise<OpenPiece | null> {
    const kept = await this.#ports.shelf.open(path, version, number);
    if (kept === null) return null;
    const { piece, blob } = kept;
    this.#ports.touches.used(piece.id);
    const [start, end] = [pieceStart(number), pieceEnd(number, version.sizeBytes)];
    const { fd, read } = blob;
    return { fd, read, start, end, id: piece.id, close: () => blob.close() };
  }

  #growing(fill: PiecedFill, reader: PieceReader, head: FillHead): PartSource {
    const { pool, touches } = this.#ports;
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

function planOf(ticket: PiecedTicket, request: IncomingMessage, nowMs: number): AnswerPlan {
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
