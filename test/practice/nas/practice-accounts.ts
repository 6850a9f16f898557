import type { ApiKeys } from './api-keys.ts';
import type { PracticeUser } from './options.ts';
import type { TokenMint } from './tokens.ts';
import type { UserDirectory } from './users.ts';

/** How long a device's registration lasts here. */
const REGISTERED_MS = 90 * 86_400_000;

/** Accounts as an admin would change them, for tests. Unknown names throw. */
export class PracticeAccounts {
  readonly #users: UserDirectory;
  readonly #tokens: TokenMint;
  readonly #keys: ApiKeys;
  readonly #welcome: (username: string) => Promise<void>;

  /** @param welcome makes the home of a new user */
  constructor(
    users: UserDirectory,
    tokens: TokenMint,
    keys: ApiKeys,
    welcome: (username: string) => Promise<void>,
  ) {
    this.#users = users;
    this.#tokens = tokens;
    this.#keys = keys;
    this.#welcome = welcome;
  }

  async add(user: PracticeUser): Promise<void> {
    await this.#welcome(this.#users.add(user).username);
  }

  /** Deletes a user and gives the id to a new one. The former's files stay where they are. */
  async reuseId(username: string, by: Omit<PracticeUser, 'id'>): Promise<void> {
    const gone = this.#users.mustFind(username);
    this.#users.remove(gone);
    await this.add({ ...by, id: gone.id });
  }

  rename(username: string, to: string): void {
    this.#users.mustFind(username).username = to;
  }

  setActive(username: string, active: boolean): void {
    this.#users.setActive(this.#users.mustFind(username), active);
  }

  setPassword(username: string, password: string): void {
    this.#users.mustFind(username).password = password;
  }

  setRole(username: string, role: 'admin' | 'user'): void {
    this.#users.mustFind(username).role = role;
  }

  /** As any logout of that user does. */
  revokeRefreshTokens(username: string): void {
    this.#tokens.revokeAllOf(this.#users.mustFind(username).id);
  }

  /** A live access token that does not count as a login. */
  accessToken(username: string): string {
    return this.#tokens.access(this.#users.mustFind(username));
  }

  /** Ends all access tokens as if their 15 minutes were over, so that a test need not wait. */
  endAccessTokens(): void {
    this.#tokens.endAccess();
  }

  /** A refresh token of a device registered without the Pi. */
  refreshToken(username: string): string {
    return this.#tokens.refresh(this.#users.mustFind(username), REGISTERED_MS);
  }

  /** An API key that acts as this user, as the first admin would make one. */
  apiKey(username: string): string {
    const { id } = this.#users.mustFind(username);
    return this.#keys.create({ name: `for ${username}`, targetUserId: id, createdByUserId: 1 }).key;
  }
}
