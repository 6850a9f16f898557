import type { User } from '../accounts/caller.ts';
import type { Pins } from '../cache/cache.ts';
import type { Files, StoredItem } from '../files/files.ts';

/** How deep below a pinned folder its files are followed. */
export const DEEPEST_LEVELS = 16;
/** How many folders of one pin are looked into. */
export const MOST_FOLDERS = 2_000;

/** What a look into one folder came to. */
export type Look =
  | { readonly kind: 'items'; readonly items: Iterable<StoredItem> }
  | { readonly kind: 'missing' }
  /** It cannot be told now; the walk ends where it is. */
  | { readonly kind: 'unknown' };

/** `whole`: every folder was looked into. `broken_off`: come back later. */
export type Walked = 'whole' | 'cut_short' | 'missing' | 'broken_off' | 'unpinned';

export interface PinWalkPorts {
  readonly pins: Pins;
  /** Looks into a folder as the user of the pin sees it. */
  readonly look: (folder: string) => Promise<Look> | Look;
  /** How many folders at most. */
  readonly mostFolders: number;
}

interface Step {
  readonly folder: string;
  readonly level: number;
}

/** Goes through a pinned folder and all below it, and notes which files lie there. */
export async function walkPin(
  pin: { readonly userId: number; readonly path: string },
  ports: PinWalkPorts,
): Promise<Walked> {
  const { pins, look, mostFolders } = ports;
  const walked = new Set<string>();
  const ahead: Step[] = [{ folder: pin.path, level: 0 }];
  let isWhole = true;
  for (let step = ahead.shift(); step !== undefined; step = ahead.shift()) {
    if (walked.size >= mostFolders) return mostFolders < MOST_FOLDERS ? 'broken_off' : 'cut_short';
    const seen = await look(step.folder);
    if (!pins.isPinned(pin.userId, pin.path)) return 'unpinned';
    if (seen.kind === 'unknown') return 'broken_off';
    walked.add(step.folder);
    if (seen.kind === 'missing') {
      pins.forget(pin.userId, step.folder);
      if (step.folder === pin.path) return 'missing';
      continue;
    }
    const { folders, isFollowed } = learn(pins, pin.userId, step.folder, seen.items);
    const isDeepest = step.level >= DEEPEST_LEVELS;
    isWhole &&= isFollowed && !(isDeepest && folders.length > 0);
    if (!isDeepest) ahead.push(...folders.map((folder) => ({ folder, level: step.level + 1 })));
  }
  if (!isWhole) return 'cut_short';
  for (const folder of pins.foldersOf(pin)) {
    if (!walked.has(folder)) pins.forgetFiles(pin.userId, folder);
  }
  return 'whole';
}

/** Notes the files of a folder. */
export function learn(
  pins: Pins,
  userId: number,
  folder: string,
  items: Iterable<StoredItem>,
): { readonly folders: string[]; readonly isFollowed: boolean } {
  const folders: string[] = [];
  const files: StoredItem[] = [];
  for (const item of items) {
    if (item.isDirectory) folders.push(item.path);
    else files.push(item);
  }
  return { folders, isFollowed: pins.learn(userId, folder, files) };
}

/** Looks at what the user was last shown, without asking the NAS. */
export function lookAtKept(files: Pick<Files, 'shownIn'>, user: User): (folder: string) => Look {
  return (folder) => {
    const items = files.shownIn(user, folder);
    return items === null ? { kind: 'unknown' } : { kind: 'items', items };
  };
}
