import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Caller } from '../../../nodes/lib/accounts/caller.ts';
import type { Answer } from '../../../nodes/lib/http/http.ts';
import { Kept } from '../../../nodes/lib/kept/kept.ts';
import type { NasJson } from '../../../nodes/lib/nas/nas-client.ts';
import { BackgroundBudget } from '../../../nodes/lib/nas/probe.ts';
import type { PassRequest, PassResult } from '../../../nodes/lib/pass/pass-hook.ts';
import { KeptLog } from '../../fakes/kept-log.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { openStore } from '../files/files-bench.ts';

const ALICE: Caller = caller(4, 'alice');
const BOB: Caller = caller(5, 'bob');

function caller(id: number, username: string, role = 'user'): Caller {
  const user = { id, username, role };
  return { user, kind: 'nas', nasToken: `token-${id}`, scope: 'all' };
}

/** Kept answers without a NAS: each request brings what the NAS would answer. */
class Bench {
  readonly folder = mkdtempSync(join(tmpdir(), 'balupi-kept-'));
  readonly clock = new ManualClock();
  readonly budget = new BackgroundBudget(this.clock, 30);
  readonly store = openStore(join(this.folder, 'cache.db'));
  readonly owners = new Map<string, number>();
  readonly calls: string[] = [];
  readonly permissions: unknown[] = [];
  readonly listed = new Map<string, readonly { path: string; isDirectory: boolean }[]>();
  devices: NasJson = { kind: 'answer', status: 200, body: [] };
  awake = true;
  reachable = true;
  kept = this.reopened();

  reopened(): Kept {
    const state = () => ({
      awake: this.awake,
      reachable: this.reachable,
      sleepState: this.awake ? 'awake' : 'unreachable',
      nextWakeAt: '2026-02-23T06:00:00',
      everSeen: true,
    });
    this.kept = new Kept({
      store: this.store,
      clock: this.clock,
      log: new KeptLog(),
      nas: {
        call: (wanted) => {
          this.calls.push(`${wanted.method} ${wanted.path} ${wanted.token ?? ''}`);
          return Promise.resolve(this.devices);
        },
      },
      presence: {
        get state() {
          return state() as never;
        },
        heard: () => undefined,
      },
      files: {
        shownIn: (user, folder) => (this.listed.get(`${user.id} ${folder}`) as never) ?? null,
      },
      sleepSchedule: () => ({
        enabled: true,
        sleep_time: '23:00',
        wake_time: '06:00',
        mode: 'soft',
      }),
      budget: this.budget,
      idleMs: () => null,
      tokenOf: ({ nasToken }) => Promise.resolve(nasToken),
      deviceOwner: (id) => this.owners.get(id) ?? null,
      learnDevice: (id, userId) => {
        this.owners.set(id, userId);
      },
      permissionsTold: (userId, told) => {
        this.permissions.push([userId, told]);
      },
    });
    return this.kept;
  }

  /** @returns the caller's answer, with `passed` if it is the NAS's own */
  async ask(
    line: string,
    who: Caller,
    nas: PassResult | 'must not be asked',
    body?: unknown,
  ): Promise<Answer | 'passed' | 'asleep'> {
    const [method = '', url = ''] = line.split(' ');
    const [path = '', query = ''] = url.split('?');
    const request: PassRequest = {
      method,
      segments: path.split('/'),
      filePath: null,
      query: new URLSearchParams(query),
      caller: who,
      auto: false,
      body,
      headers: {},
      signal: new AbortController().signal,
    };
    assert.ok(this.kept.answers.concerns(request), line);
    const before = await this.kept.answers.before(request);
    if (before.kind === 'answer') return before.answer;
    if (!this.awake) return 'asleep';
    assert.notEqual(nas, 'must not be asked', line);
    const instead = await before.after?.(nas as PassResult);
    return instead ?? 'passed';
  }

  close(): void {
    this.kept.stop();
    this.store.close();
    rmSync(this.folder, { recursive: true });
  }
}

function told(body: unknown, status = 200): PassResult {
  return { kind: 'answered', status, body };
}

