import { createHash } from 'node:crypto';
import { isShared, SHARED, SHARED_WITH_ME, type Access } from './access.ts';
import { jsonBody, unprocessable } from './bodies.ts';
import { mediaTypeOf } from './media-types.ts';
import { nameOf, parentOf, type MetadataRow, type MetadataRows } from './metadata-rows.ts';
import { signedIn, type Route } from './router.ts';
import type { Share, Shares } from './shares.ts';
import { modifiedAtMs, type Entry, type Storage } from './storage.ts';
import { naiveSeconds, offset, zulu } from './times.ts';
import type { NasUser, UserDirectory } from './users.ts';
import { json, refused, type Answer, type Exchange } from './wire.ts';

interface ItemParts {
  readonly name: string;
  readonly path: string;
  readonly size: number;
  readonly isDirectory: boolean;
  readonly modifiedAt: string;
  readonly ownerId?: number | null;
  readonly ownerName?: string | null;
  readonly mimeType?: string | null;
  readonly fileId?: number | null;
  readonly checksum?: string | null;
  readonly share?: Share | undefined;
}

function rightsOf(share: Share | undefined): object {
  if (share === undefined) return { can_read: null, can_write: null, can_delete: null };
  return { can_read: share.canRead, can_write: share.canWrite, can_delete: share.canDelete };
}

function item(parts: ItemParts): object {
  const { ownerId = null, ownerName = null, mimeType = null } = parts;
  const { fileId = null, checksum = null } = parts;
  return {
    name: parts.name,
    path: parts.path,
    size: parts.size,
    type: parts.isDirectory ? 'directory' : 'file',
    modified_at: parts.modifiedAt,
    owner_id: ownerId === null ? null : String(ownerId),
    owner_name: ownerName,
    mime_type: mimeType,
    file_id: fileId,
    checksum,
    sync_info: null,
    ...rightsOf(parts.share),
  };
}

/** Everything that shows what is there: list, check-exists, permissions, space. */
export class Listings {
  readonly #storage: Storage;
  readonly #rows: MetadataRows;
  readonly #shares: Shares;
  readonly #access: Access;
  readonly #users: UserDirectory;
  readonly #nowMs: () => number;

  constructor(
    storage: Storage,
    rows: MetadataRows,
    shares: Shares,
    access: Access,
    users: UserDirectory,
    nowMs: () => number,
  ) {
    this.#storage = storage;
    this.#rows = rows;
    this.#shares = shares;
    this.#access = access;
    this.#users = users;
    this.#nowMs = nowMs;
  }

  get routes(): readonly Route[] {
    return [
      signedIn('POST /api/files/check-exists', { limit: 'list' }, (exchange, user) =>
        this.#checkExists(exchange, user),
      ),
      signedIn('GET /api/files/permissions', { limit: 'list' }, (exchange, user) =>
        this.#permissions(exchange, user),
      ),
      signedIn('GET /api/files/list', { limit: 'list' }, (exchange, user) =>
        this.#list(exchange, user),
      ),
    ];
  }

  async #list(exchange: Exchange, user: NasUser): Promise<Answer> {
    const path = exchange.query.get('path') ?? '';
    const bare = path.replace(/^\/+|\/+$/g, '');
    if (user.role !== 'admin' && bare === '') return json({ files: await this.#root(user) });
    if (user.role !== 'admin' && bare === SHARED_WITH_ME) {
      return json({ files: this.#sharedWithMe(user) });
    }
    const jailed = this.#access.jail(path, user);
    return json({ files: await this.#folder(exchange, jailed, user) });
  }

  async #root(user: NasUser): Promise<readonly object[]> {
    // The real one creates a missing home (docs/NAS.md).
    await this.#storage.ensureFolder(user.username);
    const items: object[] = [];
    for (const name of [SHARED, user.username]) {
      const stats = await this.#storage.stat(name);
      if (stats === undefined) continue;
      const ownerId = name === SHARED ? null : user.id;
      const modifiedAt = zulu(modifiedAtMs(stats));
      items.push(item({ name, path: name, size: 0, isDirectory: true, modifiedAt, ownerId }));
    }
    if (this.#validShares(user).length > 0) {
      const modifiedAt = zulu(this.#nowMs());
      const name = SHARED_WITH_ME;
      items.push(item({ name, path: name, size: 0, isDirectory: true, modifiedAt }));
    }
    return items;
  }

  #sharedWithMe(user: NasUser): readonly object[] {
    return this.#validShares(user).flatMap((share) => {
      const row = this.#rows.byId(share.fileId);
      if (row === undefined) return [];
      const ownerName = this.#users.byId(share.ownerId)?.username ?? String(share.ownerId);
      return item({
        name: `${nameOf(row.path)} (from ${ownerName})`,
        path: row.path,
        size: row.sizeBytes,
        isDirectory: row.isDirectory,
        modifiedAt: naiveSeconds(row.updatedAtMs ?? row.createdAtMs),
        ownerId: share.ownerId,
        ownerName,
        fileId: row.fileId,
        share,
      });
    });
  }

  #validShares(user: NasUser): readonly Share[] {
    return this.#shares
      .validFor(user.id)
      .filter((share) => share.canRead && share.ownerId !== user.id);
  }

  async #folder(exchange: Exchange, path: string, user: NasUser): Promise<readonly object[]> {
    const stats = await this.#storage.stat(path);
    if (stats === undefined) return [];
    this.#access.ensureCanView(path, user);
    if (!stats.isDirectory()) throw refused(500, '');
    const items: object[] = [];
    for (const entry of await this.#storage.children(path)) {
      if (entry.path === '.tmp' && user.role !== 'admin') continue;
      const shown = this.#entry(exchange, entry, user);
      if (shown !== null) items.push(shown);
    }
    return items;
  }

