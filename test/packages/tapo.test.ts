import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { MOST } from '../../deploy/pack.ts';
import { SystemClock } from '../../nodes/lib/time/system-clock.ts';
import { steady } from '../practice/plug/load-curve.ts';
import { PracticePlug } from '../practice/plug/practice-plug.ts';
import {
  type FlowNodeLike,
  ForeignNodeRed,
  NODE_REDS,
  type NodeRedVersion,
  UserFolder,
} from './foreign-node-red.ts';

const OWNER = { username: 'owner@example.org', password: 'Practice-1-secret' } as const;

type Change = (node: FlowNodeLike) => FlowNodeLike;

describe('node-red-contrib-balupi-tapo in a Node-RED of somebody else', function () {
  this.timeout(120_000);
  let folder: UserFolder;
  let nodeRed: ForeignNodeRed;
  let plug: PracticePlug;

  before(async () => {
    folder = new UserFolder('node-red-contrib-balupi-tapo');
    plug = new PracticePlug({
      clock: new SystemClock((error) => {
        throw error;
      }),
      load: steady(42.5),
      ...OWNER,
      nickname: 'Fridge',
    });
    await plug.start();
  });
  after(async () => {
    await plug.stop();
    folder.remove();
  });

  it(`takes at most ${MOST.installedMb} MB and ${MOST.seconds} s, and brings nothing along`, () => {
    assert.ok(folder.taken.megabytes <= MOST.installedMb, `${folder.taken.megabytes} MB`);
    assert.ok(folder.taken.seconds <= MOST.seconds, `${folder.taken.seconds} s`);
    const all = readdirSync(join(folder.path, 'node_modules')).filter((name) => name[0] !== '.');
    assert.deepEqual(all, ['node-red-contrib-balupi-tapo']);
  });

  const example = (place: number, change: Change = (node) => node): FlowNodeLike[] =>
    ([...folder.examples().values()][place] ?? []).map(change);

  /** The example with the account that its importer enters, of the plug on loopback. */
  const deployWithAccount = async (
    on: ForeignNodeRed,
    nodes: readonly FlowNodeLike[],
    account: object = OWNER,
  ): Promise<void> => {
    await on.deploy(
      nodes.map((node) =>
        node.type === 'balupi-tapo-account'
          ? { ...node, addresses: `127.0.0.1:${plug.udpPort}`, interval: '2', credentials: account }
          : node,
      ),
    );
  };

  for (const version of Object.keys(NODE_REDS) as NodeRedVersion[]) {
    describe(`Node-RED ${version}`, () => {
      before(async () => {
        nodeRed = await ForeignNodeRed.start(version, folder);
      });
      afterEach(async () => {
        await nodeRed.forget();
      });
      after(async () => {
        await nodeRed.stop();
        folder.forget();
      });

      it('runs the first example: finds the plug, tells its readings, records and answers', async () => {
        await deployWithAccount(nodeRed, example(0));
        const reading = JSON.parse(await nodeRed.shown('tapo-readings-said')) as Told;
        assert.deepEqual([reading.name, reading.watts, reading.is_on], ['Fridge', 42.5, true]);
        assert.equal(typeof reading.wh, 'number');
        const now = JSON.parse(await nodeRed.shown('tapo-readings-now')) as Told;
        assert.equal(now.total_power_w, 42.5);
        await nodeRed.press('tapo-readings-ask');
        const past = JSON.parse(await nodeRed.shown('tapo-readings-past')) as Told;
        assert.deepEqual(
          [past.period, past.device_id, Array.isArray(past.data)],
          ['day', null, true],
        );
        assert.ok(!nodeRed.log.includes(OWNER.password));
      });

      it('keeps the account with Node-RED’s credentials, and plugs and energies in the user folder', async () => {
        await deployWithAccount(nodeRed, example(0));
        await nodeRed.shown('tapo-readings-now');
        await nodeRed.stop();
        for (const name of ['flows.json', 'flows_cred.json']) {
          const text = readFileSync(join(folder.path, name), 'utf8');
          assert.ok(!text.includes(OWNER.password) && !text.includes(OWNER.username), name);
        }
        assert.deepEqual(
          readdirSync(join(folder.path, 'balupi')).filter((name) => name.endsWith('.db')),
          ['energy-tapo-example-store.db', 'tapo-tapo-example-account.db'],
        );
        nodeRed = await ForeignNodeRed.start(version, folder);
        // Known by now, so told of before any search.
        assert.match(await nodeRed.shown('tapo-readings-said'), /"name":"Fridge"/);
      });

      it('switches the plug that is named, by the third example', async () => {
        const named = example(2, (node) =>
          node.type === 'balupi-tapo-plug' ? { ...node, plug: 'Fridge' } : node,
        );
        const readings = { op: 'readings', plug: '', wires: [['tapo-midnight-done']] };
        const listening = { ...named.find(({ type }) => type === 'balupi-tapo-plug'), ...readings };
        await deployWithAccount(nodeRed, [
          ...named,
          { ...listening, id: 'listening', type: 'balupi-tapo-plug' },
        ]);
        await nodeRed.shown('tapo-midnight-done');
        await nodeRed.press('tapo-midnight-off');
        await nodeRed.told(({ topic, data }) =>
          topic === 'debug' && /"is_on":false\}/.test(String(data['msg'])) ? true : undefined,
        );
        await nodeRed.press('tapo-midnight-on');
        await nodeRed.told(({ topic, data }) =>
          topic === 'debug' && /"is_on":true\}/.test(String(data['msg'])) ? true : undefined,
        );
      });

      it('tells a Catch node by a code that the account is wrong, and says nothing of it', async () => {
        const reading = example(2, (node) =>
          node.type === 'balupi-tapo-plug' ? { ...node, op: 'read', plug: 'Plug' } : node,
        );
        const wrong = { ...OWNER, password: 'Another-secret' };
        await deployWithAccount(nodeRed, reading, wrong);
        const plugs = await listed(nodeRed);
        await deployWithAccount(
          nodeRed,
          reading.map((node) => ('plug' in node ? { ...node, plug: plugs[0]?.id } : node)),
          wrong,
        );
        await nodeRed.press('tapo-midnight-off');
        const said = await nodeRed.shown('tapo-midnight-wrong');
        assert.match(said, /"code":"(wrong_password|password_doubted)"/);
        assert.ok(!said.includes('Another-secret') && !nodeRed.log.includes('Another-secret'));
      });

      it('records any meter, by the second example, and refuses what is none', async () => {
        await nodeRed.deploy(example(1));
        const now = JSON.parse(await nodeRed.shown('tapo-meter-now')) as Told;
        assert.deepEqual([now.devices[0]?.device_name, now.total_power_w], ['Fridge', 42.5]);
        const cost = JSON.parse(await nodeRed.shown('tapo-meter-cost')) as Told;
        assert.equal(cost.period, 'month');
        const wrong = example(1, (node) =>
          node.type === 'function'
            ? { ...node, func: 'msg.payload = { watts: 1 }; return msg;' }
            : node,
        );
        await nodeRed.deploy(wrong);
        assert.match(await nodeRed.shown('tapo-meter-wrong'), /"code":"bad_reading"/);
        assert.ok(existsSync(join(folder.path, 'balupi', 'energy-tapo-example-store.db')));
      });
    });
  }
});

/** As far as it is read here. */
interface Told {
  readonly name: string;
  readonly watts: number;
  readonly wh: number;
  readonly is_on: boolean;
  readonly total_power_w: number;
  readonly period: string;
  readonly device_id: string | null;
  readonly data: unknown;
  readonly devices: readonly { readonly device_name: string }[];
}

/** As the dialog of a plug node does, searching first. */
async function listed(nodeRed: ForeignNodeRed): Promise<readonly { readonly id: string }[]> {
  const answer = await fetch(`${nodeRed.url}/balupi-tapo/tapo-example-account/search`, {
    method: 'POST',
  });
  assert.equal(answer.status, 200);
  return (await answer.json()) as readonly { readonly id: string }[];
}
