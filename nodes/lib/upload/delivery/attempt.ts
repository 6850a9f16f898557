import { nameOf } from '../../files/files.ts';
import type { NasClient, NasFileItem } from '../../nas/nas-client.ts';
import { LocalTime } from '../../time/zoned-time.ts';
import { type Reason, reason } from '../reasons.ts';
import { folderOf } from '../receive/target.ts';
import type { DeliveryRows } from '../rows/delivery-rows.ts';
import {
  compareBase,
  isSameItem,
  NO_BASE,
  type BranchBase,
  branchBaseOf,
  type UploadBase,
  type UploadRow,
  type UploadRows,
} from '../rows/upload-rows.ts';
import type { PlainUpload, ShownListings } from '../upload-deps.ts';
import { type Interruption, interruptionOf, type NasFolder, readBack } from './delivery-calls.ts';
import type { ChunkedSend, Sent } from './send.ts';

/** A target that changes during this many sends in a row is left for later. */
const MOST_ROUNDS = 4;
const MOST_NAMES = 1_000;
/** How many conflict names are checked at once. */
const NAMES_AT_ONCE = 8;

export type StepOutcome =
  /** It is there, verified. `beside`: under a conflict name. */
  | {
      readonly kind: 'delivered';
      readonly path: string;
      readonly item: NasFileItem;
      readonly beside: boolean;
    }
  /** It was recovered, and something may have changed since it was sent, so its owner decides. */
  | { readonly kind: 'awaits_owner'; readonly detail: Reason }
  /** It was sent, but something else is there now. */
  | { readonly kind: 'mismatch'; readonly found: NasFileItem | null }
  | Interruption;

interface DeliveryAttemptDeps {
  readonly rows: DeliveryRows;
  readonly uploads: UploadRows;
  readonly check: TargetCheck;
  readonly folders: NasFolder;
  readonly chunked: ChunkedSend;
  readonly fallback: PlainUpload | null;
  readonly listings: ShownListings;
  readonly fileOf: (id: string) => string;
  /** IANA name, for conflict names. */
  readonly timezone: string;
}

/** Where something is sent, and on whose behalf. */
interface InFolder {
  readonly token: string;
  readonly path: string;
  readonly signal: AbortSignal;
}

/** One row's delivery to the NAS, from the first look to the verification. */
export class DeliveryAttempt {
  readonly #deps: DeliveryAttemptDeps;

  constructor(deps: DeliveryAttemptDeps) {
    this.#deps = deps;
  }

  /**
   * @param token of the row's own user
   * @param onProgress called after each chunk
   * @throws the Pi's disk's error
   */
  async deliver(
    claimed: UploadRow,
    token: string,
    signal: AbortSignal,
    onProgress: () => void,
  ): Promise<StepOutcome> {
    const row = await this.#readied(claimed, token, signal);
    if ('kind' in row) return this.#explained(claimed, row, token, signal);
    const outcome = await this.#sendTo(row, token, signal, onProgress);
    return this.#explained(row, outcome, token, signal);
  }

