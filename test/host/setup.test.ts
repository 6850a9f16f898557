import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { FreshPi, TAPO } from '../fakes/fresh-pi.ts';
import { type Answered, FormBrowser } from '../fakes/form-browser.ts';

const ADMIN = { username: 'admin', password: 'Practice-admin-1' } as const;

function keptIn(fresh: FreshPi): Record<string, string> {
  try {
    const text = readFileSync(join(fresh.dataFolder, 'settings.json'), 'utf8');
    return JSON.parse(text) as Record<string, string>;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw error;
  }
}

describe('The first start over HTTP', function () {
  this.timeout(120_000);
  let fresh: FreshPi;
  let owner: FormBrowser;

  before(async () => {
    fresh = await FreshPi.start({ hurry: 5 });
    owner = new FormBrowser(fresh.url);
  });

  after(async () => {
    await fresh.stop();
  });

  it('leads a browser from the bare address to the guided start', async () => {
    let place = '/';
    const way = [];
    for (let steps = 0; steps < 6 && place !== ''; steps += 1) {
      way.push(place);
      place = (await owner.get(place)).place;
    }
    assert.equal(way.at(-1), '/dashboard/setup');
    const { html, headers } = await owner.get('/dashboard/setup');
    assert.match(html, /name="code"/);
    assert.doesNotMatch(html, /<script/);
    assert.equal(headers.get('cache-control'), 'no-store');
    assert.match((await owner.get('/dashboard/sign-in?account=1')).html, /name="password"/);
  });

  it('opens no step without the code, in no spelling', async () => {
    const stranger = new FormBrowser(fresh.url);
    for (const name of ['house', 'nas', 'admin', 'account', 'plugs', 'price', 'done']) {
      const shown = await stranger.get(`/dashboard/setup/${name}`);
      assert.deepEqual([shown.status, shown.place], [303, '/dashboard/setup'], name);
      const sent = await stranger.post(`/dashboard/setup/${name}`, {
        url: fresh.nas.url,
        do: 'use',
      });
      assert.equal(sent.status, 401, name);
      const later = await stranger.get(`/dashboard/settings/${name}`);
      assert.match(later.place, /^\/dashboard\/sign-in/, name);
    }
    for (const path of [
      '/dashboard/SETUP/nas',
      '/DASHBOARD/setup/nas',
      '//dashboard//setup/nas',
      '/dashboard/setup/nas/',
      '/dashboard/setup%2Fnas',
      '/dashboard/x/../setup/nas',
      '/dashboard/setup/nas;x',
      '/dashboard/setup/nas/more',
    ]) {
      const sent = await stranger.post(path, { url: fresh.nas.url, do: 'use' });
      assert.ok([401, 404].includes(sent.status), `${path}: ${sent.status}`);
    }
    assert.deepEqual(keptIn(fresh), {});
  });

  it('takes no other code, none of another site’s page, and none through the API', async () => {
    const stranger = new FormBrowser(fresh.url);
    const wrong = await stranger.post('/dashboard/setup', { code: 'AAAAA-AAAAA' });
    assert.equal(wrong.status, 401);
    assert.match(wrong.html, /role="alert"/);
    assert.equal(stranger.cookies.size, 0);
    const foreign = await stranger.post(
      '/dashboard/setup',
      { code: fresh.code },
      'http://evil.example',
    );
    assert.equal(foreign.status, 403);
    assert.equal(stranger.cookies.size, 0);
    const api = await fetch(`${fresh.url}/api/setup/status`);
    assert.ok(api.status === 401 || api.status === 403, String(api.status));
  });

  it('lets in whoever types the code of the log, as they like', async () => {
    const typed = ` ${fresh.code.replace('-', ' ').toLowerCase()} `;
    const entered = await owner.post('/dashboard/setup', { code: typed });
    assert.deepEqual([entered.status, entered.place], [303, '/dashboard/setup/house']);
    const cookie = entered.headers.get('set-cookie') ?? '';
    for (const rule of ['Path=/dashboard', 'HttpOnly', 'SameSite=Strict']) {
      assert.ok(cookie.includes(rule), rule);
    }
    assert.equal((await owner.get('/dashboard/setup')).place, '/dashboard/setup/house');
    assert.equal((await owner.get('/dashboard/setup/account')).place, '/dashboard/setup/admin');
  });

  it('takes language and time zone, and no zone that is none', async () => {
    assert.match((await owner.get('/dashboard/setup/house')).html, /Europe\/Berlin/);
    const wrong = await owner.post('/dashboard/setup/house', { zone: 'Mars/Base', language: 'en' });
    assert.equal(wrong.status, 422);
    const taken = await owner.post('/dashboard/setup/house', {
      zone: 'Europe/Berlin',
      language: 'de',
    });
    assert.equal(taken.place, '/dashboard/setup/nas');
    assert.equal(owner.cookies.get('balupi_language'), 'de');
    assert.deepEqual(keptIn(fresh), { TIMEZONE: 'Europe/Berlin' });
  });

  it('asks nothing but a home’s own networks, and tells only of a BaluHost', async () => {
    const ask = (url: string): Promise<Answered> =>
      owner.post('/dashboard/setup/nas', { url, do: 'ask' });
    for (const url of ['http://8.8.8.8', '169.254.169.254', 'http://[2606:4700::1111]']) {
      const far = await ask(url);
      assert.equal(far.status, 422, url);
      assert.match(far.html, /in keinem Heimnetz/, url);
    }
    for (const url of [
      'ftp://nas.local',
      'http://me:secret@127.0.0.1',
      `${fresh.nas.url}/practice/sleep`,
      `${fresh.nas.url}/?a=b`,
      '',
    ]) {
      const bad = await ask(url);
      assert.equal(bad.status, 422, url);
      assert.match(bad.html, /keine Adresse wie/, url);
    }
    // BaluPi itself answers there, and is no BaluHost.
    const silent = await ask(fresh.url);
    assert.equal(silent.status, 200);
    assert.match(silent.html, /spricht nichts wie ein BaluHost/);
    assert.deepEqual(keptIn(fresh), { TIMEZONE: 'Europe/Berlin' });
  });

  it('finds the NAS where it was said to be, starts again with it, and goes on', async () => {
    const asked = await owner.post('/dashboard/setup/nas', { url: fresh.nas.url, do: 'ask' });
    assert.match(asked.html, /1\.38/);
    assert.match(asked.html, /wach/);
    const mac = fresh.nas.macAddress;
    const wrong = await owner.post('/dashboard/setup/nas', {
      ...{ url: fresh.nas.url, do: 'use', mac: 'nonsense' },
    });
    assert.equal(wrong.status, 422);
    const used = await owner.post('/dashboard/setup/nas', { url: fresh.nas.url, do: 'use', mac });
    assert.equal(used.status, 200);
    assert.match(used.html, /data-next href="\/dashboard\/setup\/admin"/);
    assert.match(used.headers.get('content-security-policy') ?? '', /script-src 'sha256-/);
    await fresh.started(2);
    const kept = keptIn(fresh);
    assert.deepEqual([kept['NAS_URL'], kept['NAS_MAC_ADDRESS']], [fresh.nas.url, mac]);
    const next = await owner.get('/dashboard/setup/admin');
    assert.equal(next.status, 200, 'the browser that entered the code still may');
  });

  it('wants an admin of the NAS for the rest', async () => {
    const place = '/dashboard/setup/account';
    const alice = { username: 'alice', password: 'Practice-alice-1', next: place };
    const signedIn = await owner.post('/dashboard/sign-in', alice);
    assert.equal(signedIn.place, place);
    assert.equal((await owner.get(place)).place, '/dashboard/setup/admin');
    assert.match((await owner.get('/dashboard/setup/admin')).html, /alice/);
    const settings = await owner.get('/dashboard/settings');
    assert.equal(settings.status, 403);
    const admin = await owner.post('/dashboard/sign-in', { ...ADMIN, next: place });
    assert.equal(admin.place, place);
    assert.equal((await owner.get(place)).status, 200);
  });

  it('is over then for everybody, whatever code or cookie they have', async () => {
    const other = new FormBrowser(fresh.url);
    const entered = await other.post('/dashboard/setup', { code: fresh.code });
    assert.equal(entered.status, 401);
    other.cookies.set('balupi_setup', owner.cookies.get('balupi_setup') ?? '');
    for (const name of ['', 'house', 'nas', 'admin', 'account', 'plugs', 'price', 'done']) {
      const path = `/dashboard/setup${name === '' ? '' : `/${name}`}`;
      assert.match((await other.get(path)).place, /^\/dashboard\/sign-in/, path);
      const sent = await other.post(path, { url: 'http://127.0.0.1:1', do: 'use', anyway: '1' });
      assert.equal(sent.status, 401, path);
    }
    assert.equal(keptIn(fresh)['NAS_URL'], fresh.nas.url);
  });

  it('tries the Tapo account at once, keeps a wrong one not, and a right one sealed', async () => {
    const place = '/dashboard/setup/account';
    const wrong = await owner.post(place, { account: TAPO.username, secret: 'Wrong-Secret-1' });
    assert.equal(wrong.status, 422);
    assert.equal(keptIn(fresh)['TAPO_PASSWORD'], undefined);
    const right = await owner.post(place, { account: TAPO.username, secret: TAPO.password });
    assert.equal(right.status, 200);
    assert.match(right.html, /role="status"/);
    const kept = keptIn(fresh);
    assert.equal(kept['TAPO_USERNAME'], TAPO.username);
    assert.match(kept['TAPO_PASSWORD'] ?? '', /^sealed:/);
    for (const { html } of [wrong, right, await owner.get(place)]) {
      assert.ok(!html.includes(TAPO.password) && !html.includes('Wrong-Secret-1'));
      assert.ok(!html.includes(TAPO.username));
    }
    assert.ok(!fresh.output.includes(TAPO.password) && !fresh.output.includes('Wrong-Secret-1'));
  });

  it('finds plugs, names them and says which feeds the NAS', async () => {
    const place = '/dashboard/setup/plugs';
    const found = await owner.post(place, { do: 'find' });
    const ids = [...found.html.matchAll(/name="name-([\w-]+)" value="([^"]*)"/g)];
    assert.deepEqual(ids.map(([, , name]) => name).sort(), ['Corner', 'Kitchen']);
    const corner = ids.find(([, , name]) => name === 'Corner')?.[1] ?? '';
    const kitchen = ids.find(([, , name]) => name === 'Kitchen')?.[1] ?? '';
    const named = { [`name-${corner}`]: 'NAS <b>', [`name-${kitchen}`]: 'Kitchen' };
    const saved = await owner.post(place, { ...named, feeds: corner, do: 'save' });
    assert.equal(saved.place, '/dashboard/setup/price');
    const { html } = await owner.get(place);
    assert.match(html, new RegExp(`value="${corner}" checked`));
    assert.ok(html.includes('NAS &lt;b&gt;') && !html.includes('NAS <b>'));
  });

  it('takes the price of a kWh without a start, as a German writes it', async () => {
    const { starts } = fresh;
    for (const price of ['-1', 'much', '1e3', '1001']) {
      assert.equal((await owner.post('/dashboard/setup/price', { price })).status, 422, price);
    }
    const taken = await owner.post('/dashboard/setup/price', { price: '31,5' });
    assert.equal(taken.place, '/dashboard/setup/done');
    assert.equal(keptIn(fresh)['ENERGY_DEFAULT_PRICE_CENTS'], '31.5');
    assert.match((await owner.get('/dashboard/setup/done')).html, /Fertig/);
    assert.equal(fresh.starts, starts);
  });

  it('asks an admin’s password again before it is led elsewhere later', async () => {
    const place = '/dashboard/settings/nas';
    const wish = { url: fresh.nas.url, do: 'use', mac: '02:00:5e:00:53:77' };
    for (const password of [undefined, '', 'Practice-alice-1']) {
      const asked = await owner.post(place, {
        ...wish,
        ...(password === undefined ? {} : { password }),
      });
      assert.equal(asked.status, 401, String(password));
    }
    const account = { account: TAPO.username, secret: TAPO.password };
    assert.equal((await owner.post('/dashboard/settings/account', account)).status, 401);
    assert.notEqual(keptIn(fresh)['NAS_MAC_ADDRESS'], wish.mac);
    const { starts } = fresh;
    const sure = await owner.post(place, { ...wish, password: ADMIN.password });
    assert.equal(sure.status, 200, sure.html);
    await fresh.started(starts + 1);
    assert.equal(keptIn(fresh)['NAS_MAC_ADDRESS'], wish.mac);
    const { html } = await owner.get('/dashboard/settings');
    assert.match(html, /31,5 ct/);
    assert.match(html, /Ein Konto ist eingetragen/, 'the sealed account was opened at the start');
  });

  it('asks for the second factor again too, of an admin who has one', async () => {
    const erna = { username: 'erna', password: 'Practice-erna-1' };
    const twoFactorCode = '135791';
    await fresh.nas.addUser({ id: 31, ...erna, role: 'admin', twoFactorCode });
    const browser = new FormBrowser(fresh.url);
    const place = '/dashboard/settings/nas';
    const first = await browser.post('/dashboard/sign-in', { ...erna, next: place });
    const [, step = ''] = /name="step" value="([^"]+)"/.exec(first.html) ?? [];
    const second = { step, code: twoFactorCode, next: place };
    assert.equal((await browser.post('/dashboard/sign-in', second)).place, place);
    const before = keptIn(fresh)['NAS_MAC_ADDRESS'];
    const { password } = erna;
    const wish = { url: fresh.nas.url, do: 'use', mac: '02:00:5e:00:53:78', password };
    // No more of them: the NAS lets an address try a few times a minute.
    assert.equal((await browser.post(place, wish)).status, 401);
    assert.equal(keptIn(fresh)['NAS_MAC_ADDRESS'], before);
    const { starts } = fresh;
    const sure = await browser.post(place, { ...wish, code: twoFactorCode });
    assert.equal(sure.status, 200, sure.html);
    await fresh.started(starts + 1);
    assert.equal(keptIn(fresh)['NAS_MAC_ADDRESS'], wish.mac);
  });

  it('looks for the NAS by itself, and says so where it finds none', async () => {
    const looked = await owner.post('/dashboard/settings/nas', { do: 'find', url: '' });
    assert.equal(looked.status, 200);
    assert.match(looked.html, /role="(?:alert|status)"/);
    assert.doesNotMatch(looked.html, /undefined|null/);
    const stranger = new FormBrowser(fresh.url);
    const path = '/dashboard/settings/nas';
    const refused = await stranger.post(path, { do: 'find', url: '' });
    assert.notEqual(refused.status, 200);
  });

  it('stores and removes an API key with the password again, and shows no key', async () => {
    const place = '/dashboard/settings/keys';
    const secret = fresh.nas.accounts.apiKey('alice');
    const wish = { do: 'store', username: 'alice', secret };
    assert.equal((await owner.post(place, { ...wish, password: 'wrong' })).status, 401);
    assert.doesNotMatch((await owner.get(place)).html, /alice<\/b>API/);
    const sure = { password: ADMIN.password };
    const stored = await owner.post(place, { ...wish, ...sure });
    assert.equal(stored.status, 200, stored.html);
    assert.match(stored.html, /alice<\/b>API/);
    assert.ok(!stored.html.includes(secret));
    const others = await owner.post(place, { ...wish, username: 'bob', ...sure });
    assert.equal(others.status, 422);
    const dropped = await owner.post(place, { do: 'drop', username: 'alice', ...sure });
    assert.equal(dropped.status, 200, dropped.html);
    // No step of the guided start.
    assert.equal((await owner.get('/dashboard/setup/keys')).place, '/dashboard/settings');
  });

  it('takes no form of another site’s page, and none from who is no admin', async () => {
    const foreign = await owner.post(
      '/dashboard/settings/price',
      { price: '1' },
      'http://evil.example',
    );
    assert.equal(foreign.status, 403);
    assert.equal(keptIn(fresh)['ENERGY_DEFAULT_PRICE_CENTS'], '31.5');
    assert.equal((await owner.get('/dashboard/settings/nothing')).status, 404);
  });
});

