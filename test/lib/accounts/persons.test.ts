import assert from 'node:assert/strict';
import {
  GONE,
  HOUR_MS,
  MINUTE_MS,
  ok,
  outcomeWord,
  said,
  Stage,
  tokenOf,
  word,
} from './accounts-stage.ts';

describe('a person', () => {
  let stage: Stage;
  let replaced: number[];

  beforeEach(() => {
    stage = new Stage();
    replaced = [];
    listen();
  });

  afterEach(async () => {
    await stage.close();
  });

  function listen(): void {
    stage.accounts.onReplaced((userId) => {
      replaced.push(userId);
    });
    stage.accounts.start();
  }

  const login = async (name: string, password = `${name}-password`): Promise<string> =>
    outcomeWord(await stage.login(name, password));

  const authenticate = async (token: string): Promise<string> =>
    word(await stage.authenticate(token));

  /** Every credential with which the user could come in now. */
  async function everythingOf(name: string): Promise<{ refresh: string; cookie: string }> {
    await stage.login(name, `${name}-password`);
    const refresh = stage.nas.refreshToken(name);
    await stage.refresh(refresh);
    const user = stage.accounts.users.userNamed(name);
    assert.ok(user !== null);
    const cookie = stage.accounts.pages.open(user)?.cookie ?? '';
    assert.equal(stage.accounts.pages.find(cookie)?.username, name);
    return { refresh, cookie };
  }

  describe('with another name', () => {
    it('is the same one: nothing of theirs ends', async () => {
      const { refresh, cookie } = await everythingOf('alice');
      stage.nas.account('alice').username = 'alicia';
      await stage.clock.advance(MINUTE_MS);
      assert.equal(outcomeWord(await stage.refresh(refresh)), 'passed 200');
      assert.equal(stage.accounts.pages.find(cookie)?.username, 'alicia');
      stage.sleep();
      assert.equal(await login('alicia', 'alice-password'), 'issued');
      assert.equal(outcomeWord(await stage.refresh(refresh)), 'issued');
      assert.deepEqual(replaced, []);
    });

    it('is not called the old one again by a token from before', async () => {
      const old = stage.nas.token('alice');
      await stage.caller(old);
      await stage.clock.advance(MINUTE_MS);
      stage.nas.account('alice').username = 'alicia';
      await stage.login('alicia', 'alice-password');
      await stage.clock.advance(6 * MINUTE_MS);
      assert.equal(await authenticate(old), 'alicia');
    });

    it('opens nothing under a name that is another’s by now, and comes back', async () => {
      const alices = stage.nas.token('alice');
      await stage.caller(alices);
      stage.nas.account('alice').username = 'alicia';
      stage.nas.account('bob').username = 'alice';
      await stage.clock.advance(MINUTE_MS);
      await stage.login('alice', 'bob-password');
      stage.sleep();
      assert.equal(await authenticate(alices), 'nas_asleep');
      stage.wake();
      assert.equal(await authenticate(alices), 'alicia');
      assert.equal(stage.accounts.users.userOf(5)?.username, 'alice');
    });
  });

  it('is the same one whether the NAS tells the time with a zone or without', async () => {
    const { cookie } = await everythingOf('alice');
    stage.nas.account('alice').createdAt = '2026-01-23T15:57:59.123456Z';
    await stage.login('alice', 'alice-password');
    assert.deepEqual(replaced, []);
    assert.notEqual(stage.accounts.pages.find(cookie), null);
    assert.equal(stage.accounts.users.bornAt(4), '2026-01-23T15:57:59Z');
  });

  describe('who has the id of one who was deleted', () => {
    it('is another: all that the one before came in by is over', async () => {
      const { refresh, cookie } = await everythingOf('alice');
      const old = stage.nas.token('alice', { nonce: 1 });
      await stage.caller(old);
      stage.sleep();
      const piToken = tokenOf(await stage.refresh(refresh));
      stage.wake();
      await stage.clock.advance(MINUTE_MS);
      stage.nas.reuse('alice', 'carol');
      const token = tokenOf(await stage.login('carol', 'carol-password'));
      assert.deepEqual(replaced, [4]);
      assert.equal(await authenticate(token), 'carol');
      assert.equal(await authenticate(old), 'bad_token');
      assert.equal(await authenticate(piToken), 'bad_token');
      assert.equal(stage.accounts.pages.find(cookie), null);
      assert.equal(outcomeWord(await stage.refresh(refresh)), 'bad_token');
      stage.sleep();
      assert.equal(await login('carol', 'alice-password'), 'bad_credentials');
      assert.equal(await login('carol'), 'issued');
      assert.equal(outcomeWord(await stage.refresh(refresh)), 'gateway_timeout');
    });

    it('gives no token to the refresh token of the one before, though the NAS does', async () => {
      const { refresh } = await everythingOf('alice');
      await stage.clock.advance(MINUTE_MS);
      stage.nas.reuse('alice', 'carol');
      const outcome = await stage.refresh(refresh);
      assert.equal(outcomeWord(outcome), 'bad_token');
      assert.ok(!JSON.stringify(outcome).includes('eyJ'));
      assert.deepEqual(replaced, [4]);
    });

    it('is another under the same name too', async () => {
      const { cookie } = await everythingOf('alice');
      await stage.clock.advance(MINUTE_MS);
      stage.nas.reuse('alice', 'alice');
      assert.equal(await login('alice'), 'passed 200');
      assert.deepEqual(replaced, [4]);
      assert.equal(stage.accounts.pages.find(cookie), null);
    });

    it('is found out by a token from elsewhere, whose name is another', async () => {
      const { cookie } = await everythingOf('alice');
      await stage.clock.advance(MINUTE_MS);
      stage.nas.reuse('alice', 'carol');
      const token = stage.nas.token('carol');
      stage.nas.brokenCalls.set('me', said(429, 'Rate limit exceeded'));
      assert.equal(await authenticate(token), 'nas_asleep');
      stage.nas.brokenCalls.set('me', GONE);
      assert.equal(await authenticate(token), 'nas_asleep');
      stage.nas.brokenCalls.clear();
      assert.equal(await authenticate(token), 'carol');
      assert.deepEqual(replaced, [4]);
      assert.equal(stage.accounts.pages.find(cookie), null);
    });

    it('is found out within an hour where the name is the same', async () => {
      const { cookie } = await everythingOf('alice');
      await stage.clock.advance(HOUR_MS);
      stage.nas.reuse('alice', 'alice');
      assert.equal(await authenticate(stage.nas.token('alice')), 'alice');
      assert.deepEqual(replaced, [4]);
      assert.equal(stage.accounts.pages.find(cookie), null);
    });

    it('is not let in by a token of the one before', async () => {
      await stage.login('alice', 'alice-password');
      await stage.clock.advance(5 * MINUTE_MS);
      const old = stage.nas.token('alice');
      const unseen = stage.nas.token('alice', { nonce: 1 });
      const caller = await stage.caller(old);
      await stage.clock.advance(MINUTE_MS);
      stage.nas.reuse('alice', 'carol');
      // The NAS checks only the id, and takes the token for carol's.
      const outcome = await stage.accounts.profile.me(caller);
      assert.equal(outcomeWord(outcome), 'bad_token');
      assert.equal(await authenticate(old), 'bad_token');
      assert.equal(await authenticate(unseen), 'bad_token');
      assert.equal(await authenticate(stage.nas.token('carol')), 'carol');
    });

    it('is told of again after a power cut, until every service has done its part', async () => {
      await stage.login('alice', 'alice-password');
      stage.accounts.onReplaced(() => {
        throw new Error('The power goes here.');
      });
      stage.nas.reuse('alice', 'carol').createdAt = '2026-02-01T00:00:00';
      await stage.login('carol', 'carol-password');
      assert.deepEqual(replaced, [4]);
      stage.restart();
      listen();
      assert.deepEqual(replaced, [4, 4]);
      stage.restart();
      listen();
      assert.deepEqual(replaced, [4, 4]);
    });

    it('is never let in while switched off, and ends the one before all the same', async () => {
      const { cookie } = await everythingOf('alice');
      await stage.clock.advance(MINUTE_MS);
      stage.nas.reuse('alice', 'carol').isActive = false;
      assert.equal(await login('carol'), 'bad_credentials');
      assert.deepEqual(replaced, [4]);
      assert.equal(stage.accounts.pages.find(cookie), null);
    });
  });

  describe('of whom the NAS says less than before', () => {
    it('stays a user though a token from before says admin', async () => {
      const first = stage.nas.token('admin');
      await stage.caller(first);
      await stage.clock.advance(MINUTE_MS);
      const second = stage.nas.token('admin');
      await stage.clock.advance(MINUTE_MS);
      stage.nas.account('admin').role = 'user';
      await stage.accounts.profile.me(await stage.caller(first));
      // Issued after the token the NAS was asked with, and before its answer.
      const caller = await stage.caller(second);
      assert.equal(caller.user.role, 'user');
      stage.sleep();
      assert.equal((await stage.caller(second)).user.role, 'user');
      await stage.clock.advance(MINUTE_MS);
      stage.wake();
      stage.nas.account('admin').role = 'admin';
      assert.equal((await stage.caller(stage.nas.token('admin'))).user.role, 'admin');
    });

    it('is out altogether once any call found them switched off, also asleep', async () => {
      const { refresh, cookie } = await everythingOf('alice');
      const one = stage.nas.token('alice', { nonce: 1 });
      const other = stage.nas.token('alice', { nonce: 2 });
      await stage.caller(one);
      await stage.caller(other);
      stage.nas.account('alice').isActive = false;
      // A listing was answered 401, whose body is not read there.
      stage.accounts.introspection.refused(one);
      await stage.accounts.stop();
      stage.sleep();
      assert.equal(await authenticate(other), 'bad_token');
      assert.equal(await login('alice'), 'bad_credentials');
      assert.equal(outcomeWord(await stage.refresh(refresh)), 'gateway_timeout');
      assert.equal(stage.accounts.pages.find(cookie), null);
    });

    it('keeps the rest where only the token was over', async () => {
      const { refresh } = await everythingOf('alice');
      const one = stage.nas.token('alice', { nonce: 1 });
      await stage.caller(one);
      stage.nas.brokenCalls.set('preflight', said(401, 'Could not validate credentials'));
      stage.accounts.introspection.refused(one);
      await stage.accounts.stop();
      stage.sleep();
      assert.equal(outcomeWord(await stage.refresh(refresh)), 'issued');
    });
  });
});

