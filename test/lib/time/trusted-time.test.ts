import assert from 'node:assert/strict';
import {
  type ClockProofs,
  type NewestTimeStore,
  type StoredTime,
  TrustedTime,
} from '../../../nodes/lib/time/trusted-time.ts';
import { KeptLog } from '../../fakes/kept-log.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

const NOON = Date.parse('2026-02-22T12:00:00Z');
const BUILT = Date.parse('2026-02-01T00:00:00Z');

class KeptTime implements NewestTimeStore {
  newestMs: number | null;
  writes = 0;
  broken = false;

  acceptedMs = 0;
  refutedBuildMs = 0;
  readonly putsRight: (readonly [number, number])[] = [];

  constructor(newestMs: number | null = null) {
    this.newestMs = newestMs;
  }

  read(): StoredTime {
    const { acceptedMs, refutedBuildMs } = this;
    return { newestMs: this.newestMs ?? 0, acceptedMs, refutedBuildMs };
  }

  putRight(fromMs: number, toMs: number, refutedBuildMs: number): void {
    if (this.broken) throw new Error('disk full');
    this.putsRight.push([fromMs, toMs]);
    this.newestMs = toMs;
    this.refutedBuildMs = Math.max(this.refutedBuildMs, refutedBuildMs);
  }

  write(newestMs: number, acceptedMs: number): void {
    if (this.broken) throw new Error('disk full');
    this.writes += 1;
    this.newestMs = newestMs;
    this.acceptedMs = acceptedMs;
  }
}

function trusted(clock: ManualClock, store = new KeptTime()): TrustedTime {
  return new TrustedTime({
    clock,
    store,
    buildDateMs: BUILT,
    log: new KeptLog(),
    proofs: () => null,
  });
}

describe('TrustedTime', () => {
  it('is the wall clock while that is the latest', () => {
    const time = trusted(new ManualClock(NOON));
    assert.equal(time.nowMs(), NOON);
    assert.equal(time.unsynced, false);
  });

  it('is the build date when nothing was ever stored and the wall clock says 1970', () => {
    const time = trusted(new ManualClock(0));
    assert.equal(time.nowMs(), BUILT);
    assert.equal(time.unsynced, true);
  });

  it('is the newest time ever stored when that is the latest', () => {
    const time = trusted(new ManualClock(0), new KeptTime(NOON));
    assert.equal(time.nowMs(), NOON);
  });

  it('goes on by the monotonic clock while the wall clock is behind', async () => {
    const clock = new ManualClock(0);
    const time = trusted(clock, new KeptTime(NOON));
    await clock.advance(90_000);
    assert.equal(time.nowMs(), NOON + 90_000);
  });

  it('never goes back when the wall clock does', () => {
    const clock = new ManualClock(NOON);
    const time = trusted(clock);
    time.nowMs();
    clock.stepWallTo(NOON - 3_600_000);
    assert.equal(time.nowMs(), NOON);
    assert.equal(time.unsynced, true);
  });

  it('lets the wall clock catch up after a small step back, without calling it unset', async () => {
    const clock = new ManualClock(NOON);
    const time = trusted(clock);
    time.nowMs();
    clock.stepWallTo(NOON - 1_000);
    assert.equal(time.unsynced, false);
    await clock.advance(3_000);
    assert.equal(time.nowMs(), NOON + 2_000);
  });

  it('is synced again once NTP has set the wall clock', () => {
    const clock = new ManualClock(0);
    const time = trusted(clock, new KeptTime(NOON));
    assert.equal(time.unsynced, true);
    clock.stepWallTo(NOON + 5_000);
    assert.equal(time.unsynced, false);
    assert.equal(time.nowMs(), NOON + 5_000);
  });

  it('stores the newest time at most once a minute', async () => {
    const clock = new ManualClock(NOON);
    const store = new KeptTime();
    const time = trusted(clock, store);
    time.start();
    time.start();
    for (let second = 0; second < 300; second += 1) {
      await clock.advance(1_000);
      time.nowMs();
    }
    assert.equal(store.writes, 5);
    time.stop();
    assert.equal(store.newestMs, NOON + 300_000);
    assert.equal(clock.pending, 0);
  });

  it('stores every ten minutes when nobody asks', async () => {
    const clock = new ManualClock(NOON);
    const store = new KeptTime(NOON);
    const time = trusted(clock, store);
    time.start();
    for (let minute = 0; minute < 60; minute += 1) await clock.advance(60_000);
    assert.equal(store.writes, 6);
    time.stop();
  });

  it('goes on when the newest time cannot be stored, and tries again', async () => {
    const clock = new ManualClock(NOON);
    const store = new KeptTime();
    store.broken = true;
    const time = trusted(clock, store);
    time.start();
    time.nowMs();
    await clock.advance(60_000);
    assert.equal(store.writes, 0);
    store.broken = false;
    await clock.advance(60_000);
    assert.equal(store.writes, 1);
    time.stop();
  });
});

