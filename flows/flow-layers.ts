import { createHash } from 'node:crypto';
import {
  asNodes,
  DiskFlowFolder,
  FlowFileError,
  type FlowFolder,
  type FlowNode,
  flowText,
  ORDER_FILE,
  parseFlowText,
} from '../packages/node-red-flow-files/lib/flow-storage.ts';
import { differenceOf } from './flow-difference.ts';
import { ShippedFlowFolder } from './shipped-flows.ts';

/**
 * An owner's changes of one shipped file: changed and new nodes, and removed ids. Everything else
 * stays the program's, so updates reach it.
 */
interface Overlay {
  readonly changed: readonly FlowNode[];
  readonly removed: readonly string[];
  /** The owner deleted the whole tab. */
  readonly hidden: boolean;
  /** The hash of each changed or removed node as shipped at that time; new ones have none. */
  readonly base: Readonly<Record<string, string>>;
}

/** A shipped file as its owner has it. */
export interface OwnersChange {
  readonly name: string;
  /** `own` is a tab that is not shipped at all. */
  readonly kind: 'own' | 'changed' | 'removed';
  /** Names or ids of nodes changed by both an update and the owner; the owner's run. */
  readonly both: readonly string[];
}

const NEXT = /^\.(.+)\.next$/;

/**
 * The program's flows with the owner's over them. The program's folder is read-only: a deploy writes to
 * the owner's, own tabs as they are and changed shipped ones as a difference. So updates never
 * conflict, and a backup of the data folder holds everything of the owner's.
 */
export class LayeredFlowFolder implements FlowFolder {
  readonly #shipped: FlowFolder;
  readonly #owner: FlowFolder;

  constructor(shipped: FlowFolder, owner: FlowFolder) {
    this.#shipped = shipped;
    this.#owner = owner;
  }

