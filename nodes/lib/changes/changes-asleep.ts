import type { Caller } from '../accounts/caller.ts';
import { type Files, type NasPath, parseNasPath } from '../files/files.ts';
import { type Answer, plainAnswer, refuse } from '../http/http.ts';
import type { NasPresence } from '../nas/presence.ts';
import type { PassBefore, PassHook, PassRequest, PassResult } from '../pass/pass.ts';
import { parseNewPath, type QueuedInput, refusedAnswer, type Upload } from '../upload/upload.ts';

interface ChangesAsleepDeps {
  readonly upload: () => Pick<Upload, 'acceptChange'> & {
    readonly changes: { readonly intake: Pick<Upload['changes']['intake'], 'isInLine'> };
  };
  readonly files: () => Pick<Files, 'pathOfId'>;
  readonly presence: Pick<NasPresence, 'state'>;
}

/** What the NAS says to each (docs/NAS.md). */
const SAYS: Readonly<Record<QueuedInput['kind'], string>> = {
  delete: 'Deleted',
  rename: 'Renamed',
  move: 'Moved',
  mkdir: 'Folder created',
};

/**
 * Deletes, renames, moves and new folders while the NAS sleeps are queued, and answered as the NAS
 * would. So are they while it is awake, if earlier changes of the same user at these paths are
 * pending: passed on, they would overtake them.
 */
export class ChangesAsleep implements PassHook {
  readonly #deps: ChangesAsleepDeps;

  constructor(deps: ChangesAsleepDeps) {
    this.#deps = deps;
  }

  concerns(address: Pick<PassRequest, 'method' | 'segments'>): boolean | 'with_body' {
    return mayWait(address);
  }

  async before(request: PassRequest): Promise<PassBefore> {
    const { upload, files, presence } = this.#deps;
    const { caller } = request;
    const read = readQueuedInput(request, (id) => files().pathOfId(caller.user, id));
    if (read.kind !== 'input') {
      // While awake the NAS reports what is wrong with it.
      const isOver = read.kind === 'none' || presence.state.awake;
      return isOver ? { kind: 'go' } : { kind: 'answer', answer: faultAnswer(read) };
    }
    const { input } = read;
    if (!presence.state.awake || upload().changes.intake.isInLine(caller, input)) {
      const given = await this.#take(caller, input);
      return given === undefined ? { kind: 'go' } : { kind: 'answer', answer: given };
    }
    return { kind: 'go', after: (result) => this.#after(caller, input, result) };
  }

  /** The NAS fell asleep before it was asked. */
  async #after(
    caller: Caller,
    input: QueuedInput,
    result: PassResult,
  ): Promise<Answer | undefined> {
    const fellAsleep = result.kind === 'not_sent' && !this.#deps.presence.state.awake;
    return fellAsleep ? await this.#take(caller, input) : undefined;
  }

  /** @returns undefined for what cannot be decided without the NAS */
  async #take(caller: Caller, input: QueuedInput): Promise<Answer | undefined> {
    const taken = await this.#deps.upload().acceptChange(caller, input);
    if (taken.kind === 'asleep') return undefined;
    if (taken.kind === 'refused') return refusedAnswer(taken);
    return plainAnswer({ message: SAYS[input.kind] }, 200, { 'X-Balupi-Cache': 'queued' });
  }
}

/** Refusals that need no NAS. */
function faultAnswer(read: Exclude<ReadQueuedInput, { readonly kind: 'input' | 'none' }>): Answer {
  const { kind, reason: detail } = read;
  if (kind !== 'invalid') return refuse(kind, { detail });
  return refuse(kind, { detail, errors: [{ loc: ['body', read.field], msg: detail }] });
}

type ReadQueuedInput =
  | { readonly kind: 'input'; readonly input: QueuedInput }
  | { readonly kind: 'bad_path'; readonly reason: string }
  | { readonly kind: 'malformed'; readonly reason: string }
  /** `field`: of its body. */
  | { readonly kind: 'invalid'; readonly field: string; readonly reason: string }
  /** It cannot be queued; the NAS would say what is wrong with it. */
  | { readonly kind: 'none' };

/** Reads the path of a file by a number that its user knows it by. */
type PathOfId = (id: number) => string | null;

type Body = Readonly<Record<string, unknown>>;
/** A field of a body, and what it has to contain. */
interface Field {
  readonly name: string;
  readonly value: unknown;
  readonly wanted: string;
}

type Reader = (body: Body, pathOfId: PathOfId) => ReadQueuedInput;

const NONE: ReadQueuedInput = { kind: 'none' };
const NO_JSON: ReadQueuedInput = {
  kind: 'malformed',
  reason: 'The body is not a JSON object. Send one, as application/json.',
};
const ROOT: ReadQueuedInput = {
  kind: 'bad_path',
  reason: 'What everything lies in cannot be changed.',
};

/** Addresses below `/api/files` whose body carries the request, in every spelling (docs/NAS.md). */
const BY_BODY: Readonly<Record<string, Reader>> = {
  'POST delete': readDelete,
  'DELETE delete': readDelete,
  'POST folder': readFolder,
  'POST mkdir': readMkdir,
  'PUT rename': readRename,
  'PUT move': readMove,
};

/**
 * Whether a request may be one that can wait for a sleeping NAS, and whether its body tells which.
 */
function mayWait({
  method,
  segments,
}: Pick<PassRequest, 'method' | 'segments'>): boolean | 'with_body' {
  if (segments[0] !== 'files') return false;
  const isByBody = segments.length === 2 && `${method} ${segments[1] ?? ''}` in BY_BODY;
  return isByBody ? 'with_body' : method === 'DELETE';
}

