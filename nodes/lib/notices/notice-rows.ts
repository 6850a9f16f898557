import { prepareAll, type Store } from '../store/store.ts';
import type { Language } from '../words/words.ts';
import { type Facts, isNoticeKind, type NoticeKind } from './notice-text.ts';

/** What a person wants to be notified of, and when not. */
export interface Choices {
  readonly unwanted: readonly NoticeKind[];
  /** `HH:MM` of the local day; null where there are no quiet hours. */
  readonly quietFrom: string | null;
  readonly quietTo: string | null;
}

/** A message still to be sent to one device. */
export interface UnsentRow {
  readonly deviceId: string;
  /** What one message is about: its kind, and which plug. */
  readonly topic: string;
  readonly kind: NoticeKind;
  readonly facts: Facts;
  readonly firstAtMs: number;
}

/** The Pi's own key pair, its private half sealed. */
interface StoredKeys {
  readonly publicKey: string;
  readonly secret: Buffer;
}

const NO_CHOICE: Choices = { unwanted: [], quietFrom: null, quietTo: null };

const SQL = {
  choices: 'SELECT * FROM notice_choices WHERE user_id = ?',
  choose: `
    INSERT OR REPLACE INTO notice_choices (user_id, unwanted, quiet_from, quiet_to)
    VALUES (?, ?, ?, ?)`,
  dropChoices: 'DELETE FROM notice_choices WHERE user_id = ?',
  unsent: 'SELECT * FROM push_messages ORDER BY first_at_ms',
  note: `
    INSERT OR REPLACE INTO push_messages (device_id, topic, kind, facts, first_at_ms)
    VALUES (?, ?, ?, ?, ?)`,
  over: 'DELETE FROM push_messages WHERE device_id = ? AND topic = ?',
  orphans: 'DELETE FROM push_messages WHERE device_id NOT IN (SELECT id FROM push_devices)',
  keys: 'SELECT public_key, secret FROM push_keys WHERE id = 1',
  keepKeys: 'INSERT OR REPLACE INTO push_keys (id, public_key, secret) VALUES (1, ?, ?)',
} as const;

/** All SQL of `notice_choices`, `push_messages` and `push_keys`. */
export class NoticeRows {
  readonly #sql: ReturnType<typeof prepareAll<typeof SQL>>;

  constructor(store: Store) {
    this.#sql = prepareAll(store, SQL);
  }

  choices(userId: number): Choices {
    const raw = this.#sql.choices.get(userId);
    if (raw === undefined) return NO_CHOICE;
    return {
      unwanted: String(raw['unwanted']).split(' ').filter(isNoticeKind),
      quietFrom: textOf(raw['quiet_from']),
      quietTo: textOf(raw['quiet_to']),
    };
  }

  choose(userId: number, { unwanted, quietFrom, quietTo }: Choices): void {
    this.#sql.choose.run(userId, unwanted.join(' '), quietFrom, quietTo);
  }

  dropChoices(userId: number): void {
    this.#sql.dropChoices.run(userId);
  }

  /** Oldest first. */
  unsent(): readonly UnsentRow[] {
    return this.#sql.unsent.all().flatMap((raw) => {
      const kind = String(raw['kind']);
      if (!isNoticeKind(kind)) return [];
      const [deviceId, topic] = [String(raw['device_id']), String(raw['topic'])];
      const facts = JSON.parse(String(raw['facts'])) as Facts;
      return [{ deviceId, topic, kind, facts, firstAtMs: Number(raw['first_at_ms']) }];
    });
  }

  note({ deviceId, topic, kind, facts, firstAtMs }: UnsentRow): void {
    this.#sql.note.run(deviceId, topic, kind, JSON.stringify(facts), firstAtMs);
  }

  /** It was sent, or need not be sent any more. */
  over(deviceId: string, topic: string): void {
    this.#sql.over.run(deviceId, topic);
  }

  /** Messages for devices that no longer exist. */
  dropOrphans(): void {
    this.#sql.orphans.run();
  }

  keys(): StoredKeys | null {
    const raw = this.#sql.keys.get();
    if (raw === undefined) return null;
    const secret = Buffer.from(raw['secret'] as Uint8Array);
    return { publicKey: String(raw['public_key']), secret };
  }

  keepKeys({ publicKey, secret }: StoredKeys): void {
    this.#sql.keepKeys.run(publicKey, secret);
  }
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

