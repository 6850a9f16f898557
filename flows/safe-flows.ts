import {
  asNodes,
  FlowFileError,
  type FlowFolder,
  type FlowNode,
  flowText,
  ORDER_FILE,
  parseFlowText,
} from '../packages/node-red-flow-files/lib/flow-storage.ts';
import type { LayeredFlowFolder } from './flow-layers.ts';

/**
 * The flows of safe mode: shipped tabs as they were shipped, and the owner's own tabs switched off,
 * to be mended in the editor. It is only read.
 */
export class SafeFlowFolder implements FlowFolder {
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
 * What a deploy made in safe mode means for all of the owner's flows: what it changed of what it was
 * shown is changed, and what it was not shown stays. A tab that safe mode had switched off runs
 * again, whether it was touched or not: the deploy ends safe mode.
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

/** Safe mode's own mark on a tab that was renamed, say, is not its owner's wish. */
function asBefore(node: FlowNode, full: FlowNode | undefined): FlowNode {
  if (node.type !== 'tab' || full === undefined || node['disabled'] !== true) return node;
  return { ...node, disabled: full['disabled'] ?? false };
}
