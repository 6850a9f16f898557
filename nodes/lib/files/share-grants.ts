import { LruMap } from '../limits/limits.ts';
import type { User } from '../accounts/caller.ts';
import { failureOf, goodBodyOf, isGood } from '../nas/nas.ts';
import type { NasClient, NasDownload } from '../nas/nas-client.ts';
import type { Clock } from '../time/clock.ts';
import type { GrantRows } from './grant-rows.ts';
import { isWithin, mayRead, mayWrite, parseNasPath, type ShareGrant } from './nas-path.ts';
import { type ReadFault, readFaultOf } from './outcomes.ts';
import { type FileVersion, normaliseTime } from './stored-item.ts';

/** How often shares are fetched while the NAS is awake (unsharing takes effect at once). */
const REFRESH_MS = 10 * 60_000;
/** Like the limit for listings, for users who look at the shares themselves (contract 3). */
const LOOKED_AT_MS = 10_000;
const MOST_USERS = 1_000;

interface ShareGrantsDeps {
  readonly rows: GrantRows;
  readonly nas: Pick<NasClient, 'sharedWithMe'>;
  readonly clock: Pick<Clock, 'monotonicMs'>;
  /** The latest of wall clock, newest time stored and build date, epoch ms (contract 1, Time). */
  readonly trustedNowMs: () => number;
  readonly tokenRefused: (token: string) => void;
}

/** What others shared with each user, and the permission rule over it. */
export class ShareGrants {
  readonly #deps: ShareGrantsDeps;
  /** `false`: the NAS did not answer, so it is asked again soon. */
  readonly #asked: Recent<boolean>;
  readonly #running = new Map<number, Promise<void>>();
  /** Increased by each change of shares. */
  #epoch = 0;

  constructor(deps: ShareGrantsDeps) {
    this.#deps = deps;
    this.#asked = new Recent(deps.clock, MOST_USERS);
  }

  /** The trusted time was corrected. */
  clockPutRight(fromMs: number, toMs: number): void {
    this.#deps.rows.clockPutRight(fromMs, toMs);
  }

