import type { Caller } from '../accounts/caller.ts';
import {
  type Change,
  type Files,
  nameOf,
  type NasPath,
  parentOf,
  parseNasPath,
  placesOf,
} from '../files/files.ts';
import { asleepAnswer, nasRefusal } from '../guard/guard.ts';
import { type Answer, plainAnswer, refuse } from '../http/http.ts';
import { encodeNasPath, failureOf, goodBodyOf, isCannotAsk } from '../nas/nas.ts';
import type { NasApi, NasJson } from '../nas/nas-client.ts';
import type { NasPresence } from '../nas/presence.ts';
import {
  fateOf,
  type PassBefore,
  type PassHook,
  type PassRequest,
  type PassResult,
  toldIn,
} from '../pass/pass.ts';
import { parseNewPath } from '../upload/upload.ts';
import type { ChangedBy, Changes } from './happened-changes.ts';

const SHARES = '/api/shares/user-shares';

interface PassedChangesDeps {
  readonly changes: Pick<Changes, 'lock' | 'mark' | 'happened' | 'inDoubt'>;
  readonly files: Pick<Files, 'pathOfId' | 'entryShown' | 'lookAt'>;
  readonly nas: Pick<NasApi, 'call'>;
  readonly presence: Pick<NasPresence, 'state'>;
  /** The token to use with the NAS for a caller: their own, or one from their stored credential. */
  readonly tokenOf: (caller: Caller) => Promise<string | null>;
  /** The NAS answered 401 to that token. */
  readonly refused: (token: string) => Promise<void>;
}

type PathInput = Exclude<ChangeInput, { kind: 'share' | 'change_share' | 'restore' }>;
type OtherInput = Exclude<ChangeInput, PathInput>;

