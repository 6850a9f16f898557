import assert from 'node:assert/strict';
import { BootedBaluPi } from '../fakes/boot-balupi.ts';
import { type RawAnswer, RawClient } from '../fakes/raw-client.ts';

/** BaluHost's routes that never pass, as BaluHost writes them. */
const NEVER = [
  'sync/upload/start',
  'sync/upload/7/chunk/1',
  'auth/register',
  'auth/login-pin',
  'auth/dev/impersonate/1',
  'auth/recovery-reset',
  'setup/status',
  'setup/admin',
];

/** Ways to write an address that some parser reads as that address. */
const SPELLINGS: Readonly<Record<string, (below: string) => string>> = {
  plain: (below) => `/api/${below}`,
  'a slash behind it': (below) => `/api/${below}/`,
  'slashes before and in it': (below) => `///api//${below.replaceAll('/', '//')}`,
  'api twice': (below) => `/api//api/${below}`,
  'api three times': (below) => `/api/api/api/${below}`,
  'the absolute form': (below) => `http://pi/api/${below}`,
  'the NAS’s absolute form': (below) => `http://nas.local:8000/api/${below}`,
  'upper case': (below) => `/api/${below.toUpperCase()}`,
  'API in upper case': (below) => `/API/${below}`,
  'one capital': (below) => `/api/${below.replace(/^./, (c) => c.toUpperCase())}`,
  'an escaped letter': (below) => `/api/${below.replace(/[a-z]/, hex)}`,
  'every letter escaped': (below) => `/api/${below.replaceAll(/[a-z]/g, hex)}`,
  'a letter escaped twice': (below) => `/api/${below.replace(/[a-z]/, twice)}`,
  'escaped slashes': (below) => `/api%2F${below.replaceAll('/', '%2F')}`,
  'an escaped slash in it': (below) => `/api/${below.replace('/', '%2f')}`,
  'a slash escaped twice': (below) => `/api/${below.replace('/', '%252F')}`,
  'a backslash': (below) => `/api/${below.replace('/', '\\')}`,
  'an escaped backslash': (below) => `/api/${below.replace('/', '%5C')}`,
  'dot segments': (below) => `/api/x/../${below}`,
  'escaped dot segments': (below) => `/api/x/%2e%2e/${below}`,
  'dots behind a file': (below) => `/api/files/../${below}`,
  'dots behind a file, escaped': (below) => `/api/files/x%2F..%2F..%2F${below}`,
  'a lone dot': (below) => `/api/./${below}`,
  'a path parameter': (below) => `/api/${below.replace('/', ';x=1/')}`,
  'a NUL': (below) => `/api/${below}%00`,
  'a #': (below) => `/api/${below}#x`,
  'an escaped #': (below) => `/api/${below}%23`,
  'an escaped ?': (below) => `/api/${below}%3Fx`,
  'an overlong slash': (below) => `/api/${below.replace('/', '%c0%af')}`,
  'a full-width slash': (below) => `/api/${below.replace('/', '%EF%BC%8F')}`,
  'a tab': (below) => `/api/%09${below}`,
  'a space behind': (below) => `/api/${below}%20`,
  'as a file’s path': (below) => `/api/files?path=../${below}`,
  'as a file’s path behind': (below) => `/api/files/raw/../../${below}`,
};

const ROLES = ['nobody', 'user', 'admin', 'pi-token'] as const;
type Role = (typeof ROLES)[number];

function hex(letter: string): string {
  return `%${letter.charCodeAt(0).toString(16)}`;
}

function twice(letter: string): string {
  return `%25${letter.charCodeAt(0).toString(16)}`;
}

/** Every way in which an upstream server may parse an address. */
function readings(url: string): readonly string[] {
  const once = decoded(url.split(/[?#]/)[0] ?? '');
  return [once, decoded(once)].map((path) => {
    const words: string[] = [];
    for (const word of path.replaceAll('\\', '/').toLowerCase().split('/')) {
      if (word === '..') words.pop();
      else if (word !== '' && word !== '.') words.push(word);
    }
    return words.join('/');
  });
}

function decoded(text: string): string {
  return text.replaceAll(/%[0-9a-f]{2}/gi, (escape) =>
    String.fromCharCode(Number.parseInt(escape.slice(1), 16)),
  );
}

describe('What must never reach the NAS', function () {
  this.timeout(60_000);
  let pi: BootedBaluPi;
  const bearer = new Map<Role, readonly string[]>([['nobody', []]]);

  before(async () => {
    pi = await BootedBaluPi.start({
      environment: { BALUPI_NAS_PROBE_INTERVAL_SECONDS: '1' },
    });
    bearer.set('user', [`Authorization: Bearer ${await pi.signIn('alice')}`]);
    bearer.set('admin', [`Authorization: Bearer ${await pi.signIn('admin')}`]);
    await pi.nas.sleep('suspend');
    const online = async (): Promise<unknown> => {
      const headers = { Authorization: bearer.get('user')?.[0]?.split(': ')[1] ?? '' };
      const told = await fetch(`${pi.url}/api/nas/status`, { headers });
      return ((await told.json()) as { online: unknown }).online;
    };
    await pi.until('the NAS to be seen asleep', async () => (await online()) === false);
    bearer.set('pi-token', [`Authorization: Bearer ${await pi.signIn('alice')}`]);
    await pi.nas.wake();
    await pi.until('the NAS to be seen awake', async () => (await online()) === true);
    pi.nas.resetCounters();
  });

  after(async () => {
    await pi.stop();
  });

  for (const role of ROLES) {
    it(`reaches it for ${role} in no spelling and by no method`, async () => {
      const client = new RawClient(pi.port);
      const ask = async (method: string, url: string): Promise<RawAnswer> =>
        await client.ask(method, url, [...(bearer.get(role) ?? []), 'Content-Length: 0']);
      for (const below of NEVER) {
        for (const [what, write] of Object.entries(SPELLINGS)) {
          for (const method of ['GET', 'POST', 'DELETE']) {
            const { status } = await ask(method, write(below));
            const said = `${method} ${write(below)} (${what}) got ${String(status)}`;
            if (what === 'plain') assert.equal(status, role === 'nobody' ? 401 : 403, said);
            assert.ok(status >= 400 || isHarmless(write(below)), said);
          }
        }
      }
      client.close();
    });
  }

  /** An absolute form whose host is ignored may be another, harmless address. */
  function isHarmless(url: string): boolean {
    return !readings(url).some(isForbidden);
  }

  it('was reached by none of them, in whatever way it might be read', () => {
    const seen = pi.nas.requests.map(({ url }) => url);
    assert.ok(seen.length > 0);
    for (const url of seen) {
      const found = readings(url).filter(isForbidden);
      assert.deepEqual(found, [], url);
    }
  });

  it('was shown no token of the Pi', () => {
    const own = bearer.get('pi-token')?.[0]?.split(' ')[2] ?? 'none';
    for (const { headers } of pi.nas.requests) {
      assert.ok(!(headers['authorization'] ?? '').includes(own));
    }
  });

  function isForbidden(path: string): boolean {
    return /^api\/(?:sync\/upload|auth\/(?:register|login-pin|dev|recovery-reset)|setup)(?:\/|$)/.test(
      path,
    );
  }
});
