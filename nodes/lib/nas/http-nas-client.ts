import type { Clock } from '../time/clock.ts';
import { readDownload, rangeHeaders } from './download-answer.ts';
import { isListing, LISTED, readItems } from './listing.ts';
import { multipartBody, type MultipartFile } from './multipart-body.ts';
import type { NasCalls } from './nas-calls.ts';
import type {
  NasApi,
  NasApiCall,
  NasCallOptions,
  NasClient,
  NasDownload,
  NasFileItem,
  NasJson,
  NasListing,
  NasListOptions,
  NasRange,
  NasUploadChannel,
} from './nas-client.ts';
import { encodeNasPath } from './nas-path.ts';
import type { NasExchange, NasRequest } from './nas-request.ts';
import { type ChannelLink, HttpUploadChannel } from './upload-channel.ts';

/** Keeps a soft-sleeping NAS asleep on every route (measured on 1.38). */
const AUTO_TRIGGER = { 'X-Sync-Trigger': 'auto' };

/** The NAS spools a whole body and copies it before it answers. */
const SPOOLED_MS = 120_000;

/** BaluHost's API over HTTP, each answer checked before it is believed. */
export class HttpNasClient implements NasClient, NasApi {
  readonly #calls: NasCalls;
  readonly #clock: Clock;
  readonly #openLink: () => Promise<ChannelLink>;

  /** @param openLink gives each upload channel a connection of its own to the direct address */
  constructor(calls: NasCalls, clock: Clock, openLink: () => Promise<ChannelLink>) {
    this.#calls = calls;
    this.#clock = clock;
    this.#openLink = openLink;
  }

  login(username: string, password: string): Promise<NasJson> {
    return this.#post('/api/auth/login', { username, password });
  }

  verifyTwoFactor(pendingToken: string, code: string): Promise<NasJson> {
    return this.#post('/api/auth/verify-2fa', { pending_token: pendingToken, code });
  }

  refresh(refreshToken: string): Promise<NasJson> {
    return this.#post('/api/auth/refresh', { refresh_token: refreshToken });
  }

  logout(token: string): Promise<NasJson> {
    return this.call({ method: 'POST', path: '/api/auth/logout', token, auto: true });
  }

  me(token: string, options: NasCallOptions = {}): Promise<NasJson> {
    return this.call({ method: 'GET', path: '/api/auth/me', token, ...options });
  }

  preflight(token: string, options: NasCallOptions = {}): Promise<NasJson> {
    return this.call({ method: 'GET', path: '/api/sync/preflight', token, ...options });
  }

  systemInfo(): Promise<NasJson> {
    return this.call({ method: 'GET', path: '/api/system/info', auto: true });
  }

  sharedWithMe(token: string, options: NasCallOptions = {}): Promise<NasJson> {
    return this.call({ method: 'GET', path: '/api/shares/shared-with-me', token, ...options });
  }

  myPermissions(token: string, options: NasCallOptions = {}): Promise<NasJson> {
    const path = '/api/system/sleep/my-permissions';
    return this.call({ method: 'GET', path, token, ...options });
  }

  async list(token: string, path: string, options: NasListOptions = {}): Promise<NasListing> {
    if (!path.isWellFormed()) return { kind: 'refused', status: 400 };
    if (!isSendable(token)) return { kind: 'refused', status: 401 };
    const { signal, each } = options;
    const items: NasFileItem[] = [];
    const wanted = {
      method: 'GET',
      path: `/api/files/list?path=${encodeURIComponent(path)}`,
      headers: callHeaders(token, options),
      ...(signal === undefined ? {} : { signal }),
    };
    const json = await this.#calls.items(wanted, {
      member: LISTED,
      take: (rows) => {
        const some = readItems(rows);
        if (each !== undefined) return each(some);
        for (const item of some) items.push(item);
      },
    });
    if (json.kind !== 'answer') return json;
    const { status, body } = json;
    if (status >= 400) return { kind: 'refused', status };
    const isWhole = status === 200 && isListing(body);
    return isWhole ? { kind: 'listing', items } : { kind: 'bad_answer', status };
  }

  async download(
    token: string,
    path: string,
    range?: NasRange,
    options: NasCallOptions = {},
  ): Promise<NasDownload> {
    if (!path.isWellFormed()) return { kind: 'refused', status: 400 };
    if (!isSendable(token)) return { kind: 'refused', status: 401 };
    const { signal } = options;
    const exchange = await this.#calls.raw({
      method: 'GET',
      path: `/api/files/download/${encodeNasPath(path)}`,
      headers: { ...callHeaders(token, options), ...rangeHeaders(range) },
      ...(signal === undefined ? {} : { signal }),
    });
    return readDownload(exchange, range, this.#clock);
  }

  mkdir(token: string, path: string): Promise<NasJson> {
    return this.call({ method: 'POST', path: '/api/files/mkdir', token, body: { path } });
  }

  openUpload(token: string): NasUploadChannel {
    return new HttpUploadChannel(this.#openLink, callHeaders(token, {}));
  }

  async call(wanted: NasApiCall): Promise<NasJson> {
    const { token, signal } = wanted;
    // What cannot be written into a header is no token; the NAS need not be asked.
    if (token !== undefined && !isSendable(token)) {
      return { kind: 'answer', status: 401, body: { detail: 'Could not validate credentials' } };
    }
    const request: NasRequest = {
      method: wanted.method,
      path: wanted.path,
      headers: callHeaders(token, wanted),
      ...(wanted.body === undefined ? {} : { body: Buffer.from(JSON.stringify(wanted.body)) }),
      ...(signal === undefined ? {} : { signal }),
    };
    return this.#calls.json(request);
  }

  /** `POST /api/files/upload` with one file. Overwrites, and not in one step (docs/NAS.md). */
  sendMultipart(token: string, file: MultipartFile): Promise<NasJson> {
    const { contentType, stream, sizeBytes } = multipartBody(file);
    return this.#calls.json({
      method: 'POST',
      path: '/api/files/upload',
      headers: { ...callHeaders(token, {}), 'Content-Type': contentType },
      body: { stream, sizeBytes },
      firstByteMs: SPOOLED_MS,
    });
  }

  relay(wanted: NasRequest): Promise<NasExchange> {
    return this.#calls.raw(wanted);
  }

  /** One plain request, which wakes a soft-sleeping NAS (measured: even its health route does). */
  async nudge(): Promise<boolean> {
    const result = await this.#calls.json({ method: 'GET', path: '/api/health' });
    return result.kind === 'answer';
  }

  /** Sign-in goes to a soft-sleeping NAS too and must not wake it (contract 1). */
  #post(path: string, body: unknown): Promise<NasJson> {
    return this.call({ method: 'POST', path, body, auto: true });
  }
}

function callHeaders(
  token: string | undefined,
  options: NasCallOptions & { readonly body?: unknown },
): Record<string, string> {
  return {
    Accept: '*/*',
    ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
    ...(options.auto === true ? AUTO_TRIGGER : {}),
    ...(options.body === undefined ? {} : { 'Content-Type': 'application/json' }),
  };
}

/** Printable ASCII without spaces, as every JWT and API key is. */
function isSendable(token: string): boolean {
  return /^[\x21-\x7e]+$/.test(token);
}
