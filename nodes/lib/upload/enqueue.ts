import { createHash } from 'node:crypto';
import type { User } from '../accounts/caller.ts';
import type { Branches } from './branches.ts';
import type { ChangeRow } from './change-row.ts';
import type { ChangeRows } from './change-rows.ts';
import type { StagedFile } from './part-file.ts';
import type { Sender } from './sender.ts';
import { folderOf, type Target } from './target.ts';
import type { BornAt } from './upload-ports.ts';
import type { NewUpload, UploadRow } from './upload-row.ts';
import type { UploadRows } from './upload-rows.ts';
import { isWithin, nameOf } from '../files/files.ts';

/** Contract 4: an Idempotency-Key counts 24 h per user. */
const KEY_KEPT_MS = 86_400_000;

/** A staged file and where it is to go. */
export interface AimedFile {
  readonly staged: StagedFile;
  readonly target: Target;
}

/** One request's files, all durable on the disk, none in the queue yet. */
export interface EnqueueRequest {
  readonly user: User;
  readonly sender: Sender;
  readonly files: readonly AimedFile[];
  readonly idempotencyKey: string | null;
  /** `X-Base-Checksum`, hex. */
  readonly baseChecksum: string | null;
  /**
   * What is committed together with its rows. Where that fails, its files go back to where they
   * came from, for another try.
   */
  readonly alongside?: () => void;
}

/** An upload as the caller is told of it. */
export interface AcceptedFile {
  readonly id: string;
  readonly filename: string;
  readonly path: string;
  readonly sizeBytes: number;
  readonly sha256: string;
}

export type Enqueued =
  /** `files` in the order sent; what is in `surplus` was in the queue already. */
  | {
      readonly kind: 'enqueued';
      readonly files: readonly AcceptedFile[];
      readonly surplus: readonly StagedFile[];
      /** What is new in the queue. */
      readonly inserted: readonly NewUpload[];
    }
  /** The key came before with another body. */
  | { readonly kind: 'key_reused' };

/**
 * Puts staged files into the queue. Runs inside the caller's transaction, so that what it looks up
 * still holds when its rows are committed.
 */
export class Enqueue {
  readonly #rows: UploadRows;
  readonly #branches: Branches;
  readonly #bornAt: BornAt;
  readonly #isClockProved: () => boolean;
  readonly #changes: Pick<ChangeRows, 'openOf'>;

  constructor(parts: {
    readonly rows: UploadRows;
    readonly branches: Branches;
    readonly bornAt: BornAt;
    /** What is old may be deleted for its age. */
    readonly isClockProved: () => boolean;
    readonly changeRows: Pick<ChangeRows, 'openOf'>;
  }) {
    this.#rows = parts.rows;
    this.#branches = parts.branches;
    this.#bornAt = parts.bornAt;
    this.#isClockProved = parts.isClockProved;
    this.#changes = parts.changeRows;
  }

  /** @param intentFile where its intents are; null in a rehearsal */
  enqueue(request: EnqueueRequest, nowMs: number, intentFile: string | null): Enqueued {
    const { user, idempotencyKey: key } = request;
    if (this.#isClockProved()) this.#rows.forgetRequests(nowMs - KEY_KEPT_MS);
    const bodyHash = key === null ? '' : bodyHashOf(request.files);
    const earlier = key === null ? null : this.#rows.request(user.id, key);
    if (earlier !== null) {
      if (earlier.bodyHash !== bodyHash) return { kind: 'key_reused' };
      const files = JSON.parse(earlier.filesJson) as readonly AcceptedFile[];
      const surplus = request.files.map(({ staged }) => staged);
      return { kind: 'enqueued', files, surplus, inserted: [] };
    }
    const files: AcceptedFile[] = [];
    const surplus: StagedFile[] = [];
    const inserted: NewUpload[] = [];
    for (const file of request.files) {
      const existing = this.#sameUpload(user.id, file);
      if (existing === null) {
        const upload = this.#newUpload(request, file, nowMs);
        this.#rows.insert(upload, intentFile);
        inserted.push(upload);
        files.push(accepted(upload));
      } else {
        surplus.push(file.staged);
        files.push(existing);
      }
    }
    request.alongside?.();
    if (key !== null) {
      this.#rows.insertRequest(user.id, key, bodyHash, JSON.stringify(files), nowMs);
    }
    return { kind: 'enqueued', files, surplus, inserted };
  }

  /** The same content for the same target, while that row is the newest and undelivered. */
  #sameUpload(userId: number, { staged, target }: AimedFile): AcceptedFile | null {
    const newest = this.#rows.newestFor(userId, target.path, target.secondPath);
    if (newest === null || newest.sha256 !== staged.sha256) return null;
    if (newest.sizeBytes !== staged.sizeBytes) return null;
    // Its user moved or deleted it since, and now puts it there again.
    const changes = this.#changes.openOf(userId);
    if (changes.some((change) => change.seq > newest.seq && !leaves(change, target.path))) {
      return null;
    }
    // Sending it again is how a person retries what failed.
    if (newest.state === 'failed' || newest.found) this.#rows.requeue(newest.id);
    return accepted(newest);
  }

  #newUpload(request: EnqueueRequest, { staged, target }: AimedFile, nowMs: number): NewUpload {
    const { id, sizeBytes, sha256 } = staged;
    return {
      id,
      userId: request.user.id,
      username: request.user.username,
      ownerCreatedAt: this.#bornAt(request.user.id),
      folder: folderOf(target.path),
      filename: nameOf(target.path),
      path: target.path,
      secondPath: target.secondPath,
      sizeBytes,
      sha256,
      base: this.#branches.baseOf({
        userId: request.user.id,
        target,
        sender: request.sender,
        baseChecksum: request.baseChecksum,
      }),
      ...request.sender,
      sentName: target.sentName,
      createdAtMs: nowMs,
    };
  }
}

/** Whether a change leaves what lies at a path where it is. */
function leaves({ kind, path }: ChangeRow, at: string): boolean {
  return kind === 'mkdir' || !isWithin(at, path);
}

function accepted(of: NewUpload | UploadRow): AcceptedFile {
  const { id, filename, path, sizeBytes, sha256 } = of;
  return { id, filename, path, sizeBytes, sha256 };
}

function bodyHashOf(files: readonly AimedFile[]): string {
  const hash = createHash('sha256');
  for (const { staged, target } of files) {
    const { path, secondPath } = target;
    hash.update(JSON.stringify([path, secondPath, staged.sizeBytes, staged.sha256]));
  }
  return hash.digest('hex');
}
