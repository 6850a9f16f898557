import { spawnSync } from 'node:child_process';
import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { MountFolder, unmountAll } from './mount-folder.ts';

/** FS_IOC_SHUTDOWN of Linux, `_IOR('X', 125, __u32)`, and its flag "do not flush the log". */
const CUT = [
  'import fcntl, os, struct, sys',
  'fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587d, struct.pack("I", 2))',
].join('\n');

const SIZE_BYTES = 768 * 1024 * 1024;

/**
 * An ext4 file system in a file that can fail as disks do: power loss, after which what was not
 * synced is gone; read-only, as the kernel makes a failing one; disappearance.
 */
export class LoopDisk {
  readonly #folder: MountFolder;
  readonly #image: string;
  readonly #sizeBytes: number;
  #device: string | null = null;

  private constructor(sizeBytes: number) {
    this.#sizeBytes = sizeBytes;
    this.#folder = new MountFolder(() => {
      this.#detach();
    });
    this.#image = join(this.#folder.path, 'disk.img');
  }

  /** @returns the disk, or why this machine or user cannot have one */
  static create(sizeBytes = SIZE_BYTES): LoopDisk | string {
    if (process.getuid?.() !== 0) return 'mounting a disk takes root';
    const disk = new LoopDisk(sizeBytes);
    const why = disk.#prepare();
    if (why === null) return disk;
    disk.remove();
    return why;
  }

  get mountPoint(): string {
    return this.#folder.mountPoint;
  }

  cut(): void {
    run('python3', ['-c', CUT, this.mountPoint]);
  }

  /** As the kernel does after disk errors (mount(8), ext4: errors=remount-ro). */
  turnReadOnly(): void {
    run('mount', ['-o', 'remount,abort', this.mountPoint]);
  }

  /** As at the next boot: the journal is replayed. */
  remount(): void {
    run('umount', [this.mountPoint]);
    this.#detach();
    this.#mount();
  }

  /**
   * As somebody plugs it in again: mounted anew in its place, while its previous user still holds
   * descriptors of the old one.
   */
  comeBack(): void {
    unmountAll(this.mountPoint);
    // Another device of the same image: the old one lives on while somebody holds it.
    this.#detach();
    this.#mount();
  }

  remove(): void {
    this.#folder.remove();
  }

  #mount(): void {
    this.#device = run('losetup', ['--find', '--show', this.#image]).trim();
    run('mount', ['-o', 'errors=remount-ro', this.#device, this.mountPoint]);
  }

  /** At once if unused, else by the kernel when the last user closes it. */
  #detach(): void {
    if (this.#device !== null) spawnSync('losetup', ['--detach', this.#device]);
    this.#device = null;
  }

  #prepare(): string | null {
    writeFileSync(this.#image, '');
    truncateSync(this.#image, this.#sizeBytes);
    try {
      run('mkfs.ext4', ['-q', '-F', this.#image]);
      this.#mount();
      this.cut();
      this.remount();
    } catch (error) {
      return `this machine cannot cut a disk's power: ${(error as Error).message}`;
    }
    return null;
  }
}

/** @returns the program's output @throws Error with it */
function run(program: string, args: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: 'utf8' });
  if (status === 0) return stdout;
  throw new Error(`${program} failed: ${error?.message ?? stderr.trim()}`, { cause: error });
}
