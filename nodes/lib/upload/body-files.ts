import { join } from 'node:path';
import { refused, tooLarge, type Refused } from './admission.ts';
import { diskFaultOf, type Disk } from './disk.ts';
import type { FileHashing } from './file-hashing.ts';
import { PartFile, type StagedFile } from './part-file.ts';
import type { Reservation } from './room-keeper.ts';

/** Files of one body that are written at the same time: small ones sync side by side. */
const FILES_AT_ONCE = 4;
/** What of one body may wait for the disk before its sender is held back. */
const MOST_HELD_BYTES = 1024 * 1024;

/** A file of a body, durable in the incoming folder. */
export interface ReceivedFile {
  readonly filename: string;
  readonly staged: StagedFile;
}

/** Why a body came to nothing. `gone`: its sender left before the end. */
export type BodyEnd =
  Refused | { readonly kind: 'gone' } | { readonly kind: 'surprise'; readonly error: unknown };

export interface BodyFilesParts {
  readonly disk: Disk;
  readonly hashing: FileHashing;
  readonly incomingFolder: string;
  readonly maxFileBytes: number;
  readonly newId: () => string;
  readonly reservation: Reservation;
}

interface Incoming {
  readonly filename: string;
  readonly part: PartFile;
  staged: StagedFile | null;
}

/** The files of one body on their way to the disk, and all else that goes on beside its parsing. */
export class BodyFiles {
  readonly #parts: BodyFilesParts;
  readonly #onChange: () => void;
  readonly #files: Incoming[] = [];
  readonly #tasks = new Set<Promise<void>>();
  readonly #queue: Incoming[] = [];
  readonly #storing = new Set<Incoming>();
  #current: Incoming | null = null;
  #end: BodyEnd | null = null;

  /** @param onChange called when there is room for more, and when the body ends */
  constructor(parts: BodyFilesParts, onChange: () => void) {
    this.#parts = parts;
    this.#onChange = onChange;
  }

  /** Set once: the first reason counts, what follows from it is noise. */
  get end(): BodyEnd | null {
    return this.#end;
  }

  /** Whether no more should be given for now. */
  get isFull(): boolean {
    let heldBytes = 0;
    for (const { part } of [...this.#storing, ...this.#queue]) heldBytes += part.heldBytes;
    return heldBytes >= MOST_HELD_BYTES || this.#queue.length > 1;
  }

  refuse(end: BodyEnd): void {
    this.#end ??= end;
    for (const { part } of this.#files) part.giveUp();
    this.#onChange();
  }

  /** The next file of the body begins. */
  begin(filename: string): void {
    const { disk, hashing, incomingFolder, newId, reservation } = this.#parts;
    const id = newId();
    const part = new PartFile(id, join(incomingFolder, `${id}.part`), {
      disk,
      hashing,
      takeRoom: async (bytes) => {
        const refusal = await reservation.take(bytes);
        if (refusal !== null) this.refuse(refusal);
        return refusal === null;
      },
      onWritten: this.#onChange,
    });
    const file: Incoming = { filename, part, staged: null };
    this.#current = file;
    this.#files.push(file);
    this.#queue.push(file);
    this.#storeNext();
  }

  /** The next bytes of that file. */
  push(bytes: Buffer): void {
    if (this.#current === null || this.#end !== null) return;
    const { part } = this.#current;
    const { maxFileBytes } = this.#parts;
    if (part.sizeBytes + bytes.length > maxFileBytes) this.refuse(tooLarge(maxFileBytes));
    else part.push(bytes);
  }

  /** That file is whole. */
  finish(): void {
    this.#current?.part.end();
    this.#current = null;
  }

  /** Runs a part of the work whose fault ends the whole. */
  run(work: () => Promise<void>): void {
    const task = this.#guarded(work).finally(() => {
      this.#tasks.delete(task);
      this.#onChange();
    });
    this.#tasks.add(task);
  }

  /** Waits for all that runs. */
  async settle(): Promise<void> {
    while (this.#tasks.size > 0) await Promise.all(this.#tasks);
  }

  /** All files in the order sent. Only after {@link settle}, and without an end. */
  received(): readonly ReceivedFile[] {
    return this.#files.map(({ filename, staged }) => {
      if (staged === null) throw new Error('A file of the body was never stored.');
      return { filename, staged };
    });
  }

  /** Leaves nothing of the body on the disk. Only after {@link settle}. */
  async discard(): Promise<void> {
    for (const file of this.#files) {
      if (this.#queue.includes(file)) continue;
      try {
        await file.part.discard();
      } catch (error) {
        // A disk that cannot delete either: the next start does.
        if (diskFaultOf(error) === null) throw error;
      }
    }
  }

  async #guarded(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      const fault = diskFaultOf(error);
      this.refuse(fault === null ? { kind: 'surprise', error } : refused(fault));
    }
  }

  #storeNext(): void {
    while (this.#end === null && this.#storing.size < FILES_AT_ONCE) {
      const file = this.#queue.shift();
      if (file === undefined) return;
      this.#storing.add(file);
      this.run(async () => {
        try {
          await this.#store(file);
        } finally {
          this.#storing.delete(file);
          this.#storeNext();
        }
      });
    }
  }

  async #store(file: Incoming): Promise<void> {
    file.staged = await file.part.store();
    if (file.staged === null) this.refuse(refused('no_room'));
  }
}
