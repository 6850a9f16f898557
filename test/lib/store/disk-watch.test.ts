import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DataFolder } from '../../../nodes/lib/store/data-folder.ts';
import { DiskWatch } from '../../../nodes/lib/store/disk-watch.ts';
import { KeptLog } from '../../fakes/kept-log.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

/** As another program opens a database that it may use. */
const OTHER = `
  const { DatabaseSync } = require('node:sqlite');
  const database = new DatabaseSync(process.argv[1], { timeout: 0 });
  database.prepare('SELECT count(*) FROM sqlite_schema').get();
  database.close();`;

describe('A look at the disk of the data', () => {
  let folder: string;
  let data: DataFolder;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'balupi-disk-watch-'));
    data = DataFolder.open(folder);
  });

  afterEach(() => {
    data.close();
    rmSync(folder, { recursive: true, force: true });
  });

  function watch(): DiskWatch {
    const clock = new ManualClock();
    return new DiskWatch({ clock, log: new KeptLog(), data, verify: () => undefined });
  }

  it('leaves the databases locked against every other program', () => {
    watch().look();
    for (const name of ['queue.db', 'cache.db']) {
      const done = spawnSync(process.execPath, ['-e', OTHER, join(folder, name)], {
        encoding: 'utf8',
      });
      assert.match(done.stderr, /database is locked/, name);
    }
  });

  it('sees that the data are gone', () => {
    const disk = watch();
    disk.look();
    assert.equal(disk.refuses, null);
    rmSync(join(folder, 'queue.db'));
    disk.look();
    assert.equal(disk.refuses, 'failing');
  });

  it('counts a folder that is gone as without space, and as failing until it is back', () => {
    const disk = watch();
    assert.ok(disk.space().freeBytes > 0);
    const away = `${folder}-away`;
    renameSync(folder, away);
    assert.deepEqual(disk.space(), { totalBytes: 0, freeBytes: 0 });
    assert.equal(disk.fault, 'failing');
    renameSync(away, folder);
    disk.look();
    assert.equal(disk.fault, null);
    assert.ok(disk.space().freeBytes > 0);
  });
});
