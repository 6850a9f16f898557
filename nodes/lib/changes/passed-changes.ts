import type { Caller } from '../accounts/caller.ts';
import {
  type Change,
  type Files,
  nameOf,
  parentOf,
  parseNasPath,
  placesOf,
} from '../files/files.ts';
import { asleepAnswer, nasRefusal } from '../guard/fault-answers.ts';
import { type Answer, answer, refuse } from '../http/http.ts';
import type { NasApi, NasJson } from '../nas/nas-client.ts';
import { encodeNasPath } from '../nas/nas-path.ts';
import type { NasPresence } from '../nas/presence-port.ts';
import type { PassBefore, PassHook, PassRequest, PassResult } from '../pass/pass-hook.ts';
import { type ChangeWish, changesFiles, readWish } from './change-routes.ts';
import type { ChangedBy, Changes } from './changes.ts';

const SHARES = '/api/shares/user-shares';

export interface PassedChangesDeps {
  readonly changes: Pick<Changes, 'lock' | 'mark' | 'happened' | 'inDoubt'>;
  readonly files: Pick<Files, 'pathOfId' | 'entryShown' | 'lookAt'>;
  readonly nas: Pick<NasApi, 'call'>;
  readonly presence: Pick<NasPresence, 'state'>;
  /** The token to show the NAS for a caller: their own, or one from their stored credential. */
  readonly tokenOf: (caller: Caller) => Promise<string | null>;
  /** The NAS answered 401 to that token. */
  readonly refused: (token: string) => Promise<void>;
}

type PathWish = Exclude<ChangeWish, { kind: 'share' | 'change_share' | 'restore' }>;
type OtherWish = Exclude<ChangeWish, PathWish>;

/**
 * Changes that callers make on the NAS through the Pi: each has its places to itself while it is
 * under way, and is right in everything kept here before its caller hears of it, also where the NAS
 * did it and then failed.
 */
export class PassedChanges implements PassHook {
  readonly #deps: PassedChangesDeps;

  constructor(deps: PassedChangesDeps) {
    this.#deps = deps;
  }

  concerns(address: Pick<PassRequest, 'method' | 'segments'>): boolean | 'with_body' {
    return changesFiles(address);
  }

  async before(request: PassRequest): Promise<PassBefore> {
    const { files, presence } = this.#deps;
    const { caller } = request;
    const read = readWish(request, (id) => files.pathOfId(caller.user, id));
    if (read.kind === 'bad_path') return instead(refuse('bad_path', { detail: read.reason }));
    if (read.kind === 'not_found') return instead(refuse('not_found'));
    if (read.kind === 'unreadable' || !presence.state.awake) return { kind: 'go' };
    const { wish, spelling } = read;
    if (wish.kind === 'share' || wish.kind === 'change_share' || wish.kind === 'restore') {
      return await this.#other(request, wish);
    }
    if (isRootOf(caller, wish)) return instead(refuse('not_yours'));
    return await this.#atPaths(request, wish, spelling === 'other');
  }

