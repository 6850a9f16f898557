import assert from 'node:assert/strict';
import type { NasJson } from '../../../nodes/lib/nas/nas.ts';
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

describe('refresh', () => {
  let stage: Stage;
  let token: string;

  beforeEach(() => {
    stage = new Stage();
    token = stage.nas.refreshToken('alice');
  });

  afterEach(async () => {
    await stage.close();
  });

  const refresh = async (of = token): Promise<string> => outcomeWord(await stage.refresh(of));

  describe('while the NAS is awake', () => {
    it('gives the NAS’s answer on, and knows the new token', async () => {
      const outcome = await stage.refresh(token);
      assert.equal(outcomeWord(outcome), 'passed 200');
      assert.equal(word(await stage.authenticate(tokenOf(outcome))), 'alice');
      assert.equal(stage.nas.asked('preflight'), 0);
    });

    it('gives a refusal on', async () => {
      assert.equal(await refresh('no.such.token'), 'passed 401');
    });

    const silences: Record<string, NasJson> = {
      'a 429': said(429, 'Rate limit exceeded'),
      'a 500': said(500, 'Internal server error'),
      'a 503': said(503, 'Internal server error'),
      'an HTML page with 200': { kind: 'bad_answer', status: 200 },
      'an HTML page with 503': { kind: 'bad_answer', status: 503 },
      'an HTML page with 401': { kind: 'bad_answer', status: 401 },
      'no answer': GONE,
    };
    for (const [name, answer] of Object.entries(silences)) {
      it(`becomes 504 on ${name}, for a known token too`, async () => {
        await refresh();
        stage.nas.broken = answer;
        assert.equal(await refresh(), 'gateway_timeout');
        assert.equal(await refresh('unknown.refresh.token'), 'gateway_timeout');
      });
    }

    it('goes on as asleep when the call finds the NAS gone', async () => {
      await refresh();
      stage.nas.broken = GONE;
      stage.nas.before = () => {
        stage.presence.silent();
        return Promise.resolve();
      };
      assert.equal(await refresh(), 'issued');
    });

    it('becomes 504 when the NAS is only slow', async () => {
      await refresh();
      const slow = Object.assign(new Error('silent for too long'), { code: 'timeout' });
      stage.nas.broken = { kind: 'unreachable', cause: slow };
      stage.nas.before = () => {
        stage.presence.silent();
        return Promise.resolve();
      };
      assert.equal(await refresh(), 'gateway_timeout');
    });

    it('never lets an inactive user in', async () => {
      await refresh();
      stage.nas.account('alice').isActive = false;
      const outcome = await stage.refresh(token);
      assert.equal(outcomeWord(outcome), 'bad_token');
      stage.sleep();
      assert.equal(await refresh(), 'gateway_timeout');
    });

    it('makes one call of identical concurrent asks', async () => {
      const all = await Promise.all(Array.from({ length: 20 }, () => refresh()));
      assert.deepEqual(new Set(all), new Set(['passed 200']));
      assert.equal(stage.nas.asked('refresh'), 1);
    });

    it('still goes to the NAS in soft sleep', async () => {
      stage.softSleep();
      assert.equal(await refresh(), 'passed 200');
    });

    it('is not stopped by made-up tokens, which get 4 of the NAS’s 10 a minute', async () => {
      await refresh();
      await stage.clock.advance(2 * MINUTE_MS);
      stage.nas.isLimited = true;
      const before = stage.nas.asked('refresh');
      for (let made = 0; made < 40; made += 1) await refresh(stage.nas.refreshToken('bob') + 'x');
      assert.equal(stage.nas.asked('refresh') - before, 4);
      assert.equal(await refresh(stage.nas.refreshToken('bob')), 'gateway_timeout');
      assert.equal(await refresh(), 'passed 200');
      // Refreshes for deliveries come out of the same share.
      const own = Array.from({ length: 9 }, () => stage.accounts.takeRefresh());
      assert.equal(own.filter(Boolean).length, 5);
    });
  });

  describe('while the NAS sleeps', () => {
    it('gives a Pi token for a token the NAS accepted through this Pi', async () => {
      await refresh();
      stage.sleep();
      const outcome = await stage.refresh(token);
      const caller = await stage.caller(tokenOf(outcome));
      assert.deepEqual([caller.kind, caller.user.username, caller.scope], ['pi', 'alice', 'all']);
    });

    it('says 504 to a token it never saw, and when no NAS was ever seen', async () => {
      stage.sleep();
      assert.equal(await refresh(), 'gateway_timeout');
      stage.presence.state = { ...stage.presence.state, everSeen: false };
      assert.equal(await refresh(), 'gateway_timeout');
    });

    it('says 504 to a token the NAS has refused since, and ends what came of it', async () => {
      await refresh();
      stage.sleep();
      const piToken = tokenOf(await stage.refresh(token));
      stage.wake();
      stage.nas.refreshTokens.clear();
      assert.equal(await refresh(), 'passed 401');
      assert.equal(word(await stage.authenticate(piToken)), 'bad_token');
      stage.sleep();
      assert.equal(await refresh(), 'gateway_timeout');
    });

    it('says 504 once the grace since the NAS’s last answer for that user is over', async () => {
      await refresh();
      await stage.clock.advance(24 * HOUR_MS);
      await stage.caller(stage.nas.token('alice'));
      stage.sleep();
      await stage.clock.advance(72 * HOUR_MS - 1);
      assert.equal(await refresh(), 'issued');
      await stage.clock.advance(1);
      assert.equal(await refresh(), 'gateway_timeout');
    });

    it('says 504 once the token itself is over', async () => {
      const short = stage.nas.refreshToken('alice', 1);
      await refresh(short);
      stage.sleep();
      await stage.clock.advance(24 * HOUR_MS);
      assert.equal(await refresh(short), 'gateway_timeout');
    });

    it('lets a known admin wake the NAS after the grace, and nothing else', async () => {
      const ofAdmin = stage.nas.refreshToken('admin');
      await refresh(ofAdmin);
      stage.sleep();
      await stage.clock.advance(100 * HOUR_MS);
      const caller = await stage.caller(tokenOf(await stage.refresh(ofAdmin)));
      assert.equal(caller.scope, 'wake');
      assert.equal(stage.accounts.isAdmin(caller), false);
    });

    it('gives one token to identical concurrent asks', async () => {
      await refresh();
      stage.sleep();
      const all = await Promise.all(
        Array.from({ length: 20 }, async () => tokenOf(await stage.refresh(token))),
      );
      assert.equal(new Set(all).size, 1);
    });

    it('works after a power cut that sets the clock to 1970', async () => {
      await refresh();
      stage.sleep();
      stage.restart(0);
      assert.equal(await refresh(), 'issued');
      assert.equal(stage.time.unsynced, true);
    });

    it('is over in time after such a cut: the floor goes on', async () => {
      await refresh();
      stage.sleep();
      stage.restart(0);
      await stage.clock.advance(72 * HOUR_MS);
      assert.equal(await refresh(), 'gateway_timeout');
    });
  });
});

