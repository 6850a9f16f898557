import { createHash } from 'node:crypto';
import type { StatementSync } from 'node:sqlite';
import { Remembered, type Store } from '../store/store.ts';
import type { Caller } from './caller.ts';
import { isRecord } from './nas-answers.ts';

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
    // Each end gets a distinct time, so that it can be told from the previous one.
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

  /** Whether an admin of the NAS was ever here, active or not. */
  knowsAdmin(): boolean {
    return this.#admin.get() !== undefined;
  }

  /** The active user of that name, else a deactivated one. */
  findByName(username: string): UserRow | null {
    return readRow(this.#findByName.get(username));
  }

  /** Other users still kept under a name that now belongs to `id`. */
  namesakes(username: string, id: number): readonly number[] {
    return this.#namesakes.all(username, id).map((row) => Number(row['id']));
  }

  /** Ids of active users whom the NAS has confirmed since then. */
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

  /** The id now belongs to somebody else: nothing the NAS said of its previous owner counts. */
  replace(
    { id, username, role, createdAtS }: Pick<UserRow, 'id' | 'username' | 'role' | 'createdAtS'>,
    atMs: number,
  ): void {
    this.#replace.run(username, role, createdAtS, atMs, id);
  }

  /** Ids whose previous owner the other modules have not removed yet. */
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

  /** Users who signed out here without the NAS knowing yet. */
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

/** A table with an owner per row. */
class RowsOfUsers {
  readonly #dropOfUser: Statement;

  constructor(store: Store, table: string) {
    this.#dropOfUser = store.prepare(`DELETE FROM ${table} WHERE user_id = ?`);
  }

  dropOfUser(userId: number): void {
    this.#dropOfUser.run(userId);
  }
}

/** More devices than anybody has, so that made-up ids do not pile up. */
const MOST_DEVICES = 200;

/** All SQL of `known_devices`. */
export class DeviceRows extends RowsOfUsers {
  readonly #owner: StatementSync;
  readonly #learn: StatementSync;
  readonly #take: StatementSync;
  readonly #cap: StatementSync;

  constructor(store: Store) {
    super(store, 'known_devices');
    this.#owner = store.prepare('SELECT user_id FROM known_devices WHERE device_id = ?');
    this.#learn = store.prepare(`
      INSERT INTO known_devices (device_id, user_id, learnt_at_ms) VALUES (?1, ?2, ?3)
      ON CONFLICT (device_id) DO UPDATE SET learnt_at_ms = ?3 WHERE user_id = ?2`);
    this.#take = store.prepare(`
      INSERT INTO known_devices (device_id, user_id, learnt_at_ms) VALUES (?1, ?2, ?3)
      ON CONFLICT (device_id) DO UPDATE SET user_id = ?2, learnt_at_ms = ?3`);
    this.#cap = store.prepare(`
      DELETE FROM known_devices WHERE user_id = ?1 AND device_id IN (
        SELECT device_id FROM known_devices WHERE user_id = ?1
        ORDER BY learnt_at_ms DESC LIMIT -1 OFFSET ${MOST_DEVICES})`);
  }

  ownerOf(deviceId: string): number | null {
    return readNumber(this.#owner.get(deviceId)?.['user_id']);
  }

  /** The device named itself, so a known owner stays. */
  learn(deviceId: string, userId: number, atMs: number): void {
    this.#learn.run(deviceId, userId, atMs);
    this.#cap.run(userId);
  }

  /** The NAS made that id for this user. */
  take(deviceId: string, userId: number, atMs: number): void {
    this.#take.run(deviceId, userId, atMs);
    this.#cap.run(userId);
  }
}

/** A person's devices and the addresses they were given, with space for those that changed. */
const MOST_PLACES = 50;
/** Addresses are reassigned, so entries expire. */
const FORGOTTEN_AFTER_MS = 90 * 86_400_000;
/** Rewritten at most this often: each write costs a commit. */
const AGAIN_AFTER_MS = 86_400_000;

/** All SQL of `sign_in_places`: from where somebody has signed in before. */
export class PlaceRows extends RowsOfUsers {
  readonly #find: Statement;
  readonly #note: Statement;
  readonly #cap: Statement;

  constructor(store: Store) {
    super(store, 'sign_in_places');
    this.#find = store.prepare('SELECT seen_at_ms FROM sign_in_places WHERE place_hash = ?');
    this.#note = store.prepare(`
      INSERT INTO sign_in_places (place_hash, user_id, seen_at_ms) VALUES (?, ?, ?)
      ON CONFLICT (place_hash) DO UPDATE SET seen_at_ms = excluded.seen_at_ms`);
    this.#cap = store.prepare(`
      DELETE FROM sign_in_places WHERE place_hash IN (
        SELECT place_hash FROM sign_in_places WHERE user_id = ?
        ORDER BY seen_at_ms DESC LIMIT -1 OFFSET ${MOST_PLACES})`);
  }

  /** Whether that user signed in from that address recently. */
  isKnown(userId: number, address: string, nowMs: number): boolean {
    const seenAtMs = this.#seenAtMs(hashOf(userId, address));
    return seenAtMs !== null && nowMs - seenAtMs < FORGOTTEN_AFTER_MS;
  }

  /** That user just signed in from there. */
  note(userId: number, address: string, nowMs: number): void {
    const hash = hashOf(userId, address);
    const seenAtMs = this.#seenAtMs(hash);
    if (seenAtMs !== null && Math.abs(nowMs - seenAtMs) < AGAIN_AFTER_MS) return;
    this.#note.run(hash, userId, nowMs);
    this.#cap.run(userId);
  }

  #seenAtMs(hash: Buffer): number | null {
    const row = this.#find.get(hash);
    return row === undefined ? null : Number(row['seen_at_ms']);
  }
}

function hashOf(userId: number, address: string): Buffer {
  return createHash('sha256').update(`${userId}\0${address}`).digest();
}

/** One Pi token given out. */
interface PiSessionRow {
  readonly jti: string;
  /** SHA-256 of this exact token: any other spelling of it opens nothing. */
  readonly tokenHash: Uint8Array;
  readonly userId: number;
  readonly scope: Caller['scope'];
  /** SHA-256 of the refresh token it was given for; null for a password. */
  readonly refreshHash: Uint8Array | null;
  readonly issuedAtMs: number;
  readonly expiresAtMs: number;
}

/** All SQL of `pi_sessions`. */
export class PiSessionRows extends RowsOfUsers {
  readonly #find: Statement;
  readonly #add: Statement;
  readonly #prune: Statement;
  readonly #dropOfRefresh: Statement;

  constructor(store: Store) {
    super(store, 'pi_sessions');
    this.#find = store.prepare(`
      SELECT jti, token_hash, user_id, scope, refresh_hash, issued_at_ms, expires_at_ms
      FROM pi_sessions WHERE jti = ?`);
    this.#add = store.prepare(`
      INSERT INTO pi_sessions
        (jti, token_hash, user_id, scope, refresh_hash, issued_at_ms, expires_at_ms)
      VALUES (?, ?, ?, ?, ?, ?, ?)`);
    this.#prune = store.prepare('DELETE FROM pi_sessions WHERE expires_at_ms <= ?');
    this.#dropOfRefresh = store.prepare('DELETE FROM pi_sessions WHERE refresh_hash = ?');
  }

  find(jti: string): PiSessionRow | null {
    const row = this.#find.get(jti);
    const tokenHash = row?.['token_hash'];
    const refreshHash = row?.['refresh_hash'];
    if (row === undefined || !(tokenHash instanceof Uint8Array)) return null;
    return {
      jti,
      tokenHash,
      userId: Number(row['user_id']),
      scope: row['scope'] === 'all' ? 'all' : 'wake',
      refreshHash: refreshHash instanceof Uint8Array ? refreshHash : null,
      issuedAtMs: Number(row['issued_at_ms']),
      expiresAtMs: Number(row['expires_at_ms']),
    };
  }

  /** Adds one, and drops those that ended before. */
  add(row: PiSessionRow, overBeforeMs: number): void {
    this.#prune.run(overBeforeMs);
    this.#add.run(
      row.jti,
      row.tokenHash,
      row.userId,
      row.scope,
      row.refreshHash,
      row.issuedAtMs,
      row.expiresAtMs,
    );
  }

  dropOfRefresh(refreshHash: Uint8Array): void {
    this.#dropOfRefresh.run(refreshHash);
  }
}

/** A refresh token the NAS issued or accepted through this Pi. */
interface RefreshRow {
  readonly userId: number;
  /** As the token says; null when it does not. */
  readonly expiresAtMs: number | null;
  /** The device it was given to: the same for all that were exchanged for one another. */
  readonly device: string;
}

/** Whoever holds one user's refresh tokens. */
interface TokenDevice {
  readonly userId: number;
  readonly device: string;
  /** When the NAS last issued or took one of them. */
  readonly acceptedAtMs: number;
  /** Their latest expiry; null where one has none. */
  readonly expiresAtMs: number | null;
}

/** A user's devices, with space for those that were replaced. */
const MOST_REFRESH_TOKENS = 50;

/** More than a household ever ends in the time such a token lives. */
const MAX_ENDED = 10_000;

/** All SQL of `refresh_tokens` and of those a logout ended here, `ended_refresh_tokens`. */
export class RefreshRows extends RowsOfUsers {
  readonly #find: Statement;
  readonly #all: Statement;
  readonly #end: Statement;
  readonly #keep: Statement;
  readonly #cap: Statement;
  readonly #drop: Statement;
  readonly #endOfUser: Statement;
  readonly #capEnded: Statement;
  readonly #isEnded: Statement;

  constructor(store: Store) {
    super(store, 'refresh_tokens');
    this.#find = store.prepare(
      'SELECT user_id, expires_at_ms, device FROM refresh_tokens WHERE token_hash = ?',
    );
    this.#all = store.prepare(`
      SELECT token_hash, user_id, expires_at_ms, device, accepted_at_ms FROM refresh_tokens
      WHERE ?1 IS NULL OR user_id = ?1 ORDER BY accepted_at_ms`);
    this.#end = store.prepare(`
      INSERT OR IGNORE INTO ended_refresh_tokens (token_hash, expires_at_ms, ended_at_ms)
      SELECT token_hash, expires_at_ms, ?2 FROM refresh_tokens WHERE token_hash = ?1`);
    this.#keep = store.prepare(`
      INSERT INTO refresh_tokens (token_hash, user_id, expires_at_ms, device, accepted_at_ms)
      VALUES (?, ?, ?, ?, ?)
      ON CONFLICT (token_hash) DO UPDATE SET
        user_id = excluded.user_id, accepted_at_ms = excluded.accepted_at_ms`);
    this.#cap = store.prepare(`
      DELETE FROM refresh_tokens WHERE user_id = ?1 AND (expires_at_ms < ?2 OR token_hash IN (
        SELECT token_hash FROM refresh_tokens WHERE user_id = ?1
        ORDER BY accepted_at_ms DESC LIMIT -1 OFFSET ${MOST_REFRESH_TOKENS}))`);
    this.#drop = store.prepare('DELETE FROM refresh_tokens WHERE token_hash = ?');
    this.#endOfUser = store.prepare(`
      INSERT OR IGNORE INTO ended_refresh_tokens (token_hash, expires_at_ms, ended_at_ms)
      SELECT token_hash, expires_at_ms, ? FROM refresh_tokens WHERE user_id = ?`);
    this.#capEnded = store.prepare(`
      DELETE FROM ended_refresh_tokens WHERE expires_at_ms < ? OR token_hash IN (
        SELECT token_hash FROM ended_refresh_tokens
        ORDER BY ended_at_ms DESC LIMIT -1 OFFSET ${MAX_ENDED})`);
    this.#isEnded = store.prepare('SELECT 1 FROM ended_refresh_tokens WHERE token_hash = ?');
  }

  find(hash: Uint8Array): RefreshRow | null {
    const row = this.#find.get(hash);
    if (row === undefined) return null;
    const { expires_at_ms: expiresAtMs, device } = row;
    return {
      userId: Number(row['user_id']),
      expiresAtMs: readNumber(expiresAtMs),
      device: typeof device === 'string' ? device : lineageFrom(hash),
    };
  }

  /** The device a refresh token belongs to; one not seen before starts a lineage of its own. */
  deviceOf(hash: Uint8Array): string {
    return this.find(hash)?.device ?? lineageFrom(hash);
  }

  /**
   * Keeps one, and drops that user's expired and surplus ones.
   * @param overBeforeMs tokens that expire earlier count as expired
   */
  keep(hash: Buffer, row: RefreshRow, acceptedAtMs: number, overBeforeMs: number): void {
    this.#keep.run(hash, row.userId, row.expiresAtMs, row.device, acceptedAtMs);
    this.#cap.run(row.userId, overBeforeMs);
  }

  drop(hash: Buffer): void {
    this.#drop.run(hash);
  }

  /**
   * Ends them for good, though the NAS may not know it yet.
   * @param overBeforeMs tokens that expire earlier need not be remembered
   */
  endOfUser(userId: number, atMs: number, overBeforeMs: number): void {
    this.#endOfUser.run(atMs, userId);
    this.dropOfUser(userId);
    this.#capEnded.run(overBeforeMs);
  }

  /** @param userId null for everybody's */
  devices(userId: number | null): readonly TokenDevice[] {
    const devices = new Map<string, TokenDevice>();
    for (const { userId: id, device, acceptedAtMs, expiresAtMs: endMs } of this.#rows(userId)) {
      const key = `${id} ${device}`;
      const before = devices.get(key)?.expiresAtMs ?? 0;
      const expiresAtMs = endMs === null ? null : Math.max(before, endMs);
      devices.set(key, { userId: id, device, acceptedAtMs, expiresAtMs });
    }
    return [...devices.values()];
  }

  /**
   * Ends everything one device of a user holds.
   * @returns the hashes of it
   */
  endOfDevice(userId: number, device: string, atMs: number): readonly Buffer[] {
    const rows = this.#rows(userId).filter((row) => row.device === device);
    for (const { hash } of rows) {
      this.#end.run(hash, atMs);
      this.#drop.run(hash);
    }
    return rows.map(({ hash }) => hash);
  }

  #rows(userId: number | null): readonly (TokenDevice & { readonly hash: Buffer })[] {
    return this.#all.all(userId).map((row) => {
      const hash = Buffer.from(row['token_hash'] as Uint8Array);
      const { device, expires_at_ms: expiresAtMs } = row;
      return {
        hash,
        userId: Number(row['user_id']),
        device: typeof device === 'string' ? device : lineageFrom(hash),
        acceptedAtMs: Number(row['accepted_at_ms']),
        expiresAtMs: readNumber(expiresAtMs),
      };
    });
  }

  isEnded(hash: Buffer): boolean {
    return this.#isEnded.get(hash) !== undefined;
  }
}

function lineageFrom(hash: Uint8Array): string {
  return `refresh:${Buffer.from(hash).toString('base64url')}`;
}

/** What is kept of a password: enough to recognise it, too little to know it. */
export interface VerifierRow {
  readonly salt: Uint8Array;
  readonly hash: Uint8Array;
  /** scrypt's N. */
  readonly cost: number;
}

/** All SQL of `password_verifiers`. */
export class VerifierRows {
  readonly #find: Statement;
  readonly #keep: Statement;
  readonly #drop: Statement;

  constructor(store: Store) {
    this.#find = store.prepare('SELECT salt, hash, cost FROM password_verifiers WHERE user_id = ?');
    this.#keep = store.prepare(`
      INSERT INTO password_verifiers (user_id, salt, hash, cost, created_at_ms)
      VALUES (?, ?, ?, ?, ?)
      ON CONFLICT (user_id) DO UPDATE SET salt = excluded.salt, hash = excluded.hash,
        cost = excluded.cost, created_at_ms = excluded.created_at_ms`);
    this.#drop = store.prepare('DELETE FROM password_verifiers WHERE user_id = ?');
  }

  find(userId: number): VerifierRow | null {
    const row = this.#find.get(userId);
    const salt = row?.['salt'];
    const hash = row?.['hash'];
    if (!(salt instanceof Uint8Array) || !(hash instanceof Uint8Array)) return null;
    return { salt, hash, cost: Number(row?.['cost']) };
  }

  keep(userId: number, verifier: VerifierRow, atMs: number): void {
    this.#keep.run(userId, verifier.salt, verifier.hash, verifier.cost, atMs);
  }

  drop(userId: number): void {
    this.#drop.run(userId);
  }
}

/** What the NAS said of one token. */
export interface IntrospectionRow {
  readonly userId: number;
  readonly kind: 'jwt' | 'api_key';
  /** Null for an API key, whose end only the NAS knows. */
  readonly expiresAtMs: number | null;
  /** The last time the NAS said it is good, epoch ms. */
  readonly confirmedAtMs: number;
  /** Once set it stays: the NAS refused the token, or its user signed out with it. */
  readonly endedAtMs: number | null;
  /** The device whose refresh token came with it; null where it came another way. */
  readonly device: string | null;
}

/** More live tokens than a household ever has; the oldest go first. */
const MAX_ROWS = 5_000;
const SIGN_OUT = `
  INSERT INTO token_verdicts
    (token_hash, user_id, kind, expires_at_ms, confirmed_at_ms, ended_at_ms, signed_out)
  VALUES (?1, ?2, 'jwt', ?3, ?4, ?4, 1)
  ON CONFLICT (token_hash) DO UPDATE SET ended_at_ms = ?4, signed_out = 1
  WHERE ended_at_ms IS NULL`;

const SIGN_OUT_DEVICE = `
  UPDATE token_verdicts SET ended_at_ms = ?, signed_out = 1
  WHERE user_id = ? AND device = ? AND kind = 'jwt' AND ended_at_ms IS NULL`;

/** All SQL of `token_verdicts`. */
export class IntrospectionRows {
  readonly #found: Remembered<string, IntrospectionRow | null>;
  readonly #find: Statement;
  readonly #confirm: Statement;
  readonly #end: Statement;
  readonly #signOut: Statement;
  readonly #signOutDevice: Statement;
  readonly #signInAgain: Statement;
  readonly #endOfUser: Statement;
  readonly #dropOfUser: Statement;
  readonly #prune: Statement;
  readonly #cap: Statement;

  constructor(store: Store) {
    this.#found = new Remembered(store, MOST_REMEMBERED);
    this.#find = store.prepare(`
      SELECT user_id, kind, expires_at_ms, confirmed_at_ms, ended_at_ms, device
      FROM token_verdicts WHERE token_hash = ?`);
    this.#confirm = store.prepare(`
      INSERT INTO token_verdicts
        (token_hash, user_id, kind, expires_at_ms, confirmed_at_ms, device)
      VALUES (?, ?, ?, ?, ?, ?)
      ON CONFLICT (token_hash) DO UPDATE SET
        user_id = excluded.user_id, confirmed_at_ms = excluded.confirmed_at_ms,
        device = coalesce(excluded.device, device)
      WHERE ended_at_ms IS NULL`);
    this.#end = store.prepare(
      'UPDATE token_verdicts SET ended_at_ms = ? WHERE token_hash = ? AND ended_at_ms IS NULL',
    );
    this.#signOut = store.prepare(SIGN_OUT);
    this.#signOutDevice = store.prepare(SIGN_OUT_DEVICE);
    this.#signInAgain = store.prepare(
      'DELETE FROM token_verdicts WHERE token_hash = ? AND signed_out = 1',
    );
    this.#endOfUser = store.prepare(
      'UPDATE token_verdicts SET ended_at_ms = ? WHERE user_id = ? AND ended_at_ms IS NULL',
    );
    this.#dropOfUser = store.prepare(
      'DELETE FROM token_verdicts WHERE user_id = ? AND ended_at_ms IS NULL',
    );
    this.#prune = store.prepare(`
      DELETE FROM token_verdicts
      WHERE (kind = 'jwt' AND expires_at_ms < ?) OR (kind = 'api_key' AND confirmed_at_ms < ?)`);
    this.#cap = store.prepare(`
      DELETE FROM token_verdicts WHERE token_hash IN (
        SELECT token_hash FROM token_verdicts
        ORDER BY confirmed_at_ms DESC LIMIT -1 OFFSET ${MAX_ROWS})`);
  }

  find(hash: Buffer): IntrospectionRow | null {
    return this.#found.get(hash.toString('latin1'), () => this.#read(hash));
  }

  #read(hash: Buffer): IntrospectionRow | null {
    const row = this.#find.get(hash);
    if (row === undefined) return null;
    const { expires_at_ms: expiresAtMs, ended_at_ms: endedAtMs, device } = row;
    return {
      userId: Number(row['user_id']),
      kind: row['kind'] === 'jwt' ? 'jwt' : 'api_key',
      expiresAtMs: readNumber(expiresAtMs),
      confirmedAtMs: Number(row['confirmed_at_ms']),
      endedAtMs: readNumber(endedAtMs),
      device: typeof device === 'string' ? device : null,
    };
  }

  /** Does nothing to a result that has ended. */
  confirm(hash: Buffer, row: Omit<IntrospectionRow, 'endedAtMs'>): void {
    const { userId, kind, expiresAtMs, confirmedAtMs, device } = row;
    this.#confirm.run(hash, userId, kind, expiresAtMs, confirmedAtMs, device);
  }

  /** @returns whether there was a result that had not ended */
  end(hash: Buffer, atMs: number): boolean {
    return Number(this.#end.run(atMs, hash).changes) > 0;
  }

  /** Its user signed out with it: it is over, though the NAS accepts it until `expiresAtMs`. */
  signOut(hash: Buffer, userId: number, expiresAtMs: number, atMs: number): void {
    this.#signOut.run(hash, userId, expiresAtMs, atMs);
  }

  /** The same for the earlier tokens of that device. */
  signOutDevice(userId: number, device: string, atMs: number): void {
    this.#signOutDevice.run(atMs, userId, device);
  }

  /**
   * The NAS just issued it to somebody who proved who they are. Two tokens of one user from the
   * same second are the same text, so it may be one that was signed out with.
   */
  signInAgain(hash: Buffer): void {
    this.#signInAgain.run(hash);
  }

  endOfUser(userId: number, atMs: number): void {
    this.#endOfUser.run(atMs, userId);
  }

  /** Forgets the living ones; what the NAS refused stays refused. */
  dropOfUser(userId: number): void {
    this.#dropOfUser.run(userId);
  }

  /** Drops the oldest beyond what a household ever needs. */
  cap(): void {
    this.#cap.run();
  }

  /** Drops what can never be valid again. Both bounds in epoch ms. */
  prune(jwtsExpiredBeforeMs: number, keysConfirmedBeforeMs: number): void {
    this.#prune.run(jwtsExpiredBeforeMs, keysConfirmedBeforeMs);
  }
}
