import { randomBytes } from 'node:crypto';
import { SlidingLog } from '../../../../nodes/lib/limits/limits.ts';
import type { Clock } from '../../../../nodes/lib/time/clock.ts';
import { loginByAes } from './aes/aes-protocol.ts';
import { loginByKlap } from './klap/klap-protocol.ts';
import { type PlugHttp, withTimeLimit } from './plug-http.ts';
import { guessLimit, type IdentifyPlug, PlugLogin, type PlugLogins } from './plug-login.ts';
import {
  type AesLogin,
  asRecord,
  batchRequest,
  EMETER,
  hoursRequest,
  INFO,
  INFO_REQUEST,
  type KlapLogin,
  parseHours,
  parseInfo,
  type PlugAnswer,
  type PlugChannel,
  type PlugRequest,
  type PlugResults,
  POWER,
  powerOf,
  readBatch,
  readingOf,
  relayRequest,
  type SendOutcome,
  USAGE,
  type WireRecord,
} from './plug-protocol.ts';
import type {
  OpenPlug,
  Plug,
  PlugCredentials,
  PlugFailure,
  PlugHoursOutcome,
  PlugInfo,
  PlugReadOutcome,
  PlugRelayOutcome,
  PlugTarget,
} from './plug.ts';
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

/** Logins of another driver, which reaches the network in its own way. */
export type OtherLogins = (http: PlugHttp) => {
  readonly klap: KlapLogin;
  readonly aes: AesLogin;
};

export interface PlugDriverDeps {
  readonly clock: Clock;
  readonly http: PlugHttp;
  readonly identify: IdentifyPlug;
  /** Called when a plug is opened. */
  readonly credentials: () => PlugCredentials | null;
  readonly choice: DriverChoice;
  /** Without it `connect` means `auto`, and `auto` means only our own protocols. */
  readonly otherLogins?: OtherLogins;
  /** Default: the system's. */
  readonly randomBytes?: (size: number) => Buffer;
}

/** Our own protocols: each has a folder, and a line here (docs/PLUGS.md). */
const OWN = {
  klap: loginByKlap,
  aes: loginByAes,
  tpap: { login: loginByTpap, discover: discoverTpap },
} as const;

const NONE: PlugLogins = { klap: null, tpap: null, aes: null };

/** Opens plugs with the configured driver. The library is loaded when first needed. */
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

/** For one request; a hanging plug costs this. */
const REQUEST_LIMIT_MS = 5_000;
/** How long until a refused method is asked for again, in a batch that is sent anyway. */
const ASK_AGAIN_MS = 3_600_000;
/** For a whole call including its login, however slowly a plug trickles. */
const CALL_LIMIT_MS = 10_000;

interface OwnPlugDeps {
  readonly clock: Clock;
  readonly target: Pick<PlugTarget, 'deviceId' | 'mac'>;
  /** Null when no account is configured; then no plug is ever asked. */
  readonly login: Pick<PlugLogin, 'login'> | null;
}

/** Methods that were answered or refused. */
interface Told {
  readonly kind: 'told';
  readonly results: PlugResults;
}

interface Session {
  readonly channel: PlugChannel;
  readonly endsAtMs: number;
}

/**
 * Our own driver, whatever the protocol: one request at a time, a session kept until shortly before
 * it ends, at most one login per call. A lost session is replaced within the same call, so it costs
 * no sample.
 */
class OwnPlug implements Plug {
  readonly #clock: Clock;
  #target: Pick<PlugTarget, 'deviceId' | 'mac'>;
  readonly #login: Pick<PlugLogin, 'login'> | null;
  readonly #pause: PlugPause;
  readonly #closed = new AbortController();
  #session: Session | null = null;
  #last: Promise<unknown> = Promise.resolve();
  /** The firmware last asked for volts and amperes that did not report them. */
  #emeterRefused: { readonly firmware: string; readonly atMs: number } | null = null;
  #firmware = '';
  /** The device that answered in this session, where known. */
  #info: PlugInfo | null = null;

  constructor(deps: OwnPlugDeps) {
    this.#clock = deps.clock;
    this.#target = deps.target;
    this.#login = deps.login;
    this.#pause = new PlugPause(deps.clock);
  }

