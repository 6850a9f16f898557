import type { IncomingHttpHeaders } from 'node:http';
import type { Caller } from '../accounts/caller.ts';
import type { RefusalCode } from '../http/http.ts';
import type { BodySlots } from './body-slots.ts';
import { diskFaultOf } from './disk.ts';
import { boundaryOf } from './header-parameters.ts';
import type { RoomKeeper } from './room-keeper.ts';
import { parentOf } from '../files/files.ts';
import { parsePath } from './target.ts';
import type { MayWrite } from './upload-ports.ts';

/** The content is not what its sender says it is. */
export const WRONG_HASH = {
  loc: ['header', 'X-Content-SHA256'],
  detail: 'The content does not have the hash X-Content-SHA256 says.',
} as const;

/** What a multipart body of one file carries beside the file, at most, in bytes. */
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
  /** The query's `path`; null where it has none. */
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

/** Whether a user's listing shows a file there, or one is queued for that place. */
export type IsFile = (userId: number, path: string) => boolean;

/** Everything that can be refused before a byte of the body is read (contract 4). */
export class Admission {
  readonly #maxFileBytes: number;
  readonly #mayWrite: MayWrite;
  readonly #room: RoomKeeper;
  readonly #slots: BodySlots;
  readonly #isFile: IsFile;

  constructor(
    maxFileBytes: number,
    mayWrite: MayWrite,
    room: RoomKeeper,
    slots: BodySlots,
    isFile: IsFile,
  ) {
    this.#isFile = isFile;
    this.#maxFileBytes = maxFileBytes;
    this.#mayWrite = mayWrite;
    this.#room = room;
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
      const refusal = await this.#room.refusal(call.caller.user.id, length);
      if (refusal !== null) return refusal;
    } catch (error) {
      const fault = diskFaultOf(error);
      if (fault === null) throw error;
      return refused(fault);
    }
    return { kind: 'admitted', headers };
  }

  /**
   * Whether the caller may write to what a `path` names, folder or file. The answer is the same
   * whether it exists or not.
   */
  async checkPlace(caller: Caller, path: string): Promise<Refused | null> {
    const parsed = parsePath(path);
    if (parsed.kind === 'bad_path') return refused('bad_path', parsed.reason);
    return this.checkTarget(caller, parsed.path);
  }

  /**
   * Whether the caller may put something at a parsed path, and no file is known to lie, or to be on
   * its way, where a folder above it is needed.
   */
  async checkTarget(caller: Caller, path: string): Promise<Refused | null> {
    if (!(await this.#mayWrite(caller, path))) return refused('not_yours');
    for (let above = parentOf(path); above !== null && above !== ''; above = parentOf(above)) {
      if (!this.#isFile(caller.user.id, above)) continue;
      return refused('conflict', `${above} is a file, so nothing can be put into it.`);
    }
    return null;
  }
}

export function refused(code: RefusalCode, detail?: string): Refused {
  return detail === undefined ? { kind: 'refused', code } : { kind: 'refused', code, detail };
}

/** A 422 that names the place of its fault, such as `['header', 'Idempotency-Key']`. */
export function refusedAt(loc: readonly string[], detail: string): Refused {
  return { ...refused('invalid', detail), loc };
}

/** @param maxBytes what one file may hold, and with a length told beforehand the whole request */
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
