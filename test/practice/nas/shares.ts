import type { Clock } from '../../../nodes/lib/time/clock.ts';
import { parentOf, type MetadataRow, type MetadataRows } from './metadata-rows.ts';

export interface ShareRights {
  readonly read?: boolean;
  readonly write?: boolean;
  readonly delete?: boolean;
  readonly share?: boolean;
}

export interface Share {
  readonly id: number;
  readonly fileId: number;
  readonly ownerId: number;
  readonly withUserId: number;
  readonly canRead: boolean;
  readonly canWrite: boolean;
  readonly canDelete: boolean;
  readonly canShare: boolean;
  readonly expiresAtMs: number | null;
  readonly createdAtMs: number;
}

/** Shares between users: of a file or folder, by its metadata row, possibly with an expiry. */
export class Shares {
  readonly #rows: MetadataRows;
  readonly #clock: Clock;
  readonly #shares = new Map<number, Share>();
  #lastId = 0;

  constructor(rows: MetadataRows, clock: Clock) {
    this.#rows = rows;
    this.#clock = clock;
  }

  create(row: MetadataRow, withUserId: number, rights: ShareRights, expiresAtMs?: number): Share {
    this.#lastId += 1;
    const share: Share = {
      id: this.#lastId,
      fileId: row.fileId,
      ownerId: row.ownerId,
      withUserId,
      canRead: rights.read ?? true,
      canWrite: rights.write ?? false,
      canDelete: rights.delete ?? false,
      canShare: rights.share ?? false,
      expiresAtMs: expiresAtMs ?? null,
      createdAtMs: this.#clock.nowMs(),
    };
    this.#shares.set(share.id, share);
    return share;
  }

  byId(id: number): Share | undefined {
    return this.#shares.get(id);
  }

  remove(id: number): void {
    this.#shares.delete(id);
  }

  ofFile(fileId: number): readonly Share[] {
    return [...this.#shares.values()].filter((share) => share.fileId === fileId);
  }

  ownedBy(userId: number): readonly Share[] {
    return [...this.#shares.values()].filter((share) => share.ownerId === userId);
  }

  isExpired(share: Share): boolean {
    return share.expiresAtMs !== null && share.expiresAtMs <= this.#clock.nowMs();
  }

  /** A user's currently valid shares, with any right. */
  validFor(userId: number): readonly Share[] {
    return [...this.#shares.values()].filter(
      (share) => share.withUserId === userId && !this.isExpired(share),
    );
  }

  /** The share that lets a user read a path: the path's own or a parent's. */
  covering(path: string, userId: number): Share | undefined {
    const readable = this.validFor(userId).filter(
      (share) => share.canRead && share.ownerId !== userId,
    );
    for (let at = path; at !== ''; at = parentOf(at)) {
      const fileId = this.#rows.get(at)?.fileId;
      const share = readable.find((candidate) => candidate.fileId === fileId);
      if (fileId !== undefined && share !== undefined) return share;
    }
    return undefined;
  }
}
