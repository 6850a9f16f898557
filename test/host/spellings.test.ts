import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Endpoint, ENDPOINTS } from '../../nodes/lib/api/api.ts';
import { BootedBaluPi } from '../fakes/boot-balupi.ts';
import { type RawAnswer, RawClient } from '../fakes/raw-client.ts';

/** The status of an owner's own catch-all, which shows that a request reached a flow. */
const OWN_STATUS = 299;
const OWN_FLOW = [
  { id: 'own', type: 'tab', label: 'own', disabled: false, info: '', env: [] },
  ...['get', 'post', 'put', 'patch', 'delete'].map((method) => ({
    ...{ id: `own-${method}`, type: 'http in', z: 'own', name: '', url: '/*', method },
    ...{ upload: false, skipBodyParsing: false, swaggerDoc: '', x: 100, y: 100 },
    wires: [['own-reply']],
  })),
  {
    ...{ id: 'own-reply', type: 'http response', z: 'own', name: '', statusCode: `${OWN_STATUS}` },
    ...{ headers: {}, x: 300, y: 100, wires: [] },
  },
];

type Role = 'nobody' | 'user' | 'admin';
const ROLES: readonly Role[] = ['nobody', 'user', 'admin'];

/** Spellings that mean the same address. */
const SAME: Readonly<Record<string, (path: string) => string>> = {
  'a doubled slash before it': (path) => `/${path}`,
  'a doubled slash in it': (path) => path.replace(/\/(?=[^/]*$)/, '//'),
  'a slash behind it': (path) => `${path}/`,
  'slashes behind it': (path) => `${path}//`,
  'api twice': (path) => (path.startsWith('/api/') ? `/api/${path}` : path),
  'an escaped letter': (path) => inLastWord(path, (word) => `${word.slice(0, -1)}${hex(word)}`),
  'the absolute form': (path) => `http://pi:8000${path}`,
  'the absolute form of another host': (path) => `HTTP://elsewhere.example/${path}`,
};

/** Spellings that are no address of ours, however close. */
const OTHER: Readonly<Record<string, (path: string) => string>> = {
  'another case': (path) => inLastWord(path, (word) => word.toUpperCase()),
  'one letter in another case': (path) =>
    inLastWord(path, (word) => word.slice(0, 1).toUpperCase() + word.slice(1)),
  'another case, escaped': (path) =>
    inLastWord(path, (word) => word.slice(0, -1) + hex(word.toUpperCase())),
  'a raw #': (path) => inLastWord(path, (word) => `${word}#x`),
  'an escaped #': (path) => inLastWord(path, (word) => `${word}%23`),
  'a raw backslash': (path) => path.replace(/(?<=.)\/(?=[^/]*$)/, '\\'),
  'a raw backslash behind': (path) => inLastWord(path, (word) => `${word}\\`),
  'an escaped backslash': (path) => path.replace(/(?<=.)\/(?=[^/]*$)/, '%5C'),
  'a semicolon': (path) => inLastWord(path, (word) => `${word};x=1`),
  'an escaped semicolon': (path) => inLastWord(path, (word) => `${word}%3B`),
  'an escaped slash': (path) => path.replace(/(?<=.)\/(?=[^/]*$)/, '%2F'),
  'an escaped slash behind': (path) => inLastWord(path, (word) => `${word}%2f`),
  'a slash escaped twice': (path) => path.replace(/(?<=.)\/(?=[^/]*$)/, '%252F'),
  'a letter escaped twice': (path) =>
    inLastWord(path, (word) => `${word.slice(0, -1)}${hex(word).replace('%', '%25')}`),
  'a dot': (path) => inLastWord(path, (word) => `./${word}`),
  'two dots': (path) => inLastWord(path, (word) => `x/../${word}`),
  'escaped dots': (path) => inLastWord(path, (word) => `x/%2e%2E/${word}`),
  'an escaped NUL': (path) => inLastWord(path, (word) => `${word}%00`),
  'an overlong slash': (path) => path.replace(/(?<=.)\/(?=[^/]*$)/, '%C0%AF'),
  'an overlong letter': (path) => inLastWord(path, (word) => `${word.slice(0, -1)}%C1%A1`),
};

/** Of these the router would match some as ours, so they have to be stopped before it. */
const REACH_OWN_FLOWS = /semicolon|escaped twice/;

/** Changes the last literal segment of the description's path. */
function inLastWord(path: string, change: (word: string) => string): string {
  const words = path.split('/');
  const last = words.findLastIndex((word) => word !== '' && word !== '7');
  return words.map((word, index) => (index === last ? change(word) : word)).join('/');
}

function hex(word: string): string {
  return `%${(word.codePointAt(word.length - 1) ?? 0).toString(16)}`;
}

/** The path with an id that does not exist for each parameter. */
function addressOf({ path }: Endpoint): string {
  return path.replace(/\{\w+\}/g, '7');
}

/** Whether the endpoint's access excludes that role. */
function isKeptAway({ access }: Endpoint, role: Role): boolean {
  if (access === 'open' || access === 'caller_or_loopback') return false;
  return role === 'nobody' || (role === 'user' && (access === 'admin' || access === 'wake'));
}

