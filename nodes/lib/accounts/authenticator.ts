import type { IncomingMessage, ServerResponse } from 'node:http';
import passport from 'passport';
import { Strategy as JwtStrategy } from 'passport-jwt';
import { Strategy } from 'passport-strategy';
import { LruMap } from '../limits/limits.ts';
import {
  failureOf,
  goodBodyOf,
  isCannotAsk,
  isSignInRefused,
  type NasClient,
  type NasJson,
  type NasPresence,
  type NasRefusal,
} from '../nas/nas.ts';
import type { Clock } from '../time/clock.ts';
import type { TrustedClock } from '../time/trusted-time.ts';
import type { AuthResult, Caller, User } from './caller.ts';
import type { CallBudget } from './login-limits.ts';
import {
  bearerOf,
  hasForm,
  hashToken,
  mayAsk,
  type NasClaims,
  readNasUser,
  readTokenForm,
  saysInactive,
  silentCode,
  SingleFlight,
  type TokenForm,
} from './nas-answers.ts';
import type { PiTokens } from './pi-tokens.ts';
import type { UserRegistry } from './user-registry.ts';
import type { IntrospectionRow } from './user-rows.ts';

/** A request with its caller attached by {@link Authenticator.before}. */
export interface KnownRequest extends IncomingMessage {
  caller?: Caller;
}

/** Express middleware. */
export type Middleware = (
  request: KnownRequest,
  response: ServerResponse,
  next: (error?: unknown) => void,
) => void;

/** Why a token is not accepted. */
type Refused = Exclude<AuthResult, { kind: 'caller' }>;

/** What a failed strategy hands to passport, so that the reason is not lost on the way. */
interface AuthChallenge {
  readonly result: Refused;
}

/** What Passport calls back with; the challenge is the one of the only strategy that was asked. */
type PassportCallback = (
  error: unknown,
  caller: Caller | false,
  challenges?: readonly (AuthChallenge | Error | undefined)[],
) => void;

const PI_TOKEN = 'pi-token';
const INTROSPECTION = 'introspection';

/** Which of the two strategies a token takes; the token itself tells, so it never changes. */
type Way = typeof PI_TOKEN | typeof INTROSPECTION;

const WAYS_REMEMBERED = 200;

/**
 * The two ways in, as strategies of Passport: a token that claims to be the Pi's own, else one the
 * NAS vouches for. A Passport of its own, without sessions, so that nothing is shared with the
 * editor's.
 */
export class Authenticator {
  readonly #passport = new passport.Passport();
  readonly #tokens: PiTokens;
  readonly #unknown: () => Refused | null;
  readonly #ways = new LruMap<string, Way>(WAYS_REMEMBERED);

  /**
   * @param unknown how to answer an unknown Pi token; null to refuse it. An app that is refused
   *   while the NAS sleeps would sign its user out.
   */
  constructor(
    tokens: PiTokens,
    judge: (token: string) => Promise<AuthResult>,
    unknown: () => Refused | null,
  ) {
    this.#tokens = tokens;
    this.#unknown = unknown;
    this.#passport.use(PI_TOKEN, piTokenStrategy(tokens));
    this.#passport.use(INTROSPECTION, new IntrospectionStrategy(judge));
  }

  /**
   * Middleware for protected routes: sets `request.caller` from the bearer token and lets no other
   * request through.
   * @param turnAway answers all others
   */
  before(
    turnAway: (request: IncomingMessage, response: ServerResponse, why: Refused) => void,
  ): Middleware {
    return (request, response, next) => {
      const { authorization } = request.headers;
      const token = bearerOf(authorization);
      const way = token === null ? null : this.#wayOf(token);
      if (way === null) {
        const code = authorization === undefined ? 'no_token' : 'bad_token';
        turnAway(request, response, { kind: 'refused', code });
        return;
      }
      const callback: PassportCallback = (error, caller, challenges) => {
        if (error !== null && error !== undefined) {
          next(new Error('A token could not be judged.', { cause: error }));
        } else if (caller === false) turnAway(request, response, this.#why(way, challenges));
        else {
          request.caller = caller;
          next();
        }
      };
      // One strategy per token: what claims to be ours but is not valid is a forgery, and trying a
      // NAS token as ours first cost a sixth of a small download (measured).
      const middleware = this.#passport.authenticate(
        [way],
        { session: false },
        callback,
      ) as Middleware;
      middleware(request, response, next);
    };
  }

