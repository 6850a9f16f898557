import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { CacheBench } from './cache-bench.ts';
import { FILES, putAll } from './crash-files.ts';

/** Beside this file, which is compiled or not. */
const CHILD = `./filling-child${extname(import.meta.filename)}`;
/** When the process is killed, after it began to fetch; in the midst of different things. */
const KILLED_AFTER_MS = [5, 90, 260];

describe('A cache killed in the middle of its fills', function () {
  this.timeout(60_000);

  for (const afterMs of KILLED_AFTER_MS) {
    it(`serves right bytes or none afterwards, and leaves no waste (after ${afterMs} ms)`, async () => {
      const folder = mkdtempSync(join(tmpdir(), 'balupi-crash-'));
      const child = fork(new URL(CHILD, import.meta.url), [folder]);
      await once(child, 'message');
      await pause(afterMs);
      const over = once(child, 'exit');
      child.kill('SIGKILL');
      await over;
      const bench = new CacheBench(folder);
      try {
        await bench.start();
        putAll(bench.nas);
        assert.deepEqual(bench.onDisk('fills'), []);
        await bench.files.list(bench.alice, 'alice');
        bench.awake = false;
        for (const { path, bytes } of FILES) {
          const got = await bench.get(path);
          if (got.status === 200) assert.ok(got.cut || got.body.equals(bytes), path);
          else assert.equal(got.status, 503);
        }
        bench.awake = true;
        for (const { path, bytes } of FILES) {
          assert.ok((await bench.get(path)).body.equals(bytes), path);
          await bench.until(() => bench.cache.isKept(path));
        }
        await bench.until(() => bench.onDisk('fills').length === 0);
        // A day of the slow check collects what no row knows.
        for (let round = 0; round < 96; round += 1) await bench.cache.check();
        const sizes = FILES.reduce((sum, { bytes }) => sum + bytes.length, 0);
        assert.equal(bench.cache.stats().totalBytes, sizes);
        assert.equal(bench.cache.stats().fileCount, FILES.length);
        assert.equal(bench.onDisk('blobs').length, 3 + 18);
        assert.ok(readdirSync(folder).includes('cache'));
      } finally {
        await bench.close();
      }
    });
  }
});
