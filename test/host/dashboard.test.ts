import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type IncomingMessage, request as httpRequest } from 'node:http';
import { BootedBaluPi } from '../fakes/boot-balupi.ts';
import { dashboardCookie, RawPage } from '../fakes/raw-page.ts';

const DOCUMENT = {
  Accept: 'text/html',
  'Sec-Fetch-Dest': 'document',
  'Sec-Fetch-Mode': 'navigate',
};
/** One of each kind of resource below /dashboard. */
const PLACES = [
  '/dashboard',
  '/dashboard/',
  '/dashboard/energy',
  '/dashboard/plugs',
  '/dashboard/index.html',
  '/dashboard/_setup',
  '/dashboard/_debug/datastore/dashboard-uploads-uploads',
  '/dashboard/_debug/statestore/dashboard-uploads-uploads',
  '/dashboard/energy.csv?period=day',
  '/dashboard/pwa-192x192.png',
  '/dashboard/balupi-intl.js',
  '/dashboard/balupi-look.js',
  '/dashboard/balupi-page.js',
  '/dashboard/socket.io/?EIO=4&transport=polling',
  '/dashboard/nothing/here.js',
  '/DASHBOARD/_setup',
  '//dashboard//_setup',
  '/Dashboard/_debug/datastore/x',
];

const OWN_ICONS = ['favicon.svg', 'favicon.ico', 'apple-touch-icon.png'].map(
  (name) => `/dashboard/${name}`,
);