  #why(way: Way, [challenge]: Parameters<PassportCallback>[2] = []): Refused {
    if (challenge !== undefined && 'result' in challenge) return challenge.result;
    return (way === PI_TOKEN ? this.#unknown() : null) ?? { kind: 'refused', code: 'bad_token' };
  }

  #wayOf(token: string): Way | null {
    const known = this.#ways.get(token);
    if (known !== undefined) return known;
    // passport-jwt throws on a signed body that is not an object, so such tokens never reach it.
    if (!hasForm(token)) return null;
    const way = this.#tokens.isOurs(token) ? PI_TOKEN : INTROSPECTION;
    this.#ways.set(token, way);
    return way;
  }
}

/**
 * Lets in whomever the NAS lets in. Passport works on objects made with Object.create(strategy),
 * which have none of the strategy's #private fields, hence the plain property.
 */
class IntrospectionStrategy extends Strategy {
  readonly name = INTROSPECTION;
  readonly judge: (token: string) => Promise<AuthResult>;

  constructor(judge: (token: string) => Promise<AuthResult>) {
    super();
    this.judge = judge;
  }

  override authenticate(request: IncomingMessage): void {
    this.judge(bearerOf(request.headers.authorization) ?? '').then(
      (result) => {
        if (result.kind === 'caller') this.success(result.caller);
        else this.fail({ result } satisfies AuthChallenge, 401);
      },
      (error: unknown) => {
        this.error(error instanceof Error ? error : new Error('No result', { cause: error }));
      },
    );
  }
}

/**
 * passport-jwt checks signature, algorithm and issuer, {@link PiTokens} the rest. Expiry is checked
 * there too: jsonwebtoken would use the wall clock, which may say 1970 on a Pi.
 */
function piTokenStrategy(tokens: PiTokens): JwtStrategy {
  const jwtFromRequest = ({ headers }: IncomingMessage): string | null =>
    bearerOf(headers.authorization);
  return new JwtStrategy(
    {
      jwtFromRequest,
      // Passed on to jsonwebtoken as it is, which takes key objects; the types do not know.
      secretOrKey: tokens.key as unknown as Buffer,
      algorithms: ['HS256'],
      issuer: 'balupi',
      ignoreExpiration: true,
      jsonWebTokenOptions: { ignoreNotBefore: true },
      passReqToCallback: true,
    },
    (request: IncomingMessage, _claims: unknown, done) => {
      const token = jwtFromRequest(request);
      const caller = token === null ? null : tokens.judge(token);
      done(null, caller ?? false);
    },
  );
}

/** Contract 2: at most 5 minutes while the NAS answers. */
const FRESH_MS = 300_000;

/** How long a user object from the NAS is reused for further tokens of that user. */
const TOLD_FRESH_MS = 3_600_000;

/** After a silence kept results are not checked again this long: each would wait for a timeout. */
const SILENCE_MS = 5_000;

type Form = Exclude<TokenForm, { kind: 'none' }>;
type Asked = AuthResult | { readonly kind: 'silent' };

/** What a token says about itself, which never changes. */
interface ReadToken {
  readonly form: Form;
  readonly hash: Buffer;
}

const FORMS_REMEMBERED = 200;

const REFUSED: AuthResult = { kind: 'refused', code: 'bad_token' };

interface TokenIntrospectionDeps {
  readonly nas: NasClient;
  readonly presence: NasPresence;
  readonly registry: UserRegistry;
  readonly clock: Clock;
  readonly time: TrustedClock;
  readonly graceMs: number;
  readonly budget: Pick<CallBudget, 'made'>;
  /** Called with each token right after the NAS confirmed it. */
  readonly onConfirmed: (user: User, token: string) => void;
}

/**
 * Whether the NAS accepts a token. The Pi never has the NAS's key, so it asks, by a route that
 * wakes nothing, and keeps the result: briefly while it could ask again, and through the sleep
 * until the token's own end plus the grace.
 */
export class TokenIntrospection {
  readonly #deps: TokenIntrospectionDeps;
  readonly #flight = new SingleFlight<Asked>();
  readonly #forms = new LruMap<string, ReadToken>(FORMS_REMEMBERED);
  readonly #whys = new Set<Promise<void>>();
  #silentUntilMs = -Infinity;

  constructor(deps: TokenIntrospectionDeps) {
    this.#deps = deps;
  }