describe('A floor of trusted time that lies ahead', () => {
  const AHEAD = Date.parse('2035-01-01T00:00:00Z');
  let clock: ManualClock;
  let store: KeptTime;
  let proofs: ClockProofs | null;
  let log: KeptLog;

  beforeEach(() => {
    clock = new ManualClock(NOON);
    store = new KeptTime(AHEAD);
    proofs = null;
    log = new KeptLog();
  });

  const time = (buildDateMs = BUILT): TrustedTime =>
    new TrustedTime({
      ...{ clock, store, buildDateMs },
      proofs: () => proofs,
      log,
    });
  const agree = (nasAheadMs = 0): void => {
    proofs = { wallMs: clock.nowMs(), nasMs: clock.nowMs() + nasAheadMs };
  };

  it('is put right by two proofs, and by no fewer', () => {
    const trusted = time();
    trusted.look();
    assert.equal(trusted.nowMs(), AHEAD);
    assert.equal(trusted.isProved, false);
    agree(2_000);
    trusted.look();
    assert.equal(trusted.nowMs(), NOON);
    assert.equal(trusted.unsynced, false);
    assert.equal(trusted.isProved, true);
    assert.deepEqual(store.putsRight, [[AHEAD, NOON]]);
  });

  it('stays put right over a restart', () => {
    const trusted = time();
    agree();
    trusted.look();
    trusted.stop();
    assert.equal(time().nowMs(), NOON);
  });

  it('goes no lower than the newest token that the NAS accepted, over a restart too', () => {
    const before = time();
    before.accepted(NOON + 120_000);
    before.keep();
    const trusted = time();
    agree(120_000);
    trusted.look();
    assert.equal(trusted.nowMs(), NOON + 120_000);
  });

  it('is left where it lies ahead of one of the two only', () => {
    store.newestMs = NOON + 120_000;
    const trusted = time();
    agree(180_000);
    trusted.look();
    assert.equal(trusted.nowMs(), NOON + 120_000);
    assert.deepEqual(store.putsRight, []);
  });

  it('does not come back by a build date that lies ahead as well', () => {
    const trusted = time(AHEAD + 1);
    agree();
    trusted.look();
    assert.equal(trusted.nowMs(), NOON);
    assert.equal(time(AHEAD + 1).nowMs(), NOON);
    assert.equal(time(AHEAD + 2).nowMs(), AHEAD + 2);
  });

  it('stays while the disk refuses, and is put right a minute later', async () => {
    const trusted = time();
    store.broken = true;
    agree();
    trusted.start();
    await clock.advance(60_000);
    assert.equal(trusted.nowMs(), AHEAD + 60_000);
    store.broken = false;
    agree();
    await clock.advance(60_000);
    assert.equal(trusted.nowMs() - clock.nowMs(), -60_000 + 60_000);
    trusted.stop();
  });

  it('is told at the start and each hour, and no longer once it is right', async () => {
    const trusted = time();
    trusted.start();
    assert.equal(log.problems.length, 1);
    await clock.advance(59 * 60_000);
    assert.equal(log.problems.length, 1);
    await clock.advance(60_000);
    assert.equal(log.problems.length, 2);
    clock.stepWallTo(AHEAD + 7_200_000);
    for (let minute = 0; minute < 120; minute += 1) await clock.advance(60_000);
    assert.equal(log.problems.length, 2);
    trusted.stop();
  });
});
