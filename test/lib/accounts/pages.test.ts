import assert from 'node:assert/strict';
import type { PageOutcome } from '../../../nodes/lib/accounts/accounts.ts';
import { HOUR_MS, MINUTE_MS, Stage } from './accounts-stage.ts';

const DAY_MS = 24 * HOUR_MS;

describe('the pages of the Pi', () => {
  let stage: Stage;

  beforeEach(() => {
    stage = new Stage();
  });

  afterEach(async () => {
    await stage.close();
  });

  const enter = (username: string, password = `${username}-password`): Promise<PageOutcome> =>
    stage.accounts.pageSignIn.password({ username, password, address: '192.168.1.10' });
  const inOneWord = (outcome: PageOutcome): string =>
    outcome.kind === 'refused' ? outcome.code : outcome.kind;

  async function cookieOf(username: string): Promise<string> {
    const outcome = await enter(username);
    assert.ok(outcome.kind === 'person', inOneWord(outcome));
    const opened = stage.accounts.pages.open(outcome.user);
    assert.ok(opened !== null);
    return opened.cookie;
  }
  const nameOf = (cookie: string): string | null =>
    stage.accounts.pages.find(cookie)?.username ?? null;

  it('open to the cookie of a sign-in, and to nothing that looks like one', async () => {
    const cookie = await cookieOf('alice');
    assert.equal(nameOf(cookie), 'alice');
    const other = cookie.startsWith('A') ? `B${cookie.slice(1)}` : `A${cookie.slice(1)}`;
    for (const forged of [other, '', `${cookie}A`, cookie.slice(1), "' OR 1=1 --"]) {
      assert.equal(nameOf(forged), null, forged);
    }
  });

  it('keep no cookie, only what it cannot be made of', async () => {
    const cookie = await cookieOf('alice');
    const rows = stage.store.prepare('SELECT * FROM page_sessions').all();
    assert.equal(rows.length, 1);
    assert.ok(!JSON.stringify(rows).includes(cookie));
  });

  it('stay open over a restart, and 30 days at most', async () => {
    stage = await reopened({ graceHours: 10_000 });
    const cookie = await cookieOf('alice');
    stage.restart();
    await stage.clock.advance(30 * DAY_MS - MINUTE_MS);
    assert.equal(nameOf(cookie), 'alice');
    await stage.clock.advance(MINUTE_MS);
    assert.equal(nameOf(cookie), null);
  });

  async function reopened(options: { graceHours: number }): Promise<Stage> {
    await stage.close();
    return new Stage(options);
  }

  it('close once the NAS has not answered for that user for longer than the grace', async () => {
    const cookie = await cookieOf('alice');
    stage.sleep();
    await stage.clock.advance(72 * HOUR_MS - MINUTE_MS);
    assert.equal(nameOf(cookie), 'alice');
    await stage.clock.advance(MINUTE_MS);
    assert.equal(nameOf(cookie), null);
  });

  it('close for one browser at its sign-out, and for all of that user at a logout', async () => {
    const [one, two, admin] = [
      await cookieOf('alice'),
      await cookieOf('alice'),
      await cookieOf('admin'),
    ];
    stage.accounts.pages.close(one);
    assert.deepEqual([nameOf(one), nameOf(two)], [null, 'alice']);
    await stage.accounts.profile.logout(await stage.caller(stage.nas.token('alice')));
    assert.deepEqual([nameOf(two), nameOf(admin)], [null, 'admin']);
  });

  it('close for an account that was switched off, and show a role that changed', async () => {
    stage.budget = 0;
    const [alice, admin] = [await cookieOf('alice'), await cookieOf('admin')];
    stage.nas.account('alice').isActive = false;
    stage.nas.account('admin').role = 'user';
    await stage.clock.advance(5 * MINUTE_MS);
    assert.equal(await stage.accounts.pages.look(alice), null);
    assert.equal((await stage.accounts.pages.look(admin))?.role, 'user');
    assert.equal(stage.nas.asks.at(-1)?.auto, true, 'which wakes nothing');
  });

  it('ask the NAS about their user every five minutes at most', async () => {
    stage.budget = 0;
    const cookie = await cookieOf('alice');
    const before = stage.nas.asked('me');
    for (let look = 0; look < 5; look += 1) await stage.accounts.pages.look(cookie);
    assert.equal(stage.nas.asked('me'), before);
    await stage.clock.advance(5 * MINUTE_MS);
    for (let look = 0; look < 5; look += 1) await stage.accounts.pages.look(cookie);
    assert.equal(stage.nas.asked('me'), before + 1);
  });

  it('ask for the second factor in a step of its own', async () => {
    stage.nas.account('admin').secondFactor = true;
    const first = await enter('admin');
    assert.ok(first.kind === 'second_factor');
    const step = (code: string): Promise<PageOutcome> =>
      stage.accounts.pageSignIn.secondFactor({
        pendingToken: first.pendingToken,
        code,
        address: '192.168.1.10',
      });
    assert.equal(inOneWord(await step('000000')), 'bad_credentials');
    assert.equal(inOneWord(await step('123456')), 'person');
  });

  it('open by the kept verifier while the NAS sleeps, but not to one with a second factor', async () => {
    await enter('alice');
    stage.nas.account('admin').secondFactor = true;
    await enter('admin');
    stage.sleep();
    assert.equal(nameOf(await cookieOf('alice')), 'alice');
    assert.equal(inOneWord(await enter('alice', 'wrong')), 'bad_credentials');
    assert.equal(inOneWord(await enter('admin')), 'nas_asleep');
    assert.equal(inOneWord(await enter('mallory')), 'nas_asleep');
  });

  it('let a known admin do nothing but wake after the grace', async () => {
    await enter('admin');
    await enter('alice');
    stage.sleep();
    await stage.clock.advance(100 * HOUR_MS);
    const admin = await enter('admin');
    assert.ok(admin.kind === 'wake_only');
    assert.equal(stage.accounts.pages.open(admin.user), null);
    assert.equal(inOneWord(await enter('alice')), 'nas_asleep');
  });

  it('count tries like every other sign-in', async () => {
    await enter('alice');
    stage.sleep();
    const words: string[] = [];
    for (let guess = 0; guess < 7; guess += 1) {
      words.push(inOneWord(await enter('alice', `guess ${guess}`)));
    }
    assert.deepEqual(words.slice(5), ['too_many_tries', 'too_many_tries']);
  });

  it('forget the oldest of a person’s many browsers', async () => {
    stage.sleep();
    stage.wake();
    const first = await cookieOf('alice');
    const { user } = (await enter('alice')) as Extract<PageOutcome, { kind: 'person' }>;
    for (let browser = 0; browser < 20; browser += 1) {
      await stage.clock.advance(1_000);
      stage.accounts.pages.open(user);
    }
    assert.equal(nameOf(first), null);
    assert.equal(stage.store.prepare('SELECT * FROM page_sessions').all().length, 20);
  });
});
