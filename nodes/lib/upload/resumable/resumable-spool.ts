import { join } from 'node:path';
import { errorKind, type Log } from '../../log/log.ts';
import type { Clock } from '../../time/clock.ts';
import { type Disk, type SpoolHandle, writeAll } from '../spool/disk.ts';
import type { FileHashing, FollowedHash } from '../spool/hashing.ts';
import { sealedLine, sealedValue } from '../spool/intents.ts';
import { type BornAt, isUploadId } from '../upload-deps.ts';
import type { ResumableRows, ResumableUpload } from '../rows/resumable-rows.ts';

/** Longer than any that is written here by far: a name has 255 bytes, a path 4,096. */
const MOST_BYTES = 1024 * 1024;
/** Suggested to callers, who may differ. A phone on a bad link resends no more. */
export const CHUNK_BYTES = 8 * 1024 * 1024;

/** Who started an unfinished upload, and what it is to become. */
interface ResumableIntent {
  readonly id: string;
  readonly userId: number;
  /** Null for what an older BaluPi began. */
  readonly username: string | null;
  readonly ownerCreatedAt: string | null;
  readonly folder: string;
  readonly filename: string;
  readonly totalBytes: number;
}

/** Before its chunk `nextIndex` there are `receivedBytes`; from there they are `chunkBytes` long. */
interface ChunkMark {
  readonly nextIndex: number;
  readonly receivedBytes: number;
  readonly chunkBytes: number;
}

/** What a file records of an unfinished upload. */
interface KnownIntent {
  readonly intent: ResumableIntent;
  readonly marks: readonly ChunkMark[];
}

interface Deps {
  readonly disk: Disk;
  readonly log: Log;
  /** Where the unfinished uploads lie. */
  readonly folder: string;
}

/**
 * Unfinished uploads described a second time next to their bytes, in case the database is lost or
 * restored. The file's length tells its progress, as chunks are of one length; only an irregular
 * one costs a line, and so a sync, of its own.
 */
