import assert from 'node:assert/strict';
import type { Caller } from '../../../nodes/lib/accounts/accounts.ts';
import { HOUR_MS, outcomeWord, said, Stage, tokenOf, word } from './accounts-stage.ts';

const DAY_MS = 24 * HOUR_MS;
const ALICE = 4;

describe('A desktop whose pairing was seen', () => {
  let stage: Stage;
  let token: string;

  beforeEach(async () => {
    stage = new Stage();
    store(ALICE);
    token = await pair('desk');
  });

  afterEach(async () => {
    await stage.close();
  });

  /** Stores a credential for the user that outlives the test. */
  function store(userId: number): void {
    const exp = Math.floor(stage.clock.nowMs() / 1_000) + 90 * 86_400;
    stage.stored.set(userId, stage.nas.token('alice', { exp }));
  }

  async function pair(deviceId: string): Promise<string> {
    const { pairing } = stage.accounts;
    const asking = { device_id: deviceId, device_name: 'Desk', platform: 'linux' };
    const begun = await pairing.deviceCode(asking, '192.0.2.1');
    assert.ok(begun.kind === 'passed');
    const { device_code } = begun.body as { readonly device_code: string };
    const pending = await pairing.poll({ device_code }, '192.0.2.1');
    assert.ok(pending.kind === 'passed' && pending.user === null);
    stage.nas.approve('alice');
    const approved = await pairing.poll({ device_code }, '192.0.2.1');
    assert.ok(approved.kind === 'passed' && approved.user?.id === ALICE);
    return (approved.body as { readonly refresh_token: string }).refresh_token;
  }

  const refresh = async (of = token): Promise<string> => outcomeWord(await stage.refresh(of));

  async function callerOf(username: string): Promise<Caller> {
    const result = await stage.authenticate(stage.nas.token(username));
    assert.ok(result.kind === 'caller');
    return result.caller;
  }

  it('goes on with tokens of the Pi, though the NAS refuses its own', async () => {
    const outcome = await stage.refresh(token);
    assert.equal(outcomeWord(outcome), 'issued');
    const result = await stage.authenticate(tokenOf(outcome));
    assert.ok(result.kind === 'caller');
    const { kind, nasToken, isPaired } = result.caller;
    assert.deepEqual([kind, nasToken, isPaired], ['pi', null, true]);
    assert.equal(stage.nas.asked('refresh'), 1, 'the NAS is asked each time');
  });

  it('is told who it is, as a refresh would bring it no token of the NAS', async () => {
    const result = await stage.authenticate(tokenOf(await stage.refresh(token)));
    assert.ok(result.kind === 'caller');
    assert.equal(outcomeWord(await stage.accounts.profile.me(result.caller)), 'issued');
  });

  it('is no other whose refresh token the NAS refuses', async () => {
    const other = stage.nas.refreshToken('alice');
    await stage.refresh(other);
    stage.nas.refreshTokens.delete(other);
    assert.equal(await refresh(other), 'passed 401');
    assert.equal(await refresh(`${token}x`), 'passed 401');
    assert.equal(await refresh(), 'issued');
  });

  it('goes on for that exact answer of the NAS alone', async () => {
    stage.nas.brokenCalls.set('refresh', said(401, 'Invalid refresh token'));
    assert.equal(await refresh(), 'passed 401');
    stage.nas.brokenCalls.clear();
    assert.equal(await refresh(), 'passed 401', 'what the NAS refused otherwise is over');
  });

  it('is refused as the NAS refuses it where the owner wants it so', async () => {
    await stage.close();
    stage = new Stage({ desktopRefresh: 'off' });
    store(ALICE);
    token = await pair('desk');
    assert.equal(await refresh(), 'passed 401');
  });

  it('is refused while nothing is stored to act for its user', async () => {
    stage.stored.clear();
    assert.equal(await refresh(), 'passed 401');
  });

  it('keeps its tokens where the NAS cannot say, and goes on when it can', async () => {
    stage.nas.brokenCalls.set('me', said(500, 'Internal server error'));
    assert.equal(await refresh(), 'gateway_timeout');
    stage.nas.brokenCalls.clear();
    assert.equal(await refresh(), 'issued');
  });

  it('has the stored credential confirmed once an hour, and itself listed once a day', async () => {
    await refresh();
    const asked = stage.nas.asked('me');
    await refresh();
    assert.equal(stage.nas.asked('me'), asked);
    await stage.clock.advance(HOUR_MS);
    await refresh();
    assert.equal(stage.nas.asked('me'), asked + 1);
    assert.equal(stage.nas.asked('/api/sync/status/desk'), 0);
    await stage.clock.advance(DAY_MS);
    assert.equal(await refresh(), 'issued');
    await refresh();
    assert.equal(stage.nas.asked('/api/sync/status/desk'), 1);
  });

  it('goes on through the sleep of the NAS', async () => {
    stage.sleep();
    assert.equal(await refresh(), 'issued');
  });

  it('goes on through its soft sleep, in which it answers and nothing is stored to ask with', async () => {
    stage.presence.state = { ...stage.presence.state, awake: false, sleepState: 'soft_sleep' };
    assert.equal(await refresh(), 'issued');
    assert.equal(stage.nas.asked('/api/sync/status/desk'), 0);
  });

  describe('is over for good', () => {
    const ends: Readonly<Record<string, () => Promise<void> | void>> = {
      'with a logout': async () => {
        await stage.accounts.profile.logout(await callerOf('alice'));
      },
      'with a password that was changed through the Pi': () => {
        stage.accounts.passwordChanged(ALICE);
      },
      'within the hour of a password that was changed on the NAS': async () => {
        await refresh();
        stage.nas.account('alice').updatedAt = '2026-02-22T15:00:00';
        await stage.clock.advance(HOUR_MS);
      },
      'at once where the NAS tells of its changed user': async () => {
        await refresh();
        stage.nas.account('alice').updatedAt = '2026-02-22T15:00:00';
        await stage.login('alice', 'alice-password');
      },
      'with a 401 of the stored credential': async () => {
        await refresh();
        stage.stored.set(ALICE, stage.nas.token('alice', { exp: 1 }));
        await stage.clock.advance(HOUR_MS);
      },
      'with a 401 of the stored credential anywhere': () => {
        stage.accounts.desktops.credentialEnded(ALICE);
      },
      'when the NAS lists it no more': async () => {
        await refresh();
        stage.nas.desktops.delete('desk');
        await stage.clock.advance(DAY_MS);
      },
      'by its user’s own hand': async () => {
        assert.equal(stage.accounts.endPairedDesktop(await callerOf('alice'), 'desk'), true);
      },
      'by an admin’s hand': async () => {
        assert.equal(stage.accounts.endPairedDesktop(await callerOf('admin'), 'desk'), true);
      },
      'with its account': async () => {
        await stage.clock.advance(1_000);
        stage.nas.account('alice').isActive = false;
        await stage.authenticate(stage.nas.token('alice'));
      },
      'with the person': async () => {
        await stage.clock.advance(1_000);
        const next = stage.nas.reuse('alice', 'carol');
        assert.equal(next.id, ALICE);
        await stage.login('carol', 'carol-password');
      },
      'when it is paired anew': async () => {
        await stage.clock.advance(61_000);
        await pair('desk');
      },
    };
    for (const [how, end] of Object.entries(ends)) {
      it(how, async () => {
        const issued = tokenOf(await stage.refresh(token));
        await end();
        assert.equal(await refresh(), 'passed 401');
        assert.notEqual(word(await stage.authenticate(issued)), 'alice');
        // Neither a new registration nor a restart revives it.
        if (how !== 'with the person') store(ALICE);
        stage.restart();
        assert.equal(await refresh(), 'passed 401');
        stage.sleep();
        assert.equal(await refresh(), 'gateway_timeout');
      });
    }
  });

  it('is over with its own validity, awake and asleep', async () => {
    for (let day = 1; day < 7; day += 1) {
      await stage.clock.advance(DAY_MS);
      assert.equal(await refresh(), 'issued', `day ${String(day)}`);
    }
    await stage.clock.advance(DAY_MS);
    stage.sleep();
    assert.equal(await refresh(), 'gateway_timeout');
    stage.nas.broken = null;
    stage.presence.awoke();
    assert.equal(await refresh(), 'passed 401');
  });

  it('is shown to its user and to admins, and ended by nobody else', async () => {
    const [alice, bob, admin] = [
      await callerOf('alice'),
      await callerOf('bob'),
      await callerOf('admin'),
    ];
    const shown = (caller: Caller): readonly string[] =>
      stage.accounts.pairedDesktops(caller).map(({ deviceId }) => deviceId);
    assert.deepEqual([shown(alice), shown(bob), shown(admin)], [['desk'], [], ['desk']]);
    assert.equal(stage.accounts.endPairedDesktop(bob, 'desk'), false);
    assert.equal(await refresh(), 'issued');
  });
});
