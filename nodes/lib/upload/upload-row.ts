import { FOUND_WAITING, isUploadState, type UploadState } from './upload-states.ts';

const BASE_SOURCES = ['none', 'caller', 'listing', 'queue', 'own'] as const;

/**
 * What the sender's file was made from. `queue`: the version before it in that user's queue.
 * `own`: what this Pi last delivered there for that user. `none`: unknown, so any other content
 * found at the path is somebody's.
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

/** A row about to be inserted, and what its intent tells. */
export interface NewUpload {
  readonly id: string;
  readonly userId: number;
  readonly username: string;
  /** When the NAS says that person was made; null while it was never told. */
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
  /** The other reading, until the NAS was asked. */
  readonly secondPath: string | null;
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly base: UploadBase;
  readonly state: UploadState;
  /** Rebuilt from its intent: it goes to the NAS only where nothing can have changed meanwhile. */
  readonly found: boolean;
  /** Found, and it waits until its owner says deliver or drop. */
  readonly awaitsOwner: boolean;
  /** Its file still lies in the queue folder. */
  readonly hasBytes: boolean;
  readonly attempts: number;
  readonly resends: number;
  readonly nextAttemptMs: number | null;
  readonly detail: string | null;
  /** The name it goes by since a conflict was found. */
  readonly conflictPath: string | null;
  readonly deliveredPath: string | null;
  readonly createdAtMs: number;
  readonly syncedAtMs: number | null;
  readonly ownerCreatedAt: string | null;
  /** Which file of intents tells of it too. */
  readonly intentFile: string | null;
  /** The device it came from. */
  readonly device: string | null;
  readonly agent: string | null;
  /** The name it came with, where its path ended in another. */
  readonly sentName: string | null;
}

/** A row as the driver gives it. */
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
    detail: textOf(raw['detail']),
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

/** Whether it was delivered to another place than its own: under a conflict name. */
export function liesBeside({ deliveredPath, path }: UploadRow): boolean {
  return deliveredPath !== null && deliveredPath !== path;
}

/** Reads what an intent tells of an upload; null for what is not of that form. */
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

/** Reads a base as an intent tells it; null for what is none. */
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

function toState(value: unknown): UploadState {
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
