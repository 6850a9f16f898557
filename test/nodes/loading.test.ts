import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { AWAKE } from '../fakes/fake-rooms.ts';
import { type Stage, stages } from './stage.ts';
import { NODE_FILES } from './stage-flow.ts';

/** Config nodes, the one that speaks by itself, and the one that does one thing. */
const WITHOUT_ACTS = ['balupi-store', 'balupi-nas', 'balupi-events', 'balupi-sql'];
const WORKING = Object.keys(NODE_FILES).filter((type) => !WITHOUT_ACTS.includes(type));

/** The acts the editor offers, out of the node's own form. */
function offeredActs(type: string): readonly string[] {
  const html = (NODE_FILES[type] ?? '').replace(/^dist\//, '').replace(/\.js$/, '.html');
  return [...readFileSync(html, 'utf8').matchAll(/<option\s+value="([^"]+)"/g)].map(
    ([, act]) => act ?? '',
  );
}

const errorOf = (stage: Stage): string => stage.caught[0]?.error.message ?? '';

describe('Every node', () => {
  const open = stages();

  it('of BaluPi is one of thirteen types', () => {
    assert.equal(Object.keys(NODE_FILES).length, 13);
    assert.equal(WORKING.length, 9);
  });

  for (const type of WORKING) {
    describe(type, () => {
      it('names the acts it knows when it is set to another, and they are those of its form', async () => {
        const stage = await open({ type, op: 'fly', rooms: {} });
        await stage.send();
        const [, known] = /This node is set to 'fly'; it can: (.*)\.$/.exec(errorOf(stage)) ?? [];
        assert.deepEqual(known?.split(', ').sort(), [...offeredActs(type)].sort());
      });

      it('takes no name that every object has for an act', async () => {
        const stage = await open({ type, op: 'constructor', rooms: {} });
        await stage.send();
        assert.match(errorOf(stage), /This node is set to 'constructor'/);
      });

      it('says what to do when its config node is missing', async () => {
        const [op = ''] = offeredActs(type);
        const stage = await open({ type, op, rooms: {}, withConfig: false });
        await stage.send();
        assert.match(errorOf(stage), /Choose the Pi or the NAS in this node/);
        assert.deepEqual(stage.statuses, [
          { fill: 'red', shape: 'ring', text: 'node-red:common.status.error' },
        ]);
      });
    });
  }

  it('keeps its words in the editor under 20 characters, whatever the NAS says', async () => {
    const state = { ...AWAKE, sleepState: 'in a state that nobody ever heard of' };
    const presence = { state, onChange: () => () => undefined };
    const rooms = { nas: { presence }, schedule: { probe: { due: () => false } } };
    const stage = await open({ type: 'balupi-nas-proxy', op: 'probe', rooms });
    await stage.send();
    assert.deepEqual(stage.statuses, [
      { fill: 'green', shape: 'dot', text: 'in a state that no…' },
    ]);
  });

  it('shows the same words once', async () => {
    const rooms = {
      upload: {
        wakeIfDue: () => undefined,
        onNews: () => () => undefined,
        flush: () => Promise.resolve(),
        queuedCount: () => 2,
        failedCount: () => 0,
      },
    };
    const stage = await open({ type: 'balupi-upload-queue', op: 'flush', rooms });
    await stage.send();
    await stage.send();
    assert.deepEqual(stage.statuses, [
      { fill: 'blue', shape: 'dot', text: 'upload-queue.status.waiting|2' },
    ]);
  });
});
