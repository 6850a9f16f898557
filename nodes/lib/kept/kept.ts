import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import type { Caller, User } from '../accounts/caller.ts';
import { type Files, parseNasPath } from '../files/files.ts';
import { type Answer, plainAnswer, refuse } from '../http/http.ts';
import { RateLimiter } from '../limits/limits.ts';
import { errorKind, type Log } from '../log/log.ts';
import { goodBodyOf } from '../nas/nas.ts';
import type { NasApi } from '../nas/nas-client.ts';
import type { NasPresence } from '../nas/presence.ts';
import {
  fateOf,
  isUnable,
  type PassBefore,
  type PassHook,
  type PassRequest,
  type PassResult,
  toldIn,
} from '../pass/pass.ts';
import type { Store } from '../store/store.ts';
import type { Clock } from '../time/clock.ts';
import { AnswerRows, type KeptAnswer } from './answer-rows.ts';

interface KeptDeps extends Omit<KeptAnswersDeps, 'polls'>, PollsDeps {
  readonly clock: KeptAnswersDeps['clock'] & PollsDeps['clock'];
  readonly log: Log;
}

/** Answers of the NAS, kept for its sleep and for pollers. */
export class Kept {
  /** Of routes that are passed on. */
  readonly answers: KeptAnswers;
  /** Of desktops that ask for their delta. */
  readonly deltas: SyncAnswers;
  readonly #polls: Polls;

  constructor(deps: KeptDeps) {
    this.#polls = new Polls(deps);
    this.answers = new KeptAnswers({ ...deps, polls: this.#polls });
    this.deltas = new SyncAnswers(deps.clock, deps.log);
  }

  /**
   * Whether the NAS may be asked for a delta now: at once for a new question, in turn for a
   * repeated one.
   */
  mayAskForDelta(key: string): boolean {
    const toldAtMs = this.deltas.toldAtMs(key);
    return toldAtMs === null || this.#polls.take(`delta ${key}`, toldAtMs);
  }

  /** Stores what is in memory. */
  stop(): void {
    this.answers.stop();
  }
}

const pack = promisify(gzip);
const unpack = promisify(gunzip);

/** Of all desktops' folders. */
const MOST_ANSWERS = 100;
const MOST_PACKED_BYTES = 8 * 1024 * 1024;
/** A longer answer is not kept. */
export const MOST_TEXT_BYTES = 8 * 1024 * 1024;
/** The NAS gives a new one each time, and a desktop sends the last one back. */
const CHANGE_TOKEN = /"change_token"\s*:\s*"[^"]*"/;

interface KeptDelta {
  /** A hash of what it tells; null where it was too long. */
  readonly hash: string | null;
  readonly toldAtMs: number;
  /** Until it is packed. */
  text: string | null;
  packed: Buffer | null;
}

/** The last answer to a question that was asked before. */
interface SyncAnswer {
  /** JSON; null where it was too long to be kept. */
  readonly text: string | null;
  readonly ageSeconds: number;
}

/**
 * The last delta answers to desktops. A repeated question usually brings no change: it waits for
 * its turn with the other polls.
 */
class SyncAnswers {
  readonly #clock: Pick<Clock, 'nowMs'>;
  readonly #log: Log;
  readonly #kept = new Map<string, KeptDelta>();

  constructor(clock: Pick<Clock, 'nowMs'>, log: Log) {
    this.#clock = clock;
    this.#log = log;
  }

  /**
   * Names a question, so that the same question gets the same name.
   * @param begin the start of the body, as much as was read
   * @param lengthBytes of all of it; null where unknown
   */
  keyOf(userId: number, begin: Buffer, lengthBytes: number | null): string {
    const asked = begin.toString('latin1').replace(CHANGE_TOKEN, '');
    const rest = lengthBytes === null ? '' : String(Math.max(0, lengthBytes - begin.length));
    return createHash('sha256').update(`${userId}\n${rest}\n`).update(asked).digest('base64');
  }

