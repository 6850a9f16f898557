import type { User } from '../accounts/caller.ts';
import type { Cache } from '../cache/cache.ts';
import { type AfterChange, type Change, type Files, placesOf } from '../files/files.ts';
import { errorKind, type Log } from '../log/log.ts';
import type { NasPresence } from '../nas/presence.ts';
import type { Upload } from '../upload/upload.ts';

/** How long to wait for other work at a path: a caller is waiting for the answer. */
const LOCK_MS = 20_000;

/** Whose change it is, and the newest row of the queue that was accepted before it. */
export interface ChangedBy {
  readonly userId: number;
  readonly mark: number;
}

export interface ChangesDeps {
  readonly files: Pick<Files, 'changed' | 'doubted' | 'lookAt' | 'seenAt' | 'lookAtShares'>;
  readonly cache: Pick<Cache, 'gone' | 'moved' | 'drop'>;
  readonly upload: () => Pick<Upload, 'locks' | 'mark' | 'changedPaths'>;
  readonly presence: Pick<NasPresence, 'state'>;
  /** A user as last known; null when unknown or switched off. */
  readonly userOf: (userId: number) => User | null;
  /** A token of exactly that user that the NAS accepts now; null when there is none. */
  readonly tokenOf: (userId: number) => Promise<string | null>;
  readonly log: Log;
}

/**
 * Applies a change on the NAS to everything kept of it here: listings, ids, entries, pins and
 * shares of every user, and the queue. Used for changes that callers make through the Pi and for
 * queued ones, at the moment they happen.
 */
export class Changes {
  readonly #deps: ChangesDeps;
  readonly #asking = new Set<Promise<void>>();
  #stopped = false;

  constructor(deps: ChangesDeps) {
    this.#deps = deps;
  }

  /** Waits for pending questions. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#asking);
  }

  /**
   * Keeps deliveries and conflicts away from paths of the NAS, their parents and their children.
   * @returns how to release them; null where other work still holds one
   */
  lock(paths: readonly string[]): Promise<(() => void) | null> {
    return this.#deps.upload().locks.takeSoon(paths, LOCK_MS);
  }

  /** The newest number queued so far, to be taken before a change goes to the NAS. */
  mark(): number {
    return this.#deps.upload().mark();
  }

  /** The NAS did it. May be called twice for one change. */
  async happened(change: Change, by: ChangedBy): Promise<void> {
    const after = this.#deps.files.changed(change, by.userId);
    await this.#queue(change, by);
    await this.#copies(change);
    await this.#learn(by.userId, after);
  }

  /**
   * The NAS failed or was silent but may have done it: it renames, then says 500 (docs/NAS.md). It
   * is asked how things are; what stays unknown is no longer trusted.
   * @param token of the user whose change it is
   */
  async inDoubt(
    change: Change,
    by: ChangedBy,
    token: string,
  ): Promise<'happened' | 'not' | 'unknown'> {
    const { files, userOf } = this.#deps;
    const user = userOf(by.userId);
    const seen = user === null ? 'unknown' : await this.#look(change, user, token);
    if (seen === 'happened') await this.happened(change, by);
    if (seen === 'unknown') {
      const after = files.doubted(change);
      await this.#drop(change);
      await this.#learn(by.userId, after);
    }
    return seen;
  }

  async #look(change: Change, user: User, token: string): Promise<'happened' | 'not' | 'unknown'> {
    switch (change.kind) {
      case 'made': {
        const there = await this.#deps.files.lookAt(user, token, change.path);
        return there === 'unknown' ? there : there === null ? 'not' : 'happened';
      }
      case 'deleted':
        return await this.#lookForDeleted(change.path, user, token);
      case 'moved': {
        const from = await this.#deps.files.lookAt(user, token, change.from);
        const to = await this.#deps.files.lookAt(user, token, change.to);
        if (from === 'unknown' || to === 'unknown') return 'unknown';
        return from === null && to !== null ? 'happened' : 'not';
      }
      // None of these is trusted until it is asked for again, whatever happened to them.
      case 'unknown':
      case 'shares':
        return 'happened';
    }
  }

  /** A folder that is still there may have lost some of what was in it. */
  async #lookForDeleted(
    path: string,
    user: User,
    token: string,
  ): Promise<'happened' | 'not' | 'unknown'> {
    const there = await this.#deps.files.lookAt(user, token, path);
    if (there === 'unknown') return there;
    if (there === null) return 'happened';
    if (there.isDirectory) {
      this.#deps.files.changed({ kind: 'unknown', path }, user.id);
      this.#deps.files.seenAt(user.id, path, there);
      await this.#deps.cache.drop(path);
    }
    return 'not';
  }

  /** If the Pi's disk refuses, rows stay where they are; that is not the caller's fault. */
  async #queue(change: Change, { userId, mark }: ChangedBy): Promise<void> {
    const upload = this.#deps.upload();
    try {
      if (change.kind === 'moved')
        await upload.changedPaths.followMove(change.from, change.to, mark);
      if (change.kind === 'deleted') await upload.changedPaths.dropOwn(userId, change.path, mark);
    } catch (error) {
      this.#deps.log.error(`Queued uploads could not follow a change: ${errorKind(error)}.`);
    }
  }

  async #copies(change: Change): Promise<void> {
    const { cache } = this.#deps;
    if (change.kind === 'deleted') await cache.gone(change.path);
    if (change.kind === 'moved') {
      if (change.from !== change.to) await cache.moved(change.from, change.to);
    }
    if (change.kind === 'unknown' && change.path !== null) await cache.drop(change.path);
  }

  async #drop(change: Change): Promise<void> {
    if (change.kind === 'made' || change.kind === 'shares') return;
    for (const path of placesOf(change)) await this.#deps.cache.drop(path);
  }

  /** Asks the NAS for what only it can tell; what it does not tell stays unknown. */
  async #learn(userId: number, { unknown, holders }: AfterChange): Promise<void> {
    const user = this.#deps.userOf(userId);
    const token =
      unknown.length > 0 && this.#isAwake && user !== null
        ? await this.#deps.tokenOf(userId)
        : null;
    for (const path of unknown) {
      const there =
        user === null || token === null
          ? 'unknown'
          : await this.#deps.files.lookAt(user, token, path);
      if (there === 'unknown') this.#deps.files.doubted({ kind: 'unknown', path });
      else this.#deps.files.seenAt(userId, path, there);
    }
    for (const holder of new Set(holders)) this.#askShares(holder);
  }

  /** No caller waits for it: until then a share that may have ended opens nothing. */
  #askShares(userId: number): void {
    const asking = this.#shares(userId)
      .catch((error: unknown) => {
        this.#deps.log.warn(`The shares of a user could not be asked for: ${errorKind(error)}.`);
      })
      .finally(() => this.#asking.delete(asking));
    this.#asking.add(asking);
  }

  async #shares(userId: number): Promise<void> {
    const user = this.#deps.userOf(userId);
    if (user === null || !this.#isAwake) return;
    const token = await this.#deps.tokenOf(userId);
    if (token !== null) await this.#deps.files.lookAtShares(user, token);
  }

  get #isAwake(): boolean {
    return !this.#stopped && this.#deps.presence.state.awake;
  }
}
