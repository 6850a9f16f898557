import { FlowFileError } from './flow-file-error.ts';
import { type FlowNode, parseFlowText } from './flow-text.ts';

export const SHARED_FILE = 'shared.json';
export const ORDER_FILE = '_order.json';

/** One flow file, read and checked. */
export interface FlowFile {
  readonly name: string;
  /** As it is on disk, byte for byte. */
  readonly text: string;
  /** The tab or subflow it holds; null for `shared.json`. */
  readonly container: FlowNode | null;
  readonly nodes: readonly FlowNode[];
}

export function isContainer(node: FlowNode): boolean {
  return node.type === 'tab' || node.type === 'subflow';
}

/**
 * Reads one file.
 * @throws FlowFileError when it is no JSON, no list of nodes, or not one tab or one subflow
 */
export function readFlowFile(name: string, text: string): FlowFile {
  const nodes = asNodes(name, parseJson(name, text));
  const containers = nodes.filter(isContainer);
  if (name === SHARED_FILE) {
    if (containers.length > 0) throw new FlowFileError(name, 'must hold no tab and no subflow.');
    return { name, text, container: null, nodes };
  }
  const [container] = containers;
  if (container === undefined || containers.length !== 1) {
    const have = containers.length === 0 ? 'holds none' : `holds ${containers.length}`;
    throw new FlowFileError(name, `must hold one tab or one subflow, but ${have}.`);
  }
  const stranger = nodes.find((node) => node !== container && node.z !== container.id);
  if (stranger !== undefined) {
    const problem = `node "${stranger.id}" is not on "${container.id}", which the file is for.`;
    throw new FlowFileError(name, problem);
  }
  return { name, text, container, nodes };
}

/** @throws FlowFileError when the file is not a list of ids */
export function readOrderFile(text: string): readonly string[] {
  const order = parseJson(ORDER_FILE, text);
  if (Array.isArray(order) && order.every((id) => typeof id === 'string')) return order;
  throw new FlowFileError(ORDER_FILE, 'must be a list of ids of tabs.');
}

/** @throws FlowFileError when an id is in two places, naming both */
export function checkIds(files: readonly FlowFile[]): void {
  const placeOf = new Map<string, string>();
  for (const { name, nodes } of files) {
    for (const { id } of nodes) {
      const other = placeOf.get(id);
      if (other !== undefined) {
        const where = other === name ? 'is in it twice' : `is also in ${other}`;
        throw new FlowFileError(name, `the id "${id}" ${where}.`);
      }
      placeOf.set(id, name);
    }
  }
}

/**
 * Tells nodes from anything else.
 * @throws FlowFileError when it is not a list of objects that each have an id and a type
 */
export function asNodes(name: string, value: unknown): readonly FlowNode[] {
  if (!Array.isArray(value)) throw new FlowFileError(name, 'must be a list of nodes.');
  value.forEach((item: unknown, index) => {
    if (!isNode(item)) throw new FlowFileError(name, `entry ${index + 1} has no id or no type.`);
  });
  return value as FlowNode[];
}

function isNode(value: unknown): value is FlowNode {
  if (typeof value !== 'object' || value === null) return false;
  const { id, type, z } = value as Record<string, unknown>;
  const places = z === undefined || typeof z === 'string';
  return typeof id === 'string' && id !== '' && typeof type === 'string' && type !== '' && places;
}

function parseJson(name: string, text: string): unknown {
  try {
    return parseFlowText(text);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : 'unreadable';
    throw new FlowFileError(name, `is not valid JSON (${reason}).`, { cause });
  }
}
