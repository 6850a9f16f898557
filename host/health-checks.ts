import type { NasState } from '../nodes/lib/nas/nas.ts';
import type { DataFolder } from '../nodes/lib/store/data-folder.ts';
import type { DiskFault } from '../nodes/lib/store/store.ts';
import type { Check } from '../nodes/lib/system/system.ts';

export interface HealthSources {
  readonly data: DataFolder;
  readonly nas: () => NasState;
  /** The NAS answers but lists nothing at all. */
  readonly isStorageMissing: () => boolean;
  readonly isClockUnsynced: () => boolean;
  /** The data folder's disk refuses writes, or did a moment ago. */
  readonly diskFault: () => DiskFault | null;
  readonly freeBytes: () => number;
  /** CACHE_MIN_FREE_GB in bytes; below it uploads are refused. */
  readonly minFreeBytes: number;
  /** Downloads and listings are refused for a while. */
  readonly isShortOfMemory: () => boolean;
  /** `lost`, `strangers`, `found` or `ok`. */
  readonly uploads: () => string;
  /** The state of the nightly backups, as `nightlyWord` gives it. */
  readonly backup: () => string;
  /** This version is on trial after an update. */
  readonly isOnTrial: () => boolean;
  /** The archive of a newer release in the drop folder; null without one. */
  readonly newerRelease: () => string | null;
  /** The event loop was blocked by the disk for seconds, a moment ago. */
  readonly isDiskSlow: () => boolean;
  readonly flows: () => FlowsState;
  /** Node packages that the owner added, with their versions. */
  readonly palette: () => readonly string[];
  /** Null without a DNS name to maintain; else returns what is wrong with it, or null. */
  readonly dnsFault: (() => string | null) | null;
}

/** Passing results, by check: an update is not rolled back because the NAS went to sleep. */
export const PASSING_WORDS: Readonly<Record<string, readonly string[]>> = {
  nas: ['awake', 'asleep', 'unreachable'],
  // Recovered uploads are delivered by themselves or wait for their owner, whose page says so.
  uploads: ['found'],
  backup: ['off', 'not_yet'],
  // A tinkerer's tab on an optional package: reported, but the API does not suffer.
  flows: ['left_out'],
  update: ['trial', 'available'],
};

/** The state of the deployed flows. */
export interface FlowsState {
  /** Labels of tabs left out because a node type of theirs is not installed. */
  readonly leftOut: readonly string[];
  /** Shipped endpoints that no flow answers: `GET /api/files/list`. */
  readonly missing: readonly string[];
  /** Tabs in which this version and the owner changed the same nodes; the owner's run. */
  readonly changedByBoth: readonly string[];
  /** Safe mode: own tabs and changes of shipped ones do not run. */
  readonly isSafe: boolean;
}

/** Most names in health; a whole tab has a dozen. */
const MOST_NAMED = 12;

/** The checks of `GET /api/health`. A sleeping NAS is no fault; one never seen is. */
export function healthChecks(sources: HealthSources): readonly Check[] {
  const { data, nas } = sources;
  const checks: readonly Omit<Check, 'fine'>[] = [
    { name: 'queue_db', run: () => databaseWord(data, 'queue') },
    { name: 'cache_db', run: () => databaseWord(data, 'cache') },
    { name: 'energy_db', run: () => databaseWord(data, 'energy') },
    { name: 'nas', run: () => nasWord(nas(), sources) },
    { name: 'clock', run: () => (sources.isClockUnsynced() ? 'clock_unsynced' : 'ok') },
    { name: 'disk', run: () => diskWord(sources) },
    { name: 'memory', run: () => (sources.isShortOfMemory() ? 'busy' : 'ok') },
    { name: 'uploads', run: () => sources.uploads() },
    { name: 'backup', run: () => sources.backup() },
    ...dnsCheck(sources.dnsFault),
    { name: 'flows', run: () => flowsWord(sources.flows()) },
    { name: 'missing_flows', run: () => missingFlows(sources.flows()) },
    {
      name: 'changed_flows',
      run: () => listed(sources.flows().changedByBoth),
      isToldOnly: true,
    },
    { name: 'palette', run: () => listed(sources.palette()), isToldOnly: true },
    { name: 'update', run: () => updateWord(sources) },
  ];
  return checks.map((check) => ({ ...check, fine: PASSING_WORDS[check.name] ?? [] }));
}

function updateWord({ isOnTrial, newerRelease }: HealthSources): string {
  if (isOnTrial()) return 'trial';
  return newerRelease() === null ? 'ok' : 'available';
}

function databaseWord(data: DataFolder, name: 'queue' | 'cache' | 'energy'): string {
  const store = data[name];
  if (store.file.fault !== null) return store.file.fault;
  if (!store.answers()) return 'failing';
  if (store.file.isDamaged) return 'damaged';
  return data.hasSetAside(name) ? 'set_aside' : 'ok';
}

function diskWord({ diskFault, freeBytes, minFreeBytes, isDiskSlow }: HealthSources): string {
  const fault = diskFault();
  if (fault !== null) return fault;
  if (isDiskSlow()) return 'slow';
  return freeBytes() < minFreeBytes ? 'low' : 'ok';
}

function nasWord(state: NasState, { isStorageMissing }: HealthSources): string {
  if (state.fault !== undefined) return state.fault;
  if (!state.everSeen) return 'never_seen';
  if (isStorageMissing()) return 'nas_storage_missing';
  if (state.awake) return 'awake';
  return state.reachable ? 'asleep' : 'unreachable';
}

function dnsCheck(fault: HealthSources['dnsFault']): readonly Check[] {
  if (fault === null) return [];
  return [{ name: 'dns', run: () => (fault() === null ? 'ok' : 'failing') }];
}

function flowsWord({ isSafe, missing, leftOut }: FlowsState): string {
  if (isSafe) return 'safe_mode';
  if (missing.length > 0) return 'missing';
  return leftOut.length === 0 ? 'ok' : 'left_out';
}

function missingFlows({ missing }: FlowsState): string {
  return listed(missing);
}

function listed(names: readonly string[]): string {
  if (names.length === 0) return 'ok';
  const more = names.length - MOST_NAMED;
  return names.slice(0, MOST_NAMED).join(', ') + (more > 0 ? `, and ${more} more` : '');
}
