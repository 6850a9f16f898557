import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import type {
  NasApi,
  NasApiCall,
  NasClient,
  NasDownload,
  NasFileItem,
  NasJson,
  NasListing,
  NasUploadChannel,
} from '../../../nodes/lib/nas/nas-client.ts';
import type { NasPresence, NasState } from '../../../nodes/lib/nas/presence-port.ts';

export interface StoredFile {
  bytes: Buffer;
  modifiedAt: string;
  ownerId: string;
  /** Null or a stale one, as on a NAS with Samba; undefined for the right one. */
  checksum?: string | null;
}

interface Session {
  readonly folder: string;
  readonly filename: string;
  readonly sizeBytes: number;
  readonly user: string;
  chunks: number;
  bytes: Buffer;
}

/** What a call is asked before it is answered: an answer of its own, or null to go on. */
export type Trouble = (call: string) => NasJson | null | Promise<NasJson | null>;

const GONE: NasJson = { kind: 'unreachable', cause: new Error('connection reset') };

/**
 * A small NAS with the manners of BaluHost 1.38: unknown folders list as empty, an upload into a
 * missing folder is refused, chunks are strictly sequential, a session is lost with `loseSessions`,
 * complete publishes whatever has come. Tokens are `token-<username>`.
 */
export class MemoryNas {
  readonly files = new Map<string, StoredFile>();
  readonly folders = new Set(['Shared', 'alice', 'bob']);
  readonly calls: string[] = [];
  /** How often each path was published: twice is once too often. */
  readonly published = new Map<string, string[]>();
  readonly deadTokens = new Set<string>();
  /** Folders laid down past the API: without an owner they take no upload until they are made. */
  readonly unowned = new Set<string>();
  /** Called before each call; may answer in its place. */
  trouble: Trouble = () => null;
  /** Told of each call that changed something, before its answer goes out. */
  effect: (call: string) => void | Promise<void> = () => undefined;
  /** Calls named here take effect, and their answer is lost. */
  readonly loseAnswerOf = new Set<string>();
  chunkSize = 64;
  #sessions = new Map<string, Session>();
  #next = 0;
  #tick = Date.parse('2026-02-22T10:00:00Z');

  put(path: string, text: string | Buffer, over: Partial<StoredFile> = {}): void {
    this.#tick += 1_000;
    this.files.set(path, {
      bytes: Buffer.from(text),
      modifiedAt: new Date(this.#tick).toISOString().replace(/\.\d+Z$/, '.000001Z'),
      ownerId: '1',
      ...over,
    });
  }

  text(path: string): string | null {
    return this.files.get(path)?.bytes.toString() ?? null;
  }

  loseSessions(): void {
    this.#sessions.clear();
  }

  count(prefix: string): number {
    return this.calls.filter((call) => call.startsWith(prefix)).length;
  }

  item(path: string): NasFileItem | undefined {
    const file = this.files.get(path);
    if (file === undefined) return undefined;
    const checksum = file.checksum === undefined ? sha256(file.bytes) : file.checksum;
    return row(path, 'file', file.bytes.length, file.modifiedAt, checksum, file.ownerId);
  }

  client(): NasClient {
    const unused = (): never => {
      throw new Error('The queue has no business with this call.');
    };
    return {
      login: unused,
      verifyTwoFactor: unused,
      refresh: unused,
      logout: unused,
      me: unused,
      preflight: unused,
      systemInfo: unused,
      sharedWithMe: unused,
      myPermissions: unused,
      list: (token, path) => this.#list(token, path),
      download: (token, path) => this.#download(token, path),
      mkdir: (token, path) => this.#mkdir(token, path),
      openUpload: (token) => this.#channel(token),
    };
  }

  api(): Pick<NasApi, 'call'> {
    return { call: (wanted) => this.#call(wanted) };
  }

  async #call(wanted: NasApiCall): Promise<NasJson> {
    const body = (wanted.body ?? {}) as Readonly<Record<string, string>>;
    if (wanted.path === '/api/files/check-exists') return this.#exist(wanted);
    if (wanted.path === '/api/files/rename') {
      return this.#rename(wanted.token ?? '', body['old_path'] ?? '', body['new_name'] ?? '');
    }
    const path = decodeURIComponent(wanted.path.replace('/api/files/', ''));
    const call = `delete ${path}`;
    const troubled = await this.#begin(call, wanted.token ?? '');
    if (troubled !== null) return troubled;
    this.files.delete(path);
    return this.#end(call, json(200, { message: 'Deleted' }));
  }

  async #exist({ token = '', body }: NasApiCall): Promise<NasJson> {
    const { filenames, target_path: folder } = body as {
      readonly filenames: readonly string[];
      readonly target_path: string;
    };
    const troubled = await this.#begin(`exist ${folder}`, token);
    if (troubled !== null) return troubled;
    const duplicates = filenames.flatMap((filename) => {
      const item = this.item(folder === '' ? filename : `${folder}/${filename}`);
      const at = item?.modified_at.replace('Z', '+00:00');
      return item === undefined
        ? []
        : [{ filename, size_bytes: item.size, modified_at: at, checksum: item.checksum }];
    });
    return json(200, { duplicates });
  }

