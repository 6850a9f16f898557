/** One node, tab, group, subflow or config node as Node-RED keeps it. */
export interface FlowNode {
  readonly id: string;
  readonly type: string;
  /** Id of the tab or subflow it lies on; absent or empty for what is global. */
  readonly z?: string;
  readonly [property: string]: unknown;
}

const FIRST = ['id', 'type', 'z', 'name'];
const LAST = ['x', 'y', 'wires'];
const LINES = '$lines';
/** A key that would be taken for our own mark gets one more `$`. */
const LINES_LIKE = /^\$+lines$/;
const ESCAPED_LINES = /^\$\$+lines$/;

/**
 * The one text a set of nodes has in its file: tab or subflow first, then groups, then nodes by id;
 * known keys in the order a person reads them, the others sorted; two spaces, a line feed at the
 * end. Text of several lines becomes `{"$lines": […]}`, so that a changed line of a function is a
 * changed line of the file.
 */
export function flowText(nodes: readonly FlowNode[]): string {
  const sorted = [...nodes].sort((a, b) => rank(a) - rank(b) || compare(a.id, b.id));
  return `${write(sorted, '', true)}\n`;
}

/**
 * Reads what {@link flowText} or a person wrote.
 * @throws SyntaxError when it is no JSON
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
