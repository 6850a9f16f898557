import { createHash } from 'node:crypto';
import { type Log, quoted } from '../log/log.ts';
import { failureOf, goodBodyOf, type NasClient, type NasPresence } from '../nas/nas.ts';
import type { Clock } from '../time/clock.ts';
import type { TrustedClock } from '../time/trusted-time.ts';
import { type PersonOutcome, refused, type User } from './caller.ts';
import { LruMap } from '../limits/limits.ts';
import { mayAsk, readNasUser, saysInactive, SingleFlight } from './nas-answers.ts';
import type { PageSessionRow, PageSessionRows } from './page-session-rows.ts';
import type { PairedDesktops } from './pairing.ts';
import type { PersonSignIn, PersonTry } from './sign-in.ts';
import type { UserRegistry } from './user-registry.ts';

/** Contract 7: 30 days at most. */
const SESSION_MS = 30 * 86_400_000;
const COOKIE_BYTES = 32;
/** What a cookie of ours looks like; anything else is not looked up. */
const COOKIE_FORM = /^[\w-]{43}$/;

interface PageSessionsDeps {
  readonly rows: PageSessionRows;
  readonly time: TrustedClock;
  readonly recheck: RoleRecheck;
  readonly randomBytes: (count: number) => Buffer;
  readonly userOf: (userId: number) => User | null;
  readonly signInEpochOf: (userId: number) => number | null;
}

/** A sign-in that was just made. */
export interface OpenedPage {
  /** For the browser to keep; nothing here remembers more than its hash. */
  readonly cookie: string;
  /** Seconds it may be kept. */
  readonly maxAgeSeconds: number;
}

/**
 * Who is signed in to the pages of the Pi. A session survives restarts for at most 30 days, and
 * ends as soon as what it depends on does: by a logout, a disabled account, a token the NAS
 * refused, or the grace.
 */
export class PageSessions {
  readonly #deps: PageSessionsDeps;

  constructor(deps: PageSessionsDeps) {
    this.#deps = deps;
  }

  /** @returns null when that user may not be let in at all */
  open(user: User): OpenedPage | null {
    const { rows, time, recheck, randomBytes, signInEpochOf } = this.#deps;
    const epoch = signInEpochOf(user.id);
    if (epoch === null) return null;
    const cookie = randomBytes(COOKIE_BYTES).toString('base64url');
    const signedInAtMs = time.nowMs();
    const row = { userId: user.id, epoch, signedInAtMs, endsAtMs: signedInAtMs + SESSION_MS };
    rows.add(hashOf(cookie), row, time.isProved ? signedInAtMs : 0);
    recheck.note(user.id);
    return { cookie, maxAgeSeconds: SESSION_MS / 1_000 };
  }

  /** The user of a cookie, with today's role; null once it opens nothing. */
  find(cookie: string): User | null {
    const row = this.#row(cookie);
    return row === null ? null : this.#userIfActive(row);
  }

  /** As {@link find}, after asking the NAS where that is due. */
  async look(cookie: string): Promise<User | null> {
    const row = this.#row(cookie);
    if (row === null || this.#userIfActive(row) === null) return null;
    await this.#deps.recheck.run(row.userId);
    return this.find(cookie);
  }

  /** Signs that browser out; others of the same user stay. */
  close(cookie: string): void {
    if (COOKIE_FORM.test(cookie)) this.#deps.rows.drop(hashOf(cookie));
  }

  /** Identifies that browser's sign-in without revealing its cookie. */
  deviceOf(cookie: string): string {
    return `page:${hashOf(cookie).toString('base64url')}`;
  }

  /**
   * The active sign-ins, by keys that open nothing.
   * @param userId null for everybody's
   */
  active(userId: number | null): readonly (PageSessionRow & { readonly key: string })[] {
    return this.#deps.rows
      .all(userId)
      .filter((row) => this.#userIfActive(row) !== null)
      .map(({ hash, ...row }) => ({ ...row, key: hash.toString('hex') }));
  }

  /** Signs a browser out. @param key from {@link active} */
  end(key: string): void {
    this.#deps.rows.drop(Buffer.from(key, 'hex'));
  }

  #row(cookie: string): PageSessionRow | null {
    return COOKIE_FORM.test(cookie) ? this.#deps.rows.find(hashOf(cookie)) : null;
  }

  #userIfActive(row: PageSessionRow): User | null {
    const { time, userOf, signInEpochOf } = this.#deps;
    if (time.nowMs() >= row.endsAtMs) return null;
    return signInEpochOf(row.userId) === row.epoch ? userOf(row.userId) : null;
  }
}

function hashOf(cookie: string): Buffer {
  return createHash('sha256').update(cookie).digest();
}

/** Contract 7: sign-ins of the editor end after 12 hours. */
const EDITOR_SESSION_MS = 12 * 3_600_000;

/** Admins are few; more sessions than this mean that something else is wrong. */
const MAX_SESSIONS = 100;