  /** Onto a name that exists: replaced, and 500 (measured on 1.38). */
  async #rename(token: string, from: string, newName: string): Promise<NasJson> {
    const to = `${from.slice(0, from.lastIndexOf('/') + 1)}${newName}`;
    const call = `rename ${from} > ${to}`;
    const troubled = await this.#begin(call, token);
    if (troubled !== null) return troubled;
    if (this.folders.delete(from)) {
      this.folders.add(to);
      return this.#end(call, json(200, { message: 'Renamed' }));
    }
    const file = this.files.get(from);
    if (file === undefined) return json(403, { detail: 'Operation not permitted' });
    const existed = this.files.has(to);
    this.files.delete(from);
    this.files.set(to, file);
    return this.#end(call, json(existed ? 500 : 200, { message: 'Renamed' }));
  }

  async #begin(call: string, token: string): Promise<NasJson | null> {
    this.calls.push(call);
    const troubled = await this.trouble(call);
    if (troubled !== null) return troubled;
    if (this.deadTokens.has(token)) return json(401, { detail: 'Invalid API key' });
    return null;
  }

  async #end(call: string, answered: NasJson): Promise<NasJson> {
    await this.effect(call);
    const verb = call.split(' ')[0] ?? '';
    return this.loseAnswerOf.delete(verb) ? GONE : answered;
  }

  async #list(token: string, path: string): Promise<NasListing> {
    const troubled = await this.#begin(`list ${path}`, token);
    if (troubled?.kind === 'answer') return { kind: 'refused', status: troubled.status };
    if (troubled !== null) return troubled;
    if (this.files.has(path)) return { kind: 'refused', status: 500 };
    const items: NasFileItem[] = [];
    const prefix = path === '' ? '' : `${path}/`;
    for (const folder of this.folders) {
      if (isChild(folder, prefix)) items.push(row(folder, 'directory', 0, AT, null, '1'));
    }
    for (const name of this.files.keys()) {
      const item = isChild(name, prefix) ? this.item(name) : undefined;
      if (item !== undefined) items.push(item);
    }
    return { kind: 'listing', items };
  }

  async #download(token: string, path: string): Promise<NasDownload> {
    const troubled = await this.#begin(`download ${path}`, token);
    if (troubled?.kind === 'answer') return { kind: 'refused', status: troubled.status };
    if (troubled !== null) return troubled;
    const file = this.files.get(path);
    if (file === undefined) return { kind: 'refused', status: 404 };
    return {
      kind: 'stream',
      status: 200,
      lengthBytes: file.bytes.length,
      sizeBytes: file.bytes.length,
      etag: null,
      lastModified: null,
      contentType: null,
      body: Readable.from([file.bytes]),
    };
  }

  async #mkdir(token: string, path: string): Promise<NasJson> {
    const troubled = await this.#begin(`mkdir ${path}`, token);
    if (troubled !== null) return troubled;
    const parent = path.slice(0, Math.max(0, path.lastIndexOf('/')));
    if (!this.folders.has(parent)) return json(403, { detail: 'Operation not permitted' });
    if (this.files.has(path)) return json(500, { detail: 'Internal server error' });
    this.unowned.delete(path);
    this.folders.add(path);
    return this.#end(`mkdir ${path}`, json(200, { message: 'Folder created' }));
  }

  #channel(token: string): NasUploadChannel {
    const user = token.replace(/^token-/, '');
    return {
      init: async (target) => {
        const call = `init ${target.folder}/${target.filename}`;
        const troubled = await this.#begin(call, token);
        if (troubled !== null) return troubled;
        if (!this.folders.has(target.folder) || this.unowned.has(target.folder)) {
          return json(403, { detail: 'Operation not permitted' });
        }
        this.#next += 1;
        const id = `session-${this.#next}`;
        this.#sessions.set(id, { ...target, user, chunks: 0, bytes: Buffer.alloc(0) });
        return this.#end(call, json(200, { upload_id: id, chunk_size: this.chunkSize }));
      },
      chunk: async (id, index, body, length) => this.#chunk(token, id, index, body, length),
      complete: async (id) => this.#complete(token, id),
      close: () => undefined,
    };
  }

  async #chunk(
    token: string,
    id: string,
    index: number,
    body: Readable,
    length: number,
  ): Promise<NasJson> {
    const pieces: Buffer[] = [];
    try {
      for await (const piece of body) pieces.push(piece as Buffer);
    } catch {
      return GONE;
    }
    const bytes = Buffer.concat(pieces);
    if (bytes.length !== length) throw new Error(`announced ${length}, sent ${bytes.length}`);
    const call = `chunk ${index}`;
    const troubled = await this.#begin(call, token);
    if (troubled !== null) return troubled;
    const session = this.#sessions.get(id);
    if (session === undefined) return json(404, { detail: 'Upload session not found' });
    if (index !== session.chunks) {
      return json(400, { detail: `Expected chunk ${session.chunks}, got ${index}` });
    }
    session.chunks += 1;
    session.bytes = Buffer.concat([session.bytes, bytes]);
    return this.#end(call, json(200, { received_bytes: session.bytes.length }));
  }

  async #complete(token: string, id: string): Promise<NasJson> {
    const session = this.#sessions.get(id);
    const path = session === undefined ? '?' : `${session.folder}/${session.filename}`;
    const call = `complete ${path}`;
    const troubled = await this.#begin(call, token);
    if (troubled !== null) return troubled;
    if (session === undefined) return json(404, { detail: 'Upload session not found' });
    if (session.chunks === 0) return json(500, { detail: 'Internal server error' });
    this.#sessions.delete(id);
    this.put(path, session.bytes, { ownerId: session.user });
    this.published.set(path, [...(this.published.get(path) ?? []), session.bytes.toString()]);
    return this.#end(call, json(200, { path, size: session.bytes.length }));
  }
}