  async read(signal?: AbortSignal): Promise<PlugReadOutcome> {
    return await this.#inTurn(signal, async (limited) => {
      const withEmeter = this.#hasEmeter();
      const asked = await this.#askAll(withEmeter ? [INFO, USAGE, EMETER] : [INFO, USAGE], limited);
      if (asked.kind !== 'told') return asked;
      const results = await this.#withPower(asked.results, limited);
      if ([...results.values()].every((result) => result === null)) return REFUSED_ALL;
      // A plug that does not identify itself must be the one that logged in.
      const info = parseInfo(results.get(INFO)) ?? this.#info;
      if (info === null) return NOBODY;
      if (!this.#isTarget(info)) return this.#otherDevice();
      this.#know(info);
      if (withEmeter && results.get(EMETER) === null) {
        this.#emeterRefused = { firmware: info.firmware, atMs: this.#clock.monotonicMs() };
      }
      return {
        kind: 'reading',
        reading: readingOf(results, info),
        isContested: this.#pause.isContested(),
      };
    });
  }

  /** Asks for the power in another way where it was missing; known values stay. */
  async #withPower(results: PlugResults, signal: AbortSignal): Promise<PlugResults> {
    if (powerOf(results) !== null) return results;
    const more = await this.#askAll([POWER], signal);
    return more.kind === 'told' ? new Map([...results, ...more.results]) : results;
  }

  /** Firmware may refuse a method only for a while: some need the internet first. */
  #hasEmeter(): boolean {
    const refused = this.#emeterRefused;
    if (refused?.firmware !== this.#firmware) return true;
    return this.#clock.monotonicMs() - refused.atMs >= ASK_AGAIN_MS;
  }

  /** Asks until each method was answered or refused, so that a refused one costs no other. */
  async #askAll(methods: readonly string[], signal: AbortSignal): Promise<Told | PlugFailure> {
    const results = new Map<string, WireRecord | null>();
    let left = methods;
    while (left.length > 0) {
      const answer = await this.#exchange(batchRequest(left), signal);
      if (answer.kind !== 'answer') return answer;
      const told = readBatch(answer, left);
      for (const [method, result] of told) results.set(method, result);
      const rest = left.filter((method) => !told.has(method));
      // A plug that takes no batches is asked one by one.
      if (rest.length === left.length) return await this.#askEach(left, results, signal);
      left = rest;
    }
    return { kind: 'told', results };
  }

  async #askEach(
    methods: readonly string[],
    results: Map<string, WireRecord | null>,
    signal: AbortSignal,
  ): Promise<Told | PlugFailure> {
    for (const method of methods) {
      const answer = await this.#exchange({ method }, signal);
      if (answer.kind !== 'answer') return answer;
      results.set(method, answer.errorCode === 0 ? asRecord(answer.result) : null);
    }
    return { kind: 'told', results };
  }

  /** From the first reading on it has to be exactly this plug. */
  #know(info: PlugInfo): void {
    this.#info = info;
    this.#target = { deviceId: info.deviceId, mac: info.mac };
    this.#firmware = info.firmware;
  }

  async setRelay(on: boolean, signal?: AbortSignal): Promise<PlugRelayOutcome> {
    return await this.#inTurn(signal, async (limited) => {
      const answer = await this.#exchange(relayRequest(on), limited);
      if (answer.kind !== 'answer') return answer;
      if (answer.errorCode === 0) return { kind: 'switched', isOn: on };
      return {
        kind: 'bad_answer',
        detail: `The plug refused to switch with error ${answer.errorCode}.`,
      };
    });
  }

  async hours(fromS: number, toS: number, signal?: AbortSignal): Promise<PlugHoursOutcome> {
    return await this.#inTurn<PlugHoursOutcome>(signal, async (limited) => {
      const answer = await this.#exchange(hoursRequest(fromS, toS), limited);
      return answer.kind === 'answer' ? parseHours(answer, fromS, toS) : answer;
    });
  }

  close(): void {
    this.#closed.abort();
    this.#session = null;
  }

  /** Runs calls one after the other, within the time limit, unless the plug is to be left alone. */
  async #inTurn<T extends { readonly kind: string }>(
    signal: AbortSignal | undefined,
    work: (limited: AbortSignal) => Promise<T | PlugFailure>,
  ): Promise<T | PlugFailure> {
    const before = this.#last;
    const turn = Promise.withResolvers<undefined>();
    this.#last = turn.promise;
    try {
      await before;
      const outers = [signal, this.#closed.signal];
      if (outers.some((outer) => outer?.aborted === true)) return ENDED;
      const paused = this.#pause.current();
      if (paused !== null) return paused;
      const outcome = await withTimeLimit(this.#clock, CALL_LIMIT_MS, outers, work);
      return this.#pause.note(outcome);
    } finally {
      turn.resolve(undefined);
    }
  }

  /** Sends within a session, opening a new one if necessary. */
  async #exchange(request: PlugRequest, signal: AbortSignal): Promise<PlugAnswer | PlugFailure> {
    const session = this.#liveSession();
    if (session !== null) {
      const outcome = await this.#send(session.channel, request, signal);
      if (outcome.kind === 'answer') return outcome;
      // A plug that lost power may open its port only after a UDP query.
      if (outcome.kind === 'unreachable') this.#session = null;
      // A tampered or garbled answer may also mean that the session is out of step.
      const isDoubtful = outcome.kind === 'bad_answer' && outcome.cause !== 'rate_limited';
      if (outcome.kind !== 'session_gone' && !isDoubtful) return outcome;
      this.#session = null;
      if (signal.aborted) return ENDED;
    }
    const fresh = await this.#newSession(signal);
    if ('kind' in fresh) return fresh;
    this.#session = fresh;
    const outcome = await this.#send(fresh.channel, request, signal);
    if (outcome.kind === 'session_gone' || outcome.kind === 'bad_answer') this.#session = null;
    return outcome.kind === 'session_gone' ? TAKEN : outcome;
  }

  async #newSession(signal: AbortSignal): Promise<Session | PlugFailure> {
    if (this.#login === null) return NO_CREDENTIALS;
    this.#info = null;
    const login = await this.#login.login(signal);
    if (login.kind !== 'channel') return login;
    const { channel } = login;
    // All plugs of an owner share the account, so a login does not identify the plug; switching the
    // wrong one must not be possible.
    if (this.#target.deviceId !== null || this.#target.mac !== null) {
      const answer = await this.#send(channel, INFO_REQUEST, signal);
      if (answer.kind === 'session_gone') return TAKEN;
      if (answer.kind !== 'answer') return answer;
      const info = parseInfo(answer.result);
      if (info === null) return NOBODY;
      if (!this.#isTarget(info)) return this.#otherDevice();
      this.#info = info;
    }
    return { channel, endsAtMs: this.#clock.monotonicMs() + channel.lifetimeMs };
  }

  async #send(
    channel: PlugChannel,
    request: PlugRequest,
    signal: AbortSignal,
  ): Promise<SendOutcome> {
    const outcome = await withTimeLimit(this.#clock, REQUEST_LIMIT_MS, [signal], (limited) =>
      channel.send(request, limited),
    );
    if (outcome.kind === 'session_gone') this.#pause.countLoss();
    return outcome;
  }

  #liveSession(): Session | null {
    if (this.#session !== null && this.#clock.monotonicMs() >= this.#session.endsAtMs) {
      this.#session = null;
    }
    return this.#session;
  }

  #isTarget(info: PlugInfo): boolean {
    const { deviceId, mac } = this.#target;
    return deviceId === null ? mac === null || info.mac === mac : info.deviceId === deviceId;
  }

  #otherDevice(): PlugFailure {
    this.#session = null;
    return {
      kind: 'unreachable',
      cause: 'other_device',
      detail: 'Another plug answers at the address of this one.',
    };
  }
}

