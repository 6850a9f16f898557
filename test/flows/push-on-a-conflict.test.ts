import assert from 'node:assert/strict';
import { BootedBaluPi } from '../fakes/boot-balupi.ts';
import { HttpSink } from '../fakes/http-sink.ts';
import { importExample } from './imported-example.ts';

describe('The example that pushes on a conflict', function () {
  this.timeout(120_000);
  const phone = new HttpSink();
  let balupi: BootedBaluPi;
  let token: string;

  before(async () => {
    const url = await phone.start();
    balupi = await BootedBaluPi.start({
      environment: { BALUPI_NAS_PROBE_INTERVAL_SECONDS: '1' },
      prepare: ({ flows }) => {
        importExample(flows, '14 - Push on a conflict', (node) =>
          node.type === 'http request' ? { ...node, url: `${url}/our-topic` } : node,
        );
      },
    });
    token = await balupi.signIn('alice');
  });

  after(async () => {
    await balupi.stop();
    await phone.stop();
  });

  async function upload(name: string, headers: Record<string, string> = {}): Promise<void> {
    const body = new FormData();
    body.set('path', 'alice');
    body.set('file', new Blob(['my plan']), name);
    const answered = await fetch(`${balupi.url}/api/files/upload`, {
      ...{ method: 'POST', body },
      headers: { Authorization: `Bearer ${token}`, ...headers },
    });
    assert.equal(answered.status, 200, await answered.text());
  }

  it('says whose file it is and which, and says nothing of an upload that went well', async () => {
    await balupi.nas.putFile('alice/plan.txt', Buffer.from('somebody else’s plan'), 'alice');
    await upload('fine.txt');
    await upload('plan.txt', { 'X-Base-Checksum': 'a'.repeat(64) });
    const told = await phone.took(({ body }) => body.includes('plan.txt'));
    assert.equal(told.path, '/our-topic');
    assert.equal(told.headers['title'], 'BaluPi');
    assert.equal(
      told.body,
      'Conflict: alice/plan.txt (alice) had changed on the NAS. Both versions are kept.',
    );
    assert.equal(phone.taken.length, 1, JSON.stringify(phone.taken));
  });
});