interface Session {
  readonly userId: number;
  readonly signedInAtMs: number;
  /** `ended_at` at sign-in. If the user's value has changed, this session was revoked. */
  readonly endedAtMs: number | null;
}

/** An active sign-in, in epoch ms. */
interface EditorSignIn {
  readonly username: string;
  readonly userId: number;
  readonly sinceMs: number;
  readonly endsAtMs: number;
}

interface EditorSessionsDeps {
  readonly registry: UserRegistry;
  readonly clock: Clock;
  readonly log: Log;
  readonly personSignIn: PersonSignIn;
  readonly recheck: RoleRecheck;
}

/**
 * Who may use Node-RED's editor: NAS admins who signed in there. In memory only, as a restart of
 * the Pi is a good moment to ask for the password again.
 */
export class EditorSessions {
  readonly #deps: EditorSessionsDeps;
  readonly #sessions = new LruMap<string, Session>(MAX_SESSIONS);

  constructor(deps: EditorSessionsDeps) {
    this.#deps = deps;
  }

  async signIn(given: PersonTry): Promise<PersonOutcome> {
    const outcome = await this.#deps.personSignIn.signIn(given);
    if (outcome.kind !== 'person') return outcome;
    const { user } = outcome;
    const { clock, log } = this.#deps;
    if (user.role !== 'admin') {
      const who = `${quoted(user.username)} from ${given.address}`;
      log.warn(`sign-in: refused for ${who} at the editor: admin_only.`);
      return refused('admin_only');
    }
    const nowMs = clock.monotonicMs();
    this.#sessions.set(user.username, {
      userId: user.id,
      signedInAtMs: nowMs,
      endedAtMs: this.#deps.registry.users.find(user.id)?.endedAtMs ?? null,
    });
    this.#deps.recheck.note(user.id);
    return outcome;
  }

  /** @returns null when there is no session, or what it depended on is gone */
  async user(username: string): Promise<User | null> {
    const session = this.#sessions.get(username);
    if (session === undefined) return null;
    if (this.#userIfActive(session) !== null) await this.#deps.recheck.run(session.userId);
    const user = this.#userIfActive(session);
    if (user === null) this.#sessions.delete(username);
    return user;
  }

  /** @param userId null for everybody's */
  active(userId: number | null): readonly EditorSignIn[] {
    const { clock } = this.#deps;
    const [nowMs, nowTickMs] = [clock.nowMs(), clock.monotonicMs()];
    return [...this.#sessions].flatMap(([username, session]) => {
      const isWanted = userId === null || session.userId === userId;
      if (!isWanted || this.#userIfActive(session) === null) return [];
      const sinceMs = nowMs - (nowTickMs - session.signedInAtMs);
      return [{ username, userId: session.userId, sinceMs, endsAtMs: sinceMs + EDITOR_SESSION_MS }];
    });
  }

  end(username: string): void {
    this.#sessions.delete(username);
  }

  #userIfActive(session: Session): User | null {
    const { clock, registry } = this.#deps;
    if (clock.monotonicMs() - session.signedInAtMs >= EDITOR_SESSION_MS) return null;
    const row = registry.users.find(session.userId);
    if (row === null || !row.isActive || row.role !== 'admin') return null;
    if (row.endedAtMs !== session.endedAtMs) return null;
    return { id: row.id, username: row.username, role: row.role };
  }
}

/** Contract 7: checked against the role every 5 minutes while the NAS answers. */
const RECHECK_MS = 300_000;
const REMEMBERED_USERS = 1_000;

interface RoleRecheckDeps {
  readonly nas: NasClient;
  readonly presence: NasPresence;
  readonly registry: UserRegistry;
  readonly clock: Clock;
}

/**
 * Asks the NAS from time to time whether a user with an open page is still valid: by `me`, which
 * wakes nothing, with a live token of theirs. Without one nothing can be asked, and the last answer
 * counts until the grace period ends it.
 */
export class RoleRecheck {
  readonly #deps: RoleRecheckDeps;
  readonly #checkedAtMs = new LruMap<number, number>(REMEMBERED_USERS);
  readonly #flight = new SingleFlight<undefined>();

  constructor(deps: RoleRecheckDeps) {
    this.#deps = deps;
  }

  /** They just signed in, so the NAS or their password said who they are. */
  note(userId: number): void {
    this.#checkedAtMs.set(userId, this.#deps.clock.monotonicMs());
  }

