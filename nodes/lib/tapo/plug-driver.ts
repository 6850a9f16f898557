import { randomBytes } from 'node:crypto';
import type { Clock } from '../time/clock.ts';
import { loginByAes } from './aes-protocol.ts';
import { ConnectLibrary } from './connect-library.ts';
import { connectLogins } from './connect-login.ts';
import { loginByKlap } from './klap-protocol.ts';
import { OwnPlug } from './own-plug.ts';
import type { PlugHttp } from './plug-http.ts';
import { PlugLogin, type IdentifyPlug } from './plug-login.ts';
import type { AesLogin, KlapLogin } from './plug-protocol.ts';
import type { OpenPlug, PlugCredentials } from './plug.ts';

/**
 * BALUPI_TAPO_DRIVER.
 *
 * - `klap`: our own, and KLAP alone
 * - `connect`: the library `tp-link-tapo-connect`
 * - `auto`: our own, KLAP and the legacy AES; the library where a plug takes neither from us
 */
export type DriverChoice = 'auto' | 'klap' | 'connect';

export interface PlugDriverOptions {
  readonly clock: Clock;
  readonly http: PlugHttp;
  readonly identify: IdentifyPlug;
  readonly credentials: PlugCredentials | null;
  readonly choice: DriverChoice;
  /** Default: the system's. */
  readonly randomBytes?: (size: number) => Buffer;
}

interface Logins {
  readonly klap: KlapLogin;
  readonly aes: AesLogin | null;
}

/** Opens plugs with the driver that was chosen. The library is loaded when first needed. */
export function plugDriver(options: PlugDriverOptions): OpenPlug {
  const logins = loginsOf(options);
  return (target) => {
    const endpoint = {
      host: target.ip,
      port: target.port,
      http: options.http,
      randomBytes: options.randomBytes ?? randomBytes,
    };
    const { clock, credentials, identify } = options;
    const login =
      credentials === null
        ? null
        : new PlugLogin({ target, endpoint, credentials, identify, ...logins });
    return new OwnPlug({ clock, target, login });
  };
}

function loginsOf({ choice, http }: PlugDriverOptions): Logins {
  if (choice === 'klap') return { klap: loginByKlap, aes: null };
  const theirs = connectLogins(new ConnectLibrary(http));
  if (choice === 'connect') return theirs;
  return {
    klap: async (...call) => {
      const ours = await loginByKlap(...call);
      return ours.kind === 'not_spoken' ? await theirs.klap(...call) : ours;
    },
    aes: async (...call) => {
      const ours = await loginByAes(...call);
      return ours.kind === 'not_spoken' ? await theirs.aes(...call) : ours;
    },
  };
}
