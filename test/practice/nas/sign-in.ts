import type { ApiKeys } from './api-keys.ts';
import type { TokenMint } from './tokens.ts';
import type { NasUser, UserDirectory } from './users.ts';
import { refused, type Exchange } from './wire.ts';

/** Authenticates callers, with the NAS's four kinds of 401 (docs/NAS.md). */
export class SignIn {
  readonly #users: UserDirectory;
  readonly #tokens: TokenMint;
  readonly #keys: ApiKeys;

  constructor(users: UserDirectory, tokens: TokenMint, keys: ApiKeys) {
    this.#users = users;
    this.#tokens = tokens;
    this.#keys = keys;
  }

  /** @throws Refusal 401 */
  identify(exchange: Exchange): NasUser {
    const token = bearer(exchange);
    if (token === null) {
      throw refused(401, 'No authentication token provided', { 'www-authenticate': 'Bearer' });
    }
    return token.startsWith('balu_')
      ? this.#byKey(token, exchange.remoteAddress)
      : this.#byToken(token);
  }

  /** The key of a request's rate limit: the user of a JWT, else the address. */
  limitKey(exchange: Exchange, by: 'user' | 'address'): string {
    const token = by === 'user' ? bearer(exchange) : null;
    const claims = token === null ? null : this.#tokens.read(token, 'access');
    return claims === null ? exchange.remoteAddress : `user:${claims.sub}`;
  }

  #byKey(text: string, ip: string): NasUser {
    const key = this.#keys.use(text, ip);
    if (key === undefined) throw refused(401, 'Invalid API key');
    const user = this.#users.byId(key.targetUserId);
    if (user?.isActive !== true) throw refused(401, 'API key target user inactive');
    return user;
  }

  #byToken(token: string): NasUser {
    const claims = this.#tokens.read(token, 'access');
    if (claims === null) throw refused(401, 'Could not validate credentials');
    const user = this.#users.byId(Number(claims.sub));
    if (user === undefined) throw refused(401, 'User no longer exists');
    if (!user.isActive) throw refused(401, 'User account is inactive');
    return user;
  }
}

function bearer(exchange: Exchange): string | null {
  const match = /^bearer +(\S+)$/i.exec(exchange.header('authorization') ?? '');
  return match?.[1] ?? null;
}
