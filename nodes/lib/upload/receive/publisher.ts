import { join } from 'node:path';
import { errorKind, type Listeners, type Log } from '../../log/log.ts';
import type { Clock } from '../../time/clock.ts';
import type { NewUpload, UploadRows } from '../rows/upload-rows.ts';
import type { Disk } from '../spool/disk.ts';
import { GroupCommit, type Intents } from '../spool/intents.ts';
import type { StagedFile } from '../spool/part-file.ts';
import { newsOfUpload, type UploadNews } from '../upload-deps.ts';
import type { Enqueue, Enqueued, EnqueueRequest } from './enqueue.ts';

/** Each try is one disk sync after the one before. */
const MOST_TRIES = 5;

type Published = Enqueued | { readonly kind: 'fault'; readonly error: unknown };

interface PublisherDeps {
  readonly disk: Disk;
  readonly rows: UploadRows;
  readonly enqueue: Enqueue;
  readonly intents: Intents;
  readonly clock: Clock;
  readonly log: Log;
  readonly news: Listeners<UploadNews>;
}

/**
 * The last steps to an acknowledged upload: write the intents, rename the bodies into the queue
 * folder, sync that folder, commit the rows with synchronous=FULL. Requests that end together share
 * the intents, the folder's sync and the commit, so a single file costs four syncs and each of many
 * fewer. A body in the queue folder is never without its intent.
 */
export class Publisher {
  readonly #disk: Disk;
  readonly #rows: UploadRows;
  readonly #enqueue: Enqueue;
  readonly #intents: Intents;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #folder: string;
  readonly #news: Listeners<UploadNews>;
  readonly #group: GroupCommit<EnqueueRequest, Published>;

  constructor(deps: PublisherDeps, folder: string) {
    this.#disk = deps.disk;
    this.#rows = deps.rows;
    this.#enqueue = deps.enqueue;
    this.#intents = deps.intents;
    this.#clock = deps.clock;
    this.#log = deps.log;
    this.#news = deps.news;
    this.#folder = folder;
    this.#group = new GroupCommit((requests) => this.#publish(requests));
  }

  /** Where an accepted upload's bytes lie. */
  fileOf(id: string): string {
    return join(this.#folder, id);
  }

  /**
   * Moves a request's files into the queue, all or none. Whatever happens, none is left there
   * without a row.
   * @throws the disk's or the database's error
   */
  async publish(request: EnqueueRequest): Promise<Enqueued> {
    const published = await this.#group.join(request);
    if (published.kind === 'fault') throw published.error;
    for (const upload of insertedBy([published])) {
      this.#news.tell(newsOfUpload('upload_accepted', upload));
    }
    return published;
  }

  async idle(): Promise<void> {
    await this.#group.idle();
  }

  async #publish(requests: readonly EnqueueRequest[]): Promise<readonly Published[]> {
    let published: readonly Published[] | null = null;
    for (let tries = 0; published === null; tries += 1) {
      if (tries === MOST_TRIES) throw new Error('What to enqueue keeps changing.');
      published = await this.#tryOnce(requests);
    }
    await this.#removeSurplus(requests, published);
    return published;
  }

  /**
   * @returns null where a row was dropped or delivered meanwhile, so that another upload is no
   * longer surplus
   */
  async #tryOnce(requests: readonly EnqueueRequest[]): Promise<readonly Published[] | null> {
    let intentFile: string | null = null;
    let committed: readonly Published[] | null;
    try {
      const nowMs = this.#clock.nowMs();
      const rehearsed = this.#rows.rehearse(() =>
        requests.map((request) => this.#enqueue.enqueue(request, nowMs, null)),
      );
      const planned = insertedBy(rehearsed);
      const ids = new Set(planned.map(({ id }) => id));
      let faults: readonly (Published | null)[] = [];
      if (planned.length > 0) {
        intentFile = await this.#intents.write(planned);
        faults = await Promise.all(requests.map((request) => this.#moveIn(request, ids)));
        await this.#disk.syncFolder(this.#folder);
      }
      committed = this.#commit(requests, faults, { nowMs, intentFile, ids });
    } catch (error) {
      committed = requests.map(() => ({ kind: 'fault', error }));
    }
    const isNeeded = committed !== null && insertedBy(committed).length > 0;
    if (intentFile !== null && !isNeeded) await this.#discard(intentFile);
    return committed;
  }

  #commit(
    requests: readonly EnqueueRequest[],
    faults: readonly (Published | null)[],
    of: { nowMs: number; intentFile: string | null; ids: ReadonlySet<string> },
  ): readonly Published[] | null {
    const surprised = new Error('A row has no intent.');
    try {
      return this.#rows.transaction(() =>
        requests.map((request, index) => {
          const fault = faults[index] ?? null;
          if (fault !== null) return fault;
          const enqueued = this.#enqueue.enqueue(request, of.nowMs, of.intentFile);
          if (insertedBy([enqueued]).some(({ id }) => !of.ids.has(id))) throw surprised;
          return enqueued;
        }),
      );
    } catch (error) {
      if (error === surprised) return null;
      throw error;
    }
  }

  async #moveIn(request: EnqueueRequest, ids: ReadonlySet<string>): Promise<Published | null> {
    try {
      for (const { staged } of request.files) {
        // After an earlier try it is in the folder already.
        const isToMove = ids.has(staged.id) && (await this.#disk.sizeOf(staged.partFile)) !== null;
        if (!isToMove) continue;
        await this.#disk.rename(staged.partFile, this.fileOf(staged.id));
      }
      return null;
    } catch (error) {
      return { kind: 'fault', error };
    }
  }

  async #discard(intentFile: string): Promise<void> {
    try {
      await this.#intents.discard(intentFile);
    } catch (error) {
      this.#log.warn(`Intents of no upload could not be removed (${errorKind(error)}).`);
    }
  }

  async #removeSurplus(
    requests: readonly EnqueueRequest[],
    published: readonly Published[],
  ): Promise<void> {
    for (const [index, request] of requests.entries()) {
      const result = at(published, index);
      if (result.kind === 'fault' && request.alongside !== undefined) {
        for (const { staged } of request.files) await this.#putBack(staged);
        continue;
      }
      const surplus =
        result.kind === 'enqueued' ? result.surplus : request.files.map(({ staged }) => staged);
      for (const staged of surplus) await this.#remove(staged);
    }
  }

  async #putBack({ id, partFile }: StagedFile): Promise<void> {
    try {
      if ((await this.#disk.sizeOf(partFile)) !== null) return;
      await this.#disk.rename(this.fileOf(id), partFile);
    } catch (error) {
      this.#log.warn(`An unfinished upload could not be put back (${errorKind(error)}).`);
    }
  }

  async #remove(staged: StagedFile): Promise<void> {
    try {
      await this.#disk.remove(this.fileOf(staged.id));
      await this.#disk.remove(staged.partFile);
    } catch (error) {
      this.#log.warn(
        `A file that belongs to no upload could not be removed (${errorKind(error)}).`,
      );
    }
  }
}

function insertedBy(published: readonly Published[]): readonly NewUpload[] {
  return published.flatMap((one) => (one.kind === 'enqueued' ? one.inserted : []));
}

function at<T>(items: readonly T[], index: number): T {
  const item = items[index];
  if (item === undefined) throw new Error('A group commit lost count of its requests.');
  return item;
}
