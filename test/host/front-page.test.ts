import assert from 'node:assert/strict';
import { request } from 'node:http';
import { text } from 'node:stream/consumers';
import { BootedBaluPi } from '../fakes/boot-balupi.ts';

interface Answered {
  readonly status: number;
  readonly location: string | undefined;
  readonly type: string | undefined;
  readonly caching: string | undefined;
  readonly body: string;
}

describe('The address itself, in a browser', function () {
  this.timeout(40_000);
  let pi: BootedBaluPi;

  before(async () => {
    pi = await BootedBaluPi.start({
      environment: {
        BALUPI_DNS_NAME: 'nas.home.arpa',
        BALUPI_PIHOLE_URL: 'http://127.0.0.1:9',
        BALUPI_NAS_PROBE_INTERVAL_SECONDS: '1',
      },
    });
  });

  after(async () => {
    await pi.stop();
  });

  async function get(headers: Record<string, string>, path = '/'): Promise<Answered> {
    return await new Promise((told, failed) => {
      request({ host: '127.0.0.1', port: pi.port, path, headers }, (response) => {
        const { statusCode: status = 0, headers: given } = response;
        text(response).then((body) => {
          const { location, 'content-type': type, 'cache-control': caching } = given;
          told({ status, location, type, caching, body });
        }, failed);
      })
        .on('error', failed)
        .end();
    });
  }

  const BROWSER = { Accept: 'text/html,application/xhtml+xml' };

  it('leads to the dashboard by the name of the Pi', async () => {
    const { status, location } = await get({ ...BROWSER, Host: 'balupi.home.arpa:8000' });
    assert.deepEqual([status, location], [302, '/dashboard']);
  });

  it('stays a JSON answer for programs, and so do all other addresses', async () => {
    for (const [headers, path] of [
      [{ Accept: 'application/json' }, '/'],
      [{}, '/'],
      [BROWSER, '/index.html'],
    ] as const) {
      const { status, body } = await get(headers, path);
      assert.ok(status === 404 || status === 401, String(status));
      assert.doesNotThrow(() => JSON.parse(body) as unknown);
    }
  });

  const AT_NAS = { Host: 'NAS.home.arpa' };

  /** Polls until the Pi has noticed the NAS's state. */
  async function page(wanted: RegExp): Promise<Answered> {
    return await pi.until(`a page with ${String(wanted)}`, async () => {
      const told = await get({ ...BROWSER, ...AT_NAS });
      return wanted.test(told.body) ? told : null;
    });
  }

  it('is the NAS’s own page by its name while it is up, wherever in it somebody goes', async () => {
    const { status, caching } = await page(/practice NAS/);
    assert.deepEqual([status, caching], [200, 'no-store']);
    const deep = await get({ ...BROWSER, ...AT_NAS }, '/files/alice?tab=1');
    assert.match(deep.body, /practice NAS/);
  });

  it('gives that page its parts, as they may be kept', async () => {
    const { status, type, caching, body } = await get(AT_NAS, '/assets/index-1a2b.js');
    assert.deepEqual([status, body], [200, 'globalThis.practice = true;\n']);
    assert.match(type ?? '', /javascript/);
    assert.match(caching ?? '', /immutable/);
    const elsewhere = await get({ Host: 'balupi.home.arpa' }, '/assets/index-1a2b.js');
    assert.equal(elsewhere.status, 401);
  });

  it('sends neither token nor cookie nor query along, and opens nothing else', async () => {
    pi.nas.resetCounters();
    const secrets = { Cookie: 'balupi_pages=x; session=y', 'X-Forwarded-For': '10.0.0.7' };
    await get({ ...AT_NAS, ...secrets }, '/assets/a.js?token=secret');
    const [asked] = pi.nas.requests.filter(({ path }) => path.startsWith('/assets/'));
    assert.equal(asked?.url, '/assets/a.js');
    for (const name of ['cookie', 'authorization', 'x-forwarded-for']) {
      assert.equal(asked.headers[name], undefined, name);
    }
    for (const path of ['/api/system/info', '/api/setup/status', '/assets/../api/x.js', '/x/y']) {
      const told = await get(AT_NAS, path);
      assert.ok(told.status === 401 || told.status === 404, `${path} ${String(told.status)}`);
    }
    const program = { ...BROWSER, ...AT_NAS, Authorization: 'Bearer made-up' };
    assert.equal((await get(program)).status, 401);
  });

  it('says by that name that the NAS sleeps, in the language of the reader', async () => {
    await pi.nas.sleep('suspend');
    const { status } = await page(/The NAS has been asleep since/);
    assert.equal(status, 200);
    const deep = await get({ ...BROWSER, ...AT_NAS }, '/files');
    assert.match(deep.body, /The NAS has been asleep since/);
    assert.match(deep.body, /href="\/dashboard"/);
    assert.equal((await get(AT_NAS, '/assets/index-1a2b.js')).status, 401);
    const german = await get({ ...BROWSER, Host: 'nas.home.arpa', 'Accept-Language': 'de-DE' });
    assert.match(german.body, /Das NAS schläft seit/);
  });

  it('tells in health that the name could not be set, without a secret or an address', async () => {
    const { checks } = (await (await fetch(`${pi.url}/api/health`)).json()) as {
      readonly checks: Readonly<Record<string, string>>;
    };
    assert.equal(checks['dns'], 'failing');
  });
});
