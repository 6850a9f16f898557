import type { ApiKey, ApiKeys } from './api-keys.ts';
import { jsonBody, unprocessable } from './bodies.ts';
import { adminOnly, type Route } from './router.ts';
import { naive, naiveSeconds } from './times.ts';
import type { NasUser, UserDirectory } from './users.ts';
import { json, refused, type Answer, type Exchange } from './wire.ts';

/** Active keys one admin may have made. */
const KEYS_PER_ADMIN = 25;

const PREFIX_LENGTH = 12;

/** `/api/api-keys`: for admins, who make keys that act as another user. */
export class ApiKeyRoutes {
  readonly #keys: ApiKeys;
  readonly #users: UserDirectory;

  constructor(keys: ApiKeys, users: UserDirectory) {
    this.#keys = keys;
    this.#users = users;
  }

  get routes(): readonly Route[] {
    const limit = { limit: 'admin', by: 'address' } as const;
    return [
      adminOnly('POST /api/api-keys', limit, (exchange, admin) => this.#create(exchange, admin)),
      adminOnly('GET /api/api-keys', limit, (_exchange, admin) => {
        const keys = this.#keys.madeBy(admin.id).map((key) => this.#view(key));
        return json({ keys, total: keys.length });
      }),
      adminOnly('GET /api/api-keys/eligible-users', limit, (_exchange, admin) =>
        json(
          this.#users.all
            .filter((user) => user.isActive && (user.role !== 'admin' || user.id === admin.id))
            .map((user) => ({ id: user.id, username: user.username, role: user.role })),
        ),
      ),
      adminOnly('GET /api/api-keys/{id}', limit, (exchange) =>
        json(this.#view(this.#find(exchange))),
      ),
      adminOnly('DELETE /api/api-keys/{id}', limit, (exchange) => {
        this.#keys.revoke(this.#find(exchange).id);
        return json({ detail: 'API key deleted successfully' });
      }),
    ];
  }

  async #create(exchange: Exchange, admin: NasUser): Promise<Answer> {
    const body = await jsonBody(exchange, {
      name: 'string',
      target_user_id: 'integer',
      expires_in_days: 'integer?',
    });
    const days = body.expires_in_days;
    if (days !== undefined && (days < 1 || days > 365)) throw badDays(days);
    const target = this.#users.byId(body.target_user_id);
    if (target === undefined) throw refused(400, 'Target user not found');
    if (!target.isActive) throw refused(400, 'Target user is inactive');
    if (target.role === 'admin' && target.id !== admin.id) {
      throw refused(400, 'Cannot create API keys for other admin users');
    }
    if (this.#keys.madeBy(admin.id).length >= KEYS_PER_ADMIN) {
      throw refused(400, `Maximum number of active API keys (${String(KEYS_PER_ADMIN)}) reached`);
    }
    const key = this.#keys.create({
      name: body.name,
      targetUserId: target.id,
      createdByUserId: admin.id,
      ...(days === undefined ? {} : { validDays: days }),
    });
    return json(
      {
        id: key.id,
        name: key.name,
        key: key.key,
        key_prefix: key.key.slice(0, PREFIX_LENGTH),
        target_user_id: target.id,
        target_username: target.username,
        created_by_username: admin.username,
        expires_at: key.expiresAtMs === null ? null : naive(key.expiresAtMs),
        created_at: naiveSeconds(key.createdAtMs),
      },
      201,
    );
  }

  #find(exchange: Exchange): ApiKey {
    const key = this.#keys.byId(Number(exchange.param('id')));
    if (key === undefined) throw refused(404, 'API key not found');
    return key;
  }

  #view(key: ApiKey): object {
    return {
      id: key.id,
      name: key.name,
      key_prefix: key.key.slice(0, PREFIX_LENGTH),
      created_by_user_id: key.createdByUserId,
      created_by_username: this.#users.byId(key.createdByUserId)?.username ?? '',
      target_user_id: key.targetUserId,
      target_username: this.#users.byId(key.targetUserId)?.username ?? '',
      is_active: true,
      expires_at: key.expiresAtMs === null ? null : naive(key.expiresAtMs),
      last_used_at: key.lastUsedAtMs === null ? null : naive(key.lastUsedAtMs),
      last_used_ip: key.lastUsedIp,
      use_count: key.useCount,
      created_at: naiveSeconds(key.createdAtMs),
    };
  }
}

function badDays(days: number): Error {
  const msg = 'Expiration must be between 1 and 365 days';
  return unprocessable({
    type: 'value_error',
    loc: ['body', 'expires_in_days'],
    msg: `Value error, ${msg}`,
    input: days,
    ctx: `{'error': ValueError('${msg}')}`,
  });
}