  /** Asks if the last answer is five minutes old. The user book learns from it. */
  async run(userId: number): Promise<void> {
    const { clock, presence, registry } = this.#deps;
    const checkedAtMs = this.#checkedAtMs.get(userId) ?? -Infinity;
    if (clock.monotonicMs() - checkedAtMs < RECHECK_MS || !mayAsk(presence.state)) return;
    const live = registry.live.ofUser(userId);
    if (live === null) return;
    await this.#flight.run(String(userId), async () => {
      await this.#ask(userId, live.token);
      return undefined;
    });
  }

  async #ask(userId: number, token: string): Promise<void> {
    const { nas, registry } = this.#deps;
    const answer = await nas.me(token, { auto: true });
    const failure = failureOf(answer);
    if (failure?.kind === 'token_refused') {
      registry.refuse(token);
      if (saysInactive(failure)) registry.deactivate(userId);
    }
    const told = readNasUser(goodBodyOf(answer));
    if (told?.id !== userId) return;
    registry.learnMe(told, token);
    this.note(userId);
  }
}

/**
 * Where somebody is signed in. `page`: a browser, at the pages. `app`: a holder of refresh tokens
 * that came through this Pi. `desktop`: a paired one that continues with Pi tokens. `editor`: at
 * the editor.
 */
interface SignedIn {
  /** Reveals nothing of a token or a cookie. */
  readonly id: string;
  readonly kind: 'page' | 'app' | 'desktop' | 'editor';
  readonly userId: number;
  /** What a desktop is called; null of the others. */
  readonly name: string | null;
  /** Of a page and of the editor the sign-in, of an app its last refresh. */
  readonly sinceMs: number;
  /** Null where it is unknown. */
  readonly endsAtMs: number | null;
}

interface SignInsDeps {
  readonly registry: UserRegistry;
  readonly time: TrustedClock;
  readonly pages: PageSessions;
  readonly desktops: PairedDesktops;
  readonly editor: EditorSessions;
}

/** Ends one of the sign-ins. */
type End = () => void;

/** Every place where people are signed in here, to list them and end them one by one. */
export class SignIns {
  readonly #deps: SignInsDeps;

  constructor(deps: SignInsDeps) {
    this.#deps = deps;
  }

  /** The newest first. @param userId null for everybody's */
  list(userId: number | null): readonly SignedIn[] {
    return [...this.#all(userId).keys()].sort((a, b) => b.sinceMs - a.sinceMs);
  }

  /**
   * Ends one: its cookie or tokens let nobody in here any more.
   * @param userId whose it has to be; null for anybody's
   * @returns whether there was one
   */
  end(id: string, userId: number | null): boolean {
    for (const [signedIn, end] of this.#all(userId)) {
      if (signedIn.id !== id) continue;
      end();
      return true;
    }
    return false;
  }

  #all(userId: number | null): ReadonlyMap<SignedIn, End> {
    return new Map([
      ...this.#pages(userId),
      ...this.#apps(userId),
      ...this.#desktops(userId),
      ...this.#editors(userId),
    ]);
  }

  #pages(userId: number | null): [SignedIn, End][] {
    const { pages } = this.#deps;
    return pages.active(userId).map(({ key, ...row }) => {
      const name = null;
      const { userId: id, signedInAtMs: sinceMs, endsAtMs } = row;
      const end = (): void => {
        pages.end(key);
      };
      return [{ id: idOf('page', key), kind: 'page', userId: id, name, sinceMs, endsAtMs }, end];
    });
  }

  #apps(userId: number | null): [SignedIn, End][] {
    const { registry, time } = this.#deps;
    const nowMs = time.nowMs();
    return registry.refreshTokens.devices(userId).flatMap((device): [SignedIn, End][] => {
      const { userId: id, device: lineage, acceptedAtMs: sinceMs, expiresAtMs: endsAtMs } = device;
      const isOver = endsAtMs !== null && endsAtMs <= nowMs;
      if (isOver || registry.userOf(id) === null) return [];
      const end = (): void => {
        registry.endDevice(id, lineage);
      };
      const app = { id: idOf('app', `${id} ${lineage}`), kind: 'app', name: null } as const;
      return [[{ ...app, userId: id, sinceMs, endsAtMs }, end]];
    });
  }

  #desktops(userId: number | null): [SignedIn, End][] {
    const { registry, desktops } = this.#deps;
    return desktops.list(userId).map((row) => {
      const { deviceName: name, pairedAtMs: sinceMs, endsAtMs, userId: id } = row;
      const end = (): void => {
        registry.endDesktop(row, 'taken_away');
      };
      const key = idOf('desktop', row.refreshHash.toString('hex'));
      return [{ id: key, kind: 'desktop', userId: id, name, sinceMs, endsAtMs }, end];
    });
  }

  #editors(userId: number | null): [SignedIn, End][] {
    const { editor } = this.#deps;
    return editor.active(userId).map(({ username, ...rest }) => {
      const end = (): void => {
        editor.end(username);
      };
      return [{ id: idOf('editor', username), kind: 'editor', name: null, ...rest }, end];
    });
  }
}

function idOf(kind: SignedIn['kind'], key: string): string {
  const hash = createHash('sha256').update(`${kind} ${key}`).digest('hex');
  return `${kind}-${hash.slice(0, 16)}`;
}
