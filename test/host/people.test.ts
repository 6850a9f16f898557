import assert from 'node:assert/strict';
import { BootedBaluPi } from '../fakes/boot-balupi.ts';
import { dashboardCookie } from '../fakes/raw-page.ts';

interface SignIn {
  readonly id: string;
  readonly kind: string;
}

interface Person {
  readonly username: string;
  readonly credentials: readonly { readonly kind: string }[];
  readonly sign_ins: readonly SignIn[];
}

describe('GET /api/people', function () {
  this.timeout(60_000);
  let pi: BootedBaluPi;
  const tokens = new Map<string, string>();

  before(async () => {
    pi = await BootedBaluPi.start();
    for (const name of ['alice', 'bob', 'admin']) tokens.set(name, await pi.signIn(name));
    for (const name of ['bob', 'admin']) await call(name, '/api/auth/me');
  });

  after(async () => {
    await pi.stop();
  });

  async function call(who: string, path: string, init: RequestInit = {}): Promise<Response> {
    const headers = { Authorization: `Bearer ${tokens.get(who) ?? ''}` };
    return await fetch(`${pi.url}${path}`, { ...init, headers });
  }

  async function people(who: string): Promise<readonly Person[]> {
    const answered = await call(who, '/api/people');
    assert.equal(answered.status, 200);
    return ((await answered.json()) as { users: Person[] }).users;
  }

  async function signInsOf(who: string, as = who): Promise<readonly SignIn[]> {
    return (await people(as)).find(({ username }) => username === who)?.sign_ins ?? [];
  }

  it('shows each themselves, and admins everybody', async () => {
    assert.deepEqual(
      (await people('alice')).map(({ username }) => username),
      ['alice'],
    );
    assert.deepEqual(
      (await people('admin')).map(({ username }) => username),
      ['admin', 'alice', 'bob'],
    );
  });

  it('tells nothing of a token, a cookie or a secret', async () => {
    const cookie = await dashboardCookie(pi.url, 'alice');
    const told = JSON.stringify(await people('admin'));
    const [, value = ''] = cookie.split('=');
    assert.ok(value.length > 20 && !told.includes(value));
    assert.doesNotMatch(told, /secret|token_hash|cookie/);
  });

  it('ends a browser’s sign-in, by its user, and nobody else’s', async () => {
    const cookie = await dashboardCookie(pi.url, 'alice');
    const page = (): Promise<Response> =>
      fetch(`${pi.url}/dashboard/_setup`, { headers: { Cookie: cookie }, redirect: 'manual' });
    const pages = (await signInsOf('alice')).filter(({ kind }) => kind === 'page');
    assert.ok(pages.length > 0);
    for (const { id } of pages) {
      const path = `/api/people/sign-ins/${id}`;
      assert.equal((await call('bob', path, { method: 'DELETE' })).status, 404);
      assert.equal((await call('alice', path, { method: 'DELETE' })).status, 200);
      assert.equal((await call('alice', path, { method: 'DELETE' })).status, 404);
    }
    assert.equal((await page()).status, 401);
    assert.ok((await signInsOf('alice')).every(({ kind }) => kind !== 'page'));
  });

  it('tells of backups and updates to admins alone, from what lies here', async () => {
    assert.equal((await call('alice', '/api/system/care')).status, 403);
    const answered = await call('admin', '/api/system/care');
    const care = (await answered.json()) as Record<string, unknown>;
    assert.deepEqual([care['newer'], care['backups'], care['on_trial']], [null, [], false]);
  });
});
