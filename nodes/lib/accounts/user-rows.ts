import { Remembered } from '../store/remembered.ts';
import type { Store } from '../store/store.ts';
import { isRecord } from './token-form.ts';

type Statement = ReturnType<Store['prepare']>;

/** A user as kept, with what the NAS last said of them. */
export interface UserRow {
  readonly id: number;
  readonly username: string;
  readonly role: string;
  /** Seconds of the NAS's clock: newer tokens may change the role, older ones not. */
  readonly roleIatS: number;
  readonly isActive: boolean;
  /** The last time the NAS answered for this user, epoch ms. */
  readonly answeredAtMs: number;
  /** The last logout, deactivation or refused living token, epoch ms. */
  readonly endedAtMs: number | null;
  readonly me: Readonly<Record<string, unknown>> | null;
  readonly permissions: Readonly<Record<string, unknown>> | null;
  readonly permissionsAtMs: number | null;
  /** With the id it says who it is; null until the NAS told. */
  readonly createdAtS: number | null;
}

const COLUMNS = `id, username, role, role_iat_s, is_active, answered_at_ms, ended_at_ms, me_json,
  permissions_json, permissions_at_ms, created_at_s`;

const MOST_REMEMBERED = 200;

/** All SQL of `users`. */
export class UserRows {
  readonly #found: Remembered<number, UserRow | null>;
  readonly #find: Statement;
  readonly #findByName: Statement;
  readonly #namesakes: Statement;
  readonly #answeredSince: Statement;
  readonly #upsert: Statement;
  readonly #deactivate: Statement;
  readonly #end: Statement;
  readonly #me: Statement;
  readonly #permissions: Statement;
  readonly #replace: Statement;
  readonly #replacedOpen: Statement;
  readonly #closeReplacement: Statement;
  readonly #oweLogout: Statement;
  readonly #settleLogout: Statement;
  readonly #owingLogout: Statement;
  readonly #admin: Statement;

