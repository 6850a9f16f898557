import type { Caller } from '../accounts/caller.ts';
import { isWithin } from './nas-path.ts';

/** A delete, rename, move or new folder of a user that the NAS did not carry out yet. */
export interface QueuedChange {
  /** In one order with the uploads of the queue. */
  readonly seq: number;
  readonly kind: 'delete' | 'rename' | 'move' | 'mkdir';
  readonly path: string;
  /** The full target path, where there is one. */
  readonly toPath: string | null;
  readonly acceptedAtMs: number;
}

type Places = Pick<QueuedChange, 'kind' | 'path' | 'toPath'>;

/** Where a path was before a change. `made`: that change made it, empty. */
type PathBefore =
  | { readonly kind: 'path'; readonly path: string }
  | { readonly kind: 'gone' | 'made' };

export function pathBefore({ kind, path, toPath }: Places, at: string): PathBefore {
  if (toPath !== null && isWithin(at, toPath)) {
    return { kind: 'path', path: path + at.slice(toPath.length) };
  }
  if (!isWithin(at, path)) return { kind: 'path', path: at };
  // Something made did not exist before, and neither did anything in it.
  return { kind: kind === 'mkdir' && at === path ? 'made' : 'gone' };
}

/** Where a path is after a change; null where it no longer exists. */
function pathAfter({ kind, path, toPath }: Places, at: string): string | null {
  if (kind === 'mkdir' || !isWithin(at, path)) return at;
  return toPath === null ? null : toPath + at.slice(path.length);
}

/**
 * Where a user now sees what was at a path.
 * @param changes in order
 * @param seq earlier changes do not count
 */
export function pathNow(
  changes: readonly QueuedChange[],
  path: string,
  seq: number,
): string | null {
  let at: string | null = path;
  for (const change of changes) {
    if (at === null) return null;
    if (change.seq > seq) at = pathAfter(change, at);
  }
  return at;
}

/**
 * A change on the NAS. Paths are from `parseNasPath`; each change covers the path itself and
 * everything below it.
 */
export type Change =
  | { readonly kind: 'deleted'; readonly path: string }
  /** A rename is a move too. What lay at `to` before is gone. */
  | { readonly kind: 'moved'; readonly from: string; readonly to: string }
  /** A folder, which may have been there before. */
  | { readonly kind: 'made'; readonly path: string }
  /**
   * The content is unknown, as after a restored version or trash item, or a folder given to
   * somebody else. Null: it may be anywhere.
   */
  | { readonly kind: 'unknown'; readonly path: string | null }
  /** Shares or permissions of a path changed; null: it is unknown whose. */
  | { readonly kind: 'shares'; readonly path: string | null };

/** The places a change is about, for locks and for looking there. */
export function placesOf(change: Change): readonly string[] {
  if (change.kind === 'moved') return [change.from, change.to];
  return change.path === null ? [] : [change.path];
}

/** Where a path lies after `from` was moved to `to`. */
export function movedPath(path: string, from: string, to: string): string {
  return to + path.slice(from.length);
}

/** A file a user handed to the Pi that the NAS does not have yet. */
export interface PendingUpload {
  readonly uploadId: string;
  /** In one order with the changes of the queue. */
  readonly seq: number;
  /** Where it will lie on the NAS, without a leading slash. */
  readonly path: string;
  readonly sizeBytes: number;
  readonly acceptedAtMs: number;
  readonly sha256: string;
  readonly mimeType: string | null;
  /** Where its bytes lie on this machine. Never shown to anybody. */
  readonly file: string;
}

/** A folder into which a user directly queued something. */
interface PendingFolder {
  readonly path: string;
  /** When the newest of it was accepted. */
  readonly acceptedAtMs: number;
  /** Of the newest of it. */
  readonly seq: number;
}

/** A stretch of the queue's order: after one number and before another. */
export interface Span {
  readonly after: number;
  readonly before: number;
}

/** The queue as the files module sees it. Only ever asked for the caller's own. */
export interface PendingUploads {
  /** The newest undelivered version of each file this user queued right in this folder. */
  inFolder(userId: number, folder: string, within?: Span): readonly PendingUpload[];
  /** Every folder with undelivered uploads of this user right in it, each once. */
  folders(userId: number): readonly PendingFolder[];
  /** The newest undelivered version this user queued for exactly this path. */
  find(userId: number, path: string, within?: Span): PendingUpload | null;
  /** What this user changed that the NAS did not carry out yet, in its order. */
  changes(userId: number): readonly QueuedChange[];
  /** A device of that caller is being shown this folder, including all of their uploads. */
  shown(caller: Caller, folder: string): void;
}
