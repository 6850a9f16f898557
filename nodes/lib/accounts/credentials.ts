import { createHmac } from 'node:crypto';
import { errorKind, type Log } from '../log/log.ts';
import type { NasApi, NasClient, NasPresence } from '../nas/nas.ts';
import type { Store } from '../store/store.ts';
import type { Cancel, Clock } from '../time/clock.ts';
import type { TrustedClock } from '../time/trusted-time.ts';
import type { User } from './caller.ts';
import {
  type CredentialKind,
  type CredentialRow,
  CredentialRows,
  type CredentialState,
} from './credential-rows.ts';
import { CredentialCipher, CredentialVault } from './credential-vault.ts';
import {
  DeviceCalls,
  DeviceCredentials,
  type NasDevice,
  type Whose,
  whoseToken,
} from './device-credentials.ts';
import { RateLimiter } from '../limits/limits.ts';
import { readTokenForm, SingleFlight } from './nas-answers.ts';

const ROW_ID_BYTES = 9;
/** How long until the NAS takes refreshes again, ms. */
const ROUND_MS = 61_000;
const MOST_ROUNDS = 8;

interface CredentialsDeps {
  /** The queue database. */
  readonly store: Store;
  readonly clock: Clock;
  readonly time: TrustedClock;
  readonly log: Log;
  readonly nas: Pick<NasClient, 'me' | 'refresh'> & Pick<NasApi, 'call'>;
  readonly presence: NasPresence;
  /** SECRET_KEY, at least 32 characters. */
  readonly secretKey: string;
  /** ENROL. */
  readonly enrol: 'auto' | 'off';
  readonly randomBytes: (size: number) => Buffer;
  readonly userOf: (userId: number) => User | null;
  /** The newest token of that user that the NAS confirmed recently, as a last resort. */
  readonly liveToken: (userId: number) => string | null;
  /** Whether that token has ended, also by a logout. */
  readonly isOver: (token: string) => boolean;
  /** Takes one of the refreshes per minute that the NAS allows the Pi's address. */
  readonly takeRefresh: () => boolean;
  /** Called when the NAS refuses a token that is not stored. */
  readonly refusedElsewhere: (token: string) => void;
  /** Called when a user's stored credential ended, by the NAS's word or the user's. */
  readonly onEnded: (userId: number) => void;
  /** Called when that user can be acted for again. */
  readonly onReady: (userId: number) => void;
}

/** A stored credential as people may see it: never its secret. */
export interface CredentialView {
  readonly username: string;
  readonly kind: CredentialKind;
  readonly state: CredentialState;
  readonly lastUsedMs: number | null;
  readonly expiresAtMs: number | null;
  readonly createdAtMs: number;
  readonly detail: string | null;
}

export type KeyStored =
  | { readonly kind: 'stored'; readonly credential: CredentialView }
  /** Not a key the NAS knows, or somebody else's. */
  | { readonly kind: 'refused'; readonly detail: string };

/**
 * Credentials the Pi uses to act for a user later (contract 2): an API key stored by an admin, else
 * its own registration as a device of that user, else the user's own live token. None is ever used
 * for anybody but the user the NAS says it belongs to.
 */
export class Credentials {
  readonly #deps: CredentialsDeps;
  readonly #vault: CredentialVault;
  readonly #keys: KeyCredentials;
  readonly #devices: DeviceCredentials;
  readonly #calls: DeviceCalls;
  readonly #enrolment: Enrolment;
  readonly #flight = new SingleFlight<string | null>();
  #unlisten: () => void = () => undefined;
  readonly #inTurn: InTurn;
  /** By user: waiting for the minute in which the NAS takes another registration. */
  readonly #later = new Map<number, Cancel>();

