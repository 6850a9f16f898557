import type { Entry } from '../lib/activity/activity.ts';
import type { ActivityAnswer, ActivityEntry, ActivityQuery } from '../lib/api/api.ts';
import { type ApiMessage, callerOf, callOf, withAnswer } from '../lib/guard/call.ts';
import { answer, isoSeconds } from '../lib/http/http.ts';
import type { Rooms } from '../lib/rooms/rooms.ts';

/** `GET /api/activity`: an admin's all, anybody else's what is everybody's and their own. */
export function listActivity({ activity, accounts }: Rooms, message: ApiMessage): ApiMessage {
  const caller = callerOf(message);
  const { kind, days, before, limit } = callOf(message).query as ActivityQuery;
  const page = activity.list({
    reader: { userId: caller.user.id, isAdmin: accounts.isAdmin(caller) },
    kind: kind ?? null,
    beforeId: before ?? null,
    ...{ days, limit },
  });
  const payload: ActivityAnswer = {
    entries: page.entries.map(wire),
    next_before: page.nextBeforeId,
  };
  return withAnswer(message, answer(payload));
}

/** What an entry has nothing to tell of. */
const UNTOLD: Required<Entry['facts']> = {
  ...{ cause: null, sleepState: null, energyMwh: null, costUc: null },
  ...{ path: null, conflictPath: null, what: null, files: null, sizeBytes: null, detail: null },
  ...{ deviceId: null, deviceName: null, address: null },
};

function wire({ id, kind, atMs, endedAtMs, username, facts }: Entry): ActivityEntry {
  const { energyMwh, costUc, ...told } = { ...UNTOLD, ...facts };
  return {
    id: id ?? 0,
    kind,
    at: isoSeconds(atMs),
    ended_at: endedAtMs === null ? null : isoSeconds(endedAtMs),
    username,
    cause: told.cause,
    sleep_state: told.sleepState,
    energy_wh: energyMwh === null ? null : energyMwh / 1_000,
    cost_cents: costUc === null ? null : Math.round(costUc / 10_000) / 100,
    path: told.path,
    conflict_path: told.conflictPath,
    what: told.what,
    files: told.files,
    size_bytes: told.sizeBytes,
    detail: told.detail,
    device_id: told.deviceId,
    device_name: told.deviceName,
    address: told.address,
  };
}
