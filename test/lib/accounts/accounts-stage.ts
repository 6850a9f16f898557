import jwt from 'jsonwebtoken';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  Accounts,
  type Caller,
  NewestTimeRows,
  type SignInOutcome,
} from '../../../nodes/lib/accounts/accounts.ts';
import type { AuthResult } from '../../../nodes/lib/accounts/caller.ts';
import type { NasApiCall, NasCallOptions } from '../../../nodes/lib/nas/nas-client.ts';
import type {
  NasApi,
  NasClient,
  NasJson,
  NasPresence,
  NasState,
} from '../../../nodes/lib/nas/nas.ts';
import { QUEUE_MIGRATIONS } from '../../../nodes/lib/store/databases.ts';
import { Store } from '../../../nodes/lib/store/store.ts';
import { type NewestTimeStore, TrustedTime } from '../../../nodes/lib/time/trusted-time.ts';
import { KeptLog } from '../../fakes/kept-log.ts';
import { authResultOf } from '../../fakes/auth-result.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

export const HOUR_MS = 3_600_000;
export const MINUTE_MS = 60_000;
export const SECRET_KEY = 'a secret of the Pi that is long enough 0123456789';
const NAS_SECRET = 'the secret that only the NAS knows';

export interface NasAccount {
  readonly id: number;
  username: string;
  createdAt: string;
  password: string;
  role: string;
  isActive: boolean;
  secondFactor: boolean;
  /** Changes whenever the password does. */
  updatedAt: string | null;
}

export interface NasAsk {
  readonly call: string;
  readonly secret: string;
  readonly auto: boolean;
}

/** Per minute in production (read on 1.38). */
const LIMITS: Readonly<Record<string, number>> = { login: 5, verifyTwoFactor: 5, refresh: 10 };

/** A NAS that answers as BaluHost 1.38 (recorded on 1.38), without HTTP. */
export class PracticeAccounts {
  readonly asks: NasAsk[] = [];
  readonly apiKeys = new Map<string, number>();
  readonly refreshTokens = new Map<string, number>();
  readonly accounts: NasAccount[] = [
    account(1, 'admin', 'admin-password', 'admin'),
    account(4, 'alice', 'alice-password', 'user'),
    account(5, 'bob', 'bob-password', 'user'),
  ];
  /**
   * Limits the Pi to 5 sign-ins, 5 second factors and 10 refreshes a minute, as production does.
   */
  isLimited = false;
  /** The answer of `my-permissions` for everybody. */
  permissions: Readonly<Record<string, unknown>> = { can_wake: false, can_wol: true };
  /** Desktops on the NAS's list of syncing devices. */
  readonly desktops = new Set<string>();
  readonly #codes = new Map<string, { deviceId: string; approvedBy: string | null }>();
  readonly #counted = new Map<string, number[]>();
  /** The answer to every call in place of the real one. */
  broken: NasJson | null = null;
  /** The answer to calls of that name in place of the real one. */
  readonly brokenCalls = new Map<string, NasJson>();
  /** Awaited before each answer, so that a test may hold it. */
  before: (call: string) => Promise<void> = () => Promise.resolve();
  readonly #clock: ManualClock;

  constructor(clock: ManualClock) {
    this.#clock = clock;
  }

