import { jsonBody } from './bodies.ts';
import { adminOnly, open, signedIn, type Route } from './router.ts';
import type { TokenMint } from './tokens.ts';
import { publicUser, type NasUser, type UserDirectory } from './users.ts';
import { json, refused, type Answer, type Exchange } from './wire.ts';

/** `/api/auth` and `/api/users`. Public sign-up is off, as in production. */
export class AuthRoutes {
  readonly #users: UserDirectory;
  readonly #tokens: TokenMint;

  constructor(users: UserDirectory, tokens: TokenMint) {
    this.#users = users;
    this.#tokens = tokens;
  }

  get routes(): readonly Route[] {
    return [
      open('POST /api/auth/login', { limit: 'login' }, (exchange) => this.#login(exchange)),
      open('POST /api/auth/verify-2fa', { limit: 'verify_2fa' }, (exchange) =>
        this.#verify(exchange),
      ),
      signedIn('GET /api/auth/me', { limit: 'user' }, (_exchange, user) => json(publicUser(user))),
      signedIn('POST /api/auth/logout', { limit: 'user' }, (_exchange, user) => {
        this.#tokens.revokeAllOf(user.id);
        return json({ message: 'Logged out' });
      }),
      signedIn('POST /api/auth/change-password', { limit: 'user' }, (exchange, user) =>
        this.#changePassword(exchange, user),
      ),
      open('POST /api/auth/refresh', { limit: 'refresh' }, (exchange) => this.#refresh(exchange)),
    ];
  }

  get userRoutes(): readonly Route[] {
    const admin = { limit: 'admin' } as const;
    return [
      adminOnly('GET /api/users/', admin, () => this.#list()),
      adminOnly('PATCH /api/users/{id}/toggle-active', admin, (exchange) => this.#toggle(exchange)),
    ];
  }

  async #login(exchange: Exchange): Promise<Answer> {
    const body = await jsonBody(exchange, { username: 'string', password: 'string' });
    const user = this.#users.named(body.username);
    if (user?.password !== body.password) throw refused(401, 'Invalid credentials');
    exchange.record.user = user.username;
    if (user.twoFactorCode !== null) {
      const pending = this.#tokens.pending(user);
      return json({ requires_2fa: true, pending_token: pending, token_type: '2fa_pending' });
    }
    // An inactive user gets a token too; only is_active shows it (recorded on 1.38).
    return this.#granted(user);
  }

  /** Leaves all tokens valid (read in its code), and updates the user's timestamp. */
  async #changePassword(exchange: Exchange, user: NasUser): Promise<Answer> {
    const body = await jsonBody(exchange, { current_password: 'string', new_password: 'string' });
    if (body.current_password !== user.password) {
      throw refused(400, 'Current password is incorrect');
    }
    this.#users.setPassword(user, body.new_password);
    return json({ message: 'Password changed successfully' });
  }

  async #verify(exchange: Exchange): Promise<Answer> {
    const body = await jsonBody(exchange, { pending_token: 'string', code: 'string' });
    const claims = this.#tokens.read(body.pending_token, '2fa_pending');
    if (claims === null) throw refused(401, 'Invalid or expired 2FA token');
    const user = this.#users.byId(Number(claims.sub));
    if (user === undefined) throw refused(401, 'User not found');
    if (user.twoFactorCode !== body.code) throw refused(401, 'Invalid 2FA code');
    return this.#granted(user);
  }

  async #refresh(exchange: Exchange): Promise<Answer> {
    const body = await jsonBody(exchange, { refresh_token: 'string' });
    const claims = this.#tokens.read(body.refresh_token, 'refresh');
    if (claims === null) throw refused(401, 'Invalid refresh token');
    if (claims.jti === undefined || this.#tokens.isRevoked(claims.jti)) {
      throw refused(401, 'Refresh token has been revoked');
    }
    const user = this.#users.byId(Number(claims.sub));
    if (user === undefined) throw refused(401, 'Invalid refresh token');
    if (!user.isActive) throw refused(401, 'User account is inactive');
    exchange.record.user = user.username;
    return this.#granted(user);
  }

  /** Without a refresh token: a refresh does not rotate it, and a login never gives one. */
  #granted(user: NasUser): Answer {
    return json({
      access_token: this.#tokens.access(user),
      token_type: 'bearer',
      user: publicUser(user),
    });
  }

  #list(): Answer {
    const { all } = this.#users;
    const active = all.filter((user) => user.isActive).length;
    return json({
      users: all.map(publicUser),
      total: all.length,
      active,
      inactive: all.length - active,
      admins: all.filter((user) => user.role === 'admin').length,
    });
  }

  #toggle(exchange: Exchange): Answer {
    const user = this.#users.byId(Number(exchange.param('id')));
    if (user === undefined) throw refused(404, 'User not found');
    this.#users.setActive(user, !user.isActive);
    return json(publicUser(user));
  }
}
