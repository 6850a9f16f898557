import type { StatementSync } from 'node:sqlite';
import type { UploadState } from '../../api/api.ts';
import type { NasFileItem } from '../../nas/nas-client.ts';
import type { Store } from '../../store/store.ts';
import type { Reason } from '../reasons.ts';

/** The state in which a new row starts. */
export interface InsertedAs {
  readonly state: 'queued' | 'found' | typeof FOUND_WAITING | 'held';
  readonly found: boolean;
  readonly detail: Reason | null;
}

const QUEUED: InsertedAs = { state: 'queued', found: false, detail: null };

/** An earlier request with the same Idempotency-Key. */
interface EarlierRequest {
  readonly bodyHash: string;
  /** As {@link UploadRows.insertRequest} was given it. */
  readonly filesJson: string;
}

/** `upload_queue` and `upload_requests`, as far as accepting needs them. */
export class UploadRows {
  readonly #store: Store;
  readonly #insert: StatementSync;
  readonly #byId: StatementSync;
  readonly #newestFor: StatementSync;
  readonly #lastSynced: StatementSync;
  readonly #requeue: StatementSync;
  readonly #request: StatementSync;
  readonly #insertRequest: StatementSync;
  readonly #forgetRequests: StatementSync;
  readonly #isIntentNeeded: StatementSync;