  #entry(exchange: Exchange, entry: Entry, user: NasUser): object | null {
    const row = this.#rows.get(entry.path) ?? this.#adoptFolder(entry, user);
    const ownerId = row?.ownerId ?? null;
    const share = this.#view(entry.path, user, ownerId);
    if (share === null) return null;
    const ofFile = entry.isDirectory
      ? {}
      : { mimeType: mediaTypeOf(entry.name), checksum: shownChecksum(exchange, row) };
    return item({
      name: entry.name,
      path: entry.path,
      size: entry.sizeBytes,
      isDirectory: entry.isDirectory,
      modifiedAt: zulu(entry.modifiedAtMs),
      ownerId,
      ownerName: this.#users.byId(ownerId ?? 0)?.username ?? null,
      fileId: row?.fileId ?? null,
      share,
      ...ofFile,
    });
  }

  /** The share by which a user sees it; undefined if none is needed, null if it is hidden. */
  #view(path: string, user: NasUser, ownerId: number | null): Share | undefined | null {
    if (isShared(path) || this.#access.canView(user, ownerId)) return undefined;
    return this.#shares.covering(path, user.id) ?? null;
  }

  /** Listing a folder gives its sub-folders rows, but not its files. */
  #adoptFolder(entry: Entry, user: NasUser): MetadataRow | undefined {
    return entry.isDirectory ? this.#adopt(entry.path, user, true) : undefined;
  }

  #adopt(path: string, user: NasUser, isDirectory: boolean): MetadataRow {
    const first = path.split('/')[0] ?? '';
    const inferred =
      first === SHARED
        ? user.id
        : (this.#users.named(first)?.id ?? this.#access.ownerOf(parentOf(path)) ?? user.id);
    return this.#rows.create(path, inferred, isDirectory);
  }

  async #checkExists(exchange: Exchange, user: NasUser): Promise<Answer> {
    const body = await jsonBody(exchange, { filenames: 'array', target_path: 'string?' });
    const folder = this.#access.jail(body.target_path ?? '', user);
    const duplicates: object[] = [];
    for (const filename of body.filenames) {
      if (typeof filename !== 'string' || /[/\\]|\.\./.test(filename)) continue;
      const path = folder === '' ? filename : `${folder}/${filename}`;
      const stats = await this.#storage.stat(path);
      if (stats?.isFile() !== true) continue;
      duplicates.push({
        filename,
        size_bytes: Number(stats.size),
        modified_at: offset(modifiedAtMs(stats)),
        checksum: shownChecksum(exchange, this.#rows.get(path)),
      });
    }
    return json({ duplicates });
  }

  async #permissions(exchange: Exchange, user: NasUser): Promise<Answer> {
    const wanted = exchange.query.get('path');
    if (wanted === null) {
      const loc = ['query', 'path'];
      throw unprocessable({ type: 'missing', loc, msg: 'Field required', input: null });
    }
    const path = this.#access.jail(wanted, user);
    const stats = await this.#storage.stat(path);
    const known = this.#rows.get(path);
    if (known === undefined && stats === undefined) throw refused(404, 'File not found');
    const row = known ?? this.#adopt(path, user, stats?.isDirectory() === true);
    const rules = this.#shares.ofFile(row.fileId).map((share) => ({
      user_id: share.withUserId,
      can_view: share.canRead,
      can_edit: share.canWrite,
      can_delete: share.canDelete,
    }));
    return json({ path: row.path, owner_id: row.ownerId, rules });
  }
}

function shownChecksum(exchange: Exchange, row: MetadataRow | undefined): string | null {
  const checksum = row?.checksum ?? null;
  if (checksum === null || exchange.effect.missingChecksum === true) return null;
  if (exchange.effect.staleChecksum !== true) return checksum;
  return createHash('sha256').update(`before ${checksum}`).digest('hex');
}
