import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import type { Node, NodeAPI, NodeDef, NodeMessage } from 'node-red';
import type {
  ChunkedInit,
  ChunkQuery,
  Conflict,
  ConflictBody,
  ConflictList,
  DeviceQueue,
  SyncStatusQuery,
  TakeUpBody,
  UploadList,
  UploadListQuery,
  UploadRow,
} from '../lib/api/api.ts';
import { eventMessage, ofUpload } from '../lib/events/events.ts';
import { actOf, type Acts, actsOf } from '../lib/guard/acts.ts';
import { type ApiMessage, callerOf, callOf, responseOf, withAnswer } from '../lib/guard/call.ts';
import { asleepAnswer } from '../lib/guard/fault-answers.ts';
import { NodeGuard, type NodeStatus, requestOf } from '../lib/guard/guarded.ts';
import { answer, answerNow, isoSeconds } from '../lib/http/http.ts';
import {
  FieldReader,
  type Given,
  isBeforeOutcomes,
  type StoredNode,
  textIn,
} from '../lib/operations/operations.ts';
import { type Rooms, roomsBehind } from '../lib/rooms/rooms.ts';
import {
  acceptAnswer,
  begunAnswer,
  chunkAnswer,
  completedAnswer,
  refusedAnswer,
  unfinishedAnswer,
  type UploadNews,
} from '../lib/upload/upload.ts';
import { DECLARATION } from './operations.ts';

interface UploadConfig extends NodeDef, StoredNode {
  readonly op: string;
  /** Username of whom to act as for what carries no request. */
  readonly as?: string;
  readonly store: string;
}

/** `POST /api/files/upload`: on the disk and in the queue before the answer. */
async function accept({ upload }: Rooms, message: ApiMessage): Promise<unknown> {
  const { path } = callOf(message).query as { readonly path?: string };
  const request = requestOf(message);
  const taken = await upload.accept(callerOf(message), request, { path: path ?? null });
  const given = acceptAnswer(taken);
  if (given === null) return null;
  if (taken.kind !== 'refused') return [withAnswer(message, given), null];
  if (request.complete) return [null, withAnswer(message, given)];
  // The rest of the refused body still comes, which the reply node knows nothing of.
  answerNow(request, responseOf(message), given);
  return null;
}

/** What a flow made: `payload` (bytes or text) as `msg.filename` into the folder `msg.path`. */
async function acceptPayload(
  { upload }: Rooms,
  message: ApiMessage,
  sent: Given,
): Promise<unknown> {
  const { payload } = sent;
  const filename = textIn(sent, 'filename');
  if (filename === '') {
    throw new Error('Name the file, in the node or in msg.filename.');
  }
  if (typeof payload !== 'string' && !(payload instanceof Uint8Array)) {
    throw new Error('Its bytes or its text belong into msg.payload.');
  }
  const folder = textIn(sent, 'path');
  const form = new FormData();
  form.set('path', folder);
  form.set('file', new File([new Uint8Array(Buffer.from(payload))], filename));
  const encoded = new Response(form);
  const bytes = Buffer.from(await encoded.arrayBuffer());
  const request = Object.assign(Readable.from([bytes]), {
    headers: {
      'content-type': encoded.headers.get('content-type') ?? '',
      'content-length': String(bytes.length),
    },
    complete: true,
  }) as unknown as IncomingMessage;
  const taken = await upload.accept(callerOf(message), request, { path: folder });
  const given = acceptAnswer(taken);
  if (given === null) throw new Error('The upload was cut off.');
  const out = withAnswer(message, given);
  return taken.kind === 'refused' ? [null, out] : [out, null];
}

function status({ upload }: Rooms, message: ApiMessage): ApiMessage {
  const { all } = callOf(message).query as SyncStatusQuery;
  const seen = upload.status(callerOf(message), all);
  return withAnswer(message, seen.kind === 'status' ? answer(seen.status) : refusedAnswer(seen));
}

function list({ upload }: Rooms, message: ApiMessage): ApiMessage {
  const { state } = callOf(message).query as UploadListQuery;
  const seen = upload.list(callerOf(message), state ?? null);
  if (seen.kind === 'refused') return withAnswer(message, refusedAnswer(seen));
  const payload: UploadList = { uploads: seen.uploads.map((row) => ({ ...row })) };
  return withAnswer(message, answer(payload));
}

