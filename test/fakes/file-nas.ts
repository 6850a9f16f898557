import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import type { Caller, User } from '../../nodes/lib/accounts/caller.ts';
import type {
  NasClient,
  NasDownload,
  NasFileItem,
  NasJson,
  NasListing,
  NasRange,
} from '../../nodes/lib/nas/nas-client.ts';

/** A file on the fake NAS. */
export interface FakeFile {
  bytes: Buffer;
  modifiedAt: string;
  ownerId: string | null;
  /** `true` for the right one, a string for a stale one, `null` for none. */
  checksum: string | true | null;
}

export interface FakeShare {
  readonly path: string;
  readonly isDirectory: boolean;
  readonly toUserId: number;
  readonly canRead?: boolean;
  readonly canWrite?: boolean;
  readonly expiresAt?: string;
}

type FileNas = Pick<NasClient, 'list' | 'sharedWithMe' | 'download'>;

/**
 * The NAS's file side as measured on BaluHost 1.38: an unknown folder lists as empty, a foreign one
 * is 403, a download of a missing file 404, single ranges by 206. Tokens are `token-<user id>`.
 */
export class FakeFileNas implements FileNas {
  readonly files = new Map<string, FakeFile>();
  readonly folders = new Set<string>(['Shared']);
  readonly users = new Map<string, User>();
  shares: FakeShare[] = [];
  readonly calls: string[] = [];
  gone = false;
  /** Override the next downloads, in order. */
  readonly downloads: ((path: string, range?: NasRange) => NasDownload | null)[] = [];
  /** Override the next listings, in order. */
  readonly listings: NasListing[] = [];
  /** Runs between taking a listing and returning it. */
  beforeListing: () => Promise<void> = () => Promise.resolve();

  addUser(user: User): Caller {
    this.users.set(`token-${user.id}`, user);
    this.folders.add(user.username);
    return { user, kind: 'nas', nasToken: `token-${user.id}`, scope: 'all' };
  }

  /** Answers share requests in place of the real answer. */
  sharesAnswer: NasJson | null = null;

  put(path: string, content: string | Buffer, more: Partial<FakeFile> = {}): FakeFile {
    const names = path.split('/');
    for (let depth = 1; depth < names.length; depth += 1) {
      this.folders.add(names.slice(0, depth).join('/'));
    }
    const file = {
      bytes: typeof content === 'string' ? Buffer.from(content) : content,
      modifiedAt: '2026-02-20T10:00:00.123456Z',
      ownerId: null,
      checksum: true as const,
      ...more,
    };
    this.files.set(path, file);
    return file;
  }

  count(start: string): number {
    return this.calls.filter((call) => call.startsWith(start)).length;
  }

  list(token: string, path: string): Promise<NasListing> {
    this.calls.push(`list ${token} ${path}`);
    const listing = this.listings.shift() ?? this.#listing(token, path);
    return this.beforeListing().then(() => listing);
  }

  sharedWithMe(token: string): Promise<NasJson> {
    this.calls.push(`shares ${token}`);
    if (this.gone) return Promise.resolve({ kind: 'unreachable', cause: new Error('gone') });
    if (this.sharesAnswer !== null) return Promise.resolve(this.sharesAnswer);
    const user = this.users.get(token);
    if (user === undefined) return Promise.resolve({ kind: 'answer', status: 401, body: {} });
    const body = this.shares
      .filter((share) => share.toUserId === user.id)
      .map((share) => ({
        file_path: share.path,
        is_directory: share.isDirectory,
        can_read: share.canRead ?? true,
        can_write: share.canWrite ?? false,
        expires_at: share.expiresAt ?? null,
        is_expired: false,
      }));
    return Promise.resolve({ kind: 'answer', status: 200, body });
  }