  /** A NAS that fails at a folder keeps answering 500, so asking again does not help. */
  async #explained(
    row: UploadRow,
    outcome: StepOutcome,
    token: string,
    signal: AbortSignal,
  ): Promise<StepOutcome> {
    if (outcome.kind !== 'trouble' && outcome.kind !== 'refused') return outcome;
    const file = await this.#deps.folders.fileInTheWay(token, row.folder, signal);
    if (file === null) return outcome;
    return {
      kind: 'refused',
      status: 409,
      detail: reason('fileInTheWayOnNas', { path: file }),
    };
  }

  async #sendTo(
    row: UploadRow,
    token: string,
    signal: AbortSignal,
    onProgress: () => void,
  ): Promise<StepOutcome> {
    const branchBase = branchBaseOf(row, this.#deps.uploads);
    let path = this.#placeOf(row, branchBase);
    for (let round = 0; round < MOST_ROUNDS; round += 1) {
      const beside = path !== row.path;
      const { sizeBytes, sha256 } = row;
      const wanted: Wanted = { path, sizeBytes, sha256, base: baseAt(path, row, branchBase) };
      const seen = await this.#deps.check.look(token, wanted, round === 0, signal);
      if (seen.kind === 'ours') return { kind: 'delivered', path, item: seen.item, beside };
      if (seen.kind === 'changed') {
        const next = await this.#nextName(row, token, signal);
        if (next.kind !== 'name') return next;
        ({ path } = next);
        continue;
      }
      if (seen.kind !== 'free') return seen;
      const sent = await this.#send(row, wanted, seen, { token, signal, onProgress });
      if (sent.kind === 'completed') return await this.verify(wanted, beside, token, signal);
      const ended = afterSending(sent);
      if (ended !== null) return ended;
    }
    return { kind: 'trouble', detail: reason('placeKeepsChanging') };
  }

  /** Decides the row's path; returns an outcome where it may not go at all. */
  async #readied(
    claimed: UploadRow,
    token: string,
    signal: AbortSignal,
  ): Promise<UploadRow | StepOutcome> {
    const row = await this.#decide(claimed, token, signal);
    if ('kind' in row || !row.found) return row;
    const { base } = branchBaseOf(row, this.#deps.uploads);
    return (await this.#doubtOf(row, base, token, signal)) ?? row;
  }

  /**
   * Whether an upload rebuilt from its intent may be delivered without asking (contract 4): what it
   * was made from is still there, or no known listing shows anything at its path.
   * @returns null where it may
   */
  async #doubtOf(
    row: UploadRow,
    base: UploadBase,
    token: string,
    signal: AbortSignal,
  ): Promise<StepOutcome | null> {
    const { check, listings } = this.#deps;
    const { path, sizeBytes, sha256 } = row;
    const seen = await check.look(token, { path, sizeBytes, sha256, base }, true, signal);
    if (seen.kind === 'ours' || (seen.kind === 'free' && seen.item !== null)) return null;
    if (seen.kind !== 'free' && seen.kind !== 'changed') return seen;
    const { kind } = listings.shows(row.userId, path);
    if (kind === 'absent' || kind === 'unknown') return null;
    const detail = reason(seen.kind === 'free' ? 'foundBaseGone' : 'foundBaseChanged');
    return { kind: 'awaits_owner', detail };
  }

  /** Where a row goes first; a conflict name is stored before anything is sent to it. */
  #placeOf(row: UploadRow, { copyPath }: BranchBase): string {
    if (row.conflictPath !== null || copyPath === null) return row.conflictPath ?? row.path;
    this.#deps.rows.setConflictPath(row.id, copyPath);
    return copyPath;
  }

  /** Asks the NAS which reading of the path is right, where no listing told at acceptance. */
  async #decide(
    row: UploadRow,
    token: string,
    signal: AbortSignal,
  ): Promise<UploadRow | Interruption> {
    if (row.secondPath === null) return row;
    const listed = await this.#deps.folders.listRecent(token, row.folder, signal);
    if (listed.kind !== 'items') return listed;
    const named = listed.items.find(({ name }) => name === nameOf(row.path));
    // Both readings are of a path that does not exist, so it can only mean a folder.
    const isFolder =
      named === undefined ? this.#deps.rows.isSharedAsFolder(row) : named.type === 'directory';
    const path = isFolder ? row.secondPath : row.path;
    const folder = folderOf(path);
    const filename = nameOf(path);
    this.#deps.rows.decide(row.id, path, folder, filename);
    return { ...row, path, folder, filename, secondPath: null };
  }

  /**
   * Finds a free name next to the target, on the NAS and in the queue, and stores it before
   * sending.
   */
  async #nextName(
    row: UploadRow,
    token: string,
    signal: AbortSignal,
  ): Promise<{ readonly kind: 'name'; readonly path: string } | Interruption> {
    const { rows, timezone, chunked, folders } = this.#deps;
    const { filename, username, createdAtMs: acceptedAtMs, folder } = row;
    for (let first = 1; first <= MOST_NAMES; first += NAMES_AT_ONCE) {
      const names = Array.from({ length: NAMES_AT_ONCE }, (_, index) =>
        conflictName({ filename, username, acceptedAtMs, timezone, count: first + index }),
      );
      const seen = await folders.look(token, folder, names, true, signal);
      if (seen.kind !== 'seen') return seen;
      for (const name of names) {
        const path = folder === '' ? name : `${folder}/${name}`;
        if (seen.items.has(name) || rows.isPathTaken(row.id, path)) continue;
        rows.setConflictPath(row.id, path);
        chunked.forget(row.id);
        return { kind: 'name', path };
      }
    }
    throw new Error('A thousand conflict names of one file are taken.');
  }

  async #send(
    row: UploadRow,
    wanted: Wanted,
    seen: Extract<Seen, { kind: 'free' }>,
    run: { readonly token: string; readonly signal: AbortSignal; readonly onProgress: () => void },
  ): Promise<Sent> {
    const { check, folders, chunked, fallback, fileOf } = this.#deps;
    const { token, signal, onProgress } = run;
    if (seen.folderEmpty) {
      const interruption = await folders.ensure(token, folderOf(wanted.path), signal);
      if (interruption !== null) return interruption;
    }
    const mayComplete = async (): Promise<'yes' | 'no' | Interruption> => {
      const again = await check.look(token, { ...wanted, seenFree: seen.item }, false, signal);
      if (again.kind === 'free') return 'yes';
      return again.kind === 'ours' || again.kind === 'changed' ? 'no' : again;
    };
    const { sizeBytes } = row;
    const file = fileOf(row.id);
    const sending = {
      uploadId: row.id,
      file,
      sizeBytes,
      path: wanted.path,
      onProgress,
      mayComplete,
    };
    const inFolder = { token, path: wanted.path, signal };
    const sent = await this.#withFolder(inFolder, () => chunked.send(token, sending));
    if (sent.kind !== 'no_sessions' || fallback === null) return sent;
    const may = await mayComplete();
    if (may !== 'yes') return may === 'no' ? { kind: 'held_back' } : may;
    return this.#withFolder(inFolder, async () => {
      const plain = interruptionOf(await fallback.send(token, wanted.path, file, sizeBytes));
      return plain ?? { kind: 'completed' };
    });
  }

  /** Takes ownership of a folder that refuses uploads, then tries once more. */
  async #withFolder({ token, path, signal }: InFolder, send: () => Promise<Sent>): Promise<Sent> {
    const folder = folderOf(path);
    const sent = await send();
    if (sent.kind !== 'refused' || sent.isForbidden !== true) return sent;
    const adopted = await this.#deps.folders.adopt(token, folder, signal);
    if (typeof adopted !== 'boolean') return adopted;
    const again = adopted ? await send() : sent;
    if (again.kind !== 'refused' || again.isForbidden !== true) return again;
    const detail = reason('folderNotTheirs', { reason: again.detail, path: folder });
    return { ...again, detail, needsFolder: true };
  }

  /** Verifies by the NAS's checksum, else by reading the file back (contract 4, Delivery). */
  async verify(
    wanted: Wanted,
    beside: boolean,
    token: string,
    signal: AbortSignal,
  ): Promise<StepOutcome> {
    const { folders } = this.#deps;
    const name = nameOf(wanted.path);
    folders.changed();
    const seen = await folders.look(token, folderOf(wanted.path), [name], false, signal);
    if (seen.kind !== 'seen') return seen;
    return await this.compare(wanted, beside, seen.items.get(name) ?? null, token, signal);
  }

  /** Compares what the NAS shows now with what was sent. */
  async compare(
    wanted: Wanted,
    beside: boolean,
    found: NasFileItem | null,
    token: string,
    signal: AbortSignal,
  ): Promise<StepOutcome> {
    if (found === null || found.size !== wanted.sizeBytes) return { kind: 'mismatch', found };
    const asBefore: Wanted = { ...wanted, base: NO_BASE };
    const comparison = await this.#deps.check.judge(token, asBefore, found, signal);
    if (comparison === 'ours') return { kind: 'delivered', path: wanted.path, item: found, beside };
    return typeof comparison === 'string' ? { kind: 'mismatch', found } : comparison;
  }
}