  get client(): NasClient {
    return {
      login: (username, password) =>
        this.#answer('login', password, true, () => this.#login(username, password)),
      verifyTwoFactor: (pending, code) =>
        this.#answer('verifyTwoFactor', pending, true, () => this.#verify(pending, code)),
      refresh: (token) => this.#answer('refresh', token, true, () => this.#refresh(token)),
      logout: (token) => this.#answer('logout', token, true, () => this.#logout(token)),
      me: (token, options) =>
        this.#answer('me', token, options, () => this.#guarded(token, (a) => told(a))),
      preflight: (token, options) =>
        this.#answer('preflight', token, options, () =>
          this.#guarded(token, () => ({ sync_allowed: true, current_sleep_state: 'awake' })),
        ),
      myPermissions: (token, options) =>
        this.#answer('myPermissions', token, options, () =>
          this.#guarded(token, () => this.permissions),
        ),
      systemInfo: unused,
      sharedWithMe: unused,
      list: unused,
      download: unused,
      mkdir: unused,
      openUpload: () => {
        throw new Error('not played here');
      },
    };
  }

  /** Calls without a method of their own. */
  get api(): Pick<NasApi, 'call'> {
    return {
      call: (wanted) => {
        const { path, token = '', auto = false } = wanted;
        return this.#answer(path, token, { auto }, () => this.#call(wanted));
      },
    };
  }

  /** Approves every pending desktop. */
  approve(username: string): void {
    for (const asking of this.#codes.values()) asking.approvedBy ??= username;
  }

  asked(call: string): number {
    return this.asks.filter((ask) => ask.call === call).length;
  }

  /** Deletes an account and gives its id to a new one, as SQLite reuses the highest rowid. */
  reuse(username: string, by: string): NasAccount {
    const at = this.accounts.findIndex((one) => one.username === username);
    const { id } = this.account(username);
    const createdAt = new Date(this.#clock.nowMs()).toISOString().slice(0, 19);
    const next = { ...account(id, by, `${by}-password`, 'user'), createdAt };
    this.accounts.splice(at, 1, next);
    return next;
  }

  account(username: string): NasAccount {
    const found = this.accounts.find((one) => one.username === username);
    if (found === undefined) throw new Error(`no account ${username}`);
    return found;
  }

  token(username: string, claims: Record<string, unknown> = {}): string {
    const { id, role } = this.account(username);
    const iat = Math.floor(this.#clock.nowMs() / 1_000);
    const sub = String(id);
    const all = { sub, username, role, type: 'access', exp: iat + 900, iat, ...claims };
    // Through JSON, which drops `undefined` claims.
    return jwt.sign(JSON.stringify(all), NAS_SECRET, { header: { alg: 'HS256', typ: 'JWT' } });
  }

  refreshToken(username: string, days = 90): string {
    const { id } = this.account(username);
    const iat = Math.floor(this.#clock.nowMs() / 1_000);
    const jti = randomUUID();
    const claims = { sub: String(id), jti, type: 'refresh', exp: iat + days * 86_400, iat };
    const token = jwt.sign(claims, NAS_SECRET);
    this.refreshTokens.set(token, id);
    return token;
  }

  async #answer(
    call: string,
    secret: string,
    options: NasCallOptions | true | undefined,
    work: () => NasJson,
  ): Promise<NasJson> {
    this.asks.push({ call, secret, auto: options === true || options?.auto === true });
    await this.before(call);
    return this.broken ?? this.brokenCalls.get(call) ?? this.#limited(call) ?? work();
  }

  #limited(call: string): NasJson | null {
    const limit = LIMITS[call];
    if (!this.isLimited || limit === undefined) return null;
    const nowMs = this.#clock.monotonicMs();
    const counted = (this.#counted.get(call) ?? []).filter((atMs) => nowMs - atMs < MINUTE_MS);
    if (counted.length >= limit) return said(429, 'Rate limit exceeded');
    this.#counted.set(call, [...counted, nowMs]);
    return null;
  }

  #call({ path, body, token = '' }: NasApiCall): NasJson {
    const given = (body ?? {}) as Readonly<Record<string, string>>;
    if (path === '/api/desktop-pairing/device-code') {
      const device_code = `code-${String(this.#codes.size)}`;
      this.#codes.set(device_code, { deviceId: given['device_id'] ?? '', approvedBy: null });
      return ok({ device_code, user_code: '123456', expires_in: 600, interval: 5 });
    }
    if (path === '/api/desktop-pairing/poll') return this.#poll(given['device_code'] ?? '');
    const device = /^\/api\/sync\/status\/(.+)$/.exec(path)?.[1] ?? '';
    const guarded = this.#guarded(token, () => ({ status: 'synced' }));
    if (guarded.kind !== 'answer' || guarded.status !== 200) return guarded;
    return this.desktops.has(device) ? guarded : said(404, 'Device not registered');
  }

  /** The NAS never stores its refresh token (recorded on 1.38). */
  #poll(code: string): NasJson {
    const asking = this.#codes.get(code);
    if (asking === undefined) return said(404, 'Invalid device code');
    const { deviceId, approvedBy } = asking;
    if (approvedBy === null) return ok({ status: 'authorization_pending' });
    this.#codes.delete(code);
    this.desktops.add(deviceId);
    const refresh_token = this.refreshToken(approvedBy, 7);
    this.refreshTokens.delete(refresh_token);
    const { id, username, role } = this.account(approvedBy);
    return ok({
      ...{ status: 'approved', access_token: this.token(approvedBy), refresh_token },
      ...{ token_type: 'bearer', user: { id, username, email: '', role } },
    });
  }

  #login(username: string, password: string): NasJson {
    const found = this.accounts.find((one) => one.username === username);
    if (found?.password !== password) return said(401, 'Invalid credentials');
    if (found.secondFactor) {
      const claims = { sub: String(found.id), type: '2fa_pending' };
      const pending_token = jwt.sign(claims, NAS_SECRET);
      return ok({ requires_2fa: true, pending_token, token_type: '2fa_pending' });
    }
    return ok(this.#signedIn(found));
  }

  #verify(pending: string, code: string): NasJson {
    const claims = jwt.decode(pending) as { sub: string };
    const found = this.accounts.find((one) => String(one.id) === claims.sub);
    if (found === undefined || code !== '123456') return said(401, 'Invalid 2FA code');
    return ok(this.#signedIn(found));
  }

  #refresh(token: string): NasJson {
    const found = this.accounts.find((one) => one.id === this.refreshTokens.get(token));
    if (found === undefined) return said(401, 'Refresh token has been revoked');
    return ok(this.#signedIn(found));
  }

  #logout(token: string): NasJson {
    return this.#guarded(token, ({ id }) => {
      for (const [refresh, owner] of this.refreshTokens) {
        if (owner === id) this.refreshTokens.delete(refresh);
      }
      return { message: 'Logged out' };
    });
  }

  #guarded(token: string, body: (of: NasAccount) => unknown): NasJson {
    const id = this.apiKeys.get(token) ?? this.#subjectOf(token);
    const found = this.accounts.find((one) => one.id === id);
    if (found === undefined) return said(401, 'Could not validate credentials');
    if (!found.isActive) {
      const isKey = this.apiKeys.has(token);
      return said(401, isKey ? 'API key target user inactive' : 'User account is inactive');
    }
    return ok(body(found));
  }

  #subjectOf(token: string): number | null {
    try {
      const clockTimestamp = Math.floor(this.#clock.nowMs() / 1_000);
      const claims = jwt.verify(token, NAS_SECRET, { algorithms: ['HS256'], clockTimestamp });
      return typeof claims === 'object' ? Number(claims.sub) : null;
    } catch {
      return null;
    }
  }

  #signedIn(of: NasAccount): unknown {
    return { access_token: this.token(of.username), token_type: 'bearer', user: told(of) };
  }
}

