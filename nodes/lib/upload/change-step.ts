import { nameOf } from '../files/files.ts';
import type { NasClient, NasFileItem } from '../nas/nas-client.ts';
import type { Clock } from '../time/clock.ts';
import { entryOf, judgeEntry } from './change-compare.ts';
import type { ChangeRow, SeenEntry } from './change-row.ts';
import type { Interruption } from './interruption.ts';
import type { NasFolder } from './nas-folder.ts';
import type { NasMoves } from './nas-moves.ts';
import { Pacer } from './pacer.ts';
import { readBack } from './read-back.ts';
import { folderOf } from './target.ts';

/** Below the NAS's 30 deletes a minute. */
const DELETE_PACE = { burst: 10, perMinute: 25 };
/** Entries of a folder with all below it that a queued change may be about. */
export const MOST_ENTRIES = 10_000;

export type ChangeOutcome =
  | { readonly kind: 'done' }
  /** Nothing was touched. `found`: what lies there now, null where that is not known in full. */
  | {
      readonly kind: 'changed';
      readonly detail: string;
      readonly found: readonly SeenEntry[] | null;
    }
  | Interruption;

export interface ChangeStepParts {
  readonly nas: NasClient;
  readonly folders: NasFolder;
  readonly moves: NasMoves;
  readonly clock: Clock;
}

/** On whose behalf. */
interface Run {
  readonly token: string;
  readonly signal: AbortSignal;
}

type Look = { readonly kind: 'seen'; readonly item: NasFileItem | null } | Interruption;

/** A folder with all below it as the NAS lists it now. */
type Tree =
  | { readonly kind: 'tree'; readonly items: ReadonlyMap<string, NasFileItem> }
  | { readonly kind: 'too_many' }
  | Interruption;

const DONE: ChangeOutcome = { kind: 'done' };
const CHANGED = 'It changed on the NAS.';

/**
 * Carries one change out on the NAS. Each time it is begun it looks what lies where, so that begun
 * again after a crash or a lost answer it finds its own work done. Nothing is touched that is not
 * what its user saw; a change of the very last moment cannot be seen, as the NAS has no conditional
 * write.
 */
export class ChangeStep {
  readonly #parts: ChangeStepParts;
  readonly #deletePace: Pacer;

  constructor(parts: ChangeStepParts) {
    this.#parts = parts;
    this.#deletePace = new Pacer(parts.clock, DELETE_PACE);
  }

  /** @param seen what its user saw, the target first */
  async carryOut(
    row: ChangeRow,
    seen: readonly SeenEntry[],
    token: string,
    signal: AbortSignal,
  ): Promise<ChangeOutcome> {
    const run = { token, signal };
    switch (row.kind) {
      case 'mkdir':
        return await this.#make(row.path, run);
      case 'delete':
        return await this.#delete(row.path, seen, run);
      case 'rename':
      case 'move':
        return await this.#move(row.path, row.toPath ?? row.path, seen, run);
    }
  }

