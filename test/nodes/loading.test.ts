import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { ASLEEP, AWAKE, type FakeServices } from '../fakes/fake-services.ts';
import type { PiLoad } from '../../nodes/lib/system/system.ts';
import { type Stage, stages } from './stage.ts';
import { NODE_FILES } from './stage-flow.ts';

/** Config nodes, the event source, and the node with one operation. */
const WITHOUT_ACTS = ['balupi-store', 'balupi-nas', 'balupi-events', 'balupi-sql'];
const WORKING = Object.keys(NODE_FILES).filter((type) => !WITHOUT_ACTS.includes(type));

/** The operations the editor offers, from the node's own form. */
function offeredActs(type: string): readonly string[] {
  const html = (NODE_FILES[type] ?? '').replace(/^dist\//, '').replace(/\.js$/, '.html');
  return [...readFileSync(html, 'utf8').matchAll(/<option\s+value="([^"]+)"/g)].map(
    ([, act]) => act ?? '',
  );
}

/** The editor translates it into its reader's language. */
const ERROR = { fill: 'red', shape: 'ring', text: 'node-red:common.status.error' };

interface Curable {
  readonly op: string;
  /** @param step throws while what the operation needs is broken */
  readonly services: (step: () => void) => FakeServices;
  readonly message?: Readonly<Record<string, unknown>>;
  /** The status shown once it works again. */
  readonly then: object;
}

const NAS = { presence: { state: AWAKE, onChange: () => () => undefined } };

const LOAD: PiLoad = {
  ...{ cpuPercent: 12.5, cpuTempCelsius: null, uptimeSeconds: 60, loadAvg: [0, 0, 0] },
  ...{ memoryTotalMb: 1_000, memoryUsedMb: 100, memoryPercent: 10 },
  ...{ diskTotalGb: 32, diskUsedGb: 8, diskPercent: 25 },
};

const notNow = (step: () => void) => (): boolean => {
  step();
  return false;
};

/** An operation of each node that fails because of what it uses, and works once that is mended. */
const CURABLE: Readonly<Record<string, Curable>> = {
  'balupi-system': {
    op: 'load',
    services: (step) => ({
      system: {
        hostname: 'pi',
        load: () => {
          step();
          return LOAD;
        },
      },
    }),
    then: {},
  },
  'balupi-tapo-meter': {
    op: 'sample',
    services: (step) => ({
      tapo: { onSample: () => () => undefined },
      schedule: { sampling: { due: notNow(step) } },
    }),
    then: {},
  },
  'balupi-energy-aggregator': {
    op: 'record',
    services: (step) => ({
      energy: { record: step, current: () => ({ devices: [], totalPowerW: 30.5 }) },
    }),
    message: {
      payload: {
        ...{ id: 'a', deviceNumber: 1, atMonotonicMs: 5_000 },
        outcome: {
          ...{ kind: 'reading', isContested: false },
          reading: { powerMw: 30_500, todayEnergyWh: 120, isOn: true },
        },
      },
    },
    then: { fill: 'green', shape: 'dot', text: '30.5 W' },
  },
  'balupi-lru-cache-store': {
    op: 'fetch-ahead',
    services: (step) => ({
      prefetch: {
        waiting: { users: 2, pinnedFiles: 0 },
        fetchNeighbours: () => Promise.resolve().then(step),
      },
    }),
    then: { fill: 'blue', shape: 'dot', text: '2' },
  },
  'balupi-nas-proxy': {
    op: 'probe',
    services: (step) => ({ nas: NAS, schedule: { probe: { due: notNow(step) } } }),
    then: { fill: 'green', shape: 'dot', text: 'nas-proxy.status.awake' },
  },
  'balupi-upload-queue': {
    op: 'flush',
    services: (step) => ({
      upload: {
        ...{ wakeIfDue: step, delivery: { flush: () => Promise.resolve() } },
        ...{ queuedCount: () => 2, failedCount: () => 0, onNews: () => () => undefined },
      },
    }),
    then: { fill: 'blue', shape: 'dot', text: 'upload-queue.status.waiting|2' },
  },
  'balupi-wol': {
    op: 'hold',
    services: (step) => ({
      nas: {
        presence: { state: ASLEEP, onChange: () => () => undefined },
        onNews: () => () => undefined,
        wake: { status: { state: 'idle', startedAtMs: null, attempts: 0 } },
      },
      missRule: {
        get wakeOnMiss() {
          step();
          return false;
        },
      },
    }),
    message: { id: 1 },
    then: { fill: 'grey', shape: 'ring', text: 'wol.status.asleep' },
  },
  'balupi-viewer': {
    op: 'look',
    services: (step) => ({
      viewers: {
        get count() {
          step();
          return 2;
        },
      },
    }),
    then: { fill: 'green', shape: 'dot', text: '2' },
  },
  'balupi-notices': {
    op: 'tell',
    services: (step) => ({ notices: { say: step } }),
    message: { payload: 'The washing is done.' },
    then: {},
  },
};