describe('Every address in every spelling, by every role', function () {
  this.timeout(60_000);
  let pi: BootedBaluPi;
  const bearer = new Map<Role, readonly string[]>([['nobody', []]]);

  before(async () => {
    pi = await BootedBaluPi.start({
      prepare: ({ flows }) => {
        writeFileSync(join(flows, 'own.json'), `${JSON.stringify(OWN_FLOW, null, 2)}\n`);
      },
    });
    bearer.set('user', [`Authorization: Bearer ${await pi.signIn('alice')}`]);
    bearer.set('admin', [`Authorization: Bearer ${await pi.signIn('admin')}`]);
  });

  after(async () => {
    await pi.stop();
  });

  /** Runs for every role at once, each on a connection of its own. */
  async function byRole(
    run: (ask: (method: string, url: string) => Promise<RawAnswer>, role: Role) => Promise<void>,
  ): Promise<void> {
    await Promise.all(
      ROLES.map(async (role) => {
        const client = new RawClient(pi.port);
        const headers = bearer.get(role) ?? [];
        await run(async (method, url) => await client.ask(method, url, headers), role);
        client.close();
      }),
    );
  }

  for (const [what, write] of Object.entries(OTHER)) {
    it(`${what}: 404 before any flow, for everybody`, async () => {
      await byRole(async (ask, role) => {
        for (const endpoint of ENDPOINTS) {
          const url = write(addressOf(endpoint));
          if (url === addressOf(endpoint)) continue;
          const { status, text } = await ask(endpoint.method, url);
          const said = `${role}: ${endpoint.method} ${url} got ${status} ${text}`;
          assert.ok(wantedOf(endpoint, url, role, what).includes(status), said);
        }
      });
    });
  }

  /** The statuses that are correct for an address that is not ours. */
  function wantedOf(endpoint: Endpoint, url: string, role: Role, what: string): readonly number[] {
    if (url.startsWith('/docs/')) return [404];
    // `DELETE /api/files/{path}` is the NAS's, whatever the path.
    const isNas = endpoint.method === 'DELETE' && /^\/api\/files\//i.test(url);
    if (isNas) return role === 'nobody' ? [400, 404, 401] : [400, 404, OWN_STATUS];
    if (!REACH_OWN_FLOWS.test(what)) return [404];
    // Another word is another address: an owner's, or one with an id, of ours or the NAS's.
    const isOurId = /^\/api\/(smart-devices|energy\/cumulative)\/[^/]+$/.test(url);
    if (isOurId) return role === 'nobody' ? [401] : [404];
    return role === 'nobody' ? [401, 405] : [OWN_STATUS, 405];
  }

  for (const [what, write] of Object.entries(SAME)) {
    it(`${what}: the same address, with the same refusals`, async () => {
      await byRole(async (ask, role) => {
        for (const endpoint of ENDPOINTS as readonly Endpoint[]) {
          const address = addressOf(endpoint);
          const isRead = endpoint.method === 'GET';
          // Requests that would change something are only sent by roles that may not.
          if (!isRead && !isKeptAway(endpoint, role)) continue;
          if (endpoint.rest === 'raw') continue;
          const { status, text } = await ask(endpoint.method, write(address));
          const said = `${role}: ${endpoint.method} ${write(address)} got ${status} ${text}`;
          if (isKeptAway(endpoint, role)) assert.equal(status, role === 'nobody' ? 401 : 403, said);
          else assert.equal(status, (await ask(endpoint.method, address)).status, said);
        }
      });
    });
  }

  it("leaves a tinkerer's own address as it was written, in every case", async () => {
    await byRole(async (ask, role) => {
      for (const url of ['/my/own', '/My/OWN', '/my/own;v=1', '/my/a%20b', '/api/mine/%C3%A4']) {
        assert.equal((await ask('GET', url)).status, role === 'nobody' ? 401 : OWN_STATUS, url);
      }
      for (const url of ['/my/own%2Fx', '/my/../own', '/my/own%5C', '/my/own#x', '/my/%00']) {
        assert.equal((await ask('GET', url)).status, 404, url);
      }
    });
  });

  it('never passes what must not pass', async () => {
    await byRole(async (ask, role) => {
      for (const url of [
        '/api/sync/upload/start',
        '/API/Sync/UPLOAD/start',
        '/api/auth/Register',
        '/api/auth/dev/impersonate/1',
        '/api/%73etup/admin',
        '/api/auth/recovery-reset/',
      ]) {
        const { status, text } = await ask('POST', url);
        assert.equal(status, role === 'nobody' ? 401 : 403, url);
        if (role !== 'nobody') assert.match(text, /"code":"not_through_the_pi"/);
      }
      for (const url of ['/api/sync%2Fupload/start', '/api/x/../sync/upload', '/api\\setup']) {
        assert.equal((await ask('POST', url)).status, 404, url);
      }
    });
  });

  it('changed nothing', () => {
    const signIn = ['/api/auth/login', '/api/mobile/token/generate', '/api/mobile/register'];
    assert.deepEqual(
      pi.nas.requests.filter(({ method, path }) => method !== 'GET' && !signIn.includes(path)),
      [],
    );
    assert.doesNotMatch(pi.output, /\[error\]/i);
  });
});
