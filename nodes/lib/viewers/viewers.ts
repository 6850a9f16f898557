import type { Caller, User } from '../accounts/caller.ts';
import type { Asker } from './asker.ts';
import type { Language } from './words.ts';

export { type Asked, callAs } from './ask.ts';
export type { Asker } from './asker.ts';
export { type Said, said, saidNumber } from './said.ts';
export { type Catalogue, filled, type Language, Words, WORDS } from './words.ts';

/** One open page. */
export interface Viewer {
  /** The Dashboard's id of its socket, which a page cannot choose. */
  readonly socketId: string;
  readonly language: Language;
  /** Names the sign-in of its browser. */
  readonly device: string;
  /** Whose sign-in it stands on, with the role as it is now; null once that is over. */
  readonly user: () => User | null;
}

/** A person has a phone, a tablet and a few forgotten tabs; more is a fault or a flood. */
const MOST_PAGES_PER_USER = 20;

/**
 * Who looks at the pages of the Pi right now. Who a message comes from is looked up here by its
 * socket, never read from the message: whatever a page sends can be made up.
 */
export class Viewers {
  readonly #viewers = new Map<string, Viewer>();

  /** Open pages. */
  get count(): number {
    return this.#viewers.size;
  }

  /** @returns false when that person has too many pages open */
  add(viewer: Viewer): boolean {
    const id = viewer.user()?.id;
    const theirs = [...this.#viewers.values()].filter(({ user }) => user()?.id === id);
    if (theirs.length >= MOST_PAGES_PER_USER) return false;
    this.#viewers.set(viewer.socketId, viewer);
    return true;
  }

  remove(socketId: string): void {
    this.#viewers.delete(socketId);
  }

  /** @returns null for a page that is gone, or whose sign-in is over */
  askerAt(socketId: unknown): Asker | null {
    const viewer = typeof socketId === 'string' ? this.#viewers.get(socketId) : undefined;
    const user = viewer?.user() ?? null;
    if (viewer === undefined || user === null) return null;
    // A page has no token of its own: what needs the NAS goes by that user's stored credential.
    const { device } = viewer;
    const caller: Caller = { user, kind: 'pi', nasToken: null, scope: 'all', device };
    return { caller, language: viewer.language };
  }
}