describe('The settings, where the environment says them', function () {
  this.timeout(60_000);
  let fresh: FreshPi;

  before(async () => {
    fresh = await FreshPi.start({
      environment: {
        BALUPI_TIMEZONE: 'Europe/Vienna',
        BALUPI_NAS_URL: 'http://127.0.0.1:9',
      },
    });
  });

  after(async () => {
    await fresh.stop();
  });

  it('say so, offer no change, and take none', async () => {
    const owner = new FormBrowser(fresh.url);
    const signIn = await owner.get('/dashboard/sign-in');
    assert.match(signIn.html, /href="\/dashboard\/setup"/, 'a named NAS has its sign-in first');
    await owner.post('/dashboard/setup', { code: fresh.code });
    const shown = await owner.get('/dashboard/setup/house');
    assert.match(shown.html, /BALUPI_TIMEZONE/);
    await owner.post('/dashboard/setup/house', { zone: 'Europe/Berlin', language: 'en' });
    const nas = await owner.get('/dashboard/setup/nas');
    assert.match(nas.html, /BALUPI_NAS_URL/);
    assert.doesNotMatch(nas.html, /name="url"/);
    const used = await owner.post('/dashboard/setup/nas', { url: fresh.nas.url, do: 'use' });
    assert.equal(used.status, 409);
    assert.deepEqual(keptIn(fresh), {});
  });
});
