import { prepareAll } from '../store/prepared.ts';
import type { Store } from '../store/store.ts';
import { type Facts, isNoticeKind, type NoticeKind } from './notice-kinds.ts';

/** What a person wants to hear of, and when not. */
export interface Choices {
  readonly unwanted: readonly NoticeKind[];
  /** `HH:MM` of the house's day; null where there are no quiet hours. */
  readonly quietFrom: string | null;
  readonly quietTo: string | null;
}

/** What is still to be sent to one device. */
export interface UnsentRow {
  readonly deviceId: string;
  /** What one message is about: its kind, and which plug. */
  readonly topic: string;
  readonly kind: NoticeKind;
  readonly facts: Facts;
  readonly firstAtMs: number;
}

/** The Pi's own pair, its private half sealed. */
export interface StoredKeys {
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

  /** It was sent, or is not to be any more. */
  over(deviceId: string, topic: string): void {
    this.#sql.over.run(deviceId, topic);
  }

  /** What is meant for devices that are no more. */
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
