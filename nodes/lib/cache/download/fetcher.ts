import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FileVersion, LocatedFile } from '../../files/files.ts';
import type { Clock } from '../../time/clock.ts';
import { isSegmented } from '../entries/segment-rows.ts';
import type { CacheSpace } from '../entries/space.ts';
import type { CachePolicy } from '../policy/policy.ts';
import type { BufferPool } from '../serve/byte-source.ts';
import { partialSource } from '../serve/follow.ts';
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
import type { KeptEntries, SegmentTouches } from '../serve/kept.ts';
import type { CacheCounters } from '../stats/stats.ts';
import type { Download, Downloads } from './download.ts';
import type { DownloadHead, Origin, OriginFault } from './origin.ts';
import type { Reader } from './ranges.ts';

/** How a miss was answered, or why it could not be. A failure has written nothing. */
export type FetchOutcome =
  | { readonly kind: 'answered'; readonly label: CacheLabel; readonly whole: boolean }
  | Exclude<OriginFault, { kind: 'changed' }>;

export interface FetcherDeps {
  readonly downloads: Downloads;
  readonly kept: KeptEntries;
  readonly touches: SegmentTouches;
  readonly space: CacheSpace;
  readonly policy: Pick<CachePolicy, 'used'>;
  readonly counters: CacheCounters;
  readonly pool: BufferPool;
  readonly clock: Pick<Clock, 'nowMs'>;
}

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
    this.#deps.counters.miss(outcome.plan.fileBytes);
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
    this.#answering.add(response);
    try {
      const answered =
        request.method === 'HEAD'
          ? await this.#headOfRunning(file, version, request, response)
          : await this.#follow(file, version, origin, request, response);
      if (answered.kind !== 'no_storage') return answered;
      return await servePast(request, response, origin, version, (etag, mimeType) =>
        headOf(file, version, { etag, mimeType }, 'bypass', this.#deps.clock.nowMs()),
      );
    } finally {
      this.#answering.delete(response);
    }
  }

  /** A HEAD fetches nothing worth keeping; a running download knows the head already. */
  async #headOfRunning(
    file: LocatedFile,
    version: FileVersion,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<Answered | { readonly kind: 'no_storage' }> {
    const said = this.#deps.downloads.find(file.path, version)?.head ?? null;
    if (said === null) return { kind: 'no_storage' };
    const plan = planAnswer(request, headOf(file, version, said, 'miss', this.#deps.clock.nowMs()));
    const none = { send: () => Promise.resolve(false) };
    return { kind: 'answered', plan, whole: await respond(request, response, plan, none) };
  }

  /** Follows the download of a file, one that runs or a new one. */
  #follow(
    file: LocatedFile,
    version: FileVersion,
    origin: Origin,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<Answered | { readonly kind: 'no_storage' }> {
    const { downloads, space, kept } = this.#deps;
    const { path, mimeType, ownerId } = file;
    // No await before it is joined: one download per version.
    const running = downloads.find(path, version);
    if (running === null && version.sizeBytes > space.limitBytes()) {
      return Promise.resolve({ kind: 'no_storage' });
    }
    const download = running ?? downloads.start(origin, { path, version, mimeType, ownerId });
    const wanted = likelyRange(request, version.sizeBytes);
    const reader: Reader = {
      origin,
      position: wanted?.first ?? 0,
      last: wanted?.last ?? version.sizeBytes - 1,
      isPartial: wanted !== null,
    };
    download.join(reader);
    return kept.reading(path, async () => {
      try {
        const opened = await download.begin(reader);
        if (opened.kind !== 'open') return opened;
        const nowMs = this.#deps.clock.nowMs();
        const plan = planAnswer(request, headOf(file, version, opened.head, 'miss', nowMs));
        const source = this.#partial(download, reader, opened.head);
        return { kind: 'answered', plan, whole: await respond(request, response, plan, source) };
      } finally {
        download.leave(reader);
      }
    });
  }

  #partial(download: Download, reader: Reader, { etag }: DownloadHead): PartSource {
    const { pool, touches } = this.#deps;
    return partialSource(download, reader, {
      pool,
      used: (segmentId) => {
        touches.used(segmentId);
      },
      past: (writer, rest) => sendFromOrigin(writer, reader.origin, rest, download.version, etag),
    });
  }
}
