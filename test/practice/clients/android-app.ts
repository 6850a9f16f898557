import { createHash } from 'node:crypto';
import {
  type Answered,
  booleanOf,
  escapedPath,
  type Fields,
  isSuccess,
  listIn,
  numberOf,
  ok,
  parsed,
  textOf,
} from './answered.ts';

/**
 * The requests of BaluHost's Android app (BaluApp dec86c3), reimplemented from its Retrofit
 * interfaces: paths, headers and fields as it sends them, and what it does with the answers.
 */

export interface AppFile {
  readonly name: string;
  readonly path: string;
  readonly size: number;
  readonly type: string;
  readonly modifiedAt: string;
  readonly fileId: number | null;
}

/** A folder of the phone, as the NAS stores it for that device. */
export interface PhoneFolder {
  readonly id: string;
  readonly remotePath: string;
}

/** The result of one sync run. */
export interface SyncTold {
  /** The NAS did not allow the sync to start. */
  readonly isSkipped: boolean;
  readonly uploaded: number;
  /** A 503 ends a folder's sync until the next run. */
  readonly isBrokenOff: boolean;
}

/** What the app shows. */
export type AppState = 'unpaired' | 'paired' | 'signed_out';

/**
 * Of its dashboard, one after another (18 a minute, with the two that check whether it is online).
 */
export const TILES: readonly string[] = [
  'system/info',
  'system/raid/status',
  'system/smart/status',
  'system/telemetry/history',
  'system/storage/aggregated',
  'smart-devices/',
  'shares/statistics',
  'monitoring/uptime/current',
  'activity/recent-files?limit=5',
];

export class AndroidApp {
  readonly #base: string;
  readonly #deviceName: string;
  state: AppState = 'unpaired';
  userId = 0;
  username = '';
  deviceId = '';
  #access = '';
  #refresh = '';

  /** @param server as in the QR code */
  constructor(server: string, deviceName = 'Phone') {
    this.#base = `${server.replace(/\/+$/, '')}/api/`;
    this.#deviceName = deviceName;
  }

  get accessToken(): string {
    return this.#access;
  }

