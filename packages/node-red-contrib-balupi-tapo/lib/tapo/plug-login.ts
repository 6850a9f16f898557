import { RateLimiter } from '../../../../nodes/lib/limits/limits.ts';
import type { Clock } from '../../../../nodes/lib/time/clock.ts';
import type { FoundPlug } from './discovery.ts';
import type {
  AesLogin,
  KlapLogin,
  LoginOutcome,
  PlugChannel,
  PlugEndpoint,
} from './plug-protocol.ts';
import type { PlugCredentials, PlugFailure, PlugProtocolName, PlugTarget } from './plug.ts';
import type { TpapOffer } from './tpap/tpap-offer.ts';
import type { TpapDiscovery } from './tpap/tpap-protocol.ts';

/** Asks by UDP who is at an address; null when there is no answer. */
export type IdentifyPlug = (
  ip: string,
  port: number,
  signal: AbortSignal,
) => Promise<FoundPlug | null>;

/** Logs in by TPAP, and asks a plug over HTTP whether and how it speaks it. */
interface TpapLogin {
  login(
    endpoint: PlugEndpoint,
    credentials: PlugCredentials,
    offer: TpapOffer,
    signal: AbortSignal,
  ): Promise<LoginOutcome>;
  discover(endpoint: PlugEndpoint, signal: AbortSignal): Promise<TpapDiscovery>;
}

/** The protocols that may be spoken; null: never. */
export interface PlugLogins {
  readonly klap: KlapLogin | null;
  readonly tpap: TpapLogin | null;
  /** The legacy protocol. */
  readonly aes: AesLogin | null;
}

interface PlugLoginDeps extends PlugLogins {
  readonly target: PlugTarget;
  readonly endpoint: PlugEndpoint;
  readonly credentials: PlugCredentials;
  readonly identify: IdentifyPlug;
  /** Shared by all plugs, and kept when one moves. */
  readonly guesses: RateLimiter;
}

type ChosenLogin = { readonly kind: 'channel'; readonly channel: PlugChannel } | PlugFailure;

/** What worked last, which is tried first, without asking. */
type Spoken =
  | { readonly protocol: 'klap' }
  | { readonly protocol: 'tpap'; readonly offer: TpapOffer };

/**
 * Chooses the protocol, and makes sure that credentials only go to the plug they are meant for.
 *
 * Checks before anything secret is sent:
 * - The plug identifies itself by UDP. With another MAC address than the bound one nothing is sent.
 *   The answer is not signed, so it prevents mix-ups (an address reassigned to another device), not
 *   a forger on the same network who knows the plug's MAC.
 * - KLAP: the plug proves that it knows the account before we do. A stranger gets 16 random bytes;
 *   so a device that does not answer by UDP may be tried, and so may one that names neither KLAP
 *   nor AES.
 * - TPAP: a stranger learns whether one guess at the password was right, and nothing to attack
 *   offline. It is spoken where UDP or the plug's own HTTP names it, and asked for where KLAP is
 *   refused: firmware from 1.4.0 on takes KLAP only while its owner allows it.
 * - AES: none. The password, or its plain hash, goes to whoever answers. So it is only spoken where
 *   an admin confirmed it for the MAC address that answers by UDP at this very address, only after
 *   KLAP failed, and never with a plug that has spoken KLAP or TPAP before: firmware only moves
 *   away from AES, and a way back would let a forger get the password.
 *
 * `get_device_info` right after the login tells which of the owner's own plugs it is (see
 * `plug-driver.ts`).
 */
export class PlugLogin {
  readonly #deps: PlugLoginDeps;
  /** The best protocol it spoke, kept across restarts. */
  #best: PlugProtocolName | null;
  #last: Spoken | null = null;
  /** The password was accepted before, and not refused since. */
  #hasWorked = false;

  constructor(deps: PlugLoginDeps) {
    this.#deps = deps;
    this.#best = deps.target.protocol;
  }

  async login(signal: AbortSignal): Promise<ChosenLogin> {
    const outcome = await this.#choose(signal);
    const hasWorked = this.#hasWorked;
    if (outcome.kind === 'channel') this.#hasWorked = true;
    if (outcome.kind !== 'wrong_password') return outcome;
    this.#hasWorked = false;
    return hasWorked ? DOUBTED : outcome;
  }

  async #choose(signal: AbortSignal): Promise<ChosenLogin> {
    const again = this.#last === null ? null : await this.#again(this.#last, signal);
    if (again !== null && again.kind !== 'unreachable') return again;
    const { target, identify } = this.#deps;
    // The query wakes a plug that opened no port after a power cut.
    const found = await identify(target.ip, target.port, signal);
    if (again !== null && (found === null || signal.aborted)) return again;
    if (found !== null && this.#isOther(found.mac)) return OTHER_DEVICE;
    return await this.#asFound(found, signal);
  }