describe('Answers kept for the sleep', () => {
  let bench: Bench;

  beforeEach(() => {
    bench = new Bench();
  });

  afterEach(() => {
    bench.close();
  });

  for (const line of [
    'GET sync/schedule/list',
    'GET system/sleep/my-permissions',
    'GET notifications?page=1&unread_only=false',
    'GET notifications/unread-count',
    'GET files/mountpoints',
    'GET files/permissions?path=alice',
  ]) {
    it(`${line} is told again asleep, with its age, to its own user alone, after a start too`, async () => {
      assert.equal(await bench.ask(line, ALICE, told({ count: 3 })), 'passed');
      await bench.clock.advance(90_000);
      bench.awake = false;
      bench.kept.stop();
      bench.reopened();
      assert.partialDeepStrictEqual(await bench.ask(line, ALICE, 'must not be asked'), {
        statusCode: 200,
        payload: { count: 3 },
        headers: { Age: '90' },
      });
      assert.equal(await bench.ask(line, BOB, 'must not be asked'), 'asleep');
      bench.kept.answers.dropUser(4);
      assert.equal(await bench.ask(line, ALICE, 'must not be asked'), 'asleep');
    });
  }

  it('are asked for again while the NAS is awake, and stand in where it fails', async () => {
    const line = 'GET notifications/unread-count';
    await bench.ask(line, ALICE, told({ count: 3 }));
    assert.equal(await bench.ask(line, ALICE, told({ count: 4 })), 'passed');
    for (const failed of [told(undefined, 500), told({}, 429), { kind: 'no_answer' } as const]) {
      assert.partialDeepStrictEqual(await bench.ask(line, ALICE, failed), {
        payload: { count: 4 },
      });
    }
    assert.equal(await bench.ask(line, ALICE, told({ detail: 'no' }, 403)), 'passed');
  });

  it('let nobody see the folders of somebody else’s phone, which the NAS shows to all', async () => {
    const line = 'GET mobile/sync/folders/phone-1';
    const folders = [{ id: 'f1', device_id: 'phone-1', remote_path: 'alice/Photos' }];
    bench.devices = { kind: 'answer', status: 200, body: [{ id: 'phone-1', user_id: 4 }] };
    assert.equal(await bench.ask(line, ALICE, told(folders)), 'passed');
    assert.equal(bench.owners.get('phone-1'), 4);
    bench.devices = { kind: 'answer', status: 200, body: [] };
    assert.partialDeepStrictEqual(await bench.ask(line, BOB, told(folders)), { statusCode: 404 });
    assert.equal(await bench.ask('GET mobile/sync/folders/none', BOB, told([])), 'passed');
    bench.awake = false;
    assert.partialDeepStrictEqual(await bench.ask(line, ALICE, 'must not be asked'), {
      payload: folders,
    });
    assert.equal(await bench.ask(line, BOB, 'must not be asked'), 'asleep');
  });

  it('show what an app does to its folders', async () => {
    bench.owners.set('phone-1', 4);
    const one = { id: 'f1', remote_path: 'alice/Photos', status: 'idle' };
    const two = { id: 'f2', remote_path: 'alice/Videos', status: 'idle' };
    await bench.ask('GET mobile/sync/folders/phone-1', ALICE, told([one]));
    await bench.ask('POST mobile/sync/folders/phone-1', ALICE, told(two));
    await bench.ask('PUT mobile/sync/folders/f1', ALICE, told({ ...one, status: 'syncing' }));
    await bench.ask('DELETE mobile/sync/folders/f2', ALICE, told(undefined, 204));
    bench.awake = false;
    assert.partialDeepStrictEqual(
      await bench.ask('GET mobile/sync/folders/phone-1', ALICE, 'must not be asked'),
      { payload: [{ ...one, status: 'syncing' }] },
    );
  });

  it('let a phone sync asleep where all its folders can be listed, whatever the NAS says of itself', async () => {
    bench.owners.set('phone-1', 4);
    const folders = [{ id: 'f1', remote_path: '/alice/Photos' }];
    const line = 'GET sync/preflight';
    await bench.ask('GET mobile/sync/folders/phone-1', ALICE, told(folders));
    bench.awake = false;
    bench.reachable = false;
    const blocked = { sync_allowed: false, block_reason: 'sleep_active' };
    const asked = () => bench.ask(line, ALICE, 'must not be asked');
    assert.partialDeepStrictEqual(await asked(), { payload: blocked });
    bench.listed.set('4 alice/Photos', [{ path: 'alice/Photos/2026', isDirectory: true }]);
    assert.partialDeepStrictEqual(await asked(), { payload: blocked });
    bench.listed.set('4 alice/Photos/2026', []);
    assert.partialDeepStrictEqual(await asked(), {
      payload: {
        sync_allowed: true,
        block_reason: null,
        current_sleep_state: 'true_suspend',
        next_wake_at: '2026-02-23T06:00:00',
        sleep_schedule: { sleep_time: '23:00' },
      },
    });
    assert.partialDeepStrictEqual(await bench.ask(line, BOB, 'must not be asked'), {
      payload: blocked,
    });
    bench.reachable = true;
    bench.devices = {
      kind: 'answer',
      status: 200,
      body: { sync_allowed: false, current_sleep_state: 'soft_sleep', next_sleep_at: null },
    };
    assert.partialDeepStrictEqual(await asked(), {
      payload: { sync_allowed: true, current_sleep_state: 'soft_sleep' },
    });
    assert.deepEqual(bench.calls.at(-1), 'GET /api/sync/preflight token-4');
  });

  it('call a desktop registered that was so once, and no other', async () => {
    const line = 'POST sync/register-desktop';
    const desk = { device_id: 'desk-1', device_name: 'desk' };
    const answer = { ...desk, status: 'registered', change_token: null };
    assert.equal(await bench.ask(line, ALICE, told(answer), desk), 'passed');
    bench.awake = false;
    assert.partialDeepStrictEqual(await bench.ask(line, ALICE, 'must not be asked', desk), {
      payload: { device_id: 'desk-1', status: 'already_registered' },
    });
    assert.equal(await bench.ask(line, BOB, 'must not be asked', desk), 'asleep');
  });

  it('call a desktop registered that was so once, where the NAS cannot say', async () => {
    const line = 'POST sync/register-desktop';
    const desk = { device_id: 'desk-1', device_name: 'desk' };
    await bench.ask(line, ALICE, told({ ...desk, status: 'registered', change_token: null }), desk);
    for (const failed of [told(undefined, 500), told({}, 429), { kind: 'no_answer' } as const]) {
      assert.partialDeepStrictEqual(await bench.ask(line, ALICE, failed, desk), {
        payload: { device_id: 'desk-1', status: 'already_registered' },
      });
    }
    assert.equal(await bench.ask(line, ALICE, told({ detail: 'no' }, 403), desk), 'passed');
  });

  it('tell who may wake the NAS', async () => {
    await bench.ask('GET system/sleep/my-permissions', ALICE, told({ can_wake: true }));
    assert.deepEqual(bench.permissions, [[4, { can_wake: true }]]);
  });

  it('of polls are everybody’s of a role, and never another role’s', async () => {
    const admin = caller(1, 'admin', 'admin');
    await bench.ask('GET monitoring/uptime/current', ALICE, told({ uptime: 5 }));
    bench.awake = false;
    const asked = (who: Caller) => bench.ask('GET monitoring/uptime/current', who, told(null));
    assert.partialDeepStrictEqual(await asked(BOB), { payload: { uptime: 5 } });
    assert.equal(await asked(admin), 'asleep');
    assert.equal(await bench.ask('GET shares/statistics', BOB, told(null)), 'asleep');
  });

  it('of polls answer who is not served, or say that it is not their turn', async () => {
    await bench.ask('GET system/info', ALICE, told({ uptime: 1 }));
    await bench.ask('GET system/raid/status', ALICE, told({ arrays: [] }));
    await bench.clock.advance(20_000);
    assert.partialDeepStrictEqual(await bench.ask('GET system/info', ALICE, 'must not be asked'), {
      payload: { uptime: 1 },
      headers: { Age: '20' },
    });
    assert.partialDeepStrictEqual(
      await bench.ask('GET system/smart/status', ALICE, 'must not be asked'),
      { statusCode: 503, payload: { code: 'nas_left_alone' } },
    );
  });

  it('never let the numbers of the Pi’s plugs reach those of the NAS', async () => {
    for (const line of [
      'POST smart-devices/1/command',
      'DELETE smart-devices/1',
      'GET smart-devices/1/history',
      'GET energy/cost/1',
    ]) {
      assert.partialDeepStrictEqual(await bench.ask(line, ALICE, 'must not be asked'), {
        statusCode: 403,
        payload: { code: 'not_through_the_pi' },
      });
    }
    assert.ok(!bench.kept.answers.concerns({ method: 'POST', segments: ['smart-devices'] }));
    assert.ok(!bench.kept.answers.concerns({ method: 'GET', segments: ['energy', 'price'] }));
  });
});

