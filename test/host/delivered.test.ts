import assert from 'node:assert/strict';
import { BootedBaluPi } from '../fakes/boot-balupi.ts';

const SETTINGS = { BALUPI_NAS_PROBE_INTERVAL_SECONDS: '1', BALUPI_WAKE_ON_MISS: 'false' };

/** From the listing before an upload, over its delivery, into the next sleep of the NAS. */
describe('What a user uploaded, once the NAS has it and sleeps again', function () {
  this.timeout(60_000);
  let booted: BootedBaluPi;
  let token: string;

  before(async () => {
    booted = await BootedBaluPi.start({ environment: SETTINGS });
    await booted.nas.putFile('alice/v/first.txt', Buffer.from('first'), 'alice');
    token = await booted.signIn('alice');
  });

  after(async () => {
    await booted.stop();
  });

  async function call(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = { Authorization: `Bearer ${token}` };
    return await fetch(`${booted.url}/api${path}`, { ...init, headers });
  }

  async function names(folder: string): Promise<string[]> {
    const answered = await call(`/files/list?path=${folder}`);
    const { files } = (await answered.json()) as { files: { name: string }[] };
    return files.map(({ name }) => name).sort();
  }

  async function upload(folder: string): Promise<void> {
    const body = new FormData();
    body.set('path', folder);
    body.set('file', new Blob([`for ${folder}`]), 'new.txt');
    assert.equal((await call('/files/upload', { method: 'POST', body })).status, 200);
  }

  async function until(path: string, isSo: (told: Record<string, unknown>) => boolean) {
    const limitMs = performance.now() + 20_000;
    while (performance.now() < limitMs) {
      if (isSo((await (await call(path)).json()) as Record<string, unknown>)) return;
      await new Promise((next) => {
        setTimeout(next, 50);
      });
    }
    assert.fail(`${path} did not come to what was waited for. ${booted.output}`);
  }

  it('is still shown, and still read', async () => {
    assert.deepEqual(await names('alice'), ['v']);
    assert.deepEqual(await names('alice/v'), ['first.txt']);
    await upload('alice/v');
    await upload('alice/w');
    await until('/files/sync/status', ({ pending_uploads: pending }) => pending === 0);
    await booted.nas.sleep('suspend');
    await until('/nas/status', ({ online }) => online === false);
    assert.deepEqual(await names('alice/v'), ['first.txt', 'new.txt']);
    assert.deepEqual(await names('alice'), ['v', 'w']);
    for (const folder of ['alice/v', 'alice/w']) {
      const read = await call(`/files/download/${folder}/new.txt`);
      assert.equal(await read.text(), `for ${folder}`);
      assert.equal(read.headers.get('x-balupi-cache'), 'stale');
    }
  });
});
