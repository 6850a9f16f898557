import { join } from 'node:path';
import { Energy, type EnergyDevice, type PlugClock } from '../nodes/lib/energy/energy.ts';
import type { Rooms } from '../nodes/lib/rooms/rooms.ts';
import {
  type ForgottenPlug,
  libraryLogins,
  parseDiscoveryAddresses,
  plugHint,
  Tapo,
  type TapoDevice,
} from '../nodes/lib/tapo/tapo.ts';
import type { Site } from './site.ts';

/** A NAS counts as off when it was silent and without power for so long (contract 5, toggle). */
const OFF_MS = 60_000;

export function tapo({ settings, clock, log, data, rooms }: Site): Tapo {
  const { TAPO_USERNAME: username, TAPO_PASSWORD: password } = settings;
  const search = settings.TAPO_DISCOVERY_ADDRESS;
  return new Tapo({
    store: data.energy,
    clock,
    log,
    credentials: username === null || password === null ? null : { username, password },
    driver: settings.TAPO_DRIVER,
    otherLogins: libraryLogins,
    hints: plugHint,
    timeZone: settings.TIMEZONE,
    discoveryAddresses: search === null ? null : parseDiscoveryAddresses(search.join(',')),
    judgeClock: (plugLocalTime) => isClockRight(rooms().energy.judgePlugClock(plugLocalTime)),
    isNasOff: () => isNasOff(rooms()),
    isNas: ({ ip, port }) => isNasAt(settings, ip, port),
  });
}

/** No plug answers where the NAS does; on this machine itself, as in a demo, the port tells. */
function isNasAt(settings: Site['settings'], ip: string, port: number): boolean {
  const urls = [settings.NAS_URL, settings.NAS_DIRECT_URL].filter((url) => url !== null);
  return urls.some((url) => {
    const { hostname, port: nasPort } = new URL(url);
    return hostname === ip && (!ip.startsWith('127.') || Number(nasPort || '80') === port);
  });
}

export function energy(site: Site): Energy {
  const { settings, clock, log, data, time, clockEvidence, trial, rooms } = site;
  return new Energy({
    store: data.energy,
    clock,
    log,
    settings: {
      timeZone: settings.TIMEZONE,
      sampleIntervalSeconds: settings.ENERGY_SAMPLE_INTERVAL_SECONDS,
      rawRetentionDays: settings.ENERGY_RAW_RETENTION_DAYS,
      hourlyRetentionDays: settings.ENERGY_HOURLY_RETENTION_DAYS,
      defaultPriceCents: settings.ENERGY_DEFAULT_PRICE_CENTS,
      commitSeconds: settings.ENERGY_COMMIT_SECONDS,
      nasPowerThresholdWatts: settings.NAS_POWER_THRESHOLD_WATTS,
      co2GPerKwh: settings.ENERGY_CO2_G_PER_KWH,
    },
    devices: {
      list: () => rooms().tapo.list().map(energyDevice),
      forgotten: () => rooms().tapo.forgotten().map(forgottenDevice),
    },
    seen: { flush: (isFull) => rooms().tapo.flushSeen(isFull) },
    isClockTrusted: () => clockEvidence.isTrusted,
    isClockProved: () => time.isProved,
    history: {
      hours: (number, fromMs, toMs, signal) => rooms().tapo.hours(number, fromMs, toMs, signal),
    },
    trial: { isOn: () => trial.isUndecided, file: join(data.path, 'readings-aside.jsonl') },
  });
}

function isClockRight(clock: PlugClock | null): boolean | null {
  return clock === null ? null : clock === 'right';
}

function isNasOff({ nas, energy: meters }: Rooms): boolean {
  const { state, unchangedMs } = nas.presence;
  const unpoweredMs = meters.nasUnpoweredMs() ?? 0;
  return !state.reachable && unchangedMs >= OFF_MS && unpoweredMs >= OFF_MS;
}

function energyDevice(plug: TapoDevice): EnergyDevice {
  const { id, name, role, isOnline, deviceNumber } = plug;
  return { id, name, role, isOnline, number: deviceNumber, addedAtMs: plug.addedAtMs };
}

function forgottenDevice({ id, name, deviceNumber, forgottenMs }: ForgottenPlug): EnergyDevice {
  const standing = { role: 'generic', isOnline: false } as const;
  return { id, name, number: deviceNumber, addedAtMs: forgottenMs, ...standing };
}
