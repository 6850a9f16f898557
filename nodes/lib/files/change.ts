/**
 * Something that lies otherwise on the NAS now. Paths are as `parseNasPath` gives them; each change
 * is one of the path itself and of everything below it.
 */
export type Change =
  | { readonly kind: 'deleted'; readonly path: string }
  /** A rename is a move too. What lay at `to` before is gone. */
  | { readonly kind: 'moved'; readonly from: string; readonly to: string }
  /** A folder, which may have been there before. */
  | { readonly kind: 'made'; readonly path: string }
  /**
   * What lies there is known no more, as after a version or the trash was restored, or a folder was
   * given to somebody else. Null: it may be anywhere.
   */
  | { readonly kind: 'unknown'; readonly path: string | null }
  /** Shares or permissions of a path; null: of nobody knows which. */
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
