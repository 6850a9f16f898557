import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';

/** A signed-in account of the NAS under test. */
export interface Account {
  readonly username: string;
  readonly password: string;
}

/** Any BaluHost 1.38: the practice NAS, or a real one whose address is given by hand. */
export interface NasUnderTest {
  /** Without a trailing slash. */
  readonly url: string;
  readonly admin: Account;
  /** Two ordinary users. */
  readonly user: Account;
  readonly other: Account;
}

export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: Buffer;
  readonly text: string;
  /** The body as JSON; `undefined` if it is none. */
  readonly body: unknown;
}

export interface CallOptions {
  readonly token?: string | undefined;
  readonly json?: unknown;
  readonly form?: FormData;
  readonly raw?: Uint8Array | string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** One file of a listing, with the wire's names. */
export interface Row {
  readonly name: string;
  readonly path: string;
  readonly size: number;
  readonly type: string;
  readonly modified_at: string;
  readonly owner_id: string | null;
  readonly file_id: number | null;
  readonly checksum: string | null;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function bodyOf(options: CallOptions): BodyInit | null {
  if (options.json !== undefined) return JSON.stringify(options.json);
  if (options.form !== undefined) return options.form;
  return options.raw === undefined ? null : (options.raw as BodyInit);
}

/** Sends requests to a NAS and remembers sign-ins, as a real one limits logins. */
export class NasCaller {
  readonly nas: NasUnderTest;
  /** A folder name unique to this run, so that a real NAS is left as it was. */
  readonly folder = `contract-${randomBytes(4).toString('hex')}`;
  readonly #tokens = new Map<string, string>();

  constructor(nas: NasUnderTest) {
    this.nas = nas;
  }

  async call(line: string, options: CallOptions = {}): Promise<Reply> {
    const [method = 'GET', path = '/'] = line.split(' ');
    const response = await fetch(`${this.nas.url}${path}`, {
      method,
      redirect: 'manual',
      headers: {
        ...(options.token === undefined ? {} : { authorization: `Bearer ${options.token}` }),
        ...(options.json === undefined ? {} : { 'content-type': 'application/json' }),
        ...options.headers,
      },
      body: bodyOf(options),
    });
    const bytes = Buffer.from(await response.arrayBuffer());
    const text = bytes.toString('utf8');
    return { status: response.status, headers: response.headers, bytes, text, body: parsed(text) };
  }

  async tokenOf(account: Account): Promise<string> {
    const known = this.#tokens.get(account.username);
    if (known !== undefined) return known;
    const reply = await this.call('POST /api/auth/login', { json: account });
    assert.equal(reply.status, 200, reply.text);
    const token = (reply.body as { access_token: string }).access_token;
    this.#tokens.set(account.username, token);
    return token;
  }

  async list(token: string, path: string): Promise<readonly Row[]> {
    const reply = await this.call(`GET /api/files/list?path=${encodeURIComponent(path)}`, {
      token,
    });
    assert.equal(reply.status, 200, reply.text);
    return (reply.body as { files: Row[] }).files;
  }

  async row(token: string, path: string): Promise<Row | undefined> {
    const rows = await this.list(token, path.slice(0, path.lastIndexOf('/')));
    return rows.find((row) => row.path === path);
  }

  async mkdir(token: string, path: string): Promise<void> {
    const reply = await this.call('POST /api/files/mkdir', { token, json: { path } });
    assert.equal(reply.status, 200, reply.text);
  }

  /** Registers a phone for the token's user. @returns the device's id */
  async registerPhone(token: string): Promise<string> {
    const made = await this.call('POST /api/mobile/token/generate', { token });
    assert.equal(made.status, 200, made.text);
    const device_info = {
      device_name: 'Phone',
      device_type: 'android',
      device_model: 'Phone',
      os_version: '14',
      app_version: '1.0',
    };
    const json = { token: (made.body as { token: string }).token, device_info };
    const done = await this.call('POST /api/mobile/register', { json });
    assert.equal(done.status, 200, done.text);
    return (done.body as { device: { id: string } }).device.id;
  }

  upload(
    token: string,
    path: string,
    filename: string,
    bytes: string | Uint8Array,
  ): Promise<Reply> {
    const form = new FormData();
    form.append('file', new Blob([bytes as BlobPart]), filename);
    form.append('path', path);
    return this.call('POST /api/files/upload', { token, form });
  }

  download(
    token: string,
    path: string,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Reply> {
    const encoded = path.split('/').map(encodeURIComponent).join('/');
    return this.call(`GET /api/files/download/${encoded}`, { token, headers });
  }
}