  constructor(deps: CredentialsDeps) {
    this.#deps = deps;
    const { nas, clock, time, secretKey, randomBytes, isOver } = deps;
    const rows = new CredentialRows(deps.store, (userId) => {
      if (!this.#enrolment.isSuspect(userId)) deps.onEnded(userId);
    });
    const cipher = new CredentialCipher(secretKey, randomBytes);
    const newId = (): string => randomBytes(ROW_ID_BYTES).toString('base64url');
    const vault = new CredentialVault({ rows, cipher, time, newId });
    const calls = new DeviceCalls(nas, `BaluPi ${piMark(secretKey)}`);
    const devices = new DeviceCredentials({
      ...{ vault, nas, calls, clock, time },
      takeRefresh: deps.takeRefresh,
    });
    this.#inTurn = new InTurn(deps.log);
    this.#vault = vault;
    this.#calls = calls;
    this.#devices = devices;
    this.#keys = new KeyCredentials(vault, nas, clock);
    this.#enrolment = new Enrolment({ vault, devices, calls, clock, time, isOver });
  }

  /** Finds what a changed SECRET_KEY made unreadable, and listens for the NAS. */
  start(): void {
    const { log, presence } = this.#deps;
    const unreadable = this.#vault.inspect();
    if (unreadable > 0) {
      log.warn(`${unreadable} stored credentials cannot be read: SECRET_KEY was changed.`);
    }
    this.#unlisten = presence.onChange((state) => {
      if (state.awake) this.#inTurn.add(() => this.#checkKeys());
    });
  }

  async stop(): Promise<void> {
    this.#unlisten();
    await this.#inTurn.stop();
    for (const cancel of this.#later.values()) cancel();
  }

  /** A token of that very user, best first, or null where there is none now. Never wakes the NAS. */
  async credentialFor(userId: number): Promise<string | null> {
    return (await this.storedFor(userId)) ?? this.#deps.liveToken(userId);
  }

  /** As {@link credentialFor}, with what is stored only. */
  async storedFor(userId: number): Promise<string | null> {
    const { presence, userOf } = this.#deps;
    if (!presence.state.awake) return null;
    return await this.#flight.run(String(userId), async () => {
      const username = userOf(userId)?.username ?? null;
      return (await this.#keys.usable(userId, username)) ?? (await this.#devices.usable(userId));
    });
  }

  /**
   * Whether a usable credential is stored for that user, even where {@link credentialFor} has no
   * token now because the NAS gave none and is not asked again at once.
   */
  holdsFor(userId: number): boolean {
    const username = this.#deps.userOf(userId)?.username;
    return this.#vault.rows.all().some((row) => {
      const isTheirs = row.userId === null ? row.username === username : row.userId === userId;
      return isTheirs && (row.state === 'ok' || row.state === 'unchecked');
    });
  }

  /** The NAS answered 401 to this token, whosever it is. */
  async refused(token: string): Promise<void> {
    for (const row of this.#vault.rows.all()) {
      if (row.kind === 'api_key' && this.#vault.secretOf(row) === token) {
        await this.#keys.refused(row);
        return;
      }
      if (row.kind !== 'device' || !this.#devices.forget(row, token)) continue;
      if (row.userId !== null) this.#deps.onEnded(row.userId);
      return;
    }
    this.#deps.refusedElsewhere(token);
  }

  /** The NAS just confirmed a token of that user. */
  confirmed(user: User, token: string): void {
    const { enrol, presence } = this.#deps;
    if (enrol === 'off' || !presence.state.awake) return;
    this.#inTurn.add(() => this.#enrol(user, token));
  }

  loggedOut(userId: number): void {
    this.#later.get(userId)?.();
    this.#later.delete(userId);
    this.#enrolment.suspect(userId);
  }

  /** That id now belongs to another person: nothing here acts for its previous owner. */
  dropUser(userId: number): void {
    this.#later.get(userId)?.();
    this.#later.delete(userId);
    this.#enrolment.forget(userId);
    for (const row of this.#vault.rows.all()) {
      if (row.userId !== userId) continue;
      this.#devices.doubt(row);
      this.#vault.rows.delete(row.id);
    }
  }

  list(): readonly CredentialView[] {
    return this.#vault.rows.all().map(viewOf);
  }

  /** Stores an admin's key for a user; while the NAS cannot be asked it is kept and not used. */
  async storeKey(username: string, apiKey: string): Promise<KeyStored> {
    const { nas, presence, onReady } = this.#deps;
    if (readTokenForm(apiKey).kind !== 'api_key') {
      return { kind: 'refused', detail: 'This is no API key of the NAS; one begins with balu_.' };
    }
    const whose = presence.state.reachable
      ? await whoseToken(nas, apiKey)
      : ({ kind: 'silent' } as const);
    if (whose.kind === 'refused') {
      return { kind: 'refused', detail: 'The NAS does not know this key.' };
    }
    if (whose.kind === 'inactive') {
      return { kind: 'refused', detail: 'The user of this key is switched off on the NAS.' };
    }
    if (whose.kind === 'user' && whose.username !== username) {
      return { kind: 'refused', detail: 'This key belongs to somebody else.' };
    }
    const row = this.#vault.keep({
      kind: 'api_key',
      username,
      userId: whose.kind === 'user' ? whose.id : null,
      state: whose.kind === 'user' ? 'ok' : 'unchecked',
      secret: apiKey,
      deviceId: null,
      expiresAtMs: null,
    });
    if (whose.kind === 'user') {
      this.#keys.proven(row);
      onReady(whose.id);
    }
    return { kind: 'stored', credential: viewOf(row) };
  }

  /**
   * Forgets what is stored for a user. A device is taken off the user's list where the NAS is awake
   * and not registered again; removing it once more forgets that too.
   * @param kind null for both
   * @returns whether there was anything
   */
  async remove(username: string, kind: CredentialKind | null): Promise<boolean> {
    const kinds: readonly CredentialKind[] = kind === null ? ['api_key', 'device'] : [kind];
    let found = false;
    for (const each of kinds) {
      const row = this.#vault.rows.named(username, each);
      if (row === null) continue;
      found = true;
      await this.#forget(row);
    }
    return found;
  }

  /**
   * Removes the Pi's own devices from their users' lists, for a Pi that is being retired. The NAS
   * limits requests per minute, so many users take a few minutes.
   * @returns how many were removed, and how many stay because the NAS cannot do it now
   */
  async unregister(): Promise<{ readonly removed: number; readonly left: number }> {
    let removed = 0;
    for (let rounds = 1; ; rounds += 1) {
      const rows = this.#vault.rows.all().filter(isRegistered);
      for (const row of rows) if (await this.#unregister(row)) removed += 1;
      const left = this.#vault.rows.all().filter(isRegistered).length;
      const goesOn = left > 0 && left < rows.length && this.#deps.presence.state.reachable;
      if (!goesOn || rounds === MOST_ROUNDS) return { removed, left };
      await this.#deps.clock.sleep(ROUND_MS);
    }
  }

  async #unregister(row: CredentialRow): Promise<boolean> {
    const token = await this.#devices.access(row);
    const isGone = token !== null && (await this.#calls.remove(token, row.deviceId ?? ''));
    if (isGone) this.#vault.rows.setState(row.id, 'removed', 'This Pi took itself off.');
    return isGone;
  }

  async #forget(row: CredentialRow): Promise<void> {
    const { rows } = this.#vault;
    if (row.kind === 'api_key' || row.state === 'removed') {
      rows.delete(row.id);
      return;
    }
    const token = this.#deps.presence.state.awake ? await this.#devices.access(row) : null;
    this.#devices.doubt(row);
    rows.setState(row.id, 'removed', 'An admin removed it.');
    if (token !== null && row.deviceId !== null) await this.#calls.remove(token, row.deviceId);
  }

  async #enrol(user: User, token: string): Promise<void> {
    const { clock, onReady } = this.#deps;
    this.#later.get(user.id)?.();
    this.#later.delete(user.id);
    const considered = await this.#enrolment.consider(user, token);
    if (considered.kind === 'enrolled') onReady(user.id);
    if (considered.kind !== 'later') return;
    const cancel = clock.after(considered.inMs, () => {
      this.confirmed(user, token);
    });
    this.#later.set(user.id, cancel);
  }

  async #checkKeys(): Promise<void> {
    for (const row of this.#vault.rows.all()) {
      if (row.kind !== 'api_key' || row.state !== 'unchecked') continue;
      const checked = await this.#keys.check(row);
      if (checked?.userId !== null && checked?.userId !== undefined) {
        this.#deps.onReady(checked.userId);
      }
    }
  }
}

