import type { NasState } from '../nodes/lib/nas/nas.ts';
import type { DataFolder } from '../nodes/lib/store/data-folder.ts';
import type { Check } from '../nodes/lib/system/system.ts';

export interface HealthSources {
  readonly data: DataFolder;
  readonly nas: () => NasState;
  readonly isClockUnsynced: () => boolean;
  readonly freeBytes: () => number;
  /** CACHE_MIN_FREE_GB in bytes: below it uploads are refused. */
  readonly minFreeBytes: number;
  /** `lost`, `strangers`, `found` or `ok`. */
  readonly uploads: () => string;
  /** Labels of tabs left out because a node type of theirs is not installed. */
  readonly leftOutTabs: () => readonly string[];
}

/** What `GET /api/health` looks at. A sleeping NAS is no fault; one never seen is. */
export function healthChecks(sources: HealthSources): readonly Check[] {
  const { data, nas } = sources;
  return [
    { name: 'queue_db', run: () => queueWord(data) },
    { name: 'cache_db', run: () => (data.cache.answers() ? 'ok' : 'failing') },
    { name: 'energy_db', run: () => (data.energy.answers() ? 'ok' : 'failing') },
    { name: 'nas', fine: ['awake', 'asleep', 'unreachable'], run: () => nasWord(nas()) },
    { name: 'clock', run: () => (sources.isClockUnsynced() ? 'clock_unsynced' : 'ok') },
    { name: 'disk', run: () => (sources.freeBytes() < sources.minFreeBytes ? 'low' : 'ok') },
    // What was found goes by itself or waits for its owner, whose page says so.
    { name: 'uploads', fine: ['found'], run: () => sources.uploads() },
    // One tab of the tinkerer's, on an optional package: told, but nobody's API suffers.
    { name: 'flows', fine: ['left_out'], run: () => flowsWord(sources.leftOutTabs()) },
  ];
}

function queueWord(data: DataFolder): string {
  if (!data.queue.answers()) return 'failing';
  return data.hasSetAside() ? 'set_aside' : 'ok';
}

function nasWord(state: NasState): string {
  if (state.fault !== undefined) return state.fault;
  if (!state.everSeen) return 'never_seen';
  if (state.awake) return 'awake';
  return state.reachable ? 'asleep' : 'unreachable';
}

function flowsWord(leftOut: readonly string[]): string {
  return leftOut.length === 0 ? 'ok' : 'left_out';
}
