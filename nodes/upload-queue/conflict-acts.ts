import type {
  ChunkedInit,
  ChunkQuery,
  Conflict,
  ConflictBody,
  ConflictList,
} from '../lib/api/api.ts';
import { type ApiMessage, callerOf, callOf, responseOf, withAnswer } from '../lib/guard/call.ts';
import { asleepAnswer } from '../lib/guard/fault-answers.ts';
import { requestOf } from '../lib/guard/guarded.ts';
import { answer, answerNow } from '../lib/http/http.ts';
import type { Rooms } from '../lib/rooms/rooms.ts';
import {
  begunAnswer,
  chunkAnswer,
  completedAnswer,
  refusedAnswer,
  unfinishedAnswer,
} from '../lib/upload/upload.ts';

/** `GET /api/files/conflicts`. */
export function conflicts({ upload }: Rooms, message: ApiMessage): ApiMessage {
  const open = upload.conflicts(callerOf(message));
  const payload: ConflictList = { conflicts: open.map((conflict) => ({ ...conflict })) };
  return withAnswer(message, answer(payload));
}

/** `POST /api/files/conflicts/{id}`. */
export async function resolveConflict(
  { upload, nas }: Rooms,
  message: ApiMessage,
): Promise<ApiMessage> {
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

/** Uploads in chunks: one act for each of BaluHost's addresses. */
export const RESUMABLE_ACTS = { begin, chunk, complete, abort, unfinished };
