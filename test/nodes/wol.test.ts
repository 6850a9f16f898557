import assert from 'node:assert/strict';
import type { NasStatus } from '../../nodes/lib/nas/nas-service.ts';
import type { MissWakeOutcome, NasState } from '../../nodes/lib/nas/presence.ts';
import type {
  WakeOutcome,
  WakeStatus,
} from '../../packages/node-red-contrib-balupi-wol/lib/wake.ts';
import { ASLEEP, AWAKE, type FakeServices } from '../fakes/fake-services.ts';
import { ManualClock } from '../fakes/manual-clock.ts';
import { answerOf, codeOf } from './described.ts';
import { stages } from './stage.ts';

const type = 'balupi-wol';
const HOLD_MS = 25_000;
const never = new Promise<never>(() => undefined);

const STATUS: NasStatus = {
  online: false,
  version: null,
  url: 'http://nas.example',
  powerState: 'standby',
  sleepState: 'unreachable',
  reachableBy: 'none',
  powerW: 1.5,
  sinceMs: 0,
  lastSeenMs: null,
  nextWakeAt: null,
  everSeen: true,
  fault: null,
  wake: { state: 'idle', startedAtMs: null, attempts: 0, cause: null },
};

/** A NAS that emits no news. */
function nasIn(state: NasState) {
  const nothing = () => () => undefined;
  return { presence: { state, onChange: nothing }, onNews: nothing };
}

function waking(outcome: WakeOutcome, state: WakeStatus['state'] = 'waking'): FakeServices {
  return {
    bootTimeoutSeconds: 180,
    nas: {
      macAddress: 'AA:BB:CC:DD:EE:FF',
      status: () => STATUS,
      ...nasIn(ASLEEP),
      wake: { status: { state, startedAtMs: 0, attempts: 1 }, wake: () => outcome },
    },
  };
}

const STARTED: WakeOutcome = { kind: 'started', packetSent: true, done: never };
const JOINED: WakeOutcome = { kind: 'joined', packetSent: false, done: never };