  /** As after scanning the QR code. */
  async pair(registrationToken: string): Promise<void> {
    const answered = await this.#send('POST', 'mobile/register', {
      json: {
        token: registrationToken,
        device_info: {
          device_name: this.#deviceName,
          device_type: 'android',
          device_model: 'Pixel 8',
          os_version: 'Android 15',
          app_version: '1.0.0',
        },
        token_validity_days: 90,
      },
      isOpen: true,
    });
    const told = parsed(answered);
    const user = told['user'] as Fields;
    const device = told['device'] as Fields;
    // The tokens are saved before the time is parsed, on which the app would crash.
    this.#access = textOf(told['access_token']);
    this.#refresh = textOf(told['refresh_token']);
    this.userId = numberOf(user['id']);
    this.username = textOf(user['username']);
    this.deviceId = textOf(device['id']);
    instantOf(user['created_at']);
    this.state = 'paired';
  }

  /** In the foreground, every 30 s. */
  async isOnline(): Promise<boolean> {
    const { status } = await this.#send('GET', '/health', { isOpen: true });
    return status >= 200 && status < 300;
  }

  async list(path: string): Promise<readonly AppFile[]> {
    const query = `files/list?path=${encodeURIComponent(path)}`;
    const told = parsed(await this.#asked('GET', query));
    return (told['files'] as readonly Fields[]).map((file) => {
      const { file_id: fileId } = file;
      if (fileId !== null && fileId !== undefined) numberOf(fileId);
      instantOf(file['modified_at']);
      return {
        name: textOf(file['name']),
        path: textOf(file['path']),
        size: numberOf(file['size']),
        type: textOf(file['type']),
        modifiedAt: textOf(file['modified_at']),
        fileId: typeof fileId === 'number' ? fileId : null,
      };
    });
  }

  /** As pictures are loaded: slashes escaped, a space as a plus. */
  async open(path: string): Promise<Buffer> {
    const coded = encodeURIComponent(path).replaceAll('%20', '+');
    const answered = await this.#askedBytes(`files/download/${coded}`);
    return answered;
  }

  /** The synced folders. An answer that is not a bare list fails the whole sync. */
  async syncFolders(): Promise<readonly PhoneFolder[]> {
    const told = listIn(await this.#asked('GET', `mobile/sync/folders/${this.deviceId}`));
    return told.map((row) => {
      textOf(row['sync_type']);
      booleanOf(row['auto_sync']);
      return { id: textOf(row['id']), remotePath: textOf(row['remote_path']) };
    });
  }

  async addSyncFolder(localPath: string, remotePath: string): Promise<string> {
    const answered = await this.#asked('POST', `mobile/sync/folders/${this.deviceId}`, {
      local_path: localPath,
      remote_path: remotePath,
      sync_type: 'upload',
      auto_sync: true,
    });
    return textOf(parsed(answered)['id']);
  }

  /**
   * The nightly run, or a manual one: preflight, folders, what is there already, and then photo by
   * photo. A folder's run ends with the first 503.
   * @param photos by name
   */
  async syncPhotos(photos: ReadonlyMap<string, Buffer>, trigger = 'auto'): Promise<SyncTold> {
    const asked = await this.#asked('GET', 'sync/preflight');
    if (isSuccess(asked) && !booleanOf(parsed(asked)['sync_allowed'])) {
      return { isSkipped: true, uploaded: 0, isBrokenOff: false };
    }
    let uploaded = 0;
    let isBrokenOff = false;
    for (const { id, remotePath } of await this.syncFolders()) {
      const there = new Set((await this.list(remotePath)).map(({ name }) => name));
      for (const [name, bytes] of photos) {
        if (there.has(name)) continue;
        const status = await this.uploadPhoto(`${remotePath}/${name}`, bytes, trigger);
        if (status >= 200 && status < 300) uploaded += 1;
        isBrokenOff = status === 503;
        if (isBrokenOff) break;
      }
      // A failure is only logged.
      await this.#asked('PUT', `mobile/sync/folders/${id}`, { status: 'idle' });
    }
    return { isSkipped: false, uploaded, isBrokenOff };
  }

  /** A synced photo: the full remote path next to the file. @returns the status */
  async uploadPhoto(remotePath: string, bytes: Buffer, trigger = 'manual'): Promise<number> {
    const form = new FormData();
    form.append('file', new Blob([new Uint8Array(bytes)]), remotePath.split('/').at(-1));
    form.append('path', remotePath);
    const headers = { 'X-Sync-Trigger': trigger };
    return (await this.#asked('POST', 'files/upload', form, headers)).status;
  }

  async remove(path: string): Promise<void> {
    const told = parsed(await this.#asked('DELETE', `files/${escapedPath(path)}`));
    textOf(told['message']);
  }

  async rename(path: string, newName: string): Promise<void> {
    parsed(await this.#asked('PUT', 'files/rename', { path, new_name: newName }));
  }

  async move(path: string, to: string): Promise<void> {
    const body = { source_path: path, destination_path: to };
    parsed(await this.#asked('PUT', 'files/move', body));
  }

  async makeFolder(path: string, name: string): Promise<void> {
    parsed(await this.#asked('POST', 'files/folder', { path, name }));
  }

  /** @returns the share's id */
  async share(fileId: number, withUserId: number): Promise<number> {
    const body = { file_id: fileId, shared_with_user_id: withUserId, can_read: true };
    return numberOf(parsed(await this.#asked('POST', 'shares/user-shares', body))['id']);
  }

  async endShare(shareId: number): Promise<void> {
    ok(await this.#asked('DELETE', `shares/user-shares/${String(shareId)}`));
  }

  /** @returns the users that something can be shared with, by name */
  async people(): Promise<ReadonlyMap<string, number>> {
    const told = listIn(await this.#asked('GET', 'shares/users'));
    return new Map(told.map((row) => [textOf(row['username']), numberOf(row['id'])]));
  }

  async sharedWithMe(): Promise<number> {
    return listIn(await this.#asked('GET', 'shares/shared-with-me')).length;
  }

  /** At every launch. A failure is ignored. */
  async registerForPush(): Promise<number> {
    const path = `mobile/devices/${this.deviceId}/push-token?push_token=x`;
    return (await this.#asked('POST', path)).status;
  }

  /** After each action; what is not accepted is kept and sent again. */
  async report(path: string): Promise<number> {
    const activity = {
      ...{ action_type: 'file.open', file_path: path, file_name: path.split('/').at(-1) },
      ...{ is_directory: false, occurred_at: new Date().toISOString() },
    };
    return (await this.#asked('POST', 'activity/report', { activities: [activity] })).status;
  }

  async schedules(): Promise<number> {
    const told = parsed(await this.#asked('GET', 'sync/schedule/list'));
    return (told['schedules'] as readonly unknown[]).length;
  }

  async bell(): Promise<readonly string[]> {
    const query = 'unread_only=false&include_dismissed=false&page=1&page_size=50';
    const told = parsed(await this.#asked('GET', `notifications?${query}`));
    numberOf(told['unread_count']);
    return (told['notifications'] as readonly Fields[]).map(({ title }) => textOf(title));
  }

  async readAll(): Promise<void> {
    parsed(await this.#asked('POST', 'notifications/read-all'));
  }

  /** The requests of an open dashboard, tile by tile. @returns the status of each */
  async tiles(): Promise<readonly number[]> {
    const statuses: number[] = [];
    for (const tile of TILES) statuses.push((await this.#asked('GET', tile)).status);
    return statuses;
  }

  /** After its 15 minutes: what any request does at a 401. */
  async renew(): Promise<boolean> {
    return await this.#refreshed();
  }

  async unreadCount(): Promise<number> {
    return numberOf(parsed(await this.#asked('GET', 'notifications/unread-count'))['count']);
  }

  /** The token with which the live bell opens its socket. */
  async socketToken(): Promise<string> {
    return textOf(parsed(await this.#asked('POST', 'notifications/ws-token'))['token']);
  }

  async devices(): Promise<readonly string[]> {
    const told = listIn(await this.#asked('GET', 'mobile/devices'));
    return told.map(({ id }) => textOf(id));
  }

  async systemInfo(): Promise<number> {
    const told = parsed(await this.#asked('GET', 'system/info'));
    const memory = told['memory'] as Fields;
    return numberOf(memory['total']);
  }

  /** A request with the token, repeated after a 401. */
  async #asked(
    method: string,
    path: string,
    body?: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Answered> {
    const more = body instanceof FormData ? { form: body } : { json: body };
    const first = await this.#send(method, path, { ...more, headers });
    if (first.status !== 401 || !(await this.#refreshed())) return first;
    // The repetition does not name the device.
    return await this.#send(method, path, { ...more, headers, isRetry: true });
  }

  async #askedBytes(path: string): Promise<Buffer> {
    const headers = { Authorization: `Bearer ${this.#access}`, 'X-Device-ID': this.deviceId };
    const answered = await fetch(this.#base + path, { headers, redirect: 'manual' });
    const bytes = Buffer.from(await answered.arrayBuffer());
    if (answered.status !== 200) throw new Error(`${path} answered ${String(answered.status)}`);
    return bytes;
  }

  /** Any failure signs the app out, except one whose message mentions a timeout. */
  async #refreshed(): Promise<boolean> {
    const answered = await this.#send('POST', 'auth/refresh', {
      json: { refresh_token: this.#refresh },
      isOpen: true,
    });
    if (answered.status === 200) {
      this.#access = textOf(parsed(answered)['access_token']);
      return true;
    }
    const words = `HTTP ${String(answered.status)} ${answered.reason}`;
    if (!/Failed to connect|timeout|refused/i.test(words)) {
      this.state = 'signed_out';
      this.#access = '';
      this.#refresh = '';
    }
    return false;
  }

  async #send(
    method: string,
    path: string,
    {
      json,
      form,
      headers = {},
      isOpen = false,
      isRetry = false,
    }: {
      readonly json?: unknown;
      readonly form?: FormData;
      readonly headers?: Readonly<Record<string, string>>;
      readonly isOpen?: boolean;
      readonly isRetry?: boolean;
    },
  ): Promise<Answered> {
    const answered = await fetch(this.#base + path, {
      method,
      redirect: 'manual',
      headers: {
        'User-Agent': 'okhttp/4.12.0',
        ...(isRetry || this.deviceId === '' ? {} : { 'X-Device-ID': this.deviceId }),
        ...(isOpen ? {} : { Authorization: `Bearer ${this.#access}` }),
        ...(json === undefined ? {} : { 'Content-Type': 'application/json; charset=UTF-8' }),
        ...headers,
      },
      ...(form === undefined ? {} : { body: form }),
      ...(json === undefined ? {} : { body: JSON.stringify(json) }),
    });
    const text = await answered.text();
    return { status: answered.status, reason: answered.statusText, text };
  }
}

export function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** `Instant.parse` only accepts UTC with `Z`. */
function instantOf(value: unknown): void {
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z$/.test(textOf(value))) {
    throw new Error(`The app would crash on the time ${String(value)}.`);
  }
}
