import { join } from 'node:path';
import type { Disk } from './disk.ts';
import type { FileHashing, FollowedHash } from './file-hashing.ts';
import type { ResumableRows, ResumableUpload } from './resumable-rows.ts';
import type { Reservation, RoomKeeper } from './room-keeper.ts';
import { isUploadId } from './upload-id.ts';

/** Hashes that are kept up to date while chunks come; others are made when they are asked for. */
const MOST_FOLLOWED = 32;

export interface SpoolParts {
  readonly disk: Disk;
  readonly hashing: FileHashing;
  readonly room: RoomKeeper;
  readonly rows: ResumableRows;
  /** The queue's own folder. */
  readonly folder: string;
}

/** The files of unfinished resumable uploads, their room and their hashes. */
export class ResumableSpool {
  readonly #parts: SpoolParts;
  readonly #folder: string;
  readonly #reservations = new Map<string, Reservation>();
  readonly #followed = new Map<string, FollowedHash>();

  constructor(parts: SpoolParts) {
    this.#parts = parts;
    this.#folder = join(parts.folder, 'resumable');
  }

  fileOf(id: string): string {
    return join(this.#folder, `${id}.part`);
  }

  /** The room set aside for what is still to come of it. */
  roomOf(id: string): Reservation {
    let reservation = this.#reservations.get(id);
    if (reservation === undefined) {
      reservation = this.#parts.room.promise(0);
      this.#reservations.set(id, reservation);
    }
    return reservation;
  }

  /**
   * Makes an empty file and sets room aside for all of it.
   * @returns false when there is no room
   * @throws the disk's error; nothing is left then
   */
  async open(id: string, totalBytes: number): Promise<boolean> {
    const { disk, room } = this.#parts;
    const reservation = await room.reserve(totalBytes);
    if (reservation === null) return false;
    try {
      const handle = await disk.create(this.fileOf(id));
      await handle.close();
      await disk.syncFolder(this.#folder);
    } catch (error) {
      reservation.release();
      await disk.remove(this.fileOf(id));
      throw error;
    }
    this.#reservations.set(id, reservation);
    return true;
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

  /** Gives back its room and forgets its hash: it is complete, or it is gone. */
  release(id: string): void {
    this.#followed.get(id)?.drop();
    this.#followed.delete(id);
    this.#reservations.get(id)?.release();
    this.#reservations.delete(id);
  }

  /**
   * Brings files and rows together after a start.
   * @returns how many uploads had lost their file
   */
  async recover(): Promise<number> {
    const { disk, rows, room, folder } = this.#parts;
    await disk.makeFolder(this.#folder);
    await disk.syncFolder(folder);
    let lost = 0;
    for (const { id, totalBytes, receivedBytes } of rows.all()) {
      const file = this.fileOf(id);
      // It died between the rename and the commit of its completion.
      if ((await disk.sizeOf(file)) === null && (await disk.sizeOf(join(folder, id))) !== null) {
        await disk.rename(join(folder, id), file);
      }
      if (((await disk.sizeOf(file)) ?? -1) < receivedBytes) {
        rows.remove(id);
        lost += 1;
      } else {
        this.#reservations.set(id, room.promise(totalBytes - receivedBytes));
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
