import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Log } from '../../log/log.ts';
import type { Clock } from '../../time/clock.ts';
import { intentOfChange, type NewChange, readNewChange } from '../rows/change-rows.ts';
import { type NewUpload, readBase, readNewUpload, type UploadBase } from '../rows/upload-rows.ts';
import { type RandomBytes, uploadId } from '../upload-deps.ts';
import { type Disk, writeAll } from './disk.ts';

const INTENTS = /^(\d{12})-[0-9A-HJKMNP-TV-Z]{26}\.intents$/;
const ENDS = /^ends-(\d{4})-(\d{2})(?:-\d+)?\.log$/;
/** Nobody restores a backup or a copy of the database that is older than this many months. */
const ENDS_KEPT_MONTHS = 4;
/** Hex digits of a line's own hash. */
const SUM_LENGTH = 16;

/** How an upload or a change ended. A change has no size, hash or base. */
export interface End {
  readonly id: string;
  /** `dropped`: a person removed it; `base` is what it was made from. */
  readonly end: 'delivered' | 'dropped';
  readonly atMs: number;
  /** Where it is on the NAS, which differs from its own path after a conflict. */
  readonly path: string;
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly base: UploadBase | null;
  /** Its bytes stay on the Pi for their time. */
  readonly keep?: true;
}

interface IntentsDeps {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly log: Log;
  readonly randomBytes: RandomBytes;
  /** The queue's own folder. */
  readonly folder: string;
}

/**
 * Accepted items and how they ended, recorded a second time next to the bodies, in case the
 * database is lost, damaged or older. Uploads acknowledged together share one file and so one sync;
 * it is deleted when none of them needs it any more. Ends stay for months in a separate file:
 * without them an older database would bring back what was delivered or dropped since.
 *
 * Every line carries its own hash: a line spoilt by a failing disk is skipped and takes no other
 * with it.
 */
export class Intents {
  readonly #deps: IntentsDeps;
  readonly #ends: GroupCommit<readonly End[], true>;
  /** Sizes of the end files that may be continued, because all of their lines are intact. */
  readonly #endBytes = new Map<string, number>();
  #order = 0;

  constructor(deps: IntentsDeps) {
    this.#deps = deps;
    this.#ends = new GroupCommit((groups) => this.#append(groups));
  }

  /**
   * Writes and syncs what is about to be accepted, in its order. Durable once the queue's folder is
   * synced too.
   * @returns the name of their file
   * @throws the disk's error; nothing is left then, or the next start finds no body for it
   */
  async write(uploads: readonly NewUpload[]): Promise<string> {
    return await this.#write(uploads);
  }

  /**
   * As {@link write}, for a change.
   * @param insteadOf the file whose place in the order it takes
   */
  async writeChange(change: NewChange, insteadOf: string | null = null): Promise<string> {
    return await this.#write([intentOfChange(change)], INTENTS.exec(insteadOf ?? '')?.[1]);
  }

  async #write(intents: readonly object[], inOrder?: string): Promise<string> {
    const { disk, clock, folder, randomBytes } = this.#deps;
    if (inOrder === undefined) this.#order += 1;
    const order = inOrder ?? String(this.#order).padStart(12, '0');
    const name = `${order}-${uploadId(clock.nowMs(), randomBytes)}.intents`;
    const handle = await disk.create(join(folder, name));
    let whole = false;
    try {
      await writeAll(handle, [Buffer.from(intents.map(sealedLine).join(''))]);
      await handle.sync();
      whole = true;
    } finally {
      await handle.close();
      if (!whole) await disk.remove(join(folder, name));
    }
    return name;
  }

  /** No upload recorded in that file is still to be delivered. */
  async discard(name: string): Promise<void> {
    await this.#deps.disk.remove(join(this.#deps.folder, name));
  }

  /**
   * Records ends. Durable when it resolves, and only then may a row say so.
   * @throws the disk's error
   */
  async end(ends: readonly End[]): Promise<void> {
    if (ends.length > 0) await this.#ends.join(ends);
  }

  /** Names of all files of intents, oldest first. Once, before the first {@link write}. */
  async files(): Promise<readonly string[]> {
    const found: string[] = [];
    for await (const name of this.#deps.disk.names(this.#deps.folder)) {
      const order = INTENTS.exec(name)?.[1];
      if (order === undefined) continue;
      found.push(name);
      this.#order = Math.max(this.#order, Number(order));
    }
    return found.sort();
  }

  /** What one of those files records, in order. */
  async *read(name: string): AsyncIterable<NewUpload> {
    for await (const value of this.#lines(name)) {
      const upload = readNewUpload(value);
      if (upload !== null) yield upload;
    }
  }

  /** The changes that one of those files records. */
  async *readChanges(name: string): AsyncIterable<NewChange> {
    for await (const value of this.#lines(name)) {
      const change = readNewChange(value);
      if (change !== null) yield change;
    }
  }

  /**
   * The ends of those of these uploads and changes that have ended. Once, before the first {@link
   * end}.
   */
  async endsOf(ids: ReadonlySet<string>): Promise<ReadonlyMap<string, End>> {
    const ended = new Map<string, End>();
    for (const name of await this.#endFiles()) {
      for await (const value of this.#lines(name)) {
        const end = readEnd(value);
        if (end !== null && ids.has(end.id)) ended.set(end.id, end);
      }
    }
    return ended;
  }

