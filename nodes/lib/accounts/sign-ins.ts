import { createHash } from 'node:crypto';
import type { TrustedClock } from '../time/trusted-time.ts';
import type { EditorSessions } from './editor-sessions.ts';
import type { PageSessions } from './page-sessions.ts';
import type { PairedDesktops } from './paired-desktops.ts';
import type { UserBook } from './user-book.ts';

/**
 * Where somebody is signed in. `page`: a browser, at the pages. `app`: whoever holds refresh tokens
 * that came through this Pi. `desktop`: a paired one that goes on with tokens of the Pi. `editor`: at
 * the editor.
 */
export interface SignedIn {
  /** Tells nothing of a token or a cookie. */
  readonly id: string;
  readonly kind: 'page' | 'app' | 'desktop' | 'editor';
  readonly userId: number;
  /** What a desktop is called; null of the others. */
  readonly name: string | null;
  /** Of a page and of the editor the sign-in, of an app its last refresh. */
  readonly sinceMs: number;
  /** Null where nothing says. */
  readonly endsAtMs: number | null;
}

interface Deps {
  readonly book: UserBook;
  readonly time: TrustedClock;
  readonly pages: PageSessions;
  readonly desktops: PairedDesktops;
  readonly editor: EditorSessions;
}

/** Ends one of the sign-ins. */
type End = () => void;

/** Every place where people are signed in here, to be looked at and ended one by one. */
export class SignIns {
  readonly #deps: Deps;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /** The newest first. @param userId null for everybody's */
  list(userId: number | null): readonly SignedIn[] {
    return [...this.#all(userId).keys()].sort((a, b) => b.sinceMs - a.sinceMs);
  }

  /**
   * Ends one: its cookie or tokens let nobody in here any more.
   * @param userId whose it has to be; null for anybody's
   * @returns whether there was one
   */
  end(id: string, userId: number | null): boolean {
    for (const [signedIn, end] of this.#all(userId)) {
      if (signedIn.id !== id) continue;
      end();
      return true;
    }
    return false;
  }

  #all(userId: number | null): ReadonlyMap<SignedIn, End> {
    return new Map([
      ...this.#pages(userId),
      ...this.#apps(userId),
      ...this.#desktops(userId),
      ...this.#editors(userId),
    ]);
  }

  #pages(userId: number | null): [SignedIn, End][] {
    const { pages } = this.#deps;
    return pages.standing(userId).map(({ key, ...row }) => {
      const name = null;
      const { userId: id, signedInAtMs: sinceMs, endsAtMs } = row;
      const end = (): void => {
        pages.end(key);
      };
      return [{ id: idOf('page', key), kind: 'page', userId: id, name, sinceMs, endsAtMs }, end];
    });
  }

  #apps(userId: number | null): [SignedIn, End][] {
    const { book, time } = this.#deps;
    const nowMs = time.nowMs();
    return book.refreshTokens.devices(userId).flatMap((device): [SignedIn, End][] => {
      const { userId: id, device: lineage, acceptedAtMs: sinceMs, expiresAtMs: endsAtMs } = device;
      const isOver = endsAtMs !== null && endsAtMs <= nowMs;
      if (isOver || book.userOf(id) === null) return [];
      const end = (): void => {
        book.endDevice(id, lineage);
      };
      const app = { id: idOf('app', `${id} ${lineage}`), kind: 'app', name: null } as const;
      return [[{ ...app, userId: id, sinceMs, endsAtMs }, end]];
    });
  }

  #desktops(userId: number | null): [SignedIn, End][] {
    const { book, desktops } = this.#deps;
    return desktops.list(userId).map((row) => {
      const { deviceName: name, pairedAtMs: sinceMs, endsAtMs, userId: id } = row;
      const end = (): void => {
        book.endDesktop(row, 'taken_away');
      };
      const key = idOf('desktop', row.refreshHash.toString('hex'));
      return [{ id: key, kind: 'desktop', userId: id, name, sinceMs, endsAtMs }, end];
    });
  }

  #editors(userId: number | null): [SignedIn, End][] {
    const { editor } = this.#deps;
    return editor.standing(userId).map(({ username, ...rest }) => {
      const end = (): void => {
        editor.end(username);
      };
      return [{ id: idOf('editor', username), kind: 'editor', name: null, ...rest }, end];
    });
  }
}

function idOf(kind: SignedIn['kind'], key: string): string {
  const hash = createHash('sha256').update(`${kind} ${key}`).digest('hex');
  return `${kind}-${hash.slice(0, 16)}`;
}