function account(id: number, username: string, password: string, role: string): NasAccount {
  const createdAt = '2026-01-23T15:57:59';
  return {
    id,
    username,
    createdAt,
    password,
    role,
    isActive: true,
    secondFactor: false,
    updatedAt: null,
  };
}

/** Field for field as recorded, including times without a zone. */
function told({
  id,
  username,
  role,
  isActive,
  createdAt,
  updatedAt,
}: NasAccount): Record<string, unknown> {
  return {
    username,
    email: `${username}@example.com`,
    id,
    role,
    is_active: isActive,
    smb_enabled: false,
    created_at: createdAt,
    updated_at: updatedAt,
  };
}

export function ok(body: unknown): NasJson {
  return { kind: 'answer', status: 200, body };
}

export function said(status: number, detail: string): NasJson {
  return { kind: 'answer', status, body: { detail } };
}

export const GONE: NasJson = { kind: 'unreachable', cause: new Error('connect ECONNREFUSED') };

function unused(): never {
  throw new Error('not played here');
}

/** A presence that a test sets. */
export class SetPresence implements NasPresence {
  state: NasState = {
    awake: true,
    reachable: true,
    sleepState: 'awake',
    reachableBy: 'http',
    everSeen: true,
    version: '1.38.0',
    sinceMs: 0,
    lastSeenMs: 0,
    nextWakeAt: null,
  };

  heard(): void {
    this.state = { ...this.state, reachable: true };
  }

  silent(): void {
    this.state = { ...this.state, awake: false, reachable: false, sleepState: 'unreachable' };
  }

  readonly #listeners = new Set<(state: NasState) => void>();