describe('The node balupi-wol', () => {
  const open = stages();

  it('wakes the NAS and answers at once', async () => {
    const stage = await open({ type, op: 'wake', services: waking(STARTED) });
    assert.deepEqual(await answerOf(stage, 'nas-wol'), {
      success: true,
      mac_address: 'AA:BB:CC:DD:EE:FF',
      wol_sent: true,
      nas_previous_state: 'unreachable',
      estimated_boot_time_s: 180,
    });
    assert.deepEqual(stage.statuses, [{ fill: 'blue', shape: 'dot', text: 'wol.status.waking' }]);
  });

  it('shows how the NAS is by now, and so no failed wake once it is up', async () => {
    let again: () => void = () => undefined;
    let state = ASLEEP;
    const presence = {
      get state() {
        return state;
      },
      onChange: (listener: (told: NasState) => void) => {
        again = () => {
          listener(state);
        };
        return () => undefined;
      },
    };
    const { nas } = waking(STARTED, 'failed');
    const services = { nas: { ...nas, presence, onNews: () => () => undefined } };
    const stage = await open({ type, op: 'wake', services });
    state = AWAKE;
    again();
    assert.deepEqual(stage.statuses, [
      { fill: 'yellow', shape: 'dot', text: 'wol.status.failed' },
      { fill: 'green', shape: 'dot', text: 'wol.status.awake' },
    ]);
  });

  for (const [ended, output] of [
    ['awake', 1],
    ['failed', 2],
  ] as const) {
    it(`tells later how a wake ended that is ${ended}, in a message that answers nobody`, async () => {
      const over = Promise.withResolvers<'awake' | 'failed'>();
      const services = waking({ kind: 'started', packetSent: true, done: over.promise }, ended);
      const stage = await open({ type, op: 'wake', services });
      await stage.ask();
      assert.deepEqual(
        stage.out.map(({ length }) => length),
        [1, 0, 0, 0],
      );
      over.resolve(ended);
      while (stage.out[output]?.length === 0) await stage.turn();
      assert.deepEqual(
        stage.out[output]?.map(({ req, payload }) => [req, payload]),
        [[undefined, { state: ended, attempts: 1, started_at: '1970-01-01T00:00:00Z' }]],
      );
    });
  }

  it('says that it joined a wake that runs already', async () => {
    const stage = await open({ type, op: 'wake', services: waking(JOINED) });
    const payload = await answerOf(stage, 'nas-wol');
    assert.partialDeepStrictEqual(payload, { success: true, wol_sent: false });
  });

  for (const [kind, status, code] of [
    ['already_awake', 409, 'already_awake'],
    ['no_mac', 400, 'no_mac'],
  ] as const) {
    it(`refuses with ${code}, in its own words and in those of the app`, async () => {
      const stage = await open({ type, op: 'wake', services: waking({ kind }, 'awake') });
      assert.equal(await codeOf(stage, 'nas-wol', {}, status), code);
    });

    it(`refuses the app with ${code}`, async () => {
      const stage = await open({ type, op: 'wake-app', services: waking({ kind }, 'awake') });
      assert.equal(await codeOf(stage, 'system-sleep-wake', {}, status), code);
    });
  }

  it("wakes in the words of the NAS's own route", async () => {
    const stage = await open({ type, op: 'wake-app', services: waking(JOINED) });
    const payload = await answerOf(stage, 'system-sleep-wake');
    assert.deepEqual(payload, { success: true, message: 'The NAS is waking already.' });
  });

  describe('holding a reader', () => {
    const clock = new ManualClock();

    function holding(outcome: MissWakeOutcome, awake = false, wakeOnMiss = true): FakeServices {
      return {
        clock,
        missRule: { wakeOnMiss, holdMs: HOLD_MS },
        nas: {
          ...nasIn(awake ? AWAKE : ASLEEP),
          wake: {
            status: { state: 'failed', startedAtMs: 0, attempts: 1 },
            wakeForMiss: () => outcome,
          },
        },
      };
    }

    it('lets it through on output 1 when the NAS wakes', async () => {
      const done = Promise.resolve('awake' as const);
      const services = holding({ kind: 'started', packetSent: true, done });
      const stage = await open({ type, op: 'hold', services });
      await stage.ask();
      assert.deepEqual([stage.out[0]?.length, stage.out[1]?.length], [1, 0]);
    });

    it('lets it through while the NAS is awake, and wakes nobody', async () => {
      const stage = await open({ type, op: 'hold', services: holding({ kind: 'no_mac' }, true) });
      await stage.ask();
      assert.equal(stage.out[0]?.length, 1);
    });

    it('gives up on output 2 with a 503 when the hold is over', async () => {
      const services = holding({ kind: 'joined', packetSent: false, done: never });
      const stage = await open({ type, op: 'hold', services });
      const asking = stage.ask();
      while (clock.pending === 0) await stage.turn();
      await clock.advance(HOLD_MS);
      const { status, payload, headers } = await asking;
      assert.equal(status, 503);
      assert.equal(headers.get('retry-after'), '15');
      assert.partialDeepStrictEqual(payload, {
        code: 'nas_asleep',
        detail: { sleep_state: 'unreachable', next_wake_at: ASLEEP.nextWakeAt },
      });
      assert.deepEqual([stage.out[0]?.length, stage.out[1]?.length], [0, 1]);
      assert.deepEqual(stage.statuses, [
        { fill: 'yellow', shape: 'dot', text: 'wol.status.failed' },
      ]);
    });

    it('ends with the caller who goes away', async () => {
      const services = holding({ kind: 'joined', packetSent: false, done: never });
      const stage = await open({ type, op: 'hold', services });
      const gone = new AbortController();
      const asking = stage.ask({ signal: gone.signal });
      while (clock.pending === 0) await stage.turn();
      gone.abort();
      assert.equal((await asking).status, 503);
      assert.equal(clock.pending, 0, 'no timer is left behind');
    });

    for (const [what, services, call, retryAfter] of [
      ['for a call that must not wake', holding({ kind: 'no_mac' }), { auto: true }, '300'],
      ['where waking is switched off', holding({ kind: 'no_mac' }, false, false), {}, '300'],
      ['without a MAC address', holding({ kind: 'no_mac' }), {}, '300'],
      ['while it is held back', holding({ kind: 'held_back', retryAfterMs: 61_500 }), {}, '62'],
    ] as const) {
      it(`wakes nobody ${what}`, async () => {
        const stage = await open({ type, op: 'hold', services });
        const { status, headers } = await stage.ask(call);
        assert.equal(status, 503);
        assert.equal(headers.get('retry-after'), retryAfter);
      });
    }
  });
});
