import type { Files } from '../files/files.ts';
import type { Log } from '../log/log.ts';
import type { NasClient } from '../nas/nas-client.ts';
import type { DiskFault } from '../store/disk-fault.ts';
import type { Store } from '../store/store.ts';
import type { Clock } from '../time/clock.ts';
import type { DiskSpace } from './room.ts';

export interface DiskHealth {
  readonly refuses: DiskFault | null;
  /** @returns whether it was the disk's doing */
  failed(error: unknown): boolean;
}

export interface CachePorts {
  /** The cache database. */
  readonly store: Store;
  /** The cache's own folder. */
  readonly folder: string;
  readonly clock: Clock;
  /** Both proofs of the time stand, so that what is old may be deleted for its age. */
  readonly isClockProved: () => boolean;
  readonly log: Log;
  readonly nas: Pick<NasClient, 'download'>;
  readonly files: Pick<Files, 'access' | 'relist' | 'mayRead' | 'refused'>;
  readonly tokenRefused: (token: string) => void;
  readonly disk: () => DiskSpace;
  /** Whether its disk takes what is written; told what it refused. */
  readonly diskHealth: DiskHealth;
  readonly maxBytes: number;
  readonly minFreeBytes: number;
  /** 0 to 1. */
  readonly evictionThreshold: number;
  /** IANA name; days are counted in it. */
  readonly timeZone: string;
  readonly queuedBytes: () => number;
  /** For small files that are read again; 0 reads each from disk. */
  readonly memoryBytes?: number;
}
