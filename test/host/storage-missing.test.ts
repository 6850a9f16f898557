import assert from 'node:assert/strict';
import { BootedBaluPi } from '../fakes/boot-balupi.ts';

const SETTINGS = { BALUPI_NAS_PROBE_INTERVAL_SECONDS: '1', BALUPI_WAKE_ON_MISS: 'false' };

/** Its disk is not mounted: an empty storage, in which the NAS makes homes anew. */
describe('A NAS whose disk is not there', function () {
  this.timeout(120_000);
  let booted: BootedBaluPi;
  const tokens: Record<string, string> = {};

  beforeEach(async () => {
    booted = await BootedBaluPi.start({ hurry: 5, environment: SETTINGS });
    await booted.nas.putFile('alice/v/first.txt', Buffer.from('first'), 'alice');
    await booted.nas.putFile('alice/v/second.txt', Buffer.from('second'), 'alice');
    await booted.nas.putFile('alice/note.txt', Buffer.from('note'), 'alice');
    for (const user of ['alice', 'bob', 'admin']) tokens[user] = await booted.signIn(user);
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

  async function told(path: string): Promise<Record<string, unknown>> {
    return (await (await call(path)).json()) as Record<string, unknown>;
  }

  async function nasCheck(): Promise<unknown> {
    const { status, checks } = await told('/health');
    return `${String(status)} ${String((checks as Record<string, unknown>)['nas'])}`;
  }

  async function upload(folder: string): Promise<void> {
    const body = new FormData();
    body.set('path', folder);
    body.set('file', new Blob([`for ${folder}`]), 'new.txt');
    assert.equal((await call('/files/upload', { method: 'POST', body })).status, 200);
  }

  const isWaiting = async (): Promise<boolean> => {
    const { uploads } = (await told('/files/uploads')) as { uploads: { detail: string | null }[] };
    return uploads.some(({ detail }) => detail?.includes('nothing of its storage') === true);
  };

  const isDelivered = async (): Promise<boolean> =>
    (await told('/files/sync/status'))['pending_uploads'] === 0;

  async function paths(): Promise<string[]> {
    return (await booted.nas.tree()).map(({ path }) => path);
  }

  it('keeps what is listed, sends it nothing, says so, and is well again by itself', async () => {
    assert.deepEqual(await names(''), ['Shared', 'alice']);
    assert.deepEqual(await names('alice'), ['note.txt', 'v']);
    assert.equal(await (await call('/files/download/alice/note.txt')).text(), 'note');
    await booted.nas.sleep('suspend');
    await booted.until('the sleep', async () => (await told('/nas/status'))['online'] === false);
    await upload('alice/v');
    await booted.nas.unmountStorage();
    await booted.nas.wake();

    await booted.until('the wait', isWaiting);
    assert.equal(await nasCheck(), 'degraded nas_storage_missing');
    assert.equal((await told('/nas/status'))['nas_storage_missing'], true);
    assert.deepEqual(await paths(), []);
    await booted.restart();
    assert.deepEqual(await names(''), ['Shared', 'alice']);
    const listed = await call('/files/list?path=alice');
    assert.equal(listed.headers.get('x-balupi-cache'), 'stale');
    assert.deepEqual(await names('alice'), ['note.txt', 'v']);
    assert.equal(await (await call('/files/download/alice/note.txt')).text(), 'note');
    await call('/files/uploads');
    for (const path of ['/files/list?path=Shared/x', '/files/download/alice/v/first.txt']) {
      const refused = await call(path);
      assert.equal(refused.status, 503, path);
      const { code } = (await refused.json()) as { code: string };
      assert.equal(code, 'nas_storage_missing', path);
      assert.ok(Number(refused.headers.get('retry-after')) > 0);
    }
    assert.deepEqual(await paths(), []);

    await booted.nas.mountStorage();
    await booted.until('the delivery', isDelivered);
    assert.equal(await nasCheck(), 'ok awake');
    assert.equal((await told('/nas/status'))['nas_storage_missing'], undefined);
    assert.ok((await paths()).includes('alice/v/new.txt'));
    assert.deepEqual(await names('alice/v'), ['first.txt', 'new.txt', 'second.txt']);
  });

  it('is known by its root as an admin sees it', async () => {
    const seen = await names('', 'admin');
    assert.ok(seen.includes('alice') && seen.includes('Shared'), String(seen));
    await booted.nas.unmountStorage();
    await booted.restart();
    assert.deepEqual(await names('', 'admin'), seen);
    assert.equal(await nasCheck(), 'degraded nas_storage_missing');
  });

  it('is not what a last file is that somebody deleted, nor a home that was emptied', async () => {
    await booted.nas.putFile('bob/only.txt', Buffer.from('only'), 'bob');
    assert.deepEqual(await names('bob', 'bob'), ['only.txt']);
    await booted.nas.removeFile('bob/only.txt');
    await booted.nas.putFile('Shared/ours.txt', Buffer.from('ours'), 'bob');
    assert.deepEqual(await names('alice/v'), ['first.txt', 'second.txt']);
    for (const name of ['first', 'second']) await booted.nas.removeFile(`alice/v/${name}.txt`);
    await booted.restart();
    assert.deepEqual(await names('bob', 'bob'), []);
    assert.deepEqual(await names('alice/v'), []);
    assert.equal(await nasCheck(), 'ok awake');
  });
});