  mayRead(user: User, path: string, ownerId: string | null): boolean {
    // Most paths are decided by the user's name alone; only the rest needs the shares.
    if (mayRead(user, path, ownerId, [], 0)) return true;
    return mayRead(user, path, ownerId, this.#deps.rows.of(user.id), this.#deps.trustedNowMs());
  }

  mayWrite(user: User, path: string): boolean {
    if (mayWrite(user, path, [], 0)) return true;
    return mayWrite(user, path, this.#deps.rows.of(user.id), this.#deps.trustedNowMs());
  }

  /** The share that is exactly this path and a folder. */
  sharesFolder(user: User, path: string): boolean {
    return this.#deps.rows.of(user.id).some((grant) => grant.isDirectory && grant.path === path);
  }

  /**
   * Refreshes old answers from the NAS; never in between for long-known users.
   * @param lookedAt the user opens "Shared with me", so its entries must be decidable
   */
  async refresh(user: User, token: string, lookedAt: boolean): Promise<void> {
    const key = String(user.id);
    const hasAnswer = this.#asked.get(key, REFRESH_MS) === true;
    const holdsMs = lookedAt || !hasAnswer ? LOOKED_AT_MS : REFRESH_MS;
    if (this.#asked.get(key, holdsMs) !== undefined) return;
    const running = this.#running.get(user.id);
    if (running !== undefined) return running;
    const asking = this.#ask(user, token).finally(() => this.#running.delete(user.id));
    this.#running.set(user.id, asking);
    return asking;
  }

  /**
   * The NAS refused this user something only a share opens, so shares have changed: they are
   * fetched again, and what the NAS cannot confirm counts no more.
   */
  async refused(user: User, token: string, path: string): Promise<void> {
    if (mayRead(user, path, null, [], 0)) return;
    // An answer already under way may be older than the refusal.
    await this.#running.get(user.id);
    this.#asked.forget((key) => key === String(user.id));
    await this.refresh(user, token, false);
    if (this.#asked.get(String(user.id), REFRESH_MS) === true) return;
    for (const grant of this.#deps.rows.of(user.id)) {
      const opens = grant.isDirectory ? isWithin(path, grant.path) : path === grant.path;
      if (opens) this.#deps.rows.drop(user.id, grant.path);
    }
  }

  /**
   * Shares at or below a path were changed: none of them counts until the NAS confirms it, and
   * every user is refreshed, as a share may have been added. The Pi may not know which share ended,
   * so `''` is all of them.
   * @returns who held one
   */
  changed(path: string): readonly number[] {
    this.#epoch += 1;
    this.#asked.forget(() => true);
    return this.#deps.rows.end(path);
  }

  /** Forgets shares of a path, and below it, that no longer exists there. */
  gone(path: string): readonly number[] {
    const holders = this.#deps.rows.end(path);
    if (holders.length === 0) return holders;
    // An answer under way may be older.
    this.#epoch += 1;
    const keys = new Set(holders.map(String));
    this.#asked.forget((key) => keys.has(key));
    return holders;
  }

  dropUser(userId: number): void {
    this.#deps.rows.clear(userId);
    this.#asked.forget((key) => key === String(userId));
  }

  async #ask(user: User, token: string): Promise<void> {
    const epoch = this.#epoch;
    const outcome = await this.#deps.nas.sharedWithMe(token, { auto: true });
    if (epoch !== this.#epoch) return this.#ask(user, token);
    if (outcome.kind === 'unreachable') return;
    this.#asked.set(String(user.id), isGood(outcome));
    if (failureOf(outcome)?.kind === 'token_refused') this.#deps.tokenRefused(token);
    const told = goodBodyOf(outcome);
    if (!Array.isArray(told)) return;
    const fetchedAtMs = this.#deps.trustedNowMs();
    const grants = told.flatMap((row: unknown) => grantOf(row, fetchedAtMs));
    this.#deps.rows.replace(user.id, grants);
  }
}

/** One row of the NAS's answer; empty for one that makes no sense, which then grants nothing. */
function grantOf(row: unknown, fetchedAtMs: number): ShareGrant[] {
  if (typeof row !== 'object' || row === null) return [];
  const share = row as Readonly<Record<string, unknown>>;
  if (typeof share['file_path'] !== 'string' || share['is_expired'] === true) return [];
  const parsed = parseNasPath(share['file_path']);
  if (parsed.kind === 'bad_path' || parsed.path === '') return [];
  const expires = expiryOf(share['expires_at']);
  if (expires === 'unreadable') return [];
  return [
    {
      path: parsed.path,
      isDirectory: share['is_directory'] === true,
      canRead: share['can_read'] === true,
      canWrite: share['can_write'] === true,
      expiresAtMs: expires,
      fetchedAtMs,
    },
  ];
}

/** The expiry is naive UTC. One that cannot be read makes the share invalid. */
function expiryOf(value: unknown): number | null | 'unreadable' {
  if (value === null || value === undefined) return null;
  if (typeof value !== 'string') return 'unreadable';
  const { atMs } = normaliseTime(value);
  return atMs === 0 ? 'unreadable' : atMs;
}

/** As for listings (contract 3). */
const PROBE_EVERY_MS = 10_000;
const MOST_FILES = 500;

/** What a one-byte read told about a file. */
export type Probed =
  | { readonly kind: 'version'; readonly version: FileVersion; readonly mimeType: string | null }
  | ReadFault;

interface ShareProbeDeps {
  readonly nas: Pick<NasClient, 'download'>;
  readonly clock: Pick<Clock, 'monotonicMs'>;
  readonly tokenRefused: (token: string) => void;
  readonly grants: Pick<ShareGrants, 'refused'>;
}

/**
 * The version of a single shared file. Its folder cannot be listed by the user it is shared with,
 * and "Shared with me" shows neither its checksum nor its own time (docs/NAS.md); a read of its
 * first byte tells size and entity tag.
 */
export class ShareProbe {
  readonly #deps: ShareProbeDeps;
  readonly #recent: Recent<Probed>;

  constructor(deps: ShareProbeDeps) {
    this.#deps = deps;
    this.#recent = new Recent(deps.clock, MOST_FILES);
  }

  async probe(user: User, token: string, path: string, force: boolean): Promise<Probed> {
    const key = `${user.id}\0${path}`;
    const known = force ? undefined : this.#recent.get(key, PROBE_EVERY_MS);
    if (known !== undefined) return known;
    const answer = await this.#deps.nas.download(token, path, { firstByte: 0, lastByte: 0 });
    const probed = probedOf(answer);
    if (probed.kind === 'token_refused') this.#deps.tokenRefused(token);
    if (probed.kind === 'not_found') await this.#deps.grants.refused(user, token, path);
    if (probed.kind === 'version' || probed.kind === 'not_found') this.#recent.set(key, probed);
    return probed;
  }

  forget(): void {
    this.#recent.forget(() => true);
  }
}

function probedOf(answer: NasDownload): Probed {
  if (answer.kind === 'stream') {
    answer.body.on('error', () => undefined).destroy();
    return found(answer.sizeBytes, answer.etag, answer.lastModified, answer.contentType);
  }
  const failure = failureOf(answer);
  // An empty file refuses every range (measured).
  return failure.kind === 'bad_range' ? found(0, null, null, null) : readFaultOf(failure);
}

function found(
  sizeBytes: number,
  etag: string | null,
  lastModified: string | null,
  mimeType: string | null,
): Probed {
  const parsedMs = Date.parse(lastModified ?? '');
  const modifiedAtMs = Number.isNaN(parsedMs) ? 0 : parsedMs;
  const modifiedAtText = new Date(modifiedAtMs).toISOString();
  const version = { sizeBytes, modifiedAtMs, modifiedAtText, checksum: null, etag };
  return { kind: 'version', version, mimeType };
}

/**
 * When something was last asked, by key, in monotonic time. Bounded: the least recently used key is
 * forgotten, which costs one extra question.
 */
export class Recent<T> {
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #seen: LruMap<string, { readonly atMs: number; readonly value: T }>;

  constructor(clock: Pick<Clock, 'monotonicMs'>, most: number) {
    this.#clock = clock;
    this.#seen = new LruMap(most);
  }

  set(key: string, value: T): void {
    this.#seen.set(key, { atMs: this.#clock.monotonicMs(), value });
  }

  /** What was set for `key` less than `withinMs` ago. */
  get(key: string, withinMs: number): T | undefined {
    const found = this.#seen.get(key);
    if (found === undefined) return undefined;
    return this.#clock.monotonicMs() - found.atMs < withinMs ? found.value : undefined;
  }

  /** Forgets every key that `matches`. */
  forget(matches: (key: string, value: T) => boolean): void {
    for (const [key, { value }] of this.#seen) {
      if (matches(key, value)) this.#seen.delete(key);
    }
  }
}
