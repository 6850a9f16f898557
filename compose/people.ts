import { randomBytes } from 'node:crypto';
import { Accounts, type Caller, Credentials } from '../nodes/lib/accounts/accounts.ts';
import type { NasService } from '../nodes/lib/nas/nas.ts';
import type { BuildContext } from './build-context.ts';

export function accounts(context: BuildContext, nas: NasService): Accounts {
  const { settings, clock, log, data, time, services } = context;
  return new Accounts({
    store: data.people,
    clock,
    log,
    time,
    nas: nas.client,
    api: nas.client,
    presence: nas.presence,
    budget: nas.budget,
    storedTokenOf: (userId) => services().credentials.credentialFor(userId),
    stored: {
      tokenOf: (userId) => services().credentials.storedFor(userId),
      holdsFor: (userId) => services().credentials.holdsFor(userId),
      refused: (token) => services().credentials.refused(token),
    },
    desktopRefresh: settings.DESKTOP_REFRESH,
    secretKey: settings.SECRET_KEY,
    offlineGraceHours: settings.OFFLINE_GRACE_HOURS,
  });
}

export function credentials(context: BuildContext, nas: NasService): Credentials {
  const { settings, clock, log, data, time, services } = context;
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
    userOf: (userId) => services().accounts.users.userOf(userId),
    liveToken: (userId) => services().accounts.liveTokens.ofUser(userId)?.token ?? null,
    isOver: (token) => services().accounts.users.isOver(token),
    takeRefresh: () => services().accounts.takeRefresh(),
    refusedElsewhere: (token) => {
      services().accounts.introspection.refused(token);
    },
    onEnded: (userId) => {
      services().accounts.desktops.credentialEnded(userId);
    },
    onReady: (userId) => {
      services().upload.credentialArrived(userId);
      services().prefetch.credentialArrived(userId);
    },
  });
}

/** A caller's own token, else one the Pi may show for them. */
export async function tokenOf({ services }: BuildContext, caller: Caller): Promise<string | null> {
  return caller.nasToken ?? (await services().credentials.credentialFor(caller.user.id));
}

/** The NAS answered 401 to a token. */
export function refused({ services, log }: BuildContext, token: string): void {
  services()
    .credentials.refused(token)
    .catch((error: unknown) => {
      log.error(`A refused token could not be removed: ${String(error)}`);
    });
}
