import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { BootedBaluPi } from '../fakes/boot-balupi.ts';
import { HttpSink } from '../fakes/http-sink.ts';
import { dashboardCookie } from '../fakes/raw-page.ts';

/** Only the catalogue file contains these words. */
describe('A third language, of which there is a file and nothing else', function () {
  this.timeout(60_000);
  const service = new HttpSink();
  let pi: BootedBaluPi;

  before(async () => {
    const url = await service.start();
    pi = await BootedBaluPi.start({
      preload: [resolve('dist', 'test', 'fakes', 'third-language.js')],
      environment: { BALUPI_NOTICE_URL: `${url}/`, BALUPI_NOTICE_LANGUAGE: 'fr' },
    });
  });

  after(async () => {
    await pi.stop();
    await service.stop();
  });

  const inFrench = { 'Accept-Language': 'fr-CA' };

  async function call(who: string, path: string, init: RequestInit = {}): Promise<Response> {
    const Authorization = `Bearer ${await pi.signIn(who)}`;
    const headers = { Authorization, ...inFrench, ...init.headers };
    return await fetch(`${pi.url}${path}`, { ...init, headers });
  }

  it('is spoken in front of the dashboard', async () => {
    const html = await (await fetch(`${pi.url}/dashboard/sign-in`, { headers: inFrench })).text();
    assert.match(html, /<html lang="fr">/);
    assert.match(html, /Se connecter/);
    assert.match(html, /Username/, 'what it lacks is English');
  });

  it('is spoken by the page Files', async () => {
    const Cookie = `${await dashboardCookie(pi.url, 'alice')}; balupi_language=fr`;
    const html = await (await fetch(`${pi.url}/dashboard/files`, { headers: { Cookie } })).text();
    const [, words = '{}'] =
      /<script type="application\/json" id="words">(.*?)<\/script>/.exec(html) ?? [];
    const told = JSON.parse(words) as Readonly<Record<string, string>>;
    assert.deepEqual([told['files'], told['upload']], ['Fichiers', 'Upload']);
  });

  it('is spoken of a plug', async () => {
    const device = JSON.stringify({ ip_address: '127.0.0.1:9', name: 'Lamp' });
    const headers = { 'Content-Type': 'application/json' };
    await call('admin', '/api/tapo/devices', { method: 'POST', headers, body: device });
    const Cookie = `${await dashboardCookie(pi.url, 'admin')}; balupi_language=fr`;
    const place = `${pi.url}/dashboard/settings/plugs`;
    const html = await (await fetch(place, { headers: { Cookie } })).text();
    assert.match(html, /Aucun compte TP-Link\./);
  });

  it('is spoken by the spreadsheets of the energy', async () => {
    const Accept = 'text/csv';
    const path = '/api/energy/report?language=fr';
    const csv = await (await call('alice', path, { headers: { Accept } })).text();
    assert.match(csv, /;energie_kwh;cost_eur;/, 'what it lacks is English');
  });

  it('is spoken of what happens', async () => {
    await pi.nas.putFile('alice/plan.txt', Buffer.from('somebody else’s plan'), 'alice');
    const body = new FormData();
    body.set('file', new Blob(['my plan']), 'plan.txt');
    const headers = { 'X-Base-Checksum': 'a'.repeat(64) };
    await call('alice', '/api/files/upload?path=alice', { method: 'POST', headers, body });
    const told = await service.took(() => true);
    assert.equal(told.body, 'Un conflit attend.');
  });
});
