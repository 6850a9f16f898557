import type { Cache } from '../nodes/lib/cache/cache.ts';
import type { Files, PendingUpload, PendingUploads } from '../nodes/lib/files/files.ts';
import type {
  DeliveredFile,
  PendingUpload as QueuedUpload,
  ShownEntry,
  Upload,
} from '../nodes/lib/upload/upload.ts';

/** How the files room sees the queue. Rooms meet here and not in each other. */
export function pendingUploads(upload: () => Upload): Pick<PendingUploads, 'inFolder' | 'find'> {
  return {
    inFolder: (userId, folder) =>
      upload()
        .pendingInFolder(userId, folder)
        .map((queued) => pending(queued, '')),
    find: (userId, path) => {
      const queued = upload().queuedFile(userId, path);
      return queued === null ? null : pending(queued, queued.file);
    },
  };
}

function pending(queued: QueuedUpload, file: string): PendingUpload {
  const { id, path, sizeBytes, acceptedAtMs, sha256 } = queued;
  return { uploadId: id, path, sizeBytes, acceptedAtMs, sha256, mimeType: null, file };
}

/** How the queue sees what a user was shown. */
export function shownEntry(files: Files, userId: number, path: string): ShownEntry {
  const shown = files.entryShown(userId, path);
  if (shown.kind !== 'item') return { kind: shown.kind };
  const { item, listedAtMs } = shown;
  if (item.isDirectory) return { kind: 'folder' };
  const { sizeBytes, modifiedAtText: modifiedAt, checksum } = item;
  return { kind: 'file', sizeBytes, modifiedAt, checksum, listedAtMs };
}

/** Makes a delivered upload a copy of the cache, where there is room for it. */
export async function keepDelivered(cache: Cache, delivered: DeliveredFile): Promise<void> {
  const { version, path, sha256, file } = delivered;
  await cache.admit({
    path,
    sha256,
    file,
    mimeType: version.mime_type,
    ownerId: version.owner_id,
    version: {
      sizeBytes: version.size,
      modifiedAtText: version.modified_at,
      modifiedAtMs: Date.parse(version.modified_at),
      checksum: version.checksum,
      etag: null,
    },
  });
}
