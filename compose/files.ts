import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { Cache } from '../nodes/lib/cache/cache.ts';
import { Files, type PendingUpload, type PendingUploads } from '../nodes/lib/files/files.ts';
import type { NasRoom } from '../nodes/lib/nas/nas.ts';
import { Prefetch } from '../nodes/lib/prefetch/prefetch.ts';
import {
  PictureProcess,
  startPictureProgram,
  ThumbnailRows,
  Thumbnails,
} from '../nodes/lib/thumbnails/thumbnails.ts';
import {
  type DeliveredFile,
  HashThread,
  NodeDisk,
  type PendingUpload as QueuedUpload,
  PlainSend,
  type ShownEntry,
  type TouchedPlace,
  Upload,
  type UploadDeps,
} from '../nodes/lib/upload/upload.ts';
import { refused, tokenOf } from './people.ts';
import { GB, type Site } from './site.ts';

export function files(site: Site, nas: NasRoom): Files {
  const { clock, data, time, rooms } = site;
  return new Files({
    store: data.cache,
    nas: nas.client,
    presence: nas.presence,
    clock,
    trustedNowMs: () => time.nowMs(),
    tokenOf: (caller) => tokenOf(site, caller),
    holdsCredential: ({ user }) => rooms().credentials.holdsFor(user.id),
    tokenRefused: (token) => {
      refused(site, token);
    },
    pending: pendingUploads(() => rooms().upload),
    isKept: (path) => rooms().cache.isKept(path),
    diskRefuses: () => site.disk.refuses !== null,
  });
}

export function cache(site: Site, nas: NasRoom, filesRoom: Files): Cache {
  const { settings, clock, log, data, disk, rooms } = site;
  return new Cache({
    store: data.cache,
    folder: data.folder('cache'),
    clock,
    isClockProved: () => site.time.isProved,
    log,
    nas: nas.client,
    files: filesRoom,
    tokenRefused: (token) => {
      refused(site, token);
    },
    disk: () => disk.space(),
    diskHealth: disk,
    maxBytes: settings.CACHE_MAX_SIZE_GB * GB,
    minFreeBytes: settings.CACHE_MIN_FREE_GB * GB,
    evictionThreshold: settings.CACHE_EVICTION_THRESHOLD,
    queuedBytes: () => rooms().upload.queuedBytes(),
    timeZone: settings.TIMEZONE,
  });
}

export function prefetch(site: Site, nas: NasRoom, filesRoom: Files, cacheRoom: Cache): Prefetch {
  const { clock, data, rooms } = site;
  return new Prefetch({
    store: data.cache,
    clock,
    presence: nas.presence,
    need: nas.need,
    files: filesRoom,
    background: cacheRoom.background,
    isShortOfMemory: () => rooms().system.isShortOfMemory(),
    userOf: (userId) => rooms().accounts.users.userOf(userId),
    // The one they just came with costs the NAS no sign-in; a stored one serves those away.
    tokenOf: async (userId) =>
      rooms().accounts.liveTokens.ofUser(userId)?.token ??
      (await rooms().credentials.credentialFor(userId)),
  });
}

/** Beside the compiled program, whose folder this one lies in. */
const CONFINE = join(import.meta.dirname, '..', '..', 'deploy', 'confine.pl');

export function thumbnails(site: Site, cacheRoom: Cache): Thumbnails {
  const { clock, log, data, disk, rooms } = site;
  return new Thumbnails({
    rows: new ThumbnailRows(data.cache),
    process: new PictureProcess({ clock, log, start: () => startPictureProgram(CONFINE) }),
    diskRefuses: () => disk.refuses !== null,
    isShortOfMemory: () => rooms().system.isShortOfMemory(),
    settle: () => cacheRoom.settle(),
  });
}

export function upload(site: Site, nas: NasRoom): Upload {
  const { settings, clock, log, data, trial, rooms } = site;
  const disk = new NodeDisk(site.disk);
  return new Upload({
    store: data.queue,
    folder: data.folder('queue'),
    disk,
    hashing: new HashThread(),
    ...{ nas: nas.client, api: nas.client },
    presence: nas.presence,
    storageStands: storageStands(site),
    credentials: {
      credentialFor: (userId) => rooms().credentials.credentialFor(userId),
      refused: (_userId, token) => rooms().credentials.refused(token),
    },
    bornAt: (userId) => rooms().accounts.bornAt(userId),
    userNamed: (username) => rooms().accounts.userNamed(username),
    ...whatIsShown(site),
    mayWrite: (caller, path) => rooms().files.mayWrite(caller.user, path),
    ...roomOfCopies(site),
    signedInSince: (sinceMs) => rooms().accounts.signedInSince(sinceMs),
    keep: (delivered) => keepDelivered(rooms(), delivered),
    pendingDownloads: (userId) => rooms().prefetch.pendingDownloads(userId),
    fallback: new PlainSend(nas.client, disk),
    touched: (userId, places) => showTouched(rooms(), userId, places),
    changed: (change, by) => rooms().changes.happened(change, by),
    takesChanges: settings.CHANGES_ASLEEP === 'on',
    flushWake: flushWake(site, nas),
    mayDeliver: () => !trial.isOn,
    clock,
    isClockProved: () => site.time.isProved,
    log,
    random: Math.random,
    randomBytes,
    maxFileBytes: settings.UPLOAD_MAX_FILE_GB * GB,
    minFreeBytes: settings.CACHE_MIN_FREE_GB * GB,
    timezone: settings.TIMEZONE,
  });
}

function roomOfCopies({ rooms }: Site): Pick<UploadDeps, 'makeRoom' | 'evictableBytes'> {
  return {
    makeRoom: async (bytes) => {
      await rooms().cache.makeRoom(bytes);
    },
    evictableBytes: () => rooms().cache.keptBytes(),
  };
}

function whatIsShown({ rooms }: Site): Pick<UploadDeps, 'listings' | 'shownPlaces'> {
  const files = () => rooms().files;
  return {
    listings: { shows: (userId, path) => shownEntry(files(), userId, path) },
    shownPlaces: {
      treeShown: (userId, path, most) => files().trees.tree(userId, path, most),
      placeShown: (userId, path) => files().trees.place(userId, path),
      uploadShown: (userId, path) => files().uploadShown(userId, path),
    },
  };
}

function storageStands({ rooms }: Site): UploadDeps['storageStands'] {
  return async (userId, token) => {
    const user = rooms().accounts.users.userOf(userId);
    return user === null || (await rooms().files.storage.stands(user, token));
  };
}

function flushWake({ settings, time }: Site, nas: NasRoom): UploadDeps['flushWake'] {
  return {
    rule: settings.FLUSH_WAKE ?? { kind: 'never' },
    wake: nas.wake,
    sinceGoodbyeMs: () => nas.presence.sinceGoodbyeMs,
    isClockTrusted: () => !time.unsynced,
  };
}

/** How the files room sees the queue. Rooms meet here and not in each other. */
export function pendingUploads(upload: () => Upload): PendingUploads {
  return {
    inFolder: (userId, folder, within) =>
      upload()
        .view.pendingInFolder(userId, folder, within)
        .map((queued) => pending(queued, '')),
    folders: (userId) => upload().view.pendingFolders(userId),
    find: (userId, path, within) => {
      const queued = upload().view.queuedFile(userId, path, within);
      return queued === null ? null : pending(queued, queued.file);
    },
    changes: (userId) => upload().changes.openOf(userId),
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
async function showTouched(
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