/** What such a request asks for. */
function readQueuedInput(request: PassRequest, pathOfId: PathOfId): ReadQueuedInput {
  const { method, segments, filePath, body } = request;
  const reader = segments.length === 2 ? BY_BODY[`${method} ${segments[1] ?? ''}`] : undefined;
  if (reader !== undefined) return isBody(body) ? reader(body, pathOfId) : NO_JSON;
  if (filePath === null) return segments.length === 1 ? ROOT : NONE;
  // BaluDesk's explorer deletes by number; no such file lies next to the homes.
  const path = /^\d{1,15}$/.test(filePath) ? pathOfId(Number(filePath)) : filePath;
  if (path === null) return NONE;
  return at(path, parseNasPath, (deleted) => ({ kind: 'delete', path: deleted }));
}

function readDelete({ path: value }: Body): ReadQueuedInput {
  const field = { name: 'path', value, wanted: 'the path of what is to be deleted' };
  return read(field, parseNasPath, (path) => ({ kind: 'delete', path }));
}

function readMkdir({ path: value }: Body): ReadQueuedInput {
  const field = { name: 'path', value, wanted: 'the path of the new folder' };
  return read(field, parseNewPath, (path) => ({ kind: 'mkdir', path }));
}

/** Without a path it would lie next to the homes, which is up to the NAS. */
function readFolder({ path, name }: Body): ReadQueuedInput {
  if (typeof name !== 'string') {
    return invalid({ name: 'name', value: name, wanted: 'the name of the new folder' });
  }
  if (typeof (path ?? '') !== 'string') {
    return invalid({ name: 'path', value: path, wanted: 'the folder to make it in' });
  }
  const fault = nameFault(name, 'folder');
  if (fault !== null) return fault;
  const above = typeof path === 'string' ? path.replace(/\/$/, '') : '';
  const whole = above === '' ? name : `${above}/${name}`;
  return at(whole, parseNewPath, (made) => ({ kind: 'mkdir', path: made }));
}

function readRename(body: Body, pathOfId: PathOfId): ReadQueuedInput {
  const { new_name: name } = body;
  if (typeof name !== 'string') {
    return invalid({ name: 'new_name', value: name, wanted: 'the new name' });
  }
  const fault = nameFault(name, 'file') ?? twoPaths(body);
  if (fault !== null) return fault;
  // BaluApp writes `path`.
  return ofSource(body, ['old_path', 'path'], pathOfId, (path) => ({ kind: 'rename', path, name }));
}

/** The apps name the target `destination_path` or `new_path`, BaluHost `target_path`. */
function readMove(body: Body, pathOfId: PathOfId): ReadQueuedInput {
  const target = body['target_path'] ?? body['destination_path'] ?? body['new_path'];
  if (typeof target !== 'string') {
    return invalid({ name: 'target_path', value: target, wanted: 'where to move it' });
  }
  const fit = parseNewPath(target);
  if (fit.kind === 'bad_path') return fit;
  return ofSource(body, ['source_path'], pathOfId, (path) => {
    return { kind: 'move', path, target: fit.path };
  });
}

/** What cannot be a single name in its folder. */
function nameFault(name: string, of: 'file' | 'folder'): ReadQueuedInput | null {
  const fit = parseNewPath(name);
  if (fit.kind === 'bad_path') return fit;
  if (name !== '' && fit.path === name && !name.includes('/')) return null;
  return { kind: 'bad_path', reason: `The new name is not the name of a ${of}.` };
}

/** Ambiguous: two readings are possible. */
function twoPaths({ old_path: nasPath, path }: Body): ReadQueuedInput | null {
  if (typeof nasPath !== 'string' || typeof path !== 'string') return null;
  const [a, b] = [parseNasPath(nasPath), parseNasPath(path)];
  if (a.kind === 'bad_path' || b.kind === 'bad_path' || a.path === b.path) return null;
  const reason = '"old_path" and "path" name two different files. Send one of them.';
  return { kind: 'invalid', field: 'path', reason };
}

/** The file is named by path, in the first field present, or by number. */
function ofSource(
  body: Body,
  names: readonly [string, ...string[]],
  pathOfId: PathOfId,
  make: (path: string) => QueuedInput,
): ReadQueuedInput {
  const name = names.find((one) => (body[one] ?? null) !== null);
  const id = Number(body['file_id'] ?? NaN);
  if (name === undefined && Number.isSafeInteger(id)) {
    const path = pathOfId(id);
    return path === null ? NONE : at(path, parseNasPath, make);
  }
  const wanted = 'the path of what it is about';
  const field = { name: name ?? names[0], value: body[name ?? names[0]], wanted };
  return read(field, parseNasPath, make);
}

function read(
  field: Field,
  parse: (text: string) => NasPath,
  make: (path: string) => QueuedInput,
): ReadQueuedInput {
  return typeof field.value === 'string' ? at(field.value, parse, make) : invalid(field);
}

function at(
  text: string,
  parse: (text: string) => NasPath,
  make: (path: string) => QueuedInput,
): ReadQueuedInput {
  const parsed = parse(text);
  if (parsed.kind === 'bad_path') return parsed;
  return parsed.path === '' ? ROOT : { kind: 'input', input: make(parsed.path) };
}

function invalid({ name, value, wanted }: Field): ReadQueuedInput {
  const isMissing = value === undefined;
  const got = isMissing ? 'is missing' : `is ${kindOf(value)}`;
  return { kind: 'invalid', field: name, reason: `"${name}" ${got}. Send ${wanted}, as text.` };
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

function isBody(body: unknown): body is Body {
  return typeof body === 'object' && body !== null && !Array.isArray(body);
}
