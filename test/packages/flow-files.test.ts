import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { MOST } from '../../deploy/pack.ts';
import {
  type FlowNodeLike,
  ForeignNodeRed,
  NODE_REDS,
  type NodeRedVersion,
  UserFolder,
} from './foreign-node-red.ts';

const WITH_FLOW_FILES = "storageModule: require('node-red-flow-files').flowFiles(),";
const TAB = 'lines-of-a-function.json';

describe('node-red-flow-files in a Node-RED of somebody else', function () {
  this.timeout(120_000);
  let folder: UserFolder;
  let nodeRed: ForeignNodeRed | null = null;

  before(() => {
    folder = new UserFolder('node-red-flow-files');
  });
  afterEach(async () => {
    await nodeRed?.stop();
    nodeRed = null;
    folder.forget();
  });
  after(() => {
    folder.remove();
  });

  it(`takes at most ${MOST.installedMb} MB and ${MOST.seconds} s, and brings nothing along`, () => {
    assert.ok(folder.taken.megabytes <= MOST.installedMb, `${folder.taken.megabytes} MB`);
    assert.ok(folder.taken.seconds <= MOST.seconds, `${folder.taken.seconds} s`);
    const all = readdirSync(join(folder.path, 'node_modules')).filter((name) => name[0] !== '.');
    assert.deepEqual(all, ['node-red-flow-files']);
  });

  const first = (): readonly FlowNodeLike[] => [...folder.examples().values()][0] ?? [];
  const file = (name: string): string => readFileSync(join(folder.path, 'flows', name), 'utf8');

  for (const version of Object.keys(NODE_REDS) as NodeRedVersion[]) {
    describe(`Node-RED ${version}`, () => {
      it('keeps the imported example as a file of its own, a line of a function as a line', async () => {
        nodeRed = await ForeignNodeRed.start(version, folder, WITH_FLOW_FILES);
        await nodeRed.deploy(first());
        assert.equal(await nodeRed.shown('flow-files-example-debug'), 'true');
        assert.deepEqual(readdirSync(join(folder.path, 'flows')).sort(), ['_order.json', TAB]);
        assert.match(file(TAB), /^ *"msg.payload = msg.payload > wanted;",$/m);
        assert.deepEqual(JSON.parse(file('_order.json')), ['flow-files-example']);
      });

      it('runs the same flows after a restart, and writes nothing that did not change', async () => {
        nodeRed = await ForeignNodeRed.start(version, folder, WITH_FLOW_FILES);
        await nodeRed.deploy(first());
        await nodeRed.stop();
        const before = file(TAB);
        nodeRed = await ForeignNodeRed.start(version, folder, WITH_FLOW_FILES);
        assert.equal(await nodeRed.shown('flow-files-example-debug'), 'true');
        const { flows } = (await nodeRed.get('/flows', {
          'Node-RED-API-Version': 'v2',
        })) as { readonly flows: readonly FlowNodeLike[] };
        assert.equal(flows.length, first().length);
        await nodeRed.deploy(flows);
        assert.equal(file(TAB), before);
      });

      it('takes over at its first start what was in the stock flow file, which stays', async () => {
        const stock = join(folder.path, 'flows.json');
        writeFileSync(stock, JSON.stringify(first()));
        nodeRed = await ForeignNodeRed.start(version, folder, WITH_FLOW_FILES);
        assert.equal(await nodeRed.shown('flow-files-example-debug'), 'true');
        assert.match(file(TAB), /warm enough\?/);
        assert.deepEqual(JSON.parse(readFileSync(stock, 'utf8')), first());
      });

      it('ends the start with the name of a file that is broken', async () => {
        nodeRed = await ForeignNodeRed.start(version, folder, WITH_FLOW_FILES);
        await nodeRed.deploy(first());
        await nodeRed.stop();
        nodeRed = null;
        writeFileSync(join(folder.path, 'flows', TAB), '[{');
        await assert.rejects(
          ForeignNodeRed.start(version, folder, WITH_FLOW_FILES),
          /lines-of-a-function\.json: is not valid JSON/,
        );
      });
    });
  }
});
