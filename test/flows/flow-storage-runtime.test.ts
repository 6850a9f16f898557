import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type FlowNode, flowText } from '../../packages/node-red-flow-files/lib/flow-storage.ts';
import type { Seen } from './deploy-in-node-red.ts';

const TAB: readonly FlowNode[] = [
  { id: 'tab-tick', type: 'tab', label: 'tick' },
  {
    id: 'tick-fn',
    type: 'function',
    z: 'tab-tick',
    func: 'msg.n = 1;\nreturn msg;',
    x: 200,
    y: 40,
    wires: [[]],
  },
];
const ODD: readonly FlowNode[] = [
  { id: 'tab-odd', type: 'tab', label: 'odd' },
  { id: 'odd-one', type: 'balupi-not-there', z: 'tab-odd', x: 1, y: 1, wires: [] },
];

describe("the flow storage in Node-RED's own runtime", function () {
  this.timeout(30_000);
  let home = '';
  let seen: Seen;

  async function run(): Promise<Seen> {
    // The file next to this one, as source or compiled.
    const program = `./deploy-in-node-red${extname(import.meta.url)}`;
    const path = fileURLToPath(new URL(program, import.meta.url));
    const { stdout } = await promisify(execFile)(process.execPath, [path, home]);
    return JSON.parse(stdout) as Seen;
  }

  before(async () => {
    home = await mkdtemp(join(tmpdir(), 'balupi-runtime-'));
    await mkdir(join(home, 'flows'));
    await writeFile(join(home, 'flows', 'tick.json'), flowText(TAB));
    await writeFile(join(home, 'flows', 'odd.json'), flowText(ODD));
    await writeFile(join(home, 'flows', '_order.json'), '[\n  "tab-odd",\n  "tab-tick"\n]\n');
    seen = await run();
  });

  after(async () => {
    await rm(home, { recursive: true });
  });

  it('starts the flows although one shipped tab needs a type that is not there', () => {
    assert.deepEqual(seen.ids, ['tab-tick', 'tick-fn']);
    const [left] = seen.leftOut;
    assert.equal(left?.id, 'tab-odd');
    assert.deepEqual(left.missingTypes, ['balupi-not-there']);
  });

  it('changes no file on a deploy without a change', () => {
    assert.equal(seen.texts[1], seen.texts[0]);
  });

  it('changes one line on a deploy of one changed line', () => {
    const before = seen.texts[0].split('\n');
    const after = seen.texts[2].split('\n');
    assert.equal(after.length, before.length);
    const changed = after.filter((line, index) => line !== before[index]);
    assert.deepEqual(changed, ['        "msg.n = 2;",']);
  });

  it('does not start on a broken file, and names it', async () => {
    const broken = join(home, 'flows', 'broken.json');
    await writeFile(broken, '[{');
    await assert.rejects(run(), /Flow file broken\.json: is not valid JSON/);
    await rm(broken);
  });
});