  async list(): Promise<readonly string[]> {
    const names = new Set([...(await this.#shippedNames()), ...(await this.#owner.list())]);
    for (const { name, kind } of await this.changes()) if (kind === 'removed') names.delete(name);
    return [...names];
  }

  async read(name: string): Promise<string> {
    const own = await this.#ownText(name);
    if (!(await this.#isShipped(name))) return own ?? (await this.#owner.read(name));
    const shipped = await this.#shipped.read(name);
    if (own === null) return shipped;
    if (name === ORDER_FILE) return own;
    return merged(shipped, readOverlay(name, own), name);
  }

  async write(name: string, text: string): Promise<void> {
    const target = NEXT.exec(name)?.[1] ?? name;
    const isDifference = target !== ORDER_FILE && (await this.#isShipped(target));
    if (!isDifference) {
      await this.#owner.write(name, text);
      return;
    }
    const overlay = difference(await this.#shipped.read(target), text, target);
    await this.#owner.write(name, overlayText(overlay));
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#owner.rename(from, to);
    if (to === ORDER_FILE || !(await this.#isShipped(to))) return;
    const overlay = readOverlay(to, await this.#owner.read(to));
    // As shipped again: drop the overlay, so that the next update applies in full.
    if (isEmpty(overlay)) await this.#owner.remove(to);
  }

  async remove(name: string): Promise<void> {
    if (!(await this.#isShipped(name))) {
      await this.#owner.remove(name);
      return;
    }
    const all = nodesOf(name, await this.#shipped.read(name));
    const base = Object.fromEntries(all.map((node) => [node.id, hashOf(node)]));
    await this.#owner.write(name, overlayText({ changed: [], removed: [], hidden: true, base }));
  }

  async sync(): Promise<void> {
    await this.#owner.sync();
  }

  /** The owner's changes, by file name. @throws FlowFileError naming the first broken file */
  async changes(): Promise<readonly OwnersChange[]> {
    const shipped = new Set(await this.#shippedNames());
    const found: OwnersChange[] = [];
    for (const name of [...(await this.#owner.list())].sort()) {
      if (name.startsWith('.') || !name.endsWith('.json') || name === ORDER_FILE) continue;
      if (!shipped.has(name)) {
        found.push({ name, kind: 'own', both: [] });
        continue;
      }
      const overlay = readOverlay(name, await this.#owner.read(name));
      const both = changedByBoth(overlay, nodesOf(name, await this.#shipped.read(name)));
      found.push({ name, kind: overlay.hidden ? 'removed' : 'changed', both });
    }
    return found;
  }

  /** Reverts the owner's change of a shipped file. @returns false if there is none */
  async reset(name: string): Promise<boolean> {
    if (!(await this.#isShipped(name)) || (await this.#ownText(name)) === null) return false;
    await this.#owner.remove(name);
    await this.#owner.sync();
    return true;
  }

  /** @returns a shipped file as it was shipped and as it runs; null if it is not shipped */
  async bothTexts(name: string): Promise<{ shipped: string; running: string } | null> {
    if (!(await this.#isShipped(name))) return null;
    const hidden = (await this.changes()).some(
      (one) => one.name === name && one.kind === 'removed',
    );
    const running = hidden ? '' : await this.read(name);
    return { shipped: await this.#shipped.read(name), running };
  }

  /**
   * Renames own tabs whose names an update has taken.
   * @returns the new names
   */
  async makeWay(): Promise<readonly string[]> {
    const given: string[] = [];
    const taken = new Set([...(await this.#shippedNames()), ...(await this.#owner.list())]);
    for (const name of await this.#owner.list()) {
      if (name.startsWith('.') || name === ORDER_FILE || !(await this.#isShipped(name))) continue;
      if (!Array.isArray(parsed(name, await this.#owner.read(name)))) continue;
      let free = name.replace(/\.json$/, '-own.json');
      while (taken.has(free)) free = free.replace(/\.json$/, '-own.json');
      await this.#owner.rename(name, free);
      given.push(free);
    }
    if (given.length > 0) await this.#owner.sync();
    return given;
  }

  async #shippedNames(): Promise<readonly string[]> {
    return (await this.#shipped.list()).filter(
      (name) => name.endsWith('.json') && !name.startsWith('.'),
    );
  }

  async #isShipped(name: string): Promise<boolean> {
    return (await this.#shippedNames()).includes(name);
  }

  async #ownText(name: string): Promise<string | null> {
    return (await this.#owner.list()).includes(name) ? await this.#owner.read(name) : null;
  }
}

/** The tab name of a file. */
export function tabOf(fileName: string): string {
  return fileName.replace(/\.json$/, '');
}

/** Tells the owner of tabs renamed after an update, and of nodes that both changed. */
export async function tellOfLayers(
  layered: LayeredFlowFolder,
  tell: (line: string) => void,
): Promise<void> {
  for (const name of await layered.makeWay()) {
    tell(`An own tab has its file ${name} now, as its name is a shipped tab's.`);
  }
  for (const { name, both } of await layered.changes()) {
    if (both.length === 0) continue;
    const tab = tabOf(name);
    tell(
      `This version changed ${both.length} nodes of the tab ${tab} that you have changed too ` +
        `(${both.join(', ')}): yours run. To take yours back: balupi flows reset ${tab}.`,
    );
  }
}

function parsed(name: string, text: string): unknown {
  try {
    return parseFlowText(text);
  } catch (cause) {
    throw new FlowFileError(name, 'is not valid JSON.', { cause });
  }
}

function nodesOf(name: string, text: string): readonly FlowNode[] {
  return asNodes(name, parsed(name, text));
}

/**
 * Independent of key order. Ignores a group's box: the editor redraws it by the viewer's fonts, which
 * a deploy would take for a change.
 */
function hashOf(node: FlowNode): string {
  const box = { x: undefined, y: undefined, w: undefined, h: undefined };
  return createHash('sha256')
    .update(flowText([node.type === 'group' ? { ...node, ...box } : node]))
    .digest('hex')
    .slice(0, 16);
}

function difference(shipped: string, text: string, name: string): Overlay {
  const before = new Map(nodesOf(name, shipped).map((node) => [node.id, hashOf(node)]));
  const now = nodesOf(name, text);
  const changed = now.filter((node) => before.get(node.id) !== hashOf(node));
  const ids = new Set(now.map(({ id }) => id));
  const removed = [...before.keys()].filter((id) => !ids.has(id));
  const touched = [...changed.map(({ id }) => id), ...removed];
  const base = touched.flatMap((id) => {
    const hash = before.get(id);
    return hash === undefined ? [] : [[id, hash] as const];
  });
  return { changed, removed, hidden: false, base: Object.fromEntries(base) };
}

function isEmpty({ changed, removed, hidden }: Overlay): boolean {
  return changed.length === 0 && removed.length === 0 && !hidden;
}

function merged(shipped: string, overlay: Overlay, name: string): string {
  if (isEmpty(overlay)) return shipped;
  const changed = new Map(overlay.changed.map((node) => [node.id, node]));
  const gone = new Set(overlay.removed);
  const kept = nodesOf(name, shipped)
    .filter(({ id }) => !gone.has(id))
    .map((node) => {
      const own = changed.get(node.id);
      changed.delete(node.id);
      return own ?? node;
    });
  return flowText([...kept, ...changed.values()]);
}

/** The nodes that the owner changed and an update changed afterwards. */
function changedByBoth({ base, changed, hidden }: Overlay, shipped: readonly FlowNode[]): string[] {
  const own = new Map(changed.map((node) => [node.id, hashOf(node)]));
  const still = new Set(shipped.map(({ id }) => id));
  const dropped = changed.filter(({ id }) => base[id] !== undefined && !still.has(id));
  return [...dropped, ...shipped]
    .filter((node) => {
      const hash = hashOf(node);
      const before = base[node.id];
      if (!still.has(node.id)) return true;
      if (hidden) return before !== hash;
      return before !== undefined && before !== hash && own.get(node.id) !== hash;
    })
    .map(({ id, name, label }) => [name, label, id].find((word) => word) as string);
}

function overlayText({ changed, removed, hidden, base }: Overlay): string {
  // In the form of a flow file, so that a changed line is one line of the difference.
  const nodes = flowText([...changed])
    .trimEnd()
    .replaceAll('\n', '\n  ');
  const more = JSON.stringify({ removed, hidden, base }, null, 2).slice(2);
  return `{\n  "changed": ${nodes},\n${more}\n`;
}

function readOverlay(name: string, text: string): Overlay {
  const value = parsed(name, text) as Partial<Overlay> | null;
  const { changed, removed, hidden, base } = value ?? {};
  const wrong = new FlowFileError(
    name,
    'in the data folder is not what an owner changed in a shipped tab. Remove it to go on.',
  );
  if (!Array.isArray(removed) || typeof hidden !== 'boolean') throw wrong;
  if (typeof base !== 'object' || base === null || !Array.isArray(changed)) throw wrong;
  return { changed: asNodes(name, changed), removed, hidden, base };
}

/** What the owner deployed over the shipped flows, for the editor. */
interface OwnersFlows {
  /** @throws FlowFileError naming the first file that is broken */
  list(): Promise<readonly OwnersChange[]>;
  /** @returns the changed lines of a shipped tab; null where there is no such tab */
  difference(tab: string): Promise<string | null>;
  /** Reverts the change of a shipped tab and restarts the flows. @returns false if there is none */
  reset(tab: string): Promise<boolean>;
}

/**
 * @param flowsFolder the shipped flows
 * @param ownerFolder what was deployed over them
 * @param reload restarts the flows
 */
export function ownersFlows(
  flowsFolder: string,
  ownerFolder: string,
  reload: () => Promise<void>,
): OwnersFlows {
  const layered = new LayeredFlowFolder(
    new ShippedFlowFolder(flowsFolder),
    new DiskFlowFolder(ownerFolder),
  );
  const fileOf = (tab: string): string => `${tab}.json`;
  return {
    list: () => layered.changes(),
    async difference(tab) {
      const texts = await layered.bothTexts(fileOf(tab));
      return texts === null ? null : differenceOf(texts.shipped, texts.running);
    },
    async reset(tab) {
      if (!(await layered.reset(fileOf(tab)))) return false;
      await reload();
      return true;
    },
  };
}
