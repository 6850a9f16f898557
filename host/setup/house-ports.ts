import type { Rooms } from '../../nodes/lib/rooms/rooms.ts';
import { askNearNas, findNas } from '../nas-finder.ts';
import type { HouseDeps } from './setup-sections.ts';

/** What the settings' pages do, done by the rooms. */
export function housePorts({ accounts, credentials, nas, tapo, energy }: Rooms): HouseDeps {
  return {
    nas: {
      now: () => {
        const { awake, everSeen, version } = nas.presence.state;
        const asleep = everSeen ? 'asleep' : 'never_seen';
        return { state: awake ? 'awake' : asleep, version, mac: nas.macAddress };
      },
      ask: askNearNas,
      find: findNas,
    },
    plugs: {
      get hasAccount() {
        return tapo.hasAccount;
      },
      tryAccount: (account, language) => tapo.tryAccount(account, language),
      list: (language) => tapo.list(language),
      discover: (language) => tapo.discover(language),
      update: (id, change) => tapo.update(id, change),
    },
    keys: {
      list: () => credentials.list(),
      store: (username, apiKey) => credentials.storeKey(username, apiKey),
      drop: (username) => credentials.remove(username, 'api_key'),
    },
    usePrice: (cents) => {
      energy.useDefaultPrice(cents);
    },
    accounts: {
      signIn: (given) => accounts.pageSignIn(given),
      secondFactor: (given) => accounts.pageSecondFactor(given),
    },
  };
}
