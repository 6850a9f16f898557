import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type FlowNode,
  flowText,
  parseFlowText,
} from '../../packages/node-red-flow-files/lib/flow-storage.ts';

/**
 * Adds an example to a folder of flows as an import does: config nodes that exist are not added a
 * second time.
 * @param name of its file, without the extension
 * @param change what the owner does to each node afterwards
 */
export function importExample(
  flowsFolder: string,
  name: string,
  change: (node: FlowNode) => FlowNode = (node) => node,
): void {
  const text = readFileSync(join('examples', `${name}.json`), 'utf8');
  const nodes = parseFlowText(text) as FlowNode[];
  const isConfig = ({ z, type }: FlowNode): boolean => z === undefined && type !== 'tab';
  const sharedFile = join(flowsFolder, 'shared.json');
  const shared = parseFlowText(readFileSync(sharedFile, 'utf8')) as FlowNode[];
  const added = nodes.filter((node) => isConfig(node) && !shared.some(({ id }) => id === node.id));
  writeFileSync(sharedFile, flowText([...shared, ...added.map(change)]));
  const tab = nodes.filter((node) => !isConfig(node)).map(change);
  writeFileSync(join(flowsFolder, `${tab[0]?.id ?? 'lesson'}.json`), flowText(tab));
}
