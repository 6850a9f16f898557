import { generateKeyPairSync, hash, type JsonWebKey } from 'node:crypto';
import type { User } from '../accounts/accounts.ts';
import type { Audience, Told } from '../events/events.ts';
import { errorKind, type Log } from '../log/log.ts';
import type { Store } from '../store/store.ts';
import type { Cancel, Clock } from '../time/clock.ts';
import { LocalTime } from '../time/zoned-time.ts';
import type { Language } from '../words/words.ts';
import {
  type Choices,
  type DeviceRow,
  DeviceRows,
  NoticeRows,
  type UnsentRow,
} from './notice-rows.ts';
import {
  endedText,
  type Facts,
  kindsFor,
  meaningOf,
  type NoticeKind,
  noticeText,
  PAUSE_MS,
  testText,
} from './notice-text.ts';
import { type PushKeys, type PushOutcome, PushService, type PushTarget } from './push-service.ts';

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
    /** The epoch of that user's sign-ins; null also while the NAS was silent for too long. */
    readonly signInEpochOf: (userId: number) => number | null;
  };
  /** PUSH_CONTACT. */
  readonly contact: string;
  /** IANA name of the zone in which quiet hours are meant. */
  readonly timeZone: string;
  /** The sender; over the internet when left out. */
  readonly push?: Sender;
}

type Sender = Pick<PushService, 'publicKey' | 'faultOf' | 'send'>;

/** A browser that subscribes to notifications. */
interface NewDevice {
  readonly target: PushTarget;
  readonly name: string;
  readonly language: Language;
  readonly signIn: string | null;
}

type AddOutcome =
  | { readonly kind: 'added'; readonly id: string }
  | { readonly kind: 'invalid'; readonly why: string }
  /** That user may not be let in now. */
  | { readonly kind: 'not_allowed' };

/** The result of a test: how many devices took it, out of how many. */
export type TestOutcome =
  | { readonly kind: 'tested'; readonly sent: number; readonly of: number }
  | { readonly kind: 'no_device' }
  | { readonly kind: 'too_soon'; readonly retryAfterSeconds: number };

interface NoticesView {
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
 * Notifies people on their own phones and browsers, by web push. Each chooses what. A message only
 * goes to people who may see its event at the time it is sent, and to browsers whose user is still
 * signed in here.
 */
export class Notices {
  readonly #deps: NoticesDeps;
  readonly #devices: DeviceRows;
  readonly #rows: NoticeRows;
  readonly #outbox: Outbox;
  readonly #push: Sender;
  readonly #zone: LocalTime;
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
    this.#zone = new LocalTime(zone);
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

  /** A flow of the owner's has something to say: at most once a minute per title. */
  say(to: Audience, { title, text }: { readonly title: string; readonly text: string }): void {
    for (const { id } of this.#devicesFor(to, 'flow')) {
      this.#outbox.note(id, { topic: `flow ${title}`, kind: 'flow', facts: { title, text, to } });
    }
    this.#arm();
  }

  /** What one person has chosen, and their devices. */
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
    input: Omit<Choices, 'unwanted'> & { wanted: readonly string[] },
  ): void {
    const { wanted, quietFrom, quietTo } = input;
    // Choices that only admins have are kept while somebody is none.
    const shown = kindsFor(role);
    const before = this.#rows.choices(id).unwanted.filter((kind) => !shown.includes(kind));
    const unwanted = [...before, ...shown.filter((kind) => !wanted.includes(kind))];
    this.#rows.choose(id, { unwanted, quietFrom, quietTo });
  }

  add(user: User, { target, name, language, signIn }: NewDevice): AddOutcome {
    const { cipher, people, nowMs } = this.#deps;
    const why = this.#push.faultOf(target);
    if (why !== null) return { kind: 'invalid', why };
    const epoch = people.signInEpochOf(user.id);
    if (epoch === null) return { kind: 'not_allowed' };
    const id = hash('sha256', target.endpoint, 'base64url').slice(0, ID_CHARS);
    const known = this.#devices.find(id);
    const toldVersion = known?.userId === user.id ? known.toldVersion : null;
    // Pending messages for the browser's previous user are not this person's.
    if (known !== null && known.userId !== user.id) this.#outbox.dropDevice(id);
    const secret = cipher.seal(rowOf(id), JSON.stringify(target));
    const given = { id, userId: user.id, name, language, signIn, epoch, secret };
    this.#devices.add({ ...given, createdAtMs: Math.floor(nowMs()), toldVersion });
    return { kind: 'added', id };
  }

