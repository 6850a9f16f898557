import type { Node, NodeAPI, NodeDef } from 'node-red';
import type { User } from '../lib/accounts/accounts.ts';
import {
  answerTo,
  type CacheDays,
  type CacheDaysQuery,
  type CacheEmptyAnswer,
  type CacheEmptyBody,
  type CachePin,
  type CachePinBody,
  type CachePins,
  type CacheUsage,
} from '../lib/api/api.ts';
import { type Pin, wireDays, wireStats } from '../lib/cache/cache.ts';
import { parseNasPath } from '../lib/files/files.ts';
import {
  type ApiMessage,
  asleepAnswer,
  callerOf,
  callOf,
  type Declared,
  type FileMessage,
  NodeGuard,
  type NodeStatus,
  operationOf,
  operationsOf,
  requestOf,
  responseOf,
  troubleAnswer,
  withAnswer,
} from '../lib/guard/guard.ts';
import { type Answer, isoSeconds, refuse } from '../lib/http/http.ts';
import { FieldReader, type StoredNode } from '../lib/operations/operations.ts';
import type { PinOutcome } from '../lib/prefetch/prefetch.ts';
import { type Services, servicesBehind } from '../lib/services/services.ts';

interface CacheConfig extends NodeDef, StoredNode {
  readonly op: string;
  /** Username of whom to act as for what carries no request. */
  readonly as?: string;
  readonly store: string;
}

/** Days in a page's chart. */
const SHOWN_DAYS = 14;

/** Outputs of `look up`, in their order. */
const kept = (message: FileMessage): unknown => [message, null, null, null];
const missing = (message: FileMessage): unknown => [null, message, null, null];
const asleep = (message: FileMessage): unknown => [null, null, message, null];
const refused = (message: FileMessage): unknown => [null, null, null, message];

async function lookUp(services: Services, message: FileMessage): Promise<unknown> {
  const { files, cache, nas } = services;
  const { auto } = callOf(message);
  const found = await files.locate(callerOf(message), rawReference(message), { auto });
  if (found.kind === 'queued') {
    const { path, mimeType, ...queued } = found.upload;
    const name = path.slice(path.lastIndexOf('/') + 1);
    message.file = { kind: 'queued', path, file: { ...queued, name, mimeType } };
    return kept(message);
  }
  if (found.kind !== 'located') {
    return refused(withAnswer(message, troubleAnswer(found, nas.presence.state)));
  }
  const looked = cache.kept.lookup(found.file, requestOf(message));
  if (looked.kind !== 'miss') {
    message.file = { kind: 'copy', ticket: looked.ticket };
    return kept(message);
  }
  const { file } = found;
  if (requestOf(message).method === 'HEAD' && file.known !== 'unlisted') {
    const { version } = file;
    const { state } = nas.presence;
    const request = requestOf(message);
    if (version !== null && !(state.awake && cache.wantsTag(version, request))) {
      await cache.describe(file, version, request, responseOf(message));
      return null;
    }
    // A share's own row has no version, and a HEAD never wakes the NAS.
    if (!state.awake) return refused(withAnswer(message, asleepAnswer(state)));
  }
  message.file = { kind: 'missing', file };
  return nas.presence.state.awake ? missing(message) : asleep(message);
}

/** Ends the request, unless the bytes turn out to be gone: then the message continues as a miss. */
async function serve(services: Services, message: FileMessage): Promise<unknown> {
  const { cache } = services;
  const { file } = message;
  if (file?.kind !== 'queued' && file?.kind !== 'copy') {
    throw new Error('There is no file in this message; wire serve behind look up.');
  }
  const [request, response] = [requestOf(message), responseOf(message)];
  if (file.kind === 'queued') {
    const sent = await cache.serveQueued(file.file, request, response);
    if (sent.kind === 'answered') return noteRead(services, message, file.path);
    message.file = { kind: 'delivered', path: file.path };
    return message;
  }
  const { offload = false } = callOf(message);
  const outcome = await cache.kept.serve(file.ticket, { request, response, offload });
  if (outcome.kind === 'answered') return noteRead(services, message, file.ticket.file.path);
  message.file = { kind: 'missing', file: file.ticket.file };
  return message;
}