  async judge(token: string): Promise<AuthResult> {
    const read = this.#formOf(token);
    if (read === null) return REFUSED;
    const { form, hash } = read;
    const kept = this.#deps.registry.introspections.find(hash);
    if (this.#isOver(hash, kept)) return REFUSED;
    if (kept !== null && this.#isFresh(kept)) return this.#letIn(kept, token);
    if (!this.#mayAsk(kept)) return this.#withoutNas(kept, form, token);
    const asked = await this.#flight.run(hash.toString('base64'), () =>
      this.#ask(token, hash, form),
    );
    if (asked.kind !== 'silent') return asked;
    // Read again: the token may have been refused while the ask was under way.
    const now = this.#deps.registry.introspections.find(hash);
    return this.#isOver(hash, now) ? REFUSED : this.#withoutNas(now, form, token);
  }

  /**
   * A call came back 401, so that token has ended. Only the text of a 401 says that the whole
   * account is disabled, and not every call reads it, so the NAS is asked once more.
   */
  refused(token: string): void {
    const read = this.#formOf(token);
    const kept = read === null ? null : this.#deps.registry.introspections.find(read.hash);
    this.#deps.registry.refuse(token);
    if (read === null || kept === null || kept.endedAtMs !== null) return;
    const asking = this.#whyRefused(token, read.form).finally(() => {
      this.#whys.delete(asking);
    });
    this.#whys.add(asking);
  }

  /** Waits for pending questions. */
  async stop(): Promise<void> {
    await Promise.all(this.#whys);
  }

  async #whyRefused(token: string, form: Form): Promise<void> {
    const { nas, presence } = this.#deps;
    if (!mayAsk(presence.state)) return;
    const answer = await nas.preflight(token, { auto: true });
    const failure = failureOf(answer);
    if (failure?.kind === 'token_refused') this.#end(token, form, failure);
  }

