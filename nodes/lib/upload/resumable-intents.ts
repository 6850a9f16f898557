import { join } from 'node:path';
import type { Log } from '../log/log.ts';
import type { Disk, SpoolHandle } from './disk.ts';
import { sealedLine, sealedValue } from './intents.ts';
import { writeAll } from './write-all.ts';

/** Longer than any that is written here by far: a name has 255 bytes, a path 4,096. */
const MOST_BYTES = 1024 * 1024;
/** Proposed to callers, who may send others. A phone on a bad link sends no more twice. */
export const CHUNK_BYTES = 8 * 1024 * 1024;

/** Who began an unfinished upload, and what it is to become. */
export interface ResumableIntent {
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
export interface ChunkMark {
  readonly nextIndex: number;
  readonly receivedBytes: number;
  readonly chunkBytes: number;
}

/** What a file tells of an unfinished upload. */
export interface KnownIntent {
  readonly intent: ResumableIntent;
  readonly marks: readonly ChunkMark[];
}

export interface Deps {
  readonly disk: Disk;
  readonly log: Log;
  /** Where the unfinished uploads lie. */
  readonly folder: string;
}

/**
 * Unfinished uploads told a second time beside their bytes, for the day the database is lost or an
 * older one. How far one came is told by the length of its file, as chunks are of one length; only
 * one that is not as expected costs a line, and so a sync, of its own.
 */
export class ResumableIntents {
  readonly #deps: Deps;
  /** What the next chunks are measured by. One that is missing is written anew. */
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
   * A chunk is durable. Tells so where the length of the file alone would not.
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
    const pieces: Buffer[] = [];
    for await (const piece of disk.read(this.fileOf(id), 0, sizeBytes)) {
      pieces.push(piece as Buffer);
    }
    const lines = Buffer.concat(pieces).toString().split('\n');
    const values = lines.filter((line) => line !== '').map(sealedValue);
    const intent = readIntent(values[0]);
    if (intent?.id !== id) return null;
    const marks = values.slice(1).map(readMark);
    if (marks.includes(null)) log.warn('A line on an unfinished upload cannot be read.');
    const known = marks.filter((mark) => mark !== null);
    return { intent, marks: known };
  }

  /** The next chunks are measured by that mark. */
  goOnFrom(id: string, mark: ChunkMark): void {
    this.#marks.set(id, mark);
  }

  async remove(id: string): Promise<void> {
    this.#marks.delete(id);
    await this.#deps.disk.remove(this.fileOf(id));
  }
}

/** The mark that a file of that length goes on from: the last that it reaches. */
export function markAt({ marks }: KnownIntent, sizeBytes: number): ChunkMark {
  const reached = marks.findLast(({ receivedBytes }) => receivedBytes <= sizeBytes);
  return reached ?? { nextIndex: 0, receivedBytes: 0, chunkBytes: CHUNK_BYTES };
}

/** How many whole chunks a file of that length holds, and their bytes. */
export function progressAt(
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
