import { numberOf, textOf } from './upload-row.ts';
import { FOUND_WAITING, isUploadState, type UploadState } from './upload-states.ts';

const CHANGE_KINDS = ['delete', 'rename', 'move', 'mkdir'] as const;
export type ChangeKind = (typeof CHANGE_KINDS)[number];

/** What a user saw at a place, or below it, when they wanted it otherwise. */
export interface SeenEntry {
  /** Below the target; `''` for the target itself. */
  readonly path: string;
  readonly isFolder: boolean;
  /** Null where nothing but a checksum is known. */
  readonly sizeBytes: number | null;
  /** As the NAS writes it; null of what the Pi is to deliver there before. */
  readonly modifiedAt: string | null;
  readonly checksum: string | null;
}

/** A change about to be queued, and what its intent tells. */
export interface NewChange {
  readonly id: string;
  readonly userId: number;
  readonly username: string;
  /** When the NAS says that person was made; null while it was never told. */
  readonly ownerCreatedAt: string | null;
  readonly kind: ChangeKind;
  readonly path: string;
  /** Where it is renamed or moved to, in full; null for the other kinds. */
  readonly toPath: string | null;
  /** The target first, then all below it; nothing for a new folder. */
  readonly seen: readonly SeenEntry[];
  /** Uploads that it makes needless: its intent is theirs too. */
  readonly withdraws: readonly string[];
  readonly createdAtMs: number;
}

/** A delete, rename, move or new folder that the NAS is to carry out. */
export interface ChangeRow extends Omit<NewChange, 'seen' | 'withdraws' | 'ownerCreatedAt'> {
  /** In one sequence with the uploads'. */
  readonly seq: number;
  readonly isFolder: boolean;
  readonly sizeBytes: number;
  readonly checksum: string | null;
  readonly state: UploadState;
  /** Rebuilt from its intent: it is done only where nothing changed meanwhile. */
  readonly found: boolean;
  readonly attempts: number;
  readonly nextAttemptMs: number | null;
  readonly detail: string | null;
  readonly conflictAtMs: number | null;
  readonly intentFile: string | null;
}

/** Marks its line among those of uploads. */
const INTENT = 'change';

type Raw = Readonly<Record<string, unknown>>;

/** Reads a row of `queued_changes`, without what was seen: that may be much. */
export function toChangeRow(raw: Raw): ChangeRow {
  const state = raw['state'] === FOUND_WAITING ? 'found' : String(raw['state']);
  if (!isUploadState(state)) throw new Error(`The queue holds an unknown state: ${state}.`);
  const kind = kindOf(raw['kind']);
  if (kind === null) throw new Error('The queue holds an unknown kind of change.');
  return {
    seq: Number(raw['seq']),
    id: String(raw['id']),
    userId: Number(raw['user_id']),
    username: String(raw['username']),
    kind,
    path: String(raw['path']),
    toPath: textOf(raw['to_path']),
    isFolder: raw['is_folder'] === 1,
    sizeBytes: Number(raw['size_bytes']),
    checksum: textOf(raw['checksum']),
    state,
    found: raw['found'] === 1,
    attempts: Number(raw['attempts']),
    nextAttemptMs: numberOf(raw['next_attempt_ms']),
    detail: textOf(raw['detail']),
    createdAtMs: Number(raw['created_at_ms']),
    conflictAtMs: numberOf(raw['conflict_at_ms']),
    intentFile: textOf(raw['intent_file']),
  };
}

/** Every place a change is about. */
export function placesOf({ path, toPath }: Pick<ChangeRow, 'path' | 'toPath'>): readonly string[] {
  return toPath === null ? [path] : [path, toPath];
}

/** A change as its intent tells it. */
export function intentOfChange(change: NewChange): object {
  return { ...change, intent: INTENT, seen: change.seen.map(packed) };
}

/** Reads what an intent tells of a change; null for what is not of that form, as an upload's. */
export function readNewChange(value: unknown): NewChange | null {
  const raw = value as Partial<Record<keyof NewChange | 'intent', unknown>>;
  const { id, path, intent } = raw;
  const kind = kindOf(raw.kind);
  if (intent !== INTENT || kind === null) return null;
  if (typeof id !== 'string' || typeof path !== 'string' || !Array.isArray(raw.seen)) return null;
  return {
    id,
    kind,
    path,
    toPath: textOf(raw.toPath),
    seen: raw.seen.map(unpacked),
    withdraws: Array.isArray(raw.withdraws) ? raw.withdraws.map(String) : [],
    userId: Number(raw.userId),
    username: String(raw.username),
    ownerCreatedAt: textOf(raw.ownerCreatedAt),
    createdAtMs: Number(raw.createdAtMs),
  };
}

/** Ten thousand of them are a row of a megabyte or two. */
export function seenText(seen: readonly SeenEntry[]): string {
  return JSON.stringify(seen.map(packed));
}

export function seenOf(text: string): readonly SeenEntry[] {
  return (JSON.parse(text) as unknown[]).map(unpacked);
}

function packed(entry: SeenEntry): readonly unknown[] {
  const { path, isFolder, sizeBytes, modifiedAt, checksum } = entry;
  return isFolder ? [path, 1] : [path, 0, sizeBytes, modifiedAt, checksum];
}

function unpacked(value: unknown): SeenEntry {
  const [path, folder, sizeBytes, modifiedAt, checksum] = value as readonly unknown[];
  return {
    path: String(path),
    isFolder: folder === 1,
    sizeBytes: numberOf(sizeBytes),
    modifiedAt: textOf(modifiedAt),
    checksum: textOf(checksum),
  };
}

function kindOf(value: unknown): ChangeKind | null {
  return CHANGE_KINDS.find((kind) => kind === value) ?? null;
}
