import { hash } from 'node:crypto';
import type { User } from '../accounts/accounts.ts';
import type { Audience, Told } from '../events/events.ts';
import { errorKind } from '../log/error-kind.ts';
import type { Log } from '../log/log.ts';
import type { Store } from '../store/store.ts';
import type { Cancel, Clock } from '../time/clock.ts';
import { type DeviceRow, DeviceRows } from './device-rows.ts';
import { kindsFor, meaningOf, type NoticeKind } from './notice-kinds.ts';
import { type Choices, NoticeRows } from './notice-rows.ts';
import { endedText, noticeText, testText } from './notice-text.ts';
import { Outbox, type Unsent } from './outbox.ts';
import { OwnKeys, type Sealing } from './own-keys.ts';
import { type PushOutcome, PushService, type PushTarget } from './push-service.ts';

export interface NoticesDeps {
  /** The queue database; in memory while the disk refuses. */
  readonly store: Store;
  readonly clock: Clock;
  /** The trusted time, epoch ms. */
  readonly nowMs: () => number;
  readonly log: Log;
  /** Seals what a browser gave and the Pi's own key. */
  readonly cipher: Sealing;
  readonly people: {
    /** Null when unknown or switched off. */
    readonly userOf: (userId: number) => User | null;
    /** What that user's sign-ins stand on; null also while the NAS was silent for too long. */
    readonly standingOf: (userId: number) => number | null;
  };
  /** PUSH_CONTACT. */
  readonly contact: string;
  /** IANA name of the zone that quiet hours are meant in. */
  readonly timeZone: string;
  /** What sends; over the internet when left out. */
  readonly push?: Sender;
}

export type Sender = Pick<PushService, 'publicKey' | 'faultOf' | 'send'>;

/** A browser that asks to be told. */
export interface NewDevice {
  readonly target: PushTarget;
  readonly name: string;
  readonly language: 'en' | 'de';
  readonly signIn: string | null;
}

export type AddOutcome =
  | { readonly kind: 'added'; readonly id: string }
  | { readonly kind: 'invalid'; readonly why: string }
  /** That user is not to be let in now. */
  | { readonly kind: 'not_allowed' };

/** How a test went: how many devices took it, and of how many. */
export type TestOutcome =
  | { readonly kind: 'tested'; readonly sent: number; readonly of: number }
  | { readonly kind: 'no_device' }
  | { readonly kind: 'too_soon'; readonly retryAfterSeconds: number };

export interface NoticesView {
  readonly publicKey: string;
  readonly kinds: readonly { readonly kind: NoticeKind; readonly isWanted: boolean }[];
  readonly quietFrom: string | null;
  readonly quietTo: string | null;
  readonly devices: readonly DeviceRow[];
}

const ID_CHARS = 22;
const SWEEP_MS = 3_600_000;
const SOON_MS = 1_000;
const QUIET_LOOK_MS = 300_000;
const TEST_PAUSE_MS = 5_000;

/**
 * Tells people what matters, on their own phones and browsers, by web push. Each chooses. A message
 * is for whoever may know of its event at the moment it is sent, and only for browsers whose user is
 * still signed in here.
 */
export class Notices {
  readonly #deps: NoticesDeps;
  readonly #devices: DeviceRows;
  readonly #rows: NoticeRows;
  readonly #outbox: Outbox;
  readonly #push: Sender;
  readonly #minuteOf: Intl.DateTimeFormat;
  readonly #stopping = new AbortController();
  readonly #testedTickMs = new Map<number, number>();
  #cancelTurn: Cancel = () => undefined;
  #cancelSweep: Cancel = () => undefined;
  #running: Promise<void> = Promise.resolve();
  #isStarted = false;