/**
 * What may be overwritten at a path: at a conflict name only the copy of its own branch; after a
 * failed verification whatever is at the path it was sent to.
 */
function baseAt(path: string, row: UploadRow, { base, copyPath }: BranchBase): UploadBase {
  const isNew = path !== row.path && path !== copyPath;
  return isNew && row.resends === 0 ? NO_BASE : base;
}

/** @returns null where the NAS has to be asked again */
function afterSending(sent: Exclude<Sent, { kind: 'completed' }>): Interruption | null {
  if (sent.kind === 'held_back' || sent.kind === 'unknown') return null;
  return sent.kind === 'no_sessions' ? { kind: 'trouble', detail: reason('nasLostSession') } : sent;
}

/** What the NAS shows where an upload is to go. */
type Seen =
  /** Exactly this content is there already. */
  | { readonly kind: 'ours'; readonly item: NasFileItem }
  /** Nothing is lost by writing there. `item` is what is there now. */
  | { readonly kind: 'free'; readonly item: NasFileItem | null; readonly folderEmpty: boolean }
  /** Somebody else's content is there. */
  | { readonly kind: 'changed' }
  | Interruption;

/** What is looked for on the NAS. */
export interface Wanted {
  readonly path: string;
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly base: UploadBase;
  /** It was free a moment ago; if unchanged, nothing is read again. */
  readonly seenFree?: NasFileItem | null;
}

/** Looks at a target with its user's rights, and compares it with the upload's content and base. */
export class TargetCheck {
  readonly #nas: NasClient;
  readonly #folders: NasFolder;

  constructor(nas: NasClient, folders: NasFolder) {
    this.#nas = nas;
    this.#folders = folders;
  }

