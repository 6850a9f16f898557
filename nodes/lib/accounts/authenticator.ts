import passport from 'passport';
import { ExtractJwt, Strategy as JwtStrategy } from 'passport-jwt';
import { Strategy } from 'passport-strategy';
import type { AuthVerdict, Caller } from './caller.ts';
import { LruMap } from '../limits/limits.ts';
import { bearerOf, hasForm } from './nas-answers.ts';
import type { PiTokens } from './pi-tokens.ts';

/** What Passport calls back with; challenges in the order of the strategies. */
type PassportCallback = (
  error: unknown,
  caller: Caller | false,
  challenges?: readonly (VerdictChallenge | Error | undefined)[],
) => void;

type PassportMiddleware = (
  request: PlainRequest,
  response: object,
  next: (error?: unknown) => void,
) => void;

/** Which of the two ways a token takes; it is written in the token, so it never changes. */
type Way = typeof PI_TOKEN | typeof NAS_VERDICT;

const WAYS_REMEMBERED = 200;

/**
 * The two ways in: a token that claims to be the Pi's own, else one the NAS vouches for. A
 * Passport of its own, without sessions, so that nothing is shared with the editor's.
 */
export class Authenticator {
  readonly #passport = new passport.Passport();
  readonly #tokens: PiTokens;
  readonly #unknown: () => AuthVerdict | null;
  readonly #ways = new LruMap<string, Way>(WAYS_REMEMBERED);

  /**
   * @param unknown why a token of the Pi that nothing is known of is no refused one now; null where
   *   it is. An app that is refused asleep would sign its user out.
   */
  constructor(
    tokens: PiTokens,
    judge: (token: string) => Promise<AuthVerdict>,
    unknown: () => AuthVerdict | null,
  ) {
    this.#tokens = tokens;
    this.#unknown = unknown;
    this.#passport.use(PI_TOKEN, piTokenStrategy(tokens));
    this.#passport.use(NAS_VERDICT, new NasVerdictStrategy(judge));
  }

  /** @param token as it stands behind `Bearer` */
  async authenticate(token: string): Promise<AuthVerdict> {
    if (token === '') return { kind: 'refused', code: 'no_token' };
    const way = this.#wayOf(token);
    if (way === null) return { kind: 'refused', code: 'bad_token' };
    const { promise, resolve, reject } = Promise.withResolvers<AuthVerdict>();
    const callback: PassportCallback = (error, caller, challenges) => {
      if (error !== null && error !== undefined) {
        reject(new Error('A token could not be judged.', { cause: error }));
      } else if (caller !== false) resolve({ kind: 'caller', caller });
      else {
        const verdict = lastVerdict(challenges ?? []);
        resolve(way === PI_TOKEN ? (this.#unknown() ?? verdict) : verdict);
      }
    };
    const middleware = this.#passport.authenticate(
      // One way each: what claims to be ours and is not let in as such is a forgery, and taking a
      // token of the NAS for ours first cost a sixth of a small download (measured).
      [way],
      { session: false },
      callback,
    ) as PassportMiddleware;
    // Passport hangs its helpers on the request, so it gets one that nobody else sees.
    middleware({ headers: { authorization: `Bearer ${token}` } }, {}, reject);
    return await promise;
  }

  #wayOf(token: string): Way | null {
    const known = this.#ways.get(token);
    if (known !== undefined) return known;
    // passport-jwt throws on a signed body that is no object, so such forms do not get there.
    if (!hasForm(token)) return null;
    const way = this.#tokens.isOurs(token) ? PI_TOKEN : NAS_VERDICT;
    this.#ways.set(token, way);
    return way;
  }
}

function lastVerdict(challenges: readonly (VerdictChallenge | Error | undefined)[]): AuthVerdict {
  const last = challenges.at(-1);
  return last !== undefined && 'verdict' in last
    ? last.verdict
    : { kind: 'refused', code: 'bad_token' };
}

const NAS_VERDICT = 'nas-verdict';

/** What a failed strategy hands to passport, so that the reason is not lost on the way. */
interface VerdictChallenge {
  readonly verdict: AuthVerdict;
}

/**
 * Lets in whom the NAS lets in. Passport works on objects made with Object.create(strategy), which
 * have none of the strategy's #private fields, hence the plain property.
 */
class NasVerdictStrategy extends Strategy {
  readonly name = NAS_VERDICT;
  readonly judge: (token: string) => Promise<AuthVerdict>;

  constructor(judge: (token: string) => Promise<AuthVerdict>) {
    super();
    this.judge = judge;
  }

  override authenticate(request: PlainRequest): void {
    const token = bearerOf(request.headers.authorization);
    if (token === null) {
      const verdict: AuthVerdict = { kind: 'refused', code: 'no_token' };
      this.fail({ verdict } satisfies VerdictChallenge, 401);
      return;
    }
    this.judge(token).then(
      (verdict) => {
        if (verdict.kind === 'caller') this.success(verdict.caller);
        else this.fail({ verdict } satisfies VerdictChallenge, 401);
      },
      (error: unknown) => {
        this.error(error instanceof Error ? error : new Error('No verdict', { cause: error }));
      },
    );
  }
}

const PI_TOKEN = 'pi-token';

/**
 * passport-jwt checks signature, algorithm and issuer; {@link PiTokens} all the rest. The end of a
 * token is left to the latter, since jsonwebtoken would measure it on the wall clock, which may say
 * 1970 on a Pi.
 */
function piTokenStrategy(tokens: PiTokens): JwtStrategy {
  const fromHeader = ExtractJwt.fromAuthHeaderAsBearerToken();
  return new JwtStrategy(
    {
      jwtFromRequest: fromHeader,
      // Passed on to jsonwebtoken as it is, which takes key objects; the types do not know.
      secretOrKey: tokens.key as unknown as Buffer,
      algorithms: ['HS256'],
      issuer: 'balupi',
      ignoreExpiration: true,
      jsonWebTokenOptions: { ignoreNotBefore: true },
      passReqToCallback: true,
    },
    (request: PlainRequest, _claims: unknown, done) => {
      const token = (fromHeader as (from: PlainRequest) => string | null)(request);
      const caller = token === null ? null : tokens.judge(token);
      done(null, caller ?? false);
    },
  );
}

/** All that the strategies read of a request. */
interface PlainRequest {
  readonly headers: { readonly authorization?: string | undefined };
}