function isRegistered({ kind, state, deviceId }: CredentialRow): boolean {
  return kind === 'device' && deviceId !== null && state === 'ok';
}

/** Tells this Pi's devices from another's without revealing anything about the key. */
function piMark(secretKey: string): string {
  return createHmac('sha256', secretKey).update('device mark').digest('hex').slice(0, 8);
}

function viewOf(row: CredentialRow): CredentialView {
  const { username, kind, state, lastUsedMs, expiresAtMs, createdAtMs, detail } = row;
  return { username, kind, state, lastUsedMs, expiresAtMs, createdAtMs, detail };
}

/** Renewed this long before its end: a user who is here once a month is never lost. */
const RENEW_BEFORE_MS = 40 * 86_400_000;
/** Below the NAS's 3 a minute for inviting and registering. */
const PER_MINUTE = 2;
const AGAIN_AFTER_MS = 300_000;

/**
 * What became of the registration of a user whose token the NAS confirmed. `later`: the NAS takes
 * no more this minute.
 */
type Considered =
  | { readonly kind: 'enrolled' }
  | { readonly kind: 'nothing' }
  | { readonly kind: 'later'; readonly inMs: number };

const NOTHING: Considered = { kind: 'nothing' };

interface EnrolmentDeps {
  readonly vault: CredentialVault;
  readonly devices: DeviceCredentials;
  readonly calls: DeviceCalls;
  readonly clock: Clock;
  readonly time: TrustedClock;
  /** Whether that token no longer lets anybody in, also after a logout. */
  readonly isOver: (token: string) => boolean;
}

