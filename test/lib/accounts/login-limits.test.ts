import assert from 'node:assert/strict';
import { LoginLimits } from '../../../nodes/lib/accounts/login-limits.ts';
import type { Leave } from '../../../nodes/lib/limits/limits.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { MINUTE_MS } from './accounts-stage.ts';

describe('login limits', () => {
  let clock: ManualClock;
  let limits: LoginLimits;

  beforeEach(() => {
    clock = new ManualClock();
    limits = new LoginLimits(clock);
  });

  const goes = (leave: Leave): boolean => leave.kind === 'go';

  it('slide: a sixth try is free a minute after the first', async () => {
    for (let count = 0; count < 5; count += 1) {
      assert.ok(goes(limits.tryAt('a', 'alice')));
      await clock.advance(10_000);
    }
    assert.deepEqual(limits.tryAt('a', 'alice'), { kind: 'wait', retryAfterSeconds: 10 });
    await clock.advance(10_000);
    assert.ok(goes(limits.tryAt('a', 'alice')));
    assert.deepEqual(limits.tryAt('a', 'alice'), { kind: 'wait', retryAfterSeconds: 10 });
  });

  it('do not count a refused try, so that waiting always ends', async () => {
    for (let count = 0; count < 100; count += 1) limits.tryAt('a', 'alice');
    await clock.advance(MINUTE_MS);
    assert.ok(goes(limits.tryAt('a', 'alice')));
  });

  it('let 5 a minute of 10,000 guesses through', async () => {
    let through = 0;
    for (let minute = 0; minute < 10; minute += 1) {
      for (let count = 0; count < 1_000; count += 1) {
        if (goes(limits.tryAt('a', 'alice'))) through += 1;
      }
      await clock.advance(MINUTE_MS);
    }
    assert.equal(through, 50);
  });

  it('start afresh after the right password', () => {
    for (let count = 0; count < 5; count += 1) limits.tryAt('a', 'alice');
    limits.succeeded('a', 'alice');
    assert.ok(goes(limits.tryAt('a', 'alice')));
  });

  it('are not fooled by the case of a name', () => {
    for (let count = 0; count < 5; count += 1) limits.tryAt('a', 'Alice');
    assert.ok(!goes(limits.tryAt('a', 'aLICE')));
  });

  it('do not confuse an address with a name', () => {
    for (let count = 0; count < 5; count += 1) limits.tryAt('a', 'bc');
    assert.ok(goes(limits.tryAt('ab', 'c')));
  });

  it('allow 10 tries a minute from one address over all users', async () => {
    for (let count = 0; count < 10; count += 1) assert.ok(goes(limits.tryAt('a', `name ${count}`)));
    assert.ok(!goes(limits.tryAt('a', 'alice')));
    assert.ok(goes(limits.tryAt('b', 'alice')));
    await clock.advance(MINUTE_MS);
    assert.ok(goes(limits.tryAt('a', 'alice')));
  });

  it('take no right password for a guess, and forgive no guess for one', () => {
    for (let count = 0; count < 9; count += 1) limits.tryAt('a', `name ${count}`);
    for (let count = 0; count < 20; count += 1) {
      assert.ok(goes(limits.tryAt('a', 'mallory')));
      limits.succeeded('a', 'mallory');
    }
    assert.ok(goes(limits.tryAt('a', 'alice')));
    assert.ok(!goes(limits.tryAt('a', 'mallory')));
  });

  it('do not let the wall clock free a guesser', () => {
    for (let count = 0; count < 5; count += 1) limits.tryAt('a', 'alice');
    clock.stepWallTo(clock.nowMs() + 365 * 86_400_000);
    assert.ok(!goes(limits.tryAt('a', 'alice')));
  });

  it('keep a bounded memory wherever tries come from', () => {
    for (let count = 0; count < 5; count += 1) limits.tryAt('a', 'alice');
    for (let count = 0; count < 9_999; count += 1) limits.tryAt(`a ${count}`, 'alice');
    assert.ok(!goes(limits.tryAt('a', 'alice')));
    for (let count = 0; count < 10_000; count += 1) limits.tryAt(`b ${count}`, 'alice');
    assert.ok(goes(limits.tryAt('a', 'alice')));
  });
});
