import assert from 'node:assert/strict';
import { NasCallError, type NasJson } from '../../../nodes/lib/nas/nas-client.ts';
import { Presence } from '../../../nodes/lib/nas/presence.ts';
import { BackgroundBudget, NasProbe } from '../../../nodes/lib/nas/probe.ts';
import { ServerProfileBook } from '../../../nodes/lib/nas/server-profile.ts';
import { type ServerProfile, ServerRows } from '../../../nodes/lib/nas/server-rows.ts';
import { QUEUE_MIGRATIONS } from '../../../nodes/lib/store/databases.ts';
import { Store } from '../../../nodes/lib/store/store.ts';
import { KeptLog } from '../../fakes/kept-log.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

class MemoryRows {
  kept: ServerProfile | null = null;
  writes = 0;

  load(): ServerProfile | null {
    return this.kept;
  }

  save(profile: ServerProfile): void {
    this.writes += 1;
    this.kept = profile;
  }
}

interface Rig {
  readonly clock: ManualClock;
  readonly presence: Presence;
  readonly rows: MemoryRows;
  readonly log: KeptLog;
  watts: number | null;
}

function rigged(): Rig {
  const clock = new ManualClock();
  const log = new KeptLog();
  const rows = new MemoryRows();
  const book = new ServerProfileBook(rows, 'http://nas/', clock, log);
  const nasPlugWatts = (): number | null => rig.watts;
  const presence = new Presence({ clock, log, book, nasPlugWatts, powerThresholdWatts: 30 });
  const rig: Rig = { clock, presence, rows, log, watts: null };
  return rig;
}

describe('Presence', () => {
  it('knows nothing before anything was asked', () => {
    const { presence } = rigged();
    const { awake, reachable, sleepState, everSeen, reachableBy } = presence.state;
    assert.deepEqual(
      [awake, reachable, sleepState, everSeen, reachableBy],
      [false, false, 'unknown', false, 'none'],
    );
  });

  for (const [word, awake] of [
    ['awake', true],
    ['waking', true],
    ['entering_soft_sleep', false],
    ['soft_sleep', false],
    ['entering_suspend', false],
    ['true_suspend', false],
  ] as const) {
    it(`takes a NAS that says ${word} for ${awake ? 'awake' : 'asleep, though reachable'}`, () => {
      const { presence } = rigged();
      presence.heard({ sleepState: word });
      assert.deepEqual(
        [presence.state.awake, presence.state.reachable, presence.state.sleepState],
        [awake, true, word],
      );
    });
  }

  it('takes a NAS that answers after silence, without a word on its sleep, for awake', () => {
    const { presence } = rigged();
    presence.heard();
    assert.equal(presence.state.awake, true);
    presence.heard({ sleepState: 'soft_sleep' });
    presence.silent();
    presence.heard();
    assert.equal(presence.state.awake, true);
  });

  it('keeps the last word of a NAS that goes on answering', () => {
    const { presence } = rigged();
    presence.heard({ sleepState: 'soft_sleep' });
    presence.heard();
    assert.deepEqual([presence.state.awake, presence.state.reachable], [false, true]);
    assert.equal(presence.state.sleepState, 'soft_sleep');
  });

  it('goes on as asleep after one call that found it gone', () => {
    const { presence } = rigged();
    presence.heard({ sleepState: 'awake' });
    presence.silent();
    assert.deepEqual([presence.state.awake, presence.state.reachable], [false, false]);
    assert.equal(presence.state.sleepState, 'unreachable');
  });

  it('counts as running by the power of its plug while HTTP is silent', () => {
    const rig = rigged();
    rig.presence.silent();
    const by: string[] = [];
    for (const watts of [null, 29.9, 30]) {
      rig.watts = watts;
      by.push(rig.presence.state.reachableBy);
    }
    assert.deepEqual(by, ['none', 'none', 'power']);
    assert.equal(rig.presence.state.awake, false);
    rig.presence.heard();
    assert.equal(rig.presence.state.reachableBy, 'http');
  });

  it('says what is wrong while another machine answers, until the NAS does', () => {
    const { presence } = rigged();
    presence.silent('nas_mismatch');
    assert.equal(presence.state.fault, 'nas_mismatch');
    assert.equal(presence.state.sleepState, 'nas_mismatch');
    presence.heard();
    assert.equal(presence.state.fault, undefined);
  });

  it('tells each change once, with the time since which it is so', async () => {
    const { presence, clock, log } = rigged();
    const seen: unknown[] = [];
    presence.onChange(() => {
      throw new Error('a listener of its own fault');
    });
    const stop = presence.onChange((state) => {
      seen.push([state.awake, state.reachable, state.sinceMs]);
    });
    const startMs = clock.nowMs();
    presence.heard();
    await clock.advance(1_000);
    presence.heard();
    presence.heard({ sleepState: 'soft_sleep' });
    await clock.advance(1_000);
    presence.silent();
    presence.silent();
    stop();
    presence.heard();
    assert.deepEqual(seen, [
      [true, true, startMs],
      [false, true, startMs + 1_000],
      [false, false, startMs + 2_000],
    ]);
    assert.equal(log.lines.length, 4);
  });

  it('stays asleep for two minutes after a goodbye although it still answers', async () => {
    const { presence, clock } = rigged();
    presence.heard({ sleepState: 'awake' });
    presence.goodbye();
    presence.heard({ sleepState: 'awake' });
    assert.deepEqual([presence.state.awake, presence.state.reachable], [false, false]);
    assert.equal(presence.state.sleepState, 'going_offline');
    await clock.advance(119_000);
    presence.heard();
    assert.equal(presence.state.awake, false);
    await clock.advance(1_000);
    assert.equal(presence.state.awake, true);
    assert.equal(presence.sinceGoodbyeMs, 120_000);
  });

  it('ends the grace early when the NAS went silent and is back', () => {
    const { presence } = rigged();
    presence.goodbye();
    presence.silent();
    presence.heard();
    assert.equal(presence.state.awake, true);
  });

  it('does not take a hello for an answer', () => {
    const { presence } = rigged();
    presence.heard();
    presence.goodbye();
    presence.hello();
    assert.equal(presence.sinceGoodbyeMs, null);
    assert.equal(presence.state.awake, false);
    presence.heard();
    assert.equal(presence.state.awake, true);
  });
});