function retry({ upload }: Rooms, message: ApiMessage): ApiMessage {
  const done = upload.retry(callerOf(message), callOf(message).params['id'] ?? '');
  if (done.kind === 'refused') return withAnswer(message, refusedAnswer(done));
  const payload: UploadRow = { ...done.upload };
  return withAnswer(message, answer(payload));
}

/** `POST /api/files/uploads/{id}/take-up`. */
async function takeUp({ upload }: Rooms, message: ApiMessage): Promise<ApiMessage> {
  const { body, params } = callOf(message);
  const done = await upload.takeUp(callerOf(message), params['id'] ?? '', body as TakeUpBody);
  if (done.kind === 'refused') return withAnswer(message, refusedAnswer(done));
  const payload: UploadRow = { ...done.upload };
  return withAnswer(message, answer(payload));
}

async function drop({ upload }: Rooms, message: ApiMessage): Promise<ApiMessage> {
  const done = await upload.drop(callerOf(message), callOf(message).params['id'] ?? '');
  if (done.kind === 'refused') return withAnswer(message, refusedAnswer(done));
  return withAnswer(message, answer({ message: 'Dropped' }));
}

/** `GET /api/mobile/upload/queue/{device_id}`. */
function deviceQueue({ upload }: Rooms, message: ApiMessage): ApiMessage {
  const items = upload.deviceQueue(callerOf(message), callOf(message).params['device_id'] ?? '');
  const payload: DeviceQueue = { items: items.map((item) => ({ ...item })) };
  return withAnswer(message, answer(payload));
}

/** `POST /api/mobile/upload/queue/{id}/retry`. */
function deviceRetry({ upload }: Rooms, message: ApiMessage): ApiMessage {
  const done = upload.retry(callerOf(message), callOf(message).params['id'] ?? '');
  if (done.kind === 'refused') return withAnswer(message, refusedAnswer(done));
  return withAnswer(message, answer({ message: 'Queued again' }));
}

async function flush({ upload }: Rooms): Promise<void> {
  await upload.flush();
}

function wakeForQueue({ upload }: Rooms): void {
  upload.wakeIfDue();
}

/** As a node of before did both at its one tick. */
async function wakeAndFlush(rooms: Rooms): Promise<void> {
  wakeForQueue(rooms);
  await flush(rooms);
}

/** What became of an upload or a change, at its own output of `deliver`; null for what is not out yet. */
function outcomeOf(news: UploadNews, atMs: number): readonly (object | null)[] | null {
  const at = OUTCOMES.indexOf(news.kind);
  if (at === -1) return null;
  const message = eventMessage(ofUpload(news), isoSeconds(atMs), 'en');
  return OUTCOMES.map((_kind, output) => (output === at ? message : null));
}

/** In the order of the outputs. */
const OUTCOMES: readonly UploadNews['kind'][] = [
  'upload_delivered',
  'upload_waits',
  'conflict',
  'upload_failed',
];

/** `GET /api/files/conflicts`. */
function conflicts({ upload }: Rooms, message: ApiMessage): ApiMessage {
  const open = upload.conflicts(callerOf(message));
  const payload: ConflictList = { conflicts: open.map((conflict) => ({ ...conflict })) };
  return withAnswer(message, answer(payload));
}

/** `POST /api/files/conflicts/{id}`. */
async function resolveConflict({ upload, nas }: Rooms, message: ApiMessage): Promise<ApiMessage> {
  const { body, params } = callOf(message);
  const { resolution } = body as ConflictBody;
  const done = await upload.resolveConflict(callerOf(message), Number(params['id']), resolution);
  switch (done.kind) {
    case 'resolved': {
      const payload: Conflict = { ...done.conflict };
      return withAnswer(message, answer(payload));
    }
    case 'asleep':
      return withAnswer(message, asleepAnswer(nas.presence.state));
    case 'refused':
      return withAnswer(message, refusedAnswer(done));
  }
}

async function begin({ upload }: Rooms, message: ApiMessage): Promise<ApiMessage> {
  const { filename, total_size: totalBytes, target_path } = callOf(message).body as ChunkedInit;
  const wish = { filename, totalBytes, folder: target_path ?? '' };
  return withAnswer(message, begunAnswer(await upload.resumable.begin(callerOf(message), wish)));
}

