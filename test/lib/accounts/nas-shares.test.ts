import assert from 'node:assert/strict';
import { type Claimant, NasShare, NasShares } from '../../../nodes/lib/accounts/login-limits.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

describe('a limit of the NAS, shared out', () => {
  let clock: ManualClock;
  let share: NasShare;

  beforeEach(() => {
    clock = new ManualClock();
    share = new NasShares(clock).logins;
  });

  const takes = (claimant: Claimant, count: number, from = (at: number) => `${claimant} ${at}`) =>
    Array.from({ length: count }, (_none, at) => share.take(from(at), claimant)).filter(
      (leave) => leave.kind === 'go',
    ).length;

  it('gives strangers two of five sign-ins, and keeps three', () => {
    assert.equal(takes('stranger', 50), 2);
    assert.equal(takes('known', 50), 3);
  });

  it('never gives more than five a minute and a second, whoever comes', async () => {
    const taken: number[] = [];
    for (let second = 0; second < 300; second += 1) {
      const claimant = (['known', 'stranger', 'proven'] as const)[second % 3] ?? 'known';
      if (takes(claimant, 1, () => `from ${second % 7}`) === 1) taken.push(second);
      await clock.advance(1_000);
    }
    const most = Math.max(
      ...taken.map((at) => taken.filter((other) => other >= at && other < at + 61).length),
    );
    assert.equal(most, 5);
  });

  it('leaves the last of each part to who cannot be answered without the NAS', () => {
    assert.equal(takes('proven', 5), 3);
    assert.equal(takes('stranger', 5), 1);
    assert.equal(takes('known', 5), 1);
  });

  it('gives one address two of the kept ones, besides what is open to all', () => {
    assert.equal(takes('stranger', 5), 2);
    assert.equal(
      takes('known', 5, () => 'the same'),
      2,
    );
    assert.equal(takes('known', 5), 1);
  });

  it('does not take right passwords of a household for guesses', () => {
    const signsIn = (): boolean => {
      const goes = share.take('a household behind one proxy', 'stranger').kind === 'go';
      if (goes) share.wasRight('a household behind one proxy');
      return goes;
    };
    assert.deepEqual([1, 2, 3, 4, 5].map(signsIn), [true, true, true, true, false]);
    assert.equal(takes('stranger', 5), 0);
    assert.equal(takes('known', 5), 1);
  });

  it('says when the next one is free', async () => {
    takes('stranger', 1);
    await clock.advance(20_000);
    takes('stranger', 1);
    assert.deepEqual(share.take('a', 'stranger'), { kind: 'wait', retryAfterSeconds: 41 });
    await clock.advance(41_000);
    assert.deepEqual(share.take('a', 'stranger'), { kind: 'go' });
  });

  it('gives strangers four of ten refreshes, and keeps six', () => {
    share = new NasShares(clock).refreshes;
    assert.equal(takes('stranger', 50), 4);
    assert.equal(
      takes('known', 50, () => 'a household behind one proxy'),
      6,
    );
  });
});
