import assert from 'node:assert/strict';
import { BootedBaluPi } from '../fakes/boot-balupi.ts';
import { HttpSink } from '../fakes/http-sink.ts';

describe('The flow that tells a service of this home', function () {
  this.timeout(120_000);
  const service = new HttpSink();
  let balupi: BootedBaluPi;

  before(async () => {
    const url = await service.start();
    balupi = await BootedBaluPi.start({
      environment: {
        BALUPI_NOTICE_URL: `${url}/our-topic`,
        BALUPI_NOTICE_LANGUAGE: 'de',
        BALUPI_NAS_PROBE_INTERVAL_SECONDS: '1',
        BALUPI_NAS_MAC_ADDRESS: '02:00:5E:00:53:01',
        BALUPI_NAS_WAKE_ADDRESS: '127.0.0.1:9',
        BALUPI_NAS_BOOT_TIMEOUT_SECONDS: '1',
      },
    });
  });

  after(async () => {
    await balupi.stop();
    await service.stop();
  });

  it('says of what is one person’s that there is something, not whose and not which file', async () => {
    const token = await balupi.signIn('alice');
    await balupi.nas.putFile('alice/plan.txt', Buffer.from('somebody else’s plan'), 'alice');
    const body = new FormData();
    body.set('path', 'alice');
    body.set('file', new Blob(['my plan']), 'plan.txt');
    const answered = await fetch(`${balupi.url}/api/files/upload`, {
      ...{ method: 'POST', body },
      headers: { Authorization: `Bearer ${token}`, 'X-Base-Checksum': 'a'.repeat(64) },
    });
    assert.equal(answered.status, 200, await answered.text());
    const told = await service.took(({ path }) => path === '/our-topic');
    assert.equal(told.body, 'Ein Konflikt wartet auf der Seite Uploads.');
    assert.deepEqual([told.method, told.headers['title']], ['POST', 'BaluPi']);
    assert.ok(!JSON.stringify(service.taken).includes('plan.txt'));
    assert.ok(!JSON.stringify(service.taken).includes('alice'));
  });

  it('says in whole what everybody may know, in the language of this BaluPi', async () => {
    const token = await balupi.signIn('admin');
    await balupi.nas.sleep('suspend');
    for (let status = 0; status !== 200;) {
      const asked = await fetch(`${balupi.url}/api/nas/wol`, {
        method: 'POST',
        headers: { Authorization: `Bearer ${token}` },
      });
      status = asked.status;
      // 409: until the Pi has noticed its sleep, the NAS counts as awake.
      assert.ok(status === 200 || status === 409, await asked.text());
    }
    await service.took(({ body }) => body === 'Das NAS ließ sich nicht wecken.');
  });
});
