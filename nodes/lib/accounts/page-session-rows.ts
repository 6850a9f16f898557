import type { Store } from '../store/store.ts';
import type { NewestTimeStore, StoredTime } from '../time/trusted-time.ts';

type Statement = ReturnType<Store['prepare']>;

/** One browser that signed in to the pages of the Pi. */
export interface PageSessionRow {
  readonly userId: number;
  readonly epoch: number;
  readonly signedInAtMs: number;
  readonly endsAtMs: number;
}

/** A person's browsers, with space for those that were forgotten. */
const MAX_PER_USER = 20;

/** All SQL of `page_sessions`. */
export class PageSessionRows {
  readonly #find: Statement;
  readonly #all: Statement;
  readonly #add: Statement;
  readonly #cap: Statement;
  readonly #drop: Statement;

  constructor(store: Store) {
    this.#find = store.prepare(`
      SELECT user_id, standing, signed_in_at_ms, ends_at_ms
      FROM page_sessions WHERE cookie_hash = ?`);
    this.#all = store.prepare(`
      SELECT cookie_hash, user_id, standing, signed_in_at_ms, ends_at_ms
      FROM page_sessions WHERE ?1 IS NULL OR user_id = ?1`);
    this.#add = store.prepare(`
      INSERT INTO page_sessions (cookie_hash, user_id, standing, signed_in_at_ms, ends_at_ms)
      VALUES (?, ?, ?, ?, ?)`);
    this.#cap = store.prepare(`
      DELETE FROM page_sessions WHERE ends_at_ms <= ?2 OR cookie_hash IN (
        SELECT cookie_hash FROM page_sessions WHERE user_id = ?1
        ORDER BY signed_in_at_ms DESC LIMIT -1 OFFSET ${MAX_PER_USER})`);
    this.#drop = store.prepare('DELETE FROM page_sessions WHERE cookie_hash = ?');
  }

  find(hash: Buffer): PageSessionRow | null {
    const row = this.#find.get(hash);
    return row === undefined ? null : sessionIn(row);
  }

  /** @param userId null for everybody's */
  all(userId: number | null): readonly (PageSessionRow & { readonly hash: Buffer })[] {
    return this.#all
      .all(userId)
      .map((row) => ({ ...sessionIn(row), hash: Buffer.from(row['cookie_hash'] as Uint8Array) }));
  }

  /** Adds one, and drops those that ended before and that user's surplus ones. */
  add(hash: Buffer, row: PageSessionRow, overBeforeMs: number): void {
    const { userId, epoch, signedInAtMs, endsAtMs } = row;
    this.#add.run(hash, userId, epoch, signedInAtMs, endsAtMs);
    this.#cap.run(userId, overBeforeMs);
  }

  drop(hash: Buffer): void {
    this.#drop.run(hash);
  }
}

function sessionIn(row: Readonly<Record<string, unknown>>): PageSessionRow {
  return {
    userId: Number(row['user_id']),
    epoch: Number(row['standing']),
    signedInAtMs: Number(row['signed_in_at_ms']),
    endsAtMs: Number(row['ends_at_ms']),
  };
}

/** Runs a change and its dependents in one transaction. */
type Change = readonly [sql: string, ...values: number[]];

/**
 * Adjusts the times measured on the trusted clock when that is corrected from one time to another:
 * what the higher one ended stays ended, unless the NAS confirmed it since; all else keeps its age.
 */
function putRight(fromMs: number, toMs: number, graceMs: number): readonly Change[] {
  const byMs = fromMs - toMs;
  return [
    [
      `DELETE FROM token_verdicts WHERE kind = 'jwt' AND ended_at_ms IS NULL
       AND expires_at_ms <= ? AND confirmed_at_ms <= ?`,
      fromMs - graceMs,
      toMs,
    ],
    ['UPDATE token_verdicts SET confirmed_at_ms = confirmed_at_ms - ?', byMs],
    [
      `UPDATE users SET answered_at_ms = answered_at_ms - ?,
       permissions_at_ms = permissions_at_ms - ?, role_iat_s = min(role_iat_s, ?)`,
      byMs,
      byMs,
      Math.floor(toMs / 1_000),
    ],
    // Each token tells when it was issued, and one from the future is never accepted.
    ['DELETE FROM pi_sessions WHERE issued_at_ms > ? OR expires_at_ms <= ?', toMs, fromMs],
    ['DELETE FROM page_sessions WHERE ends_at_ms <= ?', fromMs],
    [
      `UPDATE page_sessions
       SET signed_in_at_ms = signed_in_at_ms - ?, ends_at_ms = ends_at_ms - ?`,
      byMs,
      byMs,
    ],
    ['DELETE FROM refresh_tokens WHERE expires_at_ms <= ? AND accepted_at_ms <= ?', fromMs, toMs],
    ['UPDATE refresh_tokens SET accepted_at_ms = accepted_at_ms - ?', byMs],
    ['UPDATE ended_refresh_tokens SET ended_at_ms = ended_at_ms - ?', byMs],
    ['UPDATE sign_in_places SET seen_at_ms = seen_at_ms - ?', byMs],
    [
      `UPDATE nas_credentials
       SET created_at_ms = min(created_at_ms, ?), last_used_ms = min(last_used_ms, ?)`,
      toMs,
      toMs,
    ],
    ['UPDATE activity SET at_ms = min(at_ms, ?), ended_at_ms = min(ended_at_ms, ?)', toMs, toMs],
    ['UPDATE nas_snapshot SET received_at_ms = min(received_at_ms, ?)', toMs],
  ];
}

/** Keeps the newest time in the queue database, and puts what was measured on it right. */
export class NewestTimeRows implements NewestTimeStore {
  readonly #store: Store;
  readonly #graceMs: number;
  readonly #read: Statement;
  readonly #write: Statement;
  readonly #replace: Statement;

  /** @param graceMs how long after its end a token still opens what the Pi keeps */
  constructor(store: Store, graceMs: number) {
    this.#store = store;
    this.#graceMs = graceMs;
    // Every time in these tables was trusted when written, so each is a lower bound as well.
    this.#read = store.prepare(`
      SELECT max(at_ms) AS newest_ms, max(accepted_ms) AS accepted_ms,
        max(refuted_build_ms) AS refuted_build_ms FROM (
        SELECT newest_ms AS at_ms, accepted_ms, refuted_build_ms FROM trusted_time
        UNION ALL SELECT max(answered_at_ms), 0, 0 FROM users
        UNION ALL SELECT max(confirmed_at_ms), 0, 0 FROM token_verdicts
        UNION ALL SELECT max(issued_at_ms), 0, 0 FROM pi_sessions
      )`);
    this.#write = store.prepare(`
      INSERT INTO trusted_time (id, newest_ms, accepted_ms) VALUES (1, ?, ?)
      ON CONFLICT (id) DO UPDATE SET newest_ms = max(newest_ms, excluded.newest_ms),
        accepted_ms = max(accepted_ms, excluded.accepted_ms)`);
    this.#replace = store.prepare(`
      INSERT INTO trusted_time (id, newest_ms, refuted_build_ms) VALUES (1, ?1, ?2)
      ON CONFLICT (id) DO UPDATE SET newest_ms = ?1, refuted_build_ms = max(refuted_build_ms, ?2)`);
  }

  read(): StoredTime {
    const row = this.#read.get();
    const number = (name: string): number => Number(row?.[name] ?? 0);
    return {
      newestMs: number('newest_ms'),
      acceptedMs: number('accepted_ms'),
      refutedBuildMs: number('refuted_build_ms'),
    };
  }

  write(newestMs: number, acceptedMs: number): void {
    this.#write.run(newestMs, acceptedMs);
  }

  putRight(fromMs: number, toMs: number, refutedBuildMs: number): void {
    this.#store.transaction(() => {
      for (const [sql, ...values] of putRight(fromMs, toMs, this.#graceMs)) {
        this.#store.prepare(sql).run(...values);
      }
      this.#replace.run(toMs, refutedBuildMs);
    });
  }
}
