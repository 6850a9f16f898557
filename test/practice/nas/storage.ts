import { createHash } from 'node:crypto';
import { createReadStream, type BigIntStats } from 'node:fs';
import { mkdir, readdir, rename, stat, utimes, rm } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Clock } from '../../../nodes/lib/time/clock.ts';
import { refused } from './wire.ts';

/** Where uploads are collected before they are put in place; hidden from users. */
const SPOOL = '.tmp/uploads';

/** How long a folder's size is cached (docs/NAS.md). */
const FOLDER_SIZE_MS = 5 * 60_000;

export interface Entry {
  readonly name: string;
  readonly path: string;
  readonly isDirectory: boolean;
  readonly sizeBytes: number;
  readonly modifiedAtMs: number;
}

/** mtime in ms with its fraction, to about a quarter of a microsecond. */
export function modifiedAtMs(stats: BigIntStats): number {
  return Number(stats.mtimeNs / 1000n) / 1000;
}

/** `/a//b/./c/` → `a/b/c` */
export function normal(path: string): string {
  return path
    .split('/')
    .filter((segment) => segment !== '' && segment !== '.')
    .join('/');
}

/** The NAS's disk: one folder, with a folder per user and `Shared`. */
export class Storage {
  readonly root: string;
  readonly #clock: Clock;
  readonly #folderSizes = new Map<string, { readonly atMs: number; readonly bytes: number }>();
  #lastStampMs = 0;

  constructor(root: string, clock: Clock) {
    this.root = root;
    this.#clock = clock;
  }

  async open(homes: readonly string[]): Promise<void> {
    await rm(join(this.root, SPOOL), { recursive: true, force: true });
    for (const folder of [SPOOL, 'Shared', ...homes]) {
      await mkdir(join(this.root, folder), { recursive: true });
    }
  }

  /** Unmounts the disk: its empty mount point remains, which accepts files like any folder. */
  async unmount(): Promise<void> {
    await rename(this.root, this.#disk);
    await mkdir(join(this.root, SPOOL), { recursive: true });
    this.#folderSizes.clear();
  }

  /** Mounts the disk, over whatever was put into its mount point meanwhile. */
  async mount(): Promise<void> {
    await rm(this.root, { recursive: true });
    await rename(this.#disk, this.root);
    this.#folderSizes.clear();
  }

  get #disk(): string {
    return `${this.root}.disk`;
  }

  spoolPath(name: string): string {
    return join(this.root, SPOOL, name);
  }

  /** @throws Refusal 403 for a path that leaves the storage, 500 for one with a NUL */
  absolute(path: string): string {
    if (path.includes('\0')) throw refused(500, '');
    const absolute = join(this.root, path);
    if (absolute !== this.root && !absolute.startsWith(this.root + sep)) {
      throw refused(403, 'Path is outside of the NAS storage boundary');
    }
    return absolute;
  }

  async stat(path: string): Promise<BigIntStats | undefined> {
    try {
      return await stat(this.absolute(path), { bigint: true });
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  async ensureFolder(path: string): Promise<void> {
    await mkdir(this.absolute(path), { recursive: true });
  }

  /** Folders first, then by name without regard to case. */
  async children(path: string): Promise<readonly Entry[]> {
    const names = await readdir(this.absolute(path));
    const entries: Entry[] = [];
    for (const name of names) {
      const entry = await this.#entry(path === '' ? name : `${path}/${name}`, name);
      if (entry !== undefined) entries.push(entry);
    }
    return entries.sort(
      (left, right) =>
        Number(right.isDirectory) - Number(left.isDirectory) ||
        compare(left.name.toLowerCase(), right.name.toLowerCase()),
    );
  }

  /** Sets a written file's time to the clock's, never the same twice. */
  async stamp(path: string): Promise<void> {
    this.#lastStampMs = Math.max(this.#clock.nowMs(), this.#lastStampMs + 0.01);
    const seconds = this.#lastStampMs / 1000;
    await utimes(this.absolute(path), seconds, seconds);
  }

  /** Drops the cached sizes of a changed path's parents. */
  touched(path: string): void {
    for (const folder of this.#folderSizes.keys()) {
      if (path === folder || path.startsWith(`${folder}/`)) this.#folderSizes.delete(folder);
    }
  }

  async folderSize(path: string): Promise<number> {
    const atMs = this.#clock.monotonicMs();
    const known = this.#folderSizes.get(path);
    if (known !== undefined && atMs - known.atMs < FOLDER_SIZE_MS) return known.bytes;
    let bytes = 0;
    for (const child of await readdir(this.absolute(path), { withFileTypes: true })) {
      const inner = path === '' ? child.name : `${path}/${child.name}`;
      bytes += child.isDirectory()
        ? await this.folderSize(inner)
        : Number((await this.stat(inner))?.size ?? 0n);
    }
    this.#folderSizes.set(path, { atMs, bytes });
    return bytes;
  }

  /**
   * All files with their true hashes, for tests and the demo; without any deleted or renamed during
   * the walk.
   */
  async *files(path = ''): AsyncGenerator<Entry & { readonly sha256: string }> {
    for (const child of (await this.children(path).catch(unlessMissing)) ?? []) {
      if (child.path === '.tmp') continue;
      if (child.isDirectory) yield* this.files(child.path);
      else {
        const sha256 = await this.sha256(child.path).catch(unlessMissing);
        if (sha256 !== null) yield { ...child, sha256 };
      }
    }
  }

  async sha256(path: string): Promise<string> {
    const hash = createHash('sha256');
    await pipeline(createReadStream(this.absolute(path)), hash);
    return hash.digest('hex');
  }

  async #entry(path: string, name: string): Promise<Entry | undefined> {
    const stats = await this.stat(path);
    if (stats === undefined) return undefined;
    const isDirectory = stats.isDirectory();
    return {
      name,
      path,
      isDirectory,
      sizeBytes: isDirectory ? await this.folderSize(path) : Number(stats.size),
      modifiedAtMs: modifiedAtMs(stats),
    };
  }
}

function unlessMissing(error: unknown): null {
  if (isMissing(error)) return null;
  throw error;
}

export function isMissing(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return code === 'ENOENT' || code === 'ENOTDIR';
}

function compare(left: string, right: string): number {
  if (left === right) return 0;
  return left < right ? -1 : 1;
}