  async #atPaths(request: PassRequest, wish: PathWish, isRespelt: boolean): Promise<PassBefore> {
    const { changes } = this.#deps;
    const { caller } = request;
    const wanted = await this.#changesOf(caller, wish);
    const release = await changes.lock(wanted.flatMap((change) => [...placesOf(change)]));
    if (release === null) {
      const detail = 'An upload to this place is being delivered right now. Try again shortly.';
      return instead(refuse('conflict', { detail, retryAfterSeconds: 30 }));
    }
    const by = { userId: caller.user.id, mark: changes.mark() };
    const after = async (result: PassResult): Promise<undefined> => {
      try {
        await this.#settle(caller, by, wanted, result);
      } finally {
        release();
      }
    };
    if (isRespelt && wish.kind === 'delete') return await this.#delete(caller, wish.path, after);
    const body = isRespelt ? { body: bodyOf(wish) } : {};
    return { kind: 'go', ...body, readsAnswer: wish.kind === 'give', after };
  }

  /** What comes of it where the NAS does it. */
  async #changesOf(caller: Caller, wish: PathWish): Promise<readonly Change[]> {
    const { path } = wish;
    switch (wish.kind) {
      case 'delete':
        return [{ kind: 'deleted', path }];
      case 'make_folder':
        return [{ kind: 'made', path }];
      case 'rename':
        return [{ kind: 'moved', from: path, to: inFolder(parentOf(path) ?? '', wish.name) }];
      case 'move': {
        const isFolder = await this.#isFolder(caller, wish.target);
        if (isFolder === 'unknown') {
          return [
            { kind: 'unknown', path },
            { kind: 'unknown', path: wish.target },
          ];
        }
        const to = isFolder ? inFolder(wish.target, nameOf(path)) : wish.target;
        return [{ kind: 'moved', from: path, to }];
      }
      case 'give':
      case 'permit':
        return [
          { kind: 'unknown', path },
          { kind: 'shares', path },
        ];
    }
  }

  /** Into a folder that is there the NAS moves; else the target is the new path (docs/NAS.md). */
  async #isFolder({ user, nasToken }: Caller, target: string): Promise<boolean | 'unknown'> {
    const { files } = this.#deps;
    if (target === '' || target === user.username) return true;
    const shown = files.entryShown(user.id, target);
    if (shown.kind !== 'unknown') return shown.kind === 'item' && shown.item.isDirectory;
    const there = nasToken === null ? 'unknown' : await files.lookAt(user, nasToken, target);
    return there === 'unknown' ? there : there?.isDirectory === true;
  }

  async #settle(
    caller: Caller,
    by: ChangedBy,
    wanted: readonly Change[],
    result: PassResult,
  ): Promise<void> {
    const { changes, tokenOf } = this.#deps;
    if (result.kind === 'not_sent') return;
    const isSure = result.kind === 'answered' && result.status < 500;
    if (isSure && result.status >= 400) return;
    const token = isSure ? null : await tokenOf(caller);
    for (const change of wanted) {
      if (isSure) await changes.happened(change, by);
      else await changes.inDoubt(change, by, token ?? '');
    }
    const to = isSure ? pathIn(result.body, 'new_path') : null;
    if (to !== null) await changes.happened({ kind: 'unknown', path: to }, by);
  }

  /** BaluDesk's explorer names a file by its number, which the NAS would take for a path. */
  async #delete(
    caller: Caller,
    path: string,
    after: (result: PassResult) => Promise<undefined>,
  ): Promise<PassBefore> {
    let result: PassResult = { kind: 'not_sent' };
    try {
      const token = await this.#deps.tokenOf(caller);
      if (token === null) return instead(refuse('refresh_token_now'));
      result = { kind: 'no_answer' };
      const method = 'DELETE';
      const said = await this.#deps.nas.call({
        method,
        path: `/api/files/${encodeNasPath(path)}`,
        token,
      });
      if (said.kind !== 'unreachable') {
        const body = said.kind === 'answer' ? said.body : undefined;
        result = { kind: 'answered', status: said.status, body };
        if (said.status === 401) await this.#deps.refused(token);
      }
      return instead(this.#answerOf(said));
    } finally {
      await after(result);
    }
  }

  #answerOf(said: NasJson): Answer {
    if (said.kind === 'unreachable') return asleepAnswer(this.#deps.presence.state);
    if (said.status === 429) return refuse('nas_busy', { retryAfterSeconds: 60 });
    if (said.kind === 'bad_answer' || said.status >= 500) return refuse('nas_bad_answer');
    const { status, body } = said;
    return status < 400 ? answer(body, status) : nasRefusal(status, body, 'bad_token');
  }

  async #other(request: PassRequest, wish: OtherWish): Promise<PassBefore> {
    const { changes, files } = this.#deps;
    const { caller, method } = request;
    const { user } = caller;
    const by = { userId: user.id, mark: changes.mark() };
    const isEnd = wish.kind === 'change_share' && method === 'DELETE';
    const known = isEnd
      ? await this.#pathOfShare(caller, wish.shareId)
      : wish.kind === 'share' && wish.fileId !== null
        ? files.pathOfId(user, wish.fileId)
        : null;
    const after = async (result: PassResult): Promise<undefined> => {
      if (result.kind === 'not_sent') return;
      if (result.kind === 'answered' && result.status >= 400 && result.status < 500) return;
      const body = result.kind === 'answered' ? result.body : undefined;
      const told = pathIn(body, 'file_path') ?? this.#pathById(caller, body) ?? known;
      const kind = wish.kind === 'restore' ? 'unknown' : 'shares';
      await changes.happened({ kind, path: told }, by);
    };
    return { kind: 'go', readsAnswer: !isEnd, after };
  }

  #pathById({ user }: Caller, body: unknown): string | null {
    const id = fieldOf(body, 'file_id');
    return typeof id === 'number' ? this.#deps.files.pathOfId(user, id) : null;
  }

  /** The answer to its end is empty, so what it is of is asked before. */
  async #pathOfShare(caller: Caller, shareId: string): Promise<string | null> {
    const token = await this.#deps.tokenOf(caller);
    if (token === null) return null;
    const said = await this.#deps.nas.call({ method: 'GET', path: SHARES, token, auto: true });
    if (said.kind !== 'answer' || !Array.isArray(said.body)) return null;
    const share: unknown = said.body.find((one: unknown) => String(fieldOf(one, 'id')) === shareId);
    return pathIn(share, 'file_path');
  }
}

/**
 * A home or `Shared` itself is nobody's to take away or to rename through the Pi, as in its sleep:
 * one call would be all of a person's files. An admin may clear away another's.
 */
function isRootOf({ user }: Caller, wish: PathWish): boolean {
  const isTaken = wish.kind === 'delete' || wish.kind === 'rename' || wish.kind === 'move';
  if (!isTaken || wish.path.includes('/')) return false;
  return user.role !== 'admin' || wish.path === user.username;
}

/** As the NAS spells it. */
function bodyOf(wish: PathWish): Readonly<Record<string, string>> {
  if (wish.kind === 'rename') return { old_path: wish.path, new_name: wish.name };
  if (wish.kind === 'move') return { source_path: wish.path, target_path: wish.target };
  return { path: wish.path };
}

function inFolder(folder: string, name: string): string {
  return folder === '' ? name : `${folder}/${name}`;
}

function instead(given: Answer): PassBefore {
  return { kind: 'answer', answer: given };
}

function fieldOf(body: unknown, name: string): unknown {
  return typeof body === 'object' && body !== null ? (body as Record<string, unknown>)[name] : null;
}

/** A path that an answer of the NAS tells; null for none. */
function pathIn(body: unknown, name: string): string | null {
  const text = fieldOf(body, name);
  if (typeof text !== 'string') return null;
  const parsed = parseNasPath(text);
  return parsed.kind === 'path' && parsed.path !== '' ? parsed.path : null;
}
