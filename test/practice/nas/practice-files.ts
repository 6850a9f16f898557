import { createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import type { TreeFile } from './control-routes.ts';
import { parentOf, type MetadataRows } from './metadata-rows.ts';
import type { Space } from './space.ts';
import { normal, type Storage } from './storage.ts';
import { zulu } from './times.ts';
import type { UserDirectory } from './users.ts';

/** Files put and seen behind the API's back, by tests and the demo. */
export class PracticeFiles {
  readonly #storage: Storage;
  readonly #rows: MetadataRows;
  readonly #users: UserDirectory;
  readonly #space: Space;

  constructor(storage: Storage, rows: MetadataRows, users: UserDirectory, space: Space) {
    this.#storage = storage;
    this.#rows = rows;
    this.#users = users;
    this.#space = space;
  }

  async putFolder(path: string, owner?: string): Promise<void> {
    const clean = normal(path);
    await this.#storage.ensureFolder(clean);
    if (owner === undefined) return;
    const { id } = this.#users.mustFind(owner);
    for (let at = clean; at !== '' && at !== 'Shared'; at = parentOf(at)) {
      if (this.#rows.get(at) === undefined) this.#rows.create(at, id, true);
    }
  }

  async putFile(
    path: string,
    bytes: Uint8Array | AsyncIterable<Uint8Array>,
    owner?: string,
  ): Promise<void> {
    const clean = normal(path);
    await this.putFolder(parentOf(clean), owner);
    const before = await this.#size(clean);
    const source = bytes instanceof Uint8Array ? [bytes] : bytes;
    await pipeline(source, createWriteStream(this.#storage.absolute(clean)));
    await this.#storage.stamp(clean);
    this.#storage.touched(clean);
    const sizeBytes = await this.#size(clean);
    this.#space.changed(sizeBytes - before);
    if (owner === undefined) return;
    const { id } = this.#users.mustFind(owner);
    this.#rows.stored(clean, id, sizeBytes, await this.#storage.sha256(clean));
  }

  /** As over Samba: the row stays, without a file. */
  async removeFile(path: string): Promise<void> {
    const clean = normal(path);
    const before = await this.#size(clean);
    await rm(this.#storage.absolute(clean));
    this.#storage.touched(clean);
    this.#space.changed(-before);
  }

  async tree(): Promise<readonly TreeFile[]> {
    const files: TreeFile[] = [];
    for await (const file of this.#storage.files()) {
      const ownerId = this.#rows.get(file.path)?.ownerId ?? null;
      const owner = ownerId === null ? undefined : this.#users.byId(ownerId);
      files.push({
        path: file.path,
        owner: owner?.username ?? null,
        owner_id: ownerId,
        size: file.sizeBytes,
        sha256: file.sha256,
        modified_at: zulu(file.modifiedAtMs),
      });
    }
    return files;
  }

  async #size(path: string): Promise<number> {
    return Number((await this.#storage.stat(path))?.size ?? 0n);
  }
}
