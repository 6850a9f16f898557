import type { NasClient, NasFileItem } from '../nas/nas-client.ts';
import { nameOf } from '../files/files.ts';
import { compareBase, isSameItem } from './base.ts';
import type { Interruption } from './interruption.ts';
import type { NasFolder } from './nas-folder.ts';
import { readBack } from './read-back.ts';
import { folderOf } from './target.ts';
import type { UploadBase } from './upload-row.ts';

/** What the NAS shows where an upload is to go. */
export type Seen =
  /** This very content is there already. */
  | { readonly kind: 'ours'; readonly item: NasFileItem }
  /** Nothing is lost by putting it there. `item` is what lies there now. */
  | { readonly kind: 'free'; readonly item: NasFileItem | null; readonly folderEmpty: boolean }
  /** Somebody else's content is there. */
  | { readonly kind: 'changed' }
  | Interruption;

/** What is looked for. */
export interface Wanted {
  readonly path: string;
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly base: UploadBase;
  /** What was found to be free a moment ago: if it still is what it was, nothing is read again. */
  readonly seenFree?: NasFileItem | null;
}

/** Looks at a target as its user and compares it with what an upload brings and was made from. */
export class TargetCheck {
  readonly #nas: NasClient;
  readonly #folders: NasFolder;

  constructor(nas: NasClient, folders: NasFolder) {
    this.#nas = nas;
    this.#folders = folders;
  }

  /** @param lately whether a listing of a few seconds ago will do */
  async look(token: string, wanted: Wanted, lately: boolean, signal: AbortSignal): Promise<Seen> {
    const folder = folderOf(wanted.path);
    const name = nameOf(wanted.path);
    const seen = await this.#folders.look(token, folder, [name], lately, signal);
    if (seen.kind !== 'seen') return seen;
    const item = seen.items.get(name) ?? null;
    if (item === null) return { kind: 'free', item, folderEmpty: seen.folderEmpty };
    const verdict = await this.judge(token, wanted, item, signal);
    switch (verdict) {
      case 'ours':
        return { kind: 'ours', item };
      case 'unchanged':
        return { kind: 'free', item, folderEmpty: false };
      case 'changed':
        return { kind: 'changed' };
      default:
        return verdict;
    }
  }

  /** Reads the content where it takes that to settle a doubt, or to know one's own again. */
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

/** `unknown` where a missing, stale or doubtful checksum leaves it to the content. */
function judgeByRow(
  wanted: Wanted,
  item: NasFileItem,
): 'ours' | 'unchanged' | 'changed' | 'unknown' {
  if (item.type === 'directory') return 'changed';
  const sameSize = item.size === wanted.sizeBytes;
  if (sameSize && item.checksum?.toLowerCase() === wanted.sha256) return 'ours';
  if (wanted.seenFree !== undefined && isSameItem(wanted.seenFree, item)) return 'unchanged';
  const verdict = compareBase(wanted.base, item);
  if (verdict === 'doubtful') return 'unknown';
  if (sameSize && (verdict === 'changed' || item.checksum === null)) return 'unknown';
  return verdict === 'unchanged' ? 'unchanged' : 'changed';
}
