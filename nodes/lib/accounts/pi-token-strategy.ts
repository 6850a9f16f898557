import { ExtractJwt, Strategy } from 'passport-jwt';
import type { PiTokens } from './pi-tokens.ts';
import type { PlainRequest } from './plain-request.ts';

export const PI_TOKEN = 'pi-token';

/**
 * passport-jwt checks signature, algorithm and issuer; {@link PiTokens} all the rest. The end of a
 * token is left to the latter, since jsonwebtoken would measure it on the wall clock, which may say
 * 1970 on a Pi.
 */
export function piTokenStrategy(tokens: PiTokens): Strategy {
  const fromHeader = ExtractJwt.fromAuthHeaderAsBearerToken();
  return new Strategy(
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