  download(token: string, path: string, range?: NasRange): Promise<NasDownload> {
    const wanted = range === undefined ? '' : ` ${range.firstByte}-${range.lastByte ?? ''}`;
    this.calls.push(`download ${token} ${path}${wanted}`);
    const special = this.downloads.shift()?.(path, range);
    return Promise.resolve(special ?? this.#download(token, path, range));
  }

  /** What the NAS itself lets a user read: implemented again here, independently of the module. */
  allows(user: User, path: string): boolean {
    if (user.role === 'admin') return true;
    const [first] = path.split('/');
    if (first === 'Shared') return true;
    const owner = this.files.get(path)?.ownerId ?? null;
    if (first === user.username && (owner === null || owner === `${user.id}`)) return true;
    return this.shares.some(
      (share) =>
        share.toUserId === user.id &&
        (share.canRead ?? true) &&
        (path === share.path || (share.isDirectory && path.startsWith(`${share.path}/`))),
    );
  }

  #listing(token: string, path: string): NasListing {
    if (this.gone) return { kind: 'unreachable', cause: new Error('gone') };
    const user = this.users.get(token);
    if (user === undefined) return { kind: 'refused', status: 401 };
    if (path === 'Shared with me') return { kind: 'listing', items: this.#sharedItems(user) };
    if (path === '' && user.role !== 'admin') {
      const names = ['Shared', user.username];
      return { kind: 'listing', items: names.map((name) => folderItem(name)) };
    }
    if (path !== '' && !this.allows(user, path)) return { kind: 'refused', status: 403 };
    return { kind: 'listing', items: this.#children(path) };
  }

  #children(path: string): NasFileItem[] {
    const start = path === '' ? '' : `${path}/`;
    const isChild = (at: string): boolean =>
      at.startsWith(start) && at !== path && !at.slice(start.length).includes('/');
    return [
      ...[...this.folders].filter(isChild).map((at) => folderItem(at)),
      ...[...this.files].filter(([at]) => isChild(at)).map(([at, file]) => fileItem(at, file)),
    ];
  }

  #sharedItems(user: User): NasFileItem[] {
    return this.shares
      .filter((share) => share.toUserId === user.id)
      .map((share) => {
        const file = this.files.get(share.path);
        const item = file === undefined ? folderItem(share.path) : fileItem(share.path, file);
        return { ...item, name: `${item.name} (from x)`, checksum: null };
      });
  }

  #download(token: string, path: string, range?: NasRange): NasDownload {
    if (this.gone) return { kind: 'unreachable', cause: new Error('gone') };
    const user = this.users.get(token);
    if (user === undefined) return { kind: 'refused', status: 401 };
    if (!this.allows(user, path)) return { kind: 'refused', status: 403 };
    const file = this.files.get(path);
    if (file === undefined) return { kind: 'refused', status: 404 };
    return streamOf(file, range);
  }
}

export function streamOf(
  file: Pick<FakeFile, 'bytes' | 'modifiedAt'>,
  range?: NasRange,
  body?: Readable,
): Extract<NasDownload, { kind: 'stream' }> | { kind: 'refused'; status: number } {
  const sizeBytes = file.bytes.length;
  const first = range?.firstByte ?? 0;
  const last = Math.min(range?.lastByte ?? sizeBytes - 1, sizeBytes - 1);
  if (range !== undefined && first >= sizeBytes) return { kind: 'refused', status: 416 };
  return {
    kind: 'stream',
    status: range === undefined ? 200 : 206,
    lengthBytes: last - first + 1,
    sizeBytes,
    etag: etagOf(file),
    lastModified: new Date(file.modifiedAt).toUTCString(),
    contentType: 'text/plain; charset=utf-8',
    body:
      body ?? Readable.from(chunksOf(file.bytes.subarray(first, last + 1)), { objectMode: false }),
  };
}

export function etagOf(file: Pick<FakeFile, 'bytes' | 'modifiedAt'>): string {
  const text = `${file.modifiedAt}-${file.bytes.length}`;
  return `"${createHash('md5').update(text).digest('hex')}"`;
}

/** Told with every listing; what was put is never written into. */
const checksums = new WeakMap<Buffer, string>();

function checksumOf(bytes: Buffer): string {
  const known = checksums.get(bytes) ?? sha256(bytes);
  checksums.set(bytes, known);
  return known;
}

export function sha256(bytes: Buffer | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function* chunksOf(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536);
}

function folderItem(path: string): NasFileItem {
  return { ...COMMON, name: path.split('/').at(-1) ?? '', path, size: 0, type: 'directory' };
}

function fileItem(path: string, file: FakeFile): NasFileItem {
  return {
    ...COMMON,
    name: path.split('/').at(-1) ?? '',
    path,
    size: file.bytes.length,
    type: 'file',
    modified_at: file.modifiedAt,
    owner_id: file.ownerId,
    file_id: 7,
    checksum: file.checksum === true ? checksumOf(file.bytes) : file.checksum,
  };
}

const COMMON = {
  modified_at: '2026-02-20T10:00:00Z',
  owner_id: null,
  owner_name: null,
  mime_type: null,
  file_id: null,
  checksum: null,
  can_read: null,
  can_write: null,
  can_delete: null,
};
