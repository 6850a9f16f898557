import { randomBytes } from 'node:crypto';
import { CredentialCipher } from '../nodes/lib/accounts/credential-vault.ts';
import { Notices } from '../nodes/lib/notices/notices.ts';
import type { Site } from './site.ts';

export function notices({ settings, clock, log, data, time, rooms }: Site): Notices {
  return new Notices({
    ...{ clock, log },
    store: data.people,
    nowMs: () => time.nowMs(),
    cipher: new CredentialCipher(settings.SECRET_KEY, randomBytes),
    people: {
      userOf: (userId) => rooms().accounts.userOf(userId),
      standingOf: (userId) => rooms().accounts.standingOf(userId),
    },
    contact: settings.PUSH_CONTACT,
    timeZone: settings.TIMEZONE,
  });
}
