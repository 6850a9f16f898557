import type {
  CachePin,
  CachePins,
  ChunkedBegun,
  ChunkedList,
  ChunkedReceived,
  FileItem,
  FileListing,
  NasStatus,
  SyncStatus,
} from '../../nodes/lib/api/api.ts';

export type { CachePin, ChunkedList, FileItem, NasStatus, SyncStatus };

/** The API's addresses, authenticated by the page's cookie. */
const BASE = '/dashboard/files/api/';
/** The API's largest page. */
const PAGE_ENTRIES = 1_000;
/** Without progress for this long, the connection counts as dead. */
const STALL_MS = 45_000;

/** A failed request. `offline` without a whole answer, else the API's error code. */
export class Refused extends Error {
  readonly code: string;
  /** HTTP status; 0 without an answer. */
  readonly status: number;
  /** When to retry; null if the API gave no time. */
  readonly retryAfterMs: number | null;

  constructor(code: string, status: number, detail: string, retryAfterMs: number | null) {
    super(detail);
    this.code = code;
    this.status = status;
    this.retryAfterMs = retryAfterMs;
  }
}

/** The content of one request. */
interface Sent {
  readonly json?: unknown;
  readonly body?: Blob | FormData;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  /** Called while the body is sent. */
  readonly onSent?: (bytes: number) => void;
}

/** A 2xx answer. */
interface Answered<T> {
  readonly data: T;
  /** Whether the change waits for the NAS. */
  readonly isQueued: boolean;
  /** Seconds; null for a current answer. */
  readonly ageSeconds: number | null;
}

/** One page of a folder. */
export interface FolderPage {
  readonly items: readonly FileItem[];
  /** Null at the end. */
  readonly cursor: string | null;
  /** Age of the NAS's answer; null if current. */
  readonly ageSeconds: number | null;
}

/** Whether a change was done, or waits for the NAS. */
export type Outcome = 'done' | 'queued';

/** For requests that no person waits for: they must not wake the NAS. */
const UNASKED = { 'X-Sync-Trigger': 'auto' };

/** The folder to list, and whether a person waits for it. */
export interface Listed {
  readonly path: string;
  readonly isAsked: boolean;
  readonly signal: AbortSignal;
}

/** One page of a folder, in the API's order. @param cursor of the page before; null for the first */
export async function listPage(listed: Listed, cursor: string | null): Promise<FolderPage> {
  const { path, isAsked, signal } = listed;
  const query = { path, limit: String(PAGE_ENTRIES), ...(cursor === null ? {} : { cursor }) };
  const sent = { signal, headers: isAsked ? {} : UNASKED };
  const got = await call<FileListing>('GET', `files/list?${asQuery(query)}`, sent);
  const { files, next_cursor } = got.data;
  return { items: files, cursor: next_cursor ?? null, ageSeconds: got.ageSeconds };
}

/** All of a folder. */
export async function listAll(listed: Listed): Promise<readonly FileItem[]> {
  const items: FileItem[] = [];
  let cursor: string | null = null;
  do {
    const page: FolderPage = await listPage(listed, cursor);
    items.push(...page.items);
    ({ cursor } = page);
  } while (cursor !== null);
  return items;
}

/** The address of a file's bytes; supports ranges. */
export function contentUrl(id: number): string {
  return `${BASE}files/download/${id}`;
}

/**
 * Requests the first byte of a file, which wakes the NAS if only that has it.
 *
 * @throws Refused `nas_asleep` while it is not up yet
 */
export async function reach(id: number, signal: AbortSignal): Promise<void> {
  const headers = { Range: 'bytes=0-0' };
  const answered = await answerOf(fetch(contentUrl(id), { headers, signal, cache: 'no-store' }));
  await answered.body?.cancel();
}

export async function nasStatus(): Promise<NasStatus> {
  return (await call<NasStatus>('GET', 'nas/status', { headers: UNASKED })).data;
}

export async function syncStatus(): Promise<SyncStatus> {
  return (await call<SyncStatus>('GET', 'files/sync/status', { headers: UNASKED })).data;
}

/** Wakes the NAS. Being awake already, or being woken, counts as success. */
export async function wakeNas(): Promise<void> {
  try {
    await call('POST', 'nas/wol');
  } catch (problem) {
    if (!(problem instanceof Refused) || problem.code !== 'already_awake') throw problem;
  }
}

