import assert from 'node:assert/strict';
import { TrustedTime, type NewestTimeStore } from '../../../nodes/lib/time/trusted-time.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

const NOON = Date.parse('2026-02-22T12:00:00Z');
const BUILT = Date.parse('2026-02-01T00:00:00Z');
const NO_LOG = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

class KeptTime implements NewestTimeStore {
  newestMs: number | null;
  writes = 0;
  broken = false;

  constructor(newestMs: number | null = null) {
    this.newestMs = newestMs;
  }

  read(): number | null {
    return this.newestMs;
  }

  write(newestMs: number): void {
    if (this.broken) throw new Error('disk full');
    this.writes += 1;
    this.newestMs = newestMs;
  }
}

function trusted(clock: ManualClock, store = new KeptTime()): TrustedTime {
  return new TrustedTime({ clock, store, buildDateMs: BUILT, log: NO_LOG });
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