async function chunk({ upload }: Rooms, message: ApiMessage): Promise<ApiMessage | null> {
  const request = requestOf(message);
  const { chunk_index: index } = callOf(message).query as ChunkQuery;
  const received = await upload.resumable.chunk(callerOf(message), request, idOf(message), index);
  const given = chunkAnswer(received);
  if (given === null) return null;
  if (received.kind !== 'refused' || request.complete) return withAnswer(message, given);
  // The rest of the refused chunk still comes, which the reply node knows nothing of.
  answerNow(request, responseOf(message), given);
  return null;
}

async function complete({ upload }: Rooms, message: ApiMessage): Promise<unknown> {
  const { headers } = requestOf(message);
  const done = await upload.resumable.complete(callerOf(message), idOf(message), headers);
  const out = withAnswer(message, completedAnswer(done));
  return done.kind === 'refused' ? [null, out] : [out, null];
}

async function abort({ upload }: Rooms, message: ApiMessage): Promise<ApiMessage> {
  const done = await upload.resumable.abort(callerOf(message), idOf(message));
  const given =
    done.kind === 'refused' ? refusedAnswer(done) : answer({ message: 'Upload aborted' });
  return withAnswer(message, given);
}

function unfinished({ upload }: Rooms, message: ApiMessage): ApiMessage {
  return withAnswer(message, unfinishedAnswer(upload.resumable.unfinished(callerOf(message))));
}

function idOf(message: ApiMessage): string {
  return callOf(message).params['upload_id'] ?? '';
}

const ACTS = actsOf<typeof DECLARATION, Rooms>(DECLARATION, {
  begin,
  chunk,
  complete,
  abort,
  unfinished,
  accept: { run: accept, forFlows: { run: acceptPayload, owner: 'user' } },
  status,
  list,
  retry,
  'take-up': takeUp,
  drop,
  // A request that came here would wait for ever.
  due: () => {
    throw new Error("'due' takes no message: it sends them by itself.");
  },
  flush,
  'wake-for-queue': wakeForQueue,
  conflicts,
  'conflicts-resolve': resolveConflict,
  'device-queue': deviceQueue,
  'device-retry': deviceRetry,
});

function statusOf({ upload }: Rooms): NodeStatus {
  const failed = upload.failedCount();
  const waiting = upload.queuedCount();
  const words = (key: string) => ({ words: `upload-queue.status.${key}` });
  if (failed > 0) return { fill: 'red', shape: 'ring', ...words('failed'), count: failed };
  if (waiting > 0) return { fill: 'blue', shape: 'dot', ...words('waiting'), count: waiting };
  return { fill: 'grey', shape: 'dot', ...words('empty') };
}

/** Sends at the outputs of `deliver` what becomes of uploads. @returns how to stop that */
function tellOutcomes({ upload, clock }: Rooms, send: (message: unknown) => void): () => void {
  return upload.onNews((news) => {
    const outcome = outcomeOf(news, clock.nowMs());
    if (outcome !== null) send(outcome);
  });
}

/** Node `balupi-upload-queue`. */
export default function register(RED: NodeAPI): void {
  function UploadQueue(this: Node, config: UploadConfig): void {
    RED.nodes.createNode(this, config);
    const rooms = (): Rooms => roomsBehind(RED.nodes.getNode(config.store));
    const fields = new FieldReader({
      util: RED.util,
      node: this,
      declaration: DECLARATION,
      config,
    });
    const guard = new NodeGuard(this, () => statusOf(rooms()));
    const send = guard.callback((message: unknown) => {
      this.send(message as NodeMessage);
    });
    let stop: (() => void) | null = null;
    const deliver = isBeforeOutcomes(config) ? wakeAndFlush : flush;
    const acts: Acts<Rooms> = {
      ...ACTS,
      flush: (given) => {
        stop ??= tellOutcomes(given, send);
        return deliver(given);
      },
    };
    guard.onInput((message) => actOf(acts, config.op, config.as, fields)(rooms(), message));
    guard.follow((again) => rooms().upload.onNews(again));
    const listen = guard.callback(() => {
      stop = rooms().upload.onDue(() => {
        send({ topic: 'due' });
      });
    });
    if (config.op === 'due') listen();
    this.on('close', () => stop?.());
  }
  RED.nodes.registerType('balupi-upload-queue', UploadQueue);
}
