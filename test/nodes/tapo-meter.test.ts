import assert from 'node:assert/strict';
import type { TapoDevice } from '../../packages/node-red-contrib-balupi-tapo/lib/tapo/tapo.ts';
import type { OnPlugSample } from '../../packages/node-red-contrib-balupi-tapo/lib/tapo/poller.ts';
import type { FakeServices } from '../fakes/fake-services.ts';
import { answerOf, codeOf } from './described.ts';
import { stages } from './stage.ts';

const type = 'balupi-tapo-meter';
const DEVICE: TapoDevice = {
  id: '80225A84E5F52B6C2F8F0D4F',
  name: 'NAS',
  ipAddress: '192.168.178.60',
  macAddress: 'AA:BB:CC:00:11:22',
  model: 'P110',
  role: 'nas',
  isOnline: true,
  isOn: true,
  firmware: '1.4.0',
  lastSeenMs: Date.parse('2026-02-22T14:30:00Z'),
  state: 'ok',
  stateHint: '',
  oldProtocol: null,
  deviceNumber: 1,
  addedAtMs: 0,
};
const WIRE = { id: DEVICE.id, name: 'NAS', role: 'nas', last_seen: '2026-02-22T14:30:00Z' };

/** A meter that emits through `tell`, as the real one does while polling. */
class Meter {
  readonly listeners = new Set<OnPlugSample>();
  polls = 0;
  due = true;

  readonly services: FakeServices = {
    schedule: { sampling: { due: () => this.due } },
    tapo: {
      pollAll: () => {
        this.polls += 1;
        return Promise.resolve();
      },
      onSample: (listener) => {
        this.listeners.add(listener);
        return () => this.listeners.delete(listener);
      },
    },
  };
}

const SAMPLE = {
  id: DEVICE.id,
  deviceNumber: 1,
  atMonotonicMs: 5_000,
  outcome: { kind: 'unreachable', detail: 'no answer' },
} as const;