describe('The profile of the NAS', () => {
  it('survives a restart', () => {
    const store = Store.open({
      file: ':memory:',
      name: 'queue',
      synchronous: 'FULL',
      migrations: QUEUE_MIGRATIONS,
    });
    const clock = new ManualClock();
    const rows = new ServerRows(store);
    assert.equal(rows.load(), null);
    const before = new ServerProfileBook(rows, 'http://old/', clock, new KeptLog());
    before.seen({
      version: '1.38.0',
      nextWakeAt: '2026-02-23T06:00:00Z',
      sleepSchedule: '{"enabled":true}',
    });
    before.learnMac('aa:bb:cc:dd:ee:ff');
    before.flush();
    const after = new ServerProfileBook(new ServerRows(store), 'http://new/', clock, new KeptLog());
    after.load();
    assert.deepEqual(after.profile, {
      url: 'http://new/',
      macAddress: 'aa:bb:cc:dd:ee:ff',
      version: '1.38.0',
      nextWakeAt: '2026-02-23T06:00:00Z',
      sleepSchedule: '{"enabled":true}',
      lastSeenMs: clock.nowMs(),
    });
    store.close();
  });

  it('is written at once when the NAS is first seen, then once a minute at most', async () => {
    const { presence, clock, rows } = rigged();
    for (let second = 0; second < 120; second += 1) {
      presence.heard();
      await clock.advance(1_000);
    }
    assert.equal(rows.writes, 2);
    assert.equal(presence.state.lastSeenMs, clock.nowMs() - 1_000);
  });

  it('outlives a disk that refuses, and tries again', async () => {
    const { presence, clock, rows, log } = rigged();
    const save = rows.save.bind(rows);
    rows.save = () => {
      throw new Error('disk I/O error');
    };
    presence.heard();
    assert.equal(presence.state.awake, true);
    assert.equal(log.lines.length, 1);
    rows.save = save;
    await clock.advance(60_000);
    presence.heard();
    assert.equal(rows.writes, 1);
  });
});

