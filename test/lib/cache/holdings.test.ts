import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Holdings } from '../../../nodes/lib/cache/pins/pins.ts';
import { CACHE_MIGRATIONS } from '../../../nodes/lib/store/databases.ts';
import { Store } from '../../../nodes/lib/store/store.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

describe('Who has how much in the cache', () => {
  let folder: string;
  let store: Store;
  let clock: ManualClock;
  let holdings: Holdings;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'balupi-holdings-'));
    const file = join(folder, 'cache.db');
    store = Store.open({
      file,
      name: 'cache',
      synchronous: 'NORMAL',
      migrations: CACHE_MIGRATIONS,
    });
    clock = new ManualClock();
    holdings = new Holdings({ store, clock });
  });

  afterEach(() => {
    store.close();
    rmSync(folder, { recursive: true });
  });

  function copy(path: string, sizeBytes: number): number {
    const insert = store.prepare(`
      INSERT INTO cached_files (path, size_bytes, modified_at, modified_at_ms, sha256, blob,
        access_count, accessed_at_ms, weight, priority, validated_at_ms, created_at_ms)
      VALUES (?, ?, '', 0, '', ?, 0, 0, 1, 1, 0, 7)`);
    return Number(insert.run(path, sizeBytes, path).lastInsertRowid);
  }

  function ahead(path: string, sizeBytes: number, userId: number): void {
    const insert = store.prepare("INSERT INTO prefetched_copies VALUES (?, ?, 'read', 1)");
    insert.run(copy(path, sizeBytes), userId);
  }

  it('is summed up by home over whole copies and segments, however many there are', async () => {
    store.transaction(() => {
      for (let n = 0; n < 4_500; n += 1) copy(`alice/${n}.jpg`, 10);
    });
    copy('bob/a/b/c.pdf', 7);
    copy('Shared/film.mkv', 3);
    copy('at-the-root.txt', 1);
    store.exec(`INSERT INTO pieced_files (path, size_bytes, modified_at, modified_at_ms, held_bytes,
      validated_at_ms, created_at_ms) VALUES ('bob/film.mkv', 900, '', 0, 300, 0, 0)`);
    const byTop = await holdings.byTop();
    assert.deepEqual(Object.fromEntries(byTop), {
      alice: { files: 4_500, bytes: 45_000 },
      bob: { files: 2, bytes: 307 },
      Shared: { files: 1, bytes: 3 },
      '': { files: 1, bytes: 1 },
    });
  });

  it('is read again after a minute, not for each page that asks', async () => {
    copy('alice/a.jpg', 10);
    await holdings.byTop();
    copy('alice/b.jpg', 10);
    assert.equal((await holdings.byTop()).get('alice')?.files, 1);
    await clock.advance(60_000);
    assert.equal((await holdings.byTop()).get('alice')?.files, 2);
  });

  it('tells what was fetched ahead for one and for all, the newest first', () => {
    ahead('alice/1.jpg', 10, 4);
    ahead('alice/2.jpg', 20, 4);
    ahead('bob/1.jpg', 40, 5);
    copy('alice/read.jpg', 80);
    const paths = (userId: number | null, limit = 10): string[] =>
      holdings.unread(userId, limit).map(({ path }) => path);
    assert.deepEqual(paths(4), ['alice/2.jpg', 'alice/1.jpg']);
    assert.deepEqual(paths(null, 2), ['bob/1.jpg', 'alice/2.jpg']);
    assert.deepEqual(holdings.unreadSum(4), { files: 2, bytes: 30 });
    assert.deepEqual(holdings.unreadSum(null), { files: 3, bytes: 70 });
    assert.deepEqual(holdings.unreadSum(9), { files: 0, bytes: 0 });
  });
});
