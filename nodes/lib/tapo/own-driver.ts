import { randomBytes } from 'node:crypto';
import type { Clock } from '../time/clock.ts';
import { OwnPlug } from './own-plug.ts';
import type { PlugHttp } from './plug-http.ts';
import { PlugLogin, type IdentifyPlug } from './plug-login.ts';
import type { OpenPlug, PlugCredentials } from './plug.ts';

export interface OwnDriverOptions {
  readonly clock: Clock;
  readonly http: PlugHttp;
  readonly identify: IdentifyPlug;
  readonly credentials: PlugCredentials | null;
  /** `auto` also speaks the legacy AES protocol. */
  readonly choice: 'auto' | 'klap';
  /** Default: the system's. */
  readonly randomBytes?: (size: number) => Buffer;
}

/** Our own driver for KLAP and AES plugs. */
export function ownDriver(options: OwnDriverOptions): OpenPlug {
  return (target) => {
    const endpoint = {
      host: target.ip,
      port: target.port,
      http: options.http,
      randomBytes: options.randomBytes ?? randomBytes,
    };
    const { clock, credentials, choice, identify } = options;
    const login =
      credentials === null
        ? null
        : new PlugLogin({ target, endpoint, credentials, choice, identify });
    return new OwnPlug({ clock, target, login });
  };
}
