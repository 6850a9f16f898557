import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import type { Clock } from '../time/clock.ts';
import { isGood } from './failure.ts';
import { isEncoded, type NasCalls, readNasJson } from './nas-calls.ts';
import {
  asRecord,
  asText,
  type NasApi,
  type NasApiCall,
  type NasCallOptions,
  type NasClient,
  type NasDownload,
  type NasExchange,
  type NasFileItem,
  type NasJson,
  type NasListing,
  type NasListOptions,
  type NasRange,
  type NasRequest,
  type NasUploadChannel,
} from './nas-client.ts';

/** Keeps a soft-sleeping NAS asleep on every route (measured on 1.38). */
const AUTO_TRIGGER = { 'X-Sync-Trigger': 'auto' };

/** The NAS spools a whole body and copies it before it answers. */
const SPOOLED_MS = 120_000;

/** BaluHost's API over HTTP; each answer is checked before it is trusted. */
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
    if (!isGood(json)) return { kind: 'refused', status };
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
    // What cannot be written into a header is no token, so the NAS need not be asked.
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

type Response = Extract<NasExchange, { kind: 'response' }>;

/** The headers that ask for a part of a file. */
function rangeHeaders(range: NasRange | undefined): Record<string, string> {
  if (range === undefined) return {};
  const { firstByte, lastByte, ifRange } = range;
  return {
    Range: `bytes=${firstByte}-${lastByte ?? ''}`,
    ...(ifRange === undefined ? {} : { 'If-Range': ifRange }),
  };
}

/** Reads the head of a download; the body of a file stays unread in the outcome. */
async function readDownload(
  exchange: NasExchange,
  range: NasRange | undefined,
  clock: Clock,
): Promise<NasDownload> {
  if (exchange.kind === 'response' && (exchange.status === 200 || exchange.status === 206)) {
    return fileAnswer(exchange, range);
  }
  // The NAS answers 416 with an empty body (measured), which no other refusal has.
  if (exchange.kind === 'response' && exchange.status === 416) {
    exchange.body.destroy();
    return { kind: 'refused', status: 416 };
  }
  const json = await readNasJson(exchange, clock);
  if (json.kind !== 'answer') return json;
  return { kind: isGood(json) ? 'bad_answer' : 'refused', status: json.status };
}

function fileAnswer(exchange: Response, range: NasRange | undefined): NasDownload {
  const { headers, body, lengthBytes } = exchange;
  const status = exchange.status === 206 ? 206 : 200;
  const sizeBytes = status === 200 ? lengthBytes : wholeSize(exchange, range);
  // Without a length, a truncated file could not be told from a whole one.
  if (lengthBytes === null || sizeBytes === null || isEncoded(exchange)) {
    body.destroy();
    return { kind: 'bad_answer', status };
  }
  return {
    kind: 'stream',
    status,
    lengthBytes,
    sizeBytes,
    etag: headers.etag ?? null,
    lastModified: headers['last-modified'] ?? null,
    contentType: headers['content-type'] ?? null,
    body,
  };
}

/** The file's size from Content-Range; null unless the part is the one that was asked for. */
function wholeSize(exchange: Response, range: NasRange | undefined): number | null {
  const text = exchange.headers['content-range'] ?? '';
  const parts = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15})$/.exec(text);
  if (parts === null || range === undefined) return null;
  const [first, last, size] = parts.slice(1).map(Number) as [number, number, number];
  const wantedLast = Math.min(range.lastByte ?? Infinity, size - 1);
  const fits = first === range.firstByte && last === wantedLast;
  return fits && exchange.lengthBytes === last - first + 1 ? size : null;
}

const MAX_PATH_BYTES = 4_096;
const MAX_NAME_BYTES = 1_024;
const MAX_WORD_LENGTH = 255;

/** The member of the answer of `GET /api/files/list` that contains its rows. */
const LISTED = 'files';

/**
 * Reads rows of `GET /api/files/list`. A row without a usable name, path, size, type or time is
 * left out. Paths and names stay byte for byte; times get the `Z` the NAS omits in "Shared with me"
 * (recorded).
 */
