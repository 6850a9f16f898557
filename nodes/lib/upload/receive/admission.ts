import type { IncomingHttpHeaders } from 'node:http';
import type { Caller } from '../../accounts/caller.ts';
import { parentOf } from '../../files/files.ts';
import type { RefusalCode } from '../../http/http.ts';
import type { Clock } from '../../time/clock.ts';
import { type Reason, reason } from '../reasons.ts';
import type { ShareRows } from '../rows/queue-view-rows.ts';
import { type Disk, diskFaultOf } from '../spool/disk.ts';
import type { EvictFor, MayWrite } from '../upload-deps.ts';
import { parsePath } from './target.ts';

/** The content is not what its sender claims. */
export const WRONG_HASH = {
  loc: ['header', 'X-Content-SHA256'],
  detail: 'The content does not have the hash X-Content-SHA256 says.',
} as const;

/** The most a multipart body of one file adds to the file, in bytes. */
const ENVELOPE_BYTES = 16 * 1024;
const KEY = /^[\x21-\x7e]{1,255}$/;

export interface Refused {
  readonly kind: 'refused';
  readonly code: RefusalCode;
  readonly detail?: string;
  /** Where the fault of an `invalid` one lies, as in every other 422; left out: the body. */
  readonly loc?: readonly string[];
}

/** An upload as known when its headers are in. */
export interface UploadCall {
  readonly caller: Caller;
  readonly headers: IncomingHttpHeaders;
  /** The query's `path`; null where there is none. */
  readonly path: string | null;
}

/** What the headers say of the content, checked. */
export interface ContentHeaders {
  /** `X-Content-SHA256`, hex in lower case. */
  readonly contentSha256: string | null;
  /** `X-Base-Checksum`, hex in lower case. */
  readonly baseChecksum: string | null;
}

/** What the headers say, checked. */
export interface UploadHeaders extends ContentHeaders {
  readonly lengthBytes: number | null;
  readonly idempotencyKey: string | null;
}

export type Admitted = { readonly kind: 'admitted'; readonly headers: UploadHeaders } | Refused;

/** What a user's listing shows at a path, or what is queued for it; null where neither knows. */
type KindAt = (userId: number, path: string) => 'file' | 'folder' | null;

/** Everything that can be refused before the body is read (contract 4). */
export class Admission {
  readonly #maxFileBytes: number;
  readonly #mayWrite: MayWrite;
  readonly #quota: UploadQuota;
  readonly #slots: BodySlots;
  readonly #kindAt: KindAt;

  constructor(
    maxFileBytes: number,
    mayWrite: MayWrite,
    quota: UploadQuota,
    slots: BodySlots,
    kindAt: KindAt,
  ) {
    this.#kindAt = kindAt;
    this.#maxFileBytes = maxFileBytes;
    this.#mayWrite = mayWrite;
    this.#quota = quota;
    this.#slots = slots;
  }

