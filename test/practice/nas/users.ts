import type { Clock } from '../../../nodes/lib/time/clock.ts';
import type { PowerRight, PracticeUser } from './options.ts';
import { naiveSeconds } from './times.ts';

/** An account in its current state. */
export interface NasUser {
  readonly id: number;
  username: string;
  readonly email: string;
  readonly createdAtMs: number;
  readonly twoFactorCode: string | null;
  readonly power: Set<PowerRight>;
  password: string;
  role: 'admin' | 'user';
  isActive: boolean;
  updatedAtMs: number | null;
}

/** The user object of login, refresh and me. */
export function publicUser(user: NasUser): object {
  return {
    username: user.username,
    email: user.email,
    id: user.id,
    role: user.role,
    is_active: user.isActive,
    smb_enabled: false,
    created_at: naiveSeconds(user.createdAtMs),
    updated_at: user.updatedAtMs === null ? null : naiveSeconds(user.updatedAtMs),
  };
}

/** All accounts, by id and by name; names are case-sensitive. */
export class UserDirectory {
  readonly #clock: Clock;
  readonly #byId = new Map<number, NasUser>();

  constructor(users: readonly PracticeUser[], clock: Clock) {
    this.#clock = clock;
    for (const user of users) this.add(user);
  }

  /** By id. */
  get all(): readonly NasUser[] {
    return [...this.#byId.values()].sort((left, right) => left.id - right.id);
  }

  add(user: PracticeUser): NasUser {
    if (this.#byId.has(user.id) || this.named(user.username) !== undefined) {
      throw new Error(`the practice NAS has a user ${user.username} or an id ${String(user.id)}`);
    }
    const added: NasUser = {
      id: user.id,
      username: user.username,
      email: `${user.username}@example.com`,
      createdAtMs: this.#clock.nowMs(),
      twoFactorCode: user.twoFactorCode ?? null,
      power: new Set(user.power),
      password: user.password,
      role: user.role,
      isActive: true,
      updatedAtMs: null,
    };
    this.#byId.set(added.id, added);
    return added;
  }

  /** Its id is free for the next one, as SQLite reuses the highest. */
  remove(user: NasUser): void {
    this.#byId.delete(user.id);
  }

  byId(id: number): NasUser | undefined {
    return this.#byId.get(id);
  }

  named(username: string): NasUser | undefined {
    return [...this.#byId.values()].find((user) => user.username === username);
  }

  /** @throws Error for an unknown name, which tests may have mistyped */
  mustFind(username: string): NasUser {
    const user = this.named(username);
    if (user === undefined) throw new Error(`the practice NAS has no user ${username}`);
    return user;
  }

  setPassword(user: NasUser, password: string): void {
    user.password = password;
    // Published in whole seconds, which no two changes may share.
    user.updatedAtMs = Math.max(this.#clock.nowMs(), (user.updatedAtMs ?? 0) + 1_000);
  }

  setActive(user: NasUser, active: boolean): void {
    user.isActive = active;
    user.updatedAtMs = this.#clock.nowMs();
  }
}
