import type { Cache } from '../nodes/lib/cache/cache.ts';
import { Changes } from '../nodes/lib/changes/changes.ts';
import { ChangesAsleep } from '../nodes/lib/changes/changes-asleep.ts';
import { PassedChanges } from '../nodes/lib/changes/passed-changes.ts';
import type { Files } from '../nodes/lib/files/files.ts';
import { Kept, NasSleeps } from '../nodes/lib/kept/kept.ts';
import type { NasRoom } from '../nodes/lib/nas/nas.ts';
import type { PassHook } from '../nodes/lib/pass/pass-hook.ts';
import type { Rooms } from '../nodes/lib/rooms/rooms.ts';
import { liveSockets, passThrough, webPages } from './pass.ts';
import { tokenOf } from './people.ts';
import type { Site } from './site.ts';

function changesOf(site: Site, nas: NasRoom, files: Files, cache: Cache): Changes {
  const { log, rooms } = site;
  return new Changes({
    files,
    cache,
    upload: () => rooms().upload,
    presence: nas.presence,
    userOf: (userId) => rooms().accounts.userOf(userId),
    tokenOf: async (userId) =>
      rooms().accounts.liveTokenOf(userId)?.token ??
      (await rooms().credentials.credentialFor(userId)),
    log,
  });
}

function keptOf(site: Site, nas: NasRoom, files: Files): Kept {
  const { clock, data, log, rooms } = site;
  return new Kept({
    store: data.cache,
    clock,
    log,
    files,
    nas: nas.client,
    presence: nas.presence,
    budget: nas.budget,
    idleMs: () => nas.need.idleMs,
    sleepSchedule: () => nas.sleepSchedule,
    tokenOf: (caller) => tokenOf(site, caller),
    deviceOwner: (deviceId) => rooms().accounts.deviceOwner(deviceId),
    learnDevice: (deviceId, userId) => {
      rooms().accounts.learnDevice(deviceId, userId);
    },
    permissionsTold: (userId, told) => {
      rooms().accounts.permissionsTold(userId, told);
    },
  });
}

/** What passes to the NAS, and the rooms that have to do with it. */
export function passedRooms(
  site: Site,
  nas: NasRoom,
  files: Files,
  cache: Cache,
): Pick<Rooms, 'changes' | 'kept' | 'pass' | 'live' | 'web'> {
  const rooms = { changes: changesOf(site, nas, files, cache), kept: keptOf(site, nas, files) };
  const pass = passThrough(site, nas, changeHooks(site, nas, { ...rooms, files }));
  return { ...rooms, pass, live: liveSockets(site, nas), web: webPages(site, nas) };
}

/** What these rooms have to do with requests that are passed on. */
function changeHooks(
  site: Site,
  nas: NasRoom,
  rooms: { readonly changes: Changes; readonly kept: Kept; readonly files: Files },
): readonly PassHook[] {
  const { changes, kept, files } = rooms;
  return [
    new ChangesAsleep({
      upload: () => site.rooms().upload,
      files: () => files,
      presence: nas.presence,
    }),
    new PassedChanges({
      changes,
      files,
      nas: nas.client,
      presence: nas.presence,
      tokenOf: (caller) => tokenOf(site, caller),
      refused: (token) => site.rooms().credentials.refused(token),
    }),
    kept.answers,
    new NasSleeps({
      softly: () => {
        nas.presence.heard({ sleepState: 'soft_sleep' });
      },
      suspended: () => {
        nas.goodbye();
      },
    }),
  ];
}
