import { rename, rmdir, unlink } from 'node:fs/promises';
import { isShared, type Access } from './access.ts';
import { jsonBody } from './bodies.ts';
import { nameOf, parentOf, type MetadataRows } from './metadata-rows.ts';
import { adminOnly, signedIn, type Route } from './router.ts';
import type { Space } from './space.ts';
import { normal, type Storage } from './storage.ts';
import type { NasUser, UserDirectory } from './users.ts';
import { json, refused, type Answer, type Exchange } from './wire.ts';

/** Folders, renaming, moving, deleting, with the traps that were recorded. */
export class FolderChanges {
  readonly #storage: Storage;
  readonly #rows: MetadataRows;
  readonly #access: Access;
  readonly #space: Space;
  readonly #users: UserDirectory;

  constructor(
    storage: Storage,
    rows: MetadataRows,
    access: Access,
    space: Space,
    users: UserDirectory,
  ) {
    this.#storage = storage;
    this.#rows = rows;
    this.#access = access;
    this.#space = space;
    this.#users = users;
  }

  /** In the NAS's order: the last DELETE takes all remaining paths. */
  get routes(): readonly Route[] {
    const write = { limit: 'write' } as const;
    const remove = { limit: 'delete' } as const;
    return [
      signedIn('GET /api/files/storage/available', { limit: 'list' }, () => json(this.#space.view)),
      signedIn('DELETE /api/files/raw/{path:path}', remove, (exchange, user) =>
        this.#delete(exchange.param('path'), user),
      ),
      signedIn('DELETE /api/files/delete', remove, (exchange, user) =>
        this.#deleteByBody(exchange, user),
      ),
      signedIn('POST /api/files/delete', remove, (exchange, user) =>
        this.#deleteByBody(exchange, user),
      ),
      signedIn('POST /api/files/folder', write, (exchange, user) => this.#folder(exchange, user)),
      signedIn('POST /api/files/mkdir', write, (exchange, user) => this.#mkdir(exchange, user)),
      signedIn('PUT /api/files/rename', write, (exchange, user) => this.#rename(exchange, user)),
      signedIn('PUT /api/files/move', write, (exchange, user) => this.#move(exchange, user)),
      signedIn('DELETE /api/files/{path:path}', remove, (exchange, user) =>
        this.#delete(exchange.param('path'), user),
      ),
      adminOnly('POST /api/files/transfer-ownership', remove, (exchange) =>
        this.#transfer(exchange),
      ),
    ];
  }

  async #folder(exchange: Exchange, user: NasUser): Promise<Answer> {
    const body = await jsonBody(exchange, { path: 'string?', name: 'string' });
    if (body.name === '') throw refused(400, 'Folder name required');
    return this.#create(this.#access.jail(body.path ?? '', user), body.name, user);
  }

  async #mkdir(exchange: Exchange, user: NasUser): Promise<Answer> {
    const { path } = await jsonBody(exchange, { path: 'string' });
    const bare = path.replace(/\/+$/, '');
    return this.#create(this.#access.jail(parentOf(bare), user), nameOf(bare), user);
  }

  async #create(parent: string, name: string, user: NasUser): Promise<Answer> {
    // The parent is created even without the rights to it.
    await this.#storage.ensureFolder(parent);
    if (parent !== '' && !isShared(parent)) {
      this.#access.ensureOwner(user, this.#access.ownerOf(parent));
    }
    const path = normal(`${parent}/${name}`);
    await this.#storage.ensureFolder(path);
    if (this.#rows.get(path) === undefined) this.#rows.create(path, user.id, true);
    this.#storage.touched(path);
    return json({ message: 'Folder created' });
  }

  async #rename(exchange: Exchange, user: NasUser): Promise<Answer> {
    const body = await jsonBody(exchange, { old_path: 'string', new_name: 'string' });
    const source = this.#access.jail(body.old_path, user);
    this.#access.ensureOwnerOrShare(source, user, 'canWrite');
    await this.#rebase(source, normal(`${parentOf(source)}/${body.new_name}`));
    return json({ message: 'Renamed' });
  }

  async #move(exchange: Exchange, user: NasUser): Promise<Answer> {
    const body = await jsonBody(exchange, { source_path: 'string', target_path: 'string' });
    const source = this.#access.jail(body.source_path, user);
    const target = this.#access.jail(body.target_path, user);
    this.#access.ensureOwnerOrShare(source, user, 'canWrite');
    const into = (await this.#storage.stat(target))?.isDirectory() === true;
    const parent = into ? target : parentOf(target);
    if (parent !== '') this.#access.ensureOwner(user, this.#access.ownerOf(parent));
    await this.#storage.ensureFolder(parent);
    await this.#rebase(source, into ? normal(`${target}/${nameOf(source)}`) : target);
    return json({ message: 'Moved' });
  }

  /** First the disk, then the row: an existing target is replaced, and only then refused. */
  async #rebase(source: string, target: string): Promise<void> {
    const replaced = Number((await this.#storage.stat(target))?.size ?? 0n);
    await rename(this.#storage.absolute(source), this.#storage.absolute(target));
    this.#storage.touched(source);
    this.#storage.touched(target);
    if (this.#rows.rename(source, target) === 'taken') {
      this.#space.changed(-replaced);
      throw refused(500, '');
    }
  }

  async #deleteByBody(exchange: Exchange, user: NasUser): Promise<Answer> {
    const { path } = await jsonBody(exchange, { path: 'string' });
    return this.#delete(path, user);
  }

  async #delete(path: string, user: NasUser): Promise<Answer> {
    const jailed = this.#access.jail(path, user);
    if (jailed === '') throw refused(403, 'Operation not permitted');
    await this.#remove(jailed, user);
    return json({ message: 'Deleted' });
  }

  async #remove(path: string, user: NasUser): Promise<void> {
    const stats = await this.#storage.stat(path);
    if (stats === undefined) return;
    this.#access.ensureOwnerOrShare(path, user, 'canDelete');
    if (stats.isDirectory()) {
      for (const child of await this.#storage.children(path)) await this.#remove(child.path, user);
      await rmdir(this.#storage.absolute(path));
    } else {
      await unlink(this.#storage.absolute(path));
      this.#space.changed(-Number(stats.size));
    }
    this.#rows.remove(path);
    this.#storage.touched(path);
  }

  /** For single files only: it moves to the new owner's home, next to its namesake. */
  async #transfer(exchange: Exchange): Promise<Answer> {
    const body = await jsonBody(exchange, { path: 'string', new_owner_id: 'integer' });
    const path = normal(body.path);
    const row = this.#rows.get(path);
    const owner = this.#users.byId(body.new_owner_id);
    if (row === undefined || owner === undefined) throw refused(404, 'File not found');
    const target = await this.#free(`${owner.username}/${nameOf(path)}`);
    await rename(this.#storage.absolute(path), this.#storage.absolute(target));
    row.ownerId = owner.id;
    this.#rows.rename(path, target);
    return json({
      success: true,
      message: 'Successfully transferred 1 item(s)',
      transferred_count: 1,
      skipped_count: 0,
      new_path: target,
      conflicts: [],
      error: null,
    });
  }

  async #free(path: string): Promise<string> {
    const dot = path.lastIndexOf('.');
    const stem = dot > path.lastIndexOf('/') ? path.slice(0, dot) : path;
    for (let count = 1; ; count += 1) {
      const name = count === 1 ? path : `${stem} (${String(count)})${path.slice(stem.length)}`;
      if ((await this.#storage.stat(name)) === undefined) return name;
    }
  }
}
