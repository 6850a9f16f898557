import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FileVersion, LocatedFile } from '../../files/files.ts';
import type { Clock } from '../../time/clock.ts';
import { isSegmented } from '../entries/segment-rows.ts';
import type { Room } from '../entries/space.ts';
import type { CachePolicy } from '../policy/policy.ts';
import { type BufferPool, sendExtent } from '../serve/extent.ts';
import {
  type Answered,
  type CacheLabel,
  headOf,
  likelyRange,
  type PartSource,
  planAnswer,
  respond,
  sendFromOrigin,
  servePast,
} from '../serve/respond.ts';
import type { SegmentedFiles } from '../serve/segmented.ts';
import type { CacheCounters } from '../stats/stats.ts';
import type { Download, Downloads } from './download.ts';
import type { DownloadHead, Origin, OriginFault } from './origin.ts';

/** How a miss was answered, or why it could not be. Nothing was written in the second case. */
export type FetchOutcome =
  | { readonly kind: 'answered'; readonly label: CacheLabel; readonly whole: boolean }
  | Exclude<OriginFault, { kind: 'changed' }>;

export interface FetcherDeps {
  readonly downloads: Downloads;
  readonly segments: SegmentedFiles;
  readonly room: Room;
  readonly policy: Pick<CachePolicy, 'used'>;
  readonly tally: CacheCounters;
  readonly pool: BufferPool;
  readonly clock: Pick<Clock, 'nowMs'>;
}

/**
 * A range that begins further ahead of the download than this gets its own stream: waiting for the download
 * would take longer than asking (256 KB is 7 ms of a Pi's network).
 */
const WORTH_WAITING_BYTES = 256 * 1024;

/** Serves what is not kept, in one pass to the callers and into the cache. */
export class Fetcher {
  readonly #deps: FetcherDeps;
  readonly #answering = new Set<ServerResponse>();

  constructor(deps: FetcherDeps) {
    this.#deps = deps;
  }

  /** How many callers are answered by the NAS at this moment. */
  get answeringCount(): number {
    return this.#answering.size;
  }

  /** Breaks every answer that is under way. */
  cutAll(): void {
    for (const response of this.#answering) response.destroy();
  }

  async fetch(
    file: LocatedFile,
    version: FileVersion,
    origin: Origin,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<FetchOutcome> {
    const isWhole = request.method !== 'HEAD' && !isSegmented(version.sizeBytes);
    if (isWhole) this.#deps.policy.used(file.path, version.sizeBytes);
    const first = await this.#attempt(file, version, origin, request, response);
    if (first.kind !== 'changed') return this.#counted(first);
    // The listing was older than the file. One fresh look, one more try.
    const now = await origin.relist(true);
    if (now.kind === 'gone') return { kind: 'not_found' };
    if (now.kind === 'unknown') return { kind: 'unreachable' };
    const second = await this.#attempt(file, now.version, origin, request, response);
    return second.kind === 'changed' ? { kind: 'nas_bad_answer' } : this.#counted(second);
  }

  #counted(outcome: Exclude<Answered, { kind: 'changed' }>): FetchOutcome {
    if (outcome.kind !== 'answered') return outcome;
    this.#deps.tally.miss(outcome.plan.fileBytes);
    const label = outcome.plan.headers['X-Balupi-Cache'] as CacheLabel;
    return { kind: 'answered', label, whole: outcome.whole };
  }

  async #attempt(
    file: LocatedFile,
    version: FileVersion,
    origin: Origin,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<Answered> {
    if (this.#isForSegments(version, request)) {
      return this.#inSegments(file, version, origin, request, response);
    }
    const download = this.#downloadFor(file, version, origin, request);
    download?.join();
    this.#answering.add(response);
    try {
      if (download === null) return await this.#past(file, version, origin, request, response);
      const opened = await download.opened;
      if (opened.kind === 'no_storage') {
        return await this.#past(file, version, origin, request, response);
      }
      if (opened.kind !== 'open') return opened;
      return await this.#follow(download, opened.head, file, version, origin, request, response);
    } finally {
      this.#answering.delete(response);
      download?.leave();
    }
  }

  /** What is larger than the room streams through, and a HEAD fetches nothing worth keeping. */
  #isForSegments({ sizeBytes }: FileVersion, request: IncomingMessage): boolean {
    const fits = sizeBytes <= this.#deps.room.limitBytes();
    return isSegmented(sizeBytes) && fits && request.method !== 'HEAD';
  }

  async #inSegments(
    file: LocatedFile,
    version: FileVersion,
    origin: Origin,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<Answered> {
    this.#answering.add(response);
    try {
      const { segments } = this.#deps;
      const answered = await segments.answer(file, version, origin, request, response);
      if (answered.kind !== 'no_storage') return answered;
      return await this.#past(file, version, origin, request, response);
    } finally {
      this.#answering.delete(response);
    }
  }

  /** The download to read from; null for what is served past the cache. No await: one download a version. */
  #downloadFor(
    file: LocatedFile,
    version: FileVersion,
    origin: Origin,
    request: IncomingMessage,
  ): Download | null {
    const { downloads, room } = this.#deps;
    const running = downloads.find(file.path, version);
    const position = likelyRange(request, version.sizeBytes)?.first ?? 0;
    const isFar = position > (running?.writtenBytes ?? 0) + WORTH_WAITING_BYTES;
    if (isFar) return null;
    if (running !== null) return running;
    if (request.method === 'HEAD' || version.sizeBytes > room.limitBytes()) return null;
    const { path, mimeType, ownerId } = file;
    return downloads.start(origin, { path, version, mimeType, ownerId });
  }

  #past(
    file: LocatedFile,
    version: FileVersion,
    origin: Origin,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<Answered> {
    return servePast(request, response, origin, version, (etag, mimeType) =>
      headOf(file, version, { etag, mimeType }, 'bypass', this.#deps.clock.nowMs()),
    );
  }

  async #follow(
    download: Download,
    said: DownloadHead,
    file: LocatedFile,
    version: FileVersion,
    origin: Origin,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<Answered> {
    const plan = planAnswer(request, headOf(file, version, said, 'miss', this.#deps.clock.nowMs()));
    const source = this.#growing(download, said.etag, version, origin);
    const whole = await respond(request, response, plan, source);
    return { kind: 'answered', plan, whole };
  }

  #growing(
    download: Download,
    etag: string | null,
    version: FileVersion,
    origin: Origin,
  ): PartSource {
    const { pool } = this.#deps;
    return {
      send: async (outlet, range) => {
        if (range.first > download.writtenBytes + WORTH_WAITING_BYTES) {
          return sendFromOrigin(outlet, origin, range, version, etag);
        }
        const outcome = await sendExtent(outlet, download.extent(), range, pool);
        if (outcome.kind !== 'unstored') return outcome.kind === 'sent';
        const rest = { first: outcome.position, last: range.last };
        return sendFromOrigin(outlet, origin, rest, version, etag);
      },
    };
  }
}
