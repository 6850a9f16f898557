import assert from 'node:assert/strict';
import { BootedBaluPi } from '../fakes/boot-balupi.ts';

describe('An idle desktop that looks for what is not there', function () {
  this.timeout(60_000);
  let pi: BootedBaluPi;
  let token: string;

  before(async () => {
    pi = await BootedBaluPi.start();
    token = await pi.signIn('alice');
    await pi.nas.putFolder('alice/desk', 'alice');
    await pi.nas.putFile('alice/desk/a.txt', Buffer.from('a'), 'alice');
    await fetch(`${pi.nas.url}/api/sync/register-desktop`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
      body: JSON.stringify({ device_id: 'desk-1', device_name: 'desk' }),
    });
  });

  after(async () => {
    await pi.stop();
  });

  it('costs the NAS no more than its share, and is shown what is new', async () => {
    const missing = Array.from({ length: 94 }, (_, index) => `alice/desk/alice/${index}/x.txt`);
    const cycle = async (token_: string): Promise<string> => {
      const body = {
        change_token: token_,
        device_id: 'desk-1',
        file_list: [{ path: 'a.txt', hash: '', size: 1, modified_at: '2026-02-22T14:30:00Z' }],
      };
      const asked = await fetch(`${pi.url}/api/sync/changes`, {
        method: 'POST',
        headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
        body: JSON.stringify(body),
      });
      assert.equal(asked.status, 200);
      const told = (await asked.json()) as { readonly change_token: string };
      for (const path of missing) {
        const got = await fetch(`${pi.url}/api/files/download/${path}`, {
          headers: { Authorization: `Bearer ${token}` },
        });
        assert.equal(got.status, 404, path);
        await got.arrayBuffer();
      }
      return told.change_token;
    };
    let changeToken = await cycle('');
    pi.nas.resetCounters();
    for (let round = 0; round < 8; round += 1) changeToken = await cycle(changeToken);
    assert.ok(
      pi.nas.requests.length <= 3,
      pi.nas.requests.map(({ method, url }) => `${method} ${url}`).join('\n'),
    );
    assert.ok(pi.nas.requests.every(({ headers }) => headers['x-sync-trigger'] === 'auto'));
  });
});
