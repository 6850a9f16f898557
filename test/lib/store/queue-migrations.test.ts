import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { QUEUE_MIGRATIONS } from '../../../nodes/lib/store/databases.ts';
import { Store } from '../../../nodes/lib/store/store.ts';
import { OverviewRows } from '../../../nodes/lib/upload/overview-rows.ts';

describe('The queue of an older BaluPi', () => {
  it('keeps what waits and what was delivered', () => {
    const folder = mkdtempSync(join(tmpdir(), 'balupi-migration-'));
    const opened = (migrations: typeof QUEUE_MIGRATIONS): Store =>
      Store.open({
        file: join(folder, 'queue.db'),
        name: 'queue',
        synchronous: 'FULL',
        migrations,
      });
    const old = opened(QUEUE_MIGRATIONS.slice(0, 6));
    for (const [id, state, bytes, syncedAtMs] of [
      ['one', 'synced', 0, 7_000],
      ['two', 'queued', 1, null],
    ] as const) {
      old
        .prepare(
          `INSERT INTO upload_queue (id, user_id, username, folder, filename, path, size_bytes,
             sha256, base_source, state, has_bytes, created_at_ms, synced_at_ms)
           VALUES (?, 1, 'alice', 'alice', ?, ?, 10, '', 'none', ?, ?, 5000, ?)`,
        )
        .run(id, id, `alice/${id}`, state, bytes, syncedAtMs);
    }
    old.close();
    const store = opened(QUEUE_MIGRATIONS);
    const rows = new OverviewRows(store);
    const ids = (found: readonly { readonly id: string }[]): string[] => found.map(({ id }) => id);
    assert.deepEqual(ids(rows.list(1, null)), ['two', 'one']);
    assert.deepEqual(ids(rows.list(1, 'synced')), ['one']);
    assert.deepEqual(ids(rows.unfinished(1)), ['two']);
    assert.deepEqual(ids(rows.pendingInFolder(1, 'alice')), ['two']);
    assert.equal(rows.queuedBytes(), 10);
    assert.deepEqual([rows.counts(1).pending, rows.counts(1).lastSyncedMs], [1, 7_000]);
    assert.deepEqual([rows.counts(2).pending, rows.counts(2).lastSyncedMs], [0, null]);
    store.close();
    rmSync(folder, { recursive: true });
  });

  it('says conflict of what is one, and of nothing that was settled', () => {
    const folder = mkdtempSync(join(tmpdir(), 'balupi-migration-'));
    const file = join(folder, 'queue.db');
    const opened = (migrations: typeof QUEUE_MIGRATIONS): Store =>
      Store.open({ file, name: 'queue', synchronous: 'FULL', migrations });
    const old = opened(QUEUE_MIGRATIONS.slice(0, 13));
    for (const [id, resolution] of [
      ['open', null],
      ['renamed', 'renamed'],
      ['removed', 'remote'],
      ['replaced', undefined],
    ] as const) {
      const place = `alice/${id}`;
      old
        .prepare(
          `INSERT INTO upload_queue (id, user_id, username, folder, filename, path, delivered_path,
             size_bytes, sha256, base_source, state, has_bytes, created_at_ms, synced_at_ms)
           VALUES (?, 1, 'alice', 'alice', ?, ?, ? || ' (conflict)', 10, '', 'none', 'conflict', 0,
             5000, 6000)`,
        )
        .run(id, id, place, place);
      if (resolution === undefined) continue;
      old
        .prepare(
          `INSERT INTO conflicts (upload_id, user_id, path, conflict_path, size_bytes, sha256,
             found_at_ms, resolution) VALUES (?, 1, ?, ? || ' (conflict)', 10, '', 6000, ?)`,
        )
        .run(id, place, place, resolution);
    }
    old.close();
    const store = opened(QUEUE_MIGRATIONS);
    const states = new OverviewRows(store).list(1, null).map(({ id, state }) => [id, state]);
    store.close();
    rmSync(folder, { recursive: true });
    assert.deepEqual(states, [
      ['replaced', 'synced'],
      ['renamed', 'synced'],
      ['open', 'conflict'],
    ]);
  });
});