  constructor(deps: NoticesDeps) {
    this.#deps = deps;
    const { store, clock, contact, nowMs, cipher, timeZone: zone } = deps;
    this.#devices = new DeviceRows(store);
    this.#rows = new NoticeRows(store);
    this.#outbox = new Outbox(this.#rows, clock);
    const own = new OwnKeys(this.#rows, cipher);
    const keys = () => own.get();
    this.#push = deps.push ?? new PushService({ keys, contact, nowMs });
    const format = {
      timeZone: zone,
      hourCycle: 'h23',
      hour: '2-digit',
      minute: '2-digit',
    } as const;
    this.#minuteOf = new Intl.DateTimeFormat('en-GB', format);
  }

  start(): void {
    this.#isStarted = true;
    this.#rows.dropOrphans();
    this.#outbox.load();
    this.#arm();
    this.#sweepLater();
  }

  async stop(): Promise<void> {
    this.#isStarted = false;
    this.#cancelTurn();
    this.#cancelSweep();
    this.#stopping.abort();
    await this.#running;
  }

  /** Something happened. */
  told(told: Told): void {
    const meaning = meaningOf(told);
    if (meaning.kind === 'nothing') return;
    if (meaning.kind === 'over') {
      this.#outbox.over(meaning.topic);
      return;
    }
    const { notice, topic } = meaning;
    const version = notice === 'update_ready' ? told.fields['version'] : null;
    for (const { id, toldVersion } of this.#devicesFor(told.to, notice)) {
      if (version !== null && toldVersion === version) continue;
      this.#outbox.note(id, { topic, kind: notice, facts: { ...told.fields, to: told.to } });
    }
    this.#arm();
  }

  /** A flow of the owner's has something to say. Of one title it is once a minute at most. */
  say(to: Audience, { title, text }: { readonly title: string; readonly text: string }): void {
    for (const { id } of this.#devicesFor(to, 'flow')) {
      this.#outbox.note(id, { topic: `flow ${title}`, kind: 'flow', facts: { title, text, to } });
    }
    this.#arm();
  }

  /** What one person has chosen, and where they are told. */
  view({ id, role }: User): NoticesView {
    const { unwanted, quietFrom, quietTo } = this.#rows.choices(id);
    return {
      publicKey: this.#push.publicKey,
      kinds: kindsFor(role).map((kind) => ({ kind, isWanted: !unwanted.includes(kind) })),
      quietFrom,
      quietTo,
      devices: this.#devices.ofUser(id).filter((device) => this.#userAt(device) !== null),
    };
  }

  choose(
    { id, role }: User,
    wish: Omit<Choices, 'unwanted'> & { wanted: readonly string[] },
  ): void {
    const { wanted, quietFrom, quietTo } = wish;
    // What only an admin hears of stays as it was chosen while somebody is none.
    const shown = kindsFor(role);
    const before = this.#rows.choices(id).unwanted.filter((kind) => !shown.includes(kind));
    const unwanted = [...before, ...shown.filter((kind) => !wanted.includes(kind))];
    this.#rows.choose(id, { unwanted, quietFrom, quietTo });
  }

  add(user: User, { target, name, language, signIn }: NewDevice): AddOutcome {
    const { cipher, people, nowMs } = this.#deps;
    const why = this.#push.faultOf(target);
    if (why !== null) return { kind: 'invalid', why };
    const standing = people.standingOf(user.id);
    if (standing === null) return { kind: 'not_allowed' };
    const id = hash('sha256', target.endpoint, 'base64url').slice(0, ID_CHARS);
    const known = this.#devices.find(id);
    const toldVersion = known?.userId === user.id ? known.toldVersion : null;
    // What waits for whoever had this browser before is not this person's.
    if (known !== null && known.userId !== user.id) this.#outbox.dropDevice(id);
    const secret = cipher.seal(rowOf(id), JSON.stringify(target));
    const given = { id, userId: user.id, name, language, signIn, standing, secret };
    this.#devices.add({ ...given, createdAtMs: Math.floor(nowMs()), toldVersion });
    return { kind: 'added', id };
  }

  /** @returns whether that person had it */
  remove({ id: userId }: User, deviceId: string): boolean {
    if (this.#devices.find(deviceId)?.userId !== userId) return false;
    this.#drop(deviceId);
    return true;
  }

  /** Sends a message to one's own device at once; to all of them where none is named. */
  async test({ id: userId }: User, deviceId: string | null): Promise<TestOutcome> {
    const devices = this.#devices.ofUser(userId).filter(({ id }) => (deviceId ?? id) === id);
    if (devices.length === 0) return { kind: 'no_device' };
    const nowTickMs = this.#deps.clock.monotonicMs();
    const waitMs = TEST_PAUSE_MS - (nowTickMs - (this.#testedTickMs.get(userId) ?? -Infinity));
    if (waitMs > 0) return { kind: 'too_soon', retryAfterSeconds: Math.ceil(waitMs / 1_000) };
    this.#testedTickMs.set(userId, nowTickMs);
    const outcomes = await Promise.all(
      devices.map((device) => this.#sendTo(device, testText(device.language), 'test')),
    );
    const sent = outcomes.filter(({ kind }) => kind === 'sent').length;
    return { kind: 'tested', sent, of: devices.length };
  }

  /** Somebody signed a browser out, and with it ends what it was told. */
  signedOut(signIn: string): void {
    this.#devices.signedOut(signIn);
  }

  /** That id is another person's now. */
  dropUser(userId: number): void {
    this.#devices.dropUser(userId);
    this.#rows.dropChoices(userId);
  }

  /** A user signed out of an app: it is written down right after. */
  loggedOut(): void {
    this.#deps.clock.after(SOON_MS, () => {
      this.sweep();
    });
  }

  /** Ends what is sent to browsers whose user was signed out, and tells them so once. */
  sweep(): void {
    if (!this.#isStarted) return;
    for (const device of this.#devices.all()) {
      const { people } = this.#deps;
      if (people.userOf(device.userId) === null) this.#drop(device.id);
      else if (this.#isOver(device)) {
        this.#drop(device.id);
        this.#after(async () => {
          await this.#sendTo(device, endedText(device.language), 'ended');
        });
      }
    }
  }

  #sweepLater(): void {
    this.#cancelSweep = this.#deps.clock.after(SWEEP_MS, () => {
      this.sweep();
      this.#sweepLater();
    });
  }

  #arm(): void {
    this.#cancelTurn();
    const { waitMs } = this.#outbox;
    if (waitMs === null || !this.#isStarted) return;
    this.#cancelTurn = this.#deps.clock.after(waitMs, () => {
      this.#after(async () => {
        for (const unsent of this.#outbox.due()) await this.#send(unsent);
        this.#arm();
      });
    });
  }

  /** One thing at a time, so that a slow service is not asked twice at once. */
  #after(work: () => Promise<void>): void {
    this.#running = this.#running.then(work).catch((error: unknown) => {
      this.#deps.log.error(`Messages could not be sent: ${errorKind(error)}.`);
    });
  }

  async #send(unsent: Unsent): Promise<void> {
    const { kind, facts, topic } = unsent;
    const device = this.#devices.find(unsent.deviceId);
    const user = device === null ? null : this.#userAt(device);
    if (device === null || this.#stopping.signal.aborted) {
      if (device === null) this.#outbox.drop(unsent);
      return;
    }
    if (user === null) {
      // Either a sweep ends it, or the NAS answers again and it goes on.
      this.#outbox.postpone(unsent, QUIET_LOOK_MS);
      return;
    }
    if (!this.#isFor(facts['to'] as Audience, kind, user)) this.#outbox.drop(unsent);
    else if (this.#isQuiet(user.id)) this.#outbox.postpone(unsent, QUIET_LOOK_MS);
    else {
      const outcome = await this.#sendTo(device, noticeText(unsent, device.language), topic);
      if (outcome.kind === 'later') this.#outbox.tryAgain(unsent, outcome.afterMs);
      else if (outcome.kind === 'sent') this.#wasSent(unsent, device);
      else this.#outbox.drop(unsent);
    }
  }

  #wasSent(unsent: Unsent, { id }: DeviceRow): void {
    this.#outbox.sent(unsent);
    const { version } = unsent.facts;
    if (unsent.kind === 'update_ready') this.#devices.toldVersion(id, String(version));
  }

  async #sendTo(device: DeviceRow, text: string, topic: string): Promise<PushOutcome> {
    const { cipher, nowMs, log } = this.#deps;
    const opened = cipher.open(rowOf(device.id), device.secret);
    if (opened === null) {
      // Sealed with another SECRET_KEY: it can never be sent to again.
      this.#drop(device.id);
      return { kind: 'gone' };
    }
    const target = JSON.parse(opened) as PushTarget;
    const outcome = await this.#push.send(target, { text, topic }, this.#stopping.signal);
    if (outcome.kind === 'sent') this.#devices.sent(device.id, Math.floor(nowMs()));
    else if (outcome.kind === 'gone') this.#drop(device.id);
    else if (!this.#stopping.signal.aborted) {
      const why = outcome.kind === 'later' ? outcome.why : String(outcome.status);
      this.#devices.failed(device.id, why);
      log.warn(`A push service did not take a message (${why}).`);
    }
    return outcome;
  }

  #drop(deviceId: string): void {
    this.#devices.drop(deviceId);
    this.#outbox.dropDevice(deviceId);
  }

  /** Whose device it is, as long as what its sign-in stood on stands. */
  #userAt(device: DeviceRow): User | null {
    const { userOf, standingOf } = this.#deps.people;
    return standingOf(device.userId) === device.standing ? userOf(device.userId) : null;
  }

  #devicesFor(to: Audience, kind: NoticeKind): readonly DeviceRow[] {
    return this.#devices.all().filter((device) => {
      const user = this.#userAt(device);
      return user !== null && this.#isFor(to, kind, user);
    });
  }

  #isOver({ userId, standing }: DeviceRow): boolean {
    const now = this.#deps.people.standingOf(userId);
    return now !== null && now !== standing;
  }

  #isFor(to: Audience, kind: NoticeKind, user: User): boolean {
    if (to.audience === 'admins' && user.role !== 'admin') return false;
    if (to.audience === 'user' && user.username !== to.username) return false;
    return (
      kindsFor(user.role).includes(kind) && !this.#rows.choices(user.id).unwanted.includes(kind)
    );
  }

  #isQuiet(userId: number): boolean {
    const { quietFrom, quietTo } = this.#rows.choices(userId);
    if (quietFrom === null || quietTo === null || quietFrom === quietTo) return false;
    const now = this.#minuteOf.format(this.#deps.clock.nowMs());
    // Over midnight where they end before they begin.
    return quietFrom < quietTo
      ? quietFrom <= now && now < quietTo
      : quietFrom <= now || now < quietTo;
  }
}

function rowOf(deviceId: string): string {
  return `push device ${deviceId}`;
}
