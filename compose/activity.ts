import { NewestTimeRows } from '../nodes/lib/accounts/accounts.ts';
import { Activity } from '../nodes/lib/activity/activity.ts';
import type { Rooms } from '../nodes/lib/rooms/rooms.ts';
import type { Site } from './site.ts';

export function activity({ data, clock, time, log, rooms }: Site): Activity {
  return new Activity({
    ...{ clock, time, log },
    store: data.people,
    lastSeenMs: new NewestTimeRows(data.queue, 0).read().newestMs,
    nas: () => nasNow(rooms()),
    nasUse: (fromMs, toMs) => rooms().energy.nasUse(fromMs, toMs),
    isPlugOnline: (id) =>
      rooms()
        .tapo.list()
        .find((plug) => plug.id === id)?.isOnline ?? null,
  });
}

/** Begins the log, which hears what the rooms tell. @returns how to stop that */
export function beginActivity(rooms: Rooms): () => void {
  const { activity: log, nas, upload, tapo, accounts } = rooms;
  log.start();
  const stops = [
    nas.presence.onChange(() => {
      log.nasChanged();
    }),
    nas.onNews(({ kind }) => {
      if (kind === 'wake_failed') log.wakeFailed(nas.wake.status.cause);
    }),
    upload.onNews((news) => {
      log.upload(news);
    }),
    tapo.onNews((news) => {
      log.plug(news);
    }),
    accounts.onReplaced((userId) => {
      log.dropUser(userId);
    }),
    accounts.onNews((news) => {
      log.account(news);
    }),
  ];
  return () => {
    for (const stop of stops) stop();
  };
}

function nasNow({ nas }: Rooms) {
  const { presence, wake } = nas;
  const { awake, sleepState } = presence.state;
  if (sleepState === 'unknown') return null;
  const { state, cause } = wake.status;
  return { awake, sleepState, cause: state === 'waking' ? cause : null };
}
