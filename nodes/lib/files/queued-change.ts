import { isWithin } from './nas-path.ts';

/** A delete, rename, move or new folder of a user that the NAS did not carry out yet. */
export interface QueuedChange {
  /** In one order with the uploads of the queue. */
  readonly seq: number;
  readonly kind: 'delete' | 'rename' | 'move' | 'mkdir';
  readonly path: string;
  /** Where it goes, in full, where it goes anywhere. */
  readonly toPath: string | null;
  readonly acceptedAtMs: number;
}

type Places = Pick<QueuedChange, 'kind' | 'path' | 'toPath'>;

/** Where a path was before a change. `made`: that change made it, empty. */
export type PathBefore =
  { readonly kind: 'path'; readonly path: string } | { readonly kind: 'gone' | 'made' };

export function pathBefore({ kind, path, toPath }: Places, at: string): PathBefore {
  if (toPath !== null && isWithin(at, toPath)) {
    return { kind: 'path', path: path + at.slice(toPath.length) };
  }
  if (!isWithin(at, path)) return { kind: 'path', path: at };
  // What is made was not there, and neither was anything in it.
  return { kind: kind === 'mkdir' && at === path ? 'made' : 'gone' };
}

/** Where a path is after a change; null where it is no more. */
export function pathAfter({ kind, path, toPath }: Places, at: string): string | null {
  if (kind === 'mkdir' || !isWithin(at, path)) return at;
  return toPath === null ? null : toPath + at.slice(path.length);
}

/**
 * Where something that lay at a path is for a user now.
 * @param changes in their order
 * @param seq what came before it does not count
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
