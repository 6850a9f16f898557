import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { Cache } from '../nodes/lib/cache/cache.ts';
import { Files, type PendingUpload, type PendingUploads } from '../nodes/lib/files/files.ts';
import type { NasService } from '../nodes/lib/nas/nas.ts';
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
import { GB, type BuildContext } from './build-context.ts';

export function files(context: BuildContext, nas: NasService): Files {
  const { clock, data, time, services } = context;
  return new Files({
    store: data.cache,
    nas: nas.client,
    presence: nas.presence,
    clock,
    trustedNowMs: () => time.nowMs(),
    tokenOf: (caller) => tokenOf(context, caller),
    holdsCredential: ({ user }) => services().credentials.holdsFor(user.id),
    tokenRefused: (token) => {
      refused(context, token);
    },
    pending: pendingUploads(() => services().upload),
    isKept: (path) => services().cache.isKept(path),
    diskRefuses: () => context.disk.refuses !== null,
  });
}

export function cache(context: BuildContext, nas: NasService, filesService: Files): Cache {
  const { settings, clock, log, data, disk, services } = context;
  return new Cache({
    store: data.cache,
    folder: data.folder('cache'),
    clock,
    isClockProved: () => context.time.isProved,
    log,
    nas: nas.client,
    files: filesService,
    tokenRefused: (token) => {
      refused(context, token);
    },
    disk: () => disk.space(),
    diskHealth: disk,
    maxBytes: settings.CACHE_MAX_SIZE_GB * GB,
    minFreeBytes: settings.CACHE_MIN_FREE_GB * GB,
    evictionThreshold: settings.CACHE_EVICTION_THRESHOLD,
    queuedBytes: () => services().upload.queuedBytes(),
    timeZone: settings.TIMEZONE,
  });
}

export function prefetch(
  context: BuildContext,
  nas: NasService,
  filesService: Files,
  cacheService: Cache,
): Prefetch {
  const { clock, data, services } = context;
  return new Prefetch({
    store: data.cache,
    clock,
    presence: nas.presence,
    need: nas.need,
    files: filesService,
    background: cacheService.background,
    isShortOfMemory: () => services().system.memory.isOver(),
    userOf: (userId) => services().accounts.users.userOf(userId),
    // Their latest token costs the NAS no sign-in; the stored credential serves users who are away.
    tokenOf: async (userId) =>
      services().accounts.liveTokens.ofUser(userId)?.token ??
      (await services().credentials.credentialFor(userId)),
  });
}

/** Beside the compiled program, whose folder this one lies in. */
const CONFINE = join(import.meta.dirname, '..', '..', 'deploy', 'confine.pl');

export function thumbnails(context: BuildContext, cacheService: Cache): Thumbnails {
  const { clock, log, data, disk, services } = context;
  return new Thumbnails({
    rows: new ThumbnailRows(data.cache),
    process: new PictureProcess({ clock, log, start: () => startPictureProgram(CONFINE) }),
    diskRefuses: () => disk.refuses !== null,
    isShortOfMemory: () => services().system.memory.isOver(),
    settle: () => cacheService.space.settle(),
  });
}

export function upload(context: BuildContext, nas: NasService): Upload {
  const { settings, clock, log, data, trial, services } = context;
  const disk = new NodeDisk(context.disk);
  return new Upload({
    store: data.queue,
    folder: data.folder('queue'),
    disk,
    hashing: new HashThread(),
    ...{ nas: nas.client, api: nas.client },
    presence: nas.presence,
    storageStands: storageStands(context),
    credentials: {
      credentialFor: (userId) => services().credentials.credentialFor(userId),
      refused: (_userId, token) => services().credentials.refused(token),
    },
    bornAt: (userId) => services().accounts.users.bornAt(userId),
    userNamed: (username) => services().accounts.users.userNamed(username),
    ...whatIsShown(context),
    mayWrite: (caller, path) => services().files.grants.mayWrite(caller.user, path),
    ...spaceOfEntries(context),
    signedInSince: (sinceMs) => services().accounts.known.answeredSince(sinceMs),
    keep: (delivered) => keepDelivered(services(), delivered),
    pendingDownloads: (userId) => services().cache.background.pins.files.pendingCount(userId),
    fallback: new PlainSend(nas.client, disk),
    touched: (userId, places) => showTouched(services(), userId, places),
    changed: (change, by) => services().changes.happened(change, by),
    takesChanges: settings.CHANGES_ASLEEP === 'on',
    flushWake: flushWake(context, nas),
    mayDeliver: () => !trial.isOn,
    clock,
    isClockProved: () => context.time.isProved,
    log,
    random: Math.random,
    randomBytes,
    maxFileBytes: settings.UPLOAD_MAX_FILE_GB * GB,
    minFreeBytes: settings.CACHE_MIN_FREE_GB * GB,
    timezone: settings.TIMEZONE,
  });
}

function spaceOfEntries({
  services,
}: BuildContext): Pick<UploadDeps, 'evictFor' | 'evictableBytes'> {
  return {
    evictFor: async (bytes) => {
      await services().cache.space.evictFor(bytes);
    },
    evictableBytes: () => services().cache.keptBytes(),
  };
}

function whatIsShown({ services }: BuildContext): Pick<UploadDeps, 'listings' | 'shownPlaces'> {
  const files = () => services().files;
  return {
    listings: { shows: (userId, path) => shownEntry(files(), userId, path) },
    shownPlaces: {
      treeShown: (userId, path, most) => files().trees.tree(userId, path, most),
      placeShown: (userId, path) => files().trees.place(userId, path),
      uploadShown: (userId, path) => files().uploadShown(userId, path),
    },
  };
}

function storageStands({ services }: BuildContext): UploadDeps['storageStands'] {
  return async (userId, token) => {
    const user = services().accounts.users.userOf(userId);
    return user === null || (await services().files.storage.stands(user, token));
  };
}

function flushWake({ settings, time }: BuildContext, nas: NasService): UploadDeps['flushWake'] {
  return {
    rule: settings.FLUSH_WAKE ?? { kind: 'never' },
    wake: nas.wake,
    sinceGoodbyeMs: () => nas.presence.sinceGoodbyeMs,
    isClockTrusted: () => !time.unsynced,
  };
}

/** The queue as the files module sees it. Modules meet here and not in each other. */
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

/** What a user was shown, as the queue sees it. */
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
 * Adds a delivered upload to the listing its user was shown and, space permitting, to the cache: what
 * could be read while it was queued stays readable while the NAS sleeps.
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

/** Shows at once what the Pi changed on the NAS, as far as its new state is known. */
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
