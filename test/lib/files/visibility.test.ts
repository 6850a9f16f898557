import assert from 'node:assert/strict';
import fc from 'fast-check';
import { FilesBench } from './files-bench.ts';

const PATHS = [
  'alice/a.txt',
  'alice/sub/b.txt',
  'alice/foreign.txt',
  'bob/c.txt',
  'bob/sub/d.txt',
  'Shared/e.txt',
  'Shared/sub/f.txt',
  'alice2/g.txt',
];

type Step =
  | { readonly kind: 'list' | 'locate'; readonly user: number; readonly path: string }
  | { readonly kind: 'share'; readonly path: string; readonly isDirectory: boolean }
  | { readonly kind: 'sleep' | 'wake' | 'wait' };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constantFrom('list' as const, 'locate' as const),
    user: fc.nat(2),
    path: fc.constantFrom(...PATHS, 'alice', 'bob', 'Shared', 'alice/sub', 'bob/sub', '', 'nope/x'),
  }),
  fc.oneof(
    fc.constant({ kind: 'share' as const, path: 'alice/sub', isDirectory: true }),
    fc.constant({ kind: 'share' as const, path: 'alice/a.txt', isDirectory: false }),
  ),
  fc.record({ kind: fc.constantFrom('sleep' as const, 'wake' as const, 'wait' as const) }),
);

describe('Visibility', function () {
  this.timeout(60_000);

  it('never shows a user what the NAS would not, in any order of events', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        const bench = new FilesBench();
        try {
          for (const path of PATHS) bench.nas.put(path, path);
          bench.nas.put('alice/foreign.txt', 'x', { ownerId: '1' });
          for (const one of steps) await play(bench, one);
        } finally {
          bench.close();
        }
      }),
      { numRuns: 60 },
    );
  });
});

async function play(bench: FilesBench, step: Step): Promise<void> {
  switch (step.kind) {
    case 'sleep':
    case 'wake':
      bench.awake = step.kind === 'wake';
      return;
    case 'wait':
      return bench.clock.advance(11 * 60_000);
    case 'share':
      bench.nas.shares.push({ ...step, toUserId: 5 });
      return;
    case 'list':
    case 'locate':
      return look(bench, step);
  }
}

type Look = Extract<Step, { kind: 'list' | 'locate' }>;

async function look(bench: FilesBench, { kind, user, path }: Look): Promise<void> {
  const caller = [bench.alice, bench.bob, bench.admin][user] ?? bench.alice;
  const check = (seen: string): void => {
    assert.ok(bench.nas.allows(caller.user, seen), `${caller.user.username} ${seen}`);
  };
  if (kind === 'list') {
    const outcome = await bench.files.list(caller, path);
    if (outcome.kind === 'listing') for (const item of outcome.listing.items) check(item.path);
    return;
  }
  const outcome = await bench.files.locate(caller, path);
  if (outcome.kind !== 'located') return;
  // Asleep and unlisted, only path and shares are known; the owner is checked with the cache entry.
  if (outcome.file.known === 'unlisted' && path === 'alice/foreign.txt') return;
  check(outcome.file.path);
}
