import { lookup } from 'node:dns/promises';
import { isIPv4 } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { Cache } from '../nodes/lib/cache/cache.ts';
import { Changes, ChangesAsleep, PassedChanges } from '../nodes/lib/changes/changes.ts';
import { DnsName, NoDnsName, PiHole } from '../nodes/lib/dns/dns.ts';
import type { Files } from '../nodes/lib/files/files.ts';
import { Handshake } from '../nodes/lib/handshake/handshake.ts';
import { Kept, NasSleeps } from '../nodes/lib/kept/kept.ts';
import { NasService, readNeighbourFile } from '../nodes/lib/nas/nas.ts';
import {
  DeviceHook,
  LiveSockets,
  type PassHook,
  PassThrough,
  PasswordHook,
  WebPages,
} from '../nodes/lib/pass/pass.ts';
import type { Services } from '../nodes/lib/services/services.ts';
import {
  normaliseMac,
  parseWakeAddress,
  udpMagicPacket,
  wakeTargets,
} from '../packages/node-red-contrib-balupi-wol/lib/wake.ts';
import { tokenOf } from './people.ts';
import type { BuildContext } from './build-context.ts';

export function nasService(context: BuildContext): NasService {
  const { settings, clock, log, data, services, clockEvidence, time } = context;
  const wakeTo = settings.NAS_WAKE_ADDRESS;
  const target = wakeTo === null ? null : parseWakeAddress(wakeTo);
  return new NasService({
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
      watts: () => nasWatts(services()),
      powerState: () => services().energy.nasState() ?? 'unknown',
    },
    liveToken: () => services().accounts.liveTokens.any()?.token ?? null,
    tokenRefused: (token) => {
      services().accounts.introspection.refused(token);
    },
    heardDate: (date) => {
      clockEvidence.heardFromNas(date);
      time.look();
    },
  });
}

export function handshake({ settings, clock, data, time }: BuildContext): Handshake {
  return new Handshake({ store: data.people, clock, time, secret: settings.HANDSHAKE_SECRET });
}

function nasWatts({ tapo, energy }: Services): number | null {
  const plug = tapo.list().find(({ role }) => role === 'nas');
  if (plug === undefined) return null;
  const shown = energy.current().devices.find(({ deviceId }) => deviceId === plug.id);
  return shown === undefined || shown.isStale ? null : shown.powerW;
}

/** The DNS name shared by NAS and Pi, where a Pi-hole serves one. */
export function dns({ settings, clock, log, services }: BuildContext): DnsName | NoDnsName {
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
    isAwake: () => services().nas.presence.state.awake,
    onChange: (listener) => services().nas.presence.onChange(listener),
  });
}

/** Clients that use that name use the NAS's port and scheme, so the Pi must listen there too. */
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

/** @param hooked what other modules do with passed requests, in the order they are asked */
function passThrough(
  context: BuildContext,
  nas: NasService,
  hooked: readonly PassHook[],
): PassThrough {
  const { settings, clock, log, services } = context;
  return new PassThrough({
    clock,
    log,
    nas: nas.client,
    presence: nas.presence,
    url: new URL(settings.NAS_URL),
    needed: () => {
      nas.need.needed();
    },
    storedTokenOf: (userId) => services().credentials.credentialFor(userId),
    refused: (token) => services().credentials.refused(token),
    hooks: [deviceHook(context), passwordHook(context), ...hooked],
  });
}

function liveSockets({ clock }: BuildContext, nas: NasService): LiveSockets {
  return new LiveSockets({
    clock,
    presence: nas.presence,
    openSocket: (path, headers) => nas.openSocket(path, headers),
  });
}

function webPages({ clock }: BuildContext, nas: NasService): WebPages {
  return new WebPages({ clock, presence: nas.presence, nas: nas.client });
}

function deviceHook({ services }: BuildContext): PassHook {
  return new DeviceHook({
    ownerOf: (deviceId) => services().accounts.devices.ownerOf(deviceId),
    learn: (deviceId, userId) => {
      services().accounts.learnDevice(deviceId, userId);
    },
  });
}

function passwordHook({ services }: BuildContext): PassHook {
  return new PasswordHook((userId) => {
    services().accounts.passwordChanged(userId);
  });
}

function changesOf(context: BuildContext, nas: NasService, files: Files, cache: Cache): Changes {
  const { log, services } = context;
  return new Changes({
    files,
    cache,
    upload: () => services().upload,
    presence: nas.presence,
    userOf: (userId) => services().accounts.users.userOf(userId),
    tokenOf: async (userId) =>
      services().accounts.liveTokens.ofUser(userId)?.token ??
      (await services().credentials.credentialFor(userId)),
    log,
  });
}

function keptOf(context: BuildContext, nas: NasService, files: Files): Kept {
  const { clock, data, log, services } = context;
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
    tokenOf: (caller) => tokenOf(context, caller),
    deviceOwner: (deviceId) => services().accounts.devices.ownerOf(deviceId),
    learnDevice: (deviceId, userId) => {
      services().accounts.learnDevice(deviceId, userId);
    },
    permissionsTold: (userId, told) => {
      services().accounts.permissionsTold(userId, told);
    },
  });
}

/** The pass-through to the NAS, and the services that hook into it. */
export function passedServices(
  context: BuildContext,
  nas: NasService,
  files: Files,
  cache: Cache,
): Pick<Services, 'changes' | 'kept' | 'pass' | 'live' | 'web'> {
  const services = {
    changes: changesOf(context, nas, files, cache),
    kept: keptOf(context, nas, files),
  };
  const pass = passThrough(context, nas, changeHooks(context, nas, { ...services, files }));
  return { ...services, pass, live: liveSockets(context, nas), web: webPages(context, nas) };
}

/** What these services do with passed requests. */
function changeHooks(
  context: BuildContext,
  nas: NasService,
  services: { readonly changes: Changes; readonly kept: Kept; readonly files: Files },
): readonly PassHook[] {
  const { changes, kept, files } = services;
  return [
    new ChangesAsleep({
      upload: () => context.services().upload,
      files: () => files,
      presence: nas.presence,
    }),
    new PassedChanges({
      changes,
      files,
      nas: nas.client,
      presence: nas.presence,
      tokenOf: (caller) => tokenOf(context, caller),
      refused: (token) => context.services().credentials.refused(token),
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
