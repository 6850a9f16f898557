import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type FlowNode,
  parseFlowText,
} from '../../packages/node-red-flow-files/lib/flow-storage.ts';

/** A file of flows as in the repository. */
export interface FlowText {
  readonly name: string;
  readonly text: string;
  readonly nodes: readonly FlowNode[];
}

/** All flow files of a folder. */
export function flowTexts(folder: string): readonly FlowText[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.json') && !name.startsWith('_'))
    .sort()
    .map((name) => {
      const text = readFileSync(join(folder, name), 'utf8');
      return { name, text, nodes: parseFlowText(text) as readonly FlowNode[] };
    });
}

/** Node-RED's core types that our flows may use; all others are ours or the sqlite package's. */
const STOCK_TYPES = [
  'tab',
  'catch',
  'change',
  'comment',
  'debug',
  'function',
  'group',
  'http in',
  'http request',
  'http response',
  'inject',
  'link in',
  'link out',
  'switch',
  'template',
  'trigger',
];
/** Types that only examples may use, which an owner completes by hand. */
const EXAMPLE_TYPES = [
  'e-mail',
  'global-config',
  'mqtt out',
  'mqtt-broker',
  'postgresql',
  'postgreSQLConfig',
];
/** Dashboard types of which our pages are made. */
export const DASHBOARD_CONFIG_TYPES = ['ui-base', 'ui-group', 'ui-link', 'ui-page', 'ui-theme'];
const DASHBOARD_TYPES = [
  ...DASHBOARD_CONFIG_TYPES,
  'ui-button',
  'ui-chart',
  'ui-event',
  'ui-gauge',
  'ui-notification',
  'ui-table',
  'ui-template',
  'ui-text',
];
const SQLITE_TYPES = ['sqlite', 'sqlitedb'];

const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as {
  readonly 'node-red': { readonly nodes: Readonly<Record<string, string>> };
};
export const OWN_TYPES = Object.keys(manifest['node-red'].nodes);
export const KNOWN_TYPES: ReadonlySet<string> = new Set([
  ...STOCK_TYPES,
  ...DASHBOARD_TYPES,
  ...SQLITE_TYPES,
  ...OWN_TYPES,
]);

export const EXAMPLES_TYPES: ReadonlySet<string> = new Set([...KNOWN_TYPES, ...EXAMPLE_TYPES]);

/** The nodes that a node's outputs lead to. */
export function targets(node: FlowNode): readonly string[] {
  return (node['wires'] as readonly (readonly string[])[] | undefined)?.flat() ?? [];
}

/** All nodes reachable from one. */
export function reached(start: FlowNode, nodes: readonly FlowNode[]): readonly FlowNode[] {
  const seen = new Set<string>();
  const waiting = [...targets(start)];
  for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) {
    if (seen.has(id)) continue;
    seen.add(id);
    const node = nodes.find((candidate) => candidate.id === id);
    if (node !== undefined) waiting.push(...targets(node));
  }
  return nodes.filter(({ id }) => seen.has(id));
}

export function isPlaced(node: FlowNode): boolean {
  return typeof node['x'] === 'number' && typeof node['y'] === 'number';
}

export function xOf(node: FlowNode): number {
  return node['x'] as number;
}

/** Texts in which a secret or a path of somebody's disk could be. */
export function suspicious(text: string): readonly string[] {
  const patterns = [
    /"(?:credentials|password|token|secret|apiKey|api_key)"\s*:/gi,
    /eyJ[\w-]{10,}\./g,
    /Bearer\s+[\w.-]{8,}/g,
    /"\/(?:home|root|tmp|usr|var|opt|etc|mnt|work|Users)\b[^"]*"/g,
    /"[A-Za-z]:\\\\[^"]*"/g,
  ];
  return patterns.flatMap((pattern) => text.match(pattern) ?? []);
}