  /** @returns whether that person had it */
  remove({ id: userId }: User, deviceId: string): boolean {
    if (this.#devices.find(deviceId)?.userId !== userId) return false;
    this.#drop(deviceId);
    return true;
  }

  /** Sends a message at once to one of one's own devices, or to all of them where none is named. */
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

  /** Somebody signed a browser out, which ends its notifications. */
  signedOut(signIn: string): void {
    this.#devices.signedOut(signIn);
  }

  /** That id is another person's now. */
  dropUser(userId: number): void {
    this.#devices.dropUser(userId);
    this.#rows.dropChoices(userId);
  }

  /** A user signed out of an app; that is stored right after. */
  loggedOut(): void {
    this.#deps.clock.after(SOON_MS, () => {
      this.sweep();
    });
  }

  /** Ends notifications to browsers whose user was signed out, with one last message. */
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
      // First, so that a disk that fails once does not end it.
      this.#sweepLater();
      this.sweep();
    });
  }

  #arm(atLeastMs = 0): void {
    this.#cancelTurn();
    const { waitMs } = this.#outbox;
    if (waitMs === null || !this.#isStarted) return;
    this.#cancelTurn = this.#deps.clock.after(Math.max(waitMs, atLeastMs), () => {
      this.#after(async () => {
        // What a disk does not let be noted as sent is still due, and would be at once.
        let pauseMs = FIRST_RETRY_MS;
        try {
          for (const unsent of this.#outbox.due()) await this.#send(unsent);
          pauseMs = 0;
        } finally {
          this.#arm(pauseMs);
        }
      });
    });
  }

  /** One at a time, so that a slow service is not asked twice at once. */
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
      // Either a sweep ends it, or the NAS answers again and it continues.
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

  /** The owner of a device, as long as the sign-in it depends on is valid. */
  #userAt(device: DeviceRow): User | null {
    const { userOf, signInEpochOf } = this.#deps.people;
    return signInEpochOf(device.userId) === device.epoch ? userOf(device.userId) : null;
  }

  #devicesFor(to: Audience, kind: NoticeKind): readonly DeviceRow[] {
    return this.#devices.all().filter((device) => {
      const user = this.#userAt(device);
      return user !== null && this.#isFor(to, kind, user);
    });
  }

  #isOver({ userId, epoch }: DeviceRow): boolean {
    const now = this.#deps.people.signInEpochOf(userId);
    return now !== null && now !== epoch;
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
    const now = this.#zone.timeOfDay(Math.floor(this.#deps.clock.nowMs() / 1_000));
    // Spans midnight where the end is before the start.
    return quietFrom < quietTo
      ? quietFrom <= now && now < quietTo
      : quietFrom <= now || now < quietTo;
  }
}

function rowOf(deviceId: string): string {
  return `push device ${deviceId}`;
}

/** A message to be sent to one device. */
interface Unsent extends UnsentRow {
  /** How often it happened since the last message on the topic. */
  count: number;
  /** How often sending was tried. */
  tries: number;
  dueTickMs: number;
  facts: Facts;
}

/** Events within this time are sent together, and those over by then are not sent at all. */
const GATHER_MS = 20_000;
const FIRST_RETRY_MS = 30_000;
const LONGEST_RETRY_MS = 3_600_000;
/** Messages not delivered within a day are dropped: they are old by then. */
const TOO_OLD_MS = 86_400_000;

/**
 * Pending messages, one per device and topic: repeats are counted, and a topic pauses after its
 * message, so that a plug that comes and goes sends a few messages a day. The first of each is
 * stored, so that a restart sends it.
 */
class Outbox {
  readonly #rows: NoticeRows;
  readonly #clock: Clock;
  readonly #unsent = new Map<string, Unsent>();
  /** When a topic's message was last sent to a device, ticks; kept while its pause lasts. */
  readonly #rests = new Map<string, number>();

  constructor(rows: NoticeRows, clock: Clock) {
    this.#rows = rows;
    this.#clock = clock;
  }

  /** Takes over what the previous run did not send. */
  load(): void {
    const dueTickMs = this.#clock.monotonicMs() + GATHER_MS;
    for (const row of this.#rows.unsent()) {
      this.#unsent.set(keyOf(row), { ...row, count: 1, tries: 0, dueTickMs });
    }
  }