  /** When that question was last answered, epoch ms; null for never. */
  toldAtMs(key: string): number | null {
    return this.#kept.get(key)?.toldAtMs ?? null;
  }

  async find(key: string): Promise<SyncAnswer | null> {
    const kept = this.#kept.get(key);
    if (kept === undefined) return null;
    const ageMs = Math.max(0, this.#clock.nowMs() - kept.toldAtMs);
    const text = kept.packed === null ? kept.text : (await unpack(kept.packed)).toString();
    return { text, ageSeconds: Math.floor(ageMs / 1_000) };
  }

  /**
   * @param text null where it was too long
   * @returns whether it tells anything that the one before did not
   */
  keep(key: string, text: string | null): boolean {
    const before = this.#kept.get(key);
    const hash = text === null ? null : hashOf(text.replace(CHANGE_TOKEN, ''));
    const kept: KeptDelta = { hash, text, packed: null, toldAtMs: this.#clock.nowMs() };
    this.#kept.delete(key);
    this.#kept.set(key, kept);
    if (text !== null) this.#pack(kept, text);
    this.#cap();
    return before?.hash !== hash;
  }

  #pack(kept: KeptDelta, text: string): void {
    pack(text, { level: 1 }).then(
      (packed) => {
        [kept.packed, kept.text] = [packed, null];
        this.#cap();
      },
      (error: unknown) => {
        this.#log.warn(`A delta for a desktop could not be packed: ${errorKind(error)}.`);
      },
    );
  }

  #cap(): void {
    let bytes = 0;
    for (const { packed } of this.#kept.values()) bytes += packed?.length ?? 0;
    for (const [key, { packed }] of this.#kept) {
      if (this.#kept.size <= MOST_ANSWERS && bytes <= MOST_PACKED_BYTES) return;
      this.#kept.delete(key);
      bytes -= packed?.length ?? 0;
    }
  }
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('base64');
}

interface NasSleepsDeps {
  /** The NAS rests its disks from now on, but still answers. */
  readonly softly: () => void;
  /** It is going to sleep, but may answer for a few more seconds. */
  readonly suspended: () => void;
}

/** A caller puts the NAS to sleep through the Pi: it counts as asleep from its answer on. */
export class NasSleeps implements PassHook {
  readonly #deps: NasSleepsDeps;

  constructor(deps: NasSleepsDeps) {
    this.#deps = deps;
  }

  concerns({ method, segments }: Pick<PassRequest, 'method' | 'segments'>): boolean {
    return method === 'POST' && /^system\/sleep\/(?:soft|suspend)$/.test(segments.join('/'));
  }

  before({ segments }: PassRequest): PassBefore {
    const isSoft = segments.at(-1) === 'soft';
    const after = (result: PassResult): undefined => {
      const isDone = fateOf(result) === 'done';
      if (isDone && isSoft) this.#deps.softly();
      // It may be gone before its answer is out.
      if (!isSoft && (isDone || result.kind === 'no_answer')) this.#deps.suspended();
    };
    return { kind: 'go', after };
  }
}

interface KeptAnswersDeps extends PreflightDeps {
  /** The cache database. */
  readonly store: Store;
  readonly clock: Pick<Clock, 'nowMs' | 'monotonicMs'>;
  readonly nas: Pick<NasApi, 'call'>;
  readonly presence: Pick<NasPresence, 'state' | 'heard'>;
  readonly budget: PollsDeps['budget'];
  readonly polls: Polls;
  /** The token to use with the NAS for a caller: their own, or one from their stored credential. */
  readonly tokenOf: (caller: Caller) => Promise<string | null>;
  /** The owner of that device; null where nobody confirmed it. */
  readonly deviceOwner: (deviceId: string) => number | null;
  /** The NAS confirmed that device of a user. */
  readonly learnDevice: (deviceId: string, userId: number) => void;
  /** The NAS told what a user may do with its sleep. */
  readonly permissionsTold: (userId: number, told: Readonly<Record<string, unknown>>) => void;
}

const FOLDERS = 'mobile/sync/folders/';
const DESKTOP = 'sync/register-desktop/';
const PREFLIGHT = 'sync/preflight';
/** What a poll waits for where nothing is kept. */
const POLL_RETRY_SECONDS = 60;

type JsonObject = Readonly<Record<string, unknown>>;

/**
 * Answers of the NAS that its callers also need while it sleeps, kept per user, and answers to
 * polls, for which the NAS is only asked now and then. None of this wakes the NAS or counts as a
 * need of it.
 */
class KeptAnswers implements PassHook {
  readonly #deps: KeptAnswersDeps;
  readonly #rows: AnswerRows;
  readonly #polls: Polls;

  constructor(deps: KeptAnswersDeps) {
    this.#deps = deps;
    this.#rows = new AnswerRows(deps.store);
    this.#polls = deps.polls;
  }

  /** Stores what is in memory. */
  stop(): void {
    this.#rows.flush();
  }

  /** That id is somebody else's now, or nobody's. */
  dropUser(userId: number): void {
    this.#rows.dropScope(scopeOfUser(userId));
  }

  concerns(address: Pick<PassRequest, 'method' | 'segments'>): boolean | 'with_body' {
    const path = address.segments.join('/');
    if (path === 'sync/register-desktop') return address.method === 'POST' ? 'with_body' : false;
    const isRead = address.method === 'GET' || address.method === 'HEAD';
    if (path === PREFLIGHT) return isRead;
    if (isForAPlug(address)) return true;
    return phoneFoldersOf(address) !== null || keptRoute(address) !== null;
  }

  async before(request: PassRequest): Promise<PassBefore> {
    const path = request.segments.join('/');
    if (path === PREFLIGHT) return await this.#preflight(request);
    if (path === 'sync/register-desktop') return this.#desktop(request);
    if (isForAPlug(request)) return instead(OTHER_PLUG);
    const device = phoneFoldersOf(request);
    if (device !== null) return this.#phoneFolders(request, device);
    const route = keptRoute(request);
    return route === null ? { kind: 'go' } : this.#route(request, route);
  }

  #route(request: PassRequest, route: KeptRoute): PassBefore {
    const { user } = request.caller;
    const scope = route.whose === 'role' ? `role ${user.role}` : scopeOfUser(user.id);
    const address = addressOf(request);
    const isPoll = route.kind === 'poll';
    const kept = this.#rows.find(scope, address);
    if (!this.#deps.presence.state.awake) return this.#orGo(kept);
    if (isPoll && !this.#polls.take(`${scope} ${address}`, kept?.toldAtMs ?? null)) {
      return instead(kept === null ? NOT_NOW : this.#told(kept));
    }
    return this.#go(kept, (body) => {
      this.#keep(scope, address, body, isPoll);
      if (address === 'system/sleep/my-permissions' && isObject(body)) {
        this.#deps.permissionsTold(user.id, body);
      }
      return Promise.resolve(undefined);
    });
  }

  /**
   * Asks the NAS, and answers by what is kept where it cannot. A refusal is an answer, too.
   * @param told called with a 200 of the NAS; may return an answer in its place
   */
  #go(kept: KeptAnswer | null, told: (body: unknown) => Promise<Answer | undefined>): PassBefore {
    const after = async (result: PassResult): Promise<Answer | undefined> => {
      const body = toldIn(result);
      if (body !== undefined) return await told(body);
      return isUnable(result) && kept !== null ? this.#told(kept) : undefined;
    };
    return { kind: 'go', auto: true, readsAnswer: true, after };
  }

