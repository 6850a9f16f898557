import { answer, refuse, type Answer } from '../http/http.ts';
import type { Refused } from './admission.ts';
import type { AcceptedFile } from './enqueue.ts';
import type { AcceptOutcome } from './intake.ts';
import type { QueueCounts } from './overview-rows.ts';
import type { UploadRow } from './upload-row.ts';

/** `GET /api/files/sync/status` (contract 4). */
export interface SyncStatus {
  readonly is_syncing: boolean;
  readonly pending_uploads: number;
  readonly pending_downloads: number;
  readonly conflicts: number;
  readonly nas_online: boolean;
  readonly failed_uploads: number;
  /** Names of the users whose uploads wait until they can be acted for. */
  readonly waiting_for_credential: readonly string[];
  readonly oldest_pending_at: string | null;
  readonly last_sync: string | null;
}

/** One row of `GET /api/files/uploads`. */
export interface UploadItem {
  readonly id: string;
  readonly path: string;
  readonly size_bytes: number;
  readonly sha256: string;
  readonly state: UploadRow['state'];
  readonly attempts: number;
  readonly created_at: string;
  readonly next_attempt_at: string | null;
  readonly detail: string | null;
}

/**
 * The answer to an upload.
 * @returns null where nobody is left to answer
 */
export function acceptAnswer(outcome: AcceptOutcome): Answer | null {
  switch (outcome.kind) {
    case 'gone':
      return null;
    case 'refused':
      return refusedAnswer(outcome);
    case 'accepted': {
      const files = outcome.files.map(toFile);
      const [first] = files;
      return answer({
        message: 'Files uploaded',
        uploaded: files.length,
        upload_ids: files.map(({ id }) => id),
        id: first?.id,
        filename: first?.filename,
        size_bytes: first?.size_bytes,
        status: 'queued',
        files,
      });
    }
  }
}

/** A refusal of this room in the contract's shape. */
export function refusedAnswer({ code, detail }: Refused): Answer {
  return refuse(code, {
    ...(detail === undefined ? {} : { detail }),
    ...(code === 'invalid' ? { errors: [{ message: detail ?? 'Not valid.' }] } : {}),
  });
}

function toFile(file: AcceptedFile): {
  readonly id: string;
  readonly filename: string;
  readonly path: string;
  readonly size_bytes: number;
  readonly sha256: string;
  readonly status: 'queued';
} {
  const { id, filename, path, sizeBytes, sha256 } = file;
  return { id, filename, path, size_bytes: sizeBytes, sha256, status: 'queued' };
}

export function toUploadItem(row: UploadRow): UploadItem {
  return {
    id: row.id,
    path: row.deliveredPath ?? row.conflictPath ?? row.path,
    size_bytes: row.sizeBytes,
    sha256: row.sha256,
    state: row.state,
    attempts: row.attempts,
    created_at: isoSeconds(row.createdAtMs),
    next_attempt_at: row.nextAttemptMs === null ? null : isoSeconds(row.nextAttemptMs),
    detail: row.detail,
  };
}

export function toSyncStatus(
  counts: QueueCounts,
  nasOnline: boolean,
  pendingDownloads: number,
): SyncStatus {
  return {
    is_syncing: counts.sending > 0,
    pending_uploads: counts.pending,
    pending_downloads: pendingDownloads,
    conflicts: counts.openConflicts,
    nas_online: nasOnline,
    failed_uploads: counts.failed,
    waiting_for_credential: counts.waitingForCredential,
    oldest_pending_at: counts.oldestPendingMs === null ? null : isoSeconds(counts.oldestPendingMs),
    last_sync: counts.lastSyncedMs === null ? null : isoSeconds(counts.lastSyncedMs),
  };
}

/** `2026-02-22T14:30:00Z` (contract 1). */
function isoSeconds(atMs: number): string {
  return `${new Date(atMs).toISOString().slice(0, 19)}Z`;
}