/** A reader is likely to read on, and could do so without the NAS. */
function noteRead({ prefetch }: Services, message: FileMessage, path: string): null {
  const { auto } = callOf(message);
  prefetch.read({ caller: callerOf(message), path, auto, fromHere: true });
  return null;
}

/** What a page's chart shows of the last two weeks. */
function pageDays({ cache }: Services, message: ApiMessage): ApiMessage {
  const { today, days } = cache.background.counters.days(SHOWN_DAYS);
  message.payload = wireDays(days, today, SHOWN_DAYS).days.map(({ date, nas_wakes_avoided }) => ({
    date,
    nas_wakes_avoided,
  }));
  return message;
}

function stats({ cache, upload }: Services, message: ApiMessage): ApiMessage {
  const dirty = upload.queuedCount();
  return withAnswer(message, answerTo('cache-stats', wireStats(cache.stats(), dirty)));
}

async function clear({ cache }: Services, message: ApiMessage): Promise<ApiMessage> {
  const { query, body } = callOf(message);
  const wanted = (body as CacheEmptyBody).path ?? (query as CacheEmptyBody).path ?? '';
  const parsed = parseNasPath(wanted);
  if (parsed.kind === 'bad_path') {
    return withAnswer(message, refuse('bad_path', { detail: parsed.reason }));
  }
  const before = cache.stats();
  await cache.kept.empty(parsed.path);
  const after = cache.stats();
  const payload: CacheEmptyAnswer = {
    message: 'Emptied',
    removed_files: Math.max(0, before.fileCount - after.fileCount),
    removed_bytes: Math.max(0, before.totalBytes - after.totalBytes),
  };
  return withAnswer(message, answerTo('cache-empty', payload));
}

const NOT_A_FOLDER = 'Only a folder can be pinned, and not the root: name a folder below it.';
const WANTED = { loc: ['body', 'path'], msg: 'must be a folder below the root' };

/** `GET /api/cache/pins`: the caller's own. */
function listPins({ prefetch }: Services, message: ApiMessage): ApiMessage {
  const { pins, shareBytes, wantedBytes } = prefetch.pins.list(callerOf(message));
  const payload: CachePins = {
    pins: pins.map(wirePin),
    share_bytes: shareBytes,
    used_bytes: wantedBytes,
  };
  return withAnswer(message, answerTo('cache-pins', payload));
}

/** `PUT /api/cache/pins`. */
async function pin(services: Services, message: ApiMessage): Promise<ApiMessage> {
  const { auto } = callOf(message);
  const outcome = await services.prefetch.pin(callerOf(message), pathIn(message), auto);
  return withAnswer(message, pinAnswer(services, outcome));
}

/** `DELETE /api/cache/pins`: what is pinned under the literal name goes before the other reading. */
function unpin({ prefetch }: Services, message: ApiMessage): ApiMessage {
  const caller = callerOf(message);
  const { literalPath } = callOf(message);
  const isDone =
    (literalPath !== undefined && prefetch.pins.unpin(caller, literalPath) !== 'not_found') ||
    prefetch.pins.unpin(caller, pathIn(message)) !== 'not_found';
  return withAnswer(
    message,
    isDone ? answerTo('cache-unpin', { message: 'Unpinned' }) : refuse('not_found'),
  );
}

/** Clients that send no body with DELETE put the path into the query. */
function pathIn(message: ApiMessage): string {
  const { query, body } = callOf(message);
  return (
    (body as Partial<CachePinBody> | null)?.path ?? (query as Partial<CachePinBody>).path ?? ''
  );
}