  #orGo(kept: KeptAnswer | null): PassBefore {
    return kept === null ? { kind: 'go', auto: true } : instead(this.#told(kept));
  }

  #keep(scope: string, address: string, body: unknown, isPoll = false): void {
    const toldAtMs = this.#deps.clock.nowMs();
    this.#rows.keep(scope, address, { body: JSON.stringify(body), toldAtMs }, isPoll);
  }

  #told({ body, toldAtMs }: KeptAnswer): Answer {
    const ageMs = Math.max(0, this.#deps.clock.nowMs() - toldAtMs);
    return plainAnswer(JSON.parse(body), 200, { Age: String(Math.floor(ageMs / 1_000)) });
  }

  /** While the NAS sleeps uploads go into the queue, so a phone may sync where it can list. */
  async #preflight(request: PassRequest): Promise<PassBefore> {
    const { presence, tokenOf, nas, budget } = this.#deps;
    const { caller } = request;
    const { awake, reachable } = presence.state;
    const after = (result: PassResult): Answer | undefined => {
      const told = toldIn(result);
      if (isObject(told)) this.#heard(told);
      return isUnable(result) ? this.#asleep(caller, null) : undefined;
    };
    if (awake) {
      budget.made();
      return { kind: 'go', auto: true, readsAnswer: true, after };
    }
    const token = reachable && budget.take('other') ? await tokenOf(caller) : null;
    if (token === null) return instead(this.#asleep(caller, null));
    const said = await nas.call({ method: 'GET', path: '/api/sync/preflight', token, auto: true });
    const told = goodBodyOf(said);
    return instead(this.#asleep(caller, isObject(told) ? told : null));
  }

  #heard(told: JsonObject): void {
    const state = told['current_sleep_state'];
    const next = told['next_wake_at'];
    if (typeof state !== 'string') return;
    this.#deps.presence.heard({
      sleepState: state,
      nextWakeAt: typeof next === 'string' ? next : null,
      sleepSchedule: told['sleep_schedule'] ?? null,
    });
  }

  #asleep({ user }: Caller, told: JsonObject | null): Answer {
    const folders = [...this.#rows.beginning(scopeOfUser(user.id), FOLDERS)].map(({ body }) =>
      remotePathsIn(JSON.parse(body)),
    );
    const remote = folders.length === 0 ? null : folders.flat();
    return plainAnswer(preflightAsleep(this.#deps, user, remote, told));
  }

  /** While the NAS sleeps a desktop stays registered. */
  #desktop({ body, caller }: PassRequest): PassBefore {
    const { presence, learnDevice } = this.#deps;
    const device = isObject(body) ? body['device_id'] : null;
    if (typeof device !== 'string') return { kind: 'go' };
    const { id: userId } = caller.user;
    const [scope, address] = [scopeOfUser(userId), DESKTOP + encodeURIComponent(device)];
    const kept = this.#rows.find(scope, address);
    const known = kept === null ? null : alreadyRegistered(kept);
    if (!presence.state.awake) return known === null ? { kind: 'go' } : instead(plainAnswer(known));
    const after = (result: PassResult): Answer | undefined => {
      const told = toldIn(result);
      if (isObject(told)) {
        this.#keep(scope, address, told);
        learnDevice(device, userId);
      }
      return isUnable(result) && known !== null ? plainAnswer(known) : undefined;
    };
    return { kind: 'go', auto: true, readsAnswer: true, after };
  }

  #phoneFolders(request: PassRequest, id: string): PassBefore {
    const { method, caller } = request;
    const scope = scopeOfUser(caller.user.id);
    if (method !== 'GET' && method !== 'HEAD') return this.#changesFolders(method, scope, id);
    const address = FOLDERS + encodeURIComponent(id);
    const kept = this.#rows.find(scope, address);
    if (!this.#deps.presence.state.awake) return this.#orGo(kept);
    return this.#go(kept, async (body) => {
      // The NAS does not check device owners and shows folders to anybody (docs/NAS.md).
      const isForeign = Array.isArray(body) && body.length > 0 && !(await this.#owns(caller, id));
      if (isForeign) {
        this.#rows.drop(scope, address);
        return refuse('not_found');
      }
      this.#keep(scope, address, body);
      return undefined;
    });
  }

  /** An app's change to its folders is also applied to what is kept of them. */
  #changesFolders(method: string, scope: string, id: string): PassBefore {
    const after = (result: PassResult): undefined => {
      if (fateOf(result) !== 'done') return;
      const told = toldIn(result);
      const row = isObject(told) ? told : null;
      if (method === 'POST') this.#putFolder(scope, FOLDERS + encodeURIComponent(id), row);
      else this.#replaceFolder(scope, id, method === 'DELETE' ? null : row);
    };
    return { kind: 'go', readsAnswer: method !== 'DELETE', after };
  }

  #putFolder(scope: string, address: string, row: JsonObject | null): void {
    const kept = this.#rows.find(scope, address);
    const rows: unknown = kept === null ? null : JSON.parse(kept.body);
    if (row !== null && Array.isArray(rows))
      this.#keep(scope, address, [...(rows as unknown[]), row]);
  }

  #replaceFolder(scope: string, folderId: string, row: JsonObject | null): void {
    for (const { address, body } of [...this.#rows.beginning(scope, FOLDERS)]) {
      const rows: unknown = JSON.parse(body);
      if (!Array.isArray(rows)) continue;
      const isIt = (one: unknown): boolean => isObject(one) && one['id'] === folderId;
      if (!rows.some(isIt)) continue;
      const others = rows.filter((one) => !isIt(one)) as unknown[];
      this.#keep(scope, address, row === null ? others : [...others, row]);
    }
  }

  /** Whether the NAS lists that device among the caller's own. */
  async #owns(caller: Caller, device: string): Promise<boolean> {
    const { deviceOwner, learnDevice, nas, tokenOf } = this.#deps;
    const { id: userId } = caller.user;
    const owner = deviceOwner(device);
    if (owner !== null) return owner === userId;
    const token = await tokenOf(caller);
    if (token === null) return false;
    const said = await nas.call({ method: 'GET', path: '/api/mobile/devices', token, auto: true });
    const told = goodBodyOf(said);
    if (!Array.isArray(told)) return false;
    const isOwn = told.some(
      (one: unknown) => isObject(one) && one['id'] === device && isOfUser(one, userId),
    );
    if (isOwn) learnDevice(device, userId);
    return isOwn;
  }
}

