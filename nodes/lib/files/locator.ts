import type { Caller, User } from '../accounts/caller.ts';
import type { ChangedView } from './changed-view.ts';
import type { Access, FolderView, FolderViews } from './folder-views.ts';
import type { ItemRows } from './item-rows.ts';
import type { AskOptions, NasStorage } from './listings.ts';
import { nameOf, parentOf, parseNasPath, SHARED_WITH_ME } from './nas-path.ts';
import type { LocatedFile, LocateOutcome, RelistOutcome } from './outcomes.ts';
import type { PendingUploads } from './queued-change.ts';
import type { Probed, ShareGrants, ShareProbe } from './share-grants.ts';
import { type StoredItem, versionOf } from './stored-item.ts';

interface LocatorDeps {
  readonly items: ItemRows;
  readonly views: FolderViews;
  readonly grants: ShareGrants;
  readonly probe: ShareProbe;
  readonly pending: PendingUploads;
  /** Whether a copy of a path is here, readable without the NAS. */
  readonly isKept: (path: string) => boolean;
  readonly storage: Pick<NasStorage, 'isMissing'>;
  readonly changed: ChangedView;
}

const NOT_FOUND: LocateOutcome = { kind: 'not_found' };
const UNLISTED = { kind: 'unlisted' } as const;
const CANNOT_ASK: Probed = { kind: 'cannot_ask' };

/** Finds the file a caller means, and its version, revealing no more than they may know. */
export class Locator {
  readonly #deps: LocatorDeps;

  constructor(deps: LocatorDeps) {
    this.#deps = deps;
  }

