import type { NasClient, NasFileItem } from '../nas/nas-client.ts';
import { nameOf } from '../files/files.ts';
import { conflictName } from './conflict-name.ts';
import type { Conflict, ConflictRows } from './conflict-rows.ts';
import type { Interruption } from './interruption.ts';
import type { NasFolder } from './nas-folder.ts';
import type { NasMoves } from './nas-moves.ts';
import { readBack } from './read-back.ts';
import { folderOf } from './target.ts';
import type { TouchedPlace } from './upload-ports.ts';

/** Three renames, each looked at before and after, and room for a lost answer or two. */
const MOST_STEPS = 12;
const MOST_FAULTS = 2;
const MOST_NAMES = 1_000;

export type SwapOutcome =
  /** `now`: what lies at each place that had to do with it. */
  | { readonly kind: 'swapped'; readonly now: readonly TouchedPlace[] }
  /** What was to change places is not there any more, or something new is. Nothing is lost. */
  | { readonly kind: 'changed'; readonly detail: string }
  | Interruption;

/** What lies at the three places now. */
interface Places {
  readonly place: NasFileItem | null;
  readonly copy: NasFileItem | null;
  readonly swap: NasFileItem | null;
}

type Step =
  | { readonly kind: 'rename'; readonly from: string; readonly to: string }
  | { readonly kind: 'done' }
  | { readonly kind: 'changed'; readonly detail: string };

export interface ConflictSwapParts {
  readonly rows: ConflictRows;
  readonly folders: NasFolder;
  readonly moves: NasMoves;
  readonly nas: NasClient;
  /** IANA name. */
  readonly timezone: string;
  readonly isPathTaken: (id: string, path: string) => boolean;
}

/**
 * Puts an upload in its place and the other version under the conflict name. The NAS can only
 * rename one file at a time, so the other goes aside first. Each step follows from what lies where
 * at that moment: begun again after a crash or a lost answer it goes on where it was, and at every
 * moment both versions are there.
 */
export class ConflictSwap {
  readonly #parts: ConflictSwapParts;

  constructor(parts: ConflictSwapParts) {
    this.#parts = parts;
  }

  /** @param username names the place aside, should anybody see it */
  async swap(
    given: Conflict,
    username: string,
    token: string,
    signal: AbortSignal,
  ): Promise<SwapOutcome> {
    let conflict = given;
    let faults = 0;
    for (let count = 0; count < MOST_STEPS; count += 1) {
      const listed = await this.#parts.folders.list(token, folderOf(conflict.path), signal);
      if (listed.kind !== 'items') return listed;
      const places = placesOf(conflict, listed.items);
      const content = await this.#ours(conflict, places, token, signal);
      if (typeof content !== 'boolean') return content;
      if (conflict.swapPath === null && needsSwapPath(places, content)) {
        conflict = this.#chooseSwapPath(conflict, username, listed.items);
      }
      const step = stepOf(conflict, places, content);
      if (step.kind === 'done') return { kind: 'swapped', now: touched(conflict, places) };
      if (step.kind === 'changed') {
        this.#parts.rows.setSwapPath(conflict.id, null);
        return step;
      }
      const fault = await this.#parts.moves.rename(token, step.from, nameOf(step.to));
      if (fault === null) continue;
      faults += 1;
      const unknown = fault.kind === 'trouble' || fault.kind === 'gone';
      if (!unknown || faults > MOST_FAULTS) return fault;
    }
    return { kind: 'trouble', detail: 'The files of this conflict keep changing.' };
  }

  /** Whether the upload's own content lies in its place already. */
  async #ours(
    conflict: Conflict,
    { place }: Places,
    token: string,
    signal: AbortSignal,
  ): Promise<boolean | Interruption> {
    if (place === null || place.type === 'directory') return false;
    if (place.size !== conflict.sizeBytes) return false;
    if (place.checksum?.toLowerCase() === conflict.sha256) return true;
    const content = await readBack(this.#parts.nas, token, place, signal);
    if (content.kind === 'hash') return content.sha256 === conflict.sha256;
    return content.kind === 'unsteady' ? false : content;
  }

  #chooseSwapPath(conflict: Conflict, username: string, items: readonly NasFileItem[]): Conflict {
    const { rows, timezone, isPathTaken } = this.#parts;
    const taken = new Set(items.map(({ name }) => name));
    const filename = nameOf(conflict.path);
    const folder = folderOf(conflict.path);
    for (let count = 2; count <= MOST_NAMES; count += 1) {
      const { foundAtMs: acceptedAtMs } = conflict;
      const name = conflictName({ filename, username, acceptedAtMs, timezone, count });
      const path = folder === '' ? name : `${folder}/${name}`;
      if (taken.has(name) || isPathTaken(conflict.uploadId, path)) continue;
      rows.setSwapPath(conflict.id, path);
      return { ...conflict, swapPath: path };
    }
    throw new Error('A thousand conflict names of one file are taken.');
  }
}

function placesOf(conflict: Conflict, items: readonly NasFileItem[]): Places {
  const at = (path: string | null): NasFileItem | null =>
    path === null ? null : (items.find(({ name }) => name === nameOf(path)) ?? null);
  return { place: at(conflict.path), copy: at(conflict.conflictPath), swap: at(conflict.swapPath) };
}

function touched(conflict: Conflict, { place, copy }: Places): TouchedPlace[] {
  const { path, conflictPath, swapPath } = conflict;
  const now = [
    { path, item: place },
    { path: conflictPath, item: copy },
  ];
  return swapPath === null ? now : [...now, { path: swapPath, item: null }];
}

function needsSwapPath({ place, copy }: Places, placeIsOurs: boolean): boolean {
  return place?.type === 'file' && copy?.type === 'file' && !placeIsOurs;
}

/** No rename here ever goes onto a name that is taken. */
function stepOf(conflict: Conflict, places: Places, placeIsOurs: boolean): Step {
  const { place, copy, swap } = places;
  const { path, conflictPath, swapPath } = conflict;
  if (placeIsOurs && swap === null) return { kind: 'done' };
  const folder = [place, copy].find((item) => item?.type === 'directory') ?? null;
  if (folder !== null) return inTheWay(folder);
  if (swapPath !== null && swap !== null) return stepWithSwap(conflict, swapPath, places);
  if (copy === null) return gone();
  if (place === null) return { kind: 'rename', from: conflictPath, to: path };
  if (swapPath === null) throw new Error('Two files cannot change places without a third place.');
  return { kind: 'rename', from: path, to: swapPath };
}

function stepWithSwap(
  { path, conflictPath }: Conflict,
  swapPath: string,
  { place, copy, swap }: Places,
): Step {
  // It came in the very moment before the rename: it goes back.
  if (place === null && swap?.type === 'directory') {
    return { kind: 'rename', from: swapPath, to: path };
  }
  if (place !== null && copy === null) return { kind: 'rename', from: swapPath, to: conflictPath };
  if (place === null && copy !== null) return { kind: 'rename', from: conflictPath, to: path };
  // The copy vanished meanwhile: the other version goes back to its place.
  if (place === null) return { kind: 'rename', from: swapPath, to: path };
  const detail = `A new version came meanwhile. The other one is now ${nameOf(swapPath)}.`;
  return { kind: 'changed', detail };
}

/** Versions of a file change places; a folder takes all that is in it along, and its pins end. */
function inTheWay({ path }: NasFileItem): Step {
  return {
    kind: 'changed',
    detail: `${path} is a folder on the NAS, so no file can be put there.`,
  };
}

function gone(): Step {
  return { kind: 'changed', detail: 'The conflict copy is not on the NAS any more.' };
}
