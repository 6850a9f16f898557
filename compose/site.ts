import type { UpdateTrial } from '../host/update-trial.ts';
import type { Log } from '../nodes/lib/log/log.ts';
import type { Rooms } from '../nodes/lib/rooms/rooms.ts';
import type { DataFolder } from '../nodes/lib/store/data-folder.ts';
import type { DiskWatch } from '../nodes/lib/store/disk-watch.ts';
import type { Clock } from '../nodes/lib/time/clock.ts';
import type { ClockEvidence, TrustedTime } from '../nodes/lib/time/trusted-time.ts';
import type { Settings } from '../settings.ts';

/** What the rooms are built on. */
export interface Site {
  readonly settings: Settings;
  readonly clock: Clock;
  readonly log: Log;
  readonly data: DataFolder;
  readonly disk: DiskWatch;
  readonly time: TrustedTime;
  readonly clockEvidence: ClockEvidence;
  /** Whether this version is on trial after an update. */
  readonly trial: Pick<UpdateTrial, 'isOn' | 'isUndecided'>;
  /** Every room: for functions that are called once all are built. */
  readonly rooms: () => Rooms;
}

export const GB = 1_000_000_000;
