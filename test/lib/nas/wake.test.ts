import assert from 'node:assert/strict';
import type { NasState, WakeCause } from '../../../nodes/lib/nas/presence.ts';
import type { ProbeOutcome } from '../../../nodes/lib/nas/probe.ts';
import { NasWakes } from '../../../nodes/lib/nas/wake.ts';
import { KeptLog } from '../../fakes/kept-log.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

const A_TEST: WakeCause = { kind: 'call', by: null };
const MAC = 'aa:bb:cc:dd:ee:ff';
const TARGET = { address: '192.168.178.255', port: 9 };

/** The part of a NAS that waking uses, moved by the test. */
class FakeNas {
  readonly clock = new ManualClock();
  readonly log = new KeptLog();
  /** `+<seconds since the start> <what was done>`. */
  readonly done: string[] = [];
  /** What the next probe finds. */
  condition: 'gone' | 'soft_sleep' | 'awake' = 'gone';
  mac: string | null = MAC;
  told = true;
  sinceGoodbyeMs: number | null = null;
  packetFails = false;
  #state: NasState;
  readonly #listeners = new Set<(state: NasState) => void>();

  constructor() {
    this.#state = this.#stateOf('gone');
  }

  get state(): NasState {
    return this.#state;
  }

  heard(told: { readonly sleepState: string }): void {
    this.#note(`heard ${told.sleepState}`);
    this.be('awake');
  }

  onChange(listener: (state: NasState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Informs presence, as a probe or another call would. */
  be(condition: 'gone' | 'soft_sleep' | 'awake'): void {
    this.condition = condition;
    this.#state = this.#stateOf(condition);
    for (const listener of this.#listeners) listener(this.#state);
  }

  wake(bootTimeoutSeconds = 180): NasWakes {
    const wake = new NasWakes({
      clock: this.clock,
      log: this.log,
      presence: this,
      probe: () => this.#probe(),
      nudge: () => {
        this.#note('nudge');
        return Promise.resolve(this.condition !== 'gone');
      },
      packet: {
        send: (mac, to) => {
          this.#note(`packet ${mac} ${to.address}:${to.port}`);
          return this.packetFails ? Promise.reject(new Error('no route')) : Promise.resolve();
        },
      },
      targets: () => [TARGET],
      macAddress: () => this.mac,
      bootTimeoutSeconds,
    });
    wake.start();
    return wake;
  }

  packets(): readonly string[] {
    return this.done.filter((line) => line.includes('packet'));
  }

  #probe(): Promise<ProbeOutcome> {
    this.#note('probe');
    if (this.told || this.condition === 'gone') this.be(this.condition);
    const alive = this.told ? 'told' : 'alive';
    return Promise.resolve(this.condition === 'gone' ? 'silent' : alive);
  }

  #note(what: string): void {
    this.done.push(`+${this.clock.monotonicMs() / 1_000} ${what}`);
  }

  #stateOf(condition: string): NasState {
    return {
      awake: condition === 'awake',
      reachable: condition !== 'gone',
      sleepState: condition,
      reachableBy: condition === 'gone' ? 'none' : 'http',
      everSeen: true,
      version: null,
      sinceMs: 0,
      lastSeenMs: 0,
      nextWakeAt: null,
    };
  }
}

