import assert from 'node:assert/strict';
import { UpdateWatch } from '../../../nodes/lib/system/system.ts';
import { KeptLog } from '../../fakes/kept-log.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

describe('what is told of updates', () => {
  it('is each version that lies ready, once a run, and seldom looked for', async () => {
    const clock = new ManualClock();
    const [told, looks]: [string[], (string | null)[]] = [[], []];
    let ready: string | null = null;
    const watch = new UpdateWatch(clock, new KeptLog(), () => {
      looks.push(ready);
      return ready;
    });
    watch.listen(({ version }) => told.push(version));
    watch.look();
    ready = '1.2.0';
    watch.look();
    assert.deepEqual([told, looks.length], [[], 1]);
    for (const version of ['1.2.0', '1.2.0', null, '1.2.0', '1.3.0']) {
      ready = version;
      await clock.advance(600_000);
      watch.look();
    }
    assert.deepEqual(told, ['1.2.0', '1.3.0']);
  });
});