  constructor(store: Store) {
    this.#store = store;
    this.#insert = store.prepare(`
      INSERT INTO upload_queue (id, user_id, username, folder, filename, path, second_path,
        size_bytes, sha256, base_source, base_upload_id, base_size_bytes, base_modified_at,
        base_checksum, created_at_ms, owner_created_at, device, agent, sent_name, state, found,
        detail, intent_file)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`);
    this.#byId = store.prepare('SELECT * FROM upload_queue WHERE id = ?');
    this.#newestFor = store.prepare(`
      SELECT * FROM upload_queue INDEXED BY upload_queue_by_path
      WHERE user_id = ? AND path = ? AND second_path IS ? AND has_bytes = 1
        AND state IN ${UNFINISHED}
      ORDER BY seq DESC LIMIT 1`);
    this.#lastSynced = store.prepare(`
      SELECT * FROM upload_queue INDEXED BY upload_queue_by_path
      WHERE user_id = ? AND path = ? AND state = 'synced' 
        AND coalesce(delivered_path, path) = path ORDER BY seq DESC LIMIT 1`);
    this.#requeue = store.prepare(`
      UPDATE upload_queue SET state = 'queued', found = 0, detail = NULL, resends = 0, due_tick_ms = 0,
        needs_folder = 0, next_attempt_ms = NULL, lease_owner = NULL, lease_until_tick_ms = NULL
      WHERE id = ? AND has_bytes = 1 AND state IN ${REQUEUABLE}`);
    this.#request = store.prepare(
      'SELECT body_hash, files_json FROM upload_requests WHERE user_id = ? AND key = ?',
    );
    this.#insertRequest = store.prepare(`
      INSERT INTO upload_requests (user_id, key, body_hash, files_json, created_at_ms)
      VALUES (?, ?, ?, ?, ?)`);
    this.#isIntentNeeded = store.prepare(
      'SELECT 1 FROM upload_queue WHERE intent_file = ? LIMIT 1',
    );
    this.#forgetRequests = store.prepare('DELETE FROM upload_requests WHERE created_at_ms <= ?');
  }

  transaction<T>(work: () => T): T {
    return this.#store.transaction(work);
  }

  /**
   * A dry run of `work`: nothing else is written in between, so that a transaction right after
   * usually has the same result.
   */
  rehearse<T>(work: () => T): T {
    return this.#store.rehearse(work);
  }

  /** @param intentFile the intent file that records it too */
  insert(row: NewUpload, intentFile: string | null, as: InsertedAs = QUEUED): void {
    const { base } = row;
    this.#insert.run(
      row.id,
      row.userId,
      row.username,
      row.folder,
      row.filename,
      row.path,
      row.secondPath,
      row.sizeBytes,
      row.sha256,
      base.source,
      base.uploadId,
      base.sizeBytes,
      base.modifiedAt,
      base.checksum,
      row.createdAtMs,
      row.ownerCreatedAt,
      row.device,
      row.agent,
      row.sentName,
      as.state,
      as.found ? 1 : 0,
      as.detail,
      intentFile,
    );
  }

  byId(id: string): UploadRow | null {
    return this.#one(this.#byId.get(id));
  }

  /** The newest undelivered or failed row with its bytes for exactly this target. */
  newestFor(userId: number, path: string, secondPath: string | null): UploadRow | null {
    return this.#one(this.#newestFor.get(userId, path, secondPath));
  }

  lastSynced(userId: number, path: string): UploadRow | null {
    return this.#one(this.#lastSynced.get(userId, path));
  }

  /** @returns whether the row could be queued again */
  requeue(id: string): boolean {
    return this.#requeue.run(id).changes === 1;
  }

  /** Whether any row is left that an intent file records. */
  isIntentNeeded(file: string): boolean {
    return this.#isIntentNeeded.get(file) !== undefined;
  }

  request(userId: number, key: string): EarlierRequest | null {
    const raw = this.#request.get(userId, key);
    if (raw === undefined) return null;
    return { bodyHash: String(raw['body_hash']), filesJson: String(raw['files_json']) };
  }

  insertRequest(
    userId: number,
    key: string,
    bodyHash: string,
    filesJson: string,
    nowMs: number,
  ): void {
    this.#insertRequest.run(userId, key, bodyHash, filesJson, nowMs);
  }

  /** Forgets keys that came at or before that time. */
  forgetRequests(untilMs: number): void {
    this.#forgetRequests.run(untilMs);
  }

  #one(raw: ReturnType<StatementSync['get']>): UploadRow | null {
    return raw === undefined ? null : toUploadRow(raw);
  }
}

const BASE_SOURCES = ['none', 'caller', 'listing', 'queue', 'own'] as const;

/**
 * What the sender's file was made from. `queue`: the version before it in that user's queue. `own`:
 * what this Pi last delivered there for that user. `none`: unknown, so any other content found at
 * the path belongs to somebody else.
 */
export interface UploadBase {
  readonly source: (typeof BASE_SOURCES)[number];
  readonly uploadId: string | null;
  readonly sizeBytes: number | null;
  /** As the NAS writes it. */
  readonly modifiedAt: string | null;
  readonly checksum: string | null;
}

export const NO_BASE: UploadBase = {
  source: 'none',
  uploadId: null,
  sizeBytes: null,
  modifiedAt: null,
  checksum: null,
};

/** A row about to be inserted, with what its intent records. */
export interface NewUpload {
  readonly id: string;
  readonly userId: number;
  readonly username: string;
  /** When the NAS says that person was created; null while it never told. */
  readonly ownerCreatedAt: string | null;
  readonly folder: string;
  readonly filename: string;
  readonly path: string;
  readonly secondPath: string | null;
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly base: UploadBase;
  readonly createdAtMs: number;
  /** The device it came from. */
  readonly device: string | null;
  readonly agent: string | null;
  /** The name it came with, where its path ends in another. */
  readonly sentName: string | null;
}

/** One accepted upload. */
export interface UploadRow {
  readonly seq: number;
  readonly id: string;
  readonly userId: number;
  readonly username: string;
  readonly folder: string;
  readonly filename: string;
  readonly path: string;
  /** The other reading, until the NAS is asked. */
  readonly secondPath: string | null;
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly base: UploadBase;
  readonly state: UploadState;
  /** Rebuilt from its intent: it is delivered only where nothing can have changed meanwhile. */
  readonly found: boolean;
  /** Recovered; it waits until its owner says deliver or drop. */
  readonly awaitsOwner: boolean;
  /** Its file still lies in the queue folder. */
  readonly hasBytes: boolean;
  readonly attempts: number;
  readonly resends: number;
  readonly nextAttemptMs: number | null;
  readonly detail: Reason | null;
  /** Its name since a conflict was found. */
  readonly conflictPath: string | null;
  readonly deliveredPath: string | null;
  readonly createdAtMs: number;
  readonly syncedAtMs: number | null;
  readonly ownerCreatedAt: string | null;
  /** The intent file that records it too. */
  readonly intentFile: string | null;
  /** The device it came from. */
  readonly device: string | null;
  readonly agent: string | null;
  /** The name it came with, where its path ended in another. */
  readonly sentName: string | null;
}

/** A row as the database driver returns it. */
type Raw = Readonly<Record<string, unknown>>;

/** Reads a row of `upload_queue`. */
export function toUploadRow(raw: Raw): UploadRow {
  return {
    seq: Number(raw['seq']),
    id: String(raw['id']),
    userId: Number(raw['user_id']),
    username: String(raw['username']),
    folder: String(raw['folder']),
    filename: String(raw['filename']),
    path: String(raw['path']),
    secondPath: textOf(raw['second_path']),
    sizeBytes: Number(raw['size_bytes']),
    sha256: String(raw['sha256']),
    base: toBase(raw),
    state: toState(raw['state']),
    found: raw['found'] === 1,
    awaitsOwner: raw['state'] === FOUND_WAITING,
    hasBytes: raw['has_bytes'] === 1,
    attempts: Number(raw['attempts']),
    resends: Number(raw['resends']),
    nextAttemptMs: numberOf(raw['next_attempt_ms']),
    detail: textOf(raw['detail']) as Reason | null,
    conflictPath: textOf(raw['conflict_path']),
    deliveredPath: textOf(raw['delivered_path']),
    createdAtMs: Number(raw['created_at_ms']),
    syncedAtMs: numberOf(raw['synced_at_ms']),
    ownerCreatedAt: textOf(raw['owner_created_at']),
    intentFile: textOf(raw['intent_file']),
    device: textOf(raw['device']),
    agent: textOf(raw['agent']),
    sentName: textOf(raw['sent_name']),
  };
}

/** Whether it was delivered to another path than its own: under a conflict name. */
export function liesBeside({ deliveredPath, path }: UploadRow): boolean {
  return deliveredPath !== null && deliveredPath !== path;
}

/** Parses what an intent records of an upload; null for another form. */
export function readNewUpload(value: unknown): NewUpload | null {
  const raw = value as Partial<Record<keyof NewUpload, unknown>>;
  const { id, path, sha256 } = raw;
  const base = readBase(raw.base);
  if (typeof id !== 'string' || typeof path !== 'string' || typeof sha256 !== 'string') return null;
  if (base === null) return null;
  return {
    id,
    path,
    sha256,
    base,
    userId: Number(raw.userId),
    username: String(raw.username),
    ownerCreatedAt: textOf(raw.ownerCreatedAt),
    folder: String(raw.folder),
    filename: String(raw.filename),
    secondPath: textOf(raw.secondPath),
    sizeBytes: Number(raw.sizeBytes),
    createdAtMs: Number(raw.createdAtMs),
    device: textOf(raw.device),
    agent: textOf(raw.agent),
    sentName: textOf(raw.sentName),
  };
}

/** Parses a base as an intent records it; null for another form. */
export function readBase(value: unknown): UploadBase | null {
  if (typeof value !== 'object' || value === null) return null;
  const raw = value as Partial<Record<keyof UploadBase, unknown>>;
  const source = BASE_SOURCES.find((known) => known === raw.source);
  if (source === undefined) return null;
  return {
    source,
    uploadId: textOf(raw.uploadId),
    sizeBytes: numberOf(raw.sizeBytes),
    modifiedAt: textOf(raw.modifiedAt),
    checksum: textOf(raw.checksum),
  };
}

function toBase(raw: Raw): UploadBase {
  const base = readBase({
    source: raw['base_source'],
    uploadId: raw['base_upload_id'],
    sizeBytes: raw['base_size_bytes'],
    modifiedAt: raw['base_modified_at'],
    checksum: raw['base_checksum'],
  });
  if (base === null) throw new Error('The queue holds an unknown base source.');
  return base;
}

/** @throws Error for an unknown state */
export function toState(value: unknown): UploadState {
  const state = value === FOUND_WAITING ? 'found' : String(value);
  if (!isUploadState(state)) throw new Error(`The queue holds an unknown state: ${state}.`);
  return state;
}

export function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

export function numberOf(value: unknown): number | null {
  return value === null || value === undefined ? null : Number(value);
}

/**
 * A `found` row that waits for its owner's decision. People read `found` for both; in the table
 * they are two words, so that the state alone tells every statement what goes by itself.
 */
export const FOUND_WAITING = 'found_waiting';

/** As the tables hold it; people read {@link UploadState}. */
type StoredState = UploadState | typeof FOUND_WAITING;

/** The state groups of a row. */
type Stage =
  /** The delivery may claim it. */
  | 'claimable'
  /** Delivered automatically once its user signs in. */
  | 'unclaimed'
  /** Delivered once its owner says so. */
  | 'undecided'
  /** Not on the NAS, and stays here. */
  | 'stuck'
  /** Its user is gone. */
  | 'held'
  /** It is on the NAS. */
  | 'delivered';

/**
 * The states, of uploads and changes alike, in the order of the partial indices
 * `upload_queue_claimable` and `queued_changes_open`, which only serve statements with the very
 * same words.
 */
const STATES: Readonly<Record<StoredState, { stage: Stage; mayBeRequeued: boolean }>> = {
  queued: { stage: 'claimable', mayBeRequeued: false },
  sending: { stage: 'claimable', mayBeRequeued: false },
  waiting: { stage: 'claimable', mayBeRequeued: true },
  waiting_for_credential: { stage: 'unclaimed', mayBeRequeued: true },
  found: { stage: 'claimable', mayBeRequeued: true },
  [FOUND_WAITING]: { stage: 'undecided', mayBeRequeued: true },
  failed: { stage: 'stuck', mayBeRequeued: true },
  held: { stage: 'held', mayBeRequeued: false },
  conflict: { stage: 'delivered', mayBeRequeued: false },
  synced: { stage: 'delivered', mayBeRequeued: false },
};

/** How an attempt leaves a row that it did not deliver. */
export type PutBackState = 'queued' | 'waiting' | 'failed' | typeof FOUND_WAITING;

/** Whether a text is one of the contract's states. */
export function isUploadState(text: string): text is UploadState {
  return text !== FOUND_WAITING && Object.hasOwn(STATES, text);
}

/** Whether the NAS has it, even under a conflict name. */
export function isDelivered({ state }: { readonly state: UploadState }): boolean {
  return STATES[state].stage === 'delivered';
}

/** The one or two words of the table that people read as that state. */
export function storedAs(state: UploadState): readonly [StoredState, StoredState] {
  return [state, state === 'found' ? FOUND_WAITING : state];
}

function listed(has: (state: StoredState) => boolean): string {
  const states = (Object.keys(STATES) as StoredState[]).filter(has);
  return `(${states.map((state) => `'${state}'`).join(', ')})`;
}

function inStages(...stages: readonly Stage[]): string {
  return listed((state) => stages.includes(STATES[state].stage));
}

/** As SQL: the states the delivery may claim. */
export const CLAIMABLE = inStages('claimable');

/** As SQL: the states that reach the NAS without further action. */
export const UNDELIVERED = inStages('claimable', 'unclaimed');

/** As SQL: the states to reach the NAS, automatically or once the owner says so. */
export const PENDING = inStages('claimable', 'unclaimed', 'undecided');

/** As SQL: the states not on the NAS that have an owner. */
export const UNFINISHED = inStages('claimable', 'unclaimed', 'undecided', 'stuck');

/** As SQL: the states the NAS has. */
export const DELIVERED = inStages('delivered');

/** As SQL: the states a person may queue again. */
export const REQUEUABLE = listed((state) => STATES[state].mayBeRequeued);

/** As SQL: rebuilt and not delivered yet, whether automatically or not. */
export const FOUND = listed((state) => storedAs('found').includes(state));

/** The detail of a row that is frozen until its end is written. */
const BEING_DROPPED = 'It is being dropped.';

/** As SQL, in an UPDATE: freezes pending rows; others are not on their way anyway. */
export const FROZEN = `detail = iif(state IN ${UNDELIVERED}, '${BEING_DROPPED}', detail),
        state = iif(state IN ${UNDELIVERED}, 'failed', state)`;

/** As SQL: a row that was frozen and never removed. */
export const IS_FROZEN = `(state = 'failed' AND detail = '${BEING_DROPPED}')`;

/** As SQL, in an UPDATE: the state of a row whose claim ends now. */
export const IN_LINE = `iif(found = 1, 'found', 'queued')`;

/**
 * As SQL, for a new process: claims of the last one are released, waits start over, as its
 * monotonic clock is gone, and frozen rows continue unless their end was written.
 */
export const FREED = `due_tick_ms = 0, next_attempt_ms = NULL,
        detail = iif(${IS_FROZEN}, NULL, detail),
        state = iif(state = 'sending' OR ${IS_FROZEN}, ${IN_LINE}, state)
      WHERE state IN ('sending', 'waiting') OR ${IS_FROZEN}
        OR (due_tick_ms > 0 AND state IN ${UNDELIVERED})`;

/**
 * How the target's content compares with an upload's base. `doubtful`: the listing alone cannot
 * tell, the content must be read.
 */
type BaseComparison = 'absent' | 'unchanged' | 'changed' | 'doubtful';

/**
 * Compares by the NAS's row alone. A checksum of the NAS may be stale or missing (docs/NAS.md), so
 * a match with a changed size or time proves nothing.
 * @param item null where the folder shows no such name
 */
export function compareBase(base: UploadBase, item: NasFileItem | null): BaseComparison {
  if (item === null) return 'absent';
  if (item.type === 'directory' || base.source === 'none') return 'changed';
  if (base.sizeBytes !== null && base.sizeBytes !== item.size) return 'changed';
  return compareContent(base, item);
}

function compareContent(base: UploadBase, item: NasFileItem): BaseComparison {
  const sameTime = base.modifiedAt === null ? null : isSameTime(base.modifiedAt, item.modified_at);
  if (base.checksum === null) return sameTime === true ? 'unchanged' : 'changed';
  if (item.checksum === null) return sameTime === true ? 'unchanged' : 'doubtful';
  if (item.checksum.toLowerCase() !== base.checksum) return 'changed';
  return sameTime === false ? 'doubtful' : 'unchanged';
}

/** The NAS writes one moment with `Z`, with `+00:00` and with nothing (docs/NAS.md). */
function isSameTime(a: string, b: string): boolean {
  return a === b || bareTime(a) === bareTime(b);
}

function bareTime(text: string): string {
  const bare = text.replace(' ', 'T').replace(/(Z|\+00:?00)$/, '');
  return bare.includes('.') ? bare.replace(/\.?0+$/, '') : bare;
}

/** Whether two rows of the NAS show the same version of a file. */
export function isSameItem(a: NasFileItem | null, b: NasFileItem | null): boolean {
  if (a === null || b === null) return a === b;
  return (
    a.type === b.type &&
    a.size === b.size &&
    isSameTime(a.modified_at, b.modified_at) &&
    a.checksum === b.checksum
  );
}

/** What a version was made from. */
export interface BranchBase {
  /** What the NAS must still show so that nothing is lost. */
  readonly base: UploadBase;
  /** The conflict copy of its branch, which it replaces; null for the file's own path. */
  readonly copyPath: string | null;
}

/** An undelivered version passes on its own base, a conflict copy its path. */
export function branchBaseOf(row: UploadRow, uploads: UploadRows): BranchBase {
  let { base } = row;
  while (base.source === 'queue' && base.uploadId !== null) {
    const before = uploads.byId(base.uploadId);
    if (before === null) return { base: NO_BASE, copyPath: null };
    if (isDelivered(before)) {
      const { sizeBytes, sha256: checksum } = before;
      return {
        base: { ...NO_BASE, source: 'own', sizeBytes, checksum },
        copyPath: liesBeside(before) ? before.deliveredPath : null,
      };
    }
    base = before.base;
  }
  return { base, copyPath: null };
}
