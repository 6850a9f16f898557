import type { Caller } from '../accounts/caller.ts';
import type { QueuedChange } from '../files/files.ts';
import type { Admission } from './admission.ts';
import type { ChangeDeliveryRows } from './change-delivery-rows.ts';
import type { ChangeDelivery } from './change-delivery.ts';
import { ChangeDesk } from './change-desk.ts';
import { ChangeIntake, type ChangeTaken, type QueuedWish } from './change-intake.ts';
import { ChangeRecovery } from './change-recovery.ts';
import type { ChangeRows } from './change-rows.ts';
import type { DropRows } from './drop-rows.ts';
import type { Intents } from './intents.ts';
import { KeptRows } from './kept-rows.ts';
import type { OverviewRows } from './overview-rows.ts';
import type { RoomKeeper } from './room-keeper.ts';
import type { UploadParts } from './upload-parts.ts';
import type { UploadRows } from './upload-rows.ts';
import { Withdrawals } from './withdrawals.ts';

export interface ChangeQueueParts extends UploadParts {
  readonly changeRows: ChangeRows;
  readonly changeDeliveryRows: ChangeDeliveryRows;
  readonly uploads: UploadRows;
  readonly overviewRows: OverviewRows;
  readonly drops: DropRows;
  readonly intents: Intents;
  readonly admission: Admission;
  readonly room: RoomKeeper;
  readonly delivery: ChangeDelivery;
}

/** Deletes, renames, moves and new folders for a NAS that sleeps (docs/CHANGES-ASLEEP.md). */
export class ChangeQueue {
  readonly #rows: ChangeRows;
  readonly #delivery: ChangeDelivery;
  readonly #intake: ChangeIntake;
  /** What a person may do to one. */
  readonly desk: ChangeDesk;
  readonly recovery: ChangeRecovery;

  constructor(parts: ChangeQueueParts) {
    this.#rows = parts.changeRows;
    this.#delivery = parts.delivery;
    const withdrawals = new Withdrawals({ ...parts, keptRows: new KeptRows(parts.store) });
    this.#intake = new ChangeIntake({ ...parts, withdrawals });
    this.desk = new ChangeDesk(parts);
    this.recovery = new ChangeRecovery({ ...parts, withdrawals });
  }

  /** After {@link recovery}: tells everybody's listings what was carried out before. */
  async start(): Promise<void> {
    await this.#delivery.start();
  }

  /** Waits for what is being taken. */
  async idle(): Promise<void> {
    await this.#intake.idle();
  }

  accept(caller: Caller, wish: QueuedWish): Promise<ChangeTaken> {
    return this.#intake.accept(caller, wish);
  }

  /** Whether it has to wait behind others of its user though the NAS is awake. */
  isInLine(caller: Caller, wish: QueuedWish): boolean {
    return this.#intake.isInLine(caller, wish);
  }

  /** 0 where none was ever taken. */
  newestSeq(): number {
    return this.#rows.newestSeq();
  }

  /** What a user changed that the NAS did not carry out yet, in its order. */
  openOf(userId: number): readonly QueuedChange[] {
    return this.#rows.openOf(userId).map(({ seq, kind, path, toPath, createdAtMs }) => {
      return { seq, kind, path, toPath, acceptedAtMs: createdAtMs };
    });
  }

  /** Whether any of a user's is on its way; what waits for a word of its owner does not count. */
  hasUnfinished(userId: number): boolean {
    const { pending, waitingForOwner } = this.#rows.counts(userId);
    return pending > waitingForOwner;
  }
}
