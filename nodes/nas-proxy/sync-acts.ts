import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type ApiMessage, callerOf, callOf, responseOf, withAnswer } from '../lib/guard/call.ts';
import { asleepAnswer, nasRefusal } from '../lib/guard/fault-answers.ts';
import { requestOf } from '../lib/guard/guarded.ts';
import { type Answer, answer, answerNow, refuse } from '../lib/http/http.ts';
import { MOST_TEXT_BYTES } from '../lib/kept/kept.ts';
import { type NasExchange, readNasJson } from '../lib/nas/nas.ts';
import type { Rooms } from '../lib/rooms/rooms.ts';

type Response = Extract<NasExchange, { readonly kind: 'response' }>;

/** A desktop's first list holds every file it knows; the NAS compares them all before it answers. */
const COMPARING_MS = 120_000;
/** As much of a question is held against the one before; with its length it tells them apart. */
const BEGIN_BYTES = 1024 * 1024;
/** When a desktop is told to ask again where nothing could be kept for it. */
const TURN_SECONDS = 60;

/**
 * `POST /api/sync/changes`, passed on in both directions as it streams. The NAS answers with the
 * paths a desktop should delete because it does not know them, and compares its own storage paths
 * with folder-relative ones (measured), so these are the family's files: `to_delete` is always
 * emptied. Nobody may ask while an upload of theirs is on its way; looked at before the question and
 * again before the answer goes out.
 *
 * A desktop asks every 30 s for each of its folders, and the NAS counts each question against its
 * sleep: one that was answered before waits for its turn, and meanwhile gets that answer with its age.
 */
export async function syncChanges(rooms: Rooms, message: ApiMessage): Promise<ApiMessage | null> {
  const [request, response] = [requestOf(message), responseOf(message)];
  const caller = callerOf(message);
  const say = (given: Answer): ApiMessage | null => {
    if (request.complete) return withAnswer(message, given);
    // The rest of the refused body still comes, which the reply node knows nothing of.
    answerNow(request, response, given);
    return null;
  };
  const no = refusalFor(rooms, caller.user.id);
  if (no !== null) return say(no);
  const token = caller.nasToken ?? (await rooms.credentials.credentialFor(caller.user.id));
  if (token === null) return say(refuse('refresh_token_now'));
  const question = await readQuestion(request);
  if (question === null) return null;
  const key = rooms.kept.deltas.keyOf(caller.user.id, question.begin, question.lengthBytes);
  if (!rooms.kept.mayAskForDelta(key)) {
    rooms.files.syncAsked(caller, false);
    return say(await keptDelta(rooms, key));
  }
  const exchange = await ask(rooms, message, token, question.body);
  if (exchange.kind === 'failed') return say(asleepAnswer(rooms.nas.presence.state));
  if (exchange.status === 401) await rooms.credentials.refused(token);
  const late = refusalFor(rooms, caller.user.id) ?? (await refusalOf(rooms, exchange));
  if (late === null) {
    await passOn(exchange, response, rooms, (text) => {
      rooms.files.syncAsked(caller, rooms.kept.deltas.keep(key, text));
    });
    return null;
  }
  exchange.body.destroy();
  return say(late);
}

async function ask(
  { nas }: Rooms,
  message: ApiMessage,
  token: string,
  body: Question['body'],
): Promise<NasExchange> {
  return await nas.client.relay({
    method: 'POST',
    path: '/api/sync/changes',
    headers: {
      Authorization: `Bearer ${token}`,
      Accept: 'application/json',
      'Content-Type': requestOf(message).headers['content-type'] ?? 'application/json',
      'X-Sync-Trigger': 'auto',
    },
    body,
    firstByteMs: COMPARING_MS,
    signal: callOf(message).signal,
  });
}

interface Question {
  readonly begin: Buffer;
  /** Null where it is not told. */
  readonly lengthBytes: number | null;
  readonly body: Buffer | { readonly stream: Readable; readonly sizeBytes: number | null };
}

