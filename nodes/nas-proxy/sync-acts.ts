import type { ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { type ApiMessage, callerOf, callOf, responseOf, withAnswer } from '../lib/guard/call.ts';
import { asleepAnswer, nasRefusal } from '../lib/guard/fault-answers.ts';
import { requestOf } from '../lib/guard/file-ticket.ts';
import { type Answer, answerNow, refuse } from '../lib/http/http.ts';
import { type NasExchange, readNasJson } from '../lib/nas/nas.ts';
import type { Rooms } from '../lib/rooms/rooms.ts';

type Response = Extract<NasExchange, { readonly kind: 'response' }>;

/** A desktop's first list holds every file it knows; the NAS compares them all before it answers. */
const COMPARING_MS = 120_000;

/**
 * `POST /api/sync/changes`, passed on in both directions as it streams. The NAS answers with the
 * paths a desktop should delete because it does not know them, and compares its own storage paths
 * with folder-relative ones (measured), so these are the family's files: `to_delete` is always
 * emptied. Nobody may ask while an upload of theirs is on its way; looked at before the question and
 * again before the answer goes out.
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
  const { 'content-length': length, 'content-type': type } = request.headers;
  const exchange = await rooms.nas.client.relay({
    method: 'POST',
    path: '/api/sync/changes',
    headers: {
      Authorization: `Bearer ${token}`,
      Accept: 'application/json',
      'Content-Type': type ?? 'application/json',
      'X-Sync-Trigger': 'auto',
    },
    body: { stream: request, sizeBytes: length === undefined ? null : Number(length) },
    firstByteMs: COMPARING_MS,
    signal: callOf(message).signal,
  });
  if (exchange.kind === 'failed') return say(asleepAnswer(rooms.nas.presence.state));
  if (exchange.status === 401) await rooms.credentials.refused(token);
  const late = refusalFor(rooms, caller.user.id) ?? (await refusalOf(rooms, exchange));
  if (late === null) {
    await passOn(exchange, response, rooms);
    return null;
  }
  exchange.body.destroy();
  return say(late);
}

function refusalFor({ nas, upload }: Rooms, userId: number): Answer | null {
  if (!nas.presence.state.awake) return asleepAnswer(nas.presence.state);
  return upload.hasUnfinished(userId) ? refuse('uploads_waiting') : null;
}

/** The NAS's no, and what the apps could not read, put into the contract's words. */
async function refusalOf({ nas, clock }: Rooms, exchange: Response): Promise<Answer | null> {
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

async function passOn(
  exchange: Response,
  response: ServerResponse,
  { upload }: Rooms,
): Promise<void> {
  const { status, headers, body } = exchange;
  response.writeHead(status, { 'Content-Type': headers['content-type'] ?? 'application/json' });
  try {
    await pipeline(body, upload.withoutDeletes(), response);
  } catch (error) {
    // Cut on either side: the caller sees a broken answer, never a short one that looks whole.
    if (!response.destroyed) response.destroy();
    if (!(error instanceof Error)) throw error;
  }
}