describe('The background budget', () => {
  it('grants three calls a minute, of which one is kept for a probe', async () => {
    const clock = new ManualClock();
    const budget = new BackgroundBudget(clock, 30);
    const others = [1, 2, 3].map(() => budget.take('other'));
    assert.deepEqual(others, [true, true, false]);
    assert.deepEqual([budget.take('probe'), budget.take('probe')], [true, false]);
    await clock.advance(60_000);
    assert.equal(budget.left, 2);
    assert.deepEqual(
      [1, 2, 3, 4].map(() => budget.take('probe')),
      [true, true, true, false],
    );
    assert.equal(budget.left, 0);
  });

  it('counts what was made for a caller, and leaves so much less to the others', () => {
    const budget = new BackgroundBudget(new ManualClock(), 30);
    for (let count = 0; count < 3; count += 1) budget.made();
    assert.deepEqual([budget.take('other'), budget.take('probe')], [false, false]);
  });

  it('never exceeds three in any minute at the default interval', async () => {
    const clock = new ManualClock();
    const budget = new BackgroundBudget(clock, 30);
    const granted: number[] = [];
    for (let second = 0; second < 600; second += 1) {
      if (second % 30 === 0 && budget.take('probe')) granted.push(second);
      if (budget.take('other')) granted.push(second);
      await clock.advance(1_000);
    }
    for (const start of granted) {
      const inMinute = granted.filter((at) => at >= start && at < start + 60);
      assert.ok(inMinute.length <= 3, `${inMinute.length} from second ${start}`);
    }
    assert.equal(granted.length, 30);
  });

  it('widens with a shorter probe interval', () => {
    const budget = new BackgroundBudget(new ManualClock(), 1);
    const probes = Array.from({ length: 60 }, () => budget.take('probe'));
    assert.ok(probes.every(Boolean));
  });
});

describe('A probe', () => {
  const SILENT: NasJson = { kind: 'unreachable', cause: new NasCallError('refused') };

  function probing(answer: NasJson, token: string | null): { probe: NasProbe; calls: string[] } {
    const calls: string[] = [];
    const say = (text: string): Promise<NasJson> => {
      calls.push(text);
      return Promise.resolve(answer);
    };
    const probe = new NasProbe({
      client: {
        preflight: (with_, options) => say(`preflight ${with_} auto=${options?.auto}`),
        systemInfo: () => say('systemInfo'),
      },
      presence: { silent: () => calls.push('silent') },
      budget: new BackgroundBudget(new ManualClock(), 30),
      liveToken: () => token,
      tokenRefused: (refused) => calls.push(`refused ${refused}`),
    });
    return { probe, calls };
  }

  it('asks by preflight with a live token, which tells the sleep', async () => {
    const { probe, calls } = probing({ kind: 'answer', status: 200, body: {} }, 'live');
    assert.equal(await probe.probe(), 'told');
    assert.deepEqual(calls, ['preflight live auto=true']);
  });

  it('takes a 401 without a token for a sign of life', async () => {
    const { probe, calls } = probing({ kind: 'answer', status: 401, body: {} }, null);
    assert.equal(await probe.probe(), 'alive');
    assert.deepEqual(calls, ['systemInfo']);
  });

  it('reports a token that the NAS refused', async () => {
    const { probe, calls } = probing({ kind: 'answer', status: 401, body: {} }, 'dead');
    assert.equal(await probe.probe(), 'alive');
    assert.deepEqual(calls, ['preflight dead auto=true', 'refused dead']);
  });

  it('takes the gateway error of the proxy for silence of the NAS', async () => {
    const { probe, calls } = probing({ kind: 'bad_answer', status: 502 }, null);
    assert.equal(await probe.probe(), 'silent');
    assert.deepEqual(calls, ['systemInfo', 'silent']);
  });

  it('is skipped when the budget is used up, unless a caller waits for it', async () => {
    const { probe } = probing(SILENT, null);
    const outcomes = [];
    for (let turn = 0; turn < 4; turn += 1) outcomes.push(await probe.probe());
    assert.deepEqual(outcomes, ['silent', 'silent', 'silent', 'skipped']);
    assert.equal(await probe.probe(true), 'silent');
  });

  it('serves all who want one with one call', async () => {
    const { probe, calls } = probing(SILENT, null);
    await Promise.all([probe.probe(), probe.probe(), probe.probe(true)]);
    assert.equal(calls.length, 1);
  });
});
