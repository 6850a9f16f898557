import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import {
  type FlowNode,
  parseFlowText,
} from '../../packages/node-red-flow-files/lib/flow-storage.ts';
import { AWAKE, type FakeServices, fakeServices } from '../fakes/fake-services.ts';
import { ManualClock } from '../fakes/manual-clock.ts';
import { registers } from '../nodes/stage-flow.ts';
import { targets } from './flow-rules.ts';

interface Helper {
  init(runtimePath: string): void;
  settings(settings: object): void;
  load(nodes: readonly unknown[], flow: readonly object[]): Promise<void>;
  unload(): Promise<void>;
  getNode(id: string): { receive(message: object): void } | null;
}

const require = createRequire(import.meta.url);
const helper = require('node-red-node-test-helper') as Helper;
helper.init(require.resolve('node-red'));
const STOCK = ['common/20-inject', 'common/21-debug', 'common/90-comment'].map(
  (name) => require(`@node-red/nodes/core/${name}.js`) as unknown,
);
const CONFIG = [
  { id: 'this-balupi', type: 'balupi-store' },
  { id: 'this-nas', type: 'balupi-nas' },
];
const nothing = (): (() => void) => () => undefined;

/** What each tick of the schedules, and the event source, triggers. */
const DRIVES: readonly (readonly [tick: string, does: string])[] = [
  ['schedule-cache-tick', 'fetch ahead'],
  ['schedule-cache-pins-tick', 'keep pins'],
  ['schedule-cache-check-tick', 'check'],
  ['schedule-cache-settle-tick', 'stay below the limit'],
  ['schedule-energy-tick', 'read the plugs'],
  ['schedule-energy-minute', 'look for the unusual'],
  ['schedule-energy-prune-tick', 'forget'],
  ['schedule-nas-tick', 'probe'],
  ['schedule-upload-tick', 'deliver'],
  ['schedule-upload-due', 'deliver'],
  ['schedule-upload-wake-tick', 'look whether to wake'],
];

/** A tab as shipped, except that the test presses its clocks. */
function tabOf(tick: string): readonly FlowNode[] {
  const tab = tick.split('-').slice(0, 2).join('-');
  const nodes = parseFlowText(readFileSync(`flows/${tab}.json`, 'utf8')) as readonly FlowNode[];
  return nodes.map((node) =>
    node.type === 'inject' ? { ...node, once: false, repeat: '' } : node,
  );
}

describe('The ticks of the schedules', () => {
  let done: string[];
  let due: () => void;
  let services: FakeServices;

  beforeEach(() => {
    done = [];
    const does =
      <T>(what: string, given: T) =>
      (): T => {
        done.push(what);
        return given;
      };
    const later = Promise.resolve();
    services = {
      clock: new ManualClock(),
      prefetch: {
        fetchNeighbours: does('fetch ahead', later),
        keepPins: does('keep pins', later),
        waiting: { users: 0, pinnedFiles: 0 },
      },
      cache: {
        check: does('check', later) as never,
        space: { settle: does('stay below the limit', later) },
      },
      tapo: { onSample: nothing, pollAll: does('read the plugs', later) },
      energy: {
        unusual: { look: does('look for the unusual', undefined), listen: nothing },
        prune: does('forget', false),
      },
      schedule: { probe: { due: () => true }, sampling: { due: () => true } },
      nas: {
        presence: { state: AWAKE, onChange: nothing },
        probe: does('probe', Promise.resolve('skipped' as const)),
      },
      upload: {
        delivery: {
          flush: does('deliver', later),
          onDue: (listener) => {
            due = listener;
            return () => undefined;
          },
        },
        wakeIfDue: does('look whether to wake', undefined),
        onNews: nothing,
        queuedCount: () => 0,
        failedCount: () => 0,
      },
    };
  });

  afterEach(async () => {
    await helper.unload();
  });

  /** Runs the tab in Node-RED's own runtime and fires one tick. */
  async function after(tick: string, nodes: readonly FlowNode[]): Promise<readonly string[]> {
    helper.settings({ balupi: fakeServices(services) });
    await helper.load([...(await registers()), ...STOCK], [...CONFIG, ...nodes]);
    assert.deepEqual(done, [], 'nothing happens before a tick');
    if (tick === 'schedule-upload-due') due();
    else helper.getNode(tick)?.receive({});
    for (let turn = 0; turn < 5; turn += 1) {
      await new Promise<void>((ended) => {
        setImmediate(ended);
      });
    }
    return done;
  }

  it('are those that are looked at here', () => {
    const names = ['cache', 'energy', 'nas', 'upload'];
    const ticks = names.flatMap((name) =>
      tabOf(`schedule-${name}-tick`).filter(({ type, op }) => type === 'inject' || op === 'due'),
    );
    assert.deepEqual(ticks.map(({ id }) => id).sort(), DRIVES.map(([tick]) => tick).sort());
  });

  for (const [tick, does] of DRIVES) {
    it(`${tick} has the Pi ${does}, and nothing else`, async () => {
      assert.deepEqual(await after(tick, tabOf(tick)), [does]);
    });

    it(`${tick} without its wire has nothing happen`, async () => {
      const cut = tabOf(tick).map((node) => (node.id === tick ? { ...node, wires: [[]] } : node));
      assert.equal(targets(cut.find(({ id }) => id === tick) as FlowNode).length, 0);
      assert.deepEqual(await after(tick, cut), []);
    });
  }
});