  async #make(path: string, run: Run): Promise<ChangeOutcome> {
    const before = await this.#look(path, run);
    if (before.kind !== 'seen') return before;
    if (before.item !== null) return this.#made(path, before.item);
    const fault = await this.#parts.folders.ensure(run.token, path, run.signal);
    if (fault !== null) return fault;
    this.#parts.folders.forget();
    const after = await this.#look(path, run);
    if (after.kind !== 'seen') return after;
    if (after.item !== null) return this.#made(path, after.item);
    return { kind: 'refused', status: 403, detail: `${path}: The NAS did not make it.` };
  }

  #made(path: string, item: NasFileItem): ChangeOutcome {
    if (item.type === 'directory') return DONE;
    return changed(path, 'A file of that name lies on the NAS.', null);
  }

  async #delete(path: string, seen: readonly SeenEntry[], run: Run): Promise<ChangeOutcome> {
    const looked = await this.#look(path, run);
    if (looked.kind !== 'seen') return looked;
    if (looked.item === null) return DONE;
    const differs = await this.#compare(path, looked.item, seen, true, run);
    if (differs !== null) return differs;
    await this.#deletePace.turn(run.signal);
    const fault = await this.#parts.moves.remove(run.token, path);
    this.#parts.folders.forget();
    if (fault === null) return DONE;
    return await this.#afterFault(fault, async () => {
      const again = await this.#look(path, run);
      return again.kind === 'seen' ? again.item === null : again;
    });
  }

  async #move(
    path: string,
    toPath: string,
    seen: readonly SeenEntry[],
    run: Run,
  ): Promise<ChangeOutcome> {
    const [source, target] = [await this.#look(path, run), await this.#look(toPath, run)];
    if (source.kind !== 'seen') return source;
    if (target.kind !== 'seen') return target;
    if (source.item === null) return await this.#wasMoved(path, toPath, target.item, seen, run);
    if (target.item !== null) {
      return changed(toPath, 'Something else has that name on the NAS.', null);
    }
    const differs = await this.#compare(path, source.item, seen, false, run);
    if (differs !== null) return differs;
    const fault = await this.#rebase(path, toPath, run);
    this.#parts.folders.forget();
    if (fault === null) return DONE;
    return await this.#afterFault(fault, async () => {
      const [from, to] = [await this.#look(path, run), await this.#look(toPath, run)];
      if (from.kind !== 'seen') return from;
      return to.kind === 'seen' ? from.item === null && to.item !== null : to;
    });
  }

  /** Nothing lies where it was: it was done before, or somebody else did something. */
  async #wasMoved(
    path: string,
    toPath: string,
    item: NasFileItem | null,
    seen: readonly SeenEntry[],
    run: Run,
  ): Promise<ChangeOutcome> {
    const gone = changed(path, 'It is not on the NAS any more.', null);
    if (item === null) return gone;
    const differs = await this.#compare(toPath, item, seen, false, run);
    if (differs === null) return DONE;
    return differs.kind === 'changed' ? gone : differs;
  }

  async #rebase(path: string, toPath: string, run: Run): Promise<Interruption | null> {
    const { folders, moves } = this.#parts;
    const folder = folderOf(toPath);
    if (folder === folderOf(path)) {
      await folders.turnToWrite(run.signal);
      return await moves.rename(run.token, path, nameOf(toPath));
    }
    const above = await this.#look(folder, run);
    if (above.kind !== 'seen') return above;
    if (above.item === null && folder.includes('/')) {
      const fault = await folders.ensure(run.token, folder, run.signal);
      if (fault !== null) return fault;
    }
    await folders.turnToWrite(run.signal);
    return await moves.move(run.token, path, toPath);
  }

  /** The NAS may say 500, or no, to what it has done. */
  async #afterFault(
    fault: Interruption,
    isDone: () => Promise<boolean | Interruption>,
  ): Promise<ChangeOutcome> {
    if (fault.kind !== 'trouble' && fault.kind !== 'refused') return fault;
    return (await isDone()) === true ? DONE : fault;
  }

  /** @returns null where it is what its user saw, and all below it too */
  async #compare(
    path: string,
    item: NasFileItem,
    seen: readonly SeenEntry[],
    isForGood: boolean,
    run: Run,
  ): Promise<Exclude<ChangeOutcome, { kind: 'done' }> | null> {
    const [target, ...below] = seen;
    if (target === undefined || target.isFolder !== (item.type === 'directory')) {
      const isFolder = item.type === 'directory';
      return changed(path, isFolder ? 'It is a folder now.' : 'It is a file now.', null);
    }
    if (!target.isFolder) {
      const verdict = await this.#judge(target, item, isForGood, run);
      if (verdict === 'same') return null;
      if (verdict !== 'changed') return verdict;
      return changed(path, CHANGED, [entryOf('', item)]);
    }
    const tree = await this.#tree(path, run);
    if (tree.kind === 'too_many') {
      return changed(path, 'There is more in it than BaluPi compares.', null);
    }
    if (tree.kind !== 'tree') return tree;
    return await this.#compareBelow(path, item, { below, tree: tree.items, isForGood }, run);
  }

  /** What is missing of it is nothing that could be lost; one name that was not seen stops it. */
  async #compareBelow(
    path: string,
    item: NasFileItem,
    of: {
      readonly below: readonly SeenEntry[];
      readonly tree: ReadonlyMap<string, NasFileItem>;
      readonly isForGood: boolean;
    },
    run: Run,
  ): Promise<Exclude<ChangeOutcome, { kind: 'done' }> | null> {
    const seen = new Map(of.below.map((entry) => [entry.path, entry]));
    const found = (): readonly SeenEntry[] => [
      entryOf('', item),
      ...[...of.tree].map(([inside, its]) => entryOf(inside, its)),
    ];
    for (const [inside, its] of of.tree) {
      const entry = seen.get(inside);
      if (entry === undefined) {
        return changed(`${path}/${inside}`, 'It was not there when you decided.', found());
      }
      const verdict = await this.#judge(entry, its, of.isForGood, run);
      if (verdict === 'changed') return changed(`${path}/${inside}`, CHANGED, found());
      if (verdict !== 'same') return verdict;
    }
    return null;
  }

  async #judge(
    entry: SeenEntry,
    item: NasFileItem,
    isForGood: boolean,
    { token, signal }: Run,
  ): Promise<'same' | 'changed' | Interruption> {
    const verdict = judgeEntry(entry, item, isForGood);
    if (verdict !== 'doubtful') return verdict;
    const content = await readBack(this.#parts.nas, token, item, signal);
    if (content.kind === 'unsteady') return 'changed';
    if (content.kind !== 'hash') return content;
    return content.sha256 === entry.checksum ? 'same' : 'changed';
  }

  async #tree(path: string, { token, signal }: Run): Promise<Tree> {
    const items = new Map<string, NasFileItem>();
    const folders = [''];
    for (const inside of folders) {
      const folder = inside === '' ? path : `${path}/${inside}`;
      const listed = await this.#parts.folders.list(token, folder, signal);
      if (listed.kind !== 'items') return listed;
      for (const item of listed.items) {
        const at = inside === '' ? item.name : `${inside}/${item.name}`;
        items.set(at, item);
        if (item.type === 'directory') folders.push(at);
      }
      if (items.size > MOST_ENTRIES) return { kind: 'too_many' };
    }
    return { kind: 'tree', items };
  }

  /** With a listing of this moment, or, where that is too long to read, by the name alone. */
  async #look(path: string, { token, signal }: Run): Promise<Look> {
    const { folders } = this.#parts;
    const [folder, name] = [folderOf(path), nameOf(path)];
    const listed = await folders.list(token, folder, signal);
    if (listed.kind === 'items') {
      return { kind: 'seen', item: listed.items.find((item) => item.name === name) ?? null };
    }
    if (listed.kind !== 'busy' || listed.status !== 200) return listed;
    const seen = await folders.look(token, folder, [name], false, signal);
    return seen.kind === 'seen' ? { kind: 'seen', item: seen.items.get(name) ?? null } : seen;
  }
}

/** @param sentence one that the pages know in German */
function changed(
  path: string,
  sentence: string,
  found: readonly SeenEntry[] | null,
): Extract<ChangeOutcome, { kind: 'changed' }> {
  return { kind: 'changed', detail: `${path}: ${sentence}`, found };
}
