import {
  endpointById,
  type EndpointId,
  type GoodbyeAnswer,
  type HandshakeStatus,
  type HelloAnswer,
} from '../lib/api/api.ts';
import { type ApiMessage, callOf, withAnswer } from '../lib/guard/call.ts';
import { requestOf } from '../lib/guard/guarded.ts';
import type { ClaimedCall, Verdict } from '../lib/handshake/handshake.ts';
import { type Answer, answer, isoSeconds, refuse } from '../lib/http/http.ts';
import type { Rooms } from '../lib/rooms/rooms.ts';

const MB = 1024 * 1024;
/** The NAS waits a second for the whole answer (contract 6). */
const NAME_WITHIN_MS = 700;

/** `POST /api/handshake/nas-going-offline`: asleep from this moment on. */
export async function goodbye(rooms: Rooms, message: ApiMessage): Promise<ApiMessage> {
  const { handshake, nas, dns } = rooms;
  const no = refusalOf(handshake.goodbye(claimed(message, 'handshake-goodbye')));
  if (no !== null) return withAnswer(message, no);
  nas.goodbye();
  const dns_switched = await dns.isSwitched(NAME_WITHIN_MS);
  const payload: GoodbyeAnswer = { acknowledged: true, dns_switched };
  return withAnswer(message, answer(payload));
}

/**
 * `POST /api/handshake/nas-coming-online`. The NAS serves only after this answer, so nothing is
 * waited for; the delivery begins by itself when the NAS answers.
 */
export function hello({ handshake, nas, upload }: Rooms, message: ApiMessage): ApiMessage {
  const no = refusalOf(handshake.hello(claimed(message, 'handshake-hello')));
  if (no !== null) return withAnswer(message, no);
  nas.hello();
  const payload: HelloAnswer = {
    acknowledged: true,
    inbox_flushed: upload.inbox().files === 0,
    files_transferred: 0,
  };
  return withAnswer(message, answer(payload));
}

/** `GET /api/handshake/status`: from memory and the queue, over all users. */
export function handshakeStatus(rooms: Rooms, message: ApiMessage): ApiMessage {
  const { awake, sinceMs } = rooms.nas.presence.state;
  const snapshotAtMs = rooms.handshake.snapshotAtMs();
  const { files, bytes } = rooms.upload.inbox();
  const payload: HandshakeStatus = {
    nas_state: awake ? 'online' : 'offline',
    since: isoSeconds(sinceMs),
    last_snapshot: snapshotAtMs === null ? null : isoSeconds(snapshotAtMs),
    inbox_size_mb: Math.round((bytes / MB) * 100) / 100,
    inbox_files: files,
  };
  return withAnswer(message, answer(payload));
}

/** `GET /api/handshake/snapshot`: in the letters it came in, as large numbers would not survive. */
export function handshakeSnapshot({ handshake }: Rooms, message: ApiMessage): ApiMessage {
  const snapshot = handshake.snapshot();
  if (snapshot === null) {
    return withAnswer(message, refuse('not_found', { detail: 'No snapshot available' }));
  }
  const headers = { 'Content-Type': 'application/json; charset=utf-8' };
  return withAnswer(message, answer(snapshot.text, 200, headers));
}

function claimed(message: ApiMessage, id: EndpointId): ClaimedCall {
  const { headers } = requestOf(message);
  const { body, address } = callOf(message);
  const { method, path } = endpointById(id);
  if (!(body instanceof Uint8Array)) throw new Error('The guard handed no bytes on.');
  return {
    method,
    path,
    body,
    address,
    timestamp: one(headers['x-balupi-timestamp']),
    signature: one(headers['x-balupi-signature']),
  };
}

function one(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header.join(', ') : header;
}

function refusalOf(verdict: Verdict): Answer | null {
  switch (verdict.kind) {
    case 'accepted':
      return null;
    case 'malformed':
      return refuse('malformed', { detail: 'The body is no JSON object.' });
    case 'switched_off':
      return refuse('handshake_off');
    case 'clock_unsynced':
      return refuse('clock_unsynced');
    case 'too_many_tries':
      return refuse('too_many_tries', { retryAfterSeconds: verdict.waitMs / 1_000 });
    case 'refused':
      return refuse('bad_signature', { detail: verdict.reason });
  }
}
