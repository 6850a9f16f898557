import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ServerRows } from '../../nodes/lib/nas/nas.ts';
import { QUEUE_MIGRATIONS } from '../../nodes/lib/store/databases.ts';
import { Store } from '../../nodes/lib/store/store.ts';

describe('A look at the shell into the database of a running BaluPi', () => {
  const folder = mkdtempSync(join(tmpdir(), 'balupi-known-mac-'));
  const file = join(folder, 'queue.db');
  let store: Store;

  beforeEach(() => {
    store = Store.open({
      file,
      name: 'queue',
      synchronous: 'FULL',
      migrations: QUEUE_MIGRATIONS,
      isAlone: true,
    });
    new ServerRows(store).save({
      url: 'http://192.0.2.7',
      macAddress: '02:00:5e:00:53:01',
      version: null,
      sleepSchedule: null,
      nextWakeAt: null,
      lastSeenMs: null,
    });
    // As anything else in that process that reads the file: closing it drops all its locks.
    closeSync(openSync(file, 'r'));
  });

  afterEach(() => {
    store.close();
    rmSync(folder, { recursive: true });
  });

  it('finds the address there, and leaves the log where BaluPi writes on', () => {
    const log = statSync(`${file}-wal`).ino;
    const before = readdirSync(folder).sort();
    const done = spawnSync(process.execPath, [join('dist', 'deploy', 'cli.js'), 'doctor'], {
      encoding: 'utf8',
      env: {
        PATH: process.env['PATH'],
        BALUPI_DATA_DIR: folder,
        BALUPI_NAS_URL: 'http://127.0.0.1:1',
        BALUPI_PORT: '1',
      },
    });
    assert.match(done.stdout, /^ {2}ok Waking: 02:00:5e:00:53:01$/m);
    assert.equal(statSync(`${file}-wal`).ino, log);
    assert.deepEqual(readdirSync(folder).sort(), before);
  });
});
