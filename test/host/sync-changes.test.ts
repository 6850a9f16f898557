import assert from 'node:assert/strict';
import { BootedBaluPi } from '../fakes/boot-balupi.ts';

interface Answered {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

describe("A desktop's delta through the Pi", function () {
  this.timeout(60_000);
  let pi: BootedBaluPi;
  let token: string;

  async function call(method: string, path: string, body?: unknown): Promise<Answered> {
    const answered = await fetch(`${pi.url}${path}`, {
      method,
      headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: answered.status, body: (await answered.json()) as Answered['body'] };
  }

  async function changes(files = 1): Promise<Answered> {
    const list = Array.from({ length: files }, (_, index) => ({
      path: `folder/${index}.txt`,
      hash: 'a'.repeat(64),
      size: 1,
      modified_at: '2026-02-22T14:30:00Z',
    }));
    return await call('POST', '/api/sync/changes', { device_id: 'desk-1', file_list: list });
  }

  async function isOnline(): Promise<boolean> {
    return (await call('GET', '/api/files/sync/status')).body['nas_online'] === true;
  }

  before(async () => {
    pi = await BootedBaluPi.start({
      environment: {
        BALUPI_NAS_PROBE_INTERVAL_SECONDS: '1',
        BALUPI_WAKE_ON_MISS: 'false',
        BALUPI_LOG_LEVEL: 'info',
      },
    });
    token = await pi.signIn('alice');
    const device = { device_id: 'desk-1', device_name: 'desk' };
    await fetch(`${pi.nas.url}/api/sync/register-desktop`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
      body: JSON.stringify(device),
    });
  });

  after(async () => {
    await pi.stop();
  });

  it('is the NAS’s own answer without what it would delete, asked without waking it, however long the list is', async () => {
    pi.nas.resetCounters();
    await fetch(`${pi.nas.url}/api/files/mkdir`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
      body: JSON.stringify({ path: 'alice/made' }),
    });
    const { status, body } = await changes(20_000);
    assert.equal(status, 200, JSON.stringify(body));
    assert.deepEqual(body['to_delete'], []);
    const download = body['to_download'] as readonly { readonly path: string }[];
    assert.ok(download.some(({ path }) => path === 'alice/made'));
    assert.deepEqual(body['conflicts'], []);
    assert.equal(typeof body['change_token'], 'string');
    // The log comes through a pipe of its own, later.
    await pi.until('a line in the log', () =>
      /named 20000 paths to delete; none was passed on/.test(pi.output),
    );
    const asked = pi.nas.requests.find(({ path }) => path === '/api/sync/changes');
    assert.equal(asked?.headers['x-sync-trigger'], 'auto');
  });

  it('gives the NAS’s own refusal on, with a code it did not have', async () => {
    const { status, body } = await call('POST', '/api/sync/changes', { device_id: 7 });
    assert.equal(status, 422);
    assert.equal(body['code'], 'invalid');
    assert.ok(Array.isArray(body['detail']), JSON.stringify(body));
  });

  it('is open while an upload failed or lies beside its target, as neither arrives by itself', async () => {
    await fetch(`${pi.nas.url}/api/files/mkdir`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
      body: JSON.stringify({ path: 'alice/beside' }),
    });
    const send = async (content: string, base: string): Promise<void> => {
      const form = new FormData();
      form.append('path', 'alice/beside');
      form.append('file', new Blob([content]), 'a.txt');
      const headers = { Authorization: `Bearer ${token}`, 'X-Base-Checksum': base.repeat(64) };
      const sent = await fetch(`${pi.url}/api/files/upload`, {
        method: 'POST',
        headers,
        body: form,
      });
      assert.equal(sent.status, 200);
      await pi.until(
        'the delivery',
        async () => (await call('GET', '/api/files/sync/status')).body['pending_uploads'] === 0,
      );
    };
    await send('one', 'a');
    await send('two', 'b');
    const { body } = await call('GET', '/api/files/sync/status');
    assert.equal(body['conflicts'], 1);
    assert.equal((await changes()).status, 200);
  });

  it('is refused while the NAS sleeps, and while an upload of the caller is not in its place', async () => {
    await pi.nas.sleep('suspend');
    await pi.until('the NAS to be seen asleep', async () => !(await isOnline()));
    const asleep = await changes();
    assert.deepEqual([asleep.status, asleep.body['code']], [503, 'nas_asleep']);
    const form = new FormData();
    form.append('path', 'alice');
    form.append('file', new Blob(['x']), 'a.txt');
    const headers = { Authorization: `Bearer ${token}` };
    const sent = await fetch(`${pi.url}/api/files/upload`, {
      method: 'POST',
      headers,
      body: form,
    });
    assert.equal(sent.status, 200);
    assert.equal((await call('GET', '/api/mobile/upload/queue/any')).status, 200);
    await pi.nas.wake();
    await pi.until('the changes to be taken', async () => {
      const { status, body } = await changes();
      assert.ok(status === 200 || body['code'] === 'uploads_waiting' || status === 503);
      const { body: queue } = await call('GET', '/api/files/sync/status');
      assert.ok(status !== 200 || queue['pending_uploads'] === 0);
      return status === 200;
    });
  });
});
