import { join } from 'node:path';
import { errorKind } from '../log/error-kind.ts';
import type { Log } from '../log/log.ts';
import type { Clock } from '../time/clock.ts';
import type { Disk } from './disk.ts';
import type { Enqueue, Enqueued, EnqueueRequest } from './enqueue.ts';
import { GroupCommit } from './group-commit.ts';
import type { StagedFile } from './part-file.ts';
import type { UploadRows } from './upload-rows.ts';

type Published = Enqueued | { readonly kind: 'fault'; readonly error: unknown };

/**
 * The last three steps to an acknowledged upload: rename into the queue folder,
 * sync that folder, commit the rows with synchronous=FULL. Requests that end together share the
 * folder's sync and the commit, so one file alone costs three syncs and each of many fewer.
 */
export class Publisher {
  readonly #disk: Disk;
  readonly #rows: UploadRows;
  readonly #enqueue: Enqueue;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #folder: string;
  readonly #group: GroupCommit<EnqueueRequest, Published>;

  constructor(
    parts: {
      readonly disk: Disk;
      readonly rows: UploadRows;
      readonly enqueue: Enqueue;
      readonly clock: Clock;
      readonly log: Log;
    },
    folder: string,
  ) {
    this.#disk = parts.disk;
    this.#rows = parts.rows;
    this.#enqueue = parts.enqueue;
    this.#clock = parts.clock;
    this.#log = parts.log;
    this.#folder = folder;
    this.#group = new GroupCommit((requests) => this.#publish(requests));
  }

  /** Where an accepted upload's bytes lie. */
  fileOf(id: string): string {
    return join(this.#folder, id);
  }

  /**
   * Makes a request's files the queue's, all or none. Whatever happens, no file of it is left there
   * that no row owns.
   * @throws the disk's or the database's error
   */
  async publish(request: EnqueueRequest): Promise<Enqueued> {
    const published = await this.#group.join(request);
    if (published.kind === 'fault') throw published.error;
    return published;
  }

  async idle(): Promise<void> {
    await this.#group.idle();
  }

  async #publish(requests: readonly EnqueueRequest[]): Promise<readonly Published[]> {
    const results = await Promise.all(requests.map((request) => this.#moveIn(request)));
    const ready = requests.filter((_, index) => results[index] === null);
    const committed = ready.length === 0 ? [] : await this.#commit(ready);
    let next = 0;
    const published = results.map((fault): Published => fault ?? at(committed, next++));
    await this.#removeSurplus(requests, published);
    return published;
  }

  async #moveIn(request: EnqueueRequest): Promise<Published | null> {
    try {
      for (const { staged } of request.files) {
        await this.#disk.rename(staged.partFile, this.fileOf(staged.id));
      }
      return null;
    } catch (error) {
      return { kind: 'fault', error };
    }
  }

  async #commit(requests: readonly EnqueueRequest[]): Promise<readonly Published[]> {
    try {
      await this.#disk.syncFolder(this.#folder);
      const nowMs = this.#clock.nowMs();
      return this.#rows.transaction(() =>
        requests.map((request) => this.#enqueue.enqueue(request, nowMs)),
      );
    } catch (error) {
      return requests.map(() => ({ kind: 'fault', error }));
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

function at<T>(items: readonly T[], index: number): T {
  const item = items[index];
  if (item === undefined) throw new Error('A group commit lost count of its requests.');
  return item;
}
