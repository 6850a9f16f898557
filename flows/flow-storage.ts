import { mkdirSync } from 'node:fs';
import type { Log } from '../nodes/lib/log/log.ts';
import {
  asNodes,
  DiskFlowFolder,
  FlowFileError,
  FlowFiles,
  type FlowFolder,
  type FlowNode,
  flowText,
  type InstalledTypes,
  type LeftOut,
  ORDER_FILE,
  overStockStorage,
  parseFlowText,
  type StorageModule,
} from '../packages/node-red-flow-files/lib/flow-storage.ts';
import { LayeredFlowFolder, tabOf, tellOfLayers } from './flow-layers.ts';
import { ShippedFlowFolder } from './shipped-flows.ts';

export interface FlowStorageDeps {
  /** Shipped flows; read-only if an owner's folder is given. */
  readonly flowsFolder: string;
  /** Where deploys are stored: own tabs, and differences of shipped ones. */
  readonly ownerFolder?: string;
  readonly installedTypes: InstalledTypes;
  readonly log: Log;
  /** Called after each load with what was left out, even if nothing. */
  readonly onLeftOut: (leftOut: readonly LeftOut[]) => void;
  /** Safe mode: own tabs and changes of shipped ones are kept but do not run. */
  readonly isSafe?: () => boolean;
  /** Called with the tabs in which this version and the owner changed the same nodes. */
  readonly onChangedByBoth?: (tabs: readonly string[]) => void;
  /** A deploy made in safe mode was saved. */
  readonly onSafeDeploy?: () => void;
}

/**
 * Storage of the shipped flows with the owner's over them, one file per tab. A broken flow file makes
 * `init`, and so Node-RED's start, reject.
 */
export function createFlowStorage(deps: FlowStorageDeps): StorageModule {
  const shipped = new ShippedFlowFolder(deps.flowsFolder);
  const layered = layersOf(shipped, deps.ownerFolder);
  const files = new FlowFiles(layered ?? shipped, deps.installedTypes);
  const safe = safeFiles(shipped, layered, deps);
  const tellChangedByBoth = changedByBothTeller(layered, deps);
  return overStockStorage({
    async open() {
      if (layered !== null) {
        await tellOfLayers(layered, (line) => {
          deps.log.warn(line);
        });
      }
      await files.check();
    },
    async load() {
      const { nodes, leftOut } = await (safe() ?? files).load();
      tellLeftOut(leftOut, deps);
      await tellChangedByBoth();
      return nodes;
    },
    async save(flows) {
      const inSafeMode = safe();
      if (inSafeMode === null) {
        await files.save(flows);
        return await tellChangedByBoth();
      }
      const [shown, full] = [(await inSafeMode.load()).nodes, (await files.load()).nodes];
      await files.save(deployedOverSafe(asNodes('of this deploy', flows), shown, full));
      deps.onSafeDeploy?.();
    },
  });
}

/** @returns the flows of safe mode while it is on; null while it is off */
function safeFiles(
  shipped: FlowFolder,
  layered: LayeredFlowFolder | null,
  { isSafe, installedTypes }: FlowStorageDeps,
): () => FlowFiles | null {
  if (layered === null) return () => null;
  const files = new FlowFiles(new SafeFlowFolder(shipped, layered), installedTypes);
  return () => (isSafe?.() === true ? files : null);
}

function changedByBothTeller(
  layered: LayeredFlowFolder | null,
  { onChangedByBoth }: FlowStorageDeps,
): () => Promise<void> {
  return async () => {
    const changes = (await layered?.changes()) ?? [];
    const tabs = changes.filter(({ both }) => both.length > 0).map(({ name }) => tabOf(name));
    onChangedByBoth?.(tabs);
  };
}

function layersOf(shipped: FlowFolder, ownerFolder?: string): LayeredFlowFolder | null {
  if (ownerFolder === undefined) return null;
  mkdirSync(ownerFolder, { recursive: true, mode: 0o700 });
  return new LayeredFlowFolder(shipped, new DiskFlowFolder(ownerFolder));
}

function tellLeftOut(leftOut: readonly LeftOut[], { log, onLeftOut }: FlowStorageDeps): void {
  for (const one of leftOut) log.warn(lineOf(one));
  onLeftOut(leftOut);
}

function lineOf({ kind, label, fileName, missingTypes }: LeftOut): string {
  const types = missingTypes.join(', ');
  return `Left out the ${kind} "${label}" (${fileName}): these node types are not installed: ${types}.`;
}

/**
 * The flows of safe mode: shipped tabs as shipped, and the owner's own tabs disabled, to be fixed in
 * the editor. Read-only.
 */
class SafeFlowFolder implements FlowFolder {
  readonly #shipped: FlowFolder;
  readonly #layered: LayeredFlowFolder;

  constructor(shipped: FlowFolder, layered: LayeredFlowFolder) {
    this.#shipped = shipped;
    this.#layered = layered;
  }

  async list(): Promise<readonly string[]> {
    const own = (await this.#layered.changes()).filter(({ kind }) => kind === 'own');
    return [...new Set([...(await this.#shipped.list()), ...own.map(({ name }) => name)])];
  }

  async read(name: string): Promise<string> {
    if (name === ORDER_FILE) return await this.#layered.read(name);
    if ((await this.#shipped.list()).includes(name)) return await this.#shipped.read(name);
    const nodes = asNodes(name, parseFlowText(await this.#layered.read(name)));
    return flowText(nodes.map((node) => (node.type === 'tab' ? switchedOff(node) : node)));
  }

  write = refuse;
  rename = refuse;
  remove = refuse;
  sync = refuse;
}

function refuse(name: string | void): Promise<never> {
  return Promise.reject(new FlowFileError(name ?? '(all)', 'is not written in safe mode.'));
}

function switchedOff(tab: FlowNode): FlowNode {
  return { ...tab, disabled: true };
}

/**
 * Merges a deploy made in safe mode into the owner's flows: changes of what safe mode showed apply,
 * what it did not show stays. Tabs that safe mode had disabled run again, touched or not: the deploy
 * ends safe mode.
 * @param deployed all nodes of the deploy
 * @param shown the nodes that safe mode gave to the editor
 * @param full the nodes as they run without safe mode
 */
export function deployedOverSafe(
  deployed: readonly FlowNode[],
  shown: readonly FlowNode[],
  full: readonly FlowNode[],
): readonly FlowNode[] {
  const before = new Map(shown.map((node) => [node.id, node]));
  const next = new Map(full.map((node) => [node.id, node]));
  for (const node of deployed) {
    const as = before.get(node.id);
    if (as !== undefined && flowText([as]) === flowText([node])) continue;
    next.set(node.id, asBefore(node, next.get(node.id)));
    const container = deployed.find(({ id }) => id === node.z);
    if (container !== undefined && !next.has(container.id)) next.set(container.id, container);
  }
  const still = new Set(deployed.map(({ id }) => id));
  for (const { id } of shown) if (!still.has(id)) next.delete(id);
  return [...next.values()];
}

/** Removes the `disabled` set by safe mode, which is not the owner's choice. */
function asBefore(node: FlowNode, full: FlowNode | undefined): FlowNode {
  if (node.type !== 'tab' || full === undefined || node['disabled'] !== true) return node;
  return { ...node, disabled: full['disabled'] ?? false };
}
