import { lookup } from 'node:dns/promises';
import { isIPv4 } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { Cache } from '../nodes/lib/cache/cache.ts';
import { ChangesAsleep } from '../nodes/lib/changes/changes-asleep.ts';
import { Changes } from '../nodes/lib/changes/changes.ts';
import { PassedChanges } from '../nodes/lib/changes/passed-changes.ts';
import { DnsName, NoDnsName, PiHole } from '../nodes/lib/dns/dns.ts';
import type { Files } from '../nodes/lib/files/files.ts';
import { Handshake } from '../nodes/lib/handshake/handshake.ts';
import { Kept, NasSleeps } from '../nodes/lib/kept/kept.ts';
import { NasRoom, readNeighbourFile } from '../nodes/lib/nas/nas.ts';
import { LiveSockets } from '../nodes/lib/pass/live-sockets.ts';
import { DeviceHook, type PassHook, PasswordHook } from '../nodes/lib/pass/pass-hook.ts';
import { PassThrough } from '../nodes/lib/pass/pass.ts';
import { WebPages } from '../nodes/lib/pass/web-pages.ts';
import type { Rooms } from '../nodes/lib/rooms/rooms.ts';
import {
  normaliseMac,
  parseWakeAddress,
  udpMagicPacket,
  wakeTargets,
} from '../packages/node-red-contrib-balupi-wol/lib/wake.ts';
import { tokenOf } from './people.ts';
import type { Site } from './site.ts';

export function nasRoom(site: Site): NasRoom {
  const { settings, clock, log, data, rooms, clockEvidence, time } = site;
  const wakeTo = settings.NAS_WAKE_ADDRESS;
  const target = wakeTo === null ? null : parseWakeAddress(wakeTo);
  return new NasRoom({
    clock,
    log,
    store: data.people,
    url: new URL(settings.NAS_URL),
    directUrl: settings.NAS_DIRECT_URL === null ? null : new URL(settings.NAS_DIRECT_URL),
    fingerprint: settings.NAS_TLS_FINGERPRINT,
    macAddress: settings.NAS_MAC_ADDRESS === null ? null : normaliseMac(settings.NAS_MAC_ADDRESS),
    wakeTargets: () => wakeTargets(target, networkInterfaces()),
    packet: udpMagicPacket,
    readNeighbours: readNeighbourFile,
    probeIntervalSeconds: settings.NAS_PROBE_INTERVAL_SECONDS,
    powerThresholdWatts: settings.NAS_POWER_THRESHOLD_WATTS,
    bootTimeoutSeconds: settings.NAS_BOOT_TIMEOUT_SECONDS,
    plug: {
      watts: () => nasWatts(rooms()),
      powerState: () => rooms().energy.nasState() ?? 'unknown',
    },
    liveToken: () => rooms().accounts.liveTokens.any()?.token ?? null,
    tokenRefused: (token) => {
      rooms().accounts.refusedByNas(token);
    },
    heardDate: (date) => {
      clockEvidence.heardFromNas(date);
      time.look();
    },
  });
}

export function handshake({ settings, clock, data, time }: Site): Handshake {
  return new Handshake({ store: data.people, clock, time, secret: settings.HANDSHAKE_SECRET });
}

function nasWatts({ tapo, energy }: Rooms): number | null {
  const plug = tapo.list().find(({ role }) => role === 'nas');
  if (plug === undefined) return null;
  const shown = energy.current().devices.find(({ deviceId }) => deviceId === plug.id);
  return shown === undefined || shown.isStale ? null : shown.powerW;
}

/** The name of the house, where a Pi-hole knows one and the Pi may stand in for the NAS by it. */
export function dns({ settings, clock, log, rooms }: Site): DnsName | NoDnsName {
  const { PIHOLE_URL: url, DNS_NAME: name } = settings;
  if (url === null || name === null) return new NoDnsName(null);
  const nasUrl = new URL(settings.NAS_URL);
  const why = whyNot(nasUrl, settings.PORT);
  if (why !== null) {
    log.warn(`The name ${name} stays as it is: ${why}`);
    return new NoDnsName(why);
  }
  return new DnsName({
    clock,
    log,
    server: new PiHole({ url: new URL(url), password: settings.PIHOLE_PASSWORD, fetch }),
    name,
    mode: settings.DNS_MODE,
    piAddress: () => addressOfPi(nasUrl.hostname),
    nasAddress: () => addressOf(nasUrl.hostname),
    isAwake: () => rooms().nas.presence.state.awake,
    onChange: (listener) => rooms().nas.presence.onChange(listener),
  });
}

/** Who comes by that name comes to the NAS's port, and speaks as the NAS does. */
function whyNot(nasUrl: URL, ports: readonly number[]): string | null {
  if (nasUrl.protocol !== 'http:')
    return 'the NAS speaks https, and the Pi has no certificate of it.';
  const port = Number(nasUrl.port || '80');
  if (ports.includes(port)) return null;
  return `BaluPi does not listen on the NAS's port ${port} (BALUPI_PORT).`;
}

async function addressOf(host: string): Promise<string | null> {
  if (isIPv4(host)) return host;
  try {
    return (await lookup(host, { family: 4 })).address;
  } catch (error) {
    // Names do not resolve while the network is away; the next look tries again.
    if (error instanceof Error && 'code' in error) return null;
    throw error;
  }
}

/** The address in the NAS's own network, else the first that is not only this machine's. */
function addressOfPi(nasHost: string): string | null {
  const own = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ family, internal }) => family === 'IPv4' && !internal);
  const beside = own.find(({ address, netmask }) => isSameNetwork(address, nasHost, netmask));
  return (beside ?? own[0])?.address ?? null;
}

function isSameNetwork(one: string, other: string, netmask: string): boolean {
  if (!isIPv4(other)) return false;
  const [a, b, mask] = [one, other, netmask].map(numberOf);
  return ((a ?? 0) & (mask ?? 0)) === ((b ?? 0) & (mask ?? 0));
}

function numberOf(address: string): number {
  return address.split('.').reduce((sum, part) => (sum << 8) | Number(part), 0);
}

/** @param hooked what other rooms have to do with what passes, in the order in which they are asked */
function passThrough(site: Site, nas: NasRoom, hooked: readonly PassHook[]): PassThrough {
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

function liveSockets({ clock }: Site, nas: NasRoom): LiveSockets {
  return new LiveSockets({
    clock,
    presence: nas.presence,
    openSocket: (path, headers) => nas.openSocket(path, headers),
  });
}

function webPages({ clock }: Site, nas: NasRoom): WebPages {
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

function changesOf(site: Site, nas: NasRoom, files: Files, cache: Cache): Changes {
  const { log, rooms } = site;
  return new Changes({
    files,
    cache,
    upload: () => rooms().upload,
    presence: nas.presence,
    userOf: (userId) => rooms().accounts.users.userOf(userId),
    tokenOf: async (userId) =>
      rooms().accounts.liveTokens.ofUser(userId)?.token ??
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
