import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** FS_IOC_SHUTDOWN of Linux, `_IOR('X', 125, __u32)`, and its flag "do not flush the log". */
const CUT = [
  'import fcntl, os, struct, sys',
  'fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587d, struct.pack("I", 2))',
].join('\n');

const SIZE_BYTES = 768 * 1024 * 1024;

/** An ext4 file system in a file whose power can be cut: what was not synced is gone. */
export class LoopDisk {
  readonly mountPoint: string;
  readonly #folder: string;
  readonly #image: string;

  private constructor(folder: string) {
    this.#folder = folder;
    this.#image = join(folder, 'disk.img');
    this.mountPoint = join(folder, 'mounted');
  }

  /** @returns the disk, or why this machine or this user cannot have one */
  static create(): LoopDisk | string {
    const disk = new LoopDisk(mkdtempSync(join(tmpdir(), 'balupi-disk-')));
    process.once('exit', disk.#leave);
    const why = disk.#prepare();
    if (why === null) return disk;
    disk.remove();
    return why;
  }

  cut(): void {
    run('python3', ['-c', CUT, this.mountPoint]);
  }

  /** As at the next boot: the journal is replayed. */
  remount(): void {
    run('umount', [this.mountPoint]);
    run('mount', ['-o', 'loop', this.#image, this.mountPoint]);
  }

  remove(): void {
    process.off('exit', this.#leave);
    this.#leave();
  }

  /** Lazily: whoever still writes to it is being ended at the same moment. */
  readonly #leave = (): void => {
    spawnSync('umount', ['--lazy', this.mountPoint]);
    rmSync(this.#folder, { recursive: true, force: true });
  };

  #prepare(): string | null {
    if (process.getuid?.() !== 0) return 'mounting a disk takes root';
    mkdirSync(this.mountPoint);
    writeFileSync(this.#image, '');
    truncateSync(this.#image, SIZE_BYTES);
    try {
      run('mkfs.ext4', ['-q', '-F', this.#image]);
      run('mount', ['-o', 'loop', this.#image, this.mountPoint]);
      this.cut();
      this.remount();
    } catch (error) {
      return `this machine cannot cut a disk's power: ${(error as Error).message}`;
    }
    return null;
  }
}

/** @throws Error with what the program said */
function run(program: string, args: readonly string[]): void {
  const { status, stderr, error } = spawnSync(program, args, { encoding: 'utf8' });
  if (status === 0) return;
  throw new Error(`${program} failed: ${error?.message ?? stderr.trim()}`, { cause: error });
}