/** One browser that a person has messages sent to. */
export interface DeviceRow {
  /** The start of the SHA-256 of its endpoint, base64url, by which a browser recognises itself. */
  readonly id: string;
  readonly userId: number;
  readonly name: string;
  /** The language its reader used when it was added. */
  readonly language: Language;
  /** The sign-in of the page it was added on; null where it was added over the API. */
  readonly signIn: string | null;
  /** The epoch of that user's sign-ins at that time. */
  readonly epoch: number;
  /** Its {@link PushTarget}, sealed. */
  readonly secret: Buffer;
  readonly createdAtMs: number;
  /** When its service last took a message; null before the first. */
  readonly sentAtMs: number | null;
  /** Why the last one was not taken; null where it was. */
  readonly problem: string | null;
  /** The newest version it was notified of. */
  readonly toldVersion: string | null;
}

/** A person's phones and browsers, with space for forgotten ones. */
const MOST_PER_USER = 10;

const DEVICE_SQL = {
  add: `
    INSERT OR REPLACE INTO push_devices (id, user_id, name, language, sign_in, standing, secret,
      created_at_ms, told_version) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  cap: `
    DELETE FROM push_devices WHERE user_id = ?1 AND id IN (
      SELECT id FROM push_devices WHERE user_id = ?1
      ORDER BY created_at_ms DESC, id LIMIT -1 OFFSET ${MOST_PER_USER})`,
  all: 'SELECT * FROM push_devices ORDER BY created_at_ms, id',
  ofUser: 'SELECT * FROM push_devices WHERE user_id = ? ORDER BY created_at_ms, id',
  find: 'SELECT * FROM push_devices WHERE id = ?',
  drop: 'DELETE FROM push_devices WHERE id = ?',
  signedOut: 'DELETE FROM push_devices WHERE sign_in = ?',
  dropUser: 'DELETE FROM push_devices WHERE user_id = ?',
  sent: 'UPDATE push_devices SET sent_at_ms = ?, problem = NULL WHERE id = ?',
  failed: 'UPDATE push_devices SET problem = ? WHERE id = ? AND problem IS NOT ?',
  toldVersion: 'UPDATE push_devices SET told_version = ? WHERE id = ?',
} as const;

/** All SQL of `push_devices`. */
export class DeviceRows {
  readonly #sql: ReturnType<typeof prepareAll<typeof DEVICE_SQL>>;

  constructor(store: Store) {
    this.#sql = prepareAll(store, DEVICE_SQL);
  }

  /** Replaces any device with that id, whoever owned it. */
  add(row: Omit<DeviceRow, 'sentAtMs' | 'problem'>): void {
    this.#sql.add.run(
      ...([row.id, row.userId, row.name, row.language, row.signIn, row.epoch] as const),
      ...([row.secret, row.createdAtMs, row.toldVersion] as const),
    );
    this.#sql.cap.run(row.userId);
  }

  all(): readonly DeviceRow[] {
    return this.#sql.all.all().map(deviceIn);
  }

  ofUser(userId: number): readonly DeviceRow[] {
    return this.#sql.ofUser.all(userId).map(deviceIn);
  }

  find(id: string): DeviceRow | null {
    const raw = this.#sql.find.get(id);
    return raw === undefined ? null : deviceIn(raw);
  }

  drop(id: string): void {
    this.#sql.drop.run(id);
  }

  signedOut(signIn: string): void {
    this.#sql.signedOut.run(signIn);
  }

  dropUser(userId: number): void {
    this.#sql.dropUser.run(userId);
  }

  sent(id: string, atMs: number): void {
    this.#sql.sent.run(atMs, id);
  }

  failed(id: string, problem: string): void {
    this.#sql.failed.run(problem, id, problem);
  }

  toldVersion(id: string, version: string): void {
    this.#sql.toldVersion.run(version, id);
  }
}

function deviceIn(raw: Readonly<Record<string, unknown>>): DeviceRow {
  return {
    id: String(raw['id']),
    userId: Number(raw['user_id']),
    name: String(raw['name']),
    language: String(raw['language']),
    signIn: typeof raw['sign_in'] === 'string' ? raw['sign_in'] : null,
    epoch: Number(raw['standing']),
    secret: Buffer.from(raw['secret'] as Uint8Array),
    createdAtMs: Number(raw['created_at_ms']),
    sentAtMs: raw['sent_at_ms'] === null ? null : Number(raw['sent_at_ms']),
    problem: typeof raw['problem'] === 'string' ? raw['problem'] : null,
    toldVersion: typeof raw['told_version'] === 'string' ? raw['told_version'] : null,
  };
}
