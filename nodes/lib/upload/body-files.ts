import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { refused, type Refused } from './admission.ts';
import { diskFaultOf, type Disk } from './disk.ts';
import { PartFile, type StagedFile } from './part-file.ts';
import type { Reservation } from './room-keeper.ts';

/** Files of one body that are written at the same time: small ones sync side by side. */
export const FILES_AT_ONCE = 4;

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
  readonly incomingFolder: string;
  readonly maxFileBytes: number;
  readonly newId: () => string;
  readonly reservation: Reservation;
}

interface Incoming {
  readonly filename: string;
  readonly stream: Readable;
  part: PartFile | null;
  staged: StagedFile | null;
}

/** The files of one body on their way to the disk, and all else that goes on beside its parsing. */
export class BodyFiles {
  readonly #parts: BodyFilesParts;
  readonly #onChange: () => void;
  readonly #files: Incoming[] = [];
  readonly #tasks = new Set<Promise<void>>();
  readonly #queue: Incoming[] = [];
  #storing = 0;
  #end: BodyEnd | null = null;

  /** @param onChange called when a file is done and when the body ends */
  constructor(parts: BodyFilesParts, onChange: () => void) {
    this.#parts = parts;
    this.#onChange = onChange;
  }

  /** Set once: the first reason counts, what follows from it is noise. */
  get end(): BodyEnd | null {
    return this.#end;
  }

  /** How many files are not on the disk yet. */
  get unfinished(): number {
    return this.#queue.length + this.#storing;
  }

  refuse(end: BodyEnd): void {
    this.#end ??= end;
    this.#onChange();
  }

  add(filename: string, stream: Readable): void {
    const file: Incoming = { filename, stream, part: null, staged: null };
    this.#files.push(file);
    this.#queue.push(file);
    this.#storeNext();
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

  /** Leaves nothing of the body on the disk. */
  async discard(): Promise<void> {
    for (const { part, staged } of this.#files) {
      try {
        if (staged !== null) await this.#parts.disk.remove(staged.partFile);
        else await part?.discard();
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
    while (this.#end === null && this.#storing < FILES_AT_ONCE) {
      const file = this.#queue.shift();
      if (file === undefined) return;
      this.#storing += 1;
      this.run(async () => {
        try {
          await this.#store(file);
        } finally {
          this.#storing -= 1;
          this.#storeNext();
        }
      });
    }
  }

  async #store(file: Incoming): Promise<void> {
    const { disk, incomingFolder, maxFileBytes, newId, reservation } = this.#parts;
    const id = newId();
    const part = await PartFile.create(disk, id, join(incomingFolder, `${id}.part`));
    file.part = part;
    for await (const chunk of file.stream as AsyncIterable<Buffer>) {
      if (part.sizeBytes + chunk.length > maxFileBytes) {
        this.refuse(refused('too_large'));
      } else if (!(await reservation.take(chunk.length))) {
        this.refuse(refused('no_room'));
      }
      if (this.#end !== null) return;
      await part.append(chunk);
    }
    if (this.#end === null) file.staged = await part.finish();
  }
}