describe('The Dashboard’s auth', function () {
  this.timeout(40_000);
  let pi: BootedBaluPi;

  before(async () => {
    pi = await BootedBaluPi.start();
  });

  after(async () => {
    await pi.stop();
  });

  const get = (path: string, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(`${pi.url}${path}`, { headers, redirect: 'manual' });
  const post = (
    path: string,
    form: Record<string, string>,
    headers: Record<string, string> = { Origin: pi.url },
  ): Promise<Response> =>
    fetch(`${pi.url}${path}`, {
      method: 'POST',
      headers,
      body: new URLSearchParams(form),
      redirect: 'manual',
    });

  async function upgrade(path: string, headers: Record<string, string>): Promise<number> {
    const sent = httpRequest({
      port: pi.port,
      host: '127.0.0.1',
      path,
      headers: {
        Connection: 'Upgrade',
        Upgrade: 'websocket',
        'Sec-WebSocket-Version': '13',
        'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
        ...headers,
      },
    });
    sent.on('error', () => undefined);
    sent.end();
    const [answered, socket] = (await Promise.race([
      once(sent, 'upgrade'),
      once(sent, 'response'),
    ])) as [IncomingMessage, { destroy(): void } | undefined];
    socket?.destroy();
    answered.destroy();
    return answered.statusCode ?? 0;
  }

  const WS = '/dashboard/socket.io/?EIO=4&transport=websocket';

  describe('without a sign-in', () => {
    for (const place of PLACES) {
      it(`sends a person at ${place} to the sign-in, and tells everything else 401`, async () => {
        const person = await get(place, DOCUMENT);
        assert.equal(person.status, 303);
        assert.match(person.headers.get('location') ?? '', /^\/dashboard\/sign-in(\?next=|$)/);
        assert.equal(await person.text(), '');
        const part = await get(place);
        assert.equal(part.status, 401);
        const { code, detail } = (await part.json()) as { code: string; detail: string };
        assert.equal(code, 'no_token');
        assert.match(detail, /\/dashboard\/sign-in/);
      });
    }

    it('shows its icon and its manifest to anybody, as browsers ask for them without a cookie', async () => {
      const asked = await get('/dashboard/manifest.webmanifest');
      assert.equal(asked.headers.get('content-type'), 'application/manifest+json');
      const manifest = (await asked.json()) as {
        name: string;
        display: string;
        start_url: string;
        icons: { src: string; sizes: string }[];
      };
      assert.deepEqual([manifest.name, manifest.display], ['BaluPi', 'standalone']);
      assert.equal(manifest.start_url, '/dashboard/');
      assert.deepEqual(
        manifest.icons.map(({ sizes }) => sizes),
        ['192x192', '512x512', '512x512'],
      );
      const icons = manifest.icons.map(({ src }) => src);
      for (const src of [...icons, ...OWN_ICONS]) {
        const icon = await get(src);
        assert.equal(icon.status, 200, src);
        assert.match(icon.headers.get('content-type') ?? '', /^image\/(?:png|svg\+xml|x-icon)$/);
        assert.ok((await icon.arrayBuffer()).byteLength > 400);
      }
    });

    it('links both in the head of the sign-in, with the colour of this BaluPi', async () => {
      const page = await (await get('/dashboard/sign-in', DOCUMENT)).text();
      for (const part of ['rel="manifest"', 'rel="icon"', 'rel="apple-touch-icon"', '#0b4f3a']) {
        assert.ok(page.includes(part), part);
      }
    });

    it('brings a person to the very choice that a link holds, and nowhere else', async () => {
      const choice = '/dashboard/energy?period=month&date=2026-02-01';
      const asked = await get(choice, DOCUMENT);
      const place = asked.headers.get('location') ?? '';
      assert.equal(place, `/dashboard/sign-in?next=${encodeURIComponent(choice)}`);
      const form = { username: 'alice', password: 'Practice-alice-1', next: choice };
      const answered = await post('/dashboard/sign-in', form);
      assert.equal(answered.headers.get('location'), choice);
      const odd = await get('/dashboard/energy?next=//evil.example', DOCUMENT);
      const plain = `/dashboard/sign-in?next=${encodeURIComponent('/dashboard/energy')}`;
      assert.equal(odd.headers.get('location'), plain);
    });

    it('shows none of the Dashboard’s own files, packed or not', async () => {
      const cookie = await dashboardCookie(pi.url, 'alice');
      const page = await (await get('/dashboard/', { ...DOCUMENT, Cookie: cookie })).text();
      const files = [...page.matchAll(/"(\/dashboard\/assets\/[^"]+)"/g)].map(
        ([, file = '']) => file,
      );
      assert.ok(files.length >= 3);
      for (const file of files) {
        assert.equal((await get(file)).status, 401, file);
        assert.equal((await get(file, { Cookie: cookie })).status, 200, file);
      }
    });

    it('opens no socket, by polling or by an upgrade', async () => {
      assert.equal(await upgrade(WS, { Origin: pi.url }), 401);
      assert.equal(await upgrade(WS, { Origin: pi.url, Cookie: 'balupi_dashboard=x' }), 401);
      assert.equal(await new RawPage(pi.url, '').open(), false);
      const sent = await fetch(`${pi.url}/dashboard/socket.io/?EIO=4&transport=polling&sid=x`, {
        method: 'POST',
        body: '40',
      });
      assert.equal(sent.status, 401);
    });

    it('lets no token of the API in', async () => {
      const bearer = { Authorization: `Bearer ${await pi.signIn('admin')}` };
      for (const place of PLACES) assert.equal((await get(place, bearer)).status, 401, place);
    });

    it('asks once more, from here, where another site’s link led', async () => {
      const came = await get('/dashboard/plugs', { ...DOCUMENT, 'Sec-Fetch-Site': 'cross-site' });
      assert.equal(came.status, 200);
      assert.match(await came.text(), /http-equiv="refresh" content="0;url=\/dashboard\/plugs"/);
    });
  });

  describe('the sign-in', () => {
    it('says no in the reader’s language, and keeps no password', async () => {
      const wrong = await post(
        '/dashboard/sign-in',
        { username: '<b>"mallory', password: 'Wrong-password-9' },
        { Origin: pi.url, 'Accept-Language': 'de' },
      );
      const html = await wrong.text();
      assert.equal(wrong.status, 401);
      assert.ok(html.includes('Das stimmt nicht.'));
      assert.ok(html.includes('&lt;b&gt;&quot;mallory'));
      assert.ok(!html.includes('Wrong-password-9') && !html.includes('<b>'));
      assert.equal(wrong.headers.get('set-cookie'), null);
    });

    it('is a page of its own, without a script, in the reader’s language', async () => {
      for (const [language, word] of [
        ['en-GB', 'Sign in'],
        ['de-AT,de;q=0.9', 'Anmelden'],
      ] as const) {
        const shown = await get('/dashboard/sign-in', { 'Accept-Language': language });
        const html = await shown.text();
        assert.equal(shown.status, 200);
        assert.ok(html.includes(word));
        assert.doesNotMatch(html, /<script|https?:\/\//i);
        const policy = shown.headers.get('content-security-policy') ?? '';
        assert.match(policy, /default-src 'none'/);
        assert.match(policy, /form-action 'self'/);
        assert.match(policy, /frame-ancestors 'none'/);
        assert.equal(shown.headers.get('cache-control'), 'no-store');
      }
    });

    it('gives a cookie that no script and no other site gets at, for 30 days at most', async () => {
      const answered = await post('/dashboard/sign-in', {
        username: 'alice',
        password: 'Practice-alice-1',
        next: '/dashboard/plugs',
      });
      assert.equal(answered.status, 303);
      assert.equal(answered.headers.get('location'), '/dashboard/plugs');
      const cookie = answered.headers.get('set-cookie') ?? '';
      assert.match(cookie, /^balupi_dashboard=[\w-]{43}; /);
      for (const part of ['Path=/dashboard', 'HttpOnly', 'SameSite=Strict']) {
        assert.ok(cookie.includes(part), part);
      }
      const [, seconds] = /Max-Age=(\d+)/.exec(cookie) ?? [];
      assert.ok(Number(seconds) > 0 && Number(seconds) <= 30 * 86_400);
    });

    it('opens the Dashboard and nothing of the API', async () => {
      const cookie = await dashboardCookie(pi.url, 'admin');
      assert.equal((await get('/dashboard/', { ...DOCUMENT, Cookie: cookie })).status, 200);
      for (const path of ['/api/energy/current', '/api/auth/me', '/metrics/', '/api/nas/status']) {
        const answered = await get(path, { Cookie: cookie, 'X-Forwarded-For': '10.0.0.1' });
        assert.equal(answered.status, 401, path);
      }
      const wake = await post('/api/nas/wol', {}, { Cookie: cookie, Origin: pi.url });
      assert.equal(wake.status, 401);
    });

    it('takes no form of another site', async () => {
      const form = { username: 'alice', password: 'Practice-alice-1' };
      for (const headers of [
        { Origin: 'http://evil.example' },
        { Origin: 'null' },
        { Origin: pi.url, 'Sec-Fetch-Site': 'cross-site' },
        { Origin: pi.url, 'Sec-Fetch-Site': 'same-site' },
      ]) {
        const answered = await post('/dashboard/sign-in', form, headers);
        assert.equal(answered.status, 403, JSON.stringify(headers));
        assert.equal(answered.headers.get('set-cookie'), null);
      }
    });

    it('reads no form of a size that no sign-in has', async () => {
      const answered = await post('/dashboard/sign-in', { username: 'x'.repeat(20_000) });
      assert.equal(answered.status, 413);
    });

    it('sends nobody to a place outside', async () => {
      const answered = await post('/dashboard/sign-in', {
        username: 'alice',
        password: 'Practice-alice-1',
        next: '//evil.example/',
      });
      assert.equal(answered.headers.get('location'), '/dashboard/');
    });

    it('ends at the sign-out, with the pages that are open', async () => {
      const cookie = await dashboardCookie(pi.url, 'alice');
      const page = new RawPage(pi.url, cookie);
      assert.ok(await page.open());
      const foreign = await post('/dashboard/sign-out', {}, { Cookie: cookie, Origin: 'http://x' });
      assert.equal(foreign.status, 403);
      const out = await post('/dashboard/sign-out', {}, { Cookie: cookie, Origin: pi.url });
      assert.equal(out.status, 303);
      assert.match(out.headers.get('set-cookie') ?? '', /balupi_dashboard=; .*Max-Age=0/);
      assert.ok(await page.closes());
      assert.equal((await get('/dashboard/', { Cookie: cookie })).status, 401);
      assert.equal(await new RawPage(pi.url, cookie).open(), false);
    });

    it('ends when its user logs out of an app', async () => {
      const cookie = await dashboardCookie(pi.url, 'alice');
      const page = new RawPage(pi.url, cookie);
      assert.ok(await page.open());
      const token = await pi.signIn('alice');
      await fetch(`${pi.url}/api/auth/logout`, {
        method: 'POST',
        headers: { Authorization: `Bearer ${token}` },
      });
      assert.ok(await page.closes());
      assert.equal((await get('/dashboard/', { Cookie: cookie })).status, 401);
    });
  });

  describe('with a sign-in', () => {
    let cookie = '';

    before(async () => {
      cookie = await dashboardCookie(pi.url, 'alice');
    });

    it('opens a socket to its own page only', async () => {
      assert.equal(await upgrade(WS, { Origin: pi.url, Cookie: cookie }), 101);
      assert.notEqual(await upgrade(WS, { Origin: 'http://evil.example', Cookie: cookie }), 101);
      assert.notEqual(await upgrade(WS, { Cookie: cookie }), 101);
      assert.notEqual(await upgrade('/comms', { Origin: pi.url, Cookie: cookie }), 101);
      assert.equal(await upgrade('/api/ping', { Origin: pi.url, Cookie: cookie }), 200);
      const foreign = new RawPage(pi.url, cookie, { Origin: 'http://evil.example' });
      assert.equal(await foreign.handshake(), 403);
    });

    it('goes on answering requests that offer another protocol', async () => {
      assert.equal(await upgrade('/api/ping', { Upgrade: 'h2c', Origin: pi.url }), 200);
    });

    it('never shows what the Dashboard keeps for its developers', async () => {
      for (const path of [
        '/dashboard/_debug/datastore/dashboard-energy-now-plugs',
        '/dashboard/_debug/statestore/dashboard-energy-now-plugs',
      ]) {
        assert.equal((await get(path, { Cookie: cookie })).status, 404);
        const shown = await get(path, { ...DOCUMENT, Cookie: cookie });
        assert.match(await shown.text(), /^<!doctype html>/i);
      }
    });

    it('sends the scripts packed, to be kept for ever, and the page again each time', async () => {
      const page = await get('/dashboard/', { ...DOCUMENT, Cookie: cookie });
      const html = await page.text();
      assert.equal(page.headers.get('cache-control'), 'no-store');
      assert.match(html, /<title>BaluPi<\/title>/);
      assert.match(page.headers.get('content-security-policy') ?? '', /connect-src 'self'/);
      const [, script = ''] = /"(\/dashboard\/assets\/lean-[^"]+\.js)"/.exec(html) ?? [];
      const sent = await get(script, { Cookie: cookie });
      assert.equal(sent.headers.get('content-encoding'), 'gzip');
      assert.match(sent.headers.get('cache-control') ?? '', /immutable/);
      const packed = Number(sent.headers.get('content-length'));
      assert.ok(packed < 500_000, String(packed));
      assert.ok((await sent.text()).length > 2 * packed);
      const plain = await get(script, { Cookie: cookie, 'Accept-Encoding': 'identity' });
      assert.equal(plain.headers.get('content-encoding'), null);
    });

    it('tells its scripts the language of the reader and the zone of this BaluPi', async () => {
      for (const [language, preferred] of [
        ['de', { 'Accept-Language': 'de-AT' }],
        ['en', { 'Accept-Language': 'de-AT', Cookie: `${cookie}; balupi_language=en` }],
      ] as const) {
        const sent = await get('/dashboard/balupi-page.js', { Cookie: cookie, ...preferred });
        assert.match(sent.headers.get('content-type') ?? '', /javascript/);
        assert.match(
          await sent.text(),
          new RegExp(`\\("${language}", "[A-Z][\\w/+-]+", \\[.+\\]\\);\\n$`),
        );
      }
      const page = await (await get('/dashboard/', { ...DOCUMENT, Cookie: cookie })).text();
      assert.ok(page.indexOf('balupi-page.js') < page.indexOf('type="module"'));
    });

    it('gives the worker beside its page a policy of its own, which lets it load nothing', async () => {
      const sent = await get('/dashboard/balupi-intl.js', { Cookie: cookie });
      assert.match(sent.headers.get('content-type') ?? '', /javascript/);
      assert.equal(sent.headers.get('content-security-policy'), "default-src 'none'");
    });

    it('gives the energy as CSV, which the API gives over a token', async () => {
      const answered = await get('/dashboard/energy.csv?period=day', { Cookie: cookie });
      assert.equal(answered.status, 200);
      assert.match(answered.headers.get('content-type') ?? '', /text\/csv/);
      assert.match(await answered.text(), /^local_time,utc,/);
      const bad = await get('/dashboard/energy.csv?period=century', { Cookie: cookie });
      assert.equal(bad.status, 422);
    });

    it('ends a page that floods', async () => {
      const page = new RawPage(pi.url, cookie);
      assert.ok(await page.open());
      const load = Array.from({ length: 120 }, () => '42["widget-load","ui-x"]').join('\x1e');
      for (let burst = 0; burst < 3; burst += 1) await page.sendRaw(load);
      assert.ok(await page.closes());
    });
  });
});
