import { createHash } from 'node:crypto';
import type { TrustedClock } from '../time/trusted-time.ts';
import type { User } from './caller.ts';
import type { PageSessionRow, PageSessionRows } from './page-session-rows.ts';
import type { RoleRecheck } from './role-recheck.ts';

/** Contract 7: 30 days at most. */
const SESSION_MS = 30 * 86_400_000;
const COOKIE_BYTES = 32;
/** What a cookie of ours looks like; anything else is not looked up. */
const COOKIE_FORM = /^[\w-]{43}$/;

export interface PageSessionsParts {
  readonly rows: PageSessionRows;
  readonly time: TrustedClock;
  readonly recheck: RoleRecheck;
  readonly randomBytes: (count: number) => Buffer;
  readonly userOf: (userId: number) => User | null;
  readonly standingOf: (userId: number) => number | null;
}

/** A sign-in that was just made. */
export interface OpenedPage {
  /** For the browser to keep; nothing here remembers more than its hash. */
  readonly cookie: string;
  /** Seconds it may be kept. */
  readonly maxAgeSeconds: number;
}

/**
 * Who has the pages of the Pi open. A sign-in outlives a restart and 30 days at most, and is over as
 * soon as what it stood on is: a logout, an account switched off, a token the NAS refused, the grace.
 */
export class PageSessions {
  readonly #parts: PageSessionsParts;

  constructor(parts: PageSessionsParts) {
    this.#parts = parts;
  }

  /** @returns null when that user may not be let in at all */
  open(user: User): OpenedPage | null {
    const { rows, time, recheck, randomBytes, standingOf } = this.#parts;
    const standing = standingOf(user.id);
    if (standing === null) return null;
    const cookie = randomBytes(COOKIE_BYTES).toString('base64url');
    const signedInAtMs = time.nowMs();
    const row = { userId: user.id, standing, signedInAtMs, endsAtMs: signedInAtMs + SESSION_MS };
    rows.add(hashOf(cookie), row, time.isProved ? signedInAtMs : 0);
    recheck.note(user.id);
    return { cookie, maxAgeSeconds: SESSION_MS / 1_000 };
  }

  /** Whose cookie it is, with the role as it is now; null once it opens nothing. */
  find(cookie: string): User | null {
    const row = this.#row(cookie);
    return row === null ? null : this.#standing(row);
  }

  /** As {@link find}, after asking the NAS where that is due. */
  async look(cookie: string): Promise<User | null> {
    const row = this.#row(cookie);
    if (row === null || this.#standing(row) === null) return null;
    await this.#parts.recheck.run(row.userId);
    return this.find(cookie);
  }

  /** Signs that browser out; others of the same user stay. */
  close(cookie: string): void {
    if (COOKIE_FORM.test(cookie)) this.#parts.rows.drop(hashOf(cookie));
  }

  /** Names that browser's sign-in, to whoever has to know it again. */
  deviceOf(cookie: string): string {
    return `page:${hashOf(cookie).toString('base64url')}`;
  }

  /**
   * The sign-ins that stand, by keys that open nothing.
   * @param userId null for everybody's
   */
  standing(userId: number | null): readonly (PageSessionRow & { readonly key: string })[] {
    return this.#parts.rows
      .all(userId)
      .filter((row) => this.#standing(row) !== null)
      .map(({ hash, ...row }) => ({ ...row, key: hash.toString('hex') }));
  }

  /** Signs a browser out. @param key as {@link standing} told it */
  end(key: string): void {
    this.#parts.rows.drop(Buffer.from(key, 'hex'));
  }

  #row(cookie: string): PageSessionRow | null {
    return COOKIE_FORM.test(cookie) ? this.#parts.rows.find(hashOf(cookie)) : null;
  }

  #standing(row: PageSessionRow): User | null {
    const { time, userOf, standingOf } = this.#parts;
    if (time.nowMs() >= row.endsAtMs) return null;
    return standingOf(row.userId) === row.standing ? userOf(row.userId) : null;
  }
}

function hashOf(cookie: string): Buffer {
  return createHash('sha256').update(cookie).digest();
}