/** The numbers that callers know are those of the Pi's plugs; the NAS counts its own. */
const OTHER_PLUG = refuse('not_through_the_pi', {
  detail: 'These numbers are those of plugs that the Pi meters. Use /api/tapo/devices for them.',
});

function isForAPlug({ segments }: Pick<PassRequest, 'segments'>): boolean {
  const [first = '', second = '', third = ''] = segments;
  const isEnergy = first === 'energy' && (second === 'cost' || second === 'cumulative');
  return /^\d+$/.test(first === 'smart-devices' ? second : isEnergy ? third : '');
}

const NOT_NOW = refuse('nas_left_alone', { retryAfterSeconds: POLL_RETRY_SECONDS });

/** An admin is listed everybody's devices. */
function isOfUser({ user_id: owner }: JsonObject, userId: number): boolean {
  return owner === undefined || Number(owner) === userId;
}

function alreadyRegistered({ body }: KeptAnswer): JsonObject {
  return { ...(JSON.parse(body) as JsonObject), status: 'already_registered' };
}

function remotePathsIn(folders: unknown): string[] {
  if (!Array.isArray(folders)) return [];
  return folders.flatMap((one: unknown) => {
    const path = isObject(one) ? one['remote_path'] : null;
    return typeof path === 'string' ? [path] : [];
  });
}