  #formOf(token: string): ReadToken | null {
    const known = this.#forms.get(token);
    if (known !== undefined) return known;
    const form = readTokenForm(token);
    if (form.kind === 'none') return null;
    const read = { form, hash: hashToken(token) };
    this.#forms.set(token, read);
    return read;
  }

  #isOver(hash: Buffer, kept: IntrospectionRow | null): boolean {
    return (kept !== null && kept.endedAtMs !== null) || this.#deps.registry.isRefused(hash);
  }

  #isFresh(kept: IntrospectionRow): boolean {
    const nowMs = this.#deps.time.nowMs();
    const ended = kept.expiresAtMs !== null && nowMs >= kept.expiresAtMs;
    return !ended && nowMs - kept.confirmedAtMs < FRESH_MS && this.#isHeld(kept);
  }

  /**
   * After a start a kept result knows its user but has no live token. One question to the NAS gives
   * one, and what waits for that user goes on at once.
   */
  #isHeld({ userId }: IntrospectionRow): boolean {
    const { registry, presence } = this.#deps;
    return !mayAsk(presence.state) || registry.live.ofUser(userId) !== null;
  }

  #mayAsk(kept: IntrospectionRow | null): boolean {
    const { presence, clock } = this.#deps;
    if (!mayAsk(presence.state)) return false;
    return kept === null || clock.monotonicMs() >= this.#silentUntilMs;
  }

  #letIn(kept: IntrospectionRow, token: string): AuthResult {
    const user = this.#deps.registry.userOf(kept.userId);
    if (user === null) return REFUSED;
    const caller = { user, kind: 'nas', nasToken: token, scope: 'all' } as const;
    const device = kept.kind === 'api_key' ? keyDevice(token) : kept.device;
    return { kind: 'caller', caller: device === null ? caller : { ...caller, device } };
  }

  /** By the kept result: until the token's own end plus the grace period. */
  #withoutNas(kept: IntrospectionRow | null, form: Form, token: string): AuthResult {
    const { time, graceMs, presence } = this.#deps;
    const cannotAsk = { kind: 'cannot_ask', code: silentCode(presence.state) } as const;
    const endMs = form.kind === 'jwt' ? form.claims.expiresAtMs : (kept?.confirmedAtMs ?? 0);
    if (time.nowMs() < endMs + graceMs) {
      return kept === null ? cannotAsk : this.#letIn(kept, token);
    }
    // A JWT that expired long ago has ended whatever the NAS says; an API key may still be good.
    return form.kind === 'jwt' ? REFUSED : cannotAsk;
  }

  async #ask(token: string, hash: Buffer, form: Form): Promise<Asked> {
    const answer = await this.#preflight(token);
    const said = this.#read(answer, token, form);
    if (said !== 'good') return said;
    const user = await this.#whose(token, hash, form);
    if (user === null) return REFUSED;
    if (user === 'silent') return { kind: 'silent' };
    const kept = this.#deps.registry.introspections.find(hash);
    // Another call may have refused it meanwhile, or its user was just switched off.
    if (kept === null || this.#isOver(hash, kept)) return REFUSED;
    this.#deps.onConfirmed(user, token);
    return this.#letIn(kept, token);
  }

  async #preflight(token: string): Promise<NasJson> {
    const { nas, presence, budget } = this.#deps;
    budget.made();
    const answer = await nas.preflight(token, { auto: true });
    const { reachable, awake } = presence.state;
    const isShut = answer.kind === 'answer' && failureOf(answer)?.kind === 'unavailable';
    // Some sync routes answer 503 to `auto` in soft sleep; a plain preflight is answered then and
    // wakes nothing (measured).
    return isShut && reachable && !awake ? nas.preflight(token) : answer;
  }

  #read(answer: NasJson, token: string, form: Form): Asked | 'good' {
    const failure = failureOf(answer);
    // A busy NAS says nothing about the token, so the kept result counts (contract 2).
    if (answer.kind !== 'answer' || isCannotAsk(failure)) {
      this.#silentUntilMs = this.#deps.clock.monotonicMs() + SILENCE_MS;
      return { kind: 'silent' };
    }
    if (failure === null) return 'good';
    if (isSignInRefused(failure)) this.#end(token, form, failure);
    return REFUSED;
  }

  #end(token: string, form: Form, failure: NasRefusal): void {
    const { registry } = this.#deps;
    const kept = registry.introspections.find(hashToken(token));
    registry.refuse(token);
    if (!saysInactive(failure)) return;
    // The NAS says so only after it verified the signature, so the claim can be trusted.
    const userId = kept?.userId ?? (form.kind === 'jwt' ? form.claims.userId : null);
    if (userId !== null && registry.users.find(userId) !== null) registry.deactivate(userId);
  }

  /**
   * @returns null when the account is switched off, `silent` when a key's owner cannot be
   * determined
   */
  async #whose(token: string, hash: Buffer, form: Form): Promise<User | null | 'silent'> {
    const { registry } = this.#deps;
    const need = form.kind === 'jwt' ? this.#needOfMe(hash, form.claims) : 'must';
    if (need !== 'no') {
      const told = await this.#me(token, form);
      if (told !== 'silent') return told;
    }
    if (form.kind === 'jwt') {
      if (need === 'must') return 'silent';
      const { userId, username, role, issuedAtS } = form.claims;
      return registry.confirm(token, {
        id: userId,
        username,
        role,
        iatS: issuedAtS,
        profile: null,
      });
    }
    const kept = registry.introspections.find(hash);
    const user = kept === null ? null : registry.userOf(kept.userId);
    if (user === null) return 'silent';
    return registry.confirm(token, { ...user, iatS: 0, profile: null });
  }

  /**
   * Whether `me` has to tell who owns a new token. A claim gives id and name, and neither
   * identifies a person: either may have belonged to a deleted user.
   */
  #needOfMe(hash: Buffer, { userId, username }: NasClaims): 'no' | 'should' | 'must' {
    const { registry } = this.#deps;
    const { users, introspections } = registry;
    if (introspections.find(hash) !== null) return 'no';
    if (users.namesakes(username, userId).length > 0) return 'must';
    const known = users.find(userId);
    if (typeof known?.createdAtS === 'number' && known.username !== username) return 'must';
    // Ids are reused, and only `created_at`, which `me` tells, distinguishes two people.
    return registry.wasToldRecently(userId, TOLD_FRESH_MS) ? 'no' : 'should';
  }

  async #me(token: string, form: Form): Promise<User | null | 'silent'> {
    const { registry, nas, budget } = this.#deps;
    budget.made();
    const answer = await nas.me(token, { auto: true });
    const told = readNasUser(goodBodyOf(answer));
    if (told !== null) return registry.learnMe(told, token);
    const failure = failureOf(answer);
    if (failure?.kind !== 'token_refused') return 'silent';
    this.#end(token, form, failure);
    return null;
  }
}

function keyDevice(apiKey: string): string {
  return `key:${hashToken(apiKey).toString('base64url')}`;
}
