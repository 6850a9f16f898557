import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DataFolder } from '../../../nodes/lib/store/data-folder.ts';
import type { Store } from '../../../nodes/lib/store/store.ts';

describe('A data folder whose databases are those of some time ago', () => {
  const folder = mkdtempSync(join(tmpdir(), 'balupi-older-'));

  after(() => {
    rmSync(folder, { recursive: true });
  });

  const lastIdIn = (cache: Store): number =>
    Number(cache.prepare("SELECT seq FROM sqlite_sequence WHERE name = 'file_ids'").get()?.['seq']);

  it('gives no id again that was given since, and does so once', () => {
    const first = DataFolder.open(folder);
    const before = lastIdIn(first.cache);
    first.close();
    writeFileSync(join(folder, 'ids-anew'), '');
    for (const start of ['first', 'second']) {
      const data = DataFolder.open(folder);
      assert.equal(lastIdIn(data.cache), before + 1_000_000, start);
      data.close();
    }
    assert.equal(existsSync(join(folder, 'ids-anew')), false);
  });

  it('lets nobody in who may have signed out since', () => {
    const first = DataFolder.open(folder);
    first.queue.exec(`
      INSERT INTO users (id, username, role, role_iat_s, is_active, answered_at_ms)
        VALUES (1, 'alice', 'user', 0, 1, 0);
      INSERT INTO page_sessions VALUES (x'00', 1, 1, 0, 0);
    `);
    first.close();
    writeFileSync(join(folder, 'distrust'), '');
    const data = DataFolder.open(folder);
    assert.equal(data.queue.holdsAnyOf(['page_sessions']), false);
    assert.equal(data.queue.holdsAnyOf(['users']), true);
    data.close();
    assert.equal(existsSync(join(folder, 'distrust')), false);
  });
});