describe('Waking the NAS', () => {
  it('sends a packet, asks once a second and ends when the NAS is awake', async () => {
    const nas = new FakeNas();
    const wake = nas.wake();
    assert.deepEqual(wake.status, {
      state: 'idle',
      startedAtMs: null,
      attempts: 0,
      cause: null,
    });
    const startedAtMs = nas.clock.nowMs();
    const outcome = wake.wake(A_TEST);
    assert.equal(outcome.kind, 'started');
    if (outcome.kind !== 'started') return;
    assert.equal(outcome.packetSent, true);
    assert.deepEqual(wake.status, { state: 'waking', startedAtMs, attempts: 1, cause: A_TEST });
    await nas.clock.advance(2_500);
    nas.condition = 'awake';
    await nas.clock.advance(1_000);
    assert.equal(await outcome.done, 'awake');
    assert.deepEqual(nas.done, [
      `+0 packet ${MAC} 192.168.178.255:9`,
      '+0 probe',
      '+1 probe',
      '+2 probe',
      '+3 probe',
    ]);
    assert.deepEqual(wake.status, { state: 'awake', startedAtMs, attempts: 1, cause: A_TEST });
  });

  it('is one wake for all who want it', async () => {
    const nas = new FakeNas();
    const wake = nas.wake();
    const first = wake.wake(A_TEST);
    const second = wake.wake(A_TEST);
    const third = wake.wakeForMiss(A_TEST);
    assert.deepEqual(
      [first, second, third].map((outcome) => [
        outcome.kind,
        'packetSent' in outcome && outcome.packetSent,
      ]),
      [
        ['started', true],
        ['joined', false],
        ['joined', false],
      ],
    );
    nas.condition = 'awake';
    await nas.clock.advance(1_000);
    for (const outcome of [first, second, third]) {
      assert.equal('done' in outcome && (await outcome.done), 'awake');
    }
    assert.equal(nas.packets().length, 1);
  });

  it('says that the NAS is awake already, or that its address is not known', () => {
    const nas = new FakeNas();
    const wake = nas.wake();
    nas.mac = null;
    assert.deepEqual(wake.wake(A_TEST), { kind: 'no_mac' });
    nas.be('awake');
    assert.deepEqual(wake.wake(A_TEST), { kind: 'already_awake' });
    assert.deepEqual(nas.done, []);
  });

  it('gives up when the time to boot has passed', async () => {
    const nas = new FakeNas();
    const wake = nas.wake(5);
    const outcome = wake.wake(A_TEST);
    await nas.clock.advance(4_900);
    assert.equal(wake.status.state, 'waking');
    await nas.clock.advance(200);
    assert.equal('done' in outcome && (await outcome.done), 'failed');
    assert.equal(wake.status.state, 'failed');
    wake.wake(A_TEST);
    assert.equal(wake.status.attempts, 2);
  });

  it('sends at most one burst in thirty seconds, over several wakes and within one', async () => {
    const nas = new FakeNas();
    const wake = nas.wake(10);
    wake.wake(A_TEST);
    await nas.clock.advance(11_000);
    const again = wake.wake(A_TEST);
    assert.equal('packetSent' in again && again.packetSent, false);
    await nas.clock.advance(11_000);
    wake.wake(A_TEST);
    await nas.clock.advance(11_000);
    assert.deepEqual(
      nas.packets().map((line) => line.split(' ')[0]),
      ['+0', '+30'],
    );
  });

  it('wakes a soft-sleeping NAS by one plain request and no packet', async () => {
    const nas = new FakeNas();
    nas.mac = null;
    nas.be('soft_sleep');
    const outcome = nas.wake().wake(A_TEST);
    assert.equal('packetSent' in outcome && outcome.packetSent, false);
    nas.condition = 'awake';
    assert.equal('done' in outcome && (await outcome.done), 'awake');
    assert.deepEqual(nas.done, ['+0 nudge', '+0 probe']);
  });

  it('takes an answered request for the waking when nobody can ask how the NAS sleeps', async () => {
    const nas = new FakeNas();
    nas.told = false;
    nas.be('soft_sleep');
    const outcome = nas.wake().wake(A_TEST);
    assert.equal('done' in outcome && (await outcome.done), 'awake');
    assert.deepEqual(nas.done, ['+0 nudge', '+0 probe', '+0 heard waking']);
  });

  it('sends a packet after all when a soft-sleeping NAS turns out to be gone', async () => {
    const nas = new FakeNas();
    nas.be('soft_sleep');
    const wake = nas.wake();
    nas.condition = 'gone';
    wake.wake(A_TEST);
    await nas.clock.advance(1_500);
    assert.deepEqual(nas.done.slice(0, 3), [
      '+0 nudge',
      '+0 probe',
      `+1 packet ${MAC} 192.168.178.255:9`,
    ]);
    await wake.stop();
  });

  it('goes on asking when no packet could be sent, and says so in the log', async () => {
    const nas = new FakeNas();
    nas.packetFails = true;
    const outcome = nas.wake().wake(A_TEST);
    await nas.clock.advance(1_500);
    nas.condition = 'awake';
    await nas.clock.advance(1_000);
    assert.equal('done' in outcome && (await outcome.done), 'awake');
    assert.match(nas.log.lines.join('\n'), /no route/);
  });

  it('ends a running wake when it is stopped', async () => {
    const nas = new FakeNas();
    const wake = nas.wake();
    const outcome = wake.wake(A_TEST);
    await wake.stop();
    assert.equal('done' in outcome && (await outcome.done), 'failed');
    assert.equal(nas.clock.pending, 0);
  });
});

describe('A wake for a miss', () => {
  it('is held back for ten minutes after a failed wake, whoever asked for that', async () => {
    const nas = new FakeNas();
    const wake = nas.wake(5);
    wake.wake(A_TEST);
    await nas.clock.advance(6_000);
    assert.equal(wake.status.state, 'failed');
    const held = wake.wakeForMiss(A_TEST);
    assert.deepEqual(held, { kind: 'held_back', retryAfterMs: 599_000 });
    assert.equal(wake.wake(A_TEST).kind, 'started');
  });

  it('is allowed again as soon as the NAS was seen awake', async () => {
    const nas = new FakeNas();
    const wake = nas.wake(5);
    wake.wake(A_TEST);
    await nas.clock.advance(6_000);
    nas.be('awake');
    nas.be('gone');
    assert.equal(wake.wakeForMiss(A_TEST).kind, 'started');
  });

  it('is held back in the two minutes after a goodbye', () => {
    const nas = new FakeNas();
    const wake = nas.wake();
    nas.sinceGoodbyeMs = 30_000;
    assert.deepEqual(wake.wakeForMiss(A_TEST), { kind: 'held_back', retryAfterMs: 90_000 });
    nas.sinceGoodbyeMs = 120_000;
    assert.equal(wake.wakeForMiss(A_TEST).kind, 'started');
  });

  it('happens six times an hour at most', async () => {
    const nas = new FakeNas();
    const wake = nas.wake();
    const kinds: string[] = [];
    for (let turn = 0; turn < 7; turn += 1) {
      kinds.push(wake.wakeForMiss(A_TEST).kind);
      nas.condition = 'awake';
      await nas.clock.advance(60_000);
      nas.be('gone');
    }
    assert.deepEqual(kinds, [...Array<string>(6).fill('started'), 'held_back']);
  });
});