  /** @param recently whether a listing a few seconds old will do */
  async look(token: string, wanted: Wanted, recently: boolean, signal: AbortSignal): Promise<Seen> {
    const folder = folderOf(wanted.path);
    const name = nameOf(wanted.path);
    const seen = await this.#folders.look(token, folder, [name], recently, signal);
    if (seen.kind !== 'seen') return seen;
    const item = seen.items.get(name) ?? null;
    if (item === null) return { kind: 'free', item, folderEmpty: seen.folderEmpty };
    const comparison = await this.judge(token, wanted, item, signal);
    switch (comparison) {
      case 'ours':
        return { kind: 'ours', item };
      case 'unchanged':
        return { kind: 'free', item, folderEmpty: false };
      case 'changed':
        return { kind: 'changed' };
      default:
        return comparison;
    }
  }

  /** Reads the content where only that settles a doubt, or to recognise an own earlier upload. */
  async judge(
    token: string,
    wanted: Wanted,
    item: NasFileItem,
    signal: AbortSignal,
  ): Promise<'ours' | 'unchanged' | 'changed' | Interruption> {
    const known = judgeByRow(wanted, item);
    if (known !== 'unknown') return known;
    const content = await readBack(this.#nas, token, item, signal);
    if (content.kind === 'unsteady') return 'changed';
    if (content.kind !== 'hash') return content;
    if (content.sha256 === wanted.sha256) return 'ours';
    if (content.sha256 === wanted.base.checksum) return 'unchanged';
    return compareBase(wanted.base, item) === 'unchanged' ? 'unchanged' : 'changed';
  }
}

/** `unknown` where only the content can tell: the checksum is missing, stale or doubtful. */
function judgeByRow(
  wanted: Wanted,
  item: NasFileItem,
): 'ours' | 'unchanged' | 'changed' | 'unknown' {
  if (item.type === 'directory') return 'changed';
  const sameSize = item.size === wanted.sizeBytes;
  if (sameSize && item.checksum?.toLowerCase() === wanted.sha256) return 'ours';
  if (wanted.seenFree !== undefined && isSameItem(wanted.seenFree, item)) return 'unchanged';
  const comparison = compareBase(wanted.base, item);
  if (comparison === 'doubtful') return 'unknown';
  if (sameSize && (comparison === 'changed' || item.checksum === null)) return 'unknown';
  return comparison === 'unchanged' ? 'unchanged' : 'changed';
}

/** The longest name ext4 takes, in bytes. */
const LONGEST_NAME_BYTES = 255;
/** A longer one is no extension, just a name with a dot in it. */
const LONGEST_EXTENSION_BYTES = 32;

interface ConflictNaming {
  readonly filename: string;
  readonly username: string;
  /** When the upload was accepted, epoch ms. */
  readonly acceptedAtMs: number;
  /** IANA name. */
  readonly timezone: string;
  /** 1 for the first try, which leaves it out of the name. */
  readonly count: number;
}

/**
 * The name an upload gets next to a file that changed meanwhile (contract 4, Conflict): `name
 * (conflict 2026-02-22 14-30 username).ext`, then `… 2.ext`. The stem is cut, at a whole character,
 * where the name would not fit in 255 bytes.
 */
export function conflictName(naming: ConflictNaming): string {
  const { stem, extension } = splitName(naming.filename);
  const count = naming.count > 1 ? ` ${naming.count}` : '';
  const moment = localMinute(naming.acceptedAtMs, naming.timezone);
  const mark = ` (conflict ${moment} ${naming.username})${count}`;
  const stemBytes = LONGEST_NAME_BYTES - Buffer.byteLength(mark) - Buffer.byteLength(extension);
  return `${cutToBytes(stem, Math.max(0, stemBytes))}${mark}${extension}`;
}

function splitName(filename: string): { readonly stem: string; readonly extension: string } {
  const dot = filename.lastIndexOf('.');
  const extension = filename.slice(dot);
  if (dot <= 0 || Buffer.byteLength(extension) > LONGEST_EXTENSION_BYTES) {
    return { stem: filename, extension: '' };
  }
  return { stem: filename.slice(0, dot), extension };
}

/** `2026-02-22 14-30`, local time in that zone. */
function localMinute(atMs: number, timezone: string): string {
  const zone = new LocalTime(timezone);
  const atS = Math.floor(atMs / 1_000);
  return `${zone.date(atS)} ${zone.timeOfDay(atS).replace(':', '-')}`;
}

function cutToBytes(text: string, bytes: number): string {
  let cut = '';
  let used = 0;
  for (const character of text) {
    used += Buffer.byteLength(character);
    if (used > bytes) return cut;
    cut += character;
  }
  return cut;
}
