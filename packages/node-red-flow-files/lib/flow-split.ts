import { type FlowFile, isContainer, ORDER_FILE, SHARED_FILE } from './flow-set.ts';
import { type FlowNode, flowText } from './flow-text.ts';

/** Long enough to tell tabs apart, short enough for every file system. */
const SLUG_CHARS = 60;

/**
 * Lays nodes out in files.
 * @param nodes all of a deploy
 * @param current the files on disk, whose names stick to the ids of their tabs
 * @param kept files a deploy must not touch, because the editor never saw what is in them
 * @param keptNodes global nodes the editor never saw
 * @param order ids of tabs as `_order.json` had them
 * @returns the text of each file by its name
 */
export function splitFlows(
  nodes: readonly FlowNode[],
  current: readonly FlowFile[],
  kept: readonly FlowFile[],
  keptNodes: readonly FlowNode[],
  order: readonly string[],
): ReadonlyMap<string, string> {
  const containers = nodes.filter(isContainer);
  const names = fileNames(containers, current, kept);
  const groups = new Map<string, FlowNode[]>([[SHARED_FILE, [...keptNodes]]]);
  for (const node of nodes) {
    const name = names.get(isContainer(node) ? node.id : (node.z ?? '')) ?? SHARED_FILE;
    groups.set(name, [...(groups.get(name) ?? []), withoutSecrets(node)]);
  }
  const filled = [...groups].filter(([, group]) => group.length > 0);
  const texts = new Map(filled.map(([name, group]) => [name, flowText(group)]));
  for (const { name, text } of kept) texts.set(name, text);
  texts.set(ORDER_FILE, orderText(containers, kept, order));
  return texts;
}

/** What is secret lies in Node-RED's own encrypted file; nothing of it may reach git. */
function withoutSecrets(node: FlowNode): FlowNode {
  const { env } = node;
  return {
    ...without(node, 'credentials'),
    ...(Array.isArray(env) ? { env: env.map(withoutSecretValue) } : {}),
    id: node.id,
    type: node.type,
  };
}

function withoutSecretValue(variable: unknown): unknown {
  if (typeof variable !== 'object' || variable === null) return variable;
  return (variable as { readonly type?: unknown }).type === 'cred'
    ? without(variable, 'value')
    : variable;
}

function without(fields: object, dropped: string): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(fields).filter(([key]) => key !== dropped));
}

function fileNames(
  containers: readonly FlowNode[],
  current: readonly FlowFile[],
  kept: readonly FlowFile[],
): ReadonlyMap<string, string> {
  const nameOf = new Map<string, string>();
  for (const { container, name } of current) {
    if (container !== null) nameOf.set(container.id, name);
  }
  const wanted = new Set(containers.map(({ id }) => id));
  const names = new Map([...nameOf].filter(([id]) => wanted.has(id)));
  const taken = new Set([...names.values(), ...kept.map(({ name }) => name)].map(lower));
  taken.add(SHARED_FILE).add(ORDER_FILE);
  for (const container of containers) {
    if (names.has(container.id)) continue;
    const name = freeName(slugOf(container), taken);
    names.set(container.id, name);
    taken.add(name);
  }
  return names;
}

function lower(name: string): string {
  return name.toLowerCase();
}

function freeName(slug: string, taken: ReadonlySet<string>): string {
  for (let count = 1; ; count += 1) {
    const name = count === 1 ? `${slug}.json` : `${slug}-${count}.json`;
    if (!taken.has(name)) return name;
  }
}

function slugOf(container: FlowNode): string {
  const isSubflow = container.type === 'subflow';
  const label = container[isSubflow ? 'name' : 'label'];
  const slug = (typeof label === 'string' ? label : '')
    .normalize('NFKD')
    .toLowerCase()
    .replace(/\p{M}/gu, '')
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, SLUG_CHARS)
    .replace(/^-|-$/g, '');
  return isSubflow ? `subflow-${slug === '' ? 'unnamed' : slug}` : slug === '' ? 'tab' : slug;
}

/** Tabs in the editor's order; one the editor never saw stays behind the tab it was behind. */
function orderText(
  containers: readonly FlowNode[],
  kept: readonly FlowFile[],
  before: readonly string[],
): string {
  const order = containers.filter(({ type }) => type === 'tab').map(({ id }) => id);
  const keptIds = kept.flatMap(({ container }) => (container?.type === 'tab' ? container.id : []));
  const inOrder = [
    ...before.filter((id) => keptIds.includes(id)),
    ...keptIds.filter((id) => !before.includes(id)),
  ];
  for (const id of inOrder) {
    const ahead = before.slice(0, Math.max(0, before.indexOf(id))).reverse();
    const neighbour = ahead.find((other) => order.includes(other));
    const place = before.includes(id)
      ? neighbour === undefined
        ? 0
        : order.indexOf(neighbour) + 1
      : order.length;
    order.splice(place, 0, id);
  }
  return `${JSON.stringify(order, null, 2)}\n`;
}
