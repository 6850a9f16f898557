import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { BootedBaluPi } from '../fakes/boot-balupi.ts';

describe('A BaluPi whose lines nobody reads any more', function () {
  this.timeout(60_000);

  it('goes on, and does not say so again and again', async () => {
    const pi = await BootedBaluPi.start({
      preload: [resolve('dist', 'test', 'fakes', 'counted-faults.js')],
    });
    try {
      pi.readNoMore();
      // Each refused sign-in writes a line.
      for (let tries = 0; tries < 5; tries += 1) {
        const refused = await fetch(`${pi.url}/api/auth/login`, {
          method: 'POST',
          headers: { 'Content-Type': 'application/json' },
          body: JSON.stringify({ username: 'nobody', password: `wrong ${tries}` }),
        });
        assert.ok([401, 429].includes(refused.status), String(refused.status));
      }
      assert.equal((await fetch(`${pi.url}/api/health`)).status, 200);
      assert.deepEqual(await pi.tell({}), { faults: 0 });
    } finally {
      await pi.stop();
    }
  });
});
