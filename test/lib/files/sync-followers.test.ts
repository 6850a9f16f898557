import assert from 'node:assert/strict';
import type { Caller } from '../../../nodes/lib/accounts/caller.ts';
import { FilesBench } from './files-bench.ts';

describe('A program that follows the delta of its sync', () => {
  let bench: FilesBench;
  let desk: Caller;

  beforeEach(() => {
    bench = new FilesBench();
    bench.nas.put('alice/desk/a.txt', 'hello');
    desk = { ...bench.alice, agent: ' 192.168.1.7' };
  });

  afterEach(() => {
    bench.close();
  });

  it('costs the NAS a question for each folder that is there, and none for what is missing', async () => {
    bench.files.followers.asked(desk, true);
    const missing = Array.from({ length: 94 }, (_, index) => `alice/desk/alice/${index}/x.txt`);
    for (let round = 0; round < 3; round += 1) {
      for (const path of [...missing, 'alice/desk/gone.txt']) {
        assert.equal((await bench.files.locatePath(desk, path)).kind, 'not_found');
      }
      assert.equal((await bench.files.locatePath(desk, 'alice/desk/a.txt')).kind, 'located');
      await bench.clock.advance(30_000);
      bench.files.followers.asked(desk, false);
    }
    const asked = bench.nas.calls.filter((call) => call.startsWith('list'));
    assert.deepEqual(asked.sort(), ['list token-4 alice', 'list token-4 alice/desk']);
  });

  it('is shown what is new once its delta told something new', async () => {
    bench.files.followers.asked(desk, true);
    assert.equal((await bench.files.locatePath(desk, 'alice/desk/b.txt')).kind, 'not_found');
    await bench.clock.advance(30_000);
    bench.nas.put('alice/desk/b.txt', 'new');
    bench.files.followers.asked(desk, false);
    assert.equal((await bench.files.locatePath(desk, 'alice/desk/b.txt')).kind, 'not_found');
    bench.files.followers.asked(desk, true);
    assert.equal((await bench.files.locatePath(desk, 'alice/desk/b.txt')).kind, 'located');
  });

  it('is not the person who browses on the same desk', async () => {
    bench.files.followers.asked(desk, true);
    assert.ok(bench.files.followsSync(desk));
    assert.ok(!bench.files.followsSync({ ...desk, agent: 'BaluDesk/1.0 192.168.1.7' }));
    await bench.clock.advance(100_000);
    assert.ok(!bench.files.followsSync(desk));
  });
});
