export const SHARED_FILE = 'shared.json';
export const ORDER_FILE = '_order.json';

/** One flow file, read and checked. */
export interface FlowFile {
  readonly name: string;
  /** The text on disk, byte for byte. */
  readonly text: string;
  /** The tab or subflow it contains; null for `shared.json`. */
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

/** A shipped tab, subflow or global node that stays out because its node types are missing. */
export interface LeftOut {
  readonly kind: 'tab' | 'subflow' | 'node';
  readonly id: string;
  /** Its name in the editor. */
  readonly label: string;
  readonly fileName: string;
  readonly missingTypes: readonly string[];
}

export interface Sifted {
  readonly files: readonly FlowFile[];
  /** Files left out whole. */
  readonly keptFiles: readonly FlowFile[];
  /** Global nodes left out of `shared.json`. */
  readonly keptNodes: readonly FlowNode[];
  readonly leftOut: readonly LeftOut[];
}

/** Node-RED's own kinds, which no module registers. */
const BUILT_IN = new Set(['tab', 'subflow', 'group']);
const INSTANCE = 'subflow:';

/**
 * Separates what can run from what cannot: one missing node type stops all of Node-RED's flows
 * (issue 3). A tab that uses an omitted subflow is omitted too.
 */
export function sift(
  files: readonly FlowFile[],
  installed: ReadonlySet<string> | 'unknown',
): Sifted {
  if (installed === 'unknown') return { files, keptFiles: [], keptNodes: [], leftOut: [] };
  const shared = files.filter(({ container }) => container === null);
  const keptNodes = shared.flatMap(({ nodes }) => nodes.filter(({ type }) => !installed.has(type)));
  const missing = missingByFile(files, installed);
  const keptFiles = files.filter((file) => missing.has(file));
  const leftOut = [
    ...keptFiles.map((file) => leftOutFile(file, missing.get(file) ?? new Set())),
    ...keptNodes.map(leftOutNode(shared)),
  ];
  const running = files
    .filter((file) => !missing.has(file))
    .map((file) => withoutNodes(file, keptNodes));
  return { files: running, keptFiles, keptNodes, leftOut };
}

/** Repeats until no further subflow drops out; each round drops at least one file. */
function missingByFile(
  files: readonly FlowFile[],
  installed: ReadonlySet<string>,
): ReadonlyMap<FlowFile, ReadonlySet<string>> {
  const missing = new Map<FlowFile, ReadonlySet<string>>();
  for (let before = -1; before !== missing.size;) {
    before = missing.size;
    const known = new Set(installed);
    for (const file of files) {
      if (file.container?.type === 'subflow' && !missing.has(file)) {
        known.add(`${INSTANCE}${file.container.id}`);
      }
    }
    for (const file of files) {
      const types = file.container === null ? [] : missingTypes(file, known);
      if (types.length > 0 && !missing.has(file)) missing.set(file, new Set(types));
    }
  }
  return missing;
}

function missingTypes(file: FlowFile, known: ReadonlySet<string>): string[] {
  return file.nodes
    .map(({ type }) => type)
    .filter((type) => !BUILT_IN.has(type) && !known.has(type));
}

function leftOutFile(file: FlowFile, types: ReadonlySet<string>): LeftOut {
  const { container, name } = file;
  const kind = container?.type === 'subflow' ? 'subflow' : 'tab';
  return {
    kind,
    id: container?.id ?? '',
    label: textOf(container?.[kind === 'tab' ? 'label' : 'name']) ?? name,
    fileName: name,
    missingTypes: [...types].sort(),
  };
}

function leftOutNode(shared: readonly FlowFile[]): (node: FlowNode) => LeftOut {
  return (node) => ({
    kind: 'node',
    id: node.id,
    label: textOf(node['name']) ?? node.id,
    fileName: shared.find(({ nodes }) => nodes.includes(node))?.name ?? '',
    missingTypes: [node.type],
  });
}

function withoutNodes(file: FlowFile, kept: readonly FlowNode[]): FlowFile {
  if (file.container !== null || kept.length === 0) return file;
  return { ...file, nodes: file.nodes.filter((node) => !kept.includes(node)) };
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** One node, tab, group, subflow or config node as Node-RED keeps it. */
export interface FlowNode {
  readonly id: string;
  readonly type: string;
  /** Id of the tab or subflow it is on; absent or empty for global nodes. */
  readonly z?: string;
  readonly [property: string]: unknown;
}

const FIRST = ['id', 'type', 'z', 'name'];
const LAST = ['x', 'y', 'wires'];
const LINES = '$lines';
/** A key that looks like our own mark gets one more `$`. */
const LINES_LIKE = /^\$+lines$/;
const ESCAPED_LINES = /^\$\$+lines$/;

/**
 * The canonical text of a set of nodes in its file: tab or subflow first, then groups, then nodes
 * by id; known keys in reading order, the others sorted; two spaces, a line feed at the end.
 * Multi-line text becomes `{"$lines": […]}`, so that a changed line of a function is a changed line
 * of the file.
 */
export function flowText(nodes: readonly FlowNode[]): string {
  const sorted = [...nodes].sort((a, b) => rank(a) - rank(b) || compare(a.id, b.id));
  return `${write(sorted, '', true)}\n`;
}

/**
 * Parses what {@link flowText} or a person wrote.
 * @throws SyntaxError when it is not JSON
 */
export function parseFlowText(text: string): unknown {
  return JSON.parse(text.replace(/^\uFEFF/, ''), (_key, value: unknown) => restore(value));
}

function rank(node: FlowNode): number {
  if (node.type === 'tab' || node.type === 'subflow') return 0;
  return node.type === 'group' ? 1 : 2;
}

/** By code unit, the same on every machine and in every language. */
function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

function write(value: unknown, indent: string, isNodeList = false): string {
  if (typeof value === 'string')
    return value.includes('\n') ? writeLines(value, indent) : JSON.stringify(value);
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const inner = `${indent}  `;
  if (Array.isArray(value)) {
    const items = value.map((item) =>
      isNodeList ? writeObject(nodeEntries(item as FlowNode), inner) : write(item, inner),
    );
    return wrap('[', items, ']', indent);
  }
  return writeObject(sortedEntries(value), indent);
}

function writeLines(text: string, indent: string): string {
  const inner = `${indent}  `;
  const lines = wrap(
    '[',
    text.split('\n').map((line) => JSON.stringify(line)),
    ']',
    inner,
  );
  return wrap('{', [`${JSON.stringify(LINES)}: ${lines}`], '}', indent);
}

type Entry = readonly [key: string, value: unknown];

function writeObject(entries: readonly Entry[], indent: string): string {
  const members = entries
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => {
      const name = LINES_LIKE.test(key) ? `$${key}` : key;
      return `${JSON.stringify(name)}: ${write(value, `${indent}  `)}`;
    });
  return wrap('{', members, '}', indent);
}

function wrap(open: string, items: readonly string[], close: string, indent: string): string {
  if (items.length === 0) return `${open}${close}`;
  const inner = `\n${indent}  `;
  return `${open}${inner}${items.join(`,${inner}`)}\n${indent}${close}`;
}

function sortedEntries(value: object): Entry[] {
  return (Object.entries(value) as Entry[]).sort(([a], [b]) => compare(a, b));
}

function nodeEntries(node: FlowNode): Entry[] {
  const place = ([key]: Entry): number => {
    if (FIRST.includes(key)) return FIRST.indexOf(key);
    return LAST.includes(key) ? 1_000 + LAST.indexOf(key) : 500;
  };
  return sortedEntries(node).sort((a, b) => place(a) - place(b));
}

function restore(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const entries = Object.entries(value) as Entry[];
  const [only] = entries;
  if (entries.length === 1 && only?.[0] === LINES && isTexts(only[1])) return only[1].join('\n');
  if (!entries.some(([key]) => ESCAPED_LINES.test(key))) return value;
  return Object.fromEntries(
    entries.map(([key, inner]) => [ESCAPED_LINES.test(key) ? key.slice(1) : key, inner]),
  );
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}

/** A flow file that cannot be used. The message names the file, never its folder. */
export class FlowFileError extends Error {
  readonly fileName: string;

  constructor(fileName: string, problem: string, options?: ErrorOptions) {
    super(`Flow file ${fileName}: ${problem}`, options);
    this.name = 'FlowFileError';
    this.fileName = fileName;
  }
}
