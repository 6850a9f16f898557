import type { NasStatus } from '../lib/api/api.ts';
import { type ApiMessage, withAnswer } from '../lib/guard/call.ts';
import { answer, isoSeconds } from '../lib/http/http.ts';
import type { Rooms } from '../lib/rooms/rooms.ts';

/** `GET /api/nas/status`: from memory, never waits for the NAS. */
export function status(rooms: Rooms, message: ApiMessage): ApiMessage {
  return withAnswer(message, answer(statusNow(rooms)));
}

function statusNow({ nas, files }: Rooms): NasStatus {
  const known = nas.status();
  return {
    online: known.online,
    version: known.version,
    url: known.url,
    nas_state: known.powerState,
    sleep_state: known.sleepState,
    reachable_by: known.reachableBy,
    power_w: known.powerW,
    since: isoSeconds(known.sinceMs),
    last_seen: known.lastSeenMs === null ? null : isoSeconds(known.lastSeenMs),
    ...(known.fault === null ? {} : { nas_mismatch: true }),
    ...(files.isStorageMissing ? { nas_storage_missing: true } : {}),
    wake: {
      state: known.wake.state,
      started_at: known.wake.startedAtMs === null ? null : isoSeconds(known.wake.startedAtMs),
      attempts: known.wake.attempts,
    },
  };
}

/** Looks whether the NAS is awake, when it is time to, and says so at one of three outputs. */
export async function probe(rooms: Rooms, message: ApiMessage): Promise<unknown> {
  const { nas, schedule } = rooms;
  if (!schedule.probe.due()) return null;
  if ((await nas.probe()) === 'skipped') return null;
  message.payload = statusNow(rooms);
  const { awake, reachable } = nas.presence.state;
  if (awake) return [message, null, null];
  return reachable ? [null, message, null] : [null, null, message];
}
