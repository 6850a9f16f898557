import { randomBytes } from 'node:crypto';
import { join, resolve } from 'node:path';
import { type BackupTargets, nightlyWord, readLastBackup } from '../host/backup/last-backup.ts';
import { examine, type Patient } from '../host/doctor.ts';
import { newerRelease, newerVersion } from '../host/drop-folder.ts';
import { type FlowsState, healthChecks } from '../host/health-checks.ts';
import { NewestTimeRows } from '../nodes/lib/accounts/accounts.ts';
import { CredentialCipher } from '../nodes/lib/accounts/credential-vault.ts';
import { Activity } from '../nodes/lib/activity/activity.ts';
import {
  Energy,
  type EnergyDevice,
  type PlugClock,
} from '../packages/node-red-contrib-balupi-tapo/lib/energy/energy.ts';
import { Notices } from '../nodes/lib/notices/notices.ts';
import type { Services } from '../nodes/lib/services/services.ts';
import {
  DiskState,
  MemoryPressure,
  memoryReader,
  piLoadReader,
  PiLoadSampler,
  System,
  type SystemCare,
  UpdateWatch,
} from '../nodes/lib/system/system.ts';
import { plugHint } from '../nodes/lib/words/words.ts';
import { libraryLogins } from '../packages/node-red-contrib-balupi-tapo/lib/tapo/connect/connect-login.ts';
import {
  type ForgottenPlug,
  parseDiscoveryAddresses,
  Tapo,
  type TapoDevice,
} from '../packages/node-red-contrib-balupi-tapo/lib/tapo/tapo.ts';
import { GB, type BuildContext } from './build-context.ts';

/** A NAS counts as off after being silent and without power for this long (contract 5, toggle). */
const OFF_MS = 60_000;

export function tapo({ settings, clock, log, data, services }: BuildContext): Tapo {
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
    judgeClock: (plugLocalTime) =>
      isClockRight(services().energy.metering.judgePlugClock(plugLocalTime)),
    isNasOff: () => isNasOff(services()),
    isNas: ({ ip, port }) => isNasAt(settings, ip, port),
  });
}

/** No plug shares the NAS's address; on this machine, as in a demo, the port tells them apart. */
function isNasAt(settings: BuildContext['settings'], ip: string, port: number): boolean {
  const urls = [settings.NAS_URL, settings.NAS_DIRECT_URL].filter((url) => url !== null);
  return urls.some((url) => {
    const { hostname, port: nasPort } = new URL(url);
    return hostname === ip && (!ip.startsWith('127.') || Number(nasPort || '80') === port);
  });
}

export function energy(context: BuildContext): Energy {
  const { settings, clock, log, data, time, clockEvidence, trial, services } = context;
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
      list: () => services().tapo.list().map(energyDevice),
      forgotten: () => services().tapo.forgotten().map(forgottenDevice),
    },
    seen: { flush: (isFull) => services().tapo.devices.flush(isFull) },
    isClockTrusted: () => clockEvidence.isTrusted,
    isClockProved: () => time.isProved,
    history: {
      hours: (number, fromMs, toMs, signal) => services().tapo.hours(number, fromMs, toMs, signal),
    },
    trial: { isOn: () => trial.isUndecided, file: join(data.path, 'readings-aside.jsonl') },
  });
}

function isClockRight(clock: PlugClock | null): boolean | null {
  return clock === null ? null : clock === 'right';
}

function isNasOff({ nas, energy: meters }: Services): boolean {
  const { state, unchangedMs } = nas.presence;
  const unpoweredMs = meters.nasUnpoweredMs() ?? 0;
  return !state.reachable && unchangedMs >= OFF_MS && unpoweredMs >= OFF_MS;
}

function energyDevice(plug: TapoDevice): EnergyDevice {
  const { id, name, role, isOnline, deviceNumber } = plug;
  return { id, name, role, isOnline, number: deviceNumber, addedAtMs: plug.addedAtMs };
}

function forgottenDevice({ id, name, deviceNumber, forgottenMs }: ForgottenPlug): EnergyDevice {
  const offline = { role: 'generic', isOnline: false } as const;
  return { id, name, number: deviceNumber, addedAtMs: forgottenMs, ...offline };
}

const MB = 1_000_000;

/** The host's state, for the health checks. */
export interface HostState {
  readonly flows: () => FlowsState;
  readonly isDiskSlow: () => boolean;
  /** Node packages that the owner added, with their versions. */
  readonly palette: () => readonly string[];
}

