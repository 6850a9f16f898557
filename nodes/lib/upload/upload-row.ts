import { FOUND_WAITING, isUploadState, type UploadState } from './upload-states.ts';

/**
 * What the sender's file was made from. `queue`: the version before it in that user's queue.
 * `own`: what this Pi last delivered there for that user. `none`: unknown, so any other content
 * found at the path is somebody's.
 */
export interface UploadBase {
  readonly source: 'none' | 'caller' | 'listing' | 'queue' | 'own';
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
  };
}

function toBase(raw: Raw): UploadBase {
  const source = String(raw['base_source']);
  switch (source) {
    case 'none':
    case 'caller':
    case 'listing':
    case 'queue':
    case 'own':
      return {
        source,
        uploadId: textOf(raw['base_upload_id']),
        sizeBytes: numberOf(raw['base_size_bytes']),
        modifiedAt: textOf(raw['base_modified_at']),
        checksum: textOf(raw['base_checksum']),
      };
    default:
      throw new Error(`The queue holds an unknown base source: ${source}.`);
  }
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
