import { join } from 'node:path';
import type { Listeners } from '../log/listeners.ts';
import { ChangedPaths } from './changed-paths.ts';
import { ChangedRows } from './changed-rows.ts';
import { ChangeDelivery } from './change-delivery.ts';
import type { ChangeDeliveryRows } from './change-delivery-rows.ts';
import type { ChangeRows } from './change-rows.ts';
import { ChangeStep } from './change-step.ts';
import { ChunkedSend } from './chunked-send.ts';
import { ConflictRows } from './conflict-rows.ts';
import { ConflictSwap } from './conflict-swap.ts';
import { Conflicts } from './conflicts.ts';
import { Delivery } from './delivery.ts';
import { DeliveryBatch } from './delivery-batch.ts';
import { DeliveryRows } from './delivery-rows.ts';
import { DeliveryStep } from './delivery-step.ts';
import { DeliveryTurn } from './delivery-turn.ts';
import { DropRows } from './drop-rows.ts';
import { FlushWake } from './flush-wake.ts';
import { FollowedChanges } from './followed-changes.ts';
import { FlushWakeRows } from './flush-wake-rows.ts';
import { HandOver } from './hand-over.ts';
import type { Intents } from './intents.ts';
import { KeptCopies } from './kept-copies.ts';
import { KeptRows } from './kept-rows.ts';
import { NasFolder } from './nas-folder.ts';
import { NasMoves } from './nas-moves.ts';
import { PathLocks } from './path-locks.ts';
import type { RecoveryRows } from './recovery-rows.ts';
import type { RoomKeeper } from './room-keeper.ts';
import { Settle } from './settle.ts';
import { SyncLogRows } from './sync-log-rows.ts';
import { TargetCheck } from './target-check.ts';
import { uploadId } from './upload-id.ts';
import type { UploadNews } from './upload-news.ts';
import type { UploadParts } from './upload-parts.ts';
import type { UploadRows } from './upload-rows.ts';
import { WaitRows } from './wait-rows.ts';

/** What the delivery shares with the intake. */
export interface SharedParts {
  readonly rows: UploadRows;
  readonly recovery: RecoveryRows;
  readonly intents: Intents;
  readonly room: RoomKeeper;
  readonly changeRows: ChangeRows;
  readonly changeDeliveryRows: ChangeDeliveryRows;
  readonly fileOf: (id: string) => string;
  readonly news: Listeners<UploadNews>;
}

export interface AssembledDelivery {
  readonly delivery: Delivery;
  readonly changes: ChangeDelivery;
  readonly conflicts: Conflicts;
  readonly kept: KeptCopies;
  readonly flushWake: FlushWake;
  readonly changed: ChangedPaths;
  readonly locks: PathLocks;
}

/** Everything on the way from the queue to the NAS, put together. */
export function assembleDelivery(parts: UploadParts, shared: SharedParts): AssembledDelivery {
  const { store, nas, api, disk, clock, randomBytes } = parts;
  const { rows: uploads, room } = shared;
  const locks = new PathLocks(clock);
  const folder = join(parts.folder, 'kept');
  const kept = new KeptCopies({ ...parts, rows: new KeptRows(store), room, folder });
  const rows = new DeliveryRows(store);
  const waits = new WaitRows(store);
  const syncLog = new SyncLogRows(store);
  const folders = new NasFolder(nas, api, clock);
  const chunked = new ChunkedSend(nas, disk);
  const check = new TargetCheck(nas, folders);
  const handOver = new HandOver({ ...parts, ...shared });
  const queues = { uploads, rows, waits, syncLog, handOver };
  const common = { ...parts, ...shared, ...queues, folders, chunked, check };
  const step = new DeliveryStep(common);
  const turn = new DeliveryTurn({
    ...common,
    step,
    batch: new DeliveryBatch({ ...common, step }),
    settle: new Settle(common),
    locks,
    owner: uploadId(clock.nowMs(), randomBytes),
  });
  const drops = new DropRows(store);
  const changed = { rows: new ChangedRows(store), drops, changes: new FollowedChanges(common) };
  const changeStep = new ChangeStep({ nas, folders, moves: new NasMoves(api), clock });
  const changes = new ChangeDelivery({ ...common, changeStep, locks });
  return {
    delivery: new Delivery({ ...common, turn, changes, kept }),
    changes,
    conflicts: assembleConflicts(parts, rows, { uploads, locks, kept }),
    kept,
    flushWake: assembleFlushWake(parts),
    changed: new ChangedPaths({ ...common, ...changed, kept }),
    locks,
  };
}

function assembleFlushWake(parts: UploadParts): FlushWake {
  return new FlushWake({ ...parts, ...parts.flushWake, rows: new FlushWakeRows(parts.store) });
}

/** With a look of its own at the NAS: the delivery's run forgets and slows down by itself. */
function assembleConflicts(
  parts: UploadParts,
  delivery: DeliveryRows,
  shared: {
    readonly uploads: UploadRows;
    readonly locks: PathLocks;
    readonly kept: KeptCopies;
  },
): Conflicts {
  const rows = new ConflictRows(parts.store, shared.uploads, new DropRows(parts.store));
  const folders = new NasFolder(parts.nas, parts.api, parts.clock);
  const moves = new NasMoves(parts.api);
  const isPathTaken = (id: string, path: string): boolean => delivery.isPathTaken(id, path);
  const swap = new ConflictSwap({ ...parts, rows, folders, moves, isPathTaken });
  return new Conflicts({ ...parts, ...shared, rows, folders, moves, swap });
}
