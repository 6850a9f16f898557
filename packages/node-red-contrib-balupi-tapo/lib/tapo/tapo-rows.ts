import type { Store } from '../../../../nodes/lib/store/store.ts';
import type { PlugFailure, PlugFailureCause, PlugFailureKind, PlugProtocolName } from './plug.ts';

/** A prepared statement; the driver's own type stays within the store. */
type Statement = ReturnType<Store['prepare']>;

export type DeviceRole = 'nas' | 'monitor' | 'generic';

/** A plug as stored. */
export interface DeviceRow {
  /** Short number for the apps and the samples; never reused. */
  readonly deviceNumber: number;
  /** The Pi's own stable id. */
  readonly id: string;
  readonly name: string;
  /** Whether a person chose the name; else it follows the plug's own. */
  readonly isNamed: boolean;
  readonly role: DeviceRole;
  readonly ip: string;
  readonly port: number;
  readonly deviceId: string | null;
  readonly discoveryId: string | null;
  /** `AA:BB:CC:DD:EE:FF` */
  readonly mac: string | null;
  readonly model: string;
  readonly firmware: string;
  readonly protocol: PlugProtocolName | null;
  /** The MAC address an admin confirmed for the old protocol, at the address of this row. */
  readonly oldProtocolMac: string | null;
  readonly state: DeviceState;
  readonly lastSeenMs: number | null;
  readonly createdMs: number;
}

/** A plug that an admin forgot. */
export interface ForgottenRow {
  readonly row: DeviceRow;
  readonly forgottenMs: number;
  /** Its role before it fed the NAS; null where it never did, or that is not known. */
  readonly roleBeforeNas: DeviceRole | null;
}

/** On the right side of SET the row still has its old values. */
const COLUMNS = `name = :name, is_named = :isNamed, role = :role,
  role_before_nas = CASE WHEN :role <> 'nas' THEN NULL WHEN role = 'nas' THEN role_before_nas
    ELSE role END,
  ip_address = :ip, port = :port,
  device_id = :deviceId, discovery_id = :discoveryId, mac_address = :mac, model = :model,
  firmware = :firmware, protocol = :protocol, old_protocol_mac = :oldProtocolMac, state = :state,
  last_seen_at = :lastSeenMs`;

/** How many recently removed plugs are reported. */
const MOST_GONE = 100;

/** All SQL of the tables `tapo_devices` and `tapo_gone` (energy database). */
export class TapoRows {
  readonly #store: Store;
  readonly #all: Statement;
  readonly #role: Statement;
  readonly #insert: Statement;
  readonly #update: Statement;
  readonly #seen: Statement;
  readonly #freeNasRole: Statement;
  readonly #delete: Statement;
  readonly #forgotten: Statement;
  readonly #noteGone: Statement;
  readonly #gone: Statement;
  readonly #forget: Statement;
  readonly #recall: Statement;