function pinAnswer({ nas }: Services, outcome: PinOutcome): Answer {
  switch (outcome.kind) {
    case 'pinned':
      return answerTo('cache-pin', wirePin(outcome.pin));
    case 'not_a_folder':
      return refuse('invalid', { detail: NOT_A_FOLDER, errors: [WANTED] });
    case 'too_large': {
      const detail = `This folder and your other pins hold ${megabytes(outcome.wantedBytes)}; your share of the cache is ${megabytes(outcome.shareBytes)}.`;
      return refuse('pin_too_large', { detail });
    }
    case 'bad_path':
    case 'not_found':
    case 'needs_nas_token':
    case 'token_refused':
    case 'nas_busy':
    case 'nas_bad_answer':
    case 'storage_missing':
      return troubleAnswer(outcome, nas.presence.state);
  }
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(bytes < 1e7 ? 2 : 0)} MB`;
}

function wirePin(pin: Pin): CachePin {
  return {
    path: pin.path,
    state: stateOf(pin),
    files: pin.files,
    size_bytes: pin.sizeBytes,
    kept_files: pin.keptFiles,
    kept_bytes: pin.keptBytes,
    pending_files: pin.pendingFiles,
    pending_bytes: pin.pendingBytes,
    left_out_files: pin.leftOutFiles,
    created_at: isoSeconds(pin.createdAtMs),
    checked_at: pin.checkedAtMs === null ? null : isoSeconds(pin.checkedAtMs),
  };
}

function stateOf(pin: Pin): CachePin['state'] {
  if (pin.state === 'no_access' || pin.state === 'missing') return pin.state;
  if (pin.state === 'unchecked' || pin.pendingFiles > 0) return 'pending';
  return pin.state === 'cut_short' || pin.leftOutFiles > 0 ? 'partly_kept' : 'kept';
}

/** `GET /api/cache/days`. */
function days({ cache }: Services, message: ApiMessage): ApiMessage {
  const { days: count } = callOf(message).query as CacheDaysQuery;
  const counted = cache.background.counters.days(count);
  const payload: CacheDays = wireDays(counted.days, counted.today, count);
  return withAnswer(message, answerTo('cache-days', payload));
}

/** Prefetches neighbours of files being read. Resolves when none are left. */
async function fetchAhead({ prefetch }: Services): Promise<void> {
  await prefetch.fetchNeighbours();
}

/** Looks through the pinned folders and fetches what is missing of them. */
async function keepPins({ prefetch }: Services): Promise<void> {
  await prefetch.keepPins();
}

/** Re-reads a part of the cache and drops what changed on disk. */
async function check({ cache }: Services): Promise<void> {
  await cache.check();
}

/** Evicts back to the limit: the queue may have grown, or the disk filled, since the last fill. */
async function settle({ cache }: Services): Promise<void> {
  await cache.space.settle();
}

/** Copies that are named. */
const MOST_UNREAD = 20;
const COUNTED_DAYS = 30;
/** Everybody's folder. */
const SHARED = 'Shared';

/** `GET /api/cache/usage`: an admin's everybody, anybody else's their own. */
async function usage(services: Services, message: ApiMessage): Promise<ApiMessage> {
  const { accounts, cache, files } = services;
  const caller = callerOf(message);
  const isAdmin = accounts.isAdmin(caller);
  const users = isAdmin ? accounts.users.everybody() : [caller.user];
  const { holdings } = cache.background;
  const byTop = await holdings.byTop();
  const whose = isAdmin ? null : caller.user.id;
  const unread = holdings.unreadSum(whose);
  const named = holdings
    .unread(whose, MOST_UNREAD)
    .filter(({ path, ownerId }) => files.grants.mayRead(caller.user, path, ownerId));
  const payload: CacheUsage = {
    users: users.map((user) => {
      const { files: homeFiles, bytes: homeBytes } = byTop.get(user.username) ?? NOTHING;
      return { ...pinsOf(services, user), home_files: homeFiles, home_bytes: homeBytes };
    }),
    shared: {
      files: byTop.get(SHARED)?.files ?? 0,
      size_bytes: byTop.get(SHARED)?.bytes ?? 0,
    },
    unread_files: unread.files,
    unread_bytes: unread.bytes,
    unread: named.map(({ path, sizeBytes, fetchedAtMs }) => ({
      path,
      size_bytes: sizeBytes,
      fetched_at: isoSeconds(fetchedAtMs),
    })),
    ...fetchedAhead(services),
  };
  return withAnswer(message, answerTo('cache-usage', payload));
}

const NOTHING = { files: 0, bytes: 0 };

function pinsOf({ cache, upload }: Services, { id, username }: User) {
  const { pins } = cache.background;
  const queued = upload.shares.usageOf(id);
  return {
    username,
    pins: pins.ofUser(id).length,
    pinned_bytes: pins.files.wantedBytes(id),
    share_bytes: pins.shareBytes(id),
    queued_bytes: queued.bytes,
  };
}

function fetchedAhead({ cache }: Services) {
  const sums = { prefetched_files: 0, prefetched_used_files: 0 };
  for (const day of cache.background.counters.days(COUNTED_DAYS).days) {
    sums.prefetched_files += day.prefetchedFiles;
    sums.prefetched_used_files += day.usedFiles;
  }
  return { days: COUNTED_DAYS, ...sums };
}

/**
 * The undecoded path of a download: what follows `/download/`, or the query's `path`. The files
 * module decodes it, as names with a bare `%` or `+` have two readings.
 */
function rawReference(message: ApiMessage): string {
  const { rest } = callOf(message);
  if (rest !== null) return rest;
  const query = (message.req?.url ?? '').split('?').slice(1).join('?');
  const pair = query.split('&').find((part) => part.startsWith('path='));
  return pair?.slice('path='.length) ?? '';
}

/** What this node can do, and every word about it: dialog, help and locales are made of it. */
export const DECLARATION = {
  key: 'lru-cache-store',
  type: 'balupi-lru-cache-store',
  color: '#9ec5e8',
  config: 'store',
  title: { en: 'lru cache store', de: 'Cache' },
  about: { en: 'Keeps copies of files from the NAS.', de: 'Hält Kopien von Dateien des NAS.' },
  operations: {
    stats: {
      words: { en: 'count', de: 'zählen' },
      for: 'flow',
      serves: ['cache-stats'],
      run: stats,
    },
    days: {
      words: { en: 'count by day', de: 'nach Tagen zählen' },
      for: 'flow',
      serves: ['cache-days'],
      run: days,
    },
    usage: {
      words: { en: 'who has how much', de: 'wer wie viel hat' },
      for: 'flow',
      serves: ['cache-usage'],
      run: usage,
    },
    pins: {
      words: { en: 'list pins', de: 'Anheftungen zeigen' },
      for: 'flow',
      serves: ['cache-pins'],
      run: listPins,
    },
    pin: {
      words: { en: 'pin', de: 'anheften' },
      for: 'flow',
      serves: ['cache-pin'],
      takes: { wake: { kind: 'flag' } },
      run: pin,
    },
    unpin: {
      words: { en: 'unpin', de: 'lösen' },
      for: 'flow',
      serves: ['cache-unpin'],
      run: unpin,
    },
    clear: {
      words: { en: 'empty', de: 'leeren' },
      for: 'flow',
      serves: ['cache-empty'],
      run: clear,
    },
    lookup: {
      words: { en: 'look up', de: 'nachsehen' },
      for: 'balupi',
      serves: ['files-download', 'files-download-query'],
      outputs: [
        { en: 'kept', de: 'vorhanden' },
        { en: 'missing', de: 'fehlt' },
        { en: 'asleep', de: 'schläft' },
        { en: 'refused', de: 'abgelehnt' },
      ],
      run: lookUp,
    },
    serve: {
      words: { en: 'serve', de: 'ausliefern' },
      for: 'balupi',
      serves: ['files-download', 'files-download-query'],
      outputs: [{ en: 'copy was gone', de: 'Kopie war weg' }],
      run: serve,
    },
    'fetch-ahead': {
      words: { en: 'fetch ahead', de: 'vorausholen' },
      for: 'balupi',
      outputs: 0,
      run: fetchAhead,
    },
    'keep-pins': {
      words: { en: 'keep pins', de: 'Angeheftetes holen' },
      for: 'balupi',
      outputs: 0,
      run: keepPins,
    },
    check: {
      words: { en: 'check', de: 'prüfen' },
      for: 'balupi',
      outputs: 0,
      run: check,
    },
    settle: {
      words: { en: 'stay below the limit', de: 'unter der Grenze bleiben' },
      for: 'balupi',
      outputs: 0,
      run: settle,
    },
    'page-days': {
      words: {
        en: 'wakes avoided by day, for a chart',
        de: 'vermiedenes Wecken je Tag, für ein Diagramm',
      },
      for: 'balupi',
      run: pageDays,
    },
  },
  gives: [
    {
      name: 'payload',
      type: 'object, array',
      en: 'the outcome, as the API gives it',
      de: 'das Ergebnis, wie die API es gibt',
    },
    {
      name: 'file',
      type: 'object',
      en: 'the ticket of a file; never its content',
      de: 'der Zettel einer Datei; nie ihr Inhalt',
    },
  ],
  details: {
    en: `{{lookup}} decides whether the caller may read the file, then sends on one of four outputs: 1 *kept* – a copy is here; 2 *missing* – the NAS is awake and has it; 3 *asleep* – no copy and the NAS sleeps; 4 *refused* – the answer is already in the message.

