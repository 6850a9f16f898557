import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import { BootedBaluPi } from '../fakes/boot-balupi.ts';

interface Answered {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

/** What is in each folder before a test. */
const BEFORE: Readonly<Record<string, readonly string[]>> = {
  alice: ['docs', 'z.txt'],
  'alice/docs': ['a.txt', 'b.txt', 'deep'],
  'alice/docs/deep': ['c.txt'],
};

/**
 * Changes that people make on the NAS through the Pi, and what they see right after, asleep too.
 */
describe('A change that passes', function () {
  this.timeout(60_000);
  let pi: BootedBaluPi;
  const tokens = new Map<string, string>();

  before(async () => {
    pi = await BootedBaluPi.start({
      hurry: 5,
      environment: { BALUPI_NAS_PROBE_INTERVAL_SECONDS: '1', BALUPI_WAKE_ON_MISS: 'false' },
    });
    for (const name of ['alice', 'bob', 'admin']) tokens.set(name, await pi.signIn(name));
  });

  after(async () => {
    await pi.stop();
  });

  beforeEach(async () => {
    await pi.nas.wake();
    await pi.until('the NAS to be seen awake', async () => await isAwake());
    for (const name of ['a.txt', 'b.txt', 'deep/c.txt']) {
      await pi.nas.putFile(`alice/docs/${name}`, Buffer.from(name), 'alice');
    }
    await pi.nas.putFile('alice/z.txt', Buffer.from('z'), 'alice');
    for (const who of ['alice', 'admin']) {
      for (const [folder, wanted] of Object.entries(BEFORE)) {
        // A listing that was asked for before the files came may still be on its way.
        await pi.until(`${who} to be told of ${folder}`, async () =>
          isDeepStrictEqual(await names(who, folder), wanted),
        );
      }
    }
    assert.equal(await read('alice', 'alice/docs/a.txt'), 'a.txt');
  });

  afterEach(async () => {
    pi.nas.faults.clear();
    await pi.nas.wake();
    await pi.until('the NAS to be seen awake', async () => await isAwake());
    for (const path of ['alice/docs', 'alice/papers', 'alice/z.txt', 'alice/new']) {
      await call('admin', 'DELETE', `/api/files/${path}`);
    }
  });

  async function call(who: string, method: string, path: string, body?: unknown) {
    const answered = await fetch(`${pi.url}${path}`, {
      method,
      headers: {
        Authorization: `Bearer ${tokens.get(who) ?? ''}`,
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    }).catch(() => null);
    const text = (await answered?.text()) ?? '';
    const told = text.startsWith('{') || text.startsWith('[') ? (JSON.parse(text) as unknown) : {};
    return { status: answered?.status ?? 0, body: told as Answered['body'] };
  }

  async function isAwake(): Promise<boolean> {
    return (await call('alice', 'GET', '/api/nas/status')).body['online'] === true;
  }

  async function asleep(): Promise<void> {
    await pi.nas.sleep('suspend');
    await pi.until('the NAS to be seen asleep', async () => !(await isAwake()));
  }

  async function names(who: string, folder: string): Promise<readonly string[] | number | string> {
    const { status, body } = await call(who, 'GET', listOf(folder));
    if (status === 404) return status;
    if (status !== 200) return `${status} ${JSON.stringify(body)}`;
    return (body['files'] as readonly { readonly name: string }[]).map(({ name }) => name).sort();
  }

  function listOf(folder: string): string {
    return `/api/files/list?path=${encodeURIComponent(folder)}`;
  }

  async function read(who: string, path: string): Promise<string | number> {
    const headers = { Authorization: `Bearer ${tokens.get(who) ?? ''}` };
    const answered = await fetch(`${pi.url}/api/files/download/${path}`, { headers });
    return answered.status === 200 ? await answered.text() : answered.status;
  }

  async function isRenamed(): Promise<void> {
    await asleep();
    for (const who of ['alice', 'admin']) {
      assert.deepEqual(await names(who, 'alice/papers'), ['a.txt', 'b.txt', 'deep']);
      assert.deepEqual(await names(who, 'alice/papers/deep'), ['c.txt']);
      assert.equal(await names(who, 'alice/docs'), 404);
    }
    // Its cache entry moved with it, and its old name has none.
    assert.equal(await read('alice', 'alice/papers/a.txt'), 'a.txt');
    assert.equal(await read('alice', 'alice/docs/a.txt'), 404);
  }

  const RENAME = { old_path: 'alice/docs', new_name: 'papers' };

  it('renames a folder for everybody and everything below it, asleep from the next moment on', async () => {
    const { status } = await call('alice', 'PUT', '/api/files/rename', RENAME);
    assert.equal(status, 200);
    await isRenamed();
  });

  it('counts where the NAS did it and then says 500', async () => {
    pi.nas.faults.set({ method: 'PUT', path: /rename$/, statusAfter: 500, times: 1 });
    const { status } = await call('alice', 'PUT', '/api/files/rename', RENAME);
    assert.ok(status >= 500, String(status));
    await isRenamed();
  });

  it('counts where the NAS did it and then says nothing', async () => {
    pi.nas.faults.set({ method: 'PUT', path: /rename$/, cutAfterBytes: 0, times: 1 });
    const { status } = await call('alice', 'PUT', '/api/files/rename', RENAME);
    assert.ok(status >= 500, String(status));
    await pi.until('the NAS to be seen awake', async () => await isAwake());
    await isRenamed();
  });

  it('changes nothing here where the NAS refused it', async () => {
    pi.nas.faults.set({ method: 'PUT', path: /rename$/, status: 403, times: 1 });
    assert.equal((await call('alice', 'PUT', '/api/files/rename', RENAME)).status, 403);
    await asleep();
    assert.deepEqual(await names('alice', 'alice/docs'), ['a.txt', 'b.txt', 'deep']);
  });

  it('deletes for everybody, with the copies, however it is written', async () => {
    const { body } = await call('alice', 'GET', listOf('alice/docs'));
    const files = body['files'] as readonly { name: string; id: number; file_id: number }[];
    const b = files.find(({ name }) => name === 'b.txt');
    assert.equal((await call('alice', 'DELETE', '/api/files/alice/docs/a.txt')).status, 200);
    assert.equal((await call('alice', 'DELETE', `/api/files/${b?.id}`)).status, 200);
    assert.equal(
      (await call('alice', 'DELETE', '/api/files?path=alice%2Fdocs%2Fdeep')).status,
      200,
    );
    await asleep();
    for (const who of ['alice', 'admin']) {
      assert.deepEqual(await names(who, 'alice/docs'), []);
      assert.equal(await names(who, 'alice/docs/deep'), 404);
    }
    assert.equal(await read('alice', 'alice/docs/a.txt'), 404);
    assert.deepEqual(
      (await pi.nas.tree()).map(({ path }) => path).filter((path) => path.startsWith('alice/docs')),
      [],
    );
  });

  it('is understood in the words of every client', async () => {
    const { body } = await call('alice', 'GET', listOf('alice'));
    const files = body['files'] as readonly { name: string; id: number; file_id: number }[];
    const z = files.find(({ name }) => name === 'z.txt');
    const renamed = await call('alice', 'PUT', '/api/files/rename', {
      file_id: z?.file_id,
      new_name: 'y.txt',
    });
    assert.equal(renamed.status, 200, JSON.stringify(renamed.body));
    const moved = await call('alice', 'PUT', '/api/files/move', {
      source_path: 'alice/y.txt',
      destination_path: 'alice/docs',
    });
    assert.equal(moved.status, 200, JSON.stringify(moved.body));
    assert.deepEqual(await names('admin', 'alice/docs'), ['a.txt', 'b.txt', 'deep', 'y.txt']);
    const back = await call('alice', 'PUT', '/api/files/move', {
      file_id: z?.id,
      new_path: 'alice/z.txt',
    });
    assert.equal(back.status, 200, JSON.stringify(back.body));
    await asleep();
    assert.deepEqual(await names('admin', 'alice/docs'), ['a.txt', 'b.txt', 'deep']);
    assert.deepEqual(await names('alice', 'alice'), ['docs', 'z.txt']);
    assert.equal((await call('alice', 'DELETE', '/api/files/1999999999')).status === 200, false);
  });

  it('makes a folder that is there, and empty, from then on', async () => {
    const made = await call('alice', 'POST', '/api/files/folder', { path: 'alice', name: 'new' });
    assert.equal(made.status, 200);
    await asleep();
    assert.deepEqual(await names('alice', 'alice/new'), []);
    assert.deepEqual(await names('admin', 'alice'), ['docs', 'new', 'z.txt']);
  });

  it('refuses a new name that would lie, naming it', async () => {
    const lying = await call('alice', 'PUT', '/api/files/rename', {
      old_path: 'alice/z.txt',
      new_name: 'photo\u202egpj.exe',
    });
    assert.deepEqual([lying.status, lying.body['code']], [400, 'bad_path']);
  });

  it('leaves a home and Shared where they are, whoever asks but an admin for another', async () => {
    for (const [who, method, path, body] of [
      ['alice', 'DELETE', '/api/files/alice', undefined],
      ['alice', 'DELETE', '/api/files?path=/alice/', undefined],
      ['alice', 'POST', '/api/files/delete', { path: 'alice' }],
      ['alice', 'PUT', '/api/files/rename', { old_path: 'alice', new_name: 'gone' }],
      ['alice', 'PUT', '/api/files/move', { source_path: 'alice', target_path: 'Shared' }],
      ['alice', 'DELETE', '/api/files/Shared', undefined],
      ['alice', 'DELETE', '/api/files/bob', undefined],
      ['admin', 'DELETE', '/api/files/admin', undefined],
    ] as const) {
      const answered = await call(who, method, path, body);
      const told = [answered.status, answered.body['code']];
      assert.deepEqual(told, [403, 'not_yours'], `${method} ${path}`);
    }
    assert.deepEqual(await names('alice', 'alice'), ['docs', 'z.txt']);
    await pi.nas.putFile('former/x.txt', Buffer.from('x'), 'admin');
    assert.equal((await call('admin', 'DELETE', '/api/files/former')).status, 200);
    assert.ok(!(await pi.nas.tree()).some(({ path }) => path.startsWith('former')));
    await asleep();
    const answered = await call('alice', 'DELETE', '/api/files/alice');
    assert.deepEqual([answered.status, answered.body['code']], [403, 'not_yours']);
  });

  it('takes what waits in the queue along, and brings back nothing its user deleted', async () => {
    await asleep();
    for (const name of ['one.txt', 'two.txt']) {
      const form = new FormData();
      form.append('path', 'alice/docs');
      form.append('file', new Blob([name]), name);
      const headers = { Authorization: `Bearer ${tokens.get('alice') ?? ''}` };
      const sent = await fetch(`${pi.url}/api/files/upload`, {
        method: 'POST',
        headers,
        body: form,
      });
      assert.equal(sent.status, 200);
    }
    await pi.nas.wake();
    await pi.until('the delivery', async () => {
      const { body } = await call('alice', 'GET', '/api/files/sync/status');
      return body['pending_uploads'] === 0 && body['nas_online'] === true;
    });
    assert.equal((await call('alice', 'DELETE', '/api/files/alice/docs/one.txt')).status, 200);
    const renamed = await call('alice', 'PUT', '/api/files/rename', RENAME);
    assert.equal(renamed.status, 200, JSON.stringify(renamed.body));
    await asleep();
    assert.deepEqual(await names('alice', 'alice/papers'), ['a.txt', 'b.txt', 'deep', 'two.txt']);
    assert.equal(await read('alice', 'alice/papers/two.txt'), 'two.txt');
  });

  it('ends a share for the other at their next read, asleep too', async () => {
    const { body } = await call('alice', 'GET', listOf('alice'));
    const files = body['files'] as readonly { name: string; file_id: number }[];
    const z = files.find(({ name }) => name === 'z.txt');
    const shared = await call('alice', 'POST', '/api/shares/user-shares', {
      file_id: z?.file_id,
      shared_with_user_id: 5,
    });
    assert.equal(shared.status, 201, JSON.stringify(shared.body));
    assert.equal(await read('bob', 'alice/z.txt'), 'z');
    const ended = await call(
      'alice',
      'DELETE',
      `/api/shares/user-shares/${String(shared.body['id'])}`,
    );
    assert.equal(ended.status, 204);
    await asleep();
    assert.equal(await read('bob', 'alice/z.txt'), 404);
  });

  it('sends the NAS to sleep, which counts as asleep from its answer on', async () => {
    const soft = await call('admin', 'POST', '/api/system/sleep/soft', {});
    assert.equal(soft.status, 200, JSON.stringify(soft.body));
    const status = (await call('alice', 'GET', '/api/nas/status')).body;
    assert.equal(status['sleep_state'], 'soft_sleep');
    const listed = await fetch(`${pi.url}${listOf('alice/docs')}`, {
      headers: { Authorization: `Bearer ${tokens.get('alice') ?? ''}` },
    });
    assert.equal(listed.headers.get('x-balupi-cache'), 'stale');
    await listed.text();
  });
});
