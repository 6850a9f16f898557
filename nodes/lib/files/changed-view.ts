import { isWithin, nameOf, parentOf } from './nas-path.ts';
import type { PendingUpload, PendingUploads, Span } from './pending-uploads.ts';
import { pathBefore, pathNow, type QueuedChange } from './queued-change.ts';

/** Where something that a user sees comes from. */
export type Origin =
  /** The NAS has it, as far as anybody knows: at that path. Moved at that time, where it was. */
  | { readonly kind: 'nas'; readonly path: string; readonly acceptedAtMs?: number }
  | { readonly kind: 'upload'; readonly upload: PendingUpload }
  /** A folder that they made; nothing is in it but what they put there since. */
  | { readonly kind: 'made'; readonly acceptedAtMs: number }
  /** They took it away. */
  | { readonly kind: 'gone' };

/** What a user's queued changes make of one folder. */
export interface ChangedFolder {
  /** Where the NAS has it; null where it comes from the queue alone, or is gone. */
  readonly base: string | null;
  /** They made it. */
  readonly isMade: boolean;
  /** Of what is not in it as the NAS lists it; the rest is. */
  readonly names: ReadonlyMap<string, Origin>;
}

type Event = { readonly seq: number } & (
  | { readonly kind: 'change'; readonly index: number }
  | { readonly kind: 'upload'; readonly upload: PendingUpload }
);

const GONE = { kind: 'gone' } as const;
const EVER = Number.MAX_SAFE_INTEGER;

/**
 * The NAS as one user has changed it: their deletes, renames, moves and new folders that it did not
 * carry out yet, laid over what it listed. Nothing of this is stored; a path is followed back
 * through the changes, newest first, to where it comes from. Of uploads those count that came
 * between the same changes.
 */
export class ChangedView {
  readonly #pending: PendingUploads;

  constructor(pending: PendingUploads) {
    this.#pending = pending;
  }

  origin(userId: number, path: string): Origin {
    const changes = this.#pending.changes(userId);
    return this.#originAfter(userId, changes, path, changes.length);
  }

  /** As {@link origin}, of what the NAS or a new folder has there, whatever is queued for it. */
  below(userId: number, path: string): Exclude<Origin, { readonly kind: 'upload' }> {
    let at = path;
    for (const change of [...this.#pending.changes(userId)].reverse()) {
      const before = pathBefore(change, at);
      if (before.kind !== 'path') return endOf(before.kind, change);
      at = before.path;
    }
    return { kind: 'nas', path: at };
  }

  /** Where this user sees what the NAS has at a path; null where they took it away. */
  shownAt(userId: number, nasPath: string): string | null {
    return pathNow(this.#pending.changes(userId), nasPath, -1);
  }

  /** @returns null where it is as the NAS lists it, with the user's uploads in it */
  folder(userId: number, folder: string): ChangedFolder | null {
    const changes = this.#pending.changes(userId);
    const isTouched = changes.some(({ path, toPath }) =>
      [path, toPath].some((place) => place !== null && concerns(place, folder)),
    );
    if (!isTouched) return null;
    const { paths, from, end } = pathsOf(changes, folder);
    const names = new Map<string, Origin>();
    for (const event of this.#eventsIn(userId, changes, paths, from)) {
      if (event.kind === 'upload') {
        names.set(nameOf(event.upload.path), { kind: 'upload', upload: event.upload });
      } else this.#apply(userId, changes, event.index, paths, names);
    }
    return { base: end === null ? (paths[0] ?? folder) : null, isMade: end === 'made', names };
  }

  /** Upwards from the folder's first moment: what came into it and what went. */
  #eventsIn(
    userId: number,
    changes: readonly QueuedChange[],
    paths: readonly string[],
    from: number,
  ): readonly Event[] {
    const events: Event[] = changes
      .map((change, index): Event => ({ kind: 'change', seq: change.seq, index }))
      .slice(from);
    for (let first = from; first < paths.length;) {
      let next = first + 1;
      while (next < paths.length && paths[next] === paths[first]) next += 1;
      const within = spanOf(changes, first, next - 1);
      for (const upload of this.#pending.inFolder(userId, paths[first] ?? '', within)) {
        events.push({ kind: 'upload', seq: upload.seq, upload });
      }
      first = next;
    }
    return events.sort((a, b) => a.seq - b.seq);
  }

  /** @param paths of the folder, by how many changes were made */
  #apply(
    userId: number,
    changes: readonly QueuedChange[],
    index: number,
    paths: readonly string[],
    names: Map<string, Origin>,
  ): void {
    const change = changes[index];
    if (change === undefined) return;
    const { kind, path, toPath, acceptedAtMs } = change;
    const [before, after] = [paths[index], paths[index + 1]];
    if (kind === 'mkdir') {
      if (parentOf(path) === after) names.set(nameOf(path), { kind: 'made', acceptedAtMs });
      return;
    }
    if (parentOf(path) === before) names.set(nameOf(path), GONE);
    if (toPath !== null && parentOf(toPath) === after) {
      const origin = this.#originAfter(userId, changes, path, index);
      names.set(nameOf(toPath), origin.kind === 'nas' ? { ...origin, acceptedAtMs } : origin);
    }
  }

  /** Where a path came from when so many of the changes were made. */
  #originAfter(
    userId: number,
    changes: readonly QueuedChange[],
    path: string,
    count: number,
  ): Origin {
    let [at, last] = [path, count];
    for (let index = count - 1; index >= 0; index -= 1) {
      const change = changes[index];
      if (change === undefined) break;
      const before = pathBefore(change, at);
      if (before.kind === 'path' && before.path === at) continue;
      const upload = this.#pending.find(userId, at, spanOf(changes, index + 1, last));
      if (upload !== null) return { kind: 'upload', upload };
      if (before.kind !== 'path') return endOf(before.kind, change);
      [at, last] = [before.path, index];
    }
    const upload = this.#pending.find(userId, at, spanOf(changes, 0, last));
    return upload === null ? { kind: 'nas', path: at } : { kind: 'upload', upload };
  }
}

/** Whether a change of a place says anything of what is in a folder, or of where it is. */
function concerns(place: string, folder: string): boolean {
  return parentOf(place) === folder || isWithin(folder, place);
}

/**
 * Where a folder was after each number of changes, from its first moment on.
 * @returns `end`: what its first moment was; null where the NAS has it
 */
function pathsOf(
  changes: readonly QueuedChange[],
  folder: string,
): {
  readonly paths: readonly string[];
  readonly from: number;
  readonly end: 'made' | 'gone' | null;
} {
  const paths: string[] = [];
  let at = folder;
  for (let count = changes.length; ; count -= 1) {
    paths[count] = at;
    const change = changes[count - 1];
    if (change === undefined) return { paths, from: 0, end: null };
    const before = pathBefore(change, at);
    if (before.kind !== 'path') return { paths, from: count, end: before.kind };
    at = before.path;
  }
}

function endOf(
  kind: 'made' | 'gone',
  { acceptedAtMs }: QueuedChange,
): Extract<Origin, { readonly kind: 'made' | 'gone' }> {
  return kind === 'made' ? { kind, acceptedAtMs } : { kind };
}

/** The uploads that came when so many changes were made, up to so many. */
function spanOf(changes: readonly QueuedChange[], first: number, last: number): Span {
  return { after: changes[first - 1]?.seq ?? -1, before: changes[last]?.seq ?? EVER };
}