export function system(context: BuildContext, version: string, host: HostState): System {
  const { settings, clock, log, data, disk, time, clockEvidence, services } = context;
  const memory = new MemoryPressure(clock, log, memoryReader(settings.MEMORY_HIGH_MB * MB));
  const checks = healthChecks({
    data,
    nas: () => services().nas.presence.state,
    isStorageMissing: () => services().files.storage.isMissing,
    isClockUnsynced: () => time.unsynced || clockEvidence.isAhead,
    diskFault: () => disk.fault,
    freeBytes: () => disk.space().freeBytes,
    minFreeBytes: settings.CACHE_MIN_FREE_GB * GB,
    isShortOfMemory: () => memory.isOver(),
    uploads: () => services().upload.recoveryWord(),
    backup: backups(context),
    isOnTrial: () => context.trial.isOn,
    newerRelease: () => newerRelease(data.path, version),
    dnsFault: settings.DNS_NAME === null ? null : () => services().dns.fault,
    ...host,
  });
  const load = new PiLoadSampler(clock, piLoadReader(data.path), log);
  const diskState = new DiskState(log, () => ({
    state: checks.find(({ name }) => name === 'disk')?.run() ?? 'ok',
    freeBytes: disk.space().freeBytes,
  }));
  const update = new UpdateWatch(clock, log, () => newerVersion(data.path, version));
  const visit = () => examine(patient(context));
  const care = (): SystemCare => careOf(context, version);
  const watched = { load, memory, disk: diskState, update };
  return new System({ ...watched, version, checks, clock, visit, care });
}

/** What the doctor cannot see from outside of this process; asks the NAS nothing. */
function patient({ settings, clock, data, services }: BuildContext): Patient {
  const { nas, system: ours } = services();
  const { reachable, version } = nas.presence.state;
  return {
    dataFolder: resolve(data.path),
    nasUrl: settings.NAS_URL,
    nas: () => Promise.resolve(reachable ? { kind: 'answers', version } : { kind: 'silent' }),
    macAddress: nas.macAddress,
    port: settings.PORT[0] ?? 0,
    health: () => Promise.resolve(ours.health()),
    hasPlugAccount: settings.TAPO_USERNAME !== null,
    backups: targetsOf(settings),
    nowMs: clock.nowMs(),
  };
}

function careOf({ settings, data, trial }: BuildContext, version: string): SystemCare {
  const { toDisk, toNas } = targetsOf(settings);
  const places = [...(toDisk ? (['disk'] as const) : []), ...(toNas ? (['nas'] as const) : [])];
  return {
    isOnTrial: trial.isOn,
    newer: newerRelease(data.path, version),
    backups: places.map((to) => ({ to, ...readLastBackup(data.path, to) })),
  };
}

function targetsOf({ BACKUP_DIR, BACKUP_USER }: BuildContext['settings']): BackupTargets {
  return { toDisk: BACKUP_DIR !== null, toNas: BACKUP_USER !== null };
}

function backups({ settings, clock, data }: BuildContext): () => string {
  const startedMs = clock.monotonicMs();
  const targets = targetsOf(settings);
  return () =>
    nightlyWord(data.path, targets, {
      nowMs: clock.nowMs(),
      runningMs: clock.monotonicMs() - startedMs,
    });
}

export function activity({ data, clock, time, log, services }: BuildContext): Activity {
  return new Activity({
    ...{ clock, time, log },
    store: data.people,
    lastSeenMs: new NewestTimeRows(data.queue, 0).read().newestMs,
    nas: () => nasNow(services()),
    nasUse: (fromMs, toMs) => services().energy.nasUse(fromMs, toMs),
    isPlugOnline: (id) =>
      services()
        .tapo.list()
        .find((plug) => plug.id === id)?.isOnline ?? null,
  });
}

/** Subscribes the activity log to the services' events. @returns unsubscribes it */
export function beginActivity(services: Services): () => void {
  const { activity: log, nas, upload, tapo, accounts } = services;
  log.start();
  const stops = [
    nas.presence.onChange(() => {
      log.nasChanged();
    }),
    nas.onNews(({ kind }) => {
      if (kind === 'wake_failed') log.wakeFailed(nas.wake.status.cause);
    }),
    upload.onNews((news) => {
      log.upload(news);
    }),
    tapo.onNews((news) => {
      log.plug(news);
    }),
    accounts.onReplaced((userId) => {
      log.dropUser(userId);
    }),
    accounts.onNews((news) => {
      log.account(news);
    }),
  ];
  return () => {
    for (const stop of stops) stop();
  };
}

function nasNow({ nas }: Services) {
  const { presence, wake } = nas;
  const { awake, sleepState } = presence.state;
  if (sleepState === 'unknown') return null;
  const { state, cause } = wake.status;
  return { awake, sleepState, cause: state === 'waking' ? cause : null };
}

export function notices({ settings, clock, log, data, time, services }: BuildContext): Notices {
  return new Notices({
    ...{ clock, log },
    store: data.people,
    nowMs: () => time.nowMs(),
    cipher: new CredentialCipher(settings.SECRET_KEY, randomBytes),
    people: {
      userOf: (userId) => services().accounts.users.userOf(userId),
      signInEpochOf: (userId) => services().accounts.users.signInEpochOf(userId),
    },
    contact: settings.PUSH_CONTACT,
    timeZone: settings.TIMEZONE,
  });
}
