import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SCRYPT_COST } from '../../../nodes/lib/accounts/sign-in.ts';
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

describe('login', () => {
  let stage: Stage;

  beforeEach(() => {
    stage = new Stage();
  });

  afterEach(async () => {
    await stage.close();
  });

  const login = async (name: string, password: string, address?: string): Promise<string> =>
    outcomeWord(await stage.login(name, password, address));

  describe('while the NAS is awake', () => {
    it('gives the NAS’s answer on unchanged', async () => {
      const outcome = await stage.login('alice', 'alice-password');
      assert.equal(outcome.kind, 'passed');
      const body = outcome.kind === 'passed' ? (outcome.body as Record<string, unknown>) : {};
      assert.equal(body['token_type'], 'bearer');
      assert.equal((body['user'] as Record<string, unknown>)['created_at'], '2026-01-23T15:57:59');
      assert.equal(outcome.kind === 'passed' && outcome.user?.username, 'alice');
    });

    it('makes the token known without asking for it again', async () => {
      const token = tokenOf(await stage.login('alice', 'alice-password'));
      assert.equal(word(await stage.authenticate(token)), 'alice');
      assert.equal(stage.nas.asked('preflight'), 0);
    });

    it('gives refusals on unchanged', async () => {
      assert.equal(await login('alice', 'wrong'), 'passed 401');
      stage.nas.broken = said(422, 'no such form');
      assert.equal(await login('alice', 'x'), 'passed 422');
    });

    it('says nas_busy for the NAS’s 429, with its wait', async () => {
      const body = { error: 'Too Many Requests', detail: 'x', retry_after: 42 };
      stage.nas.broken = { kind: 'answer', status: 429, body };
      assert.deepEqual(await stage.login('alice', 'alice-password'), {
        kind: 'refused',
        code: 'nas_busy',
        retryAfterSeconds: 42,
      });
    });

    it('says nas_busy when the proxy in front of the NAS limits with a page', async () => {
      stage.nas.broken = { kind: 'bad_answer', status: 429 };
      assert.equal(await login('alice', 'alice-password'), 'nas_busy');
    });

    it('says nas_bad_answer for anything else, and never that the password is wrong', async () => {
      const answers: NasJson[] = [
        said(500, 'x'),
        said(503, 'x'),
        { kind: 'bad_answer', status: 200 },
        { kind: 'bad_answer', status: 503 },
      ];
      for (const broken of answers) {
        stage.nas.broken = broken;
        assert.equal(await login('bob', 'bob-password'), 'nas_bad_answer');
        await stage.clock.advance(MINUTE_MS);
      }
    });

    it('goes on as asleep when the call finds the NAS gone', async () => {
      await login('alice', 'alice-password');
      stage.nas.broken = GONE;
      assert.equal(await login('alice', 'alice-password'), 'issued');
    });

    it('never lets an inactive user in, although the NAS gives them a token', async () => {
      stage.nas.account('bob').isActive = false;
      const outcome = await stage.login('bob', 'bob-password');
      assert.equal(outcomeWord(outcome), 'bad_credentials');
      assert.ok(!JSON.stringify(outcome).includes('eyJ'));
    });

    it('passes an answer on that fits no shape, and lets nobody in by it', async () => {
      stage.nas.broken = ok({ access_token: stage.nas.token('alice'), user: { id: 5 } });
      assert.equal(await login('alice', 'alice-password'), 'passed 200');
      stage.nas.broken = ok({
        access_token: stage.nas.token('alice'),
        user: { id: 1, username: 'admin', role: 'admin' },
      });
      const outcome = await stage.login('alice', 'alice-password');
      assert.equal(outcome.kind === 'passed' && outcome.user, null);
      assert.equal(stage.accounts.users.userOf(1), null);
    });

    it('costs the NAS one call for the same try twice at once', async () => {
      const both = [login('alice', 'alice-password'), login('alice', 'alice-password')];
      assert.deepEqual(await Promise.all(both), ['passed 200', 'passed 200']);
      assert.equal(stage.nas.asked('login'), 1);
    });

    it('still goes to the NAS in soft sleep', async () => {
      stage.softSleep();
      assert.equal(await login('alice', 'alice-password'), 'passed 200');
    });
  });

  describe('while the NAS sleeps', () => {
    it('gives a Pi token when the verifier matches', async () => {
      await stage.login('alice', 'alice-password');
      stage.sleep();
      const asked = stage.nas.asked('login');
      const outcome = await stage.login('alice', 'alice-password');
      assert.equal(outcome.kind, 'issued');
      assert.equal(stage.nas.asked('login'), asked);
      const caller = await stage.caller(tokenOf(outcome));
      assert.deepEqual([caller.kind, caller.user.id, caller.scope], ['pi', 4, 'all']);
    });

    it('answers in the NAS’s shape, with times that the app can read', async () => {
      await stage.login('alice', 'alice-password');
      stage.sleep();
      const outcome = await stage.login('alice', 'alice-password');
      const body = outcome.kind === 'issued' ? (outcome.body as Record<string, unknown>) : {};
      assert.deepEqual(Object.keys(body), ['access_token', 'token_type', 'user']);
      assert.equal(body['token_type'], 'bearer');
      assert.deepEqual(body['user'], {
        username: 'alice',
        email: 'alice@example.com',
        id: 4,
        role: 'user',
        is_active: true,
        smb_enabled: false,
        created_at: '2026-01-23T15:57:59Z',
        updated_at: null,
      });
    });

    it('says 401 when a known user’s verifier does not match', async () => {
      await stage.login('alice', 'alice-password');
      stage.sleep();
      assert.equal(await login('alice', 'wrong'), 'bad_credentials');
    });

    it('says 503 for an unknown user, and for one of whom no verifier was kept', async () => {
      await stage.caller(stage.nas.token('bob'));
      stage.sleep();
      assert.equal(await login('mallory', 'x'), 'nas_asleep');
      assert.equal(await login('bob', 'bob-password'), 'nas_asleep');
    });

    it('says nas_never_seen when the NAS was never seen', async () => {
      stage.sleep();
      stage.presence.state = { ...stage.presence.state, everSeen: false };
      assert.equal(await login('admin', 'admin-password'), 'nas_never_seen');
      const twoFactor = { pendingToken: 'x', code: '123456', address: 'a' };
      assert.equal(outcomeWord(await stage.accounts.verifyTwoFactor(twoFactor)), 'nas_never_seen');
    });

    it('counts the grace from the last time the NAS answered for that user', async () => {
      await stage.login('alice', 'alice-password');
      await stage.clock.advance(10 * HOUR_MS);
      await stage.caller(stage.nas.token('alice'));
      stage.sleep();
      await stage.clock.advance(72 * HOUR_MS - 1);
      assert.equal(await login('alice', 'alice-password'), 'issued');
      await stage.clock.advance(1);
      assert.equal(await login('alice', 'alice-password'), 'nas_asleep');
      assert.equal(await login('alice', 'wrong'), 'bad_credentials');
    });

    it('still lets a known admin wake the NAS after the grace, and nothing else', async () => {
      await stage.login('admin', 'admin-password');
      stage.sleep();
      await stage.clock.advance(100 * HOUR_MS);
      const caller = await stage.caller(tokenOf(await stage.login('admin', 'admin-password')));
      assert.equal(caller.scope, 'wake');
      assert.equal(stage.accounts.isAdmin(caller), false);
      assert.equal(stage.accounts.mayWake(caller), true);
      assert.equal(await login('admin', 'wrong'), 'bad_credentials');
    });

    it('takes as long for an unknown name as for a wrong password', async () => {
      await stage.close();
      stage = new Stage({ scryptCost: SCRYPT_COST });
      await stage.login('alice', 'alice-password');
      stage.sleep();
      const time = async (name: string, address: string): Promise<number> => {
        const startedMs = performance.now();
        await login(name, 'wrong', address);
        return performance.now() - startedMs;
      };
      const known: number[] = [];
      const unknown: number[] = [];
      for (let round = 0; round < 5; round += 1) {
        known.push(await time('alice', 'a'));
        unknown.push(await time('nobody', 'a'));
      }
      // A generous bound for busy machines: without the dummy check the ratio is far above 10.
      assert.ok(Math.min(...unknown) > Math.min(...known) / 3);
    });
  });

  describe('keeps a verifier', () => {
    it('not for a user with a second factor, and drops the one from before', async () => {
      await stage.login('alice', 'alice-password');
      stage.nas.account('alice').secondFactor = true;
      assert.equal(await login('alice', 'alice-password'), 'passed 200');
      stage.sleep();
      assert.equal(await login('alice', 'alice-password'), 'nas_asleep');
    });

    it('not for a second factor that was passed', async () => {
      stage.nas.account('alice').secondFactor = true;
      const first = await stage.login('alice', 'alice-password');
      const { pending_token: pendingToken } = (first.kind === 'passed' ? first.body : {}) as {
        pending_token: string;
      };
      const wrong = { pendingToken, code: '000000', address: 'a' };
      assert.equal(outcomeWord(await stage.accounts.verifyTwoFactor(wrong)), 'passed 401');
      const right = { pendingToken, code: '123456', address: 'a' };
      const outcome = await stage.accounts.verifyTwoFactor(right);
      assert.equal(outcomeWord(outcome), 'passed 200');
      assert.equal(word(await stage.authenticate(tokenOf(outcome))), 'alice');
      stage.sleep();
      assert.equal(await login('alice', 'alice-password'), 'nas_asleep');
      assert.equal(outcomeWord(await stage.accounts.verifyTwoFactor(right)), 'nas_asleep');
    });

    it('no longer once the NAS refused that very password', async () => {
      await stage.login('alice', 'alice-password');
      stage.nas.account('alice').password = 'changed';
      assert.equal(await login('alice', 'alice-password'), 'passed 401');
      stage.sleep();
      assert.equal(await login('alice', 'alice-password'), 'nas_asleep');
    });

    it('on when the NAS refused another password', async () => {
      await stage.login('alice', 'alice-password');
      assert.equal(await login('alice', 'a typing mistake'), 'passed 401');
      stage.sleep();
      assert.equal(await login('alice', 'alice-password'), 'issued');
    });

    it('of the new password after a change', async () => {
      await stage.login('alice', 'alice-password');
      stage.nas.account('alice').password = 'changed';
      await stage.login('alice', 'changed');
      stage.sleep();
      assert.equal(await login('alice', 'alice-password'), 'bad_credentials');
      assert.equal(await login('alice', 'changed'), 'issued');
    });

    it('at the cost of today: one of another cost is made again at the next sign-in', async () => {
      const cost = (): unknown =>
        stage.store.prepare('SELECT cost FROM password_verifiers').get()?.['cost'];
      await stage.login('alice', 'alice-password');
      stage.store.prepare('UPDATE password_verifiers SET cost = 16').run();
      await stage.login('alice', 'alice-password');
      assert.equal(cost(), 2 ** 8);
      stage.sleep();
      assert.equal(await login('alice', 'alice-password'), 'issued');
    });

    it('over a restart', async () => {
      await stage.login('alice', 'alice-password');
      stage.sleep();
      stage.restart(0);
      assert.equal(await login('alice', 'alice-password'), 'issued');
    });

    it('that is not the password, nor is any token in the database or the log', async () => {
      const nasToken = tokenOf(await stage.login('alice', 'alice-password'));
      const refresh = stage.nas.refreshToken('alice');
      await stage.refresh(refresh);
      stage.sleep();
      const piToken = tokenOf(await stage.login('alice', 'alice-password'));
      await stage.accounts.stop();
      const files = ['queue.db', 'queue.db-wal'].map((name) =>
        readFileSync(join(stage.folder, name)),
      );
      for (const secret of ['alice-password', nasToken, refresh, piToken]) {
        for (const file of files) assert.equal(file.includes(secret), false);
        assert.ok(!stage.log.lines.join('\n').includes(secret));
      }
    });
  });

  describe('against guessing', () => {
    it('makes each guess at a stolen database cost 32 MB', async () => {
      assert.equal(SCRYPT_COST * 8 * 128, 32 * 1024 * 1024);
      await stage.login('alice', 'alice-password');
      const row = stage.store.prepare('SELECT cost, length(salt) AS salt FROM password_verifiers');
      assert.deepEqual({ ...row.get() }, { cost: 2 ** 8, salt: 16 });
    });

    it('allows 5 tries a minute per address and user, then says when to come back', async () => {
      stage.sleep();
      for (let guess = 0; guess < 5; guess += 1) {
        assert.equal(await login('alice', `guess ${guess}`), 'nas_asleep');
        await stage.clock.advance(1_000);
      }
      assert.deepEqual(await stage.login('alice', 'guess'), {
        kind: 'refused',
        code: 'too_many_tries',
        retryAfterSeconds: 55,
      });
      await stage.clock.advance(55_000);
      assert.equal(await login('alice', 'guess'), 'nas_asleep');
    });

    it('locks neither another user nor another address', async () => {
      for (let guess = 0; guess < 8; guess += 1) await login('alice', `guess ${guess}`, 'thief');
      assert.equal(await login('alice', 'guess', 'thief'), 'too_many_tries');
      stage.sleep();
      assert.equal(await login('bob', 'bob-password', 'thief'), 'nas_asleep');
      assert.equal(await login('alice', 'guess', 'home'), 'nas_asleep');
    });

    it('lets the owner of a guessed name in, by the verifier that was kept', async () => {
      await stage.login('alice', 'alice-password', 'home');
      for (let guess = 0; guess < 8; guess += 1) await login('alice', `guess ${guess}`, 'thief');
      assert.equal(await login('alice', 'alice-password', 'home'), 'passed 200');
    });

    it('allows 10 tries a minute from one address over all users', async () => {
      stage.sleep();
      for (let guess = 0; guess < 10; guess += 1) {
        assert.equal(await login(`name ${guess}`, 'x', 'thief'), 'nas_asleep');
      }
      assert.equal(await login('alice', 'x', 'thief'), 'too_many_tries');
      assert.equal(await login('alice', 'x', 'home'), 'nas_asleep');
    });

    it('shows the NAS at most 2 tries a minute of strangers', async () => {
      for (let guess = 0; guess < 6; guess += 1) {
        await login('alice', `guess ${guess}`, `address ${guess}`);
      }
      assert.equal(stage.nas.asked('login'), 2);
      await stage.clock.advance(MINUTE_MS + 1_000);
      for (let guess = 0; guess < 6; guess += 1) {
        await login('alice', `more ${guess}`, `address ${guess}`);
      }
      assert.equal(stage.nas.asked('login'), 4);
    });

    it('shows the NAS at most 2 of a burst of guesses', async () => {
      const burst = Array.from({ length: 8 }, (_none, at) => login('alice', `${at}`, `from ${at}`));
      const words = await Promise.all(burst);
      assert.equal(stage.nas.asked('login'), 2);
      assert.equal(words.filter((each) => each === 'nas_busy').length, 6);
    });

    it('lets a typing mistake be followed by the right password at once', async () => {
      assert.equal(await login('alice', 'alice-passwort'), 'passed 401');
      assert.equal(await login('alice', 'alice-password'), 'passed 200');
    });

    it('shows the NAS at most 4 of 2,000 guesses in 2 minutes', async () => {
      for (let minute = 0; minute < 2; minute += 1) {
        for (let guess = 0; guess < 1_000; guess += 1) await login('admin', `${minute} ${guess}`);
        await stage.clock.advance(MINUTE_MS);
      }
      assert.ok(stage.nas.asked('login') <= 4);
      await stage.clock.advance(1_000);
      assert.equal(await login('admin', 'admin-password', 'home'), 'passed 200');
    });

    it('limits second factors too', async () => {
      stage.nas.account('alice').secondFactor = true;
      const first = await stage.login('alice', 'alice-password');
      const body = (first.kind === 'passed' ? first.body : {}) as { pending_token: string };
      const words: string[] = [];
      for (let code = 0; code < 7; code += 1) {
        const given = { pendingToken: body.pending_token, code: `00000${code}`, address: 'a' };
        words.push(outcomeWord(await stage.accounts.verifyTwoFactor(given)));
      }
      // One address has two of the reserved sign-ins and two of the general ones.
      assert.equal(words.filter((each) => each === 'passed 401').length, 4);
      assert.deepEqual(words.slice(4), ['nas_busy', 'too_many_tries', 'too_many_tries']);
    });

    it('bears a flood of sign-ins without piling up work', async () => {
      stage.sleep();
      const flood = Array.from({ length: 100 }, (_none, at) => login(`name ${at}`, 'x', `${at}`));
      const words = await Promise.all(flood);
      assert.ok(words.filter((each) => each === 'too_many_tries').length > 50);
      assert.equal(await login('calm', 'x'), 'nas_asleep');
    }).timeout(20_000);
  });

  describe('against one stranger who means to stop all sign-ins', () => {
    const FAMILY = ['alice', 'admin', 'bob'] as const;

    /** Everybody has signed in from home before; bob has a second factor. */
    beforeEach(async () => {
      stage.nas.account('bob').secondFactor = true;
      for (const name of FAMILY) {
        assert.equal(await signIn(name), 'passed 200');
        await stage.clock.advance(2 * MINUTE_MS);
      }
      stage.nas.isLimited = true;
    });

    const home = (name: string): string => `home of ${name}`;

    async function signIn(name: string): Promise<string> {
      const first = await stage.login(name, `${name}-password`, home(name));
      const body = first.kind === 'passed' ? (first.body as Record<string, unknown>) : {};
      const pendingToken = body['pending_token'];
      if (typeof pendingToken !== 'string') return outcomeWord(first);
      const given = { pendingToken, code: '123456', address: home(name) };
      return outcomeWord(await stage.accounts.verifyTwoFactor(given));
    }

    async function attack(): Promise<void> {
      for (let guess = 0; guess < 15; guess += 1) {
        await login(`made up ${guess}`, 'x', 'thief');
        await login(FAMILY[guess % 3] ?? 'bob', `guess ${guess}`, 'thief');
        const pendingToken = stage.nas.token('bob', { type: '2fa_pending', nonce: guess });
        await stage.accounts.verifyTwoFactor({ pendingToken, code: '000000', address: 'thief' });
      }
    }

    it('lets everybody in from where they signed in before, minute after minute', async () => {
      for (let minute = 0; minute < 10; minute += 1) {
        await attack();
        for (const name of FAMILY) {
          const word = await signIn(name);
          assert.ok(word === 'passed 200' || word === 'issued', `${name}: ${word}`);
          await stage.clock.advance(7_000);
        }
        await attack();
        await stage.clock.advance(39_000);
      }
    });

    it('gives them two of the five sign-ins a minute', async () => {
      const before = stage.nas.asked('login');
      await attack();
      assert.equal(stage.nas.asked('login') - before, 2);
    });

    it('is not fooled by names with a verifier: a guess is nothing kept', async () => {
      const before = stage.nas.asked('login');
      for (let guess = 0; guess < 5; guess += 1) await login('alice', `g${guess}`, home('alice'));
      assert.equal(stage.nas.asked('login') - before, 2);
      assert.equal(await signIn('bob'), 'passed 200');
    });

    it('answers by the kept verifier when the NAS says 429, and else says nas_busy', async () => {
      stage.nas.broken = said(429, 'Rate limit exceeded');
      assert.equal(await signIn('alice'), 'issued');
      assert.equal(await login('alice', 'wrong', home('alice')), 'nas_busy');
      assert.equal(await signIn('bob'), 'nas_busy');
      stage.nas.broken = { kind: 'bad_answer', status: 429 };
      assert.equal(await signIn('admin'), 'issued');
    });

    it('lets nobody in by it whom the NAS switched off', async () => {
      stage.nas.account('alice').isActive = false;
      assert.equal(await login('alice', 'alice-password', home('alice')), 'bad_credentials');
      stage.nas.broken = said(429, 'Rate limit exceeded');
      assert.notEqual(await signIn('alice'), 'issued');
    });

    it('answers a known name at once asleep, however many names are made up', async () => {
      stage.sleep();
      const flood = Array.from({ length: 100 }, (_none, at) => login(`name ${at}`, 'x', `${at}`));
      const order: string[] = [];
      const made = flood.map((each) => each.then(() => order.push('made up')));
      assert.equal(await signIn('alice'), 'issued');
      const before = order.filter((each) => each === 'made up').length;
      await Promise.all(made);
      // All that are rejected, and the one being checked.
      assert.ok(before <= 70, `${before} made-up names were answered first`);
    });

    it('keeps a busy verifier', async () => {
      stage.nas.account('alice').password = 'changed';
      stage.nas.isLimited = false;
      const flood = Array.from({ length: 60 }, (_none, at) => login(`name ${at}`, 'x', `${at}`));
      const changed = login('alice', 'changed', home('alice'));
      await Promise.all(flood);
      assert.equal(await changed, 'nas_busy');
      stage.sleep();
      assert.equal(await login('alice', 'alice-password', home('alice')), 'issued');
    });

    it('remembers over a restart from where somebody signed in', async () => {
      await attack();
      stage.restart();
      stage.nas.isLimited = false;
      for (let guess = 0; guess < 2; guess += 1) await login(`name ${guess}`, 'x', 'thief');
      assert.equal(await signIn('bob'), 'passed 200');
      assert.equal(await login('bob', 'bob-password', 'elsewhere'), 'nas_busy');
    });
  });
});
