import assert from 'node:assert/strict';
import { BootedBaluPi } from '../fakes/boot-balupi.ts';
import { AndroidApp } from '../practice/clients/android-app.ts';

/**
 * Requests a minute, of everybody together, with which the NAS still goes to sleep (docs/KEPT.md).
 */
const A_MINUTE = 3;
const ROUNDS = 6;

describe('A phone that lies open on its dashboard', function () {
  this.timeout(120_000);
  let pi: BootedBaluPi;
  let app: AndroidApp;

  before(async () => {
    // The Pi's own registration would be counted too.
    pi = await BootedBaluPi.start({ environment: { BALUPI_ENROL: 'off' } });
    app = new AndroidApp(pi.url);
    const headers = { Authorization: `Bearer ${await pi.signIn('alice')}` };
    const generated = await fetch(
      `${pi.url}/api/mobile/token/generate?device_name=Phone&token_validity_days=90`,
      { method: 'POST', headers },
    );
    await app.pair(((await generated.json()) as { readonly token: string }).token);
    // What was never requested goes to the NAS once, as somebody has just opened the app.
    await app.tiles();
  });

  after(async () => {
    await pi.stop();
  });

  it('leaves the NAS its share, as what nobody waits for, and is shown all its tiles', async () => {
    const startedMs = performance.now();
    pi.nas.resetCounters();
    for (let round = 0; round < ROUNDS; round += 1) {
      for (let look = 0; look < 2; look += 1) {
        assert.equal(await app.isOnline(), true);
        assert.ok((await app.systemInfo()) > 0);
      }
      assert.deepEqual([...new Set(await app.tiles())], [200]);
    }
    const minutes = Math.ceil((performance.now() - startedMs) / 60_000);
    const asked = pi.nas.requests.map(({ method, url }) => `${method} ${url}`);
    assert.ok(asked.length <= A_MINUTE * minutes, asked.join('\n'));
    const auto = pi.nas.requests.map(({ headers }) => headers['x-sync-trigger'] === 'auto');
    const harmless = /\/api\/(?:system\/info|sync\/preflight)/;
    assert.ok(asked.every((line, index) => auto[index] === true || harmless.test(line)));
  });
});
