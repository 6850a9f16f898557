import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ENDPOINTS, Matcher, Target } from '../../nodes/lib/api/api.ts';
import type { FakeServices } from '../fakes/fake-services.ts';

export interface StageOptions {
  /** Further settings of the node. */
  readonly more?: Readonly<Record<string, unknown>>;
  readonly type: string;
  readonly op: string;
  readonly services: FakeServices;
  /** False: no catch node handles its failures. */
  readonly withCatch?: boolean;
  /** False: the config node it names does not exist. */
  readonly withConfig?: boolean;
}

const require = createRequire(import.meta.url);

const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as {
  readonly 'node-red': { readonly nodes: Readonly<Record<string, string>> };
};

/** The compiled file of every node type. */
export const NODE_FILES: Readonly<Record<string, string>> = manifest['node-red'].nodes;

export const OUTPUTS = [0, 1, 2, 3];
const FAILED = { detail: 'Something went wrong here. It was logged.', code: 'failed' };

/** The flow around the node under test: its neighbours from its tab in `flows/`, and listeners. */
export function flowAround(options: StageOptions): object[] {
  const config = options.withConfig === false ? [] : CONFIG;
  const catching = options.withCatch === false ? [] : CATCHING;
  const wires = OUTPUTS.map((output) => [`out-${output}`]);
  const { type, op } = options;
  return [
    { id: 'tab', type: 'tab', label: 'stage' },
    ...config,
    {
      id: 'the-node',
      x: 0,
      y: 0,
      type,
      z: 'tab',
      op,
      ...options.more,
      store: 'store',
      nas: 'nas',
      wires,
    },
    ...OUTPUTS.map((output) => ({ id: `out-${output}`, type: 'helper', z: 'tab', x: 0, y: 0 })),
    { id: 'reply', type: 'http response', z: 'tab', x: 0, y: 0, wires: [] },
    { id: 'end', type: 'complete', z: 'tab', x: 0, y: 0, scope: ['the-node'], wires: [['ended']] },
    { id: 'ended', type: 'helper', z: 'tab', x: 0, y: 0 },
    ...catching,
  ];
}

const CONFIG = [
  { id: 'store', type: 'balupi-store' },
  { id: 'nas', type: 'balupi-nas' },
];
const rule = (property: string, to: string, tot: string): object => ({
  t: 'set',
  p: property,
  pt: 'msg',
  to,
  tot,
});
const CATCHING = [
  {
    id: 'any-failure',
    type: 'catch',
    z: 'tab',
    x: 0,
    y: 0,
    scope: null,
    wires: [['caught', 'honest']],
  },
  { id: 'caught', type: 'helper', z: 'tab', x: 0, y: 0 },
  {
    id: 'honest',
    type: 'change',
    z: 'tab',
    x: 0,
    y: 0,
    rules: [
      rule('statusCode', '500', 'num'),
      rule('headers', '{}', 'json'),
      rule('payload', JSON.stringify(FAILED), 'json'),
    ],
    wires: [['reply']],
  },
];

type Register = (api: object) => void;

/**
 * The test helper returns every key as it is. Node-RED itself translates it with the catalogue
 * beside the node's file, and so does the stage: into English, as shipped.
 */
function speaking(register: Register, file: string): Register {
  const beside = join(dirname(file), 'locales', 'en-US', `${basename(file, '.js')}.json`);
  const catalogue: unknown = existsSync(beside) ? JSON.parse(readFileSync(beside, 'utf8')) : {};
  const say = (key: string, values: Readonly<Record<string, string>> = {}): string => {
    const words = key.split('.').reduce(within, catalogue);
    if (typeof words !== 'string') return key;
    return words.replace(/__(\w+)__/g, (gap, name: string) => values[name] ?? gap);
  };
  return (api) => {
    register(Object.create(api, { _: { value: say } }) as object);
  };
}

function within(held: unknown, name: string): unknown {
  return typeof held === 'object' && held !== null ? (held as Record<string, unknown>)[name] : null;
}

/** What registers the types: our compiled nodes, and the core nodes around them. */
export async function registers(): Promise<readonly Register[]> {
  const ours = await Promise.all(
    Object.values(NODE_FILES).map(async (file) => {
      const module = (await import(pathToFileURL(resolve(file)).href)) as { default: Register };
      return speaking(module.default, file);
    }),
  );
  const stock = [
    'common/24-complete',
    'common/25-catch',
    'function/15-change',
    'network/21-httpin',
  ];
  return [...ours, ...stock.map((name) => require(`@node-red/nodes/core/${name}.js`) as Register)];
}

interface FlowNode {
  readonly id: string;
  readonly type: string;
  readonly op?: string;
  readonly method?: string;
  readonly url?: string;
  readonly wires?: readonly (readonly string[])[];
}

/**
 * The endpoint whose flow, as shipped, leads to a node set to this; null for what no request gets
 * to. Where several do, the first.
 */
export function endpointBehind(type: string, op: string): string | null {
  const matcher = new Matcher(ENDPOINTS);
  for (const file of readdirSync('flows').filter((name) => name.endsWith('.json'))) {
    const nodes = JSON.parse(readFileSync(join('flows', file), 'utf8')) as readonly FlowNode[];
    const byId = new Map(nodes.map((node) => [node.id, node]));
    for (const node of nodes) {
      if (node.type !== 'http in' || !reaches(byId, node, type, op)) continue;
      const url = (node.url ?? '').replace(/:\w+|\*/g, '7');
      const match = matcher.match((node.method ?? '').toUpperCase(), new Target(url));
      if (match.kind === 'endpoint') return match.endpoint.id;
    }
  }
  return null;
}

function reaches(
  byId: ReadonlyMap<string, FlowNode>,
  from: FlowNode,
  type: string,
  op: string,
): boolean {
  const seen = new Set([from]);
  for (const node of seen) {
    if (node.type === type && node.op === op) return true;
    for (const id of (node.wires ?? []).flat()) {
      const next = byId.get(id);
      if (next !== undefined) seen.add(next);
    }
  }
  return false;
}