/**
 * Changes that callers make on the NAS through the Pi: each has exclusive access to its paths while
 * it runs, and everything kept here is updated before its caller gets the answer, even if the NAS
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
    const read = readInput(request, (id) => files.pathOfId(caller.user, id));
    if (read.kind === 'bad_path') return instead(refuse('bad_path', { detail: read.reason }));
    if (read.kind === 'not_found') return instead(refuse('not_found'));
    if (read.kind === 'unreadable' || !presence.state.awake) return { kind: 'go' };
    const { input, spelling } = read;
    if (input.kind === 'share' || input.kind === 'change_share' || input.kind === 'restore') {
      return await this.#other(request, input);
    }
    if (isRootOf(caller, input)) return instead(refuse('not_yours'));
    return await this.#atPaths(request, input, spelling === 'other');
  }

  async #atPaths(request: PassRequest, input: PathInput, isRespelt: boolean): Promise<PassBefore> {
    const { changes } = this.#deps;
    const { caller } = request;
    const wanted = await this.#changesOf(caller, input);
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
    if (isRespelt && input.kind === 'delete') return await this.#delete(caller, input.path, after);
    const body = isRespelt ? { body: bodyOf(input) } : {};
    return { kind: 'go', ...body, readsAnswer: input.kind === 'give', after };
  }

  /** What to apply once the NAS has done it. */
  async #changesOf(caller: Caller, input: PathInput): Promise<readonly Change[]> {
    const { path } = input;
    switch (input.kind) {
      case 'delete':
        return [{ kind: 'deleted', path }];
      case 'make_folder':
        return [{ kind: 'made', path }];
      case 'rename':
        return [{ kind: 'moved', from: path, to: inFolder(parentOf(path) ?? '', input.name) }];
      case 'move': {
        const isFolder = await this.#isFolder(caller, input.target);
        if (isFolder === 'unknown') {
          return [
            { kind: 'unknown', path },
            { kind: 'unknown', path: input.target },
          ];
        }
        const to = isFolder ? inFolder(input.target, nameOf(path)) : input.target;
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
    const fate = fateOf(result);
    if (fate === 'not_sent' || fate === 'refused') return;
    const isSure = fate === 'done';
    const token = isSure ? null : await tokenOf(caller);
    for (const change of wanted) {
      if (isSure) await changes.happened(change, by);
      else await changes.inDoubt(change, by, token ?? '');
    }
    const to = pathIn(toldIn(result), 'new_path');
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
        if (failureOf(said)?.kind === 'token_refused') await this.#deps.refused(token);
      }
      return instead(this.#answerOf(said));
    } finally {
      await after(result);
    }
  }

  #answerOf(said: NasJson): Answer {
    if (said.kind === 'unreachable') return asleepAnswer(this.#deps.presence.state);
    const failure = failureOf(said);
    if (failure?.kind === 'throttled') return refuse('nas_busy', { retryAfterSeconds: 60 });
    if (said.kind === 'bad_answer' || isCannotAsk(failure)) return refuse('nas_bad_answer');
    const { status, body } = said;
    return failure === null ? plainAnswer(body, status) : nasRefusal(status, body, 'bad_token');
  }

  async #other(request: PassRequest, input: OtherInput): Promise<PassBefore> {
    const { changes, files } = this.#deps;
    const { caller, method } = request;
    const { user } = caller;
    const by = { userId: user.id, mark: changes.mark() };
    const isEnd = input.kind === 'change_share' && method === 'DELETE';
    const known = isEnd
      ? await this.#pathOfShare(caller, input.shareId)
      : input.kind === 'share' && input.fileId !== null
        ? files.pathOfId(user, input.fileId)
        : null;
    const after = async (result: PassResult): Promise<undefined> => {
      const fate = fateOf(result);
      if (fate === 'not_sent' || fate === 'refused') return;
      const body = result.kind === 'answered' ? result.body : undefined;
      const told = pathIn(body, 'file_path') ?? this.#pathById(caller, body) ?? known;
      const kind = input.kind === 'restore' ? 'unknown' : 'shares';
      await changes.happened({ kind, path: told }, by);
    };
    return { kind: 'go', readsAnswer: !isEnd, after };
  }

  #pathById({ user }: Caller, body: unknown): string | null {
    const id = fieldOf(body, 'file_id');
    return typeof id === 'number' ? this.#deps.files.pathOfId(user, id) : null;
  }

  /** The answer to its end is empty, so the share's path is asked for first. */
  async #pathOfShare(caller: Caller, shareId: string): Promise<string | null> {
    const token = await this.#deps.tokenOf(caller);
    if (token === null) return null;
    const said = await this.#deps.nas.call({ method: 'GET', path: SHARES, token, auto: true });
    const told = goodBodyOf(said);
    if (!Array.isArray(told)) return null;
    const share: unknown = told.find((one: unknown) => String(fieldOf(one, 'id')) === shareId);
    return pathIn(share, 'file_path');
  }
}

/**
 * Nobody may delete or rename a home or `Shared` itself through the Pi, just as during sleep: one
 * call would remove all of a person's files. An admin may remove another's home.
 */
function isRootOf({ user }: Caller, input: PathInput): boolean {
  const isTaken = input.kind === 'delete' || input.kind === 'rename' || input.kind === 'move';
  if (!isTaken || input.path.includes('/')) return false;
  return user.role !== 'admin' || input.path === user.username;
}

