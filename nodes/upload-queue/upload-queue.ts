import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import type { Node, NodeAPI, NodeDef, NodeMessage } from 'node-red';
import {
  answerTo,
  type ChunkedInit,
  type ChunkQuery,
  type Conflict,
  type ConflictBody,
  type ConflictList,
  type DeviceQueue,
  type SyncStatusQuery,
  type TakeUpBody,
  type UploadList,
  type UploadListQuery,
  type UploadRow,
} from '../lib/api/api.ts';
import { eventMessage, ofUpload } from '../lib/events/events.ts';
import {
  type ApiMessage,
  asleepAnswer,
  callerOf,
  callOf,
  type Declared,
  NodeGuard,
  type NodeStatus,
  operationOf,
  type Operations,
  operationsOf,
  requestOf,
  responseOf,
  withAnswer,
} from '../lib/guard/guard.ts';
import { answerNow, isoSeconds } from '../lib/http/http.ts';
import {
  FieldReader,
  type Given,
  isBeforeOutcomes,
  type StoredNode,
  textIn,
  type Words,
} from '../lib/operations/operations.ts';
import { type Services, servicesBehind } from '../lib/services/services.ts';
import {
  acceptAnswer,
  begunAnswer,
  chunkAnswer,
  completedAnswer,
  refusedAnswer,
  unfinishedAnswer,
  type UploadNews,
} from '../lib/upload/upload.ts';

interface UploadConfig extends NodeDef, StoredNode {
  readonly op: string;
  /** Username of whom to act as for what carries no request. */
  readonly as?: string;
  readonly store: string;
}

/** `POST /api/files/upload`: on the disk and in the queue before the answer. */
async function accept({ upload }: Services, message: ApiMessage): Promise<unknown> {
  const { path } = callOf(message).query as { readonly path?: string };
  const request = requestOf(message);
  const taken = await upload.accept(callerOf(message), request, { path: path ?? null });
  const given = acceptAnswer(taken);
  if (given === null) return null;
  if (taken.kind !== 'refused') return [withAnswer(message, given), null];
  if (request.complete) return [null, withAnswer(message, given)];
  // The rest of the refused body is still arriving, which the reply node does not know.
  answerNow(request, responseOf(message), given);
  return null;
}