/** Reads the begin of the body, mostly all of it. Null when the caller is gone. */
async function readQuestion(request: IncomingMessage): Promise<Question | null> {
  const { 'content-length': length } = request.headers;
  const lengthBytes = length === undefined ? null : Number(length);
  const pieces: Buffer[] = [];
  let sizeBytes = 0;
  try {
    for await (const piece of request.iterator({ destroyOnReturn: false })) {
      pieces.push(piece as Buffer);
      sizeBytes += (piece as Buffer).length;
      if (sizeBytes >= BEGIN_BYTES) break;
    }
  } catch (error) {
    if (request.destroyed || request.errored !== null) return null;
    throw error;
  }
  const begin = Buffer.concat(pieces);
  if (sizeBytes < BEGIN_BYTES) return { begin, lengthBytes: sizeBytes, body: begin };
  const rest = async function* (): AsyncGenerator<Buffer> {
    yield begin;
    // An answer may come before all of it was read; the connection stays for it.
    for await (const piece of request.iterator({ destroyOnReturn: false })) yield piece as Buffer;
  };
  return { begin, lengthBytes, body: { stream: Readable.from(rest()), sizeBytes: lengthBytes } };
}

async function keptDelta({ kept }: Rooms, key: string): Promise<Answer> {
  const found = await kept.deltas.find(key);
  if (found === null || found.text === null) {
    return refuse('nas_left_alone', { retryAfterSeconds: TURN_SECONDS });
  }
  return answer(JSON.parse(found.text), 200, { Age: String(found.ageSeconds) });
}

function refusalFor({ nas, upload }: Rooms, userId: number): Answer | null {
  if (!nas.presence.state.awake) return asleepAnswer(nas.presence.state);
  return upload.hasUnfinished(userId) ? refuse('uploads_waiting') : null;
}

/** The NAS's no, and what the apps could not read, put into the contract's words. */
async function refusalOf(rooms: Rooms, exchange: Response): Promise<Answer | null> {
  const { nas, clock } = rooms;
  const { status, headers } = exchange;
  if (status === 429) return refuse('nas_busy', { retryAfterSeconds: 60 });
  if (status === 503) return asleepAnswer(nas.presence.state);
  const isJson = /^application\/json\b/i.test(headers['content-type'] ?? '');
  if (!isJson || status >= 500) return refuse('nas_bad_answer');
  if (status < 400) return null;
  const told = await readNasJson(exchange, clock);
  if (told.kind !== 'answer') return refuse('nas_bad_answer');
  return nasRefusal(status, told.body, 'bad_token');
}

/** @param told hears what was answered right before its end goes out; null where it was too long */
async function passOn(
  exchange: Response,
  response: ServerResponse,
  { upload }: Rooms,
  told: (text: string | null) => void,
): Promise<void> {
  const { status, headers, body } = exchange;
  response.writeHead(status, { 'Content-Type': headers['content-type'] ?? 'application/json' });
  try {
    await pipeline(body, upload.withoutDeletes(), tap(told), response);
  } catch (error) {
    // Cut on either side: the caller sees a broken answer, never a short one that looks whole.
    if (!response.destroyed) response.destroy();
    if (!(error instanceof Error)) throw error;
  }
}

/** Hands everything on, and tells at its end what it was. */
function tap(told: (text: string | null) => void): Transform {
  let pieces: Buffer[] = [];
  let sizeBytes = 0;
  return new Transform({
    transform(piece: Buffer, _encoding, next) {
      sizeBytes += piece.length;
      if (sizeBytes <= MOST_TEXT_BYTES) pieces.push(piece);
      else pieces = [];
      next(null, piece);
    },
    flush(next) {
      told(sizeBytes <= MOST_TEXT_BYTES ? Buffer.concat(pieces).toString() : null);
      next();
    },
  });
}
