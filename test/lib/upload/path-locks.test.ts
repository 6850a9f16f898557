import assert from 'node:assert/strict';
import { PathLocks } from '../../../nodes/lib/upload/delivery/path-locks.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

describe('Locks of places on the NAS', () => {
  it('meet where one place is the other or lies above it', () => {
    const locks = new PathLocks(new ManualClock());
    const release = locks.take(['alice/docs', 'bob']);
    for (const met of ['alice/docs', 'alice/docs/a/b.txt', 'alice', 'bob/x', '']) {
      assert.equal(locks.take([met]), null, met);
    }
    for (const free of ['alice/docs2', 'alice/other.txt', 'bobby']) {
      const held = locks.take([free]);
      assert.ok(held !== null, free);
      held();
    }
    release?.();
    assert.ok(locks.take(['alice']) !== null);
  });

  it('go to who waits when they are given back, and are given up on in time', async () => {
    const clock = new ManualClock();
    const locks = new PathLocks(clock);
    const release = locks.take(['alice/a.txt']);
    const inTime = locks.takeSoon(['alice'], 1_000);
    const late = locks.takeSoon(['alice/a.txt'], 500);
    await clock.advance(600);
    assert.equal(await late, null);
    release?.();
    const held = await inTime;
    assert.ok(held !== null);
    assert.equal(locks.take(['alice/a.txt']), null);
    held();
    // A second release of the same lock has no effect.
    const next = locks.take(['alice/a.txt']);
    held();
    assert.equal(locks.take(['alice']), null);
    next?.();
  });
});
