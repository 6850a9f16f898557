import { resolve } from 'node:path';
import { type BackupWish, nightlyWord, readLastBackup } from '../host/backup/last-backup.ts';
import { examine, type Patient } from '../host/doctor.ts';
import { newerRelease, newerVersion } from '../host/drop-folder.ts';
import { type FlowsState, healthChecks } from '../host/health-checks.ts';
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
import { GB, type Site } from './site.ts';

const MB = 1_000_000;

/** What the host knows of itself and health asks for. */
export interface HostState {
  readonly flows: () => FlowsState;
  readonly isDiskSlow: () => boolean;
  /** Packages of nodes that the owner added, with their versions. */
  readonly palette: () => readonly string[];
}

export function system(site: Site, version: string, host: HostState): System {
  const { settings, clock, log, data, disk, time, clockEvidence, rooms } = site;
  const memory = new MemoryPressure(clock, log, memoryReader(settings.MEMORY_HIGH_MB * MB));
  const checks = healthChecks({
    data,
    nas: () => rooms().nas.presence.state,
    isStorageMissing: () => rooms().files.isStorageMissing,
    isClockUnsynced: () => time.unsynced || clockEvidence.isAhead,
    diskFault: () => disk.fault,
    freeBytes: () => disk.space().freeBytes,
    minFreeBytes: settings.CACHE_MIN_FREE_GB * GB,
    isShortOfMemory: () => memory.isOver(),
    uploads: () => rooms().upload.recoveryWord(),
    backup: backups(site),
    isOnTrial: () => site.trial.isOn,
    newerRelease: () => newerRelease(data.path, version),
    dnsFault: settings.DNS_NAME === null ? null : () => rooms().dns.fault,
    ...host,
  });
  const load = new PiLoadSampler(clock, piLoadReader(data.path), log);
  const diskState = new DiskState(log, () => ({
    state: checks.find(({ name }) => name === 'disk')?.run() ?? 'ok',
    freeBytes: disk.space().freeBytes,
  }));
  const update = new UpdateWatch(clock, log, () => newerVersion(data.path, version));
  const visit = () => examine(patient(site));
  const care = (): SystemCare => careOf(site, version);
  const watched = { load, memory, disk: diskState, update };
  return new System({ ...watched, version, checks, clock, visit, care });
}

/** What the doctor cannot see from outside of the house, without asking the NAS. */
function patient({ settings, clock, data, rooms }: Site): Patient {
  const { nas, system: ours } = rooms();
  const { reachable, version } = nas.presence.state;
  return {
    dataFolder: resolve(data.path),
    nasUrl: settings.NAS_URL,
    nas: () => Promise.resolve(reachable ? { kind: 'answers', version } : { kind: 'silent' }),
    macAddress: nas.macAddress,
    port: settings.PORT[0] ?? 0,
    health: () => Promise.resolve(ours.health()),
    hasPlugAccount: settings.TAPO_USERNAME !== null,
    backups: wishOf(settings),
    nowMs: clock.nowMs(),
  };
}

function careOf({ settings, data, trial }: Site, version: string): SystemCare {
  const { toDisk, toNas } = wishOf(settings);
  const places = [...(toDisk ? (['disk'] as const) : []), ...(toNas ? (['nas'] as const) : [])];
  return {
    isOnTrial: trial.isOn,
    newer: newerRelease(data.path, version),
    backups: places.map((to) => ({ to, ...readLastBackup(data.path, to) })),
  };
}

function wishOf({ BACKUP_DIR, BACKUP_USER }: Site['settings']): BackupWish {
  return { toDisk: BACKUP_DIR !== null, toNas: BACKUP_USER !== null };
}

function backups({ settings, clock, data }: Site): () => string {
  const startedMs = clock.monotonicMs();
  const wish = wishOf(settings);
  return () =>
    nightlyWord(data.path, wish, {
      nowMs: clock.nowMs(),
      runningMs: clock.monotonicMs() - startedMs,
    });
}