  /** Forgets ends that are older than any copy of the database worth restoring. */
  async prune(nowMs: number): Promise<void> {
    const now = new Date(nowMs);
    for (const name of await this.#endFiles()) {
      const [, year, month] = ENDS.exec(name) ?? [];
      const age = (now.getUTCFullYear() - Number(year)) * 12 + now.getUTCMonth() + 1;
      if (age - Number(month) <= ENDS_KEPT_MONTHS) continue;
      await this.discard(name);
      this.#endBytes.delete(name);
    }
  }

  async #endFiles(): Promise<readonly string[]> {
    const found: string[] = [];
    for await (const name of this.#deps.disk.names(this.#deps.folder)) {
      if (ENDS.test(name)) found.push(name);
    }
    return found.sort();
  }

  async #append(groups: readonly (readonly End[])[]): Promise<readonly true[]> {
    const { disk, clock, folder } = this.#deps;
    const { name, bytes } = await this.#endFile(new Date(clock.nowMs()).toISOString().slice(0, 7));
    const file = join(folder, name);
    const lines = Buffer.from(groups.flat().map(sealedLine).join(''));
    const handle = bytes === null ? await disk.create(file) : await disk.goOn(file, bytes);
    // From here on the file exists, whether or not the line is written.
    this.#endBytes.set(name, bytes ?? 0);
    try {
      await writeAll(handle, [lines]);
      await handle.sync();
    } finally {
      await handle.close();
    }
    if (bytes === null || bytes === 0) await disk.syncFolder(folder);
    this.#endBytes.set(name, (bytes ?? 0) + lines.length);
    return groups.map(() => true);
  }

  /** The file that ends of a month are appended to. One with a spoilt line is left as it is. */
  async #endFile(month: string): Promise<{ readonly name: string; readonly bytes: number | null }> {
    for (let count = 1; ; count += 1) {
      const name = `ends-${month}${count === 1 ? '' : `-${count}`}.log`;
      const bytes = this.#endBytes.get(name) ?? null;
      if (bytes !== null) return { name, bytes };
      if ((await this.#deps.disk.sizeOf(join(this.#deps.folder, name))) === null) {
        return { name, bytes };
      }
    }
  }

  /** The lines of a file that are still as they were written. */
  async *#lines(name: string): AsyncIterable<unknown> {
    const { disk, folder, log } = this.#deps;
    const file = join(folder, name);
    const sizeBytes = (await disk.sizeOf(file)) ?? 0;
    const input = disk.read(file, 0, sizeBytes);
    let [bytes, spoilt] = [0, 0];
    for await (const line of createInterface({ input, crlfDelay: Infinity })) {
      bytes += Buffer.byteLength(line) + 1;
      const value = sealedValue(line);
      if (value === null) spoilt += 1;
      else yield value;
    }
    // A process that died may have left half a line at the end.
    if (spoilt > 0) log.warn(`${spoilt} lines of ${name} cannot be read.`);
    else if (bytes === sizeBytes && ENDS.test(name)) this.#endBytes.set(name, sizeBytes);
  }
}

/** A line with its own hash. */
export function sealedLine(value: object): string {
  const text = JSON.stringify(value);
  return `${sumOf(text)} ${text}\n`;
}

/** @returns null for a line that is not as it was written */
export function sealedValue(line: string): unknown {
  const text = line.slice(SUM_LENGTH + 1);
  return sumOf(text) === line.slice(0, SUM_LENGTH) ? (JSON.parse(text) as unknown) : null;
}

function sumOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, SUM_LENGTH);
}

function readEnd(value: unknown): End | null {
  const raw = value as Partial<Record<keyof End, unknown>>;
  const { id, end, atMs, path, sizeBytes, sha256 } = raw;
  if (typeof id !== 'string' || (end !== 'delivered' && end !== 'dropped')) return null;
  return {
    id,
    end,
    atMs: Number(atMs),
    path: String(path),
    sizeBytes: Number(sizeBytes),
    sha256: String(sha256),
    base: readBase(raw.base),
    ...(raw.keep === true ? { keep: true } : {}),
  };
}

interface Waiting<Job, Result> {
  readonly job: Job;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Lets jobs that end at about the same time share one costly commit. A job that arrives during a
 * commit waits for the next; nobody waits for company.
 */
export class GroupCommit<Job, Result> {
  readonly #commit: (jobs: readonly Job[]) => Promise<readonly Result[]>;
  #waiting: Waiting<Job, Result>[] = [];
  #running: Promise<void> | null = null;

  /** @param commit does all of a group; gives a result for each job in order, or rejects for all */
  constructor(commit: (jobs: readonly Job[]) => Promise<readonly Result[]>) {
    this.#commit = commit;
  }

  /** @throws what the commit of its group rejects with */
  async join(job: Job): Promise<Result> {
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    this.#waiting.push({ job, resolve, reject });
    this.#running ??= this.#run();
    return promise;
  }

  /** Resolves when nothing is being committed. */
  async idle(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    // One event-loop turn of grace lets jobs that finished in the same turn share the commit.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const group = this.#waiting;
      this.#waiting = [];
      await this.#commitGroup(group);
    }
    this.#running = null;
  }

  async #commitGroup(group: readonly Waiting<Job, Result>[]): Promise<void> {
    try {
      const results = await this.#commit(group.map(({ job }) => job));
      group.forEach(({ resolve, reject }, index) => {
        const result = results[index];
        if (result === undefined) reject(new Error('A commit gave no result for a job.'));
        else resolve(result);
      });
    } catch (error) {
      for (const { reject } of group) reject(error);
    }
  }
}
