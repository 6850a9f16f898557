import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Caller } from '../../../nodes/lib/accounts/caller.ts';
import { Files, type PendingUpload } from '../../../nodes/lib/files/files.ts';
import type { NasState } from '../../../nodes/lib/nas/presence.ts';
import { CACHE_MIGRATIONS } from '../../../nodes/lib/store/databases.ts';
import { Store } from '../../../nodes/lib/store/store.ts';
import { FakeFileNas } from '../../fakes/file-nas.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

/** The files module over a fake NAS, a real SQLite file and a clock that a test moves. */
export class FilesBench {
  readonly folder = mkdtempSync(join(tmpdir(), 'balupi-files-'));
  readonly nas = new FakeFileNas();
  readonly clock = new ManualClock();
  readonly refused: string[] = [];
  readonly queued: (PendingUpload & { readonly userId: number })[] = [];
  readonly kept = new Set<string>();
  /** Which folders the queue was told that users have seen. */
  readonly shown: string[] = [];
  holdsCredential = false;
  readonly store: Store;
  awake = true;
  tokenOf = (caller: Caller): Promise<string | null> => Promise.resolve(caller.nasToken);
  files: Files;
  readonly alice: Caller;
  readonly bob: Caller;
  readonly admin: Caller;

  constructor() {
    this.store = openStore(join(this.folder, 'cache.db'));
    this.admin = this.nas.addUser({ id: 1, username: 'admin', role: 'admin' });
    this.alice = this.nas.addUser({ id: 4, username: 'alice', role: 'user' });
    this.bob = this.nas.addUser({ id: 5, username: 'bob', role: 'user' });
    this.files = this.reopened();
  }

  /** The module as after a restart, over the same database. */
  reopened(): Files {
    // eslint-disable-next-line @typescript-eslint/no-this-alias
    const bench = this;
    this.files = new Files({
      store: this.store,
      nas: this.nas,
      presence: {
        get state(): NasState {
          return { ...NAS_STATE, awake: bench.awake };
        },
      },
      clock: this.clock,
      trustedNowMs: () => this.clock.nowMs(),
      tokenOf: (caller) => this.tokenOf(caller),
      tokenRefused: (token) => this.refused.push(token),
      holdsCredential: () => this.holdsCredential,
      isKept: (path) => this.kept.has(path),
      pending: {
        inFolder: (userId, folder) =>
          this.queued.filter(
            (upload) => upload.userId === userId && parentOf(upload.path) === folder,
          ),
        folders: (userId) =>
          this.queued
            .filter((upload) => upload.userId === userId)
            .map(({ path, acceptedAtMs, seq }) => ({ path: parentOf(path), acceptedAtMs, seq })),
        find: (userId, path) =>
          this.queued.find((upload) => upload.userId === userId && upload.path === path) ?? null,
        changes: () => [],
        shown: (caller, folder) => {
          this.shown.push(`${caller.user.username} ${folder}`);
        },
      },
    });
    return this.files;
  }

  /** Waits out the 10 s for which a listing is reused. */
  async nextListing(): Promise<void> {
    await this.clock.advance(10_001);
  }

  close(): void {
    this.store.close();
    rmSync(this.folder, { recursive: true });
  }
}

export function openStore(file: string): Store {
  return Store.open({ file, name: 'cache', synchronous: 'NORMAL', migrations: CACHE_MIGRATIONS });
}

function parentOf(path: string): string {
  return path.split('/').slice(0, -1).join('/');
}

const NAS_STATE: NasState = {
  awake: true,
  reachable: true,
  sleepState: 'awake',
  reachableBy: 'http',
  everSeen: true,
  version: '1.38.0',
  sinceMs: 0,
  lastSeenMs: null,
  nextWakeAt: null,
};