  async check(call: UploadCall): Promise<Admitted> {
    const headers = readHeaders(call.headers);
    if ('code' in headers) return headers;
    const length = headers.lengthBytes ?? 0;
    if (length > this.#maxFileBytes + ENVELOPE_BYTES) return tooLarge(this.#maxFileBytes);
    const place = call.path === null ? null : await this.checkPlace(call.caller, call.path);
    if (place !== null) return place;
    if (this.#slots.isCrowded(call.caller.user.id)) {
      return refused('too_many_tries', 'Too many uploads at once. Send fewer at a time.');
    }
    try {
      const refusal = await this.#quota.refusal(call.caller.user.id, length);
      if (refusal !== null) return refusal;
    } catch (error) {
      const fault = diskFaultOf(error);
      if (fault === null) throw error;
      return refused(fault);
    }
    return { kind: 'admitted', headers };
  }

  /**
   * Whether the caller may write to the folder or file of a `path`. The answer is the same whether
   * it exists or not.
   */
  async checkPlace(caller: Caller, path: string): Promise<Refused | null> {
    const parsed = parsePath(path);
    if (parsed.kind === 'bad_path') return refused('bad_path', parsed.reason);
    return this.checkTarget(caller, parsed.path);
  }

  /**
   * Whether the caller may write to a parsed path, and no file is known to exist, or to be on its
   * way, in place of a parent folder.
   */
  async checkTarget(caller: Caller, path: string): Promise<Refused | null> {
    if (!(await this.#mayWrite(caller, path))) return refused('not_yours');
    for (let above = parentOf(path); above !== null && above !== ''; above = parentOf(above)) {
      if (this.#kindAt(caller.user.id, above) !== 'file') continue;
      return refused('conflict', reason('fileInTheWay', { path: above }));
    }
    return null;
  }

  /**
   * As {@link checkTarget} for a file, which must not replace a listed folder: it would hide that
   * folder and new uploads into it until the NAS has refused it.
   */
  async checkFile(caller: Caller, path: string): Promise<Refused | null> {
    const refusal = await this.checkTarget(caller, path);
    if (refusal !== null || this.#kindAt(caller.user.id, path) !== 'folder') return refusal;
    return refused('conflict', reason('folderInTheWay', { path }));
  }
}

/** A conflict is shown on the pages, so its reason is one that has words in every language. */
export function refused(code: 'conflict', detail: Reason): Refused;
export function refused(code: Exclude<RefusalCode, 'conflict'>, detail?: string): Refused;
export function refused(code: RefusalCode, detail?: string): Refused {
  return detail === undefined ? { kind: 'refused', code } : { kind: 'refused', code, detail };
}

/** A 422 that names the place of its fault, such as `['header', 'Idempotency-Key']`. */
export function refusedAt(loc: readonly string[], detail: string): Refused {
  return { ...refused('invalid', detail), loc };
}

/**
 * @param maxBytes the limit for one file and, where the length is announced, for the whole request
 */
export function tooLarge(maxBytes: number): Refused {
  const most =
    maxBytes >= 1e9 ? `${shortened(maxBytes / 1e9)} GB` : `${shortened(maxBytes / 1e6)} MB`;
  return refused('too_large', `An upload may hold ${most}. Send less at a time.`);
}

function shortened(value: number): number {
  return Math.floor(value * 100) / 100;
}

function readHeaders(headers: IncomingHttpHeaders): UploadHeaders | Refused {
  const wrongType = typeFault(headers);
  if (wrongType !== null) return wrongType;
  const length = headers['content-length'];
  const key = single(headers['idempotency-key']);
  if (key !== null && !KEY.test(key)) return badHeader('Idempotency-Key');
  const content = readContentHeaders(headers);
  if ('code' in content) return content;
  return {
    ...content,
    lengthBytes: length === undefined ? null : Number(length),
    idempotencyKey: key,
  };
}

export function readContentHeaders(headers: IncomingHttpHeaders): ContentHeaders | Refused {
  const contentSha256 = readSha256(headers['x-content-sha256']);
  if (contentSha256 === 'bad') return badHeader('X-Content-SHA256');
  const baseChecksum = readSha256(headers['x-base-checksum']);
  if (baseChecksum === 'bad') return badHeader('X-Base-Checksum');
  return { contentSha256: contentSha256.hash, baseChecksum: baseChecksum.hash };
}

function typeFault(headers: IncomingHttpHeaders): Refused | null {
  const type = headers['content-type'] ?? '';
  if (!/^multipart\/form-data\s*(;|$)/i.test(type.trim())) return refused('wrong_body_type');
  if (boundaryOf(type) === null) {
    return refused('malformed', 'Missing boundary in multipart.');
  }
  const encoding = headers['content-encoding'] ?? 'identity';
  return encoding.toLowerCase() === 'identity' ? null : refused('wrong_body_type');
}

function badHeader(name: string): Refused {
  return refusedAt(['header', name], `The header ${name} is not valid.`);
}

function single(value: string | readonly string[] | undefined): string | null {
  if (value === undefined) return null;
  return typeof value === 'string' ? value : value.join(',');
}

function readSha256(
  value: string | readonly string[] | undefined,
): { readonly hash: string | null } | 'bad' {
  const text = single(value);
  if (text === null || text === '') return { hash: null };
  return /^[0-9a-fA-F]{64}$/.test(text) ? { hash: text.toLowerCase() } : 'bad';
}

/** A body of unknown length reserves space in steps of this size, in bytes. */
const STEP_BYTES = 16 * 1024 * 1024;
/** Contract 1, Fair shares. */
const MOST_ROWS = 100_000;
const SHARING_MS = 30 * 86_400_000;
/** How long a count of the sharing users is reused, ms: it changes slowly. */
const COUNTED_FOR_MS = 60_000;

/** Why something does not fit. */
interface QuotaRefusal {
  readonly kind: 'refused';
  readonly code: 'no_room' | 'share_used';
  readonly detail?: string;
}

const NO_ROOM: QuotaRefusal = { kind: 'refused', code: 'no_room' };

/** Space reserved for one body. */
export interface Reservation {
  /**
   * Makes sure that `bytes` more fit, reserving more where needed.
   * @returns why there is no space for them; null when there is
   */
  take(bytes: number): Promise<QuotaRefusal | null>;
  /** Gives back what was not used. Calling it twice is harmless. */
  release(): void;
}

interface UploadQuotaDeps {
  readonly disk: Disk;
  /** The queue's own folder. */
  readonly folder: string;
  /** CACHE_MIN_FREE_GB in bytes. */
  readonly minFreeBytes: number;
  readonly evictFor: EvictFor;
  /** Kept copies, all of which an upload that needs their space may evict. */
  readonly evictableBytes: () => number;
  readonly rows: ShareRows;
  /** Ids of the users whom the NAS has confirmed since then. */
  readonly signedInSince: (sinceMs: number) => readonly number[];
  readonly clock: Clock;
}

/**
 * Keeps uploads from filling the disk, and one user from filling it for all: a body only begins if
 * it fits next to all incoming ones and the space that stays free (contract 3, Room), and into its
 * user's even share. Cache entries are evicted first. Space is used by bytes that arrive, never by
 * announced ones.
 */
export class UploadQuota {
  readonly #deps: UploadQuotaDeps;
  /** How much of each user's share is taken by bodies still coming in. */
  readonly #charged = new Map<number, number>();
  #promisedBytes = 0;
  #sharers: ReadonlySet<number> = new Set();
  #countedAtMs = -Infinity;

  constructor(deps: UploadQuotaDeps) {
    this.#deps = deps;
  }

  /**
   * Whether that many more bytes of a user would fit now, evicting entries where needed.
   * @returns why not; null when they would
   */
  async refusal(userId: number, bytes: number): Promise<QuotaRefusal | null> {
    const overShare = await this.#overShare(userId, bytes, 1);
    if (overShare !== null) return overShare;
    return (await this.#fits(bytes)) ? null : NO_ROOM;
  }

  /** Whether that many more uploads, whose bytes have arrived, are within their user's share. */
  async rowsRefusal(userId: number, rows: number): Promise<QuotaRefusal | null> {
    return this.#overShare(userId, 0, rows);
  }

  /**
   * @param bytes the announced length of the body; null where there is none
   * @returns why there is no space for it
   */
  async reserve(userId: number, bytes: number | null): Promise<Reservation | QuotaRefusal> {
    const wanted = bytes ?? STEP_BYTES;
    // If the length is unknown, one byte has to fit the share: the rest is reserved as it arrives.
    const refusal = await this.refusal(userId, bytes ?? 1);
    if (refusal !== null) return refusal;
    if (!(await this.#fits(wanted))) return NO_ROOM;
    return this.#promise(userId, wanted, bytes ?? 0);
  }

  /** @param ofShare bytes already charged to its user's share */
  #promise(userId: number, bytes: number, ofShare: number): Reservation {
    const charged = { bytes: 0 };
    const charge = (more: number): void => {
      charged.bytes += more;
      this.#charged.set(userId, (this.#charged.get(userId) ?? 0) + more);
    };
    charge(ofShare);
    this.#promisedBytes += bytes;
    let [left, taken, released] = [bytes, 0, false];
    return {
      take: async (count) => {
        const more = taken + count - charged.bytes;
        const refusal = more > 0 ? await this.#overShare(userId, more, 0) : null;
        if (refusal !== null) return refusal;
        if (more > 0) charge(more);
        if (left < count) {
          const step = Math.max(STEP_BYTES, count);
          if (!(await this.#fits(step))) return NO_ROOM;
          this.#promisedBytes += step;
          left += step;
        }
        taken += count;
        left -= count;
        this.#promisedBytes -= count;
        return null;
      },
      release: () => {
        if (released) return;
        released = true;
        this.#promisedBytes -= left;
        const rest = (this.#charged.get(userId) ?? 0) - charged.bytes;
        if (rest > 0) this.#charged.set(userId, rest);
        else this.#charged.delete(userId);
      },
    };
  }

  async #overShare(userId: number, bytes: number, rows: number): Promise<QuotaRefusal | null> {
    const usage = this.#deps.rows.usageOf(userId);
    const users = this.#usersBeside(userId) + 1;
    const rowShare = Math.floor(MOST_ROWS / users);
    const among = users === 1 ? 'you are alone here' : `shared among ${users} users`;
    if (usage.rows + rows > rowShare) {
      const detail = `${usage.rows} of your ${rowShare} uploads wait already (${among}).`;
      return {
        kind: 'refused',
        code: 'share_used',
        detail: `${detail} Send more when some have arrived.`,
      };
    }
    if (users === 1) return null;
    const share = (await this.#shareableBytes()) / users;
    const used = usage.bytes + (this.#charged.get(userId) ?? 0);
    if (used + bytes <= share) return null;
    const detail = `${inMb(used)} of your ${inMb(share)} of room are used (${among}).`;
    return {
      kind: 'refused',
      code: 'share_used',
      detail: `${detail} Send more when some have arrived.`,
    };
  }

  /**
   * Everything uploads could use: what they have, what is free, and what would be evicted for them.
   */
  async #shareableBytes(): Promise<number> {
    const { disk, folder, minFreeBytes, evictableBytes, rows } = this.#deps;
    const freeBytes = await disk.freeBytes(folder);
    return Math.max(0, freeBytes - minFreeBytes + evictableBytes()) + rows.allBytes();
  }

  #usersBeside(userId: number): number {
    const { clock, rows, signedInSince } = this.#deps;
    const nowMs = clock.monotonicMs();
    if (nowMs - this.#countedAtMs >= COUNTED_FOR_MS) {
      this.#countedAtMs = nowMs;
      const sinceMs = clock.nowMs() - SHARING_MS;
      this.#sharers = new Set([...rows.queuedSince(sinceMs), ...signedInSince(sinceMs)]);
    }
    return this.#sharers.size - (this.#sharers.has(userId) ? 1 : 0);
  }

  async #fits(bytes: number): Promise<boolean> {
    const missing = await this.#missing(bytes);
    if (missing <= 0) return true;
    await this.#deps.evictFor(missing);
    return (await this.#missing(bytes)) <= 0;
  }

  async #missing(bytes: number): Promise<number> {
    const { disk, folder, minFreeBytes } = this.#deps;
    const freeBytes = await disk.freeBytes(folder);
    return bytes + minFreeBytes + this.#promisedBytes - freeBytes;
  }
}

function inMb(bytes: number): string {
  return `${Math.floor(bytes / 1e5) / 10} MB`;
}

/** At most this many bodies at once per user. The desktop app opens up to 12. */
const BODIES_AT_ONCE = 8;
/** How many more may wait, unread; callers beyond them are refused and told to retry. */
const LONGEST_QUEUE = 32;

interface Slots {
  taken: number;
  readonly waiting: (() => void)[];
}

/** Limits how many bodies of one user are received at the same time. */
export class BodySlots {
  readonly #users = new Map<number, Slots>();

  /** Whether one more body of that user would be refused instead of waiting. */
  isCrowded(userId: number): boolean {
    return (this.#users.get(userId)?.waiting.length ?? 0) >= LONGEST_QUEUE;
  }

  /** How many bodies of that user are being received or waiting. */
  running(userId: number): number {
    const slots = this.#users.get(userId);
    return slots === undefined ? 0 : slots.taken + slots.waiting.length;
  }

  /**
   * Waits for a turn.
   * @returns how to give it back; or `crowded`; or `gone` when `signal` aborts first
   */
  async take(userId: number, signal: AbortSignal): Promise<(() => void) | 'crowded' | 'gone'> {
    const slots = this.#users.get(userId) ?? { taken: 0, waiting: [] };
    this.#users.set(userId, slots);
    if (slots.taken >= BODIES_AT_ONCE) {
      if (slots.waiting.length >= LONGEST_QUEUE) return 'crowded';
      if (!(await waitTurn(slots, signal))) return 'gone';
    } else {
      slots.taken += 1;
    }
    let given = false;
    return () => {
      if (given) return;
      given = true;
      this.#giveBack(userId, slots);
    };
  }

  #giveBack(userId: number, slots: Slots): void {
    const next = slots.waiting.shift();
    if (next !== undefined) {
      next();
      return;
    }
    slots.taken -= 1;
    if (slots.taken === 0) this.#users.delete(userId);
  }
}

/** The finished body passes its turn on, so the count stays the same. */
async function waitTurn(slots: Slots, signal: AbortSignal): Promise<boolean> {
  if (signal.aborted) return false;
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const turn = (): void => {
    resolve(true);
  };
  const onAbort = (): void => {
    const place = slots.waiting.indexOf(turn);
    if (place >= 0) slots.waiting.splice(place, 1);
    resolve(false);
  };
  slots.waiting.push(turn);
  signal.addEventListener('abort', onAbort, { once: true });
  const got = await promise;
  signal.removeEventListener('abort', onAbort);
  return got;
}

/** A token of RFC 9110, 5.6.2. */
export const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** `form-data; name="file"; filename="a.txt"`, parsed. */
interface HeaderWithParameters {
  readonly value: string;
  /** By name in lower case; `filename*` is decoded. */
  readonly parameters: ReadonlyMap<string, string>;
}

/**
 * Reads a header's value and its parameters. A quoted text may hold `\"` and `\\`; any other
 * backslash is itself, as browsers send it. A file name may have a quote that its sender should have
 * escaped and did not, as long as nothing behind it looks like the end of the name. A parameter may
 * be empty (RFC 9110, 5.6.6): some clients end the list with a semicolon.
 * @returns null where it cannot be read, or says one thing twice
 */
export function readParameters(text: string): HeaderWithParameters | null {
  const semicolon = text.indexOf(';');
  const value = (semicolon < 0 ? text : text.slice(0, semicolon)).trim();
  const parameters = new Map<string, string>();
  let rest = semicolon < 0 ? '' : text.slice(semicolon);
  for (;;) {
    rest = rest.replace(EMPTY, '');
    if (rest === '') break;
    const read = readOne(rest);
    if (read === null || parameters.has(read.name)) return null;
    parameters.set(read.name, read.value);
    rest = read.rest;
  }
  return { value, parameters };
}

interface Parameter {
  readonly name: string;
  readonly value: string;
  /** Begins with the next `;`, or is empty. */
  readonly rest: string;
}

/** Semicolons with nothing between them, or behind the last. */
const EMPTY = /^(?:[ \t]*;(?=[ \t]*(?:;|$)))+[ \t]*/;
const START = /^[ \t]*;[ \t]*([!#$%&'*+\-.^_`|~0-9A-Za-z]+)=/;
const PLAIN = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+)[ \t]*(?=;|$)/;
/** What stands behind the quote that ends a text. */
const AFTER_QUOTE = /^[ \t]*(?:;|$)/;

/** @param text begins with a semicolon */
function readOne(text: string): Parameter | null {
  const start = START.exec(text);
  if (start === null) return null;
  const name = (start[1] ?? '').toLowerCase();
  const behind = text.slice(start[0].length);
  if (behind.startsWith('"')) return name.endsWith('*') ? null : readQuoted(name, behind);
  const plain = PLAIN.exec(behind);
  if (plain === null) return null;
  const said = plain[1] ?? '';
  const value = name.endsWith('*') ? decodeExtended(said) : said;
  return value === null ? null : { name, value, rest: behind.slice(plain[0].length).trimEnd() };
}

/** @param text begins with the opening quote */
function readQuoted(name: string, text: string): Parameter | null {
  let value = '';
  for (let at = 1; at < text.length; at += 1) {
    const letter = text[at] ?? '';
    const next = text[at + 1] ?? '';
    if (letter === '\\' && (next === '"' || next === '\\')) {
      value += next;
      at += 1;
    } else if (letter === '"' && AFTER_QUOTE.test(text.slice(at + 1))) {
      return { name, value, rest: text.slice(at + 1).trim() };
    } else if (letter === '"' && name !== 'filename') {
      return null;
    } else {
      value += letter;
    }
  }
  return null;
}

/**
 * `UTF-8''gr%C3%BC%C3%9Fe.txt` (RFC 8187, 3.2).
 * @returns null where it is not in that form; bytes that are not UTF-8 become U+FFFD
 */
function decodeExtended(text: string): string | null {
  const form = /^(UTF-8|ISO-8859-1)'[A-Za-z0-9-]*'(.*)$/i.exec(text);
  if (form === null) return null;
  const coded = form[2] ?? '';
  if (/%(?![0-9a-fA-F]{2})/.test(coded)) return null;
  const bytes = coded.replace(/%(..)/g, (_all, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  const isUtf8 = (form[1] ?? '').length === 'UTF-8'.length;
  return isUtf8 ? Buffer.from(bytes, 'latin1').toString('utf8') : bytes;
}

/** RFC 2046, 5.1.1: 1 to 70 of these, no space at the end. */
const BOUNDARY = /^[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]$/;

/**
 * The boundary of a `multipart/form-data` body.
 * @returns null where there is no valid one
 */
export function boundaryOf(contentType: string): string | null {
  const read = readParameters(contentType);
  if (read?.value.toLowerCase() !== 'multipart/form-data') return null;
  const boundary = read.parameters.get('boundary') ?? '';
  return BOUNDARY.test(boundary) ? boundary : null;
}