describe('me', () => {
  let stage: Stage;

  beforeEach(() => {
    stage = new Stage();
    stage.budget = 0;
  });

  afterEach(async () => {
    await stage.close();
  });

  it('is the NAS’s answer while it is awake, unchanged', async () => {
    const outcome = await stage.accounts.profile.me(await stage.caller(stage.nas.token('alice')));
    assert.equal(outcomeWord(outcome), 'passed 200');
    const body = (outcome.kind === 'passed' ? outcome.body : {}) as Record<string, unknown>;
    assert.equal(body['created_at'], '2026-01-23T15:57:59');
    assert.equal(stage.nas.asks.at(-1)?.auto, false);
  });

  it('goes to a soft-sleeping NAS with X-Sync-Trigger auto', async () => {
    const caller = await stage.caller(stage.nas.token('alice'));
    stage.softSleep();
    await stage.accounts.profile.me(caller);
    assert.equal(stage.nas.asks.at(-1)?.auto, true);
  });

  it('is the last answer for that user while it sleeps, with times the app can read', async () => {
    const token = stage.nas.token('alice');
    await stage.accounts.profile.me(await stage.caller(token));
    stage.sleep();
    stage.restart();
    const outcome = await stage.accounts.profile.me(await stage.caller(token));
    assert.equal(outcome.kind, 'issued');
    const body = (outcome.kind === 'issued' ? outcome.body : {}) as Record<string, unknown>;
    assert.deepEqual([body['id'], body['created_at']], [4, '2026-01-23T15:57:59Z']);
  });

  it('is nas_asleep when there is no last answer', async () => {
    const token = stage.nas.token('alice');
    stage.nas.brokenCalls.set('me', said(500, 'x'));
    await stage.caller(token);
    stage.sleep();
    assert.equal(
      outcomeWord(await stage.accounts.profile.me(await stage.caller(token))),
      'nas_asleep',
    );
  });

  const failures: Record<string, NasJson> = {
    'a 429': said(429, 'x'),
    'a 500': said(500, 'x'),
    'an HTML page': { kind: 'bad_answer', status: 503 },
    'no answer': GONE,
  };
  for (const [name, answer] of Object.entries(failures)) {
    it(`is the last answer on ${name}, as BaluDesk forgets its tokens on errors`, async () => {
      const caller = await stage.caller(stage.nas.token('alice'));
      await stage.accounts.profile.me(caller);
      stage.nas.broken = answer;
      assert.equal(outcomeWord(await stage.accounts.profile.me(caller)), 'issued');
    });
  }

  it('is nas_busy or nas_bad_answer when there is no last answer to fall back to', async () => {
    stage.nas.brokenCalls.set('me', said(500, 'x'));
    const caller = await stage.caller(stage.nas.token('alice'));
    stage.nas.broken = said(429, 'x');
    assert.equal(outcomeWord(await stage.accounts.profile.me(caller)), 'nas_busy');
    stage.nas.broken = said(502, 'x');
    assert.equal(outcomeWord(await stage.accounts.profile.me(caller)), 'nas_bad_answer');
  });

  it('ends the introspection result when the NAS says 401', async () => {
    const token = stage.nas.token('alice');
    const caller = await stage.caller(token);
    stage.nas.broken = said(401, 'Could not validate credentials');
    assert.equal(outcomeWord(await stage.accounts.profile.me(caller)), 'passed 401');
    assert.equal(word(await stage.authenticate(token)), 'bad_token');
  });

  it('lets nobody in whom it calls inactive', async () => {
    const token = stage.nas.token('alice');
    const caller = await stage.caller(token);
    stage.nas.broken = ok({ id: 4, username: 'alice', role: 'user', is_active: false });
    assert.equal(outcomeWord(await stage.accounts.profile.me(caller)), 'bad_token');
    assert.equal(word(await stage.authenticate(token)), 'bad_token');
  });

  describe('for a Pi token', () => {
    it('is the last answer while the NAS sleeps, and refresh_token_now once it is awake', async () => {
      await stage.login('alice', 'alice-password');
      stage.sleep();
      const caller = await stage.caller(tokenOf(await stage.login('alice', 'alice-password')));
      assert.equal(outcomeWord(await stage.accounts.profile.me(caller)), 'issued');
      stage.softSleep();
      assert.equal(outcomeWord(await stage.accounts.profile.me(caller)), 'issued');
      stage.wake();
      await stage.caller(stage.nas.token('alice'));
      const asked = stage.nas.asks.length;
      const told = outcomeWord(await stage.accounts.profile.me(caller));
      assert.equal(told, 'refresh_token_now', 'another device’s token acts for none');
      assert.equal(stage.nas.asks.length, asked);
    });
  });
});

