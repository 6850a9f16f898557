import type { NasRoom } from '../nodes/lib/nas/nas.ts';
import { LiveSockets } from '../nodes/lib/pass/live-sockets.ts';
import { DeviceHook, type PassHook, PasswordHook } from '../nodes/lib/pass/pass-hook.ts';
import { PassThrough } from '../nodes/lib/pass/pass.ts';
import { WebPages } from '../nodes/lib/pass/web-pages.ts';
import type { Site } from './site.ts';

/** @param hooked what other rooms have to do with what passes, in the order in which they are asked */
export function passThrough(site: Site, nas: NasRoom, hooked: readonly PassHook[]): PassThrough {
  const { settings, clock, log, rooms } = site;
  return new PassThrough({
    clock,
    log,
    nas: nas.client,
    presence: nas.presence,
    url: new URL(settings.NAS_URL),
    needed: () => {
      nas.need.needed();
    },
    storedTokenOf: (userId) => rooms().credentials.credentialFor(userId),
    refused: (token) => rooms().credentials.refused(token),
    hooks: [deviceHook(site), passwordHook(site), ...hooked],
  });
}

export function liveSockets({ clock }: Site, nas: NasRoom): LiveSockets {
  return new LiveSockets({
    clock,
    presence: nas.presence,
    openSocket: (path, headers) => nas.openSocket(path, headers),
  });
}

export function webPages({ clock }: Site, nas: NasRoom): WebPages {
  return new WebPages({ clock, presence: nas.presence, nas: nas.client });
}

function deviceHook({ rooms }: Site): PassHook {
  return new DeviceHook({
    ownerOf: (deviceId) => rooms().accounts.deviceOwner(deviceId),
    learn: (deviceId, userId) => {
      rooms().accounts.learnDevice(deviceId, userId);
    },
  });
}

function passwordHook({ rooms }: Site): PassHook {
  return new PasswordHook((userId) => {
    rooms().accounts.passwordChanged(userId);
  });
}
