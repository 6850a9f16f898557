import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import {
  DiskFlowFolder,
  FlowFiles,
  type FlowNode,
  flowText,
} from '../../packages/node-red-flow-files/lib/flow-storage.ts';
import { LayeredFlowFolder, tellOfLayers } from '../../flows/flow-layers.ts';

const tab = (id: string, label: string): FlowNode => ({ id, type: 'tab', label });
const node = (id: string, z: string, more: object = {}): FlowNode => ({
  id,
  type: 'function',
  z,
  name: id,
  func: 'return msg;',
  x: 1,
  y: 1,
  wires: [[]],
  ...more,
});

const FILES = [tab('files', 'api-files'), node('look', 'files'), node('serve', 'files')];
const NAS = [tab('nas', 'api-nas'), node('probe', 'nas')];

describe("the owner's flows over the shipped ones", () => {
  let home = '';
  let layered: LayeredFlowFolder;
  let files: FlowFiles;

  async function ship(name: string, nodes: readonly FlowNode[]): Promise<void> {
    await writeFile(join(home, 'shipped', name), flowText(nodes));
  }
  async function shippedTexts(): Promise<string> {
    const names = (await readdir(join(home, 'shipped'))).sort();
    const texts = names.map((name) => readFile(join(home, 'shipped', name), 'utf8'));
    return (await Promise.all(texts)).join('');
  }
  const owners = async (): Promise<string[]> => (await readdir(join(home, 'owner'))).sort();
  function open(): void {
    layered = new LayeredFlowFolder(
      new DiskFlowFolder(join(home, 'shipped')),
      new DiskFlowFolder(join(home, 'owner')),
    );
    files = new FlowFiles(layered, () => 'unknown');
  }
  async function deploy(change: (nodes: readonly FlowNode[]) => readonly FlowNode[]) {
    const { nodes } = await files.load();
    await files.save(change(nodes));
  }
  const running = async (): Promise<FlowNode[]> => (await files.load()).nodes;
  const renamed = (id: string) => (nodes: readonly FlowNode[]) =>
    nodes.map((one) => (one.id === id ? { ...one, name: 'mine' } : one));

  beforeEach(async () => {
    home = await mkdtemp(join(tmpdir(), 'balupi-layers-'));
    await mkdir(join(home, 'shipped'));
    await mkdir(join(home, 'owner'));
    await ship('api-files.json', FILES);
    await ship('api-nas.json', NAS);
    await ship('_order.json', []);
    await writeFile(join(home, 'shipped', '_order.json'), '[\n  "files",\n  "nas"\n]\n');
    open();
  });
  afterEach(async () => {
    await rm(home, { recursive: true });
  });

  it('writes nothing on a deploy without a change', async () => {
    await deploy((nodes) => nodes);
    assert.deepEqual(await owners(), []);
  });

  it('keeps the difference of a shipped tab, and own tabs as they are; the program stays', async () => {
    const before = await shippedTexts();
    await deploy((nodes) => [...renamed('look')(nodes), tab('own', 'mine'), node('n', 'own')]);
    assert.equal(await shippedTexts(), before);
    assert.deepEqual(await owners(), ['_order.json', 'api-files.json', 'mine.json']);
    const overlay = await readFile(join(home, 'owner', 'api-files.json'), 'utf8');
    assert.ok(overlay.includes('"name": "mine"') && !overlay.includes('serve'), overlay);
    open();
    assert.equal((await running()).find(({ id }) => id === 'look')?.['name'], 'mine');
    assert.ok((await running()).some(({ id }) => id === 'n'));
  });

  it('is taken back by a deploy that undoes it, and by a reset', async () => {
    await deploy(renamed('look'));
    await deploy((nodes) => nodes.map((one) => (one.id === 'look' ? node('look', 'files') : one)));
    assert.deepEqual(await owners(), []);
    await deploy(renamed('look'));
    assert.equal(await layered.reset('api-files.json'), true);
    assert.equal(await layered.reset('api-files.json'), false);
    assert.equal((await running()).find(({ id }) => id === 'look')?.['name'], 'look');
  });

  it('removes a shipped tab for good, until it comes back', async () => {
    await deploy((nodes) => nodes.filter(({ id, z }) => id !== 'nas' && z !== 'nas'));
    open();
    assert.ok(!(await running()).some(({ id }) => id === 'nas'));
    assert.deepEqual(
      (await layered.changes()).map(({ name, kind }) => [name, kind]),
      [['api-nas.json', 'removed']],
    );
    await deploy((nodes) => [...nodes, ...NAS]);
    assert.deepEqual((await layered.changes()).length, 0);
  });

  it('takes what an update changes elsewhere in a changed tab', async () => {
    await deploy(renamed('look'));
    await ship('api-files.json', [
      tab('files', 'api-files'),
      node('look', 'files'),
      node('serve', 'files', { func: 'return null;' }),
      node('fresh', 'files'),
    ]);
    open();
    const now = new Map((await running()).map((one) => [one.id, one]));
    assert.equal(now.get('look')?.['name'], 'mine');
    assert.equal(now.get('serve')?.['func'], 'return null;');
    assert.ok(now.has('fresh'));
    assert.deepEqual((await layered.changes())[0]?.both, []);
  });

  it('tells what an update and the owner both changed, and runs the owner’s', async () => {
    await deploy(renamed('look'));
    const [head = FILES[0] as FlowNode, , serve = FILES[2] as FlowNode] = FILES;
    await ship('api-files.json', [head, node('look', 'files', { func: 'return 1;' }), serve]);
    open();
    assert.deepEqual((await layered.changes())[0]?.both, ['look']);
    const texts = await layered.bothTexts('api-files.json');
    assert.ok(texts?.shipped.includes('return 1;') && texts.running.includes('mine'));
  });

  it('makes way for a tab that an update brings by the name of an own one', async () => {
    await deploy((nodes) => [...nodes, tab('own', 'prices'), node('n', 'own')]);
    await ship('prices.json', [tab('prices', 'prices'), node('p', 'prices')]);
    open();
    assert.deepEqual(await layered.makeWay(), ['prices-own.json']);
    assert.deepEqual(
      (await running())
        .filter(({ type }) => type === 'tab')
        .map(({ id }) => id)
        .sort(),
      ['files', 'nas', 'own', 'prices'],
    );
    await deploy((nodes) => nodes);
    assert.deepEqual(await owners(), ['_order.json', 'prices-own.json']);
  });

  it('says which file is broken', async () => {
    await writeFile(join(home, 'owner', 'api-files.json'), '{"changed": 3}');
    await assert.rejects(files.check(), /api-files\.json.*what an owner changed/);
  });

  it('shows after any deploys just what the last one brought', async () => {
    const change = fc.record({
      gone: fc.constantFrom('look', 'serve', 'probe', 'none'),
      named: fc.constantFrom('look', 'serve', 'probe', 'files'),
      name: fc.string({ maxLength: 4 }),
      own: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 4 }), async (steps) => {
        await rm(join(home, 'owner'), { recursive: true });
        await mkdir(join(home, 'owner'));
        open();
        for (const { gone, named, name, own } of steps) {
          const next = [...FILES, ...NAS]
            .filter(({ id }) => id !== gone)
            .map((one) => (one.id === named ? { ...one, name } : one));
          if (own) next.push(tab('own', 'mine'), node('n', 'own', { name }));
          await files.save(next);
          open();
          const byId = (nodes: readonly FlowNode[]) => flowText(nodes);
          assert.equal(byId(await running()), byId(next));
        }
      }),
      { numRuns: 40 },
    );
  });

  it('takes another box of a group for no change, as the editor draws it by its own fonts', async () => {
    const group = { id: 'both', type: 'group', z: 'files', name: 'Read', nodes: ['look', 'serve'] };
    const box = { x: 15, y: 60, w: 300, h: 120 };
    await ship('api-files.json', [...FILES, { ...group, ...box }]);
    const become = (more: object) => (nodes: readonly FlowNode[]) =>
      nodes.map((one) => (one.id === 'both' ? { ...one, ...more } : one));
    await deploy(become({ w: 312, h: 131 }));
    assert.deepEqual(await owners(), []);
    await deploy(become({ w: 312, name: 'mine' }));
    assert.deepEqual(await owners(), ['api-files.json']);
  });

  it('runs over a tab that got groups meanwhile, and tells that both changed it', async () => {
    await deploy(renamed('look'));
    const grouped = FILES.slice(1).map((one) => ({ ...one, g: 'both', x: 80, y: 120 }));
    const group = { id: 'both', type: 'group', z: 'files', nodes: ['look', 'serve'], x: 1, y: 1 };
    await ship('api-files.json', [FILES[0] as FlowNode, ...grouped, { ...group, w: 99, h: 99 }]);
    open();
    const nodes = await running();
    assert.equal(nodes.find(({ id }) => id === 'look')?.['name'], 'mine');
    assert.equal(nodes.find(({ id }) => id === 'serve')?.['g'], 'both');
    const lines: string[] = [];
    await tellOfLayers(layered, (line) => lines.push(line));
    assert.match(lines.join(), /This version changed 1 nodes of the tab api-files .*look/);
  });

  it('tells of a node that its owner changed and an update took away', async () => {
    await deploy(renamed('look'));
    await ship('api-files.json', [FILES[0] as FlowNode, FILES[2] as FlowNode]);
    open();
    assert.equal((await running()).find(({ id }) => id === 'look')?.['name'], 'mine');
    assert.deepEqual((await layered.changes())[0]?.both, ['mine']);
  });
});
