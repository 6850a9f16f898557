import { jsonBody } from './bodies.ts';
import { nameOf, type MetadataRow, type MetadataRows } from './metadata-rows.ts';
import { signedIn, type Route } from './router.ts';
import type { Share, Shares } from './shares.ts';
import { naive, naiveSeconds } from './times.ts';
import type { NasUser, UserDirectory } from './users.ts';
import { json, refused, type Answer, type Exchange } from './wire.ts';

/** `/api/shares`: between users. The practice NAS has no public links. */
export class ShareRoutes {
  readonly #shares: Shares;
  readonly #rows: MetadataRows;
  readonly #users: UserDirectory;

  constructor(shares: Shares, rows: MetadataRows, users: UserDirectory) {
    this.#shares = shares;
    this.#rows = rows;
    this.#users = users;
  }

  get routes(): readonly Route[] {
    const list = { limit: 'share_list' } as const;
    const change = { limit: 'share_create' } as const;
    return [
      signedIn('GET /api/shares/users', list, (_exchange, user) => json(this.#targets(user))),
      signedIn('POST /api/shares/user-shares', change, (exchange, user) =>
        this.#create(exchange, user),
      ),
      signedIn('GET /api/shares/user-shares', list, (_exchange, user) =>
        json(this.#shares.ownedBy(user.id).map((share) => this.#view(share))),
      ),
      signedIn('GET /api/shares/shared-with-me', list, (_exchange, user) =>
        json(this.#sharedWithMe(user)),
      ),
      signedIn('DELETE /api/shares/user-shares/{id}', change, (exchange, user) =>
        this.#delete(exchange, user),
      ),
    ];
  }

  #targets(user: NasUser): readonly object[] {
    return this.#users.all
      .filter((other) => other.isActive && other.id !== user.id)
      .map((other) => ({ id: other.id, username: other.username }));
  }

  async #create(exchange: Exchange, user: NasUser): Promise<Answer> {
    const body = await jsonBody(exchange, {
      file_id: 'integer',
      shared_with_user_id: 'integer',
      can_read: 'boolean?',
      can_write: 'boolean?',
      can_delete: 'boolean?',
      can_share: 'boolean?',
      expires_at: 'string?',
    });
    const row = this.#rows.byId(body.file_id);
    if (row === undefined) throw refused(400, 'File not found');
    if (row.ownerId !== user.id && user.role !== 'admin') {
      throw refused(403, "You don't have permission to share this file");
    }
    const target = this.#users.byId(body.shared_with_user_id);
    if (target === undefined) throw refused(400, 'Target user not found');
    if (this.#shares.ofFile(row.fileId).some((share) => share.withUserId === target.id)) {
      throw refused(400, 'File already shared with this user');
    }
    const rights = {
      read: body.can_read ?? true,
      write: body.can_write ?? false,
      delete: body.can_delete ?? false,
      share: body.can_share ?? false,
    };
    const expiresAtMs = body.expires_at === undefined ? undefined : utcMs(body.expires_at);
    return json(this.#view(this.#shares.create(row, target.id, rights, expiresAtMs)), 201);
  }

  #view(share: Share): object {
    const row = this.#rows.byId(share.fileId);
    const expired = this.#shares.isExpired(share);
    return {
      id: share.id,
      file_id: share.fileId,
      owner_id: share.ownerId,
      shared_with_user_id: share.withUserId,
      can_read: share.canRead,
      can_write: share.canWrite,
      can_delete: share.canDelete,
      can_share: share.canShare,
      expires_at: share.expiresAtMs === null ? null : naive(share.expiresAtMs),
      created_at: naiveSeconds(share.createdAtMs),
      last_accessed_at: null,
      is_expired: expired,
      is_accessible: !expired,
      owner_username: this.#users.byId(share.ownerId)?.username ?? null,
      shared_with_username: this.#users.byId(share.withUserId)?.username ?? null,
      ...fileOf(row),
    };
  }

  #sharedWithMe(user: NasUser): readonly object[] {
    return this.#shares.validFor(user.id).flatMap((share) => {
      const row = this.#rows.byId(share.fileId);
      const owner = this.#users.byId(share.ownerId);
      if (row === undefined || owner === undefined) return [];
      return {
        share_id: share.id,
        file_id: share.fileId,
        file_name: nameOf(row.path),
        file_path: row.path,
        file_size: row.sizeBytes,
        is_directory: row.isDirectory,
        owner_username: owner.username,
        owner_id: owner.id,
        can_read: share.canRead,
        can_write: share.canWrite,
        can_delete: share.canDelete,
        can_share: share.canShare,
        shared_at: naiveSeconds(share.createdAtMs),
        expires_at: share.expiresAtMs === null ? null : naive(share.expiresAtMs),
        is_expired: false,
      };
    });
  }

  #delete(exchange: Exchange, user: NasUser): Answer {
    const share = this.#shares.byId(Number(exchange.param('id')));
    if (share === undefined || (share.ownerId !== user.id && user.role !== 'admin')) {
      throw refused(404, 'File share not found');
    }
    this.#shares.remove(share.id);
    return { kind: 'empty', status: 204 };
  }
}

function fileOf(row: MetadataRow | undefined): object {
  if (row === undefined) {
    return { file_name: null, file_path: null, file_size: null, is_directory: false };
  }
  return {
    file_name: nameOf(row.path),
    file_path: row.path,
    file_size: row.sizeBytes,
    is_directory: row.isDirectory,
  };
}

/** A time without a zone is UTC. @throws Refusal 422 */
function utcMs(text: string): number {
  const atMs = Date.parse(/(Z|[+-]\d\d:?\d\d)$/i.test(text) ? text : `${text}Z`);
  if (Number.isNaN(atMs)) throw refused(422, 'Input should be a valid datetime');
  return atMs;
}