  async #asFound(found: FoundPlug | null, signal: AbortSignal): Promise<ChosenLogin> {
    if (found?.encryptType === 'TPAP') return await this.#asNamed(found, signal);
    const outcome = await this.#byKlap(signal);
    if (found?.encryptType === 'AES' && isNoKlap(outcome)) return await this.#byAes(found, signal);
    const byTpap = isRefused(outcome) ? await this.#ifOffered(signal) : null;
    if (byTpap !== null) return byTpap;
    return outcome.kind === 'not_spoken' ? notSpokenBy(found) : outcome;
  }

  /**
   * Null when it is no longer spoken, for example because the owner changed the switch in the Tapo
   * app.
   */
  async #again(last: Spoken, signal: AbortSignal): Promise<ChosenLogin | null> {
    if (last.protocol === 'tpap') {
      const outcome = await this.#byTpap(last.offer, signal);
      return outcome.kind === 'not_spoken' || isRefused(outcome) ? null : outcome;
    }
    const outcome = await this.#byKlap(signal);
    const byTpap = isRefused(outcome) ? await this.#ifOffered(signal) : null;
    if (byTpap !== null) return byTpap;
    return outcome.kind === 'not_spoken' ? null : outcome;
  }

  async #asNamed(found: FoundPlug, signal: AbortSignal): Promise<ChosenLogin> {
    if (this.#deps.tpap === null) return unsupported('The plug speaks TPAP.', 'tpap');
    const outcome =
      found.tpap === null ? await this.#ifOffered(signal) : await this.#byTpap(found.tpap, signal);
    return outcome === null || outcome.kind === 'not_spoken'
      ? unsupported('The plug names TPAP and does not take it.', 'tpap_variant')
      : outcome;
  }

  /** Null when the plug, asked over HTTP, offers no TPAP. */
  async #ifOffered(signal: AbortSignal): Promise<ChosenLogin | null> {
    const { endpoint, tpap } = this.#deps;
    const told = tpap === null ? null : await tpap.discover(endpoint, signal);
    if (told === null || told.kind === 'not_offered' || told.kind === 'unreachable') return null;
    if (told.kind !== 'offered') return told;
    if (told.mac !== null && this.#isOther(told.mac)) return OTHER_DEVICE;
    const outcome = await this.#byTpap(told.offer, signal);
    return outcome.kind === 'not_spoken' ? null : outcome;
  }

  async #byKlap(signal: AbortSignal): Promise<LoginOutcome> {
    const { endpoint, credentials, klap } = this.#deps;
    if (klap === null) return { kind: 'not_spoken' };
    const outcome = await klap(endpoint, credentials, signal);
    if (outcome.kind === 'channel') this.#note('klap', { protocol: 'klap' });
    return outcome;
  }

  async #byTpap(offer: TpapOffer, signal: AbortSignal): Promise<LoginOutcome> {
    const { endpoint, credentials, tpap, target, guesses } = this.#deps;
    if (tpap === null) return { kind: 'not_spoken' };
    const plug = target.mac ?? `${target.ip}:${target.port}`;
    if (guesses.waitMs(plug) > 0) return SPENT;
    const outcome = await tpap.login(endpoint, credentials, offer, signal);
    if (outcome.kind === 'channel') {
      guesses.forget(plug);
      this.#note('tpap', { protocol: 'tpap', offer });
    } else if (outcome.kind !== 'not_spoken' && outcome.gaveGuess === true) guesses.add(plug);
    return outcome;
  }

  async #byAes(found: FoundPlug, signal: AbortSignal): Promise<ChosenLogin> {
    const { endpoint, credentials, aes, target } = this.#deps;
    if (aes === null) return unsupported('The plug speaks AES, and the driver is set to another.');
    if (this.#best === 'klap' || this.#best === 'tpap') {
      return unsupported('The plug spoke a better protocol before than AES.', 'downgrade');
    }
    if (target.oldProtocolMac !== found.mac) {
      return unsupported('The plug asks for AES, which nobody confirmed for it.', 'old_protocol');
    }
    const outcome = await aes(endpoint, credentials, found.level, signal);
    if (outcome.kind === 'not_spoken') return unsupported('The plug refuses AES.');
    if (outcome.kind === 'channel') this.#note('aes', null);
    return outcome;
  }

  #note(protocol: PlugProtocolName, last: Spoken | null): void {
    this.#last = last;
    if (this.#best === protocol) return;
    this.#best = protocol;
    this.#deps.target.onProtocol?.(protocol);
  }

  #isOther(mac: string): boolean {
    const { target } = this.#deps;
    return target.mac !== null && target.mac !== mac;
  }
}

const OTHER_DEVICE: PlugFailure = {
  kind: 'unreachable',
  cause: 'other_device',
  detail: 'Another device answers at the address of the plug.',
};

const SPENT: PlugFailure = {
  kind: 'unreachable',
  cause: 'impostor',
  detail: 'Too many logins came to nothing; the next one waits for a day.',
};

/**
 * Some devices refuse a login around the end of an older session; only a second refusal is
 * believed.
 */
const DOUBTED: PlugFailure = {
  kind: 'session_taken',
  cause: 'password_doubted',
  detail: 'The plug refused a password that it took before.',
};

/** It answers and does not take the protocol, or not at present. */
function isRefused(outcome: LoginOutcome): boolean {
  return outcome.kind === 'not_spoken' || outcome.kind === 'third_party_off';
}

/**
 * Whether an answer means that the plug does not know KLAP. AES firmware's answer to its handshake
 * was never recorded, so nonsense counts as well; a wrong proof, a 403 and a 429 do not.
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

const DAY_MS = 86_400_000;
/** A right password never fails this often in a day, and a wrong one is paused long before. */
const MOST_GUESSES = 12;

/**
 * Counts failed logins that may have tested a guess, by plug. Somebody posing as a plug learns by
 * each login whether one guess at the password was right, and may then drop the connection and be
 * asked again at the next poll. So failed logins are counted by plug, whatever became of them and
 * wherever it moved, and beyond the limit none is tried for a day.
 */
export function guessLimit(clock: Pick<Clock, 'monotonicMs'>): RateLimiter {
  return new RateLimiter(clock, { most: MOST_GUESSES, windowMs: DAY_MS });
}
