import assert from 'node:assert/strict';
import type { SignInOutcome } from '../../nodes/lib/accounts/accounts.ts';
import type { Listing, LocatedFile } from '../../nodes/lib/files/files.ts';
import type { NasStatus } from '../../nodes/lib/nas/nas-service.ts';
import { ALICE, ASLEEP, AWAKE, type FakeServices } from '../fakes/fake-services.ts';
import { answerOf, codeOf } from './described.ts';
import { type Stage, stages } from './stage.ts';

const type = 'balupi-nas-proxy';
const FILE: LocatedFile = {
  user: ALICE.user,
  path: 'alice/a.jpg',
  name: 'a.jpg',
  ownerId: '3',
  mimeType: null,
  version: null,
  known: 'fresh',
  listedAtMs: 0,
};
const LISTING: Listing = { path: 'alice', items: [], queued: [], source: 'stored', ageSeconds: 60 };
const NAS_AWAKE = { presence: { state: AWAKE } };
const NAS_ASLEEP = { presence: { state: ASLEEP } };

/** The status of a NAS that did not wake. */
const STATUS: NasStatus = {
  online: false,
  version: '1.38.0',
  url: 'http://nas.example',
  powerState: 'standby',
  sleepState: 'unreachable',
  reachableBy: 'none',
  powerW: 1.5,
  sinceMs: Date.parse('2026-02-22T14:00:00Z'),
  lastSeenMs: null,
  nextWakeAt: null,
  everSeen: true,
  fault: 'nas_mismatch',
  wake: {
    state: 'failed',
    startedAtMs: Date.parse('2026-02-22T14:10:00Z'),
    attempts: 2,
    cause: { kind: 'call', by: ALICE.user },
  },
};

