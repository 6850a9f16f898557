import passport from 'passport';
import type { Caller } from './caller.ts';
import type { AuthVerdict } from './outcomes.ts';
import { NAS_VERDICT, NasVerdictStrategy, type VerdictChallenge } from './nas-verdict-strategy.ts';
import { PI_TOKEN, piTokenStrategy } from './pi-token-strategy.ts';
import type { PlainRequest } from './plain-request.ts';
import type { PiTokens } from './pi-tokens.ts';
import { hasForm } from './token-form.ts';

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

/**
 * The two ways in, one after the other: a token of the Pi's own, else one the NAS vouches for. A
 * Passport of its own, without sessions, so that nothing is shared with the editor's.
 */
export class Authenticator {
  readonly #passport = new passport.Passport();

  constructor(tokens: PiTokens, judge: (token: string) => Promise<AuthVerdict>) {
    this.#passport.use(PI_TOKEN, piTokenStrategy(tokens));
    this.#passport.use(
      NAS_VERDICT,
      new NasVerdictStrategy((token) =>
        // What claims to be ours and was not let in by the first strategy is a forgery.
        tokens.isOurs(token)
          ? Promise.resolve({ kind: 'refused', code: 'bad_token' })
          : judge(token),
      ),
    );
  }

  /** @param token as it stands behind `Bearer` */
  async authenticate(token: string): Promise<AuthVerdict> {
    if (token === '') return { kind: 'refused', code: 'no_token' };
    // passport-jwt throws on a signed body that is no object, so such forms do not get there.
    if (!hasForm(token)) return { kind: 'refused', code: 'bad_token' };
    const { promise, resolve, reject } = Promise.withResolvers<AuthVerdict>();
    const callback: PassportCallback = (error, caller, challenges) => {
      if (error !== null && error !== undefined) {
        reject(new Error('A token could not be judged.', { cause: error }));
      } else if (caller !== false) resolve({ kind: 'caller', caller });
      else resolve(lastVerdict(challenges ?? []));
    };
    const middleware = this.#passport.authenticate(
      [PI_TOKEN, NAS_VERDICT],
      { session: false },
      callback,
    ) as PassportMiddleware;
    // Passport hangs its helpers on the request, so it gets one that nobody else sees.
    middleware({ headers: { authorization: `Bearer ${token}` } }, {}, reject);
    return await promise;
  }
}

function lastVerdict(challenges: readonly (VerdictChallenge | Error | undefined)[]): AuthVerdict {
  const last = challenges.at(-1);
  return last !== undefined && 'verdict' in last
    ? last.verdict
    : { kind: 'refused', code: 'bad_token' };
}
