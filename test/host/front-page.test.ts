import assert from 'node:assert/strict';
import { request } from 'node:http';
import { text } from 'node:stream/consumers';
import { BootedBaluPi } from '../fakes/boot-balupi.ts';

interface Answered {
  readonly status: number;
  readonly location: string | undefined;
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
          told({ status, location: given.location, body });
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

  it('leads to the NAS by its name while it is up', async () => {
    const limitMs = performance.now() + 20_000;
    for (;;) {
      const { status, location } = await get({ ...BROWSER, Host: 'NAS.home.arpa' });
      if (status === 302) {
        assert.equal(location, `${pi.nas.url}/`);
        break;
      }
      // A Pi that has just started has not seen its NAS yet.
      assert.ok(performance.now() < limitMs);
      await new Promise((next) => {
        setTimeout(next, 100);
      });
    }
  });

  it('says by that name that the NAS sleeps, in the language of the reader', async () => {
    await pi.nas.sleep('suspend');
    const limitMs = performance.now() + 20_000;
    for (;;) {
      const { status, body } = await get({ ...BROWSER, Host: 'nas.home.arpa' });
      if (status === 200) {
        assert.match(body, /The NAS has been asleep since/);
        break;
      }
      assert.ok(performance.now() < limitMs);
      await new Promise((next) => {
        setTimeout(next, 100);
      });
    }
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