describe('The node balupi-nas-proxy', () => {
  const open = stages();
  const opened = (op: string, services: FakeServices): Promise<Stage> =>
    open({ type, op, services: { nas: NAS_AWAKE, ...services } });

  describe('listing a folder', () => {
    it('shows the last listing of a sleeping NAS as stale', async () => {
      const files = { list: () => Promise.resolve({ kind: 'listing', listing: LISTING } as const) };
      const seen: unknown[] = [];
      const prefetch = { listed: (doing: unknown) => seen.push(doing) };
      const stage = await opened('list', { files, prefetch, nas: NAS_ASLEEP });
      const { payload, headers } = await stage.ask({ query: { path: 'alice' } });
      assert.deepEqual(payload, { path: 'alice', files: [] });
      assert.equal(headers.get('x-balupi-cache'), 'stale');
      assert.equal(headers.get('age'), '60');
      assert.deepEqual(stage.statuses, [
        { fill: 'grey', shape: 'ring', text: 'nas-proxy.status.unreachable' },
      ]);
      assert.deepEqual(seen, [{ caller: ALICE, path: 'alice', auto: false, fromHere: true }]);
    });

    for (const [outcome, status, code] of [
      [{ kind: 'asleep' }, 503, 'nas_asleep'],
      [{ kind: 'not_found' }, 404, 'not_found'],
      [{ kind: 'bad_path', reason: 'Not so.' }, 400, 'bad_path'],
      [{ kind: 'needs_nas_token' }, 401, 'refresh_token_now'],
      [{ kind: 'token_refused' }, 401, 'bad_token'],
      [{ kind: 'nas_busy' }, 429, 'nas_busy'],
      [{ kind: 'nas_bad_answer' }, 502, 'nas_bad_answer'],
      [{ kind: 'storage_missing' }, 503, 'nas_storage_missing'],
    ] as const) {
      it(`answers ${status} where it is ${outcome.kind}`, async () => {
        const files = { list: () => Promise.resolve(outcome) };
        const stage = await opened('list', { files, nas: NAS_ASLEEP });
        const call = { query: { path: 'alice' } };
        assert.equal(await codeOf(stage, 'files-list', call, status), code);
      });
    }
  });

  describe('fetching', () => {
    const missing = { kind: 'missing', file: FILE };

    it('ends the request with what comes from the NAS', async () => {
      const cache: FakeServices['cache'] = {
        kept: { lookup: () => ({ kind: 'miss' }) },
        fetch: (_caller, file, _request, response) => {
          response.end(`fetched ${file.path}`);
          return Promise.resolve({ kind: 'answered', label: 'miss', whole: true });
        },
      };
      const read: unknown[] = [];
      const prefetch = { read: (doing: unknown) => read.push(doing) };
      const stage = await opened('fetch', { cache, prefetch });
      stage.carry({ file: missing });
      assert.equal((await stage.ask()).payload, 'fetched alice/a.jpg');
      assert.equal(stage.out.flat().length, 0);
      assert.deepEqual(read, [
        { caller: ALICE, path: 'alice/a.jpg', auto: false, fromHere: false },
      ]);
      assert.equal(stage.caught.length, 0);
    });

    it('serves what another reader has fetched meanwhile', async () => {
      const cache: FakeServices['cache'] = {
        kept: {
          lookup: () => ({ kind: 'hit', ticket: { label: 'hit' } as never }),
          serve: (_ticket, { response }) => {
            response.end('kept');
            return Promise.resolve({ kind: 'answered', whole: true });
          },
        },
      };
      const stage = await opened('fetch', { cache, prefetch: { read: () => undefined } });
      stage.carry({ file: missing });
      assert.equal((await stage.ask()).payload, 'kept');
      assert.equal(stage.caught.length, 0);
    });

    it('looks a file up again that was looked up while the NAS slept', async () => {
      const paths: string[] = [];
      const locatePath: NonNullable<FakeServices['files']>['locatePath'] = (_caller, path) => {
        paths.push(path);
        return Promise.resolve({ kind: 'not_found' });
      };
      const stage = await opened('fetch', { files: { locatePath } });
      stage.carry({ file: { ...missing, file: { ...FILE, known: 'stored' } } });
      assert.equal(await codeOf(stage, 'files-download', {}, 404), 'not_found');
      stage.carry({ file: { kind: 'delivered', path: 'alice/b.jpg' } });
      await stage.ask();
      assert.deepEqual(paths, ['alice/a.jpg', 'alice/b.jpg']);
    });

    it('sends a refusal on with its answer', async () => {
      const cache: FakeServices['cache'] = {
        kept: { lookup: () => ({ kind: 'miss' }) },
        fetch: () => Promise.resolve({ kind: 'unreachable' }),
      };
      const stage = await opened('fetch', { cache, nas: NAS_ASLEEP });
      stage.carry({ file: missing });
      assert.equal(await codeOf(stage, 'files-download', {}, 503), 'nas_asleep');
    });

    it('says where to wire it when no file is missing', async () => {
      const stage = await opened('fetch', {});
      assert.equal((await stage.ask()).status, 500);
      assert.match(stage.caught[0]?.error.message ?? '', /wire fetch behind look up/);
    });
  });

  describe('signing in', () => {
    const body = { username: 'alice', password: 'secret', pending_token: 'p', code: '123456' };
    const call = { body: { ...body, refresh_token: 'r' }, caller: null };
    const told: SignInOutcome = { kind: 'passed', status: 200, body: { from: 'nas' }, user: null };
    const yes = () => Promise.resolve(told);
    const accounts: FakeServices['accounts'] = {
      login: yes,
      verifyTwoFactor: yes,
      refresh: yes,
      profile: { me: yes, logout: yes },
      liveTokens: { ofUser: () => null },
    };

    for (const op of ['login', 'verify-2fa', 'refresh']) {
      it(`${op} gives the NAS's answer on unchanged, to a caller without a token`, async () => {
        const stage = await opened(op, { accounts });
        const { status, payload } = await stage.ask(call);
        assert.deepEqual([status, payload], [200, { from: 'nas' }]);
      });
    }

    for (const op of ['me', 'logout']) {
      it(`${op} is for a caller who is signed in`, async () => {
        const stage = await opened(op, { accounts });
        assert.equal((await stage.ask()).status, 200);
        assert.equal((await stage.ask({ caller: null })).status, 500);
      });
    }

    it('hands over what was sent, and from where', async () => {
      const seen: unknown[] = [];
      const login: NonNullable<FakeServices['accounts']>['login'] = (given) => {
        seen.push(given);
        return yes();
      };
      const stage = await opened('login', { accounts: { login } });
      await stage.ask({ ...call, address: '192.168.178.20' });
      assert.deepEqual(seen, [
        { username: 'alice', password: 'secret', address: '192.168.178.20' },
      ]);
    });

    it('tells of the sleep with a 503 and with the 504 that keeps tokens', async () => {
      for (const [code, status] of [
        ['nas_asleep', 503],
        ['gateway_timeout', 504],
      ] as const) {
        const no = () => Promise.resolve({ kind: 'refused', code } as const);
        const stage = await opened('refresh', { accounts: { refresh: no }, nas: NAS_ASLEEP });
        const payload = await answerOf(stage, 'auth-refresh', call, status);
        assert.partialDeepStrictEqual(payload, { code, detail: { sleep_state: 'unreachable' } });
      }
    });

    it('says when to try again', async () => {
      const refused = { kind: 'refused', code: 'too_many_tries', retryAfterSeconds: 42 } as const;
      const stage = await opened('login', {
        accounts: { login: () => Promise.resolve(refused) },
      });
      const { status, payload, headers } = await stage.ask(call);
      assert.equal(status, 429);
      assert.equal(headers.get('retry-after'), '42');
      assert.partialDeepStrictEqual(payload, { code: 'too_many_tries', retry_after: 42 });
    });
  });

  it('tells how the NAS is, from memory', async () => {
    const nas: FakeServices['nas'] = {
      ...NAS_ASLEEP,
      status: () => STATUS,
    };
    const stage = await opened('status', { nas, files: { storage: { isMissing: true } } });
    assert.partialDeepStrictEqual(await answerOf(stage, 'nas-status'), {
      nas_state: 'standby',
      since: '2026-02-22T14:00:00Z',
      last_seen: null,
      nas_mismatch: true,
      nas_storage_missing: true,
      wake: { state: 'failed', started_at: '2026-02-22T14:10:00Z', attempts: 2 },
    });
  });

  for (const [output, what, state] of [
    [0, 'awake', AWAKE],
    [1, 'asleep', { ...ASLEEP, reachable: true }],
    [2, 'silent', { ...ASLEEP, reachable: false }],
  ] as const) {
    it(`probes when it is due, and tells of a NAS that is ${what} at output ${output + 1}`, async () => {
      let [probes, due] = [0, false];
      const probe = () => {
        probes += 1;
        return Promise.resolve('told' as const);
      };
      const nas = { presence: { state, onChange: () => () => undefined }, status: () => STATUS };
      const stage = await opened('probe', {
        nas: { ...nas, probe },
        files: { storage: { isMissing: false } },
        schedule: { probe: { due: () => due } },
      });
      await stage.send();
      assert.deepEqual([probes, stage.out.flat().length], [0, 0]);
      due = true;
      await stage.send();
      assert.deepEqual([probes, stage.out.flat().length], [1, 1]);
      assert.partialDeepStrictEqual(stage.out[output]?.[0], {
        payload: { sleep_state: STATUS.sleepState },
      });
    });
  }

  it('tells nothing of a probe that the budget leaves out', async () => {
    const stage = await opened('probe', {
      nas: { ...NAS_AWAKE, probe: () => Promise.resolve('skipped' as const) },
      schedule: { probe: { due: () => true } },
    });
    await stage.send();
    assert.equal(stage.out.flat().length, 0);
  });
});