  constructor(store: Store) {
    this.#store = store;
    this.#all = store.prepare(
      'SELECT * FROM tapo_devices WHERE forgotten_at IS NULL ORDER BY device_number',
    );
    this.#role = store.prepare('SELECT role FROM tapo_devices WHERE id = :id');
    this.#insert = store.prepare(`INSERT INTO tapo_devices (id, name, is_named, role, ip_address,
      port, device_id, discovery_id, mac_address, model, firmware, protocol, old_protocol_mac, state,
      last_seen_at, created_at) VALUES (:id, :name, :isNamed, :role, :ip, :port, :deviceId,
      :discoveryId, :mac, :model, :firmware, :protocol, :oldProtocolMac, :state, :lastSeenMs,
      :createdMs) RETURNING device_number`);
    this.#update = store.prepare(`UPDATE tapo_devices SET ${COLUMNS} WHERE id = :id`);
    this.#seen = store.prepare(
      'UPDATE tapo_devices SET state = :state, last_seen_at = :lastSeenMs WHERE id = :id',
    );
    this.#freeNasRole = store.prepare(
      `UPDATE tapo_devices SET role = coalesce(role_before_nas, 'generic'), role_before_nas = NULL
       WHERE role = 'nas' AND id <> :id AND forgotten_at IS NULL`,
    );
    this.#delete = store.prepare('DELETE FROM tapo_devices WHERE id = :id');
    this.#noteGone = store.prepare(`INSERT OR REPLACE INTO tapo_gone
      SELECT id, :goneMs, name FROM tapo_devices WHERE id = :id`);
    this.#gone = store.prepare(`SELECT id FROM tapo_gone ORDER BY gone_at DESC LIMIT ${MOST_GONE}`);
    this.#forgotten = store.prepare(
      'SELECT * FROM tapo_devices WHERE forgotten_at IS NOT NULL ORDER BY device_number',
    );
    // Another entry may have its ids when it returns; only the MAC stays its own.
    this.#forget = store.prepare(`UPDATE tapo_devices SET device_id = NULL, discovery_id = NULL,
      old_protocol_mac = NULL, forgotten_at = :forgottenMs WHERE id = :id`);
    this.#recall = store.prepare('UPDATE tapo_devices SET forgotten_at = NULL WHERE id = :id');
  }

  /** All plugs in the order they were added. */
  all(): readonly DeviceRow[] {
    return this.#all.all().map(readRow);
  }

  /** The present role of a plug; `nas` may have been taken from it. */
  role(id: string): DeviceRole {
    return (this.#role.get({ id })?.['role'] ?? 'generic') as DeviceRole;
  }

  /**
   * Adds a plug and gives it its number. A previous holder loses the role `nas` and becomes what it
   * was before.
   */
  insert(row: Omit<DeviceRow, 'deviceNumber'>): DeviceRow {
    return this.#store.transaction(() => {
      if (row.role === 'nas') this.#freeNasRole.run({ id: row.id });
      const added = this.#insert.get({ ...values(row), createdMs: row.createdMs });
      return { ...row, deviceNumber: Number(added?.['device_number']) };
    });
  }

  /** Writes a plug back. The role `nas` is taken from whoever else has it. */
  update(row: DeviceRow): void {
    this.#store.transaction(() => {
      if (row.role === 'nas') this.#freeNasRole.run({ id: row.id });
      this.#update.run(values(row));
    });
  }

  /** Removes `goneId` and writes `kept`, which may take over its unique ids. */
  merge(goneId: string, kept: DeviceRow, nowMs: number): void {
    this.#store.transaction(() => {
      this.#remove(goneId, nowMs);
      this.#update.run(values(kept));
    });
  }

  /**
   * Writes state and last seen only. No transaction of its own: the energy module calls it within
   * the one that commits the samples.
   */
  markSeen(row: Pick<DeviceRow, 'id' | 'state' | 'lastSeenMs'>): void {
    this.#seen.run({ id: row.id, state: row.state, lastSeenMs: row.lastSeenMs });
  }

  /** In the order they were added. */
  forgotten(): readonly ForgottenRow[] {
    return this.#forgotten.all().map((row) => ({
      row: readRow(row),
      forgottenMs: Number(row['forgotten_at']),
      roleBeforeNas: row['role_before_nas'] as DeviceRole | null,
    }));
  }

  /** Leaves the row for its history. */
  forget(id: string, forgottenMs: number): void {
    this.#forget.run({ id, forgottenMs });
  }

  /** Takes a forgotten plug back, in place of `goneId` where that turned out to be it. */
  recall(row: DeviceRow, goneId: string | null, nowMs: number): void {
    this.#store.transaction(() => {
      if (goneId !== null) this.#remove(goneId, nowMs);
      if (row.role === 'nas') this.#freeNasRole.run({ id: row.id });
      this.#update.run(values(row));
      this.#recall.run({ id: row.id });
    });
  }

  delete(id: string, nowMs: number): void {
    this.#store.transaction(() => {
      this.#remove(id, nowMs);
    });
  }

  /** Ids of plugs that are gone for good, the last ones first. */
  gone(): readonly string[] {
    return this.#gone.all().map(({ id }) => String(id));
  }

  #remove(id: string, goneMs: number): void {
    this.#noteGone.run({ id, goneMs });
    this.#delete.run({ id });
  }
}

/** The columns that may change, as named parameters; SQLite refuses names a statement lacks. */
function values(row: Omit<DeviceRow, 'deviceNumber'>): Record<string, string | number | null> {
  const { id, name, role, ip, port, deviceId, discoveryId, mac } = row;
  const { model, firmware, protocol, oldProtocolMac, state, lastSeenMs } = row;
  const ids = { id, deviceId, discoveryId, mac };
  const seen = { model, firmware, protocol, oldProtocolMac, state, lastSeenMs };
  return { ...ids, ...seen, name, isNamed: row.isNamed ? 1 : 0, role, ip, port };
}

function readRow(row: Record<string, unknown>): DeviceRow {
  const text = (column: string): string | null => row[column] as string | null;
  return {
    deviceNumber: Number(row['device_number']),
    id: String(row['id']),
    name: String(row['name']),
    isNamed: row['is_named'] === 1,
    role: row['role'] as DeviceRole,
    ip: String(row['ip_address']),
    port: Number(row['port']),
    deviceId: text('device_id'),
    discoveryId: text('discovery_id'),
    mac: text('mac_address'),
    model: String(row['model']),
    firmware: String(row['firmware']),
    protocol: row['protocol'] as PlugProtocolName | null,
    oldProtocolMac: text('old_protocol_mac'),
    state: row['state'] as DeviceState,
    lastSeenMs: row['last_seen_at'] as number | null,
    createdMs: Number(row['created_at']),
  };
}

/** The state of a plug (contract 5). */
export type DeviceState = 'ok' | Exclude<PlugFailureKind, 'bad_answer'>;

/** As in `Accept-Language`; hints in a language without words are in English. */
export type HintLanguage = string;

/** What is wrong with a plug that can be read and switched. */
export type PlugHint = 'power_unknown' | 'counters_unknown' | 'clock_wrong';

/** What a hint is about: finer than the state, as the remedy may differ. */
export type HintTopic =
  | Exclude<DeviceState, 'ok'>
  | 'bad_answer'
  | 'not_read_yet'
  | PlugFailureCause
  | PlugHint;

/**
 * What to do about a topic, in words; empty when nothing is wrong.
 * @param until when it ends, in its reader's format
 */
export type Hints = (topic: HintTopic | 'ok', language: HintLanguage, until?: string) => string;

/** The state a failure puts a plug in. The contract has no word for nonsense, so it is offline. */
export function stateOfFailure(failure: PlugFailure): Exclude<DeviceState, 'ok'> {
  return failure.kind === 'bad_answer' ? 'unreachable' : failure.kind;
}

export function topicOfFailure(failure: PlugFailure): HintTopic {
  return failure.cause ?? failure.kind;
}