function readItems(rows: readonly unknown[]): readonly NasFileItem[] {
  return rows.map(readItem).filter((item) => item !== null);
}

/** Whether what surrounds the rows is a listing. */
function isListing(body: unknown): boolean {
  return Array.isArray(asRecord(body)?.[LISTED]);
}

function readItem(value: unknown): NasFileItem | null {
  const row = asRecord(value);
  if (row === null) return null;
  const name = asName(row['name']);
  const path = asPath(row['path']);
  const size = row['size'];
  const type = row['type'];
  const modifiedAt = asUtcTime(row['modified_at']);
  if (name === null || path === null || modifiedAt === null) return null;
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) return null;
  if (type !== 'file' && type !== 'directory') return null;
  return { name, path, size, type, modified_at: modifiedAt, ...readDetails(row) };
}

type Details = Omit<NasFileItem, 'name' | 'path' | 'size' | 'type' | 'modified_at'>;

function readDetails(row: Readonly<Record<string, unknown>>): Details {
  const fileId = row['file_id'];
  const checksum = asText(row['checksum'], 64);
  return {
    owner_id: asId(row['owner_id']),
    owner_name: asText(row['owner_name'], MAX_WORD_LENGTH),
    mime_type: asText(row['mime_type'], MAX_WORD_LENGTH),
    file_id: Number.isSafeInteger(fileId) ? (fileId as number) : null,
    checksum: checksum !== null && /^[0-9a-f]{64}$/i.test(checksum) ? checksum.toLowerCase() : null,
    can_read: asFlag(row['can_read']),
    can_write: asFlag(row['can_write']),
    can_delete: asFlag(row['can_delete']),
  };
}

function asName(value: unknown): string | null {
  const name = asText(value, MAX_NAME_BYTES);
  return name === null || name === '' || name.includes('\0') ? null : name;
}

/** Only what a caller could ask for again: relative, no `..`, no empty segment, no NUL. */
function asPath(value: unknown): string | null {
  const path = asText(value, MAX_PATH_BYTES);
  if (path === null || path.includes('\0') || Buffer.byteLength(path) > MAX_PATH_BYTES) return null;
  const odd = path.split('/').some((part) => part === '' || part === '.' || part === '..');
  return odd ? null : path;
}

const TIME = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d(?:\.\d{1,9})?)(Z|[+-]\d\d:?\d\d)?$/;

function asUtcTime(value: unknown): string | null {
  const parts = TIME.exec(asText(value, 40) ?? '');
  if (parts === null) return null;
  const [, day, time, zone = 'Z'] = parts;
  const atMs = Date.parse(`${day}T${time}${zone}`);
  if (Number.isNaN(atMs)) return null;
  return /^(Z|[+-]00:?00)$/.test(zone) ? `${day}T${time}Z` : new Date(atMs).toISOString();
}

function asId(value: unknown): string | null {
  return typeof value === 'number' ? String(value) : asText(value, MAX_WORD_LENGTH);
}

function asFlag(value: unknown): boolean | null {
  return typeof value === 'boolean' ? value : null;
}

interface MultipartFile {
  /** Field `path` of the NAS: a folder, or the full path of the file. */
  readonly path: string;
  readonly filename: string;
  readonly body: Readable;
  readonly sizeBytes: number;
}

interface MultipartBody {
  readonly contentType: string;
  readonly stream: Readable;
  readonly sizeBytes: number;
}

/** One file and its path as a multipart body of known length (RFC 7578), streamed. */
function multipartBody(file: MultipartFile): MultipartBody {
  const boundary = `balupi-${randomBytes(18).toString('hex')}`;
  const head = Buffer.from(
    `--${boundary}\r\nContent-Disposition: form-data; name="path"\r\n\r\n${file.path}\r\n` +
      `--${boundary}\r\nContent-Disposition: form-data; name="file"; ` +
      `filename="${escaped(file.filename)}"\r\nContent-Type: application/octet-stream\r\n\r\n`,
  );
  const tail = Buffer.from(`\r\n--${boundary}--\r\n`);
  return {
    contentType: `multipart/form-data; boundary=${boundary}`,
    stream: Readable.from(chunks(head, file.body, tail), { objectMode: false }),
    sizeBytes: head.length + file.sizeBytes + tail.length,
  };
}