  /**
   * Tries the readings in order. A file known to exist wins over a possible one: a reading whose
   * folder was never listed is the answer only when no other is found.
   */
  async locate(
    caller: Caller,
    candidates: readonly DownloadCandidate[],
    options: AskOptions,
  ): Promise<LocateOutcome> {
    const paths = candidates
      .map((candidate) => this.#pathOf(caller.user, candidate))
      .filter((path) => path !== null);
    const hasToken = caller.nasToken !== null;
    const patient = hasToken || !paths.some((path) => this.#deps.isKept(path));
    const access = await this.#deps.views.access(caller, { patient });
    let possible: LocateOutcome = NOT_FOUND;
    for (const path of paths) {
      const outcome = await this.#locatePath(caller.user, path, access, options);
      const isSure = outcome.kind !== 'located' || outcome.file.known !== 'unlisted';
      if (outcome.kind !== 'not_found' && isSure) return outcome;
      if (possible.kind === 'not_found') possible = outcome;
    }
    return possible;
  }

  /** Looks again at a file just fetched, with a question begun after now when `force` is set. */
  async relist(caller: Caller, path: string, force: boolean): Promise<RelistOutcome> {
    const access = await this.#deps.views.access(caller);
    if (access.kind !== 'awake') return { kind: 'unknown' };
    if (!(await this.#deps.views.mayRead(caller.user, path, access))) return { kind: 'gone' };
    if (this.#deps.pending.find(caller.user.id, path) !== null) {
      return this.#unqueuedVersion(caller.user, path, access, force);
    }
    const outcome = await this.#onNas(caller.user, path, access, { force, auto: true });
    if (outcome.kind === 'not_found') return { kind: 'gone' };
    if (outcome.kind !== 'located' || outcome.file.known !== 'fresh') return { kind: 'unknown' };
    const { version } = outcome.file;
    return version === null ? { kind: 'unknown' } : { kind: 'version', version };
  }

  #pathOf(user: User, candidate: DownloadCandidate): string | null {
    switch (candidate.kind) {
      case 'pi_id':
        return this.#followed(user, this.#deps.items.pathOfPiId(candidate.id));
      case 'nas_file_id':
        return this.#pathOfNasId(user, candidate.id);
      case 'path':
        return candidate.path;
    }
  }

  /** Where a user sees the file that the Pi, or else the NAS, knows by that number. */
  pathOfId(user: User, id: number): string | null {
    return this.#followed(user, this.#deps.items.pathOfPiId(id)) ?? this.#pathOfNasId(user, id);
  }

  #pathOfNasId(user: User, id: number): string | null {
    const path = this.#deps.items.pathOfNasId(user.id, id);
    return path === null ? null : this.#deps.changed.shownAt(user.id, path);
  }

  /** An id keeps its file when the user moved it, though the NAS has not yet. */
  #followed(user: User, path: string | null): string | null {
    const { changed } = this.#deps;
    if (path === null || changed.origin(user.id, path).kind !== 'gone') return path;
    return changed.shownAt(user.id, path);
  }

  async #locatePath(
    user: User,
    path: string,
    access: Access,
    options: AskOptions,
  ): Promise<LocateOutcome> {
    if (!(await this.#deps.views.mayRead(user, path, access))) return NOT_FOUND;
    const origin = this.#deps.changed.origin(user.id, path);
    if (origin.kind === 'upload') return { kind: 'queued', upload: origin.upload };
    if (origin.kind !== 'nas') return NOT_FOUND;
    if (origin.path === path) return this.#onNas(user, path, access, options);
    if (!(await this.#deps.views.mayRead(user, origin.path, access))) return NOT_FOUND;
    const outcome = await this.#onNas(user, origin.path, access, options);
    if (outcome.kind !== 'located') return outcome;
    return { ...outcome, file: { ...outcome.file, name: nameOf(path), shownPath: path } };
  }

  /** The NAS's own version behind a queued one: a fetch of it may still be running. */
  async #unqueuedVersion(
    user: User,
    path: string,
    access: Access,
    force: boolean,
  ): Promise<RelistOutcome> {
    const outcome = await this.#onNas(user, path, access, { force, auto: true });
    if (outcome.kind !== 'located' || outcome.file.version === null) return { kind: 'unknown' };
    return { kind: 'version', version: outcome.file.version };
  }

  #onNas(user: User, path: string, access: Access, options: AskOptions): Promise<LocateOutcome> {
    const parent = parentOf(path);
    if (parent === null) return Promise.resolve(NOT_FOUND);
    const owner = this.#deps.views.ownerOf(user, parent);
    return this.#deps.grants.mayRead(user, parent, owner)
      ? this.#inFolder(user, parent, path, access, options)
      : this.#sharedFile(user, path, access, options);
  }

  async #inFolder(
    user: User,
    parent: string,
    path: string,
    access: Access,
    options: AskOptions,
  ): Promise<LocateOutcome> {
    const { views, isKept } = this.#deps;
    const isEnough = views.isListed(user, parent) || isKept(path);
    const patient = options.force === true || !isEnough;
    const asked = await views.view(user, parent, access, { ...options, patient });
    const view = this.#isKeptFrom(asked, path) ? UNLISTED : asked;
    if (view.kind === 'unlisted') return located(user, path, null, 'unlisted', null);
    return view.kind === 'view' ? this.#inView(user, parent, path, view, access) : view;
  }

  #inView(
    user: User,
    parent: string,
    path: string,
    view: Extract<FolderView, { kind: 'view' }>,
    access: Access,
  ): LocateOutcome {
    const item = view.row === null ? null : this.#deps.views.entryIn(user, parent, path);
    if (item === null || item.isDirectory) return NOT_FOUND;
    if (!this.#deps.grants.mayRead(user, path, item.ownerId)) return NOT_FOUND;
    const known = view.source;
    if (known === 'stored' && this.#isOut(path, access)) return { kind: 'storage_missing' };
    return located(user, path, item, known, view.row?.listedAtMs ?? null, versionOf(item));
  }

  async #sharedFile(
    user: User,
    path: string,
    access: Access,
    options: AskOptions,
  ): Promise<LocateOutcome> {
    const item = this.#deps.views.entryIn(user, SHARED_WITH_ME, path);
    if (item?.isDirectory === true || this.#deps.grants.sharesFolder(user, path)) return NOT_FOUND;
    if (access.kind === 'needs_nas_token') return access;
    if (access.kind === 'awake') {
      const force = options.force === true;
      const asking = this.#deps.probe.probe(user, access.token, path, force);
      const isEnough = !force && this.#deps.isKept(path);
      const probed = await (isEnough ? this.#deps.views.patience.for(asking, CANNOT_ASK) : asking);
      if (probed.kind === 'version') {
        return located(user, path, item, 'fresh', null, probed.version);
      }
      if (probed.kind !== 'cannot_ask' && !this.#isKeptFrom(probed, path)) return probed;
    }
    // The kept row has the share's own timestamp, which cannot be compared with an entry's.
    return located(user, path, item, item === null ? 'unlisted' : 'stored', null);
  }

  /** The file exists; its storage is unavailable, which is not a 404. */
  #isOut(path: string, { kind }: Access): boolean {
    const { storage, isKept } = this.#deps;
    return kind === 'awake' && storage.isMissing && !isKept(path);
  }

  /**
   * A NAS that is asked too often, or has no disk, says nothing about a file: what is kept is
   * served, as while it sleeps.
   */
  #isKeptFrom({ kind }: { readonly kind: string }, path: string): boolean {
    return (kind === 'nas_busy' || kind === 'storage_missing') && this.#deps.isKept(path);
  }
}

function located(
  user: User,
  path: string,
  item: StoredItem | null,
  known: LocatedFile['known'],
  listedAtMs: number | null,
  version: LocatedFile['version'] = null,
): LocateOutcome {
  return {
    kind: 'located',
    file: {
      user,
      path,
      name: nameOf(path),
      ownerId: item?.ownerId ?? null,
      mimeType: item?.mimeType ?? null,
      version,
      known,
      listedAtMs,
    },
  };
}

/** The Pi's own ids begin here; the NAS counts its own from 1. */
const FIRST_PI_ID = 1_000_000_000;

/** One way to read what a caller wants to download. */
type DownloadCandidate =
  | { readonly kind: 'pi_id'; readonly id: number }
  | { readonly kind: 'nas_file_id'; readonly id: number }
  | { readonly kind: 'path'; readonly path: string };

export type DownloadReference =
  /** To be tried in this order. Never empty. */
  | { readonly kind: 'candidates'; readonly candidates: readonly DownloadCandidate[] }
  | { readonly kind: 'bad_path'; readonly reason: string };

/**
 * Reads the raw rest of `/api/files/download/<rest>` or the raw value of `?path=`, still
 * percent-encoded (contract 3). BaluApp sends `/` as `%2F` and a space as `+`, or a literal `%`
 * unescaped; BaluDesk sends raw slashes. So a name is tried decoded, then with `+` as a space, then
 * exactly as sent. What decodes to no path is refused in any case. Never throws.
 * @param raw as in the request line, without the query's `?`
 */
export function parseDownloadReference(raw: string): DownloadReference {
  const decoded = decodeLoosely(raw);
  const first = parseNasPath(decoded);
  if (first.kind === 'bad_path') return first;
  if (first.path === '') return { kind: 'bad_path', reason: 'Name the file to download.' };
  const paths = new Set([first.path]);
  for (const text of [decodeLoosely(raw.replaceAll('+', ' ')), raw, raw.replaceAll('+', ' ')]) {
    const reading = parseNasPath(text);
    if (reading.kind === 'path') paths.add(reading.path);
  }
  const byPath = [...paths].map((path): DownloadCandidate => ({ kind: 'path', path }));
  return { kind: 'candidates', candidates: [...idsOf(first.path), ...byPath] };
}

function idsOf(path: string): DownloadCandidate[] {
  const id = Number(path);
  if (!/^\d{1,15}$/.test(path)) return [];
  const nas: DownloadCandidate = { kind: 'nas_file_id', id };
  return id >= FIRST_PI_ID ? [{ kind: 'pi_id', id }, nas] : [nas];
}

/**
 * Percent decoding that keeps incomplete escapes, and runs of escapes that are not UTF-8, as
 * literal text. `decodeURIComponent` throws on `100%.txt`.
 */
function decodeLoosely(text: string): string {
  return text.replace(/(?:%[0-9a-f]{2})+/gi, (run) => {
    try {
      return decodeURIComponent(run);
    } catch {
      return run;
    }
  });
}