const AT = '2026-01-01T00:00:00Z';

export function json(status: number, body: unknown): NasJson {
  return { kind: 'answer', status, body };
}

export function gone(): NasJson {
  return GONE;
}

export function sha256(bytes: Buffer | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function isChild(path: string, prefix: string): boolean {
  return path.startsWith(prefix) && path !== '' && !path.slice(prefix.length).includes('/');
}

function row(
  path: string,
  type: 'file' | 'directory',
  size: number,
  modifiedAt: string,
  checksum: string | null,
  ownerId: string,
): NasFileItem {
  return {
    name: path.slice(path.lastIndexOf('/') + 1),
    path,
    size,
    type,
    modified_at: modifiedAt,
    owner_id: ownerId,
    owner_name: null,
    mime_type: null,
    file_id: null,
    checksum,
    can_read: null,
    can_write: null,
    can_delete: null,
  };
}

/** A presence that a test turns on and off. */
export class FakePresence implements NasPresence {
  awake = false;
  silences = 0;
  readonly #listeners = new Set<(state: NasState) => void>();

  get state(): NasState {
    return {
      awake: this.awake,
      reachable: this.awake,
      sleepState: this.awake ? 'awake' : 'unreachable',
      reachableBy: this.awake ? 'http' : 'none',
      everSeen: true,
      version: null,
      sinceMs: 0,
      lastSeenMs: null,
      nextWakeAt: null,
    };
  }

  set(awake: boolean): void {
    this.awake = awake;
    for (const listener of this.#listeners) listener(this.state);
  }

  heard(): void {
    this.set(true);
  }

  silent(): void {
    this.silences += 1;
  }

  onChange(listener: (state: NasState) => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }
}
