import assert from 'node:assert/strict';
import type { PersonOutcome } from '../../../nodes/lib/accounts/caller.ts';
import { GONE, HOUR_MS, MINUTE_MS, said, Stage } from './accounts-stage.ts';

describe('the editor', () => {
  let stage: Stage;

  beforeEach(() => {
    stage = new Stage();
  });

  afterEach(async () => {
    await stage.close();
  });

  const inOneWord = (outcome: PersonOutcome): string =>
    outcome.kind === 'person' ? outcome.user.username : outcome.code;
  const signIn = async (name: string, password: string): Promise<string> =>
    inOneWord(await stage.accounts.editor.signIn({ username: name, password, address: 'editor' }));
  const user = async (name = 'admin'): Promise<string | null> =>
    (await stage.accounts.editor.user(name))?.username ?? null;

  it('lets a NAS admin in, and nobody else', async () => {
    assert.equal(await signIn('admin', 'admin-password'), 'admin');
    assert.equal(await signIn('alice', 'alice-password'), 'admin_only');
    assert.equal(await signIn('admin', 'wrong'), 'bad_credentials');
    assert.equal(await user('alice'), null);
    assert.equal(await user('mallory'), null);
  });

  it('knows nobody who did not sign in there, admin or not', async () => {
    await stage.login('admin', 'admin-password');
    assert.equal(await user(), null);
  });

  it('wants the second factor behind the password', async () => {
    stage.nas.account('admin').secondFactor = true;
    const without = await stage.accounts.editor.signIn({
      ...{ username: 'admin', password: 'admin-password', address: 'editor' },
    });
    assert.equal(inOneWord(without), 'bad_credentials');
    assert.match((without.kind === 'refused' && without.detail) || '', /six digits/);
    assert.equal(await user(), null);
    assert.equal(await signIn('admin', 'admin-password 000000'), 'bad_credentials');
    assert.equal(await signIn('admin', 'admin-password 123456'), 'admin');
    assert.equal(await user(), 'admin');
  });

  it('takes a password that itself ends like a code', async () => {
    stage.nas.account('admin').password = 'correct horse 424242';
    assert.equal(await signIn('admin', 'correct horse 424242'), 'admin');
  });

  it('does not ignore a code that the account has no use for', async () => {
    assert.equal(await signIn('admin', 'admin-password 123456'), 'bad_credentials');
    assert.equal(await user(), null);
  });

  it('lets an admin in by the kept verifier while the NAS sleeps', async () => {
    await stage.login('admin', 'admin-password');
    stage.sleep();
    assert.equal(await signIn('admin', 'admin-password'), 'admin');
    assert.equal(await user(), 'admin');
  });

  it('lets nobody with a second factor in while the NAS sleeps', async () => {
    stage.nas.account('admin').secondFactor = true;
    await stage.login('admin', 'admin-password');
    stage.sleep();
    assert.equal(await signIn('admin', 'admin-password 123456'), 'nas_asleep');
  });

  it('stays shut to an admin after the grace', async () => {
    await stage.login('admin', 'admin-password');
    stage.sleep();
    await stage.clock.advance(100 * HOUR_MS);
    assert.equal(await signIn('admin', 'admin-password'), 'nas_asleep');
  });

  it('ends a sign-in after 12 hours', async () => {
    await stage.login('admin', 'admin-password');
    stage.sleep();
    await signIn('admin', 'admin-password');
    await stage.clock.advance(12 * HOUR_MS - 1);
    assert.equal(await user(), 'admin');
    await stage.clock.advance(1);
    assert.equal(await user(), null);
  });

  it('counts those 12 hours on the monotonic clock', async () => {
    await signIn('admin', 'admin-password');
    stage.clock.stepWallTo(stage.clock.nowMs() + 5 * HOUR_MS);
    assert.equal(await user(), 'admin');
    stage.clock.stepWallTo(0);
    await stage.clock.advance(12 * HOUR_MS);
    assert.equal(await user(), null);
  });

  it('checks the role every 5 minutes while the NAS answers', async () => {
    stage.budget = 0;
    await signIn('admin', 'admin-password');
    for (let call = 0; call < 10; call += 1) await user();
    assert.equal(stage.nas.asked('me'), 0);
    await stage.clock.advance(5 * MINUTE_MS);
    for (let call = 0; call < 10; call += 1) assert.equal(await user(), 'admin');
    assert.equal(stage.nas.asked('me'), 1);
    assert.equal(stage.nas.asks.at(-1)?.auto, true);
    stage.nas.account('admin').role = 'user';
    await stage.clock.advance(5 * MINUTE_MS);
    assert.equal(await user(), null);
    assert.equal(await user(), null);
  });

  it('goes on when that check finds no answer', async () => {
    await signIn('admin', 'admin-password');
    await stage.clock.advance(5 * MINUTE_MS);
    for (const broken of [GONE, said(500, 'x'), said(429, 'x')]) {
      stage.nas.broken = broken;
      assert.equal(await user(), 'admin');
    }
    stage.sleep();
    assert.equal(await user(), 'admin');
  });

  it('ends when the NAS refuses the admin’s living token', async () => {
    await signIn('admin', 'admin-password');
    await stage.clock.advance(5 * MINUTE_MS);
    stage.nas.account('admin').isActive = false;
    assert.equal(await user(), null);
  });

  it('ends with the logout, and with what any other call learns of the admin', async () => {
    await signIn('admin', 'admin-password');
    await stage.accounts.profile.logout(await stage.caller(stage.nas.token('admin')));
    assert.equal(await user(), null);
    await stage.clock.advance(1_000);
    await signIn('admin', 'admin-password');
    assert.equal(await user(), 'admin');
    stage.nas.account('admin').role = 'user';
    await stage.clock.advance(1_000);
    await stage.caller(stage.nas.token('admin'));
    assert.equal(await user(), null);
  });

  it('asks for the password again after a restart', async () => {
    await signIn('admin', 'admin-password');
    stage.restart();
    assert.equal(await user(), null);
  });

  it('is limited like any other sign-in', async () => {
    stage.sleep();
    const words: string[] = [];
    for (let guess = 0; guess < 7; guess += 1) words.push(await signIn('admin', `guess ${guess}`));
    assert.deepEqual(words.slice(5), ['too_many_tries', 'too_many_tries']);
  });
});
