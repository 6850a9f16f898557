import {
  type Answered,
  escapedPath,
  type Fields,
  isSuccess,
  listIn,
  numberOf,
  parsed,
  textOf,
} from './answered.ts';

/** The app's state. `died`: an uncaught exception ended the process. */
export type DesktopState = 'unpaired' | 'paired' | 'signed_out' | 'died';

/** A folder of this computer and its remote one. */
export interface SyncedFolder {
  readonly remotePath: string;
  /** By path below the folder. */
  readonly files: Map<string, { readonly bytes: Buffer; isSynced: boolean }>;
  /** Deleted here, and not there yet. */
  readonly removed: Set<string>;
}

export interface CycleTold {
  /** The NAS gave no changes, so this cycle only uploaded. */
  readonly withoutChanges: boolean;
  readonly uploaded: number;
  readonly downloaded: number;
  /** Attempts at what is not there. */
  readonly missed: number;
  readonly deletedHere: readonly string[];
}

export interface ExplorerItem {
  readonly path: string;
  readonly fileId: number;
  readonly isFolder: boolean;
}

/** From this size on a file is sent alone, by a thread that catches nothing. */
const LARGE_BYTES = 1_000_000;
const BATCH_FILES = 50;
const TRIES = 3;

/**
 * The requests of BaluHost's desktop program (BaluDesk d82ff19), reimplemented from its HTTP
 * clients: what it sends, in which order, and what it does with the answers.
 */
export class DesktopApp {
  readonly #base: string;
  readonly #deviceId: string;
  state: DesktopState = 'unpaired';
  username = '';
  #access = '';
  #refresh = '';
  #deviceCode = '';
  #changeToken: string | null = null;

  /** @param server as typed when pairing; a slash at its end stays */
  constructor(server: string, deviceId: string) {
    this.#base = server;
    this.#deviceId = deviceId;
  }

  get accessToken(): string {
    return this.#access;
  }