describe('logout', () => {
  let stage: Stage;

  beforeEach(() => {
    stage = new Stage();
  });

  afterEach(async () => {
    await stage.close();
  });

  it('is the NAS’s answer while it is awake', async () => {
    const caller = await stage.caller(stage.nas.token('alice'));
    const outcome = await stage.accounts.profile.logout(caller);
    assert.equal(outcomeWord(outcome), 'passed 200');
    assert.equal(stage.nas.asked('logout'), 1);
  });

  it('is 200 asleep too, and when the NAS fails at it', async () => {
    const token = stage.nas.token('alice');
    const caller = await stage.caller(token);
    stage.nas.broken = said(500, 'x');
    assert.equal(outcomeWord(await stage.accounts.profile.logout(caller)), 'issued');
    stage.wake();
    const again = await stage.caller(stage.nas.token('alice', { nonce: 1 }));
    stage.sleep();
    assert.equal(outcomeWord(await stage.accounts.profile.logout(again)), 'issued');
  });

  it('is one device through every exchange of its refresh token, asleep and awake', async () => {
    const deviceOf = async (access: string): Promise<string | undefined> =>
      (await stage.caller(access)).device;
    const mine = stage.nas.refreshToken('alice');
    const other = stage.nas.refreshToken('alice');
    const first = await deviceOf(tokenOf(await stage.refresh(mine)));
    assert.match(String(first), /^refresh:/);
    await stage.clock.advance(MINUTE_MS);
    assert.equal(await deviceOf(tokenOf(await stage.refresh(mine))), first);
    const rotated = stage.nas.refreshToken('alice');
    const access = stage.nas.token('alice', { nonce: 3 });
    stage.nas.brokenCalls.set('refresh', ok({ access_token: access, refresh_token: rotated }));
    await stage.refresh(mine);
    assert.equal(await deviceOf(access), first);
    stage.nas.brokenCalls.clear();
    assert.notEqual(await deviceOf(tokenOf(await stage.refresh(other))), first);
    stage.sleep();
    assert.equal(await deviceOf(tokenOf(await stage.refresh(rotated))), first);
  });

  it('is one device for an API key, and none for a token that came from elsewhere', async () => {
    stage.nas.apiKeys.set('balu_key_of_alice_1', 4);
    const key = await stage.caller('balu_key_of_alice_1');
    assert.match(String(key.device), /^key:/);
    assert.equal((await stage.caller(stage.nas.token('alice', { nonce: 4 }))).device, undefined);
  });

  it('drops that user’s introspection results, refresh hashes and Pi tokens, and nobody else’s', async () => {
    const refresh = stage.nas.refreshToken('alice');
    const bobs = stage.nas.refreshToken('bob');
    await stage.refresh(refresh);
    await stage.refresh(bobs);
    const nasToken = stage.nas.token('alice');
    const other = stage.nas.token('alice', { nonce: 2 });
    await stage.caller(nasToken);
    await stage.caller(other);
    stage.sleep();
    const piToken = tokenOf(await stage.refresh(refresh));
    await stage.accounts.profile.logout(await stage.caller(nasToken));
    for (const [token, expected] of [
      [nasToken, 'bad_token'],
      [other, 'nas_asleep'],
      [piToken, 'bad_token'],
    ] as const) {
      assert.equal(word(await stage.authenticate(token)), expected);
    }
    assert.equal(outcomeWord(await stage.refresh(refresh)), 'gateway_timeout');
    assert.equal(outcomeWord(await stage.refresh(bobs)), 'issued');
  });

  it('ends the token it came with for good, awake, asleep and after a restart', async () => {
    const token = stage.nas.token('alice', { nonce: 7 });
    await stage.accounts.profile.logout(await stage.caller(token));
    assert.equal(word(await stage.authenticate(token)), 'bad_token');
    assert.ok(stage.accounts.users.isOver(token));
    stage.sleep();
    assert.equal(word(await stage.authenticate(token)), 'bad_token');
    stage.restart();
    stage.wake();
    const asked = stage.nas.asks.length;
    assert.equal(word(await stage.authenticate(token)), 'bad_token');
    assert.equal(stage.nas.asks.length, asked);
    assert.equal(stage.accounts.liveTokens.ofUser(4), null);
  });

  it('ends what is being asked about at that moment', async () => {
    const token = stage.nas.token('alice');
    const caller = await stage.caller(token);
    await stage.clock.advance(6 * MINUTE_MS);
    stage.nas.before = async (call) => {
      if (call === 'preflight') await stage.accounts.profile.logout(caller);
    };
    assert.equal(word(await stage.authenticate(token)), 'bad_token');
    stage.nas.before = () => Promise.resolve();
    assert.equal(word(await stage.authenticate(token)), 'bad_token');
  });

  it('ends the tokens that device had before, by a token of the Pi too, and no other’s', async () => {
    const refresh = stage.nas.refreshToken('alice');
    const access = tokenOf(await stage.refresh(refresh));
    const elsewhere = stage.nas.token('alice', { nonce: 8 });
    await stage.caller(elsewhere);
    stage.sleep();
    await stage.accounts.profile.logout(await stage.caller(tokenOf(await stage.refresh(refresh))));
    stage.wake();
    assert.equal(word(await stage.authenticate(access)), 'bad_token');
    await stage.caller(elsewhere);
  });

  it('leaves an API key, which is no sign-in', async () => {
    stage.nas.apiKeys.set('balu_key_of_alice_1', 4);
    await stage.accounts.profile.logout(await stage.caller('balu_key_of_alice_1'));
    await stage.caller('balu_key_of_alice_1');
  });

  it('does not end a new sign-in of the same second, whose token is the same text', async () => {
    const token = tokenOf(await stage.login('alice', 'alice-password'));
    await stage.accounts.profile.logout(await stage.caller(token));
    const again = tokenOf(await stage.login('alice', 'alice-password'));
    assert.equal(again, token);
    await stage.caller(again);
    stage.accounts.introspection.refused(again);
    await stage.login('alice', 'alice-password');
    assert.equal(word(await stage.authenticate(again)), 'bad_token');
  });

  it('never shows a Pi token to the NAS', async () => {
    await stage.login('alice', 'alice-password');
    stage.sleep();
    const caller = await stage.caller(tokenOf(await stage.login('alice', 'alice-password')));
    stage.wake();
    const asked = stage.nas.asks.length;
    assert.equal(outcomeWord(await stage.accounts.profile.logout(caller)), 'issued');
    assert.equal(stage.nas.asks.length, asked);
  });

  it('leaves what the NAS refused refused', async () => {
    const refusedToken = stage.nas.token('alice', { nonce: 3 });
    await stage.caller(refusedToken);
    stage.accounts.introspection.refused(refusedToken);
    await stage.accounts.profile.logout(await stage.caller(stage.nas.token('alice')));
    assert.equal(word(await stage.authenticate(refusedToken)), 'bad_token');
  });

  it('is told to whoever listens', async () => {
    const heard: number[] = [];
    const stop = stage.accounts.onLogout((userId) => {
      heard.push(userId);
    });
    await stage.accounts.profile.logout(await stage.caller(stage.nas.token('alice')));
    stop();
    await stage.accounts.profile.logout(await stage.caller(stage.nas.token('bob')));
    assert.deepEqual(heard, [4]);
  });

  it('ends the sign-in epoch that pages of the Pi rest on', async () => {
    await stage.login('alice', 'alice-password');
    const epoch = stage.accounts.users.signInEpochOf(4);
    assert.notEqual(epoch, null);
    await stage.clock.advance(MINUTE_MS);
    const caller = await stage.caller(stage.nas.token('alice'));
    assert.equal(stage.accounts.users.signInEpochOf(4), epoch);
    await stage.accounts.profile.logout(caller);
    assert.notEqual(stage.accounts.users.signInEpochOf(4), epoch);
  });

  it('is no more than a token’s end for the sign-in epoch when a token only ran out', async () => {
    const token = stage.nas.token('alice');
    await stage.caller(token);
    const epoch = stage.accounts.users.signInEpochOf(4);
    await stage.clock.advance(16 * MINUTE_MS);
    assert.equal(word(await stage.authenticate(token)), 'bad_token');
    assert.equal(stage.accounts.users.signInEpochOf(4), epoch);
    const next = stage.nas.token('alice');
    await stage.caller(next);
    stage.accounts.introspection.refused(next);
    assert.notEqual(stage.accounts.users.signInEpochOf(4), epoch);
  });

  it('aside, the sign-in epoch ends with the grace and with the account', async () => {
    await stage.login('alice', 'alice-password');
    await stage.clock.advance(72 * HOUR_MS);
    assert.equal(stage.accounts.users.signInEpochOf(4), null);
    assert.equal(stage.accounts.users.signInEpochOf(999), null);
    assert.equal(stage.accounts.users.userNamed('alice')?.id, 4);
    assert.equal(stage.accounts.users.userNamed('nobody'), null);
  });
});