const REFUSED_ALL: PlugFailure = { kind: 'bad_answer', detail: 'The plug refuses every question.' };

const NOBODY: PlugFailure = { kind: 'bad_answer', detail: 'The plug did not say who it is.' };

const ENDED: PlugFailure = { kind: 'unreachable', detail: 'The call was ended.' };

const TAKEN: PlugFailure = {
  kind: 'session_taken',
  detail: 'Another client took the session right after the login.',
};

const NO_CREDENTIALS: PlugFailure = {
  kind: 'wrong_password',
  cause: 'no_credentials',
  detail: 'No TP-Link account is configured.',
};

/**
 * A wrong password is tried twice more within the hour, then once a day: plugs lock after about 15
 * wrong ones, for everybody in the household.
 */
const WRONG_PASSWORD_PAUSES_MS = [1_800_000, 1_800_000];
const LATER_PASSWORD_PAUSE_MS = 86_400_000;
/** From here on the remaining attempts are left to the household. */
const FEW_ATTEMPTS = 5;
/** First wait after a session stolen right after the login, or a 429; doubled each time. */
const TAKEN_PAUSE_MS = 5_000;
const LIMITED_PAUSE_MS = 30_000;
const LONGEST_PAUSE_MS = 300_000;
/** This many lost sessions in this time mean another client, not a restart of the plug. */
const CONTEST_LOSSES = 2;
const CONTEST_WINDOW_MS = 300_000;

