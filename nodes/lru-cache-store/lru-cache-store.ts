import type { Node, NodeAPI, NodeDef } from 'node-red';
import type { CacheEmptyAnswer, CacheEmptyBody } from '../lib/api/api.ts';
import { wireDays, wireStats } from '../lib/cache/cache.ts';
import { parseNasPath } from '../lib/files/files.ts';
import { actOf, actsOf } from '../lib/guard/acts.ts';
import { type ApiMessage, callerOf, callOf, responseOf, withAnswer } from '../lib/guard/call.ts';
import { asleepAnswer, troubleAnswer } from '../lib/guard/fault-answers.ts';
import { type FileMessage, NodeGuard, type NodeStatus, requestOf } from '../lib/guard/guarded.ts';
import { answer, refuse } from '../lib/http/http.ts';
import { FieldReader, type StoredNode } from '../lib/operations/operations.ts';
import { type Rooms, roomsBehind } from '../lib/rooms/rooms.ts';
import { DECLARATION } from './operations.ts';
import {
  check,
  days,
  fetchAhead,
  keepPins,
  listPins,
  pin,
  rawReference,
  settle,
  unpin,
  usage,
} from './pin-acts.ts';

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

async function lookUp(rooms: Rooms, message: FileMessage): Promise<unknown> {
  const { files, cache, nas } = rooms;
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
  const looked = cache.lookup(found.file, requestOf(message));
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
    // A share's own row tells no version; nobody is woken for a head.
    if (!state.awake) return refused(withAnswer(message, asleepAnswer(state)));
  }
  message.file = { kind: 'missing', file };
  return nas.presence.state.awake ? missing(message) : asleep(message);
}

/** Ends the request, unless the bytes turn out to be gone: then the message goes on as a miss. */
async function serve(rooms: Rooms, message: FileMessage): Promise<unknown> {
  const { cache } = rooms;
  const { file } = message;
  if (file?.kind !== 'queued' && file?.kind !== 'copy') {
    throw new Error('There is no file in this message; wire serve behind look up.');
  }
  const [request, response] = [requestOf(message), responseOf(message)];
  if (file.kind === 'queued') {
    const sent = await cache.serveQueued(file.file, request, response);
    if (sent.kind === 'answered') return noteRead(rooms, message, file.path);
    message.file = { kind: 'delivered', path: file.path };
    return message;
  }
  const { offload = false } = callOf(message);
  const outcome = await cache.serve(file.ticket, request, response, { offload });
  if (outcome.kind === 'answered') return noteRead(rooms, message, file.ticket.file.path);
  message.file = { kind: 'missing', file: file.ticket.file };
  return message;
}

/** Reading on from here is likely, and was possible without the NAS. */
function noteRead({ prefetch }: Rooms, message: FileMessage, path: string): null {
  const { auto } = callOf(message);
  prefetch.read({ caller: callerOf(message), path, auto, fromHere: true });
  return null;
}

/** What a page's chart shows of the last two weeks. */
function pageDays({ cache }: Rooms, message: ApiMessage): ApiMessage {
  const { today, days } = cache.background.days(SHOWN_DAYS);
  message.payload = wireDays(days, today, SHOWN_DAYS).days.map(({ date, nas_wakes_avoided }) => ({
    date,
    nas_wakes_avoided,
  }));
  return message;
}

function stats({ cache, upload }: Rooms, message: ApiMessage): ApiMessage {
  const dirty = upload.queuedCount();
  return withAnswer(message, answer(wireStats(cache.stats(), dirty)));
}

async function clear({ cache }: Rooms, message: ApiMessage): Promise<ApiMessage> {
  const { query, body } = callOf(message);
  const wanted = (body as CacheEmptyBody).path ?? (query as CacheEmptyBody).path ?? '';
  const parsed = parseNasPath(wanted);
  if (parsed.kind === 'bad_path') {
    return withAnswer(message, refuse('bad_path', { detail: parsed.reason }));
  }
  const before = cache.stats();
  await cache.empty(parsed.path);
  const after = cache.stats();
  const payload: CacheEmptyAnswer = {
    message: 'Emptied',
    removed_files: Math.max(0, before.fileCount - after.fileCount),
    removed_bytes: Math.max(0, before.totalBytes - after.totalBytes),
  };
  return withAnswer(message, answer(payload));
}

const ACTS = actsOf<typeof DECLARATION, Rooms>(DECLARATION, {
  lookup: lookUp,
  serve,
  stats,
  days,
  usage,
  clear,
  pins: listPins,
  pin,
  unpin,
  'fetch-ahead': fetchAhead,
  'keep-pins': keepPins,
  check,
  settle,
  'page-days': pageDays,
});

function statusOf(rooms: Rooms, op: string): NodeStatus {
  if (op !== 'fetch-ahead' && op !== 'keep-pins') return {};
  const { users, pinnedFiles } = rooms.prefetch.waiting;
  const waiting = op === 'fetch-ahead' ? users : pinnedFiles;
  return { fill: waiting > 0 ? 'blue' : 'grey', shape: 'dot', text: String(waiting) };
}

/** Node `balupi-lru-cache-store`. */
export default function register(RED: NodeAPI): void {
  function LruCacheStore(this: Node, config: CacheConfig): void {
    RED.nodes.createNode(this, config);
    const rooms = (): Rooms => roomsBehind(RED.nodes.getNode(config.store));
    const fields = new FieldReader({
      util: RED.util,
      node: this,
      declaration: DECLARATION,
      config,
    });
    const guard = new NodeGuard(this, () => statusOf(rooms(), config.op));
    guard.onInput((message) => actOf(ACTS, config.op, config.as, fields)(rooms(), message));
  }
  RED.nodes.registerType('balupi-lru-cache-store', LruCacheStore);
}
