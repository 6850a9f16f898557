import type { NasState } from '../nodes/lib/nas/nas.ts';
import type { DataFolder } from '../nodes/lib/store/data-folder.ts';
import type { DiskFault } from '../nodes/lib/store/disk-fault.ts';
import type { Check } from '../nodes/lib/system/system.ts';

export interface HealthSources {
  readonly data: DataFolder;
  readonly nas: () => NasState;
  /** It answers and lists nothing at all any more. */
  readonly isStorageMissing: () => boolean;
  readonly isClockUnsynced: () => boolean;
  /** The disk of the data folder refuses what is written, or did a moment ago. */
  readonly diskFault: () => DiskFault | null;
  readonly freeBytes: () => number;
  /** CACHE_MIN_FREE_GB in bytes: below it uploads are refused. */
  readonly minFreeBytes: number;
  /** Downloads and listings are refused for a while. */
  readonly isShortOfMemory: () => boolean;
  /** `lost`, `strangers`, `found` or `ok`. */
  readonly uploads: () => string;
  /** How the nightly backups go, as `backupWord` says it. */
  readonly backup: () => string;
  /** Labels of tabs left out because a node type of theirs is not installed. */
  readonly leftOutTabs: () => readonly string[];
}

/** What `GET /api/health` looks at. A sleeping NAS is no fault; one never seen is. */
export function healthChecks(sources: HealthSources): readonly Check[] {
  const { data, nas } = sources;
  return [
    { name: 'queue_db', run: () => databaseWord(data, 'queue') },
    { name: 'cache_db', run: () => databaseWord(data, 'cache') },
    { name: 'energy_db', run: () => databaseWord(data, 'energy') },
    { name: 'nas', fine: ['awake', 'asleep', 'unreachable'], run: () => nasWord(nas(), sources) },
    { name: 'clock', run: () => (sources.isClockUnsynced() ? 'clock_unsynced' : 'ok') },
    { name: 'disk', run: () => diskWord(sources) },
    { name: 'memory', run: () => (sources.isShortOfMemory() ? 'busy' : 'ok') },
    // What was found goes by itself or waits for its owner, whose page says so.
    { name: 'uploads', fine: ['found'], run: () => sources.uploads() },
    { name: 'backup', fine: ['off', 'not_yet'], run: () => sources.backup() },
    // One tab of the tinkerer's, on an optional package: told, but nobody's API suffers.
    { name: 'flows', fine: ['left_out'], run: () => flowsWord(sources.leftOutTabs()) },
  ];
}

function databaseWord(data: DataFolder, name: 'queue' | 'cache' | 'energy'): string {
  const store = data[name];
  if (store.refuses !== null) return store.refuses;
  if (!store.answers()) return 'failing';
  if (store.isDamaged) return 'damaged';
  return data.hasSetAside(name) ? 'set_aside' : 'ok';
}

function diskWord({ diskFault, freeBytes, minFreeBytes }: HealthSources): string {
  return diskFault() ?? (freeBytes() < minFreeBytes ? 'low' : 'ok');
}

function nasWord(state: NasState, { isStorageMissing }: HealthSources): string {
  if (state.fault !== undefined) return state.fault;
  if (!state.everSeen) return 'never_seen';
  if (isStorageMissing()) return 'nas_storage_missing';
  if (state.awake) return 'awake';
  return state.reachable ? 'asleep' : 'unreachable';
}

function flowsWord(leftOut: readonly string[]): string {
  return leftOut.length === 0 ? 'ok' : 'left_out';
}
