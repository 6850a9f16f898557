import { NodeDisk, type SpoolHandle } from '../../../nodes/lib/upload/spool/disk.ts';

/** Called before and after each operation. */
export type Around = (operation: string, when: 'before' | 'after') => Promise<void> | void;

/**
 * A real disk that reports each operation before and after it; the callback may throw or never end.
 */
export class WatchedDisk extends NodeDisk {
  readonly operations: string[] = [];
  around: Around = () => undefined;

  override async create(file: string): Promise<SpoolHandle> {
    return this.#watched(await this.#do('open', () => super.create(file)));
  }

  override async goOn(file: string, sizeBytes: number): Promise<SpoolHandle> {
    return this.#watched(await this.#do('open', () => super.goOn(file, sizeBytes)));
  }

  override async rename(from: string, to: string): Promise<void> {
    await this.#do('rename', () => super.rename(from, to));
  }

  override async syncFolder(folder: string): Promise<void> {
    await this.#do('open', () => Promise.resolve());
    await this.#do('fsync', () => super.syncFolder(folder));
  }

  override async remove(file: string): Promise<void> {
    await this.#do('remove', () => super.remove(file));
  }

  #watched(handle: SpoolHandle): SpoolHandle {
    return {
      writev: (buffers) => this.#do('write', () => handle.writev(buffers)),
      sync: () => this.#do('fsync', () => handle.sync()),
      close: () => handle.close(),
    };
  }

  async #do<T>(operation: string, work: () => Promise<T>): Promise<T> {
    this.operations.push(operation);
    await this.around(operation, 'before');
    const result = await work();
    await this.around(operation, 'after');
    return result;
  }
}

/** An error as Node throws it for a failed system call. */
export function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: injected`), { code, syscall: 'injected', errno: -5 });
}