/** As the NAS spells it. */
function bodyOf(input: PathInput): Readonly<Record<string, string>> {
  if (input.kind === 'rename') return { old_path: input.path, new_name: input.name };
  if (input.kind === 'move') return { source_path: input.path, target_path: input.target };
  return { path: input.path };
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

/** A path in an answer of the NAS; null for none. */
function pathIn(body: unknown, name: string): string | null {
  const text = fieldOf(body, name);
  if (typeof text !== 'string') return null;
  const parsed = parseNasPath(text);
  return parsed.kind === 'path' && parsed.path !== '' ? parsed.path : null;
}

/** What a caller wants to change on the NAS, in whichever form. Paths are parsed. */
type ChangeInput =
  | { readonly kind: 'delete'; readonly path: string }
  | { readonly kind: 'make_folder'; readonly path: string }
  /** `name`: a rename in its folder. */
  | { readonly kind: 'rename'; readonly path: string; readonly name: string }
  /** `target`: the new path, or the folder to move it into, where there is one. */
  | { readonly kind: 'move'; readonly path: string; readonly target: string }
  | { readonly kind: 'give'; readonly path: string }
  | { readonly kind: 'permit'; readonly path: string }
  | { readonly kind: 'share'; readonly fileId: number | null }
  | { readonly kind: 'change_share'; readonly shareId: string }
  /** A version or a trashed item is restored; only the answer may say where. */
  | { readonly kind: 'restore' };

/** What a file-changing address of the NAS asks for. */
type ReadInput =
  | { readonly kind: 'input'; readonly input: ChangeInput; readonly spelling: 'nas' | 'other' }
  | { readonly kind: 'bad_path'; readonly reason: string }
  /** It names a file by a number that the caller does not have. */
  | { readonly kind: 'not_found' }
  /** The NAS will say what is wrong with it. */
  | { readonly kind: 'unreadable' };

type Address = Pick<PassRequest, 'method' | 'segments'>;
type Body = Readonly<Record<string, unknown>>;

/** Reads the path of a file by the number that a caller knows it by. */
type PathOfId = (id: number) => string | null;

const READS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);
const CHANGES_BY_METHOD: Readonly<Record<string, ReadonlySet<string>>> = {
  POST: new Set(['delete', 'folder', 'mkdir', 'transfer-ownership', 'enforce-residency']),
  PUT: new Set(['rename', 'move', 'permissions']),
};

/**
 * Whether a request may change what is kept here of files and shares, and whether its body tells
 * what.
 */
export function changesFiles({ method, segments }: Address): boolean | 'with_body' {
  const [first, second, third] = segments;
  if (READS.has(method)) return false;
  if (first === 'files') return changesOne(method, segments);
  if (first !== 'shares' || second !== 'user-shares') return segments.includes('restore');
  if (third === undefined) return method === 'POST' ? 'with_body' : false;
  return method === 'PATCH' || method === 'DELETE';
}

function changesOne(method: string, segments: readonly string[]): boolean | 'with_body' {
  const [, second = ''] = segments;
  const isTwo = segments.length === 2;
  if (method === 'DELETE') return isTwo && second === 'delete' ? 'with_body' : true;
  return isTwo && CHANGES_BY_METHOD[method]?.has(second) === true ? 'with_body' : false;
}

/** Parses what such a request asks for. Both spellings of a move and a rename mean the same. */
export function readInput(
  request: Pick<PassRequest, 'method' | 'segments' | 'filePath' | 'body'>,
  pathOfId: PathOfId,
): ReadInput {
  const { method, segments, filePath } = request;
  const [first, second = '', third] = segments;
  const body = isBody(request.body) ? request.body : {};
  if (first === 'shares') {
    if (third !== undefined) return input({ kind: 'change_share', shareId: third });
    return input({ kind: 'share', fileId: numberIn(body['file_id']) });
  }
  if (first !== 'files') return input({ kind: 'restore' });
  if (method === 'DELETE' && second !== 'delete') return readDelete(filePath, pathOfId);
  return READERS[second]?.(body, pathOfId) ?? input({ kind: 'restore' });
}

const READERS: Readonly<Record<string, (body: Body, pathOfId: PathOfId) => ReadInput>> = {
  delete: ({ path }) => withPath(path, parseNasPath, (at) => ({ kind: 'delete', path: at })),
  mkdir: ({ path }) => withPath(path, parseNewPath, (at) => ({ kind: 'make_folder', path: at })),
  folder: readFolder,
  rename: readRename,
  move: readMove,
  'transfer-ownership': ({ path }) =>
    withPath(path, parseNasPath, (at) => ({ kind: 'give', path: at })),
  permissions: ({ path }) => withPath(path, parseNasPath, (at) => ({ kind: 'permit', path: at })),
};

