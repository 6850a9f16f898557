import { loginByAes } from './aes-protocol.ts';
import type { FoundPlug } from './discovery.ts';
import { loginByKlap } from './klap-protocol.ts';
import type { LoginOutcome, PlugChannel, PlugEndpoint } from './plug-protocol.ts';
import type { PlugCredentials, PlugFailure, PlugProtocolName, PlugTarget } from './plug.ts';

/** Asks by UDP who is at an address; null when nobody says. */
export type IdentifyPlug = (
  ip: string,
  port: number,
  signal: AbortSignal,
) => Promise<FoundPlug | null>;

export interface PlugLoginOptions {
  readonly target: PlugTarget;
  readonly endpoint: PlugEndpoint;
  readonly credentials: PlugCredentials;
  /** `klap` never speaks the legacy protocol. */
  readonly choice: 'auto' | 'klap';
  readonly identify: IdentifyPlug;
}

type ChosenLogin = { readonly kind: 'channel'; readonly channel: PlugChannel } | PlugFailure;

/**
 * Chooses the protocol, and sees to it that credentials go to the plug they are meant for.
 *
 * What can be checked before anything secret leaves:
 * - The plug says by UDP who it is. Another MAC address than the bound one: nothing is sent. Such
 *   an answer is not signed, so it stops mix-ups (an address given to another device), not a
 *   forger on the same network who knows the plug's MAC.
 * - KLAP: the plug proves to know the account before we do. A stranger gets 16 random bytes; a
 *   device that does not answer by UDP may therefore be tried.
 * - AES: nothing. The password, or its plain hash, goes to whoever answers. So it is spoken only
 *   after a UDP answer that names it, and never with a plug that has spoken KLAP before, because
 *   firmware only moves towards KLAP and going back would be how a forger gets the password.
 *
 * Which of the owner's own plugs it is, is checked by `get_device_info` right after the login
 * (see `own-plug.ts`).
 */
export class PlugLogin {
  readonly #options: PlugLoginOptions;
  #spoken: PlugProtocolName | null;
  /** KLAP worked last time: no need to ask again. */
  #isKlapSure = false;

  constructor(options: PlugLoginOptions) {
    this.#options = options;
    this.#spoken = options.target.protocol;
  }

  async login(signal: AbortSignal): Promise<ChosenLogin> {
    if (this.#isKlapSure) return await this.#byKlap(signal);
    const { target, identify } = this.#options;
    const found = await identify(target.ip, target.port, signal);
    if (found !== null && target.mac !== null && found.mac !== target.mac) {
      return {
        kind: 'unreachable',
        cause: 'other_device',
        detail: 'Another device answers at the address of the plug.',
      };
    }
    if (found === null || found.encryptType === 'KLAP') return await this.#byKlap(signal);
    if (found.encryptType === 'AES') return await this.#byAes(found.level, signal);
    return unsupported(
      `The plug speaks ${found.encryptType === '' ? 'an unnamed protocol' : found.encryptType}.`,
      found.encryptType === 'TPAP' ? 'tpap' : undefined,
    );
  }

  async #byKlap(signal: AbortSignal): Promise<ChosenLogin> {
    const { endpoint, credentials } = this.#options;
    const outcome = await loginByKlap(endpoint, credentials, signal);
    this.#isKlapSure = outcome.kind === 'channel';
    if (outcome.kind === 'not_spoken') {
      return unsupported('Something answers there, but not by KLAP.', 'identity_unproven');
    }
    return this.#noted(outcome, 'klap');
  }

  async #byAes(level: number, signal: AbortSignal): Promise<ChosenLogin> {
    const { endpoint, credentials, choice } = this.#options;
    if (choice === 'klap')
      return unsupported('The plug speaks AES, and the driver is set to KLAP.');
    if (this.#spoken === 'klap') {
      return unsupported('The plug spoke KLAP before and now asks for less.', 'downgrade');
    }
    const outcome = await loginByAes(endpoint, credentials, level, signal);
    if (outcome.kind === 'not_spoken') return unsupported('The plug refuses AES.');
    return this.#noted(outcome, 'aes');
  }

  #noted(
    outcome: Exclude<LoginOutcome, { kind: 'not_spoken' }>,
    protocol: PlugProtocolName,
  ): ChosenLogin {
    if (outcome.kind === 'channel' && this.#spoken !== protocol) {
      this.#spoken = protocol;
      this.#options.target.onProtocol?.(protocol);
    }
    return outcome;
  }
}

function unsupported(detail: string, cause?: PlugFailure['cause']): PlugFailure {
  return { kind: 'unsupported_protocol', detail, ...(cause === undefined ? {} : { cause }) };
}
