import assert from 'node:assert/strict';
import { statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { BootedBaluPi } from '../fakes/boot-balupi.ts';

const GB = 1e9;
const MB = 1e6;
/** How much of this test's disk uploads may take. */
const QUOTA_BYTES = 1.5 * GB;
/** Together more than that; each less than one of two users' shares. */
const ANNOUNCED_MB = [400, 400, 400, 200, 100, 50, 25];

describe('a user who announces uploads and sends none', () => {
  it('blocks nobody', async function () {
    this.timeout(120_000);
    const { bavail, bsize } = statfsSync(tmpdir());
    const minFreeGb = Math.max(0, (bavail * bsize - QUOTA_BYTES) / GB);
    const booted = await BootedBaluPi.start({
      environment: { BALUPI_CACHE_MIN_FREE_GB: minFreeGb.toFixed(3) },
    });
    try {
      const [alice, bob] = [await booted.signIn('alice'), await booted.signIn('bob')];
      const begun: number[] = [];
      for (const [index, sizeMb] of ANNOUNCED_MB.entries()) {
        const answered = await fetch(`${booted.url}/api/files/upload/chunked/init`, {
          method: 'POST',
          headers: { Authorization: `Bearer ${alice}`, 'Content-Type': 'application/json' },
          body: JSON.stringify({
            filename: `${index}.bin`,
            total_size: sizeMb * MB,
            target_path: 'alice',
          }),
        });
        begun.push(answered.status);
      }
      assert.deepEqual(
        begun,
        ANNOUNCED_MB.map(() => 200),
      );
      const form = new FormData();
      form.append('path', 'bob');
      form.append('file', new Blob([new Uint8Array(60 * MB)]), 'film.bin');
      const sent = await fetch(`${booted.url}/api/files/upload`, {
        method: 'POST',
        headers: { Authorization: `Bearer ${bob}` },
        body: form,
      });
      assert.equal(sent.status, 200, await sent.text());
    } finally {
      await booted.stop();
    }
  });
});
