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

/** The API's own addresses, for whoever carries the page's cookie. */
const BASE = '/dashboard/files/api/';
/** As large as the API gives them. */
const PAGE_ENTRIES = 1_000;
/** The line went dead without a word: nothing moved for so long. */
const STALL_MS = 45_000;

/** Why something did not work. `offline` where nobody answered at all, else the API's stable word. */
export class Refused extends Error {
  readonly code: string;
  /** HTTP status; 0 where nobody answered. */
  readonly status: number;
  /** When to try again; null where the API named no time. */
  readonly retryAfterMs: number | null;

  constructor(code: string, status: number, detail: string, retryAfterMs: number | null) {
    super(detail);
    this.code = code;
    this.status = status;
    this.retryAfterMs = retryAfterMs;
  }
}

/** What one request carries. */
interface Sent {
  readonly json?: unknown;
  readonly body?: Blob | FormData;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  /** Told while the body goes out. */
  readonly onSent?: (bytes: number) => void;
}

/** What came back, of a request that was answered with 2xx. */
interface Answered<T> {
  readonly data: T;
  /** `queued` where it waits for the NAS. */
  readonly isQueued: boolean;
  /** Seconds; null where the answer is of now. */
  readonly ageSeconds: number | null;
}

/** One page of a folder. */
export interface FolderPage {
  readonly items: readonly FileItem[];
  /** Null at the end. */
  readonly cursor: string | null;
  /** How long ago the NAS told so; null where it just did. */
  readonly ageSeconds: number | null;
}

/** Whether a change was carried out, or waits for the NAS. */
export type Outcome = 'done' | 'queued';

/** What nobody waits for: it must not wake the NAS. */
const UNASKED = { 'X-Sync-Trigger': 'auto' };

/** What to list, and whether a person waits for it. */
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

/** Where a file's bytes are; ranges and all. */
export function contentUrl(id: number): string {
  return `${BASE}files/download/${id}`;
}

/**
 * Asks for the first byte of a file, which wakes a sleeping NAS where that holds it.
 *
 * @throws Refused `nas_asleep` where it is not up yet
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

/** Calls the NAS. That it is awake already, or being woken, is as good. */
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

/** Sends a small file in one go. @param key the same for every try of the same upload */
export async function sendWhole(
  file: { readonly blob: Blob; readonly name: string; readonly folder: string },
  key: string,
  sent: Pick<Sent, 'signal' | 'onSent'>,
): Promise<void> {
  const body = new FormData();
  body.set('file', file.blob, file.name);
  // Its whole path, so that no folder's name is taken for a file's.
  const path = joined(file.folder, file.name);
  const headers = { 'Idempotency-Key': key };
  await call('POST', `files/upload?${asQuery({ path })}`, { ...sent, body, headers });
}

/** Uploads of the caller that are not complete. */
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

/** @returns how many bytes of the upload are safe on the Pi now */
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

/** A path of the NAS below a folder; `''` is what everything lies in. */
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
  return read(await answered.json(), answered.headers) as Answered<T>;
}

function read(data: unknown, headers: Pick<Headers, 'get'>): Answered<unknown> {
  const age = headers.get('age');
  const isQueued = headers.get('x-balupi-cache') === 'queued';
  return { data, isQueued, ageSeconds: age === null ? null : Number(age) };
}

/** @throws Refused for an answer that is none of 2xx, and for none at all */
async function answerOf(asked: Promise<Response>): Promise<Response> {
  let answered: Response;
  try {
    answered = await asked;
  } catch (problem) {
    if (problem instanceof DOMException && problem.name === 'AbortError') throw problem;
    throw offline();
  }
  if (answered.ok) return answered;
  throw refusal(answered.status, await answered.text(), answered.headers.get('retry-after'));
}

function offline(): Refused {
  return new Refused('offline', 0, 'No connection to BaluPi.', null);
}

function refusal(status: number, body: string, retryAfter: string | null): Refused {
  const { code, detail } = parsed(body);
  const seconds = Number(retryAfter ?? Number.NaN);
  return new Refused(code, status, detail, Number.isFinite(seconds) ? seconds * 1_000 : null);
}

/** Something in between, such as a proxy, may answer without our words. */
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

/** By XMLHttpRequest, which alone tells how much of a body went out. */
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

/** A phone that leaves the house's Wi-Fi hears of no end; it is ended here. */
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

/** What the Pi makes small pictures of, where it has them whole. */
const PICTURED = /^image\/(?:png|jpeg|gif|webp)$/;

/** A small picture of a file; null where there is none to be had, so that an icon stands there. */
export function thumbnailUrl(entry: {
  readonly path: string;
  readonly mimeType: string;
  readonly isKept: boolean;
  readonly isQueued: boolean;
}): string | null {
  if (!entry.isKept || entry.isQueued || !PICTURED.test(entry.mimeType)) return null;
  return `/dashboard/files/thumbnail?${asQuery({ path: entry.path, width: '160' })}`;
}