/**
 * Registers the Pi as a device of a user whose token the NAS just confirmed, so that it can deliver
 * for them while they are away. A user who removed that device is never registered again.
 */
class Enrolment {
  readonly #deps: EnrolmentDeps;
  readonly #pace: RateLimiter;
  readonly #suspects = new Set<number>();
  /** Users whose suspected registration is being checked. */
  readonly #looking = new Set<number>();
  readonly #notBeforeMs = new Map<number, number>();

  constructor(deps: EnrolmentDeps) {
    this.#deps = deps;
    this.#pace = new RateLimiter(deps.clock, { most: PER_MINUTE });
  }

  /** A logout revokes that user's refresh tokens on the NAS (measured on 1.38). */
  suspect(userId: number): void {
    this.#suspects.add(userId);
    this.#notBeforeMs.delete(userId);
  }

  /** Whether a refusal of that user's registration only reflects the logout before it. */
  isSuspect(userId: number): boolean {
    return this.#suspects.has(userId) || this.#looking.has(userId);
  }

  /** Forgets what was kept for an id that now belongs to another person. */
  forget(userId: number): void {
    this.#suspects.delete(userId);
    this.#notBeforeMs.delete(userId);
  }

  /** @param token of that user, good at this moment */
  async consider(user: User, token: string): Promise<Considered> {
    const { vault, clock, isOver } = this.#deps;
    // It may have waited in line, and its user may have signed out with it meanwhile.
    if (isOver(token)) return NOTHING;
    const nowMs = clock.monotonicMs();
    if (nowMs < (this.#notBeforeMs.get(user.id) ?? -Infinity)) return NOTHING;
    const row = vault.rows.ofUser(user.id, 'device');
    if (row !== null && !(await this.#isWanted(row))) return NOTHING;
    const inMs = this.#pace.waitMs();
    if (inMs > 0) return { kind: 'later', inMs };
    this.#pace.add();
    this.#notBeforeMs.set(user.id, nowMs + AGAIN_AFTER_MS);
    const listed = await this.#deps.calls.list(token);
    if (listed === null || (row !== null && !this.#stillThere(row, listed))) return NOTHING;
    return isOver(token) ? NOTHING : await this.#register(user, token, row, listed);
  }

  async #register(
    user: User,
    token: string,
    before: CredentialRow | null,
    listed: readonly NasDevice[],
  ): Promise<Considered> {
    const { vault, devices, calls } = this.#deps;
    const made = await calls.register(token);
    if (made?.userId !== user.id) return NOTHING;
    const kept = vault.keep({
      kind: 'device',
      username: user.username,
      userId: user.id,
      state: 'ok',
      secret: made.refreshToken,
      deviceId: made.deviceId,
      expiresAtMs: made.expiresAtMs,
    });
    devices.begin(kept, made.accessToken);
    this.#suspects.delete(user.id);
    this.#notBeforeMs.delete(user.id);
    await this.#tidy(user.id, before, listed, made.accessToken);
    return { kind: 'enrolled' };
  }

  async #isWanted(row: CredentialRow): Promise<boolean> {
    const { vault, devices, time } = this.#deps;
    switch (row.state) {
      case 'removed':
        return false;
      case 'inactive':
        // The NAS just confirmed a token of this user, so the account is on again.
        vault.rows.setState(row.id, 'ok', null);
        return false;
      case 'ok': {
        const suspect = row.userId !== null && this.#suspects.delete(row.userId);
        if (suspect) {
          devices.doubt(row);
          this.#looking.add(row.userId);
          await devices.access(row).finally(() => this.#looking.delete(row.userId ?? 0));
          return vault.rows.ofUser(row.userId, 'device')?.state === 'revoked';
        }
        return row.expiresAtMs !== null && row.expiresAtMs - time.nowMs() < RENEW_BEFORE_MS;
      }
      case 'revoked':
      case 'unreadable':
      case 'unchecked':
        return true;
    }
  }

  /** A device that is gone from the list was taken off it by its user: that is a no for good. */
  #stillThere(row: CredentialRow, listed: readonly NasDevice[]): boolean {
    if (row.deviceId === null || listed.some(({ id }) => id === row.deviceId)) return true;
    this.#deps.vault.rows.setState(row.id, 'removed', 'Its user removed the device on the NAS.');
    return false;
  }

  /**
   * Removes earlier registrations of this Pi from the list, including one whose answer was lost.
   */
  async #tidy(
    userId: number,
    before: CredentialRow | null,
    listed: readonly NasDevice[],
    token: string,
  ): Promise<void> {
    const { calls } = this.#deps;
    for (const device of listed) {
      const old = device.id === before?.deviceId || calls.isOwn(device, userId);
      if (old) await calls.remove(token, device.id);
    }
  }
}

/** Background work on credentials, one job at a time: the NAS limits it by address. */
class InTurn {
  readonly #log: Log;
  #last: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(log: Log) {
    this.#log = log;
  }

  /** A failed job is logged and does not hold up the next. */
  add(work: () => Promise<void>): void {
    this.#last = this.#last
      .then(() => (this.#stopped ? undefined : work()))
      .catch((error: unknown) => {
        this.#log.error(`A credential could not be looked after: ${errorKind(error)}.`);
      });
  }

  /** Starts nothing more and waits for what runs. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#last;
  }
}

/** How long the NAS is not asked again after a silence, or for a switched-off user, ms. */
const ASK_AGAIN_MS = 30_000;
const INACTIVE_AGAIN_MS = 900_000;

/** API keys an admin stored. None is used before the NAS said, in this run, whose it is. */
class KeyCredentials {
  readonly #vault: CredentialVault;
  readonly #nas: Pick<NasClient, 'me'>;
  readonly #clock: Clock;
  readonly #proven = new Set<string>();
  readonly #notBeforeMs = new Map<string, number>();

  constructor(vault: CredentialVault, nas: Pick<NasClient, 'me'>, clock: Clock) {
    this.#vault = vault;
    this.#nas = nas;
    this.#clock = clock;
  }

  /**
   * @param username as that user is known; a key stored while the NAS slept is known by it alone
   * @returns a key that the NAS says is this very user's, or null
   */
  async usable(userId: number, username: string | null): Promise<string | null> {
    const { rows } = this.#vault;
    const row =
      rows.ofUser(userId, 'api_key') ??
      (username === null ? null : rows.named(username, 'api_key'));
    if (row === null || (row.userId !== null && row.userId !== userId)) return null;
    const checked = await this.check(row);
    if (checked?.userId !== userId) return null;
    this.#vault.used(checked);
    return this.#vault.secretOf(checked);
  }

  /**
   * Asks the NAS whose a key is, unless it told in this run.
   * @returns the row when it may be used
   */
  async check(row: CredentialRow): Promise<CredentialRow | null> {
    if (row.state === 'ok' && this.#proven.has(row.id)) return row;
    if (row.state === 'revoked' || row.state === 'removed') return null;
    const nowMs = this.#clock.monotonicMs();
    const key = this.#vault.secretOf(row);
    if (key === null || nowMs < (this.#notBeforeMs.get(row.id) ?? -Infinity)) return null;
    return this.#take(row, await whoseToken(this.#nas, key));
  }

  /** The NAS answered that user's key with 401; asking again tells why. */
  async refused(row: CredentialRow): Promise<void> {
    this.#proven.delete(row.id);
    await this.check(row);
  }

  /** The NAS just told whose this new key is. */
  proven(row: CredentialRow): void {
    this.#proven.add(row.id);
  }

  #take(row: CredentialRow, whose: Whose): CredentialRow | null {
    const { rows } = this.#vault;
    const wait = (ms: number): null => {
      this.#notBeforeMs.set(row.id, this.#clock.monotonicMs() + ms);
      return null;
    };
    switch (whose.kind) {
      case 'silent':
        return wait(ASK_AGAIN_MS);
      case 'inactive':
        rows.setState(row.id, 'inactive', 'Its user is switched off on the NAS.');
        return wait(INACTIVE_AGAIN_MS);
      case 'refused':
        rows.setState(row.id, 'revoked', whose.detail);
        return null;
      case 'user':
        if (row.userId === null ? whose.username !== row.username : whose.id !== row.userId) {
          rows.setState(row.id, 'revoked', 'It is the key of somebody else.');
          return null;
        }
        this.#proven.add(row.id);
        if (row.state !== 'ok' || row.userId === null) rows.confirm(row.id, whose.id);
        return { ...row, state: 'ok', userId: whose.id };
    }
  }
}
