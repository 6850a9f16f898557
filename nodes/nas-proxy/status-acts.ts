import type { NasStatus } from '../lib/api/api.ts';
import { type ApiMessage, withAnswer } from '../lib/guard/call.ts';
import { answer, isoSeconds } from '../lib/http/http.ts';
import type { Rooms } from '../lib/rooms/rooms.ts';

/** `GET /api/nas/status`: from memory, never waits for the NAS. */
export function status({ nas, files }: Rooms, message: ApiMessage): ApiMessage {
  const known = nas.status();
  const payload: NasStatus = {
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
  return withAnswer(message, answer(payload));
}

/** Looks whether the NAS is awake, when it is time to. */
export async function probe({ nas, schedule }: Rooms): Promise<void> {
  if (schedule.probe.due()) await nas.probe();
}
