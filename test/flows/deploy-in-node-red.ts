import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { createFlowStorage } from '../../flows/flow-storage.ts';
import type { FlowNode, LeftOut } from '../../packages/node-red-flow-files/lib/flow-storage.ts';
import { loadedTypes, type NodeSet } from '../../flows/node-types.ts';

/**
 * Run by flow-storage-runtime.test.ts in a process of its own, as there is one Node-RED per
 * process: starts it over a folder of flows, deploys without a change, deploys a changed node, and
 * prints the result as JSON.
 */
export interface Seen {
  readonly ids: readonly string[];
  readonly leftOut: readonly LeftOut[];
  /** All files as one text: at the start, after a deploy without a change, and after one with. */
  readonly texts: readonly [atStart: string, unchanged: string, changed: string];
}

interface NodeRed {
  init(server: unknown, settings: object): void;
  start(): Promise<void>;
  stop(): Promise<void>;
  readonly nodes: { getNodeList(): readonly NodeSet[] };
  readonly events: NodeJS.EventEmitter;
  readonly runtime: {
    readonly flows: {
      getFlows(options: object): Promise<{ readonly flows: FlowNode[]; readonly rev: string }>;
      setFlows(options: object): Promise<unknown>;
    };
  };
}

const [home = ''] = process.argv.slice(2);
const folder = join(home, 'flows');
const red = createRequire(import.meta.url)('node-red') as NodeRed;
const leftOut: LeftOut[] = [];

async function text(): Promise<string> {
  const names = (await readdir(folder)).sort();
  const texts = await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')));
  return names.map((name, index) => `${name}\n${texts[index] ?? ''}`).join('');
}

async function deploy(change: (node: FlowNode) => FlowNode): Promise<string> {
  const { flows, rev } = await red.runtime.flows.getFlows({});
  const changed = { flows: flows.map(change), rev };
  await red.runtime.flows.setFlows({ flows: changed, deploymentType: 'full' });
  return text();
}

red.init(createServer(), {
  userDir: join(home, 'user'),
  httpAdminRoot: false,
  httpNodeRoot: false,
  logging: { console: { level: 'off' } },
  telemetry: { enabled: false },
  storageModule: createFlowStorage({
    flowsFolder: folder,
    installedTypes: () => loadedTypes(red.nodes.getNodeList()),
    log: { debug() {}, info() {}, warn() {}, error() {} },
    onLeftOut: (found) => leftOut.splice(0, leftOut.length, ...found),
  }),
});
const started = once(red.events, 'flows:started');
await red.start();
await started;
const { flows } = await red.runtime.flows.getFlows({});
const atStart = await text();
const unchanged = await deploy((node) => node);
const changed = await deploy((node) =>
  node.type === 'function' ? { ...node, func: 'msg.n = 2;\nreturn msg;' } : node,
);
await red.stop();
const seen: Seen = {
  ids: flows.map(({ id }) => id),
  leftOut,
  texts: [atStart, unchanged, changed],
};
process.stdout.write(JSON.stringify(seen));
