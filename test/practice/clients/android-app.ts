import { createHash } from 'node:crypto';

/**
 * The calls of BaluHost's Android app (BaluApp dec86c3), in our own words, from its Retrofit
 * interfaces: paths, headers and fields as it sends them, and what it does with what comes back.
 */

interface Answered {
  readonly status: number;
  readonly reason: string;
  readonly text: string;
}

export interface AppFile {
  readonly name: string;
  readonly path: string;
  readonly size: number;
  readonly type: string;
  readonly modifiedAt: string;
}

/** What the app would show, or forget. */
export type AppState = 'unpaired' | 'paired' | 'signed_out';

export class AndroidApp {
  readonly #base: string;
  readonly #deviceName: string;
  state: AppState = 'unpaired';
  userId = 0;
  username = '';
  deviceId = '';
  #access = '';
  #refresh = '';

  /** @param server as the QR code names it */
  constructor(server: string, deviceName = 'Phone') {
    this.#base = `${server.replace(/\/+$/, '')}/api/`;
    this.#deviceName = deviceName;
  }

  get accessToken(): string {
    return this.#access;
  }

  /** The QR code was scanned. */
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
    const user = told['user'] as Readonly<Record<string, unknown>>;
    const device = told['device'] as Readonly<Record<string, unknown>>;
    // The tokens are saved before the time is read, on which the app would crash.
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
    return (told['files'] as readonly Readonly<Record<string, unknown>>[]).map((file) => {
      const { file_id: fileId } = file;
      if (fileId !== null && fileId !== undefined) numberOf(fileId);
      instantOf(file['modified_at']);
      return {
        name: textOf(file['name']),
        path: textOf(file['path']),
        size: numberOf(file['size']),
        type: textOf(file['type']),
        modifiedAt: textOf(file['modified_at']),
      };
    });
  }

  /** As a picture is loaded: slashes escaped, a space as a plus. */
  async open(path: string): Promise<Buffer> {
    const coded = encodeURIComponent(path).replaceAll('%20', '+');
    const answered = await this.#askedBytes(`files/download/${coded}`);
    return answered;
  }

  /** The folders that are synced. An answer that is no bare list fails the whole sync. */
  async syncFolders(): Promise<readonly Readonly<Record<string, unknown>>[]> {
    const told = JSON.parse(
      ok(await this.#asked('GET', `mobile/sync/folders/${this.deviceId}`)).text,
    ) as unknown;
    if (!Array.isArray(told)) throw new Error('The list of folders is no list.');
    return told as readonly Readonly<Record<string, unknown>>[];
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

  /** A photo of the sync: the full remote path beside the file. */
  async uploadPhoto(remotePath: string, bytes: Buffer): Promise<number> {
    const form = new FormData();
    form.append('file', new Blob([new Uint8Array(bytes)]), remotePath.split('/').at(-1));
    form.append('path', remotePath);
    const answered = await this.#asked('POST', 'files/upload', form, {
      'X-Sync-Trigger': 'manual',
    });
    return answered.status;
  }

  async remove(path: string): Promise<void> {
    const coded = path.split('/').map(encodeURIComponent).join('/');
    const told = parsed(await this.#asked('DELETE', `files/${coded}`));
    textOf(told['message']);
  }

  async move(path: string, to: string): Promise<void> {
    const body = { source_path: path, destination_path: to };
    textOf(parsed(await this.#asked('PUT', 'files/move', body))['message']);
  }

  async rename(path: string, newName: string): Promise<void> {
    const body = { path, new_name: newName };
    textOf(parsed(await this.#asked('PUT', 'files/rename', body))['message']);
  }

  async makeFolder(path: string, name: string): Promise<void> {
    textOf(parsed(await this.#asked('POST', 'files/folder', { path, name }))['message']);
  }

  async unreadCount(): Promise<number> {
    return numberOf(parsed(await this.#asked('GET', 'notifications/unread-count'))['count']);
  }

  /** What the live bell opens its socket with. */
  async socketToken(): Promise<string> {
    return textOf(parsed(await this.#asked('POST', 'notifications/ws-token'))['token']);
  }

  async devices(): Promise<readonly string[]> {
    const told = JSON.parse(ok(await this.#asked('GET', 'mobile/devices')).text) as {
      readonly id: string;
    }[];
    return told.map(({ id }) => id);
  }

  async systemInfo(): Promise<number> {
    const told = parsed(await this.#asked('GET', 'system/info'));
    const memory = told['memory'] as Readonly<Record<string, unknown>>;
    return numberOf(memory['total']);
  }

  /** A call with the token, and once more after a 401. */
  async #asked(
    method: string,
    path: string,
    body?: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Answered> {
    const more = body instanceof FormData ? { form: body } : { json: body };
    const first = await this.#send(method, path, { ...more, headers });
    if (first.status !== 401 || !(await this.#refreshed())) return first;
    // The device is not named the second time.
    return await this.#send(method, path, { ...more, headers, isRetry: true });
  }

  async #askedBytes(path: string): Promise<Buffer> {
    const headers = { Authorization: `Bearer ${this.#access}`, 'X-Device-ID': this.deviceId };
    const answered = await fetch(this.#base + path, { headers, redirect: 'manual' });
    const bytes = Buffer.from(await answered.arrayBuffer());
    if (answered.status !== 200) throw new Error(`${path} answered ${String(answered.status)}`);
    return bytes;
  }

  /** Any failure signs the app out, but for one whose words tell of a timeout. */
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

function ok(answered: Answered): Answered {
  if (answered.status >= 200 && answered.status < 300) return answered;
  throw new Error(`HTTP ${String(answered.status)}: ${answered.text.slice(0, 500)}`);
}

function parsed(answered: Answered): Readonly<Record<string, unknown>> {
  return JSON.parse(ok(answered).text) as Readonly<Record<string, unknown>>;
}

/** A value of another type than it expects fails the app's whole answer. */
function textOf(value: unknown): string {
  if (typeof value !== 'string') throw new Error(`A text was expected, and came ${String(value)}.`);
  return value;
}

function numberOf(value: unknown): number {
  if (typeof value !== 'number') throw new Error(`A number was expected, came ${String(value)}.`);
  return value;
}

/** `Instant.parse` takes UTC with its `Z` and nothing else. */
function instantOf(value: unknown): void {
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z$/.test(textOf(value))) {
    throw new Error(`The app would crash on the time ${String(value)}.`);
  }
}