  note(deviceId: string, of: { topic: string; kind: NoticeKind; facts: Facts }): void {
    const key = keyOf({ deviceId, topic: of.topic });
    const waiting = this.#unsent.get(key);
    if (waiting !== undefined) {
      waiting.count += 1;
      // For a state the newest event counts; of several events the first is as good.
      waiting.facts = of.facts;
      return;
    }
    const nowTickMs = this.#clock.monotonicMs();
    this.#forgetRests(nowTickMs);
    // A flow's owner has done the grouping already.
    const gatherMs = of.kind === 'flow' ? 0 : GATHER_MS;
    const dueTickMs = Math.max(nowTickMs + gatherMs, this.#rests.get(key) ?? 0);
    const row = { deviceId, ...of, firstAtMs: Math.floor(this.#clock.nowMs()) };
    this.#rows.note(row);
    this.#unsent.set(key, { ...row, count: 1, tries: 0, dueTickMs });
  }

  /** It is no longer true, so nobody who was not yet notified will be. */
  over(topic: string): void {
    for (const unsent of [...this.#unsent.values()]) if (unsent.topic === topic) this.drop(unsent);
  }

  /** Earliest first. */
  due(): readonly Unsent[] {
    const nowTickMs = this.#clock.monotonicMs();
    return [...this.#unsent.values()]
      .filter(({ dueTickMs }) => dueTickMs <= nowTickMs)
      .sort((a, b) => a.dueTickMs - b.dueTickMs);
  }

  /** How long until something is due; null where nothing is to be sent. */
  get waitMs(): number | null {
    if (this.#unsent.size === 0) return null;
    const dues = [...this.#unsent.values()].map(({ dueTickMs }) => dueTickMs);
    return Math.max(0, Math.min(...dues) - this.#clock.monotonicMs());
  }

  sent(unsent: Unsent): void {
    this.drop(unsent);
    this.#rests.set(keyOf(unsent), this.#clock.monotonicMs() + PAUSE_MS[unsent.kind]);
  }

  drop(unsent: Unsent): void {
    this.#unsent.delete(keyOf(unsent));
    this.#rows.over(unsent.deviceId, unsent.topic);
  }

  dropDevice(deviceId: string): void {
    for (const unsent of [...this.#unsent.values()]) {
      if (unsent.deviceId === deviceId) this.drop(unsent);
    }
  }

  /** Not now: in quiet hours, or while it is unknown whether its reader may still be notified. */
  postpone(unsent: Unsent, byMs: number): void {
    if (this.#clock.nowMs() - unsent.firstAtMs > TOO_OLD_MS) this.drop(unsent);
    else unsent.dueTickMs = this.#clock.monotonicMs() + byMs;
  }

  /** @param afterMs the pause the service asked for; null where it did not */
  tryAgain(unsent: Unsent, afterMs: number | null): void {
    const waitMs = Math.min(FIRST_RETRY_MS * 2 ** unsent.tries, LONGEST_RETRY_MS);
    unsent.tries += 1;
    this.postpone(unsent, Math.max(waitMs, afterMs ?? 0));
  }

  #forgetRests(nowTickMs: number): void {
    for (const [key, untilMs] of this.#rests) if (untilMs <= nowTickMs) this.#rests.delete(key);
  }
}

function keyOf({ deviceId, topic }: { deviceId: string; topic: string }): string {
  return `${deviceId} ${topic}`;
}

/** How secrets are sealed, each bound to its row. */
interface Sealing {
  readonly seal: (rowId: string, secret: string) => Buffer;
  /** @returns null for what another SECRET_KEY sealed */
  readonly open: (rowId: string, sealed: Uint8Array) => string | null;
}

const ROW = 'push keys';

/**
 * The key pair by which push services know this Pi. Created when first needed, and again when
 * SECRET_KEY no longer opens it: no subscription can be read then either.
 */
class OwnKeys {
  readonly #rows: NoticeRows;
  readonly #sealing: Sealing;
  #keys: PushKeys | null = null;

  constructor(rows: NoticeRows, sealing: Sealing) {
    this.#rows = rows;
    this.#sealing = sealing;
  }

  get(): PushKeys {
    this.#keys ??= this.#stored() ?? this.#made();
    return this.#keys;
  }

  #stored(): PushKeys | null {
    const stored = this.#rows.keys();
    const opened = stored === null ? null : this.#sealing.open(ROW, stored.secret);
    if (stored === null || opened === null) return null;
    return { publicKey: stored.publicKey, privateJwk: JSON.parse(opened) as JsonWebKey };
  }

  #made(): PushKeys {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const privateJwk = privateKey.export({ format: 'jwk' });
    const { x = '', y = '' } = privateJwk;
    // An uncompressed point (SEC 1, 2.3.3), as browsers want it.
    const point = [Buffer.from([4]), Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url')];
    const publicKey = Buffer.concat(point).toString('base64url');
    const secret = this.#sealing.seal(ROW, JSON.stringify(privateJwk));
    this.#rows.keepKeys({ publicKey, secret });
    return { publicKey, privateJwk };
  }
}