async function* chunks(head: Buffer, body: Readable, tail: Buffer): AsyncGenerator<Buffer> {
  yield head;
  for await (const chunk of body as AsyncIterable<Buffer>) yield chunk;
  yield tail;
}

/** As browsers write it (WHATWG, multipart/form-data encoding). */
function escaped(name: string): string {
  return name.replaceAll('"', '%22').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
}

/** The NAS writes a chunk, or moves the whole file, before it answers. */
const SLOW_STEP_MS = 60_000;

/** Where a channel's calls go: a connection opened for it alone. */
export interface ChannelLink {
  json(wanted: NasRequest): Promise<NasJson>;
  close(): void;
}

/**
 * A resumable upload whose calls share one connection, one after the other. If the NAS drops it,
 * the next call opens another, where the NAS answers 404 if the session is not in that worker; the
 * caller then starts again from `init`.
 */
class HttpUploadChannel implements NasUploadChannel {
  readonly #open: () => Promise<ChannelLink>;
  readonly #headers: Readonly<Record<string, string>>;
  #link: Promise<ChannelLink> | null = null;
  #turn: Promise<unknown> = Promise.resolve();
  #closed = false;

  /** @param headers go with every call (the bearer token) */
  constructor(open: () => Promise<ChannelLink>, headers: Readonly<Record<string, string>>) {
    this.#open = open;
    this.#headers = headers;
  }

  init(target: {
    readonly folder: string;
    readonly filename: string;
    readonly sizeBytes: number;
  }): Promise<NasJson> {
    const body = Buffer.from(
      JSON.stringify({
        filename: target.filename,
        total_size: target.sizeBytes,
        target_path: target.folder,
      }),
    );
    return this.#call({
      method: 'POST',
      path: '/api/files/upload/chunked/init',
      headers: { 'Content-Type': 'application/json' },
      body,
    });
  }

  /** @throws NasCallError `body` when `body` fails or does not hold exactly `length` bytes */
  async chunk(uploadId: string, index: number, body: Readable, length: number): Promise<NasJson> {
    const result = await this.#call({
      method: 'POST',
      path: `${sessionPath(uploadId)}/chunk?chunk_index=${index}`,
      headers: { 'Content-Type': 'application/octet-stream' },
      body: { stream: body, sizeBytes: length },
      firstByteMs: SLOW_STEP_MS,
    });
    const ownFault = result.kind === 'unreachable' && 'code' in result.cause;
    if (ownFault && result.cause.code === 'body') throw result.cause;
    return result;
  }

  complete(uploadId: string): Promise<NasJson> {
    return this.#call({
      method: 'POST',
      path: `${sessionPath(uploadId)}/complete`,
      firstByteMs: SLOW_STEP_MS,
    });
  }

  close(): void {
    this.#closed = true;
    // A link that never opened was reported by the call that wanted it.
    void this.#link?.then(
      (link) => {
        link.close();
      },
      () => undefined,
    );
  }

  #call(wanted: NasRequest): Promise<NasJson> {
    const turn = this.#turn.then(() => this.#send(wanted));
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  async #send(wanted: NasRequest): Promise<NasJson> {
    if (this.#closed) throw new Error('The upload channel was closed before this call.');
    this.#link ??= this.#open();
    const link = await this.#link;
    return link.json({ ...wanted, headers: { ...wanted.headers, ...this.#headers } });
  }
}

function sessionPath(uploadId: string): string {
  return `/api/files/upload/chunked/${encodeURIComponent(uploadId)}`;
}

/**
 * Writes a NAS path for a URL: every segment percent-encoded on its own, the slashes kept.
 * @param path without a leading slash, in well-formed UTF-16
 */
export function encodeNasPath(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/');
}
