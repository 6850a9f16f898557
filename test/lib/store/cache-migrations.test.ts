import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CopyRows } from '../../../nodes/lib/cache/copy-rows.ts';
import { CACHE_MIGRATIONS } from '../../../nodes/lib/store/databases.ts';
import { Store } from '../../../nodes/lib/store/store.ts';

describe('The cache of an older BaluPi', () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'balupi-migration-'));
  });

  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  function opened(migrations: typeof CACHE_MIGRATIONS): Store {
    return Store.open({
      file: join(folder, 'cache.db'),
      name: 'cache',
      synchronous: 'NORMAL',
      migrations,
    });
  }

  it('keeps its copies and counts, none of them pinned, in the order they were worth', () => {
    const old = opened(CACHE_MIGRATIONS.slice(0, 1));
    for (const [name, priority] of [
      ['a', 2],
      ['b', 1],
      ['c', 3],
    ] as const) {
      old
        .prepare(
          `INSERT INTO cached_files (path, size_bytes, modified_at, modified_at_ms, sha256, blob,
             access_count, accessed_at_ms, weight, priority, validated_at_ms, created_at_ms)
           VALUES (?, 10, '2026-01-01T00:00:00Z', 0, '', ?, 1, 0, 4096, ?, 0, 0)`,
        )
        .run(`alice/${name}`, name.repeat(32), priority);
    }
    old.prepare('UPDATE cache_totals SET file_count = 3, total_bytes = 30, hits = 7').run();
    old.close();
    const store = opened(CACHE_MIGRATIONS);
    const copies = new CopyRows(store);
    assert.deepEqual(copies.totals(), { fileCount: 3, totalBytes: 30 });
    const order: string[] = [];
    for (let victim = copies.lowest(null); victim !== null; victim = copies.lowest(victim)) {
      order.push(victim.blob.slice(0, 1));
      assert.equal(victim.pinned, 0);
    }
    assert.deepEqual(order, ['b', 'a', 'c']);
    assert.equal(store.prepare('SELECT hits FROM cache_totals').get()?.['hits'], 7);
    store.close();
  });
});