  /** @returns the six digits that its user enters on the NAS's own page */
  async beginPairing(): Promise<string> {
    const told = parsed(
      await this.#send('POST', '/api/desktop-pairing/device-code', {
        json: { device_id: this.#deviceId, device_name: 'Desk', platform: 'linux' },
      }),
    );
    this.#deviceCode = textOf(told['device_code']);
    textOf(told['verification_url']);
    numberOf(told['expires_in']);
    numberOf(told['interval']);
    return textOf(told['user_code']);
  }

  /** Every 5 s. @returns whether it is approved; only a 404 ends the pairing */
  async poll(): Promise<'pending' | 'approved' | 'expired'> {
    const answered = await this.#send('POST', '/api/desktop-pairing/poll', {
      json: { device_code: this.#deviceCode },
    });
    if (answered.status === 404) return 'expired';
    if (!isSuccess(answered)) return 'pending';
    const told = parsed(answered);
    if (told['status'] !== 'approved') return 'pending';
    this.#access = textOf(told['access_token']);
    this.#refresh = textOf(told['refresh_token']);
    this.username = textOf((told['user'] as Fields)['username']);
    this.state = 'paired';
    return 'approved';
  }

  /** At its start. Any failure except a 401 that a refresh heals loses what it knows. */
  async start(): Promise<void> {
    const answered = await this.#authorized('GET', '/api/auth/me');
    if (answered.status >= 400) this.#forget();
    if (this.state === 'paired') await this.register();
  }

  async register(): Promise<string> {
    const told = parsed(
      await this.#authorized('POST', '/api/sync/register-desktop', {
        json: { device_id: this.#deviceId, device_name: 'Desk' },
      }),
    );
    textOf(told['device_id']);
    return textOf(told['status']);
  }

  /** Every 30 s: remote changes, then local deletes, then new local files. */
  async cycle(folder: SyncedFolder): Promise<CycleTold> {
    const told = await this.#changes(folder);
    let downloaded = 0;
    let missed = 0;
    const deletedHere: string[] = [];
    for (const path of told?.toDownload ?? []) {
      const tries = await this.#download(folder, path);
      if (tries < 0) downloaded += 1;
      else missed += tries;
    }
    for (const path of told?.toDelete ?? []) {
      if (folder.files.delete(path)) deletedHere.push(path);
    }
    for (const path of [...folder.removed]) {
      const gone = encodeURIComponent(`${folder.remotePath}/${path}`);
      const answered = await this.#authorized('DELETE', `/api/files?path=${gone}`);
      if (isSuccess(answered)) folder.removed.delete(path);
    }
    const uploaded = await this.#uploadAll(folder);
    return { withoutChanges: told === null, uploaded, downloaded, missed, deletedHere };
  }

  /** The explorer: no field of an item that it reads may be null. */
  async list(path: string): Promise<readonly ExplorerItem[]> {
    const query = `path=${encodeURIComponent(path)}&mount=dev-storage`;
    const told = parsed(await this.#authorized('GET', `/api/files/list?${query}`));
    return (told['files'] as readonly Fields[]).map((item) => {
      for (const name of ['owner', 'created_at', 'updated_at', 'mount_id']) {
        if (item[name] === null) throw new Error(`The explorer shows nothing: ${name} is null.`);
      }
      textOf(item['name']);
      textOf(item['modified_at']);
      numberOf(item['size']);
      const fileId = item['file_id'] ?? item['id'];
      const isFolder = textOf(item['type']) === 'directory';
      return { path: textOf(item['path']), fileId: numberOf(fileId), isFolder };
    });
  }

  async drives(): Promise<number> {
    const told = parsed(await this.#authorized('GET', '/api/files/mountpoints'));
    return (told['mountpoints'] as readonly unknown[]).length;
  }

  async makeFolder(path: string, name: string): Promise<void> {
    const json = { path, name, mount_id: 'dev-storage' };
    parsed(await this.#authorized('POST', '/api/files/folder', { json }));
  }

  async rename(fileId: number, newName: string): Promise<void> {
    const json = { file_id: fileId, new_name: newName };
    parsed(await this.#authorized('PUT', '/api/files/rename', { json }));
  }

  async move(fileId: number, newPath: string): Promise<void> {
    const json = { file_id: fileId, new_path: newPath };
    parsed(await this.#authorized('PUT', '/api/files/move', { json }));
  }

  async remove(fileId: number): Promise<void> {
    parsed(await this.#authorized('DELETE', `/api/files/${String(fileId)}`));
  }

  async open(fileId: number): Promise<Buffer> {
    const answered = await this.#bytes(`/api/files/download/${String(fileId)}`);
    if (answered === null) throw new Error('The file could not be opened.');
    return answered;
  }

  async uploadInto(path: string, name: string, bytes: Buffer): Promise<void> {
    const form = new FormData();
    form.append('file', new Blob([new Uint8Array(bytes)]), name);
    const query = `path=${encodeURIComponent(path)}&mount=dev-storage`;
    parsed(await this.#authorized('POST', `/api/files/upload?${query}`, { form }));
  }

  /** Its dashboard. @returns the watts of all plugs */
  async dashboard(): Promise<number> {
    await this.#authorized('GET', '/api/system/info').then(parsed);
    await this.#authorized('GET', '/api/system/info/local').then(parsed);
    await this.#authorized('GET', '/api/system/raid/status').then(parsed);
    const told = parsed(await this.#authorized('GET', '/api/smart-devices/power/summary'));
    return numberOf(told['total_watts']);
  }

  /** An admin's dashboard. */
  async services(): Promise<number> {
    return listIn(await this.#authorized('GET', '/api/admin/services')).length;
  }

  async #changes(
    folder: SyncedFolder,
  ): Promise<{ toDownload: readonly string[]; toDelete: readonly string[] } | null> {
    const files = [...folder.files].map(([path, { bytes, isSynced }]) => ({
      path,
      hash: isSynced ? 'known' : '',
      size: bytes.length,
      modified_at: '2026-02-22T14:30:00Z',
    }));
    const token = this.#changeToken === null ? {} : { change_token: this.#changeToken };
    const answered = await this.#authorized('POST', '/api/sync/changes', {
      json: { device_id: this.#deviceId, file_list: files, ...token },
    });
    if (!isSuccess(answered)) return null;
    const told = parsed(answered);
    this.#changeToken = textOf(told['change_token']);
    const downloads = told['to_download'] as readonly Fields[];
    return {
      toDownload: downloads
        .filter((item) => item['action'] !== 'mkdir' && item['is_directory'] !== true)
        .map((item) => textOf(item['path'])),
      toDelete: (told['to_delete'] as readonly (string | Fields)[]).map((item) =>
        textOf(typeof item === 'string' ? item : item['path']),
      ),
    };
  }

  /** @returns the failed attempts, or -1 if the file is here now */
  async #download(folder: SyncedFolder, path: string): Promise<number> {
    if (folder.files.has(path)) return 0;
    for (let tries = 1; tries <= TRIES; tries += 1) {
      const bytes = await this.#bytes(
        `/api/files/download/${escapedPath(`${folder.remotePath}/${path}`)}`,
      );
      if (bytes === null) continue;
      folder.files.set(path, { bytes, isSynced: true });
      return -1;
    }
    return TRIES;
  }

  async #uploadAll(folder: SyncedFolder): Promise<number> {
    const waiting = [...folder.files].filter(([, { isSynced }]) => !isSynced);
    const small = waiting.filter(([, { bytes }]) => bytes.length < LARGE_BYTES);
    let uploaded = 0;
    const byFolder = Map.groupBy(small, ([path]) => parentOf(`${folder.remotePath}/${path}`));
    for (const [parent, files] of byFolder) {
      for (let from = 0; from < files.length; from += BATCH_FILES) {
        const batch = files.slice(from, from + BATCH_FILES);
        const form = new FormData();
        form.append('path', parent);
        for (const [path, { bytes }] of batch) form.append('files', blobOf(bytes), nameOf(path));
        const answered = await this.#authorized('POST', '/api/files/upload', { form });
        // Any 2xx counts for the whole batch.
        if (!isSuccess(answered)) continue;
        for (const [, file] of batch) file.isSynced = true;
        uploaded += batch.length;
      }
    }
    for (const [path, file] of waiting.filter(([, { bytes }]) => bytes.length >= LARGE_BYTES)) {
      if (await this.#uploadLarge(`${folder.remotePath}/${path}`, file.bytes)) {
        file.isSynced = true;
        uploaded += 1;
      }
    }
    return uploaded;
  }

  /** @throws Error at a 401, which kills the process */
  async #uploadLarge(path: string, bytes: Buffer): Promise<boolean> {
    const form = new FormData();
    form.append('path', parentOf(path));
    form.append('file', blobOf(bytes), nameOf(path));
    const answered = await this.#send('POST', '/api/files/upload', { form, token: this.#access });
    if (answered.status === 401) {
      this.state = 'died';
      throw new Error('A 401 while a large file was sent: the desktop program is gone.');
    }
    return isSuccess(answered);
  }

  async #bytes(path: string): Promise<Buffer | null> {
    for (const isLast of [false, true]) {
      const answered = await fetch(this.#base + path, {
        redirect: 'manual',
        headers: { Authorization: `Bearer ${this.#access}` },
      });
      const bytes = Buffer.from(await answered.arrayBuffer());
      if (answered.status === 200) return bytes;
      if (answered.status !== 401 || isLast || !(await this.#refreshed())) return null;
    }
    return null;
  }

  /** A request with the token, repeated after a 401. */
  async #authorized(method: string, path: string, what: Sent = {}): Promise<Answered> {
    const first = await this.#send(method, path, { ...what, token: this.#access });
    if (first.status !== 401 || !(await this.#refreshed())) return first;
    return await this.#send(method, path, { ...what, token: this.#access });
  }

  /** Any failure stops the sync until the user pairs again. */
  async #refreshed(): Promise<boolean> {
    const answered = await this.#send('POST', '/api/auth/refresh', {
      json: { refresh_token: this.#refresh },
      token: this.#access,
    });
    if (isSuccess(answered)) {
      this.#access = textOf(parsed(answered)['access_token']);
      return true;
    }
    this.#forget();
    return false;
  }

  #forget(): void {
    this.state = 'signed_out';
    this.#access = '';
    this.#refresh = '';
  }

  async #send(
    method: string,
    path: string,
    { json, form, token }: Sent & { readonly token?: string },
  ): Promise<Answered> {
    const answered = await fetch(this.#base + path, {
      method,
      redirect: 'manual',
      headers: {
        ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
        ...(json === undefined ? {} : { 'Content-Type': 'application/json' }),
      },
      ...(form === undefined ? {} : { body: form }),
      ...(json === undefined ? {} : { body: JSON.stringify(json) }),
    });
    const text = await answered.text();
    return { status: answered.status, reason: answered.statusText, text };
  }
}

interface Sent {
  readonly json?: unknown;
  readonly form?: FormData;
}

function blobOf(bytes: Buffer): Blob {
  return new Blob([new Uint8Array(bytes)]);
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'));
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
