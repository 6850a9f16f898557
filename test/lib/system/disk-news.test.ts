import assert from 'node:assert/strict';
import { DiskState, type SystemNews } from '../../../nodes/lib/system/system.ts';
import { KeptLog } from '../../fakes/kept-log.ts';

describe('what is told of the disk', () => {
  it('is that it gets nearly full and that it has room again, each once', () => {
    let state = 'ok';
    const disk = new DiskState(new KeptLog(), () => ({ state, freeBytes: 5 }));
    const told: SystemNews[] = [];
    disk.listen((news) => told.push(news));
    disk.look();
    state = 'low';
    disk.look();
    disk.look();
    state = 'slow';
    disk.look();
    assert.deepEqual(told, [{ kind: 'disk', state: 'low', freeBytes: 5 }]);
    state = 'ok';
    disk.look();
    assert.deepEqual(
      told.map((news) => news.kind === 'disk' && news.state),
      ['low', 'ok'],
    );
  });
});