class ResumableIntents {
  readonly #deps: Deps;
  /** The basis for the next chunks. A missing one is written again. */
  readonly #marks = new Map<string, ChunkMark>();

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  fileOf(id: string): string {
    return join(this.#deps.folder, `${id}.intent`);
  }

  /** Durable once the folder is synced too. */
  async write(intent: ResumableIntent, mark: ChunkMark): Promise<void> {
    const { disk } = this.#deps;
    await disk.remove(this.fileOf(intent.id));
    const handle = await disk.create(this.fileOf(intent.id));
    await append(handle, sealedLine(intent) + sealedLine(mark));
    this.#marks.set(intent.id, mark);
  }

  /**
   * A chunk is durable. Records it where the file's length alone would not tell.
   * @throws the disk's error; the chunk must not be acknowledged then
   */
  async grown(
    { id, totalBytes }: Pick<ResumableIntent, 'id' | 'totalBytes'>,
    chunk: { readonly index: number; readonly firstByte: number; readonly endByte: number },
  ): Promise<void> {
    const { index, firstByte, endByte } = chunk;
    const mark = this.#marks.get(id);
    const expectedEnd = Math.min(firstByte + (mark?.chunkBytes ?? 0), totalBytes);
    if (mark !== undefined && endByte === expectedEnd && endByte > firstByte) return;
    const { disk } = this.#deps;
    const file = this.fileOf(id);
    const sizeBytes = await disk.sizeOf(file);
    if (sizeBytes === null) return;
    this.#marks.delete(id);
    const length = endByte - firstByte;
    const chunkBytes = length > 0 ? length : (mark?.chunkBytes ?? CHUNK_BYTES);
    const next = { nextIndex: index + 1, receivedBytes: endByte, chunkBytes };
    // On a line of its own, though the one before may have been cut by a fault.
    await append(await disk.goOn(file, sizeBytes), `\n${sealedLine(next)}`);
    this.#marks.set(id, next);
  }

  /** @returns null where there is none or its first line is spoilt */
  async read(id: string): Promise<KnownIntent | null> {
    const { disk, log } = this.#deps;
    const sizeBytes = await disk.sizeOf(this.fileOf(id));
    if (sizeBytes === null || sizeBytes > MOST_BYTES) return null;
    const buffers: Buffer[] = [];
    for await (const buffer of disk.read(this.fileOf(id), 0, sizeBytes)) {
      buffers.push(buffer as Buffer);
    }
    const lines = Buffer.concat(buffers).toString().split('\n');
    const values = lines.filter((line) => line !== '').map(sealedValue);
    const intent = readIntent(values[0]);
    if (intent?.id !== id) return null;
    const marks = values.slice(1).map(readMark);
    if (marks.includes(null)) log.warn('A record of an unfinished upload cannot be read.');
    const known = marks.filter((mark) => mark !== null);
    return { intent, marks: known };
  }

  /** The next chunks are measured from that mark. */
  goOnFrom(id: string, mark: ChunkMark): void {
    this.#marks.set(id, mark);
  }

  async remove(id: string): Promise<void> {
    this.#marks.delete(id);
    await this.#deps.disk.remove(this.fileOf(id));
  }
}

/** The mark that a file of that length goes on from: the last that it reaches. */
function markAt({ marks }: KnownIntent, sizeBytes: number): ChunkMark {
  const reached = marks.findLast(({ receivedBytes }) => receivedBytes <= sizeBytes);
  return reached ?? { nextIndex: 0, receivedBytes: 0, chunkBytes: CHUNK_BYTES };
}

/** How many whole chunks a file of that length holds, and their bytes. */
function progressAt(
  mark: ChunkMark,
  sizeBytes: number,
  totalBytes: number,
): { readonly nextIndex: number; readonly receivedBytes: number } {
  const isWhole = sizeBytes >= totalBytes;
  const more = (Math.min(sizeBytes, totalBytes) - mark.receivedBytes) / mark.chunkBytes;
  const chunks = isWhole ? Math.ceil(more) : Math.floor(more);
  return {
    nextIndex: mark.nextIndex + chunks,
    receivedBytes: isWhole ? totalBytes : mark.receivedBytes + chunks * mark.chunkBytes,
  };
}

async function append(handle: SpoolHandle, text: string): Promise<void> {
  try {
    await writeAll(handle, [Buffer.from(text)]);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function readIntent(value: unknown): ResumableIntent | null {
  if (typeof value !== 'object' || value === null) return null;
  const raw = value as Partial<Record<keyof ResumableIntent, unknown>>;
  const { id, userId, username, ownerCreatedAt, folder, filename, totalBytes } = raw;
  if (typeof id !== 'string' || typeof folder !== 'string' || typeof filename !== 'string') {
    return null;
  }
  if (!isCount(userId) || !isCount(totalBytes)) return null;
  const who = { userId, username: textOrNull(username) };
  return { id, ...who, ownerCreatedAt: textOrNull(ownerCreatedAt), folder, filename, totalBytes };
}

function readMark(value: unknown): ChunkMark | null {
  if (typeof value !== 'object' || value === null) return null;
  const raw = value as Partial<Record<keyof ChunkMark, unknown>>;
  const { nextIndex, receivedBytes, chunkBytes } = raw;
  if (!isCount(nextIndex) || !isCount(receivedBytes) || !isCount(chunkBytes)) return null;
  return chunkBytes === 0 ? null : { nextIndex, receivedBytes, chunkBytes };
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function textOrNull(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

/** Hashes kept up to date while chunks arrive; others are computed on request. */
const MOST_FOLLOWED = 32;
const AT_FIRST: ChunkMark = { nextIndex: 0, receivedBytes: 0, chunkBytes: CHUNK_BYTES };

interface SpoolDeps {
  readonly disk: Disk;
  readonly hashing: FileHashing;
  readonly rows: ResumableRows;
  readonly bornAt: BornAt;
  readonly clock: Clock;
  readonly log: Log;
  /** The queue's own folder. */
  readonly folder: string;
}

/** The files of unfinished resumable uploads, their space and their hashes. */
export class ResumableSpool {
  readonly #deps: SpoolDeps;
  readonly #folder: string;
  readonly #intents: ResumableIntents;
  readonly #followed = new Map<string, FollowedHash>();
  /** Recovered further than a row said: where the repeatable chunks begin. */
  readonly #unsure = new Map<string, ChunkMark>();

  constructor(deps: SpoolDeps) {
    this.#deps = deps;
    this.#folder = join(deps.folder, 'resumable');
    this.#intents = new ResumableIntents({ ...deps, folder: this.#folder });
  }

  fileOf(id: string): string {
    return join(this.#folder, `${id}.part`);
  }

  /**
   * Records durably what is about to come, and creates an empty file for it.
   * @throws the disk's error; nothing is left then
   */
  async open(intent: ResumableIntent): Promise<void> {
    const { disk } = this.#deps;
    const { id } = intent;
    try {
      await this.#intents.write(intent, AT_FIRST);
      const handle = await disk.create(this.fileOf(id));
      await handle.close();
      await disk.syncFolder(this.#folder);
    } catch (error) {
      await this.discard(id);
      throw error;
    }
  }

  /**
   * Where an acceptable chunk begins: the next one, or after a start one already stored whose
   * acknowledgement may have been lost.
   * @returns null for any other
   */
  firstByteOf({ id, nextIndex, receivedBytes }: ResumableUpload, index: number): number | null {
    if (index === nextIndex) return receivedBytes;
    const mark = this.#unsure.get(id);
    if (mark === undefined || index < mark.nextIndex || index > nextIndex) return null;
    return mark.receivedBytes + (index - mark.nextIndex) * mark.chunkBytes;
  }

  /**
   * A chunk is durable, and is about to be acknowledged.
   * @throws the disk's error; it must not be acknowledged then
   */
  async told(
    upload: ResumableUpload,
    chunk: { readonly index: number; readonly firstByte: number; readonly endByte: number },
  ): Promise<void> {
    await this.#intents.grown(upload, chunk);
    this.#unsure.delete(upload.id);
  }

  /** That many bytes of it are durable: they are hashed while the next ones arrive. */
  grown(id: string, receivedBytes: number): void {
    const followed = this.#follow(id);
    followed.extend(receivedBytes);
  }

  /** @throws what reading the file threw; it may be asked for again */
  async hashOf({ id, totalBytes }: ResumableUpload): Promise<string> {
    const followed = this.#follow(id);
    this.#followed.delete(id);
    return followed.finish(totalBytes);
  }

  /** It is in the queue now, which has an intent of its own for it. */
  async completed(id: string): Promise<void> {
    this.#forget(id);
    try {
      await this.#intents.remove(id);
    } catch (error) {
      // The next start removes it, as its file is gone.
      this.#deps.log.warn(
        `An intent that is no longer needed could not be removed (${errorKind(error)}).`,
      );
    }
  }

  /** @throws the disk's error */
  async discard(id: string): Promise<void> {
    this.#forget(id);
    await this.#deps.disk.remove(this.fileOf(id));
    await this.#intents.remove(id);
  }

  /**
   * Reconciles files, intents and rows after a start. What the database does not know is recovered:
   * each of its chunks was acknowledged as safe.
   * @returns how many uploads had lost their file
   */
  async recover(): Promise<number> {
    const { disk, rows, folder, log } = this.#deps;
    await disk.makeFolder(this.#folder);
    await disk.syncFolder(folder);
    let lost = 0;
    for (const row of rows.all()) if (!(await this.#check(row))) lost += 1;
    const ids = new Set<string>();
    for await (const name of disk.names(this.#folder)) {
      const id = name.replace(/\.(part|intent)$/, '');
      if (isUploadId(id) && rows.byId(id) === null) ids.add(id);
    }
    let found = 0;
    for (const id of ids) if (await this.#takeUp(id)) found += 1;
    if (found > 0) log.warn(`Found ${found} unfinished uploads that the database did not know.`);
    await disk.syncFolder(this.#folder);
    return lost;
  }

  /** @returns false where acknowledged bytes are missing */
  async #check(row: ResumableUpload): Promise<boolean> {
    const { disk, rows, folder } = this.#deps;
    const { id } = row;
    const file = this.fileOf(id);
    if ((await disk.sizeOf(file)) === null && (await disk.sizeOf(join(folder, id))) !== null) {
      if ((await disk.sizeOf(this.#intents.fileOf(id))) === null) {
        // It was completed after this copy of the database was made: the queue has it.
        rows.remove(id);
        return true;
      }
      // It died between the rename and the commit of its completion.
      await disk.rename(join(folder, id), file);
    }
    const sizeBytes = (await disk.sizeOf(file)) ?? -1;
    if (sizeBytes < row.receivedBytes) {
      rows.remove(id);
      await this.discard(id);
      return false;
    }
    await this.#compare(row, sizeBytes);
    return true;
  }

  /** Whether the file is ahead of its row, which then is outdated. */
  async #compare(row: ResumableUpload, sizeBytes: number): Promise<void> {
    const { id, totalBytes, nextIndex, receivedBytes } = row;
    const known = await this.#intents.read(id);
    if (known === null) {
      const mark = { nextIndex, receivedBytes, chunkBytes: CHUNK_BYTES };
      await this.#intents.write({ ...row, username: null }, mark);
      return;
    }
    const mark = markAt(known, sizeBytes);
    const progress = progressAt(mark, sizeBytes, totalBytes);
    if (progress.nextIndex <= nextIndex) return;
    await this.#goOn(id, mark, progress);
    this.#deps.rows.advance(id, progress, this.#deps.clock.nowMs());
  }

  /** @returns whether it can go on */
  async #takeUp(id: string): Promise<boolean> {
    const { disk, rows, log, clock, bornAt } = this.#deps;
    const sizeBytes = await disk.sizeOf(this.fileOf(id));
    const known = await this.#intents.read(id);
    if (sizeBytes === null || (known === null && sizeBytes === 0)) {
      await this.discard(id);
      return false;
    }
    if (known === null) {
      log.error('The bytes of an unfinished upload belong to no user that BaluPi knows.');
      return false;
    }
    const { intent } = known;
    const mark = markAt(known, sizeBytes);
    const progress = progressAt(mark, sizeBytes, intent.totalBytes);
    await this.#goOn(id, mark, progress);
    const bornNow = bornAt(intent.userId);
    const isAnother = bornNow !== null && (intent.ownerCreatedAt ?? bornNow) !== bornNow;
    const userId = isAnother ? -intent.userId : intent.userId;
    rows.insert({ ...intent, userId, ...progress, touchedAtMs: clock.nowMs() });
    return true;
  }

  /** Cuts off what is behind the last whole chunk; everything before it is durable now. */
  async #goOn(
    id: string,
    mark: ChunkMark,
    { receivedBytes }: { readonly receivedBytes: number },
  ): Promise<void> {
    const handle = await this.#deps.disk.goOn(this.fileOf(id), receivedBytes);
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
    this.#intents.goOnFrom(id, mark);
    this.#unsure.set(id, mark);
  }

  #forget(id: string): void {
    this.#followed.get(id)?.drop();
    this.#followed.delete(id);
    this.#unsure.delete(id);
  }

  #follow(id: string): FollowedHash {
    const known = this.#followed.get(id);
    this.#followed.delete(id);
    const followed = known ?? this.#deps.hashing.follow(this.fileOf(id));
    this.#followed.set(id, followed);
    for (const [oldest, hash] of this.#followed) {
      if (this.#followed.size <= MOST_FOLLOWED) break;
      hash.drop();
      this.#followed.delete(oldest);
    }
    return followed;
  }
}