describe('The node balupi-nas-proxy, as the hooks of credentials', () => {
  const open = stages();
  const VIEW = {
    username: 'alice',
    kind: 'api_key',
    state: 'ok',
    lastUsedMs: null,
    expiresAtMs: null,
    createdAtMs: Date.parse('2026-02-22T14:30:00Z'),
    detail: null,
  } as const;

  it('lists them without their secrets', async () => {
    const services = { nas: NAS_AWAKE, credentials: { list: () => [VIEW] } };
    const stage = await open({ type, op: 'credentials', services });
    assert.partialDeepStrictEqual(await answerOf(stage, 'nas-credentials'), {
      credentials: [{ username: 'alice', kind: 'api_key', state: 'ok', last_used: null }],
    });
  });

  it('stores a key, and says 422 with the reason where it is no good', async () => {
    const credentials = {
      storeKey: (username: string) =>
        Promise.resolve(
          username === 'alice'
            ? ({ kind: 'stored', credential: VIEW } as const)
            : ({ kind: 'refused', detail: 'This key belongs to somebody else.' } as const),
        ),
    };
    const stage = await open({
      type,
      op: 'credentials-put',
      services: { nas: NAS_AWAKE, credentials },
    });
    const body = { api_key: 'balu_x' };
    await answerOf(stage, 'nas-credentials-put', { params: { username: 'alice' }, body });
    const other = { params: { username: 'bob' }, body };
    assert.equal(await codeOf(stage, 'nas-credentials-put', other, 422), 'invalid');
  });

  it('forgets them, and says 404 where there is nothing', async () => {
    const credentials = { remove: (username: string) => Promise.resolve(username === 'alice') };
    const stage = await open({
      type,
      op: 'credentials-drop',
      services: { nas: NAS_AWAKE, credentials },
    });
    const [alice, bob] = ['alice', 'bob'].map((username) => ({ params: { username }, query: {} }));
    await answerOf(stage, 'nas-credentials-drop', alice);
    assert.equal(await codeOf(stage, 'nas-credentials-drop', bob ?? {}, 404), 'not_found');
  });
});
