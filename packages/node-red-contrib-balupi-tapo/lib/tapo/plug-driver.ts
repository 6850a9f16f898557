import { randomBytes } from 'node:crypto';
import type { Clock } from '../../../../nodes/lib/time/clock.ts';
import { loginByAes } from './aes/aes-protocol.ts';
import { loginByKlap } from './klap/klap-protocol.ts';
import { OwnPlug } from './own-plug.ts';
import type { PlugHttp } from './plug-http.ts';
import { guessLimit, type IdentifyPlug, PlugLogin, type PlugLogins } from './plug-login.ts';
import type { AesLogin, KlapLogin } from './plug-protocol.ts';
import type { OpenPlug, PlugCredentials } from './plug.ts';
import { discoverTpap, loginByTpap } from './tpap/tpap-protocol.ts';

/**
 * BALUPI_TAPO_DRIVER.
 *
 * - `klap`, `tpap`: our own, and that protocol alone
 * - `connect`: the library `tp-link-tapo-connect`, which knows no TPAP
 * - `auto`: our own, KLAP and TPAP; the library where a plug takes neither from us
 *
 * The legacy AES, with `auto` and `connect`, only where an admin confirmed it.
 */
export type DriverChoice = 'auto' | 'klap' | 'tpap' | 'connect';

/** Logins of another driver, by its own way to the network. */
export type OtherLogins = (http: PlugHttp) => {
  readonly klap: KlapLogin;
  readonly aes: AesLogin;
};

export interface PlugDriverDeps {
  readonly clock: Clock;
  readonly http: PlugHttp;
  readonly identify: IdentifyPlug;
  /** Asked when a plug is opened. */
  readonly credentials: () => PlugCredentials | null;
  readonly choice: DriverChoice;
  /** Without it `connect` is `auto`, and `auto` our own alone. */
  readonly otherLogins?: OtherLogins;
  /** Default: the system's. */
  readonly randomBytes?: (size: number) => Buffer;
}

/** Our own protocols: a folder each, and a line here (docs/PLUGS.md). */
const OWN = {
  klap: loginByKlap,
  aes: loginByAes,
  tpap: { login: loginByTpap, discover: discoverTpap },
} as const;

const NONE: PlugLogins = { klap: null, tpap: null, aes: null };

/** Opens plugs with the driver that was chosen. The library is loaded when first needed. */
export function plugDriver(deps: PlugDriverDeps): OpenPlug {
  const logins = loginsOf(deps);
  const guesses = guessLimit(deps.clock);
  return (target) => {
    const endpoint = {
      host: target.ip,
      port: target.port,
      http: deps.http,
      randomBytes: deps.randomBytes ?? randomBytes,
    };
    const { clock, identify } = deps;
    const credentials = deps.credentials();
    const login =
      credentials === null
        ? null
        : new PlugLogin({ target, endpoint, credentials, identify, guesses, ...logins });
    return new OwnPlug({ clock, target, login });
  };
}

function loginsOf({ choice, http, otherLogins }: PlugDriverDeps): PlugLogins {
  if (choice === 'klap' || choice === 'tpap') return { ...NONE, [choice]: OWN[choice] };
  if (otherLogins === undefined) return OWN;
  const theirs = otherLogins(http);
  if (choice === 'connect') return { ...NONE, ...theirs };
  return {
    tpap: OWN.tpap,
    klap: async (...call) => {
      const ours = await OWN.klap(...call);
      return ours.kind === 'not_spoken' ? await theirs.klap(...call) : ours;
    },
    aes: async (...call) => {
      const ours = await OWN.aes(...call);
      return ours.kind === 'not_spoken' ? await theirs.aes(...call) : ours;
    },
  };
}
