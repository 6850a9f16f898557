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
  NasRange,
  NasUploadChannel,
} from '../../../nodes/lib/nas/nas-client.ts';
import type { NasPresence, NasState } from '../../../nodes/lib/nas/presence.ts';
import { streamOf } from '../../fakes/file-nas.ts';

export interface StoredFile {
  bytes: Buffer;
  modifiedAt: string;
  ownerId: string;
  /** Null or stale, as on a NAS with Samba; undefined for the right one. */
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

/** Called before a call is answered: returns an answer in its place, or null to go on. */
export type Trouble = (call: string) => NasJson | null | Promise<NasJson | null>;

const GONE: NasJson = { kind: 'unreachable', cause: new Error('connection reset') };

/**
 * A small NAS that behaves as BaluHost 1.38: unknown folders list as empty, an upload into a
 * missing folder is refused, chunks are strictly sequential, `loseSessions` loses a session,
 * complete publishes whatever has come. Tokens are `token-<username>`, with any number behind it.
 */
export class MemoryNas {
  readonly files = new Map<string, StoredFile>();
  readonly folders = new Set(['Shared', 'alice', 'bob']);
  readonly calls: string[] = [];
  /** What was published at each path; more than once is a fault. */
  readonly published = new Map<string, string[]>();
  readonly deadTokens = new Set<string>();
  /**
   * Folders made behind the API's back: without an owner they take no upload until they are made.
   */
  readonly unowned = new Set<string>();
  /** Called before each call; may answer in its place. */
  trouble: Trouble = () => null;
  /** Called after each call that changed something, before its answer goes out. */
  effect: (call: string) => void | Promise<void> = () => undefined;
  /** These calls take effect, but their answer is lost. */
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
      sharedWithMe: () => Promise.resolve(json(200, [])),
      myPermissions: unused,
      list: (token, path) => this.#list(token, path),
      download: (token, path, range) => this.#download(token, path, range),
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
    const told = (name: string): string => body[name] ?? '';
    const token = wanted.token ?? '';
    if (wanted.path.endsWith('/rename')) {
      return this.#rename(token, told('old_path'), told('new_name'));
    }
    if (wanted.path.endsWith('/move')) {
      return this.#move(token, told('source_path'), told('target_path'));
    }
    const path = decodeURIComponent(wanted.path.replace('/api/files/', ''));
    const call = `delete ${path}`;
    const troubled = await this.#begin(call, token);
    if (troubled !== null) return troubled;
    this.removeTree(path);
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

  async #rename(token: string, from: string, newName: string): Promise<NasJson> {
    const to = `${from.slice(0, from.lastIndexOf('/') + 1)}${newName}`;
    return await this.#rebase(token, 'rename', from, to);
  }

  /**
   * Into the target if that is a folder, else to exactly that path; missing folders are created.
   */
  async #move(token: string, from: string, target: string): Promise<NasJson> {
    const into = this.folders.has(target);
    const to = into ? `${target}/${from.slice(from.lastIndexOf('/') + 1)}` : target;
    return await this.#rebase(token, 'move', from, to);
  }

  /** An existing target is replaced, and the answer is 500 all the same (measured on 1.38). */
  async #rebase(token: string, verb: string, from: string, to: string): Promise<NasJson> {
    const call = `${verb} ${from} > ${to}`;
    const troubled = await this.#begin(call, token);
    if (troubled !== null) return troubled;
    if (!this.files.has(from) && !this.folders.has(from)) {
      return json(403, { detail: 'Operation not permitted' });
    }
    if (this.folders.has(from) && this.holds(to)) return json(500, {});
    const existed = this.files.has(to);
    this.moveTree(from, to);
    return this.#end(call, json(existed ? 500 : 200, { message: 'Renamed' }));
  }

  holds(path: string): boolean {
    return this.files.has(path) || this.folders.has(path);
  }

  /** Moves a file or a folder with its content; files inside a folder lose their checksum. */
  moveTree(from: string, to: string): void {
    const isBelow = (path: string): boolean => path.startsWith(`${from}/`);
    for (const folder of [...this.folders]) {
      if (folder !== from && !isBelow(folder)) continue;
      this.folders.delete(folder);
      this.folders.add(to + folder.slice(from.length));
    }
    for (const [path, file] of [...this.files]) {
      if (path !== from && !isBelow(path)) continue;
      this.files.delete(path);
      const checksum = path === from ? file.checksum : null;
      const home = to.split('/')[0] ?? '';
      this.files.set(to + path.slice(from.length), {
        ...file,
        // Otherwise nobody would see it there.
        ...(home in USER_IDS ? { ownerId: home } : {}),
        ...(checksum === undefined ? {} : { checksum }),
      });
    }
  }

  removeTree(from: string): void {
    for (const places of [this.folders, this.files]) {
      for (const path of [...places.keys()]) {
        if (path === from || path.startsWith(`${from}/`)) places.delete(path);
      }
    }
  }

  async #begin(call: string, token: string): Promise<NasJson | null> {
    this.calls.push(call);
    const troubled = await this.trouble(call);
    if (troubled !== null) return troubled;
    const isKnown = token.startsWith('token-') && !this.deadTokens.has(token);
    if (!isKnown) return json(401, { detail: 'Invalid API key' });
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
    if (isOfAnother(path, token)) return { kind: 'refused', status: 403 };
    if (this.files.has(path)) return { kind: 'refused', status: 500 };
    return { kind: 'listing', items: this.#children(path) };
  }

  #children(path: string): NasFileItem[] {
    const items: NasFileItem[] = [];
    const prefix = path === '' ? '' : `${path}/`;
    for (const folder of this.folders) {
      const owner = folder.startsWith('bob') ? 'bob' : 'alice';
      if (isChild(folder, prefix)) items.push(row(folder, 'directory', 0, AT, null, owner));
    }
    for (const name of this.files.keys()) {
      const item = isChild(name, prefix) ? this.item(name) : undefined;
      if (item !== undefined) items.push(item);
    }
    return items;
  }

  async #download(token: string, path: string, range?: NasRange): Promise<NasDownload> {
    const troubled = await this.#begin(`download ${path}`, token);
    if (troubled?.kind === 'answer') return { kind: 'refused', status: troubled.status };
    if (troubled !== null) return troubled;
    const file = this.files.get(path);
    if (file === undefined) return { kind: 'refused', status: 404 };
    return streamOf(file, range);
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
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of body) chunks.push(chunk as Buffer);
    } catch {
      return GONE;
    }
    const bytes = Buffer.concat(chunks);
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
const USER_IDS: Readonly<Record<string, string>> = { alice: '1', bob: '2', root: '9' };

export function json(status: number, body: unknown): NasJson {
  return { kind: 'answer', status, body };
}

export function gone(): NasJson {
  return GONE;
}

export function sha256(bytes: Buffer | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Whether the path is in another user's home. */
function isOfAnother(path: string, token: string): boolean {
  const home = path.split('/')[0] ?? '';
  const user = token.replace(/^token-|\d+$/g, '');
  return home in USER_IDS && user !== home && user !== 'root';
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
    owner_id: USER_IDS[ownerId] ?? ownerId,
    owner_name: null,
    mime_type: null,
    file_id: null,
    checksum,
    can_read: null,
    can_write: null,
    can_delete: null,
  };
}

/** A presence that the test switches. */
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
