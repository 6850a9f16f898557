import type { StatementSync } from 'node:sqlite';
import type { Store } from '../store/store.ts';

/** A desktop whose approved pairing was seen here. */
export interface DesktopRow {
  readonly refreshHash: Buffer;
  readonly deviceId: string;
  readonly deviceName: string;
  readonly userId: number;
  readonly pairedAtMs: number;
  readonly endsAtMs: number;
  readonly listedAtMs: number;
}

/** Why a pairing ended; the log tells it. */
export type DesktopEnd =
  | 'logout'
  | 'refused'
  | 'user_changed'
  | 'password_changed'
  | 'credential_refused'
  | 'not_listed'
  | 'taken_away'
  | 'user_gone'
  | 'paired_anew';

/** More desktops than anybody has. */
const MAX_PER_USER = 50;

/** All SQL of `paired_desktops`. */
export class DesktopRows {
  readonly #keep: StatementSync;
  readonly #cap: StatementSync;
  readonly #find: StatementSync;
  readonly #active: StatementSync;
  readonly #activeOfUser: StatementSync;
  readonly #otherState: StatementSync;
  readonly #listed: StatementSync;
  readonly #end: StatementSync;

  constructor(store: Store) {
    this.#keep = store.prepare(`
      INSERT OR IGNORE INTO paired_desktops (refresh_hash, device_id, device_name, user_id,
        user_state, paired_at_ms, ends_at_ms, listed_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`);
    this.#cap = store.prepare(`
      DELETE FROM paired_desktops WHERE user_id = ?1 AND refresh_hash IN (
        SELECT refresh_hash FROM paired_desktops WHERE user_id = ?1
        ORDER BY paired_at_ms DESC LIMIT -1 OFFSET ${MAX_PER_USER})`);
    const active = 'SELECT * FROM paired_desktops WHERE ended_at_ms IS NULL';
    this.#find = store.prepare(`${active} AND refresh_hash = ?`);
    this.#active = store.prepare(`${active} ORDER BY paired_at_ms`);
    this.#activeOfUser = store.prepare(`${active} AND user_id = ? ORDER BY paired_at_ms`);
    this.#otherState = store.prepare(`${active} AND user_id = ? AND user_state <> ?`);
    this.#listed = store.prepare(
      'UPDATE paired_desktops SET listed_at_ms = ? WHERE refresh_hash = ?',
    );
    this.#end = store.prepare(`
      UPDATE paired_desktops SET ended_at_ms = ?, ended_why = ?
      WHERE refresh_hash = ? AND ended_at_ms IS NULL`);
  }

  keep(row: DesktopRow, userState: string): void {
    const { refreshHash, deviceId, deviceName, userId, pairedAtMs, endsAtMs, listedAtMs } = row;
    this.#keep.run(
      ...([refreshHash, deviceId, deviceName, userId, userState] as const),
      ...([pairedAtMs, endsAtMs, listedAtMs] as const),
    );
    this.#cap.run(userId);
  }

  /** Finds an active pairing. */
  find(refreshHash: Uint8Array): DesktopRow | null {
    const raw = this.#find.get(refreshHash);
    return raw === undefined ? null : toRow(raw);
  }

  /** @param userId null for everybody's */
  active(userId: number | null): readonly DesktopRow[] {
    const all = userId === null ? this.#active.all() : this.#activeOfUser.all(userId);
    return all.map(toRow);
  }

  /** That user's desktops whose user data differed when they were paired. */
  ofOtherState(userId: number, userState: string): readonly DesktopRow[] {
    return this.#otherState.all(userId, userState).map(toRow);
  }

  listed(refreshHash: Buffer, atMs: number): void {
    this.#listed.run(atMs, refreshHash);
  }

  end(refreshHash: Buffer, why: DesktopEnd, atMs: number): void {
    this.#end.run(atMs, why, refreshHash);
  }
}

function toRow(raw: Readonly<Record<string, unknown>>): DesktopRow {
  return {
    refreshHash: Buffer.from(raw['refresh_hash'] as Uint8Array),
    deviceId: String(raw['device_id']),
    deviceName: String(raw['device_name']),
    userId: Number(raw['user_id']),
    pairedAtMs: Number(raw['paired_at_ms']),
    endsAtMs: Number(raw['ends_at_ms']),
    listedAtMs: Number(raw['listed_at_ms']),
  };
}
