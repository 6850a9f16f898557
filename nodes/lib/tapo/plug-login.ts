import type { FoundPlug } from './discovery.ts';
import type {
  AesLogin,
  KlapLogin,
  LoginOutcome,
  PlugChannel,
  PlugEndpoint,
} from './plug-protocol.ts';
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
  readonly klap: KlapLogin;
  /** Null: the legacy protocol is never spoken. */
  readonly aes: AesLogin | null;
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
 *   What is neither named KLAP nor AES is tried by KLAP too, for the same reason.
 * - AES: nothing. The password, or its plain hash, goes to whoever answers. So it is spoken only
 *   where an admin confirmed it for the MAC address that answers by UDP at this very address, only
 *   after KLAP was tried in vain, and never with a plug that has spoken KLAP before, because
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
    if (this.#isKlapSure) {
      const again = await this.#byKlap(signal);
      if (again.kind !== 'not_spoken') return again;
    }
    const { target, identify } = this.#options;
    const found = await identify(target.ip, target.port, signal);
    if (found !== null && target.mac !== null && found.mac !== target.mac) {
      return {
        kind: 'unreachable',
        cause: 'other_device',
        detail: 'Another device answers at the address of the plug.',
      };
    }
    if (found?.encryptType === 'TPAP') return unsupported('The plug speaks TPAP.', 'tpap');
    const outcome = await this.#byKlap(signal);
    if (found?.encryptType === 'AES' && isNoKlap(outcome)) return await this.#byAes(found, signal);
    return outcome.kind === 'not_spoken' ? notSpokenBy(found) : outcome;
  }

  async #byKlap(signal: AbortSignal): Promise<LoginOutcome> {
    const { endpoint, credentials, klap } = this.#options;
    const outcome = await klap(endpoint, credentials, signal);
    this.#isKlapSure = outcome.kind === 'channel';
    return outcome.kind === 'not_spoken' ? outcome : this.#noted(outcome, 'klap');
  }

  async #byAes(found: FoundPlug, signal: AbortSignal): Promise<ChosenLogin> {
    const { endpoint, credentials, aes, target } = this.#options;
    if (aes === null) return unsupported('The plug speaks AES, and the driver is set to KLAP.');
    if (this.#spoken === 'klap') {
      return unsupported('The plug spoke KLAP before and now asks for less.', 'downgrade');
    }
    if (target.oldProtocolMac !== found.mac) {
      return unsupported('The plug asks for AES, which nobody confirmed for it.', 'old_protocol');
    }
    const outcome = await aes(endpoint, credentials, found.level, signal);
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

/**
 * Whether an answer says that the plug does not know KLAP. Nobody recorded what AES firmware answers
 * to its handshake, so nonsense counts as well; a proof that is wrong, a 403 and a 429 do not.
 */
function isNoKlap(outcome: LoginOutcome): boolean {
  if (outcome.kind === 'not_spoken') return true;
  return outcome.kind === 'bad_answer' && outcome.cause !== 'rate_limited';
}

function notSpokenBy(found: FoundPlug | null): PlugFailure {
  if (found === null) {
    return unsupported('Something answers there, but not by KLAP.', 'identity_unproven');
  }
  const name = found.encryptType === '' ? 'an unnamed protocol' : found.encryptType;
  return unsupported(`The plug speaks ${name}.`);
}

function unsupported(detail: string, cause?: PlugFailure['cause']): PlugFailure {
  return { kind: 'unsupported_protocol', detail, ...(cause === undefined ? {} : { cause }) };
}