  onChange(listener: (state: NasState) => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  awoke(): void {
    this.state = { ...this.state, awake: true, reachable: true, sleepState: 'awake' };
    for (const listener of this.#listeners) listener(this.state);
  }
}

export interface StageOptions {
  readonly graceHours?: number;
  readonly startMs?: number;
  readonly buildDateMs?: number;
  readonly secretKey?: string;
  readonly scryptCost?: number;
  readonly desktopRefresh?: 'auto' | 'off';
}

/** The accounts over a real database file, with a NAS and a clock that the test moves. */
export class Stage {
  readonly folder = mkdtempSync(join(tmpdir(), 'balupi-accounts-'));
  readonly clock: ManualClock;
  readonly nas: PracticeAccounts;
  readonly presence = new SetPresence();
  readonly log = new KeptLog();
  readonly options: StageOptions;
  budget = 100;
  /** Whether time synchronisation and the NAS both confirm the clock. */
  isClockProved = true;
  /** Credentials stored to act for somebody, by user id; none by default. */
  readonly stored = new Map<number, string>();
  store: Store;
  time: TrustedTime;
  accounts: Accounts;

  constructor(options: StageOptions = {}) {
    this.options = options;
    this.clock = new ManualClock(options.startMs ?? Date.parse('2026-02-22T14:30:00Z'));
    this.nas = new PracticeAccounts(this.clock);
    ({ store: this.store, time: this.time, accounts: this.accounts } = this.#open(this.clock));
  }

  #timeStore(store: Store): NewestTimeStore {
    const rows = new NewestTimeRows(store, (this.options.graceHours ?? 72) * 3_600_000);
    return {
      read: () => rows.read(),
      write: (newestMs, acceptedMs) => {
        rows.write(newestMs, acceptedMs);
      },
      putRight: (fromMs, toMs, refutedBuildMs) => {
        rows.putRight(fromMs, toMs, refutedBuildMs);
        this.accounts.users.clockPutRight();
      },
    };
  }

  #open(clock: ManualClock): { store: Store; time: TrustedTime; accounts: Accounts } {
    const store = Store.open({
      file: join(this.folder, 'queue.db'),
      name: 'queue',
      synchronous: 'FULL',
      migrations: QUEUE_MIGRATIONS,
    });
    const time = new TrustedTime({
      clock,
      store: this.#timeStore(store),
      buildDateMs: this.options.buildDateMs ?? 0,
      proofs: () => (this.isClockProved ? { wallMs: clock.nowMs(), nasMs: clock.nowMs() } : null),
      log: this.log,
    });
    const accounts = new Accounts({
      store,
      clock,
      time,
      nas: this.nas.client,
      api: this.nas.api,
      presence: this.presence,
      secretKey: this.options.secretKey ?? SECRET_KEY,
      offlineGraceHours: this.options.graceHours ?? 72,
      // Cheap, as few of these tests are about the cost of a guess.
      scryptCost: this.options.scryptCost ?? 2 ** 8,
      budget: {
        take: () => {
          this.budget -= 1;
          return this.budget >= 0;
        },
        made: () => undefined,
      },
      stored: {
        tokenOf: (userId) => Promise.resolve(this.stored.get(userId) ?? null),
        holdsFor: (userId) => this.stored.has(userId),
        refused: () => Promise.resolve(),
      },
      desktopRefresh: this.options.desktopRefresh ?? 'auto',
      storedTokenOf: (userId) => Promise.resolve(this.stored.get(userId) ?? null),
      log: this.log,
    });
    return { store, time, accounts };
  }

  /** A power cut and a restart over the same file. */
  restart(wallMs?: number): void {
    this.store.close();
    if (wallMs !== undefined) this.clock.stepWallTo(wallMs);
    ({ store: this.store, time: this.time, accounts: this.accounts } = this.#open(this.clock));
  }

  async close(): Promise<void> {
    await this.accounts.stop();
    this.store.close();
    rmSync(this.folder, { recursive: true, force: true });
  }

  sleep(): void {
    this.nas.broken = GONE;
    this.presence.silent();
  }

  softSleep(): void {
    this.nas.broken = null;
    const { state } = this.presence;
    this.presence.state = { ...state, awake: false, reachable: true, sleepState: 'soft_sleep' };
  }

  wake(): void {
    this.nas.broken = null;
    this.presence.awoke();
  }

  login(username: string, password: string, address = '192.168.1.10'): Promise<SignInOutcome> {
    return this.accounts.login({ username, password, address });
  }

  refresh(token: string, address = '192.168.1.10'): Promise<SignInOutcome> {
    return this.accounts.refresh(token, address);
  }

  /** How a request with that bearer token is answered; empty for a request without one. */
  authenticate(token: string): Promise<AuthResult> {
    return authResultOf(this.accounts, token);
  }

  async caller(token: string): Promise<Caller> {
    const result = await this.authenticate(token);
    if (result.kind !== 'caller') throw new Error(`not let in: ${result.code}`);
    return result.caller;
  }
}

/** An authentication result in one word. */
export function word(result: AuthResult): string {
  return result.kind === 'caller' ? result.caller.user.username : result.code;
}

/** An outcome in one word: the code, or the status of an answer. */
export function outcomeWord(outcome: SignInOutcome): string {
  if (outcome.kind === 'refused') return outcome.code;
  return outcome.kind === 'passed' ? `passed ${outcome.status}` : 'issued';
}

/** The access token of an outcome that let somebody in. */
export function tokenOf(outcome: SignInOutcome): string {
  if (outcome.kind === 'refused') throw new Error(`refused: ${outcome.code}`);
  return (outcome.body as { access_token: string }).access_token;
}
