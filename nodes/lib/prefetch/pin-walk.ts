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
  return new Walk(pin, ports).run();
}

class Walk {
  readonly #pin: { readonly userId: number; readonly path: string };
  readonly #ports: PinWalkPorts;
  readonly #walked = new Set<string>();
  readonly #ahead: Step[];
  #isWhole = true;

  constructor(pin: { readonly userId: number; readonly path: string }, ports: PinWalkPorts) {
    this.#pin = pin;
    this.#ports = ports;
    this.#ahead = [{ folder: pin.path, level: 0 }];
  }

  async run(): Promise<Walked> {
    const { mostFolders } = this.#ports;
    for (let step = this.#ahead.shift(); step !== undefined; step = this.#ahead.shift()) {
      if (this.#walked.size >= mostFolders) {
        return mostFolders < MOST_FOLDERS ? 'broken_off' : 'cut_short';
      }
      const ended = await this.#take(step);
      if (ended !== null) return ended;
    }
    if (!this.#isWhole) return 'cut_short';
    this.#forgetVanished();
    return 'whole';
  }

  /** @returns how the walk ended, null where it goes on */
  async #take(step: Step): Promise<Walked | null> {
    const { pins, look } = this.#ports;
    const { userId, path } = this.#pin;
    const seen = await look(step.folder);
    if (!pins.isPinned(userId, path)) return 'unpinned';
    if (seen.kind === 'unknown') return 'broken_off';
    this.#walked.add(step.folder);
    if (seen.kind === 'items') {
      this.#goOn(step, learn(pins, userId, step.folder, seen.items));
      return null;
    }
    pins.forget(userId, step.folder);
    return step.folder === path ? 'missing' : null;
  }

  #goOn({ level }: Step, { folders, isFollowed }: ReturnType<typeof learn>): void {
    const isDeepest = level >= DEEPEST_LEVELS;
    if (!isFollowed || (isDeepest && folders.length > 0)) this.#isWhole = false;
    if (!isDeepest) this.#ahead.push(...folders.map((folder) => ({ folder, level: level + 1 })));
  }

  #forgetVanished(): void {
    const { pins } = this.#ports;
    for (const folder of pins.foldersOf(this.#pin)) {
      if (!this.#walked.has(folder)) pins.forgetFiles(this.#pin.userId, folder);
    }
  }
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
