import type { CachePin, CachePinBody, CachePins } from '../lib/api/api.ts';
import type { Pin } from '../lib/cache/cache.ts';
import { type ApiMessage, callerOf, callOf, withAnswer } from '../lib/guard/call.ts';
import { troubleAnswer } from '../lib/guard/fault-answers.ts';
import { type Answer, answer, isoSeconds, refuse } from '../lib/http/http.ts';
import type { PinOutcome } from '../lib/prefetch/prefetch.ts';
import type { Rooms } from '../lib/rooms/rooms.ts';

const NOT_A_FOLDER = 'Only a folder can be pinned, and not the root: name a folder below it.';
const WANTED = { loc: ['body', 'path'], msg: 'must be a folder below the root' };

/** `GET /api/cache/pins`: the caller's own. */
export function listPins({ prefetch }: Rooms, message: ApiMessage): ApiMessage {
  const { pins, shareBytes, wantedBytes } = prefetch.pinned(callerOf(message));
  const payload: CachePins = {
    pins: pins.map(wirePin),
    share_bytes: shareBytes,
    used_bytes: wantedBytes,
  };
  return withAnswer(message, answer(payload));
}

/** `PUT /api/cache/pins`. */
export async function pin(rooms: Rooms, message: ApiMessage): Promise<ApiMessage> {
  const { auto } = callOf(message);
  const outcome = await rooms.prefetch.pin(callerOf(message), pathIn(message), auto);
  return withAnswer(message, pinAnswer(rooms, outcome));
}

/** `DELETE /api/cache/pins`: what is pinned under the literal name goes before the other reading. */
export function unpin({ prefetch }: Rooms, message: ApiMessage): ApiMessage {
  const caller = callerOf(message);
  const { literalPath } = callOf(message);
  const isDone =
    (literalPath !== undefined && prefetch.unpin(caller, literalPath) !== 'not_found') ||
    prefetch.unpin(caller, pathIn(message)) !== 'not_found';
  return withAnswer(message, isDone ? answer({ message: 'Unpinned' }) : refuse('not_found'));
}

/** Clients that send no body with DELETE put the path into the query. */
function pathIn(message: ApiMessage): string {
  const { query, body } = callOf(message);
  return (
    (body as Partial<CachePinBody> | null)?.path ?? (query as Partial<CachePinBody>).path ?? ''
  );
}

function pinAnswer({ nas }: Rooms, outcome: PinOutcome): Answer {
  switch (outcome.kind) {
    case 'pinned':
      return answer(wirePin(outcome.pin));
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
