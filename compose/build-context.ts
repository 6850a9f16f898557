import type { UpdateTrial } from '../host/update-trial.ts';
import type { Log } from '../nodes/lib/log/log.ts';
import type { Services } from '../nodes/lib/services/services.ts';
import type { DataFolder } from '../nodes/lib/store/data-folder.ts';
import type { DiskWatch } from '../nodes/lib/store/disk-watch.ts';
import type { Clock } from '../nodes/lib/time/clock.ts';
import type { ClockEvidence, TrustedTime } from '../nodes/lib/time/trusted-time.ts';
import type { Settings } from '../settings.ts';

/** What the services are built on. */
export interface BuildContext {
  readonly settings: Settings;
  readonly clock: Clock;
  readonly log: Log;
  readonly data: DataFolder;
  readonly disk: DiskWatch;
  readonly time: TrustedTime;
  readonly clockEvidence: ClockEvidence;
  /** Whether this version is on trial after an update. */
  readonly trial: Pick<UpdateTrial, 'isOn' | 'isUndecided'>;
  /** All services; only to be called once they are built. */
  readonly services: () => Services;
}

export const GB = 1_000_000_000;
