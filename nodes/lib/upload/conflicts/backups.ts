import { createHash } from 'node:crypto';
import { dirname, join } from 'node:path';
import type { NasClient, NasFileItem } from '../../nas/nas-client.ts';
import type { Clock } from '../../time/clock.ts';
import { type Interruption, interruptionOf } from '../delivery/delivery-calls.ts';
import type { UploadQuota } from '../receive/admission.ts';
import { type Conflict, KEPT_MS, type ConflictBackupRows } from '../rows/conflict-rows.ts';
import { type Disk, writeAll } from '../spool/disk.ts';
import { isUploadId, type RandomBytes, timeOfId, uploadId } from '../upload-deps.ts';

export type KeepOutcome =
  | { readonly kind: 'kept' }
  | { readonly kind: 'no_room' }
  /** The file changed while it was read. */
  | { readonly kind: 'unsteady' }
  | Interruption;

export interface ConflictBackupsDeps {
  readonly rows: ConflictBackupRows;
  readonly disk: Disk;
  readonly nas: NasClient;
  readonly quota: UploadQuota;
  readonly clock: Clock;
  readonly randomBytes: RandomBytes;
  /** `kept` inside the queue's folder. */
  readonly folder: string;
}

/** Brings conflict copies from the NAS to the Pi before they are removed there. */
export class ConflictBackups {
  readonly #deps: ConflictBackupsDeps;

  constructor(deps: ConflictBackupsDeps) {
    this.#deps = deps;
  }

  /** Removes what a crash left incomplete; complete files stay, with or without a row. */
  async start(): Promise<void> {
    const { disk, folder } = this.#deps;
    for (const name of await this.#names()) {
      const isHalf = name.endsWith('.part') && isUploadId(name.slice(0, -'.part'.length));
      if (isHalf) await disk.remove(join(folder, name));
    }
  }

  /** Resolves once the bytes are durable: synced, renamed, and in the table. */
  async keep(
    conflict: Conflict,
    item: NasFileItem,
    token: string,
    signal: AbortSignal,
  ): Promise<KeepOutcome> {
    const { rows, quota } = this.#deps;
    const known = item.checksum?.toLowerCase() ?? '';
    if (rows.holds(conflict.id, known, item.size)) return { kind: 'kept' };
    const reserved = await quota.reserve(conflict.userId, item.size);
    if ('code' in reserved) return { kind: 'no_room' };
    try {
      return await this.#fetch(conflict, item, token, signal);
    } finally {
      reserved.release();
    }
  }

  /**
   * Keeps the body of an upload that left the queue because its user deleted the file.
   * @param file where it is now
   */
  async keepBody(
    {
      id,
      userId,
      path,
      sizeBytes,
      sha256,
    }: {
      readonly id: string;
      readonly userId: number;
      readonly path: string;
      readonly sizeBytes: number;
      readonly sha256: string;
    },
    file: string,
  ): Promise<void> {
    const { disk, folder, rows, clock } = this.#deps;
    await disk.makeFolder(folder);
    await disk.rename(file, join(folder, id));
    await disk.syncFolder(folder);
    const keptUntilMs = clock.nowMs() + KEPT_MS;
    rows.insert({ id, conflictId: 0, userId, path, sizeBytes, sha256, keptUntilMs });
  }

  /** Removes bytes kept for 30 days, counted by a time that no clock jump can fake. */
  async prune(nowMs: number): Promise<void> {
    const { rows, disk, folder } = this.#deps;
    rows.keepNoLonger(nowMs + KEPT_MS);
    for (const id of rows.over(nowMs)) {
      await disk.remove(join(folder, id));
      rows.delete(id);
    }
    // Of a lost database: the names tell how old the files are.
    for (const name of await this.#names()) {
      const isOver = isUploadId(name) && timeOfId(name) + KEPT_MS <= nowMs;
      if (isOver && !rows.has(name)) await disk.remove(join(folder, name));
    }
  }

  /** The folder exists once something was kept. */
  async #names(): Promise<readonly string[]> {
    const names: string[] = [];
    try {
      for await (const name of this.#deps.disk.names(this.#deps.folder)) names.push(name);
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
    }
    return names;
  }

  async #fetch(
    conflict: Conflict,
    item: NasFileItem,
    token: string,
    signal: AbortSignal,
  ): Promise<KeepOutcome> {
    const { nas, disk, folder, clock, randomBytes } = this.#deps;
    await disk.makeFolder(folder);
    await disk.syncFolder(dirname(folder));
    const download = await nas.download(token, item.path, undefined, { signal });
    if (download.kind !== 'stream') return interruptionOf(download) ?? { kind: 'gone' };
    const id = uploadId(clock.nowMs(), randomBytes);
    const part = join(folder, `${id}.part`);
    const written = await this.#write(part, download.body as AsyncIterable<Buffer>);
    if (written?.sizeBytes !== item.size) {
      await disk.remove(part);
      return written === null ? { kind: 'gone' } : { kind: 'unsteady' };
    }
    await disk.rename(part, join(folder, id));
    await disk.syncFolder(folder);
    this.#deps.rows.insert({
      id,
      conflictId: conflict.id,
      userId: conflict.userId,
      path: item.path,
      ...written,
      keptUntilMs: clock.nowMs() + KEPT_MS,
    });
    return { kind: 'kept' };
  }

  /**
   * @returns null when the NAS broke off
   * @throws the disk's error
   */
  async #write(
    file: string,
    body: AsyncIterable<Buffer>,
  ): Promise<{ readonly sizeBytes: number; readonly sha256: string } | null> {
    const handle = await this.#deps.disk.create(file);
    const hash = createHash('sha256');
    let sizeBytes = 0;
    try {
      const chunks = body[Symbol.asyncIterator]();
      for (;;) {
        const next = await chunks.next().catch(() => null);
        if (next === null) return null;
        if (next.done === true) break;
        hash.update(next.value);
        sizeBytes += next.value.length;
        await writeAll(handle, [next.value]);
      }
      await handle.sync();
    } finally {
      await handle.close();
    }
    return { sizeBytes, sha256: hash.digest('hex') };
  }
}