function scopeOfUser(userId: number): string {
  return `user ${userId}`;
}

function instead(given: Answer): PassBefore {
  return { kind: 'answer', answer: given };
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * How an answer of the NAS is kept. `kept`: asked whenever the NAS is awake, else answered from the
 * last one. `poll`: requested by machines all the time, so the NAS is only asked now and then.
 */
interface KeptRoute {
  readonly kind: 'kept' | 'poll';
  /** Whose answer it is: one user's, or shared by everybody of a role. */
  readonly whose: 'user' | 'role';
}

type Address = Pick<PassRequest, 'method' | 'segments'>;

const ROUTES: readonly (readonly [pattern: string, route: KeptRoute])[] = [
  ['sync/schedule/list', { kind: 'kept', whose: 'user' }],
  ['system/sleep/my-permissions', { kind: 'kept', whose: 'user' }],
  ['notifications', { kind: 'kept', whose: 'user' }],
  ['notifications/unread-count', { kind: 'kept', whose: 'user' }],
  ['files/mountpoints', { kind: 'kept', whose: 'user' }],
  ['files/permissions', { kind: 'kept', whose: 'user' }],
  ['shares/statistics', { kind: 'poll', whose: 'user' }],
  ['activity/recent-files', { kind: 'poll', whose: 'user' }],
  ['system/info', { kind: 'poll', whose: 'role' }],
  ['system/info/local', { kind: 'poll', whose: 'role' }],
  ['system/raid/status', { kind: 'poll', whose: 'role' }],
  ['system/raid/available-disks', { kind: 'poll', whose: 'role' }],
  ['system/smart/*', { kind: 'poll', whose: 'role' }],
  ['system/telemetry/*', { kind: 'poll', whose: 'role' }],
  ['system/storage/*', { kind: 'poll', whose: 'role' }],
  ['monitoring/*', { kind: 'poll', whose: 'role' }],
  ['admin/services', { kind: 'poll', whose: 'role' }],
];

/** How the answer at an address is kept; null for one that is not. */
function keptRoute({ method, segments }: Address): KeptRoute | null {
  if (method !== 'GET' && method !== 'HEAD') return null;
  const path = segments.join('/');
  const found = ROUTES.find(([pattern]) =>
    pattern.endsWith('/*') ? path.startsWith(pattern.slice(0, -1)) : path === pattern,
  );
  return found?.[1] ?? null;
}

/** The address an answer is kept under: with its query in one order, as the NAS reads it. */
function addressOf({ segments, query }: Pick<PassRequest, 'segments' | 'query'>): string {
  // Of several equal ones the NAS takes the last.
  const last = new Map(query);
  const words = [...last].sort(([a], [b]) => (a < b ? -1 : 1));
  const asked = new URLSearchParams(words).toString();
  const path = segments.map(encodeURIComponent).join('/');
  return asked === '' ? path : `${path}?${asked}`;
}

/** The device whose folders are asked for, or changed; null elsewhere. */
function phoneFoldersOf({ segments }: Address): string | null {
  const [mobile, sync, folders, id, ...more] = segments;
  const isIt = mobile === 'mobile' && sync === 'sync' && folders === 'folders';
  return isIt && id !== undefined && more.length === 0 ? id : null;
}

interface PreflightDeps {
  readonly files: Pick<Files, 'shownIn'>;
  readonly presence: Pick<NasPresence, 'state'>;
  /** The NAS's `sleep_schedule` as last told; null for none. */
  readonly sleepSchedule: () => unknown;
}

/** More folders than this on a phone are not a photo sync that can be vouched for. */
const MOST_FOLDERS = 2_000;

/** The words BaluHost's apps know (its OpenAPI document). */
const STATES = [
  'awake',
  'entering_soft_sleep',
  'soft_sleep',
  'entering_suspend',
  'true_suspend',
  'waking',
];

/**
 * `GET /api/sync/preflight` while the NAS sleeps: a phone may sync when every folder it syncs with
 * can be listed completely from here, as its uploads go into the queue (contract 6).
 * @param remote where the caller's phones sync to; null while nothing of them is known
 * @param told what the NAS just said of its sleep; null where it did not
 */
function preflightAsleep(
  deps: PreflightDeps,
  user: User,
  remote: readonly string[] | null,
  told: Readonly<Record<string, unknown>> | null,
): Readonly<Record<string, unknown>> {
  const isListed = remote !== null && remote.every((path) => isListedWhole(deps, user, path));
  const { sleepState, nextWakeAt } = deps.presence.state;
  const known = {
    current_sleep_state: STATES.includes(sleepState) ? sleepState : 'true_suspend',
    sleep_schedule: deps.sleepSchedule(),
    next_sleep_at: null,
    next_wake_at: nextWakeAt,
  };
  return {
    ...known,
    ...told,
    sync_allowed: isListed,
    block_reason: isListed ? null : 'sleep_active',
  };
}

/** Whether a user ever listed a folder and every folder below it. */
function isListedWhole({ files }: PreflightDeps, user: User, text: string): boolean {
  const parsed = parseNasPath(text);
  if (parsed.kind === 'bad_path') return false;
  const waiting = [parsed.path];
  let seen = 0;
  for (let folder = waiting.pop(); folder !== undefined; folder = waiting.pop()) {
    seen += 1;
    const items = files.shownIn(user, folder);
    if (items === null || seen > MOST_FOLDERS) return false;
    for (const { isDirectory, path } of items) if (isDirectory) waiting.push(path);
  }
  return true;
}

/** A caller silent for so long no longer waits for its turn: no app polls more slowly. */
const WAITS_MS = 90_000;
/** Addresses asked for the first time, a minute: what one screen of an app shows. */
const FIRST_PER_MINUTE = 20;
/** For all callers together; beyond it, kept answers are used. */
const MOST_WAITING = 500;
/** A NAS not needed for longer than this is on its way to sleep (contract 6). */
const NEEDED_MS = 5 * 60_000;

interface PollsDeps {
  readonly clock: Pick<Clock, 'monotonicMs'>;
  readonly budget: {
    /** Takes one call from the budget of those that no caller waits for. */
    take(kind: 'other'): boolean;
    /** One was made, whatever is left. */
    made(): void;
    /** How many may be taken now. */
    readonly left: number;
  };
  /** How long ago a caller last needed the NAS, ms; null for never. */
  readonly idleMs: () => number | null;
}

/**
 * Schedules polls: a NAS counts every request, and more than five a minute keep it awake for ever
 * (docs/NAS.md). The poll with the oldest answer goes first; the others are answered from what is
 * kept.
 */
export class Polls {
  readonly #deps: PollsDeps;
  /** By address: how old its answer is, and when it was last asked for. */
  readonly #waiting = new Map<string, { readonly toldAtMs: number; readonly askedAtMs: number }>();
  readonly #firsts: RateLimiter;

  constructor(deps: PollsDeps) {
    this.#deps = deps;
    this.#firsts = new RateLimiter(deps.clock, { most: FIRST_PER_MINUTE });
  }

  /**
   * @param toldAtMs when the NAS last answered that; null where nothing is kept
   * @returns whether the NAS may be asked now
   */
  take(key: string, toldAtMs: number | null): boolean {
    const nowMs = this.#deps.clock.monotonicMs();
    for (const [other, { askedAtMs }] of this.#waiting) {
      if (nowMs - askedAtMs >= WAITS_MS) this.#waiting.delete(other);
    }
    if (this.#waiting.size >= MOST_WAITING && !this.#waiting.has(key)) return false;
    this.#waiting.set(key, { toldAtMs: toldAtMs ?? -Infinity, askedAtMs: nowMs });
    const isTaken = this.#isAmongOldest(key) && this.#deps.budget.take('other');
    const isGoing = isTaken || (toldAtMs === null && this.#isFirst());
    if (isGoing) this.#waiting.delete(key);
    return isGoing;
  }

  #isAmongOldest(key: string): boolean {
    const mine = this.#waiting.get(key)?.toldAtMs ?? 0;
    let older = 0;
    for (const { toldAtMs } of this.#waiting.values()) if (toldAtMs < mine) older += 1;
    return older < this.#deps.budget.left;
  }

  /**
   * Nothing of it is kept yet: it is asked along with requests that need the NAS anyway, and
   * counted with the others, which wait that much longer.
   */
  #isFirst(): boolean {
    const idleMs = this.#deps.idleMs();
    if (idleMs === null || idleMs >= NEEDED_MS) return false;
    if (this.#firsts.take().kind === 'wait') return false;
    this.#deps.budget.made();
    return true;
  }
}
