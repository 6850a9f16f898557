import assert from 'node:assert/strict';
import { HOUR_MS, outcomeWord, Stage, tokenOf, word } from './accounts-stage.ts';

const ALICE = { id: 4, username: 'alice', role: 'user' };

describe('the sign-ins of a home', () => {
  let stage: Stage;

  beforeEach(() => {
    stage = new Stage();
  });

  afterEach(async () => {
    await stage.close();
  });

  const kinds = (userId: number | null): string[] =>
    stage.accounts.signIns.list(userId).map(({ kind, userId: whose }) => `${kind} of ${whose}`);

  it('are the apps that refresh through here, one for all tokens of a device', async () => {
    const token = stage.nas.refreshToken('alice');
    await stage.refresh(token);
    await stage.refresh(stage.nas.refreshToken('bob'));
    assert.deepEqual(kinds(4), ['app of 4']);
    assert.deepEqual(kinds(null).sort(), ['app of 4', 'app of 5']);
  });

  it('end one by one: the app’s tokens let nobody in, asleep or awake, and others stay', async () => {
    const token = stage.nas.refreshToken('alice');
    const access = tokenOf(await stage.refresh(token));
    await stage.refresh(stage.nas.refreshToken('bob'));
    const [app] = stage.accounts.signIns.list(4);
    assert.ok(app !== undefined);
    assert.equal(stage.accounts.signIns.end(app.id, 5), false, 'another’s');
    assert.equal(stage.accounts.signIns.end(app.id, 4), true);
    assert.equal(stage.accounts.signIns.end(app.id, 4), false);
    assert.deepEqual(kinds(null), ['app of 5']);
    assert.notEqual(outcomeWord(await stage.refresh(token)), 'passed 200');
    stage.presence.silent();
    assert.notEqual(outcomeWord(await stage.refresh(token)), 'issued');
    assert.notEqual(word(await stage.authenticate(access)), 'alice');
  });

  it('are browsers by keys that are no cookies, each ended alone', async () => {
    await stage.refresh(stage.nas.refreshToken('alice'));
    const [one, other] = [stage.accounts.pages.open(ALICE), stage.accounts.pages.open(ALICE)];
    assert.ok(one !== null && other !== null);
    const pages = stage.accounts.signIns.list(4).filter(({ kind }) => kind === 'page');
    assert.equal(pages.length, 2);
    assert.ok(!JSON.stringify(pages).includes(one.cookie));
    stage.accounts.signIns.end(pages[0]?.id ?? '', null);
    const open = [one, other].filter(({ cookie }) => stage.accounts.pages.find(cookie) !== null);
    assert.equal(open.length, 1);
  });

  it('are gone once what they stood on is over', async () => {
    await stage.refresh(stage.nas.refreshToken('alice'));
    stage.accounts.pages.open(ALICE);
    await stage.clock.advance(31 * 24 * HOUR_MS);
    assert.deepEqual(
      kinds(null).filter((kind) => kind.startsWith('page')),
      [],
    );
  });

  it('show an admin at the editor, until that is ended', async () => {
    await stage.accounts.editor.signIn({
      ...{ username: 'admin', password: 'admin-password', address: '10.0.0.7' },
    });
    const [editor] = stage.accounts.signIns.list(1).filter(({ kind }) => kind === 'editor');
    assert.equal((editor?.endsAtMs ?? 0) - (editor?.sinceMs ?? 0), 12 * HOUR_MS);
    assert.ok(stage.accounts.signIns.end(editor?.id ?? '', null));
    assert.equal(await stage.accounts.editor.user('admin'), null);
  });

  it('from a new place are told, a known one not again', async () => {
    const told: string[] = [];
    stage.accounts.onNews((news) => {
      told.push(`${news.kind} ${news.user.username} ${news.address}`);
    });
    for (const address of ['10.0.0.7', '10.0.0.7', '10.0.0.8']) {
      await stage.accounts.login({ username: 'alice', password: 'alice-password', address });
    }
    assert.deepEqual(told, ['sign_in alice 10.0.0.7', 'sign_in alice 10.0.0.8']);
  });
});