  constructor(store: Store) {
    this.#found = new Remembered(store, MOST_REMEMBERED);
    this.#find = store.prepare(`SELECT ${COLUMNS} FROM users WHERE id = ?`);
    this.#findByName = store.prepare(`
      SELECT ${COLUMNS} FROM users WHERE username = ?
      ORDER BY is_active DESC, answered_at_ms DESC LIMIT 1`);
    this.#namesakes = store.prepare(
      'SELECT id FROM users WHERE username = ? AND id <> ? AND is_active = 1',
    );
    this.#answeredSince = store.prepare(
      'SELECT id FROM users WHERE answered_at_ms >= ? AND is_active = 1',
    );
    this.#upsert = store.prepare(`
      INSERT INTO users (id, username, role, role_iat_s, is_active, answered_at_ms)
      VALUES (?, ?, ?, ?, 1, ?)
      ON CONFLICT (id) DO UPDATE SET
        username = excluded.username, role = excluded.role, role_iat_s = excluded.role_iat_s,
        is_active = 1, answered_at_ms = max(answered_at_ms, excluded.answered_at_ms)`);
    // Each end gets a time of its own, so that it can be told from the one before.
    const ended = 'ended_at_ms = max(?, coalesce(ended_at_ms, 0) + 1)';
    this.#deactivate = store.prepare(`UPDATE users SET is_active = 0, ${ended} WHERE id = ?`);
    this.#end = store.prepare(`UPDATE users SET ${ended} WHERE id = ?`);
    this.#me = store.prepare(
      'UPDATE users SET me_json = ?, created_at_s = coalesce(?, created_at_s) WHERE id = ?',
    );
    this.#replace = store.prepare(`
      UPDATE users SET username = ?, role = ?, created_at_s = ?, ${ended}, replaced_open = 1,
        logout_owed = 0, role_iat_s = 0, me_json = NULL, permissions_json = NULL, permissions_at_ms = NULL
      WHERE id = ?`);
    this.#replacedOpen = store.prepare('SELECT id FROM users WHERE replaced_open = 1');
    this.#closeReplacement = store.prepare('UPDATE users SET replaced_open = 0 WHERE id = ?');
    this.#oweLogout = store.prepare('UPDATE users SET logout_owed = 1 WHERE id = ?');
    this.#settleLogout = store.prepare(
      'UPDATE users SET logout_owed = 0 WHERE id = ? AND logout_owed = 1',
    );
    this.#admin = store.prepare("SELECT id FROM users WHERE role = 'admin' LIMIT 1");
    this.#owingLogout = store.prepare('SELECT id FROM users WHERE logout_owed = 1');
    this.#permissions = store.prepare(
      'UPDATE users SET permissions_json = ?, permissions_at_ms = ? WHERE id = ?',
    );
  }

  find(id: number): UserRow | null {
    return this.#found.get(id, () => readRow(this.#find.get(id)));
  }

  /** Whether an admin of the NAS was ever here, switched off by now or not. */
  knowsAdmin(): boolean {
    return this.#admin.get() !== undefined;
  }

  /** The living user of that name, else one that is switched off. */
  findByName(username: string): UserRow | null {
    return readRow(this.#findByName.get(username));
  }

  /** Other users still kept under a name that now belongs to `id`. */
  namesakes(username: string, id: number): readonly number[] {
    return this.#namesakes.all(username, id).map((row) => Number(row['id']));
  }

  /** Ids of active users for whom the NAS answered since then. */
  answeredSince(sinceMs: number): readonly number[] {
    return this.#answeredSince.all(sinceMs).map((row) => Number(row['id']));
  }

  upsert(user: Pick<UserRow, 'id' | 'username' | 'role' | 'roleIatS' | 'answeredAtMs'>): void {
    this.#upsert.run(user.id, user.username, user.role, user.roleIatS, user.answeredAtMs);
  }

  deactivate(id: number, atMs: number): void {
    this.#deactivate.run(atMs, id);
  }

  end(id: number, atMs: number): void {
    this.#end.run(atMs, id);
  }

  keepMe(id: number, me: Readonly<Record<string, unknown>>, createdAtS: number | null): void {
    this.#me.run(JSON.stringify(me), createdAtS, id);
  }

  /** The id is somebody else's from now on: nothing the NAS said of the one before counts. */
  replace(
    { id, username, role, createdAtS }: Pick<UserRow, 'id' | 'username' | 'role' | 'createdAtS'>,
    atMs: number,
  ): void {
    this.#replace.run(username, role, createdAtS, atMs, id);
  }

  /** Ids whose former person the other rooms have not put away yet. */
  replacedOpen(): readonly number[] {
    return this.#replacedOpen.all().map((row) => Number(row['id']));
  }

  closeReplacement(id: number): void {
    this.#closeReplacement.run(id);
  }

  oweLogout(id: number): void {
    this.#oweLogout.run(id);
  }

  settleLogout(id: number): void {
    this.#settleLogout.run(id);
  }

  /** Who signed out here and the NAS was not told. */
  owingLogout(): readonly number[] {
    return this.#owingLogout.all().map((row) => Number(row['id']));
  }

  keepPermissions(id: number, told: Readonly<Record<string, unknown>>, atMs: number): void {
    this.#permissions.run(JSON.stringify(told), atMs, id);
  }
}

function readRow(row: ReturnType<Statement['get']>): UserRow | null {
  if (row === undefined) return null;
  return {
    id: Number(row['id']),
    username: String(row['username']),
    role: String(row['role']),
    roleIatS: Number(row['role_iat_s']),
    isActive: row['is_active'] === 1,
    answeredAtMs: Number(row['answered_at_ms']),
    endedAtMs: readNumber(row['ended_at_ms']),
    me: readObject(row['me_json']),
    permissions: readObject(row['permissions_json']),
    permissionsAtMs: readNumber(row['permissions_at_ms']),
    createdAtS: readNumber(row['created_at_s']),
  };
}

function readNumber(value: unknown): number | null {
  return typeof value === 'number' ? value : null;
}

function readObject(json: unknown): Readonly<Record<string, unknown>> | null {
  const value: unknown = typeof json === 'string' ? JSON.parse(json) : null;
  return isRecord(value) ? value : null;
}
