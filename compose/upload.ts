import { randomBytes } from 'node:crypto';
import { keepDelivered, shownEntry, showTouched } from '../host/room-ports.ts';
import type { NasRoom } from '../nodes/lib/nas/nas.ts';
import {
  HashThread,
  NodeDisk,
  PlainSend,
  Upload,
  type UploadDeps,
} from '../nodes/lib/upload/upload.ts';
import { GB, type Site } from './site.ts';

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
      treeShown: (userId, path, most) => files().treeShown(userId, path, most),
      placeShown: (userId, path) => files().placeShown(userId, path),
      uploadShown: (userId, path) => files().uploadShown(userId, path),
    },
  };
}

function storageStands({ rooms }: Site): UploadDeps['storageStands'] {
  return async (userId, token) => {
    const user = rooms().accounts.userOf(userId);
    return user === null || (await rooms().files.storageStands(user, token));
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