describe('a logout at night', () => {
  let stage: Stage;

  beforeEach(() => {
    stage = new Stage();
    stage.accounts.start();
  });

  afterEach(async () => {
    await stage.close();
  });

  async function logOutAsleep(refresh: string): Promise<void> {
    await stage.refresh(refresh);
    stage.sleep();
    const caller = await stage.caller(tokenOf(await stage.refresh(refresh)));
    await stage.accounts.profile.logout(caller);
  }

  it('stays in the morning, though the NAS would still take the token', async () => {
    const refresh = stage.nas.refreshToken('alice');
    await logOutAsleep(refresh);
    assert.equal(outcomeWord(await stage.refresh(refresh)), 'gateway_timeout');
    stage.restart();
    stage.wake();
    const asked = stage.nas.asked('refresh');
    assert.equal(outcomeWord(await stage.refresh(refresh)), 'bad_token');
    assert.equal(stage.nas.asked('refresh'), asked);
    stage.sleep();
    assert.equal(outcomeWord(await stage.refresh(refresh)), 'gateway_timeout');
  });

  it('is told to the NAS once it is up, by what is stored for that user', async () => {
    const refresh = stage.nas.refreshToken('alice');
    const elsewhere = stage.nas.refreshToken('alice');
    const own = stage.nas.token('alice', { exp: 2_000_000_000, nonce: 1 });
    await logOutAsleep(refresh);
    stage.stored.set(4, own);
    stage.wake();
    await stage.accounts.stop();
    assert.deepEqual(
      stage.nas.asks.filter(({ call }) => call === 'logout').map(({ secret }) => secret),
      [own],
    );
    // A logout at the NAS itself, which the Pi never saw.
    assert.equal(outcomeWord(await stage.refresh(elsewhere)), 'passed 401');
  });

  it('is told once, and again only where the NAS did not take it', async () => {
    await logOutAsleep(stage.nas.refreshToken('alice'));
    stage.stored.set(4, stage.nas.token('alice', { exp: 2_000_000_000 }));
    stage.nas.brokenCalls.set('logout', said(503, 'x'));
    for (let morning = 0; morning < 2; morning += 1) {
      stage.wake();
      await stage.clock.advance(MINUTE_MS);
    }
    assert.equal(stage.nas.asked('logout'), 2);
    stage.nas.brokenCalls.clear();
    for (let morning = 0; morning < 3; morning += 1) {
      stage.wake();
      await stage.clock.advance(MINUTE_MS);
    }
    assert.equal(stage.nas.asked('logout'), 3);
  });

  it('does not end what its user has registered since', async () => {
    await logOutAsleep(stage.nas.refreshToken('alice'));
    stage.nas.brokenCalls.set('logout', said(500, 'Not now'));
    stage.wake();
    await stage.clock.advance(MINUTE_MS);
    const before = stage.nas.asked('logout');
    const body = {
      access_token: stage.nas.token('alice'),
      refresh_token: stage.nas.refreshToken('alice'),
      user: { id: 4, username: 'alice', role: 'user', is_active: true },
    };
    stage.nas.brokenCalls.set('login', ok(body));
    await stage.login('alice', 'alice-password');
    stage.nas.brokenCalls.clear();
    stage.stored.set(4, stage.nas.token('alice', { exp: 2_000_000_000 }));
    stage.wake();
    await stage.accounts.stop();
    assert.equal(stage.nas.asked('logout'), before);
  });

  it('gets no token by a refresh that was on its way', async () => {
    const refresh = stage.nas.refreshToken('alice');
    await stage.refresh(refresh);
    const caller = await stage.caller(stage.nas.token('alice'));
    const held = Promise.withResolvers<undefined>();
    stage.nas.before = (call) => (call === 'refresh' ? held.promise : Promise.resolve());
    const refreshing = stage.refresh(refresh);
    await stage.accounts.profile.logout(caller);
    stage.nas.brokenCalls.set('refresh', ok({ access_token: stage.nas.token('alice') }));
    held.resolve(undefined);
    assert.equal(outcomeWord(await refreshing), 'bad_token');
  });

  it('is told awake too, for a caller with a token of the Pi', async () => {
    await stage.login('alice', 'alice-password');
    stage.sleep();
    const caller = await stage.caller(tokenOf(await stage.login('alice', 'alice-password')));
    stage.stored.set(4, stage.nas.token('alice', { exp: 2_000_000_000 }));
    stage.wake();
    await stage.clock.advance(MINUTE_MS);
    assert.equal(outcomeWord(await stage.accounts.profile.logout(caller)), 'passed 200');
    assert.equal(stage.nas.asked('logout'), 1);
  });
});
