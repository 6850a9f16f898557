import assert from 'node:assert/strict';
import { BootedBaluPi } from '../fakes/boot-balupi.ts';

const SETTINGS = { BALUPI_NAS_PROBE_INTERVAL_SECONDS: '1', BALUPI_WAKE_ON_MISS: 'false' };

/** From the listing before an upload, through its delivery, into the NAS's next sleep. */
describe('What a user uploaded, once the NAS has it and sleeps again', function () {
  this.timeout(60_000);
  let booted: BootedBaluPi;
  const tokens: Record<string, string> = {};

  beforeEach(async () => {
    booted = await BootedBaluPi.start({ hurry: 5, environment: SETTINGS });
    await booted.nas.putFile('alice/v/first.txt', Buffer.from('first'), 'alice');
    for (const user of ['alice', 'bob']) tokens[user] = await booted.signIn(user);
  });

  afterEach(async () => {
    await booted.stop();
  });

  async function call(path: string, init: RequestInit = {}, user = 'alice'): Promise<Response> {
    const headers = { Authorization: `Bearer ${tokens[user] ?? ''}`, ...init.headers };
    return await fetch(`${booted.url}/api${path}`, { ...init, headers });
  }

  async function names(folder: string, user = 'alice'): Promise<string[]> {
    const answered = await call(`/files/list?path=${folder}`, {}, user);
    assert.equal(answered.status, 200, `${folder} for ${user}`);
    const { files } = (await answered.json()) as { files: { name: string }[] };
    return files.map(({ name }) => name).sort();
  }

  async function upload(folder: string, name = 'new.txt', headers = {}): Promise<void> {
    const body = new FormData();
    body.set('path', folder);
    body.set('file', new Blob([`for ${folder}`]), name);
    assert.equal((await call('/files/upload', { method: 'POST', body, headers })).status, 200);
  }

  async function delivered(): Promise<void> {
    await booted.until('the delivery', async () => {
      return (await told('/files/sync/status'))['pending_uploads'] === 0;
    });
  }

  async function asleep(): Promise<void> {
    await booted.nas.sleep('suspend');
    await booted.until('the sleep', async () => (await told('/nas/status'))['online'] === false);
  }

  async function told(path: string): Promise<Record<string, unknown>> {
    return (await (await call(path)).json()) as Record<string, unknown>;
  }

  it('is still shown, and still read', async () => {
    assert.deepEqual(await names('alice'), ['v']);
    assert.deepEqual(await names('alice/v'), ['first.txt']);
    await upload('alice/v');
    await upload('alice/w');
    await delivered();
    await asleep();
    assert.deepEqual(await names('alice/v'), ['first.txt', 'new.txt']);
    assert.deepEqual(await names('alice'), ['v', 'w']);
    for (const folder of ['alice/v', 'alice/w']) {
      const read = await call(`/files/download/${folder}/new.txt`);
      assert.equal(await read.text(), `for ${folder}`);
      assert.equal(read.headers.get('x-balupi-cache'), 'stale');
    }
  });

  it('is there at once in folders that were made for it, and for everybody who may see it', async () => {
    assert.deepEqual(await names('alice'), ['v']);
    assert.deepEqual(await names('Shared', 'bob'), []);
    // The NAS lists missing folders as empty.
    assert.deepEqual(await names('alice/n'), []);
    assert.deepEqual(await names('Shared/n/m', 'bob'), []);
    await upload('alice/n');
    await upload('Shared/n/m');
    await upload('alice/phone/2026/11');
    await delivered();
    const check = async (): Promise<void> => {
      assert.deepEqual(await names('alice/n'), ['new.txt']);
      for (const [folder, shown] of [
        ['alice', ['n', 'phone', 'v']],
        ['alice/phone', ['2026']],
        ['alice/phone/2026', ['11']],
        ['alice/phone/2026/11', ['new.txt']],
      ] as const) {
        assert.deepEqual(await names(folder), shown);
      }
      assert.deepEqual(await names('Shared', 'bob'), ['n']);
      assert.deepEqual(await names('Shared/n', 'bob'), ['m']);
      assert.deepEqual(await names('Shared/n/m', 'bob'), ['new.txt']);
      const { files } = (await (await call('/files/list?path=alice/n')).json()) as {
        files: { id: number }[];
      };
      for (const spelling of [
        `/files/download/${String(files[0]?.id)}`,
        '/files/download/alice/n/new.txt',
        '/files/download/alice%2Fn%2Fnew.txt',
        '/files/download?path=%2Falice%2Fn%2Fnew.txt',
      ]) {
        const read = await call(spelling);
        assert.equal(read.status, 200, spelling);
        assert.equal(await read.text(), 'for alice/n');
      }
      const read = await call('/files/download/Shared/n/m/new.txt', {}, 'bob');
      assert.equal(await read.text(), 'for Shared/n/m');
    };
    await check();
    await asleep();
    await check();
  });

  it('shows a conflict copy and what was settled about it, though the NAS sleeps right after', async () => {
    const COPY = /^first \(conflict .*\)\.txt$/;
    assert.deepEqual(await names('alice/v'), ['first.txt']);
    const another = { 'X-Base-Checksum': '0'.repeat(64) };
    await upload('alice/v', 'first.txt', another);
    await delivered();
    const [copy = '', ...rest] = await names('alice/v');
    assert.match(copy, COPY);
    assert.deepEqual(rest, ['first.txt']);
    const told = (await (await call('/files/conflicts')).json()) as { conflicts: { id: number }[] };
    // The delivery releases the path a moment after its row says so.
    await booted.until('the delivery', async () => {
      const settled = await call(`/files/conflicts/${String(told.conflicts[0]?.id)}`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ resolution: 'local' }),
      });
      assert.ok([200, 409].includes(settled.status), await settled.text());
      return settled.status === 200;
    });
    await asleep();
    assert.deepEqual(await names('alice/v'), [copy, 'first.txt']);
    const { files } = (await (await call('/files/list?path=alice/v')).json()) as {
      files: { name: string; size: number }[];
    };
    assert.deepEqual(
      files.map(({ size }) => size),
      [5, 11],
    );
  });
});