{{serve}} streams the copy to the caller, with ranges, and ends the request. Only a copy that turns out damaged goes on, to *nas proxy: fetch and keep*.

{{fetch-ahead}} fetches, while the NAS is awake anyway, the files next to those that are being read; {{keep-pins}} keeps pinned folders fresh. Both yield to all callers, start no later than five minutes after the NAS was last needed, and never wake it. The status under the node shows how much still waits. A tick in front turns them on; without one they are off.

{{check}} reads a part of what is kept again, about 1 % of all bytes a day at a tick every 15 minutes, and drops what changed on the disk. After a power cut it starts with what is read most.

{{settle}} evicts copies once waiting uploads or other files on the disk leave the cache less space than it uses. A file that is being fetched makes space by itself; this is for the rest of the time.

{{page-days}} answers nobody: it puts the last two weeks into \`payload\`, for a page of the Dashboard.

No file content ever travels in a message: \`msg.file\` is a ticket.`,
    de: `{{lookup}} entscheidet, ob der Aufrufer die Datei lesen darf, und sendet auf einem von vier Ausgängen: 1 *vorhanden* – eine Kopie liegt hier; 2 *fehlt* – das NAS ist wach und hat sie; 3 *schläft* – keine Kopie, und das NAS schläft; 4 *abgelehnt* – die Antwort steht schon in der Nachricht.

{{serve}} streamt die Kopie zum Aufrufer, mit Bereichen, und beendet die Anfrage. Nur eine Kopie, die sich als beschädigt erweist, geht weiter an *NAS: holen und behalten*.

{{fetch-ahead}} holt, solange das NAS ohnehin wach ist, die Dateien neben denen, die gerade gelesen werden; {{keep-pins}} hält angeheftete Ordner frisch. Beide warten hinter allen Aufrufern, beginnen höchstens fünf Minuten nach dem letzten Bedarf und wecken nie. Unter dem Knoten steht, wie viel noch wartet. Ein Takt davor schaltet sie an, ohne ihn sind sie aus.

{{check}} liest einen Teil des Aufbewahrten noch einmal, bei einem Takt alle 15 Minuten etwa 1 % aller Bytes am Tag, und wirft weg, was sich auf der Platte verändert hat. Nach einem Stromausfall beginnt es mit dem, was am meisten gelesen wird.

{{settle}} gibt Kopien auf, sobald wartende Uploads oder andere Dateien auf der Platte dem Cache weniger Platz lassen, als er belegt. Was gerade geholt wird, schafft sich selbst Platz; dies ist für die übrige Zeit.

{{page-days}} antwortet niemandem: es legt die letzten zwei Wochen in \`payload\`, für eine Seite des Dashboards.

Dateiinhalt reist nie in einer Nachricht: \`msg.file\` ist ein Abholschein.`,
  },
} as const satisfies Declared<Services>;

const OPERATIONS = operationsOf<Services>(DECLARATION);

function statusOf(services: Services, op: string): NodeStatus {
  if (op !== 'fetch-ahead' && op !== 'keep-pins') return {};
  const { users, pinnedFiles } = services.prefetch.waiting;
  const waiting = op === 'fetch-ahead' ? users : pinnedFiles;
  return { fill: waiting > 0 ? 'blue' : 'grey', shape: 'dot', text: String(waiting) };
}

/** Node `balupi-lru-cache-store`. */
export default function register(RED: NodeAPI): void {
  function LruCacheStore(this: Node, config: CacheConfig): void {
    RED.nodes.createNode(this, config);
    const services = (): Services => servicesBehind(RED.nodes.getNode(config.store));
    const fields = new FieldReader(RED, this, DECLARATION, config);
    const guard = new NodeGuard(this, () => statusOf(services(), config.op));
    guard.onInput((message) =>
      operationOf(OPERATIONS, config.op, config.as, fields)(services(), message),
    );
  }
  RED.nodes.registerType('balupi-lru-cache-store', LruCacheStore);
}