/** What a flow made: `payload` (bytes or text) as `msg.filename` into the folder `msg.path`. */
async function acceptPayload(
  { upload }: Services,
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

function status({ upload }: Services, message: ApiMessage): ApiMessage {
  const { all } = callOf(message).query as SyncStatusQuery;
  const seen = upload.view.status(callerOf(message), all);
  return withAnswer(
    message,
    seen.kind === 'status' ? answerTo('files-sync-status', seen.status) : refusedAnswer(seen),
  );
}

function list({ upload }: Services, message: ApiMessage): ApiMessage {
  const { state } = callOf(message).query as UploadListQuery;
  const seen = upload.view.list(callerOf(message), state ?? null);
  if (seen.kind === 'refused') return withAnswer(message, refusedAnswer(seen));
  const payload: UploadList = { uploads: seen.uploads.map((row) => ({ ...row })) };
  return withAnswer(message, answerTo('files-uploads-list', payload));
}

function retry({ upload }: Services, message: ApiMessage): ApiMessage {
  const done = upload.retry(callerOf(message), callOf(message).params['id'] ?? '');
  if (done.kind === 'refused') return withAnswer(message, refusedAnswer(done));
  const payload: UploadRow = { ...done.upload };
  return withAnswer(message, answerTo('files-uploads-retry', payload));
}

/** `POST /api/files/uploads/{id}/take-up`. */
async function takeUp({ upload }: Services, message: ApiMessage): Promise<ApiMessage> {
  const { body, params } = callOf(message);
  const done = await upload.takeUp(callerOf(message), params['id'] ?? '', body as TakeUpBody);
  if (done.kind === 'refused') return withAnswer(message, refusedAnswer(done));
  const payload: UploadRow = { ...done.upload };
  return withAnswer(message, answerTo('files-uploads-take-up', payload));
}

async function drop({ upload }: Services, message: ApiMessage): Promise<ApiMessage> {
  const done = await upload.drop(callerOf(message), callOf(message).params['id'] ?? '');
  if (done.kind === 'refused') return withAnswer(message, refusedAnswer(done));
  return withAnswer(message, answerTo('files-uploads-drop', { message: 'Dropped' }));
}

/** `GET /api/mobile/upload/queue/{device_id}`. */
function deviceQueue({ upload }: Services, message: ApiMessage): ApiMessage {
  const items = upload.view.deviceQueue(
    callerOf(message),
    callOf(message).params['device_id'] ?? '',
  );
  const payload: DeviceQueue = { items: items.map((item) => ({ ...item })) };
  return withAnswer(message, answerTo('mobile-upload-queue', payload));
}

/** `POST /api/mobile/upload/queue/{id}/retry`. */
function deviceRetry({ upload }: Services, message: ApiMessage): ApiMessage {
  const done = upload.retry(callerOf(message), callOf(message).params['id'] ?? '');
  if (done.kind === 'refused') return withAnswer(message, refusedAnswer(done));
  return withAnswer(message, answerTo('mobile-upload-queue-retry', { message: 'Queued again' }));
}

async function flush({ upload }: Services): Promise<void> {
  await upload.delivery.flush();
}

function wakeForQueue({ upload }: Services): void {
  upload.wakeIfDue();
}

/** Older nodes did both on a single tick. */
async function wakeAndFlush(services: Services): Promise<void> {
  wakeForQueue(services);
  await flush(services);
}

/** The outcome of an upload or change at its output of `deliver`; null for one without. */
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
function conflicts({ upload }: Services, message: ApiMessage): ApiMessage {
  const open = upload.conflicts(callerOf(message));
  const payload: ConflictList = { conflicts: open.map((conflict) => ({ ...conflict })) };
  return withAnswer(message, answerTo('files-conflicts', payload));
}

/** `POST /api/files/conflicts/{id}`. */
async function resolveConflict(
  { upload, nas }: Services,
  message: ApiMessage,
): Promise<ApiMessage> {
  const { body, params } = callOf(message);
  const { resolution } = body as ConflictBody;
  const done = await upload.resolveConflict(callerOf(message), Number(params['id']), resolution);
  switch (done.kind) {
    case 'resolved': {
      const payload: Conflict = { ...done.conflict };
      return withAnswer(message, answerTo('files-conflicts-resolve', payload));
    }
    case 'asleep':
      return withAnswer(message, asleepAnswer(nas.presence.state));
    case 'refused':
      return withAnswer(message, refusedAnswer(done));
  }
}

async function begin({ upload }: Services, message: ApiMessage): Promise<ApiMessage> {
  const { filename, total_size: totalBytes, target_path } = callOf(message).body as ChunkedInit;
  const input = { filename, totalBytes, folder: target_path ?? '' };
  return withAnswer(message, begunAnswer(await upload.resumable.begin(callerOf(message), input)));
}

async function chunk({ upload }: Services, message: ApiMessage): Promise<ApiMessage | null> {
  const request = requestOf(message);
  const { chunk_index: index } = callOf(message).query as ChunkQuery;
  const received = await upload.resumable.chunk(callerOf(message), request, idOf(message), index);
  const given = chunkAnswer(received);
  if (given === null) return null;
  if (received.kind !== 'refused' || request.complete) return withAnswer(message, given);
  // The rest of the refused chunk is still arriving, which the reply node does not know.
  answerNow(request, responseOf(message), given);
  return null;
}

async function complete({ upload }: Services, message: ApiMessage): Promise<unknown> {
  const { headers } = requestOf(message);
  const done = await upload.resumable.complete(callerOf(message), idOf(message), headers);
  const out = withAnswer(message, completedAnswer(done));
  return done.kind === 'refused' ? [null, out] : [out, null];
}

async function abort({ upload }: Services, message: ApiMessage): Promise<ApiMessage> {
  const done = await upload.resumable.abort(callerOf(message), idOf(message));
  const given =
    done.kind === 'refused'
      ? refusedAnswer(done)
      : answerTo('files-chunked-abort', { message: 'Upload aborted' });
  return withAnswer(message, given);
}

function unfinished({ upload }: Services, message: ApiMessage): ApiMessage {
  return withAnswer(message, unfinishedAnswer(upload.resumable.unfinished.of(callerOf(message))));
}

function idOf(message: ApiMessage): string {
  return callOf(message).params['upload_id'] ?? '';
}

const ACCEPTED: Words = { en: 'accepted', de: 'angenommen' };
const REFUSED: Words = { en: 'refused', de: 'abgelehnt' };

/** What this node can do, and every word about it: dialog, help and locales are made of it. */
export const DECLARATION = {
  key: 'upload-queue',
  type: 'balupi-upload-queue',
  color: '#f2b39d',
  config: 'store',
  title: { en: 'upload queue', de: 'Uploads' },
  about: {
    en: 'Takes uploads at any hour and delivers them when the NAS is awake.',
    de: 'Nimmt Uploads zu jeder Stunde an und liefert sie, wenn das NAS wach ist.',
  },
  operations: {
    accept: {
      words: { en: 'accept an upload', de: 'Hochladen annehmen' },
      for: 'flow',
      serves: ['files-upload'],
      belongsTo: 'user',
      outputs: [ACCEPTED, REFUSED],
      hadOneOutput: true,
      takes: {
        path: {
          kind: 'text',
          about: { en: 'the folder it goes to', de: 'der Ordner, in den es geht' },
        },
        filename: { kind: 'text' },
        payload: {
          kind: 'text',
          about: { en: 'bytes or text of the file', de: 'Bytes oder Text der Datei' },
        },
        wake: { kind: 'flag' },
      },
      run: accept,
      forFlows: { run: acceptPayload, owner: 'user' },
    },
    status: {
      words: { en: 'count the queue', de: 'Warteschlange zählen' },
      for: 'flow',
      serves: ['files-sync-status'],
      run: status,
    },
    list: {
      words: { en: 'list the queue', de: 'Warteschlange auflisten' },
      for: 'flow',
      serves: ['files-uploads-list'],
      run: list,
    },
    retry: {
      words: { en: 'try again', de: 'erneut versuchen' },
      for: 'flow',
      serves: ['files-uploads-retry'],
      run: retry,
    },
    drop: {
      words: { en: 'drop', de: 'verwerfen' },
      for: 'flow',
      serves: ['files-uploads-drop', 'mobile-upload-queue-drop'],
      run: drop,
    },
    conflicts: {
      words: { en: 'list the conflicts', de: 'Konflikte auflisten' },
      for: 'flow',
      serves: ['files-conflicts'],
      run: conflicts,
    },
    'conflicts-resolve': {
      words: { en: 'settle a conflict', de: 'Konflikt entscheiden' },
      for: 'flow',
      serves: ['files-conflicts-resolve'],
      fieldWords: {
        resolution: {
          label: { en: 'What becomes of it', de: 'Was daraus wird' },
          about: {
            en: '`renamed` keeps both, `local` puts the upload in place, `remote` removes it; of a change `done` or `dropped`',
            de: '`renamed` behält beide, `local` setzt den Upload an die Stelle, `remote` entfernt ihn; bei einer Änderung `done` oder `dropped`',
          },
        },
      },
      run: resolveConflict,
    },
    due: {
      words: { en: 'when something can be delivered', de: 'wenn etwas geliefert werden kann' },
      for: 'balupi',
      isSource: true,
      // A request here would wait for ever.
      run: () => {
        throw new Error("'due' takes no message: it sends them by itself.");
      },
    },
    flush: {
      words: { en: 'deliver to the NAS', de: 'an das NAS liefern' },
      for: 'balupi',
      outputs: [
        { en: 'delivered', de: 'geliefert' },
        { en: 'later', de: 'später' },
        { en: 'conflict', de: 'Konflikt' },
        { en: 'failed', de: 'gescheitert' },
      ],
      run: flush,
    },
    'wake-for-queue': {
      words: { en: 'wake the NAS for what waits', de: 'das NAS für Wartendes wecken' },
      for: 'balupi',
      outputs: 0,
      run: wakeForQueue,
    },
    begin: {
      words: { en: 'begin an upload in chunks', de: 'Hochladen in Stücken beginnen' },
      for: 'balupi',
      serves: ['files-chunked-init'],
      run: begin,
    },
    chunk: {
      words: { en: 'take a chunk', de: 'Stück annehmen' },
      for: 'balupi',
      serves: ['files-chunked-chunk'],
      run: chunk,
    },
    complete: {
      words: { en: 'complete it', de: 'abschließen' },
      for: 'balupi',
      serves: ['files-chunked-complete'],
      outputs: [ACCEPTED, REFUSED],
      hadOneOutput: true,
      run: complete,
    },
    abort: {
      words: { en: 'give it up', de: 'abbrechen' },
      for: 'balupi',
      serves: ['files-chunked-abort'],
      run: abort,
    },
    unfinished: {
      words: { en: 'list the unfinished', de: 'Unfertiges auflisten' },
      for: 'balupi',
      serves: ['files-chunked-list'],
      run: unfinished,
    },
    'device-queue': {
      words: { en: 'queue for the app', de: 'Warteschlange für die App' },
      for: 'balupi',
      serves: ['mobile-upload-queue'],
      run: deviceQueue,
    },
    'take-up': {
      words: { en: 'take up what is held', de: 'Zurückgehaltenes übernehmen' },
      for: 'balupi',
      serves: ['files-uploads-take-up'],
      run: takeUp,
    },
    'device-retry': {
      words: { en: 'try again (app)', de: 'erneut versuchen (App)' },
      for: 'balupi',
      serves: ['mobile-upload-queue-retry'],
      run: deviceRetry,
    },
  },
  status: {
    empty: { en: 'empty', de: 'leer' },
    waiting: { en: '__count__ waiting', de: '__count__ warten' },
    failed: { en: '__count__ failed', de: '__count__ gescheitert' },
  },
  gives: [
    {
      name: 'payload',
      type: 'object, array',
      en: 'the outcome, as the API gives it; from {{flush}} one upload or change, as the node *events* tells it',
      de: 'das Ergebnis, wie die API es gibt; von {{flush}} ein Upload oder eine Änderung, wie der Knoten *Ereignisse* es meldet',
    },
  ],
  details: {
    en: `{{accept}} streams the body of an \`http in\` POST to disk; when it answers 200 the file survives a power cut that instant. Without a request it takes \`payload\` (bytes or text) as the file \`msg.filename\` in the folder \`msg.path\`, as the user named under *As*. Output 1 when it is safe on the Pi, output 2 when it was refused, with \`code\` in \`msg.payload\`; {{complete}} has the same two. A body that is refused midway is answered at once, and nothing leaves the node.

{{due}} needs no message: it sends one whenever there is something to deliver, or when it may get through again (an upload came in, the NAS woke, a pause is over, somebody pressed *try again*). {{flush}} sends what waits, in order, as its owner, and believes nothing it has not verified. It does nothing while the NAS sleeps, and nothing is delivered without it: the messages that reach it decide when. It reports each upload at one of its four outputs, with \`audience\` and \`username\` in the message as *events* has them: 1 *delivered*; 2 *later*, with the reason in \`payload.detail\`; 3 *conflict*, both versions are kept; 4 *failed*, its owner has to try again or drop it.

{{wake-for-queue}} wakes the NAS once what waits is due by \`BALUPI_FLUSH_WAKE\`, and never where that is not set.`,
    de: `{{accept}} streamt den Rumpf eines POST aus \`http in\` auf die Platte; antwortet es 200, übersteht die Datei einen Stromausfall in diesem Augenblick. Ohne Anfrage nimmt es \`payload\` (Bytes oder Text) als Datei \`msg.filename\` im Ordner \`msg.path\`, als der unter *Als* genannte Benutzer. Ausgang 1, wenn es sicher auf dem Pi liegt, Ausgang 2, wenn es abgelehnt wurde, mit \`code\` in \`msg.payload\`; {{complete}} hat dieselben zwei. Ein Rumpf, der mittendrin abgelehnt wird, wird sofort beantwortet, und nichts verlässt den Knoten.

{{due}} braucht keine Nachricht: es sendet eine, sobald es etwas zu liefern gibt oder etwas wieder durchkommen kann (ein Upload kam an, das NAS ist wach, eine Pause ist um, jemand hat *erneut versuchen* gedrückt). {{flush}} sendet, was wartet, in der Reihenfolge und als sein Besitzer, und glaubt nichts, was es nicht geprüft hat. Solange das NAS schläft, tut es nichts, und ohne es wird nichts geliefert: die Nachrichten, die es bekommt, entscheiden, wann. Jeden Upload meldet es an einem von vier Ausgängen, mit \`audience\` und \`username\` in der Nachricht wie bei *Ereignisse*: 1 *geliefert*; 2 *später*, mit dem Grund in \`payload.detail\`; 3 *Konflikt*, beide Fassungen sind erhalten; 4 *gescheitert*, sein Besitzer muss es erneut versuchen oder verwerfen.

{{wake-for-queue}} weckt das NAS, sobald Wartendes nach \`BALUPI_FLUSH_WAKE\` dran ist, und nie, wo das nicht gesetzt ist.`,
  },
} as const satisfies Declared<Services>;

const OPERATIONS = operationsOf<Services>(DECLARATION);

function statusOf({ upload }: Services): NodeStatus {
  const failed = upload.failedCount();
  const waiting = upload.queuedCount();
  const words = (key: string) => ({ words: `upload-queue.status.${key}` });
  if (failed > 0) return { fill: 'red', shape: 'ring', ...words('failed'), count: failed };
  if (waiting > 0) return { fill: 'blue', shape: 'dot', ...words('waiting'), count: waiting };
  return { fill: 'grey', shape: 'dot', ...words('empty') };
}

/** Sends at the outputs of `deliver` what becomes of uploads. @returns how to stop that */
function tellOutcomes({ upload, clock }: Services, send: (message: unknown) => void): () => void {
  return upload.onNews((news) => {
    const outcome = outcomeOf(news, clock.nowMs());
    if (outcome !== null) send(outcome);
  });
}

/** Node `balupi-upload-queue`. */
export default function register(RED: NodeAPI): void {
  function UploadQueue(this: Node, config: UploadConfig): void {
    RED.nodes.createNode(this, config);
    const services = (): Services => servicesBehind(RED.nodes.getNode(config.store));
    const fields = new FieldReader(RED, this, DECLARATION, config);
    const guard = new NodeGuard(this, () => statusOf(services()));
    const send = guard.callback((message: unknown) => {
      this.send(message as NodeMessage);
    });
    let stop: (() => void) | null = null;
    const deliver = isBeforeOutcomes(config) ? wakeAndFlush : flush;
    const operations: Operations<Services> = {
      ...OPERATIONS,
      flush: (given) => {
        stop ??= tellOutcomes(given, send);
        return deliver(given);
      },
    };
    guard.onInput((message) =>
      operationOf(operations, config.op, config.as, fields)(services(), message),
    );
    guard.follow((again) => services().upload.onNews(again));
    const listen = guard.callback(() => {
      stop = services().upload.delivery.onDue(() => {
        send({ topic: 'due' });
      });
    });
    if (config.op === 'due') listen();
    this.on('close', () => stop?.());
  }
  RED.nodes.registerType('balupi-upload-queue', UploadQueue);
}