const errorOf = (stage: Stage): string => stage.caught[0]?.error.message ?? '';
const errorsOf = ({ caught }: Stage): string => caught.map(({ error }) => error.message).join('; ');

describe('Every node', () => {
  const open = stages();

  it('of BaluPi is one of thirteen types', () => {
    assert.equal(Object.keys(NODE_FILES).length, 13);
    assert.equal(WORKING.length, 9);
  });

  for (const type of WORKING) {
    describe(type, () => {
      it('names the acts it knows when it is set to another, and they are those of its form', async () => {
        const stage = await open({ type, op: 'fly', services: {} });
        await stage.send();
        const [, known] = /This node is set to 'fly'; it can: (.*)\.$/.exec(errorOf(stage)) ?? [];
        assert.deepEqual(known?.split(', ').sort(), [...offeredActs(type)].sort());
      });

      it('takes no name that every object has for an act', async () => {
        const stage = await open({ type, op: 'constructor', services: {} });
        await stage.send();
        assert.match(errorOf(stage), /This node is set to 'constructor'/);
      });

      it('says what to do when its config node is missing', async () => {
        const [op = ''] = offeredActs(type);
        const stage = await open({ type, op, services: {}, withConfig: false });
        await stage.send();
        assert.match(errorOf(stage), /Choose the Pi or the NAS in this node/);
        assert.deepEqual(stage.statuses, [ERROR]);
      });

      it('shows an error until it is cured, and not beyond it', async () => {
        const curable = CURABLE[type];
        assert.ok(curable !== undefined);
        let isBroken = true;
        const step = (): void => {
          if (isBroken) throw new Error('The disk is gone.');
        };
        const stage = await open({ type, op: curable.op, services: curable.services(step) });
        await stage.send(curable.message);
        assert.deepEqual(stage.statuses.at(-1), ERROR);
        isBroken = false;
        await stage.send(curable.message);
        assert.deepEqual(stage.statuses.at(-1), curable.then, errorsOf(stage));
      });

      it('shows none after a deploy that cures it, before any message comes', async () => {
        const curable = CURABLE[type];
        assert.ok(curable !== undefined);
        const services = curable.services(() => undefined);
        const stage = await open({ type, op: 'fly', services });
        await stage.send();
        assert.deepEqual(stage.statuses.at(-1), ERROR);
        await stage.redeploy({ type, op: curable.op, services });
        assert.deepEqual(stage.statuses.at(-1), curable.then, errorsOf(stage));
      });
    });
  }

  it('keeps its words in the editor under 20 characters, whatever the NAS says', async () => {
    const state = { ...AWAKE, sleepState: 'in a state that nobody ever heard of' };
    const presence = { state, onChange: () => () => undefined };
    const services = { nas: { presence }, schedule: { probe: { due: () => false } } };
    const stage = await open({ type: 'balupi-nas-proxy', op: 'probe', services });
    await stage.send();
    assert.deepEqual(stage.statuses, [
      { fill: 'green', shape: 'dot', text: 'in a state that no…' },
    ]);
  });

  it('shows the same words once', async () => {
    const services = {
      upload: {
        wakeIfDue: () => undefined,
        onNews: () => () => undefined,
        delivery: { flush: () => Promise.resolve() },
        queuedCount: () => 2,
        failedCount: () => 0,
      },
    };
    const stage = await open({ type: 'balupi-upload-queue', op: 'flush', services });
    await stage.send();
    await stage.send();
    assert.deepEqual(stage.statuses, [
      { fill: 'blue', shape: 'dot', text: 'upload-queue.status.waiting|2' },
    ]);
  });
});
