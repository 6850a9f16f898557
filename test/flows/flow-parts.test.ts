import assert from 'node:assert/strict';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { differenceOf } from '../../flows/flow-difference.ts';
import { FlowFiles } from '../../packages/node-red-flow-files/lib/flow-storage.ts';
import { DiskFlowFolder } from '../../packages/node-red-flow-files/lib/flow-storage.ts';
import { LayeredFlowFolder } from '../../flows/flow-layers.ts';
import { partOf, ShippedFlowFolder } from '../../flows/shipped-flows.ts';
import type { FlowNode } from '../../packages/node-red-flow-files/lib/flow-storage.ts';
import { flowTexts } from './flow-rules.ts';

const PARTS = join('flows', 'parts');
const NODE = 'dashboard-nas-hits-gauge';

describe('The Vue parts of the pages', () => {
  let home: string;
  let layered: LayeredFlowFolder;
  const files = (): FlowFiles => new FlowFiles(layered, () => 'unknown');
  const formatOf = (nodes: readonly FlowNode[]): unknown =>
    nodes.find(({ id }) => id === NODE)?.['format'];

  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), 'balupi-parts-'));
    cpSync('flows', join(home, 'shipped'), {
      recursive: true,
      filter: (name) => !name.endsWith('.ts'),
    });
    mkdirSync(join(home, 'owner'));
    layered = new LayeredFlowFolder(
      new ShippedFlowFolder(join(home, 'shipped')),
      new DiskFlowFolder(join(home, 'owner')),
    );
  });

  afterEach(() => {
    rmSync(home, { recursive: true });
  });

  it('are files, each of one node, and no template of a page stands elsewhere', () => {
    const templates = flowTexts('flows')
      .flatMap(({ nodes }) => nodes)
      .filter(({ type }) => type === 'ui-template');
    const named = templates.map((node) => partOf(node) ?? `${node.id} has none`).sort();
    const there = readdirSync(PARTS)
      .filter((name) => !name.endsWith('.ts'))
      .map((name) => `parts/${name}`);
    assert.deepEqual(named, there.sort());
  });

  it('are in their nodes when the flows are loaded', async () => {
    const { nodes } = await files().load();
    const written = readFileSync(join(PARTS, `${NODE}.vue`), 'utf8');
    assert.equal(`${String(formatOf(nodes))}\n`, written);
  });

  it('become the owner’s where they are edited in the editor, and are shown as they were written', async () => {
    const { nodes } = await files().load();
    const edited = nodes.map((node) =>
      node.id === NODE
        ? { ...node, format: String(node['format']).replace('</b>', '</b>\n    <i>"mine"</i>') }
        : node,
    );
    await files().save(edited);
    assert.deepEqual(readdirSync(join(home, 'owner')), ['dashboard-nas.json']);
    assert.match(String(formatOf((await files().load()).nodes)), /<i>"mine"<\/i>/);
    assert.equal(
      readFileSync(join(home, 'shipped', 'parts', `${NODE}.vue`), 'utf8'),
      readFileSync(join(PARTS, `${NODE}.vue`), 'utf8'),
    );
    const texts = await layered.bothTexts('dashboard-nas.json');
    const shown = differenceOf(texts?.shipped ?? '', texts?.running ?? '');
    assert.match(shown, /^\+\s+<i>"mine"<\/i>$/m);
    assert.equal(shown.split('\n').filter((line) => /^[+-]/.test(line)).length, 1);
  });

  it('that are saved unchanged leave nothing of the owner’s', async () => {
    const { nodes } = await files().load();
    await files().save(nodes);
    assert.deepEqual(readdirSync(join(home, 'owner')), []);
  });

  it('follow an update, until the owner has edited them', async () => {
    const part = join(home, 'shipped', 'parts', `${NODE}.vue`);
    writeFileSync(part, '<template><b>new</b></template>\n');
    assert.equal(formatOf((await files().load()).nodes), '<template><b>new</b></template>');
  });

  it('are taken from their folder alone, and a missing one is told by its name', async () => {
    const place = join(home, 'shipped', 'dashboard-nas.json');
    const text = readFileSync(place, 'utf8');
    for (const name of ['../../etc/passwd', 'parts/../x.vue', 'parts/x.json', '/etc/passwd']) {
      writeFileSync(place, text.replace(`parts/${NODE}.vue`, name));
      await assert.rejects(files().load(), { message: /names a part that is none/ });
    }
    writeFileSync(place, text.replace(`parts/${NODE}.vue`, 'parts/gone.vue'));
    await assert.rejects(files().load(), { message: /parts\/gone\.vue/ });
  });
});
