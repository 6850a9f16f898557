import type { Cache } from '../nodes/lib/cache/cache.ts';
import type { Files, PendingUpload, PendingUploads } from '../nodes/lib/files/files.ts';
import type {
  DeliveredFile,
  PendingUpload as QueuedUpload,
  ShownEntry,
  TouchedPlace,
  Upload,
} from '../nodes/lib/upload/upload.ts';

/** How the files room sees the queue. Rooms meet here and not in each other. */
export function pendingUploads(upload: () => Upload): PendingUploads {
  return {
    inFolder: (userId, folder, within) =>
      upload()
        .pendingInFolder(userId, folder, within)
        .map((queued) => pending(queued, '')),
    folders: (userId) => upload().pendingFolders(userId),
    find: (userId, path, within) => {
      const queued = upload().queuedFile(userId, path, within);
      return queued === null ? null : pending(queued, queued.file);
    },
    changes: (userId) => upload().changes(userId),
    shown: (caller, folder) => {
      upload().shown(caller, folder);
    },
  };
}

function pending(queued: QueuedUpload, file: string): PendingUpload {
  const { id, seq, path, sizeBytes, acceptedAtMs, sha256 } = queued;
  return { uploadId: id, seq, path, sizeBytes, acceptedAtMs, sha256, mimeType: null, file };
}

/** How the queue sees what a user was shown. */
export function shownEntry(files: Files, userId: number, path: string): ShownEntry {
  const shown = files.entryShown(userId, path);
  if (shown.kind === 'made') return { kind: 'folder' };
  if (shown.kind !== 'item') return { kind: shown.kind };
  const { item, listedAtMs } = shown;
  if (item.isDirectory) return { kind: 'folder', isOwn: item.ownerId === String(userId) };
  const { sizeBytes, modifiedAtText: modifiedAt, checksum } = item;
  return { kind: 'file', sizeBytes, modifiedAt, checksum, listedAtMs };
}

/**
 * Shows a delivered upload where its user was shown its folder, and makes it a copy of the cache,
 * where there is room for it: what could be read while it was queued can be read as long as the
 * NAS sleeps on.
 */
export async function keepDelivered(
  {
    files,
    cache,
  }: { readonly files: Pick<Files, 'delivered'>; readonly cache: Pick<Cache, 'admit'> },
  delivered: DeliveredFile,
): Promise<void> {
  const { userId, version, path, sha256, file } = delivered;
  files.delivered(userId, { ...version, path });
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

/** What the Pi changed on the NAS is shown at once, as far as it is known what lies there now. */
export async function showTouched(
  {
    files,
    cache,
  }: {
    readonly files: Pick<Files, 'forget' | 'delivered'>;
    readonly cache: Pick<Cache, 'drop'>;
  },
  userId: number,
  places: readonly TouchedPlace[],
): Promise<void> {
  for (const { path } of places) files.forget(path);
  for (const { path, item } of places) {
    if (item !== null && item !== undefined) files.delivered(userId, { ...item, path });
  }
  for (const { path } of places) await cache.drop(path);
}
