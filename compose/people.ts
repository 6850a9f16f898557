import { randomBytes } from 'node:crypto';
import { Accounts, type Caller, Credentials } from '../nodes/lib/accounts/accounts.ts';
import type { NasRoom } from '../nodes/lib/nas/nas.ts';
import type { Site } from './site.ts';

export function accounts(site: Site, nas: NasRoom): Accounts {
  const { settings, clock, log, data, time, rooms } = site;
  return new Accounts({
    store: data.people,
    clock,
    log,
    time,
    nas: nas.client,
    api: nas.client,
    presence: nas.presence,
    budget: nas.budget,
    storedTokenOf: (userId) => rooms().credentials.credentialFor(userId),
    stored: {
      tokenOf: (userId) => rooms().credentials.storedFor(userId),
      holdsFor: (userId) => rooms().credentials.holdsFor(userId),
      refused: (token) => rooms().credentials.refused(token),
    },
    desktopRefresh: settings.DESKTOP_REFRESH,
    secretKey: settings.SECRET_KEY,
    offlineGraceHours: settings.OFFLINE_GRACE_HOURS,
  });
}

export function credentials(site: Site, nas: NasRoom): Credentials {
  const { settings, clock, log, data, time, rooms } = site;
  return new Credentials({
    store: data.people,
    clock,
    log,
    time,
    nas: nas.client,
    presence: nas.presence,
    secretKey: settings.SECRET_KEY,
    enrol: settings.ENROL,
    randomBytes,
    userOf: (userId) => rooms().accounts.users.userOf(userId),
    liveToken: (userId) => rooms().accounts.liveTokens.ofUser(userId)?.token ?? null,
    isOver: (token) => rooms().accounts.users.isOver(token),
    takeRefresh: () => rooms().accounts.takeRefresh(),
    refusedElsewhere: (token) => {
      rooms().accounts.refusedByNas(token);
    },
    onEnded: (userId) => {
      rooms().accounts.storedCredentialEnded(userId);
    },
    onReady: (userId) => {
      rooms().upload.credentialArrived(userId);
      rooms().prefetch.credentialArrived(userId);
    },
  });
}

/** A caller's own token, else one the Pi may show for them. */
export async function tokenOf({ rooms }: Site, caller: Caller): Promise<string | null> {
  return caller.nasToken ?? (await rooms().credentials.credentialFor(caller.user.id));
}

/** The NAS answered 401 to a token. */
export function refused({ rooms, log }: Site, token: string): void {
  rooms()
    .credentials.refused(token)
    .catch((error: unknown) => {
      log.error(`A refused token could not be put away: ${String(error)}`);
    });
}