describe('The node balupi-tapo-meter', () => {
  const open = stages();

  describe('reading the plugs that are due', () => {
    it('sends one message for each plug that was read', async () => {
      const meter = new Meter();
      const stage = await open({ type, op: 'sample', services: meter.services });
      await stage.send();
      assert.equal(meter.polls, 1);
      for (const listener of meter.listeners) listener(SAMPLE);
      await stage.next('out');
      assert.deepEqual(stage.out[0]?.[0]?.['payload'], SAMPLE);
    });

    it('reads nothing before it is time', async () => {
      const meter = new Meter();
      meter.due = false;
      const stage = await open({ type, op: 'sample', services: meter.services });
      await stage.send();
      assert.equal(meter.polls, 0);
    });

    it('listens once, however many ticks come, and not after a deploy took it away', async () => {
      const meter = new Meter();
      const stage = await open({ type, op: 'sample', services: meter.services });
      await stage.send();
      await stage.send();
      assert.equal(meter.listeners.size, 1);
      await stage.endFlows();
      assert.equal(meter.listeners.size, 0);
    });
  });

  it('lists the plugs in the language of the caller', async () => {
    const list = (language?: 'en' | 'de'): readonly TapoDevice[] => [
      { ...DEVICE, stateHint: language ?? '' },
    ];
    const stage = await open({ type, op: 'devices', services: { tapo: { list } } });
    const payload = await answerOf(stage, 'tapo-devices-list', { language: 'de' });
    assert.partialDeepStrictEqual(payload, [{ ...WIRE, state_hint: 'de' }]);
  });

  it('searches the network', async () => {
    const discover = () => Promise.resolve({ discovered: 2, newDevices: 1, devices: [DEVICE] });
    const stage = await open({ type, op: 'discover', services: { tapo: { discover } } });
    const payload = await answerOf(stage, 'tapo-devices-discover');
    assert.partialDeepStrictEqual(payload, { discovered: 2, new_devices: 1, devices: [WIRE] });
  });

  describe('adding by address', () => {
    const body = { ip_address: '192.168.178.60:8080', name: 'NAS', role: 'nas' };

    it('passes the input on and answers 201', async () => {
      let given: object = {};
      const add: NonNullable<FakeServices['tapo']>['add'] = (input) => {
        given = input;
        return Promise.resolve({ kind: 'added', device: DEVICE });
      };
      const stage = await open({ type, op: 'add', services: { tapo: { add } } });
      assert.partialDeepStrictEqual(await answerOf(stage, 'tapo-devices-add', { body }, 201), WIRE);
      assert.deepEqual(given, { address: '192.168.178.60:8080', name: 'NAS', role: 'nas' });
    });

    for (const [kind, status, code] of [
      ['bad_address', 422, 'invalid'],
      ['full', 409, 'conflict'],
    ] as const) {
      it(`refuses ${kind} with ${status}`, async () => {
        const add = () => Promise.resolve({ kind });
        const stage = await open({ type, op: 'add', services: { tapo: { add } } });
        assert.equal(await codeOf(stage, 'tapo-devices-add', { body }, status), code);
      });
    }

    it('answers 200 for a plug that is known already', async () => {
      const add = () => Promise.resolve({ kind: 'known', device: DEVICE } as const);
      const stage = await open({ type, op: 'add', services: { tapo: { add } } });
      await answerOf(stage, 'tapo-devices-add', { body });
    });
  });

  describe('changing and forgetting', () => {
    const params = { id: DEVICE.id };

    it('changes what the body names and nothing else', async () => {
      const seen: unknown[] = [];
      const update: NonNullable<FakeServices['tapo']>['update'] = (...given) => {
        seen.push(...given);
        return { kind: 'updated', device: DEVICE };
      };
      const stage = await open({ type, op: 'update', services: { tapo: { update } } });
      await answerOf(stage, 'tapo-devices-change', { params, body: { name: 'NAS' } });
      assert.deepEqual(seen, [DEVICE.id, { name: 'NAS' }, 'en']);
    });

    for (const [kind, status, code] of [
      ['unknown_device', 404, 'not_found'],
      ['bad_address', 422, 'invalid'],
    ] as const) {
      it(`refuses ${kind} with ${status}`, async () => {
        const update = () => ({ kind });
        const stage = await open({ type, op: 'update', services: { tapo: { update } } });
        const call = { params, body: {} };
        assert.equal(await codeOf(stage, 'tapo-devices-change', call, status), code);
      });
    }

    it('lists those that were forgotten', async () => {
      const plug = { id: 'a', name: 'A', macAddress: null, model: 'P110', deviceNumber: 3 };
      const forgotten = () => [{ ...plug, forgottenMs: 1_000 }];
      const stage = await open({ type, op: 'forgotten', services: { tapo: { forgotten } } });
      const payload = await answerOf(stage, 'tapo-devices-forgotten');
      assert.partialDeepStrictEqual(payload, [{ id: 'a', forgotten_at: '1970-01-01T00:00:01Z' }]);
    });

    it('forgets a plug, and knows none twice', async () => {
      const known = new Set([DEVICE.id]);
      const remove = (id: string): boolean => known.delete(id);
      const stage = await open({ type, op: 'remove', services: { tapo: { remove } } });
      await answerOf(stage, 'tapo-devices-delete', { params });
      assert.equal(await codeOf(stage, 'tapo-devices-delete', { params }, 404), 'not_found');
    });
  });

  describe('switching', () => {
    const call = { params: { id: DEVICE.id }, body: { force: true } };

    it('tells the new state, and passes force on', async () => {
      let forced: unknown = null;
      const toggle: NonNullable<FakeServices['tapo']>['toggle'] = (id, options) => {
        forced = options?.force;
        return Promise.resolve({ kind: 'switched', id, isOn: false });
      };
      const stage = await open({ type, op: 'toggle', services: { tapo: { toggle } } });
      assert.deepEqual(await answerOf(stage, 'tapo-devices-toggle', call), {
        success: true,
        device_id: DEVICE.id,
        new_state: 'off',
      });
      assert.equal(forced, true);
    });

    for (const [outcome, status, code] of [
      [{ kind: 'unknown_device' }, 404, 'not_found'],
      [{ kind: 'guarded' }, 409, 'nas_plug_guard'],
      [
        { kind: 'failed', failure: SAMPLE.outcome, hint: 'Look whether it has power.' },
        503,
        'plug_unreachable',
      ],
    ] as const) {
      it(`refuses ${outcome.kind} with ${status}`, async () => {
        const toggle = () => Promise.resolve(outcome);
        const stage = await open({ type, op: 'toggle', services: { tapo: { toggle } } });
        assert.equal(await codeOf(stage, 'tapo-devices-toggle', call, status), code);
      });
    }
  });
});
