import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The name contains the maker's pid, so that a leftover is recognised. */
const NAME = /^balupi-mount-(\d+)-/;

/**
 * A folder with a mount point that is removed with this process, however that ends: at its exit, an
 * error or a signal at once, and after a kill when the next such folder is made.
 */
export class MountFolder {
  readonly path: string;
  readonly mountPoint: string;
  readonly #release: () => void;

  /** @param release frees what else belongs to the mount, once it is unmounted */
  constructor(release: () => void = () => undefined) {
    clearLeftBehind();
    this.#release = release;
    this.path = mkdtempSync(join(tmpdir(), `balupi-mount-${String(process.pid)}-`));
    this.mountPoint = join(this.path, 'mounted');
    mkdirSync(this.mountPoint);
    process.once('exit', this.#leave);
  }

  remove(): void {
    process.off('exit', this.#leave);
    this.#leave();
  }

  readonly #leave = (): void => {
    unmountAll(this.mountPoint);
    this.#release();
    rmSync(this.path, { recursive: true, force: true });
  };
}

/** Lazily: whoever still writes to it is being killed at the same moment. */
export function unmountAll(mountPoint: string): void {
  // One disk may have been mounted over another.
  for (let left = 4; left > 0; left -= 1) {
    if (spawnSync('umount', ['--lazy', mountPoint]).status !== 0) return;
  }
}

function clearLeftBehind(): void {
  for (const name of readdirSync(tmpdir())) {
    const pid = NAME.exec(name)?.[1];
    if (pid === undefined || isRunning(Number(pid))) continue;
    const folder = join(tmpdir(), name);
    unmountAll(join(folder, 'mounted'));
    rmSync(folder, { recursive: true, force: true });
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
