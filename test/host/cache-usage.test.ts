import assert from 'node:assert/strict';
import { BootedBaluPi } from '../fakes/boot-balupi.ts';

interface Usage {
  readonly users: readonly {
    readonly username: string;
    readonly pins: number;
    readonly home_files: number;
  }[];
  readonly unread: readonly { readonly path: string }[];
}

describe('GET /api/cache/usage', function () {
  this.timeout(60_000);
  let pi: BootedBaluPi;
  const tokens = new Map<string, string>();

  before(async () => {
    pi = await BootedBaluPi.start();
    for (const name of ['alice', 'bob', 'admin']) tokens.set(name, await pi.signIn(name));
    await pi.nas.putFile('alice/pinned/a.txt', Buffer.from('a'), 'alice');
    await pi.nas.putFile('alice/read.txt', Buffer.from('r'), 'alice');
    await call('alice', '/api/files/list?path=alice');
    await call('alice', '/api/files/download/alice/read.txt');
    await call('alice', '/api/cache/pins', {
      method: 'PUT',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ path: 'alice/pinned' }),
    });
    for (const name of ['bob', 'admin']) await call(name, '/api/auth/me');
  });

  after(async () => {
    await pi.stop();
  });

  async function call(who: string, path: string, init: RequestInit = {}): Promise<Response> {
    const headers = { ...init.headers, Authorization: `Bearer ${tokens.get(who) ?? ''}` };
    const answered = await fetch(`${pi.url}${path}`, { ...init, headers });
    assert.equal(answered.status, 200, path);
    return answered;
  }

  const usage = async (who: string): Promise<Usage> =>
    (await (await call(who, '/api/cache/usage')).json()) as Usage;

  it('tells each what is theirs, and nothing of anybody else', async () => {
    const [alice, ...others] = (await usage('alice')).users;
    assert.deepEqual([alice?.username, alice?.pins, others.length], ['alice', 1, 0]);
    assert.ok((alice?.home_files ?? 0) >= 1);
    const bob = await usage('bob');
    assert.deepEqual(
      bob.users.map(({ username, pins }) => [username, pins]),
      [['bob', 0]],
    );
    assert.doesNotMatch(JSON.stringify(bob), /alice/);
  });

  it('tells an admin everybody’s', async () => {
    const { users } = await usage('admin');
    assert.deepEqual(
      users.map(({ username, pins }) => [username, pins]),
      [
        ['admin', 0],
        ['alice', 1],
        ['bob', 0],
      ],
    );
  });

  it('has no ratio of hits on a day without a read', async () => {
    const answered = await call('alice', '/api/cache/days?days=2');
    const { days } = (await answered.json()) as {
      days: { hit_rate_percent: number | null; byte_hit_rate_percent: number | null }[];
    };
    assert.deepEqual([days[0]?.hit_rate_percent, days[0]?.byte_hit_rate_percent], [null, null]);
  });
});
