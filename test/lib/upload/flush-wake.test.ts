import assert from 'node:assert/strict';
import { LocalTime } from '../../../nodes/lib/time/zoned-time.ts';
import { FlushWake, type FlushWakeRule } from '../../../nodes/lib/upload/delivery/flush-wake.ts';
import type { FlushWakeRows } from '../../../nodes/lib/upload/rows/queue-view-rows.ts';
import { KeptLog } from '../../fakes/kept-log.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { FakePresence } from './memory-nas.ts';

const AT_THREE: FlushWakeRule = { kind: 'daily', hour: 3, minute: 0 };
const HOUR_MS = 3_600_000;

describe('waking the NAS for the queue', () => {
  let clock: ManualClock;
  let presence: FakePresence;
  let rule: FlushWakeRule;
  let oldestMs: number | null;
  let metMs: number;
  let wakes: string[];
  let works: boolean;
  let trusted: boolean;
  let sinceGoodbyeMs: number | null;
  let flushWake: FlushWake;

  function start(): void {
    const rows = {
      metMs: () => metMs,
      setMet: (atMs: number) => {
        metMs = atMs;
      },
      oldestMs: () => oldestMs,
    };
    flushWake = new FlushWake({
      rows: rows as FlushWakeRows,
      rule,
      timezone: 'Europe/Berlin',
      presence,
      wake: {
        wake: () => {
          wakes.push(new Date(clock.nowMs()).toISOString().slice(5, 16));
          if (works) presence.set(true);
          return {
            kind: 'started',
            packetSent: true,
            done: Promise.resolve(works ? 'awake' : 'failed'),
          };
        },
      },
      sinceGoodbyeMs: () => sinceGoodbyeMs,
      isClockTrusted: () => trusted,
      clock,
      log: new KeptLog(),
    });
  }

  async function pass(hours: number): Promise<void> {
    for (let minute = 0; minute < hours * 60; minute += 5) {
      await clock.advance(5 * 60_000);
      flushWake.tick();
      await flushWake.stop();
    }
  }

  function at(time: string): void {
    clock = new ManualClock(Date.parse(time));
    start();
  }

  beforeEach(() => {
    presence = new FakePresence();
    [rule, oldestMs, metMs, wakes] = [AT_THREE, null, 0, []];
    [works, trusted, sinceGoodbyeMs] = [true, true, null];
    at('2026-02-22T20:00:00Z');
  });

  it('does nothing unless FLUSH_WAKE is set', async () => {
    rule = { kind: 'never' };
    oldestMs = clock.nowMs();
    start();
    await pass(48);
    assert.deepEqual(wakes, []);
  });

  it('wakes once at the time of day, and only while something waits', async () => {
    await pass(24);
    assert.deepEqual(wakes, []);
    oldestMs = clock.nowMs();
    await pass(24);
    assert.deepEqual(wakes, ['02-24T02:00']);
    presence.set(false);
    await pass(24);
    assert.deepEqual(wakes, ['02-24T02:00', '02-25T02:00']);
  });

  it('lets an upload that came after the time wait for the next', async () => {
    at('2026-02-23T02:30:00Z');
    oldestMs = clock.nowMs();
    await pass(23);
    assert.deepEqual(wakes, []);
    await pass(1);
    assert.deepEqual(wakes, ['02-24T02:00']);
  });

  it('makes up for a time it was off at, and repeats none after a restart', async () => {
    oldestMs = clock.nowMs();
    at('2026-02-23T05:00:00Z');
    await pass(1);
    assert.deepEqual(wakes, ['02-23T05:05']);
    presence = new FakePresence();
    start();
    await pass(2);
    assert.deepEqual(wakes, ['02-23T05:05']);
  });

  it('counts the NAS being awake at the time as met', async () => {
    oldestMs = clock.nowMs();
    presence.set(true);
    await pass(8);
    presence.set(false);
    await pass(6);
    assert.deepEqual(wakes, []);
  });

  it('wakes once on the night that skips an hour and on the one that has it twice', async () => {
    rule = { kind: 'daily', hour: 2, minute: 30 };
    at('2026-03-28T20:00:00Z');
    oldestMs = clock.nowMs();
    await pass(10);
    assert.deepEqual(wakes, ['03-29T01:30']);
    [wakes, metMs, presence] = [[], 0, new FakePresence()];
    at('2026-10-24T20:00:00Z');
    oldestMs = clock.nowMs();
    await pass(4.4);
    presence.set(false);
    await pass(1.2);
    presence.set(false);
    await pass(3);
    assert.deepEqual(wakes, ['10-25T01:30']);
  });

  it('tries a failed wake again after 10 minutes, doubling to 2 hours', async () => {
    works = false;
    oldestMs = clock.nowMs();
    await pass(6 + 7.5);
    assert.deepEqual(
      wakes.map((time) => time.slice(6)),
      ['02:00', '02:10', '02:30', '03:10', '04:30', '06:30', '08:30'],
    );
    works = true;
    await pass(3);
    assert.equal(wakes.length, 8);
  });

  it('wakes by age, and then not again before that age has passed again', async () => {
    rule = { kind: 'age', hours: 6 };
    start();
    oldestMs = clock.nowMs();
    await pass(5.9);
    assert.deepEqual(wakes, []);
    await pass(0.2);
    assert.deepEqual(wakes, ['02-23T02:00']);
    presence.set(false);
    await pass(5.5);
    assert.equal(wakes.length, 1);
    await pass(0.5);
    assert.equal(wakes.length, 2);
  });

  it('waits while the clock is not set and while the NAS is just going', async () => {
    rule = { kind: 'age', hours: 1 };
    start();
    oldestMs = clock.nowMs() - 2 * HOUR_MS;
    trusted = false;
    await pass(1);
    [trusted, sinceGoodbyeMs] = [true, 60_000];
    await pass(1);
    assert.deepEqual(wakes, []);
    sinceGoodbyeMs = 180_000;
    await pass(0.1);
    assert.equal(wakes.length, 1);
  });

  it('knows the time of day in zones of all kinds', () => {
    const latest = (now: string, hour: number, minute: number, zone: string): string =>
      new Date(
        new LocalTime(zone).latestTimeOfDay(Date.parse(now) / 1_000, { hour, minute }) * 1_000,
      ).toISOString();
    assert.equal(latest('2026-07-01T00:30:00Z', 3, 0, 'Europe/Berlin'), '2026-06-30T01:00:00.000Z');
    assert.equal(latest('2026-07-01T01:00:00Z', 3, 0, 'Europe/Berlin'), '2026-07-01T01:00:00.000Z');
    assert.equal(
      latest('2026-07-01T12:00:00Z', 23, 45, 'Asia/Kolkata'),
      '2026-06-30T18:15:00.000Z',
    );
    assert.equal(
      latest('2026-07-01T02:00:00Z', 22, 0, 'America/New_York'),
      '2026-07-01T02:00:00.000Z',
    );
  });
});