/** The outcome of a call, as far as it matters here. */
interface Ended {
  readonly kind: string;
  readonly cause?: string;
  readonly attemptsLeft?: number;
  readonly lockedMinutes?: number;
}

/** When a plug is to be left alone, and whether somebody else uses it too. */
class PlugPause {
  readonly #clock: Clock;
  #until: { readonly atMs: number; readonly failure: PlugFailure } | null = null;
  #inARow = 0;
  #wrongPasswords = 0;
  readonly #losses: SlidingLog<null>;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#losses = new SlidingLog(clock, CONTEST_WINDOW_MS);
  }

  /** The answer without asking the plug; null when it may be asked. */
  current(): PlugFailure | null {
    if (this.#until !== null && this.#clock.monotonicMs() >= this.#until.atMs) this.#until = null;
    return this.#until?.failure ?? null;
  }

  /**
   * Records the outcome of a call that did ask the plug.
   * @returns the outcome, with the time a lock ends
   */
  note<T extends { readonly kind: string }>(outcome: T | PlugFailure): T | PlugFailure {
    const pauseMs = this.#pauseAfter(outcome);
    if (pauseMs === null) return outcome;
    const until = outcome.kind === 'locked' ? { untilMs: this.#clock.nowMs() + pauseMs } : {};
    const failure = { ...(outcome as PlugFailure), ...until };
    this.#until = { atMs: this.#clock.monotonicMs() + pauseMs, failure };
    return failure;
  }

  /** A session was lost before its expiry. */
  countLoss(): void {
    this.#losses.add(null);
  }

  isContested(): boolean {
    return this.#losses.recent.length >= CONTEST_LOSSES;
  }

  #pauseAfter(outcome: Ended): number | null {
    if (outcome.kind === 'wrong_password') return this.#afterWrongPassword(outcome);
    if (outcome.kind === 'locked') return (outcome.lockedMinutes ?? 0) * 60_000;
    if (outcome.kind === 'session_taken') return this.#next(TAKEN_PAUSE_MS);
    if (outcome.cause === 'rate_limited') return this.#next(LIMITED_PAUSE_MS);
    if (outcome.kind === 'reading') {
      this.#inARow = 0;
      this.#wrongPasswords = 0;
    }
    return null;
  }

  #afterWrongPassword({ cause, attemptsLeft }: Ended): number | null {
    if (cause === 'no_credentials') return null;
    if ((attemptsLeft ?? Number.POSITIVE_INFINITY) <= FEW_ATTEMPTS) return Number.POSITIVE_INFINITY;
    this.#wrongPasswords += 1;
    return WRONG_PASSWORD_PAUSES_MS[this.#wrongPasswords - 1] ?? LATER_PASSWORD_PAUSE_MS;
  }

  #next(firstMs: number): number {
    const pauseMs = Math.min(firstMs * 2 ** this.#inARow, LONGEST_PAUSE_MS);
    this.#inARow = Math.min(this.#inARow + 1, 10);
    return pauseMs;
  }
}