export async function pins(): Promise<readonly CachePin[]> {
  return (await call<CachePins>('GET', 'cache/pins')).data.pins;
}

export async function pin(path: string): Promise<void> {
  await call('PUT', 'cache/pins', { json: { path } });
}

export async function unpin(path: string): Promise<void> {
  await call('DELETE', `cache/pins?${asQuery({ path })}`);
}

export async function makeFolder(folder: string, name: string): Promise<Outcome> {
  return changed(await call('POST', 'files/folder', { json: { path: folder, name } }));
}

export async function rename(path: string, name: string): Promise<Outcome> {
  return changed(await call('PUT', 'files/rename', { json: { old_path: path, new_name: name } }));
}

/** @param target its new path */
export async function move(path: string, target: string): Promise<Outcome> {
  return changed(
    await call('PUT', 'files/move', { json: { source_path: path, target_path: target } }),
  );
}

export async function remove(path: string): Promise<Outcome> {
  return changed(
    await call('DELETE', `files/${path.split('/').map(encodeURIComponent).join('/')}`),
  );
}

/** Sends a small file in one request. @param key the same for every attempt of the same upload */
export async function sendWhole(
  file: { readonly blob: Blob; readonly name: string; readonly folder: string },
  key: string,
  sent: Pick<Sent, 'signal' | 'onSent'>,
): Promise<void> {
  const body = new FormData();
  body.set('file', file.blob, file.name);
  // The full path, so that a folder's name is not taken for a file's.
  const path = joined(file.folder, file.name);
  const headers = { 'Idempotency-Key': key };
  await call('POST', `files/upload?${asQuery({ path })}`, { ...sent, body, headers });
}

/** The caller's incomplete uploads. */
export async function unfinished(): Promise<ChunkedList['uploads']> {
  return (await call<ChunkedList>('GET', 'files/upload/chunked')).data.uploads;
}

export async function beginChunks(
  folder: string,
  filename: string,
  totalBytes: number,
  signal: AbortSignal,
): Promise<ChunkedBegun> {
  const json = { filename, total_size: totalBytes, target_path: folder };
  return (await call<ChunkedBegun>('POST', 'files/upload/chunked/init', { json, signal })).data;
}

/** @returns how many bytes of the upload are durable on the Pi */
export async function sendChunk(
  id: string,
  index: number,
  body: Blob,
  sent: Pick<Sent, 'signal' | 'onSent'>,
): Promise<number> {
  const headers = { 'Content-Type': 'application/octet-stream' };
  const path = `files/upload/chunked/${id}/chunk?${asQuery({ chunk_index: String(index) })}`;
  const got = await call<ChunkedReceived>('POST', path, { ...sent, body, headers });
  return got.data.received_bytes;
}

export async function completeChunks(id: string, signal: AbortSignal): Promise<void> {
  await call('POST', `files/upload/chunked/${id}/complete`, { signal });
}

export async function abortChunks(id: string): Promise<void> {
  await call('DELETE', `files/upload/chunked/${id}`);
}

/** Joins a NAS path; `''` is the root folder. */
export function joined(folder: string, name: string): string {
  return folder === '' ? name : `${folder}/${name}`;
}

function changed({ isQueued }: Answered<unknown>): Outcome {
  return isQueued ? 'queued' : 'done';
}

function asQuery(values: Readonly<Record<string, string>>): string {
  return Object.entries(values)
    .map(([name, value]) => `${name}=${encodeURIComponent(value)}`)
    .join('&');
}

async function call<T>(method: string, path: string, sent: Sent = {}): Promise<Answered<T>> {
  if (sent.body !== undefined) return (await sendBody(method, path, sent)) as Answered<T>;
  const { json, headers, signal } = sent;
  const answered = await answerOf(
    fetch(`${BASE}${path}`, {
      method,
      cache: 'no-store',
      ...(signal === undefined ? {} : { signal }),
      headers: {
        ...headers,
        ...(json === undefined ? {} : { 'Content-Type': 'application/json' }),
      },
      ...(json === undefined ? {} : { body: JSON.stringify(json) }),
    }),
  );
  return read(await whole(answered.json()), answered.headers) as Answered<T>;
}

