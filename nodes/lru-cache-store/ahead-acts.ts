import type { CacheDays, CacheDaysQuery } from '../lib/api/api.ts';
import { wireDays } from '../lib/cache/cache.ts';
import { type ApiMessage, callOf, withAnswer } from '../lib/guard/call.ts';
import { answer } from '../lib/http/http.ts';
import type { Rooms } from '../lib/rooms/rooms.ts';

/** `GET /api/cache/days`. */
export function days({ cache }: Rooms, message: ApiMessage): ApiMessage {
  const { days: count } = callOf(message).query as CacheDaysQuery;
  const counted = cache.background.days(count);
  const payload: CacheDays = wireDays(counted.days, counted.today, count);
  return withAnswer(message, answer(payload));
}

/** Fetches beside what is being read. Comes back when there is nothing left to fetch. */
export async function fetchAhead({ prefetch }: Rooms): Promise<void> {
  await prefetch.fetchNeighbours();
}

/** Looks through the pinned folders and fetches what is missing of them. */
export async function keepPins({ prefetch }: Rooms): Promise<void> {
  await prefetch.keepPins();
}

/** Reads a part of what is kept again, and drops what changed on the disk. */
export async function check({ cache }: Rooms): Promise<void> {
  await cache.check();
}

/** Evicts back to the limit: the queue may have grown, or the disk filled, since the last fill. */
export async function settle({ cache }: Rooms): Promise<void> {
  await cache.settle();
}
