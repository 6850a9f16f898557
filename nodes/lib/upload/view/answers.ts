import { answerTo } from '../../api/api.ts';
import { nameOf } from '../../files/files.ts';
import { type Answer, refuse } from '../../http/http.ts';
import { type ChangeResolution, conflictIdOf } from '../changes/change-queue.ts';
import type { Refused } from '../receive/admission.ts';
import type { AcceptedFile } from '../receive/enqueue.ts';
import type { AcceptOutcome } from '../receive/intake.ts';
import type { ChangeCounts, ChangeRow } from '../rows/change-rows.ts';
import type { Conflict } from '../rows/conflict-rows.ts';
import type { QueueCounts } from '../rows/queue-view-rows.ts';
import type { UploadRow } from '../rows/upload-rows.ts';

/** `GET /api/files/sync/status` (contract 4). */
export interface SyncStatus {
  readonly is_syncing: boolean;
  readonly pending_uploads: number;
  /** Deletes, renames, moves and new folders that the NAS is to carry out. */
  readonly pending_changes: number;
  /** Those of both that were recovered and go only when their owner says so. */
  readonly waiting_for_owner: number;
  readonly pending_downloads: number;
  readonly conflicts: number;
  readonly nas_online: boolean;
  /** Uploads and changes that need a person to retry or drop them. */
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
  /** Of a change, which has no bytes; left out of an upload. */
  readonly kind?: ChangeRow['kind'];
  /** Where a rename or a move goes. */
  readonly to_path?: string;
}

/** One entry of `GET /api/mobile/upload/queue/{device_id}`, as BaluHost and its app write it. */
export interface DeviceQueueEntry {
  readonly id: string;
  readonly device_id: string;
  readonly folder_id: null;
  readonly filename: string;
  readonly remote_path: string;
  readonly file_size: number;
  readonly file_size_bytes: number;
  readonly uploaded_bytes: number;
  readonly status: 'pending' | 'uploading' | 'completed' | 'failed';
  readonly error_message: string | null;
  readonly retry_count: number;
  readonly created_at: string;
}

/** One conflict as `GET /api/files/conflicts` shows it. */
export interface ConflictItem {
  readonly id: number;
  readonly upload_id: string;
  readonly path: string;
  readonly conflict_path: string;
  readonly size_bytes: number;
  readonly sha256: string;
  readonly found_at: string;
  readonly resolution: Conflict['resolution'] | ChangeResolution;
  /** Of a change that met something else; left out of an upload's. */
  readonly kind?: ChangeRow['kind'];
  /** What it met. */
  readonly detail?: string;
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
      return answerTo('files-upload', {
        message: 'Files uploaded',
        uploaded: files.length,
        upload_ids: files.map(({ id }) => id),
        id: first?.id ?? '',
        filename: first?.filename ?? '',
        size_bytes: first?.size_bytes ?? 0,
        status: 'queued',
        files,
      });
    }
  }
}

/** A refusal of this module in the contract's shape. */
export function refusedAnswer({ code, detail, loc }: Refused): Answer {
  const fault = { loc: loc ?? ['body'], msg: detail ?? 'is not valid' };
  return refuse(code, {
    ...(detail === undefined ? {} : { detail }),
    ...(code === 'invalid' ? { errors: [fault] } : {}),
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

export function toChangeItem(row: ChangeRow): UploadItem {
  return {
    id: row.id,
    path: row.path,
    size_bytes: row.sizeBytes,
    sha256: row.checksum ?? '',
    state: row.state,
    attempts: row.attempts,
    created_at: isoSeconds(row.createdAtMs),
    next_attempt_at: row.nextAttemptMs === null ? null : isoSeconds(row.nextAttemptMs),
    detail: row.detail,
    kind: row.kind,
    ...(row.toPath === null ? {} : { to_path: row.toPath }),
  };
}

const DEVICE_STATUS = {
  queued: 'pending',
  waiting: 'pending',
  waiting_for_credential: 'pending',
  found: 'pending',
  held: 'failed',
  sending: 'uploading',
  synced: 'completed',
  conflict: 'completed',
  failed: 'failed',
} as const satisfies Record<UploadRow['state'], DeviceQueueEntry['status']>;

/** @param deviceId echoed: the queue is the user's, whichever device asks */
export function toDeviceEntry(row: UploadRow, deviceId: string): DeviceQueueEntry {
  const status = row.awaitsOwner ? 'failed' : DEVICE_STATUS[row.state];
  return {
    id: row.id,
    device_id: deviceId,
    folder_id: null,
    filename: nameOf(row.path),
    remote_path: row.path,
    file_size: row.sizeBytes,
    file_size_bytes: row.sizeBytes,
    uploaded_bytes: status === 'completed' ? row.sizeBytes : 0,
    status,
    error_message: row.detail,
    retry_count: Math.max(0, row.attempts - 1),
    created_at: isoSeconds(row.createdAtMs),
  };
}

export function toConflictItem(conflict: Conflict): ConflictItem {
  return {
    id: conflict.id,
    upload_id: conflict.uploadId,
    path: conflict.path,
    conflict_path: conflict.conflictPath,
    size_bytes: conflict.sizeBytes,
    sha256: conflict.sha256,
    found_at: isoSeconds(conflict.foundAtMs),
    resolution: conflict.resolution,
  };
}

/** `resolution`: how it was resolved; null while it is open. */
export function toChangeConflict(
  row: ChangeRow,
  resolution: ChangeResolution | null,
): ConflictItem {
  return {
    id: conflictIdOf(row),
    upload_id: row.id,
    path: row.path,
    conflict_path: row.toPath ?? row.path,
    size_bytes: row.sizeBytes,
    sha256: row.checksum ?? '',
    found_at: isoSeconds(row.conflictAtMs ?? row.createdAtMs),
    resolution,
    kind: row.kind,
    detail: row.detail ?? '',
  };
}

export function toSyncStatus(
  counts: QueueCounts,
  changes: ChangeCounts,
  nasOnline: boolean,
  pendingDownloads: number,
): SyncStatus {
  const oldest = [counts.oldestPendingMs, changes.oldestPendingMs].filter((ms) => ms !== null);
  const last = [counts.lastSyncedMs, changes.lastDoneMs].filter((ms) => ms !== null);
  return {
    is_syncing: counts.sending + changes.sending > 0,
    pending_uploads: counts.pending,
    pending_changes: changes.pending,
    waiting_for_owner: counts.waitingForOwner + changes.waitingForOwner,
    pending_downloads: pendingDownloads,
    conflicts: counts.openConflicts + changes.conflicts,
    nas_online: nasOnline,
    failed_uploads: counts.failed + changes.failed,
    waiting_for_credential: counts.waitingForCredential,
    oldest_pending_at: oldest.length === 0 ? null : isoSeconds(Math.min(...oldest)),
    last_sync: last.length === 0 ? null : isoSeconds(Math.max(...last)),
  };
}

/** `2026-02-22T14:30:00Z` (contract 1). */
function isoSeconds(atMs: number): string {
  return `${new Date(atMs).toISOString().slice(0, 19)}Z`;
}
