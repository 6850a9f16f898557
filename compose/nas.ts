import { networkInterfaces } from 'node:os';
import { NasRoom, readNeighbourFile } from '../nodes/lib/nas/nas.ts';
import {
  normaliseMac,
  parseWakeAddress,
  udpMagicPacket,
  wakeTargets,
} from '../packages/node-red-contrib-balupi-wol/lib/wake.ts';
import { Handshake } from '../nodes/lib/handshake/handshake.ts';
import type { Rooms } from '../nodes/lib/rooms/rooms.ts';
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
    liveToken: () => rooms().accounts.anyLiveToken()?.token ?? null,
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
