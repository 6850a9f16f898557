import type { User } from '../lib/accounts/accounts.ts';
import type { CacheUsage } from '../lib/api/api.ts';
import { type ApiMessage, callerOf, withAnswer } from '../lib/guard/call.ts';
import { answer, isoSeconds } from '../lib/http/http.ts';
import type { Rooms } from '../lib/rooms/rooms.ts';

/** Copies that are named. */
const MOST_UNREAD = 20;
const COUNTED_DAYS = 30;
/** Everybody's folder. */
const SHARED = 'Shared';

/** `GET /api/cache/usage`: an admin's everybody, anybody else's their own. */
export async function usage(rooms: Rooms, message: ApiMessage): Promise<ApiMessage> {
  const { accounts, cache, files } = rooms;
  const caller = callerOf(message);
  const isAdmin = accounts.isAdmin(caller);
  const users = isAdmin ? accounts.everybody() : [caller.user];
  const { holdings } = cache.background;
  const byTop = await holdings.byTop();
  const whose = isAdmin ? null : caller.user.id;
  const unread = holdings.unreadSum(whose);
  const named = holdings
    .unread(whose, MOST_UNREAD)
    .filter(({ path, ownerId }) => files.mayRead(caller.user, path, ownerId));
  const payload: CacheUsage = {
    users: users.map((user) => {
      const { files: homeFiles, bytes: homeBytes } = byTop.get(user.username) ?? NOTHING;
      return { ...pinsOf(rooms, user), home_files: homeFiles, home_bytes: homeBytes };
    }),
    shared: {
      files: byTop.get(SHARED)?.files ?? 0,
      size_bytes: byTop.get(SHARED)?.bytes ?? 0,
    },
    unread_files: unread.files,
    unread_bytes: unread.bytes,
    unread: named.map(({ path, sizeBytes, fetchedAtMs }) => ({
      path,
      size_bytes: sizeBytes,
      fetched_at: isoSeconds(fetchedAtMs),
    })),
    ...fetchedAhead(rooms),
  };
  return withAnswer(message, answer(payload));
}

const NOTHING = { files: 0, bytes: 0 };

function pinsOf({ cache, upload }: Rooms, { id, username }: User) {
  const { pins } = cache.background;
  const queued = upload.usageOf(id);
  return {
    username,
    pins: pins.ofUser(id).length,
    pinned_bytes: pins.wantedBytes(id),
    share_bytes: pins.shareBytes(id),
    queued_bytes: queued.bytes,
  };
}

function fetchedAhead({ cache }: Rooms) {
  const sums = { prefetched_files: 0, prefetched_used_files: 0 };
  for (const day of cache.background.days(COUNTED_DAYS).days) {
    sums.prefetched_files += day.prefetchedFiles;
    sums.prefetched_used_files += day.usedFiles;
  }
  return { days: COUNTED_DAYS, ...sums };
}
