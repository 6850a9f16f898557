import { join } from 'node:path';
import type { Disk } from './disk.ts';
import type { FileHashing, FollowedHash } from './file-hashing.ts';
import type { ResumableRows, ResumableUpload } from './resumable-rows.ts';
import { isUploadId } from './upload-id.ts';

/** Hashes that are kept up to date while chunks come; others are made when they are asked for. */
const MOST_FOLLOWED = 32;

export interface SpoolParts {
  readonly disk: Disk;
  readonly hashing: FileHashing;
  readonly rows: ResumableRows;
  /** The queue's own folder. */
  readonly folder: string;
}

/** The files of unfinished resumable uploads, their room and their hashes. */
export class ResumableSpool {
  readonly #parts: SpoolParts;
  readonly #folder: string;
  readonly #followed = new Map<string, FollowedHash>();

  constructor(parts: SpoolParts) {
    this.#parts = parts;
    this.#folder = join(parts.folder, 'resumable');
  }

  fileOf(id: string): string {
    return join(this.#folder, `${id}.part`);
  }

  /**
   * Makes an empty file.
   * @throws the disk's error; nothing is left then
   */
  async open(id: string): Promise<void> {
    const { disk } = this.#parts;
    try {
      const handle = await disk.create(this.fileOf(id));
      await handle.close();
      await disk.syncFolder(this.#folder);
    } catch (error) {
      await disk.remove(this.fileOf(id));
      throw error;
    }
  }

  /** That many bytes of it are durable: they are hashed while the next are on their way. */
  grown(id: string, receivedBytes: number): void {
    const followed = this.#follow(id);
    followed.extend(receivedBytes);
  }

  /** @throws what reading the file threw; it may be asked again */
  async hashOf({ id, totalBytes }: ResumableUpload): Promise<string> {
    const followed = this.#follow(id);
    this.#followed.delete(id);
    return followed.finish(totalBytes);
  }

  /** Forgets its hash: it is complete, or it is gone. */
  release(id: string): void {
    this.#followed.get(id)?.drop();
    this.#followed.delete(id);
  }

  /**
   * Brings files and rows together after a start.
   * @returns how many uploads had lost their file
   */
  async recover(): Promise<number> {
    const { disk, rows, folder } = this.#parts;
    await disk.makeFolder(this.#folder);
    await disk.syncFolder(folder);
    let lost = 0;
    for (const { id, receivedBytes } of rows.all()) {
      const file = this.fileOf(id);
      // It died between the rename and the commit of its completion.
      if ((await disk.sizeOf(file)) === null && (await disk.sizeOf(join(folder, id))) !== null) {
        await disk.rename(join(folder, id), file);
      }
      if (((await disk.sizeOf(file)) ?? -1) < receivedBytes) {
        rows.remove(id);
        lost += 1;
      }
    }
    for await (const name of disk.names(this.#folder)) {
      const id = name.replace(/\.part$/, '');
      if (isUploadId(id) && rows.byId(id) === null) await disk.remove(join(this.#folder, name));
    }
    return lost;
  }

  #follow(id: string): FollowedHash {
    const known = this.#followed.get(id);
    this.#followed.delete(id);
    const followed = known ?? this.#parts.hashing.follow(this.fileOf(id));
    this.#followed.set(id, followed);
    for (const [oldest, hash] of this.#followed) {
      if (this.#followed.size <= MOST_FOLLOWED) break;
      hash.drop();
      this.#followed.delete(oldest);
    }
    return followed;
  }
}
