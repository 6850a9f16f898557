import assert from 'node:assert/strict';
import { Polls } from '../../../nodes/lib/kept/kept.ts';
import { BackgroundBudget } from '../../../nodes/lib/nas/probe.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

describe('Polls', () => {
  let clock: ManualClock;
  let budget: BackgroundBudget;
  let idleMs: number | null;
  let polls: Polls;

  beforeEach(() => {
    clock = new ManualClock();
    budget = new BackgroundBudget(clock, 30);
    idleMs = null;
    polls = new Polls({ clock, budget, idleMs: () => idleMs });
  });

  it('of an open phone cost the NAS two requests a minute, and each gets its turn', async () => {
    const told = new Map<string, number>();
    const tiles = Array.from({ length: 18 }, (_, index) => `tile ${index}`);
    for (const [index, tile] of tiles.entries()) told.set(tile, clock.nowMs() - 3_600_000 - index);
    const asked: number[] = [];
    const served = new Set<string>();
    for (let second = 0; second < 20 * 60; second += 1) {
      const tile = tiles[Math.floor((second % 60) / 3.4)] ?? '';
      const isItsMoment = second % 60 === Math.ceil(tiles.indexOf(tile) * 3.4);
      if (isItsMoment && polls.take(tile, told.get(tile) ?? null)) {
        told.set(tile, clock.nowMs());
        asked.push(second);
        served.add(tile);
      }
      await clock.advance(1_000);
    }
    for (const start of asked) {
      assert.ok(asked.filter((at) => at >= start && at < start + 60).length <= 2);
    }
    assert.equal(served.size, 18);
  });

  it('of which nothing is kept ask along with what people need the NAS for, so many a minute', () => {
    const first = (): number =>
      Array.from({ length: 40 }, (_, index) => polls.take(`first ${index}`, null)).filter(Boolean)
        .length;
    assert.equal(first(), 2);
    idleMs = 60_000;
    assert.equal(first(), 20);
    assert.equal(first(), 0);
    assert.equal(budget.left, 0);
  });

  it('wait as long as the NAS was asked for something else', async () => {
    for (let count = 0; count < 5; count += 1) budget.made();
    assert.equal(polls.take('tile', 0), false);
    await clock.advance(60_000);
    assert.equal(polls.take('tile', 0), true);
  });
});