function read(data: unknown, headers: Pick<Headers, 'get'>): Answered<unknown> {
  const age = headers.get('age');
  const isQueued = headers.get('x-balupi-cache') === 'queued';
  return { data, isQueued, ageSeconds: age === null ? null : Number(age) };
}

/** @throws Refused for an answer other than 2xx, or none */
async function answerOf(asked: Promise<Response>): Promise<Response> {
  const answered = await whole(asked);
  if (answered.ok) return answered;
  const body = await whole(answered.text());
  throw refusal(answered.status, body, answered.headers.get('retry-after'));
}

/** @throws Refused where the connection breaks, in the middle of a body too */
async function whole<T>(coming: Promise<T>): Promise<T> {
  try {
    return await coming;
  } catch (problem) {
    if (problem instanceof DOMException && problem.name === 'AbortError') throw problem;
    throw offline();
  }
}

function offline(): Refused {
  return new Refused('offline', 0, 'No connection to BaluPi.', null);
}

function refusal(status: number, body: string, retryAfter: string | null): Refused {
  const { code, detail } = parsed(body);
  const seconds = Number(retryAfter ?? Number.NaN);
  return new Refused(code, status, detail, Number.isFinite(seconds) ? seconds * 1_000 : null);
}

/** A proxy may answer in another format. */
function parsed(body: string): { readonly code: string; readonly detail: string } {
  try {
    const { code, detail } = JSON.parse(body) as { code?: unknown; detail?: unknown };
    const { message } = (detail ?? {}) as { message?: unknown };
    const said = typeof detail === 'string' ? detail : message;
    return {
      code: typeof code === 'string' ? code : 'unknown',
      detail: typeof said === 'string' ? said : '',
    };
  } catch (problem) {
    if (problem instanceof SyntaxError) return { code: 'unknown', detail: '' };
    throw problem;
  }
}

/** By XMLHttpRequest, as only that reports upload progress. */
function sendBody(method: string, path: string, sent: Sent): Promise<Answered<unknown>> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open(method, `${BASE}${path}`);
    for (const [name, value] of Object.entries(sent.headers ?? {})) {
      request.setRequestHeader(name, value);
    }
    const stalled = stallWatch(request);
    const abort = (): void => request.abort();
    sent.signal?.addEventListener('abort', abort);
    request.upload.onprogress = ({ loaded }) => {
      stalled.moved();
      sent.onSent?.(loaded);
    };
    request.onloadend = () => {
      stalled.stop();
      sent.signal?.removeEventListener('abort', abort);
      if (sent.signal?.aborted === true) reject(new DOMException('Given up.', 'AbortError'));
      else settle(request, resolve, reject);
    };
    request.send(sent.body ?? null);
  });
}

function settle(
  request: XMLHttpRequest,
  resolve: (answered: Answered<unknown>) => void,
  reject: (problem: Refused) => void,
): void {
  const { status, responseText } = request;
  const headers = { get: (name: string) => request.getResponseHeader(name) };
  if (status === 0) reject(offline());
  else if (status >= 200 && status < 300) resolve(read(JSON.parse(responseText), headers));
  else reject(refusal(status, responseText, headers.get('retry-after')));
}

/** Aborts a dead request: a phone that leaves the home's Wi-Fi gets no event. */
function stallWatch(request: XMLHttpRequest): { moved: () => void; stop: () => void } {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const stop = (): void => clearTimeout(timer);
  const moved = (): void => {
    stop();
    timer = setTimeout(() => request.abort(), STALL_MS);
  };
  moved();
  return { moved, stop };
}

/** Types that the Pi makes thumbnails of, if it has the whole file. */
const PICTURED = /^image\/(?:png|jpeg|gif|webp)$/;

/** A file's thumbnail; null if there can be none, so that an icon is shown. */
export function thumbnailUrl(entry: {
  readonly path: string;
  readonly mimeType: string;
  readonly isKept: boolean;
  readonly isQueued: boolean;
}): string | null {
  if (!entry.isKept || entry.isQueued || !PICTURED.test(entry.mimeType)) return null;
  return `/dashboard/files/thumbnail?${asQuery({ path: entry.path, width: '160' })}`;
}
