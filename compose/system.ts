import { healthChecks } from '../host/health-checks.ts';
import {
  MemoryPressure,
  memoryReader,
  piLoadReader,
  PiLoadSampler,
  System,
} from '../nodes/lib/system/system.ts';
import { GB, type Site } from './site.ts';

const MB = 1_000_000;

/** @param leftOutTabs labels of the tabs that were left out of the flows */
export function system(site: Site, version: string, leftOutTabs: () => readonly string[]): System {
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
    leftOutTabs,
  });
  const sampler = new PiLoadSampler(clock, piLoadReader(data.path), log);
  return new System(version, checks, sampler, memory);
}