describe('Deltas of desktops', () => {
  let bench: Bench;

  beforeEach(() => {
    bench = new Bench();
  });

  afterEach(() => {
    bench.close();
  });

  const question = (token: string, path = 'a.txt'): Buffer =>
    Buffer.from(`{"change_token":"${token}","device_id":"d","file_list":[{"path":"${path}"}]}`);

  it('are asked for at once where the question is new, and in turn where it was answered before', async () => {
    const { deltas } = bench.kept;
    const key = deltas.keyOf(4, question('t1'), 60);
    assert.equal(key, deltas.keyOf(4, question('t2'), 60));
    assert.notEqual(key, deltas.keyOf(5, question('t1'), 60));
    assert.notEqual(key, deltas.keyOf(4, question('t1', 'b.txt'), 60));
    assert.ok(bench.kept.mayAskForDelta(key));
    assert.ok(deltas.keep(key, '{"to_download":[],"change_token":"x"}'));
    assert.ok(!deltas.keep(key, '{"to_download":[],"change_token":"y"}'));
    const turns = Array.from({ length: 4 }, () => bench.kept.mayAskForDelta(key));
    assert.deepEqual(turns, [true, true, false, false]);
    await bench.clock.advance(30_000);
    assert.deepEqual(await deltas.find(key), {
      text: '{"to_download":[],"change_token":"y"}',
      ageSeconds: 30,
    });
    assert.ok(deltas.keep(key, '{"to_download":["n"],"change_token":"z"}'));
    assert.ok(deltas.keep(key, null));
    assert.deepEqual(await deltas.find(key), { text: null, ageSeconds: 0 });
  });
});
