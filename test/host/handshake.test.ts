import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import { BootedBaluPi } from '../fakes/boot-balupi.ts';

const SECRET = 'practice-secret-of-the-handshake';
const GOODBYE = '/api/handshake/nas-going-offline';
const HELLO = '/api/handshake/nas-coming-online';

interface Answered {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
  readonly text: string;
}

describe("The NAS's goodbye and hello", function () {
  this.timeout(60_000);
  let pi: BootedBaluPi;
  let token: string;

  async function call(path: string, init: RequestInit = {}): Promise<Answered> {
    const answered = await fetch(`${pi.url}${path}`, init);
    const text = await answered.text();
    return { status: answered.status, text, body: JSON.parse(text) as Answered['body'] };
  }

  async function asAlice(path: string): Promise<Answered> {
    return await call(path, { headers: { Authorization: `Bearer ${token}` } });
  }

  /** @param canonical what is signed; on the wire the body differs, as the NAS's does */
  async function say(path: string, body: string, canonical = body): Promise<Answered> {
    const timestamp = String(Math.floor(Date.now() / 1_000));
    const hash = createHash('sha256').update(canonical).digest('hex');
    const text = `POST:${path}:${timestamp}:${hash}`;
    const signature = createHmac('sha256', SECRET).update(text).digest('hex');
    return await call(path, {
      method: 'POST',
      headers: {
        'Content-Type': 'application/json',
        'X-Balupi-Timestamp': timestamp,
        'X-Balupi-Signature': signature,
      },
      ...(body === '' ? {} : { body }),
    });
  }

  before(async () => {
    // No probe within the test: all that is learnt comes from the handshake.
    pi = await BootedBaluPi.start({
      environment: {
        BALUPI_HANDSHAKE_SECRET: SECRET,
        BALUPI_NAS_PROBE_INTERVAL_SECONDS: '600',
        BALUPI_WAKE_ON_MISS: 'false',
      },
    });
    token = await pi.signIn('alice');
  });

  after(async () => {
    await pi.stop();
  });

  it('are heard from the NAS alone', async () => {
    const unsigned = await call(GOODBYE, { method: 'POST' });
    assert.deepEqual([unsigned.status, unsigned.body['code']], [401, 'bad_signature']);
    const wrong = await say(GOODBYE, '{"a": 1}', '{"a":2}');
    assert.deepEqual([wrong.status, wrong.body['detail']], [401, 'Invalid HMAC signature']);
    const large = await say(GOODBYE, JSON.stringify('x'.repeat(1024 * 1024)));
    assert.deepEqual([large.status, large.body['code']], [413, 'too_large']);
    const headers = { 'X-Balupi-Timestamp': 'sôon', 'X-Balupi-Signature': 'ä'.repeat(64) };
    assert.equal((await call(HELLO, { method: 'POST', headers })).status, 401);
    const nobody = await call('/api/handshake/status');
    assert.deepEqual([nobody.status, nobody.body['code']], [401, 'no_token']);
    const none = await asAlice('/api/handshake/snapshot');
    assert.deepEqual([none.status, none.body['detail']], [404, 'No snapshot available']);
    assert.equal((await asAlice('/api/handshake/status')).body['nas_state'], 'online');
  });

  it('make files asleep at once, and deliver what was queued once it answers again', async () => {
    const wire = '{"version": 1, "bytes": 9007199254740993}';
    const bye = await say(GOODBYE, wire, '{"bytes":9007199254740993,"version":1}');
    assert.deepEqual(bye.body, { acknowledged: true, dns_switched: false }, bye.text);
    const missing = await asAlice('/api/files/download/alice/never-read.bin');
    assert.equal(missing.status, 503);
    assert.equal((await asAlice('/api/nas/status')).body['sleep_state'], 'going_offline');
    assert.equal((await asAlice('/api/handshake/snapshot')).text, wire);

    const form = new FormData();
    form.append('path', 'alice');
    form.append('file', new Blob(['x'.repeat(1024 * 1024)]), 'queued.bin');
    const headers = { Authorization: `Bearer ${token}` };
    const sent = await call('/api/files/upload', { method: 'POST', headers, body: form });
    assert.equal(sent.status, 200, sent.text);
    await pi.nas.sleep('suspend');
    const { body } = await asAlice('/api/handshake/status');
    assert.deepEqual(
      [body['nas_state'], body['inbox_files'], body['inbox_size_mb']],
      ['offline', 1, 1],
    );
    assert.match(String(body['last_snapshot']), /^\d{4}-.*Z$/);

    const hello = await say(HELLO, '');
    assert.deepEqual(hello.body, {
      acknowledged: true,
      inbox_flushed: false,
      files_transferred: 0,
    });
    await pi.nas.wake();
    await pi.until(
      'the inbox to be empty',
      async () => (await asAlice('/api/handshake/status')).body['inbox_files'] === 0,
    );
    const there = await fetch(`${pi.nas.url}/api/files/download/alice/queued.bin`, { headers });
    assert.equal((await there.arrayBuffer()).byteLength, 1024 * 1024);
    assert.equal((await asAlice('/api/handshake/status')).body['nas_state'], 'online');
  });
});
