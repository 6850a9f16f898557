import type { Conflict, ConflictBody, ConflictList } from '../lib/api/api.ts';
import { type ApiMessage, callerOf, callOf, withAnswer } from '../lib/guard/call.ts';
import { asleepAnswer } from '../lib/guard/fault-answers.ts';
import { answer } from '../lib/http/http.ts';
import type { Rooms } from '../lib/rooms/rooms.ts';
import { refusedAnswer } from '../lib/upload/upload.ts';

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