/** BaluDesk's explorer deletes by number; nobody has a file with such a name next to the homes. */
function readDelete(filePath: string | null, pathOfId: PathOfId): ReadInput {
  if (filePath === null) return { kind: 'unreadable' };
  if (!/^\d{1,15}$/.test(filePath)) {
    return withPath(filePath, parseNasPath, (path) => ({ kind: 'delete', path }));
  }
  const path = pathOfId(Number(filePath));
  return path === null ? { kind: 'not_found' } : other({ kind: 'delete', path });
}

function readFolder(body: Body): ReadInput {
  const { path = '', name } = body;
  if (typeof name !== 'string' || (path !== null && typeof path !== 'string')) {
    return { kind: 'unreadable' };
  }
  const above = (path ?? '').replace(/\/$/, '');
  const whole = above === '' ? name : `${above}/${name}`;
  return withPath(whole, parseNewPath, (made) => ({ kind: 'make_folder', path: made }));
}

/** BaluHost says `old_path`, BaluApp `path`, BaluDesk a number. */
function readRename(body: Body, pathOfId: PathOfId): ReadInput {
  const { old_path: nasPath, path: appPath, new_name: name } = body;
  const oldPath = nasPath ?? appPath;
  if (typeof name !== 'string') return { kind: 'unreadable' };
  const fit = parseNewPath(name);
  if (fit.kind === 'bad_path') return fit;
  if (fit.path === '' || fit.path.includes('/') || fit.path !== name) {
    return { kind: 'bad_path', reason: 'The new name is not the name of a file.' };
  }
  if (typeof oldPath === 'string') {
    const read = withPath(oldPath, parseNasPath, (path) => ({ kind: 'rename', path, name }));
    return read.kind === 'input' && nasPath === undefined ? { ...read, spelling: 'other' } : read;
  }
  return byId(body, pathOfId, (path) => ({ kind: 'rename', path, name }));
}

function readMove(body: Body, pathOfId: PathOfId): ReadInput {
  const { source_path: source, target_path: nasTarget } = body;
  const target = nasTarget ?? body['destination_path'] ?? body['new_path'];
  if (typeof target !== 'string') return { kind: 'unreadable' };
  const fit = parseNewPath(target);
  if (fit.kind === 'bad_path') return fit;
  const moved = (path: string): ChangeInput => ({ kind: 'move', path, target: fit.path });
  if (typeof source !== 'string') return byId(body, pathOfId, moved);
  const read = withPath(source, parseNasPath, moved);
  return read.kind === 'input' && nasTarget === undefined ? { ...read, spelling: 'other' } : read;
}

function byId(body: Body, pathOfId: PathOfId, make: (path: string) => ChangeInput): ReadInput {
  const id = numberIn(body['file_id']);
  if (id === null) return { kind: 'unreadable' };
  const path = pathOfId(id);
  return path === null ? { kind: 'not_found' } : other(make(path));
}

function withPath(
  text: unknown,
  parse: (text: string) => NasPath,
  make: (path: string) => ChangeInput,
): ReadInput {
  if (typeof text !== 'string') return { kind: 'unreadable' };
  const parsed = parse(text);
  if (parsed.kind === 'bad_path') return parsed;
  // An admin's delete of it would affect everybody's files (read in the NAS's code).
  if (parsed.path !== '') return input(make(parsed.path));
  return { kind: 'bad_path', reason: 'What everything lies in cannot be changed.' };
}

function input(given: ChangeInput): ReadInput {
  return { kind: 'input', input: given, spelling: 'nas' };
}

function other(given: ChangeInput): ReadInput {
  return { kind: 'input', input: given, spelling: 'other' };
}

function isBody(body: unknown): body is Body {
  return typeof body === 'object' && body !== null && !Array.isArray(body);
}

/** BaluDesk writes numbers as numbers, some callers as text. */
function numberIn(value: unknown): number | null {
  const number = typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value;
  return typeof number === 'number' && Number.isSafeInteger(number) ? number : null;
}
