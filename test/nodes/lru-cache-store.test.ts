import assert from 'node:assert/strict';
import type { EntryTicket, Pin } from '../../nodes/lib/cache/cache.ts';
import type { CacheStats } from '../../nodes/lib/cache/stats/stats.ts';
import type { Lookup } from '../../nodes/lib/cache/verify/freshness.ts';
import type { LocatedFile, LocateOutcome } from '../../nodes/lib/files/files.ts';
import type { PinOutcome } from '../../nodes/lib/prefetch/prefetch.ts';
import { ALICE, ASLEEP, AWAKE, type FakeServices } from '../fakes/fake-services.ts';
import { answerOf, codeOf } from './described.ts';
import { stages } from './stage.ts';

const type = 'balupi-lru-cache-store';
const FILE: LocatedFile = {
  user: ALICE.user,
  path: 'alice/a.jpg',
  name: 'a.jpg',
  ownerId: '3',
  mimeType: 'image/jpeg',
  version: null,
  known: 'stored',
  listedAtMs: 0,
};
const QUEUED = {
  uploadId: 'u',
  seq: 1,
  path: 'alice/Photos/b.jpg',
  sizeBytes: 3,
  acceptedAtMs: 0,
  sha256: 'ab'.repeat(32),
  mimeType: null,
  file: 'somewhere',
};
const TICKET = { file: FILE, label: 'hit', heldAtMs: 0, ageSeconds: 0 } as EntryTicket;
const STATS: CacheStats = {
  fileCount: 5,
  totalBytes: 5_000_000,
  maxBytes: 200e9,
  capacityBytes: 10_000_000,
  hits: 3,
  misses: 1,
  hitBytes: 1,
  missBytes: 1,
  evictions: 0,
  nasWakesAvoided: 2,
  prefetchedFiles: 0,
  prefetchedBytes: 0,
  usedFiles: 0,
  usedBytes: 0,
};

const PIN: Pin = {
  userId: 3,
  path: 'alice/Photos',
  state: 'whole',
  createdAtMs: 0,
  checkedAtMs: null,
  files: 3,
  sizeBytes: 6,
  keptFiles: 3,
  keptBytes: 6,
  pendingFiles: 0,
  pendingBytes: 0,
  leftOutFiles: 0,
};

function looking(located: LocateOutcome, looked: Lookup, awake: boolean): FakeServices {
  return {
    files: { locate: () => Promise.resolve(located) },
    cache: { kept: { lookup: () => looked } },
    nas: { presence: { state: awake ? AWAKE : ASLEEP } },
  };
}

describe('The node balupi-lru-cache-store', () => {
  const open = stages();

  describe('looking up', () => {
    const located = { kind: 'located', file: FILE } as const;
    const miss = { kind: 'miss' } as const;
    const hit: Lookup = { kind: 'hit', ticket: TICKET };
    const stale: Lookup = { kind: 'stale', ticket: { ...TICKET, label: 'stale' } };

    for (const [what, services, output, kind] of [
      ['1 for a copy', looking(located, hit, true), 0, 'copy'],
      ['1 for a copy of a sleeping NAS', looking(located, stale, false), 0, 'copy'],
      [
        '1 for a queued upload',
        looking({ kind: 'queued', upload: QUEUED }, miss, false),
        0,
        'queued',
      ],
      ['2 for a miss while the NAS is awake', looking(located, miss, true), 1, 'missing'],
      ['3 for a miss while it sleeps', looking(located, miss, false), 2, 'missing'],
    ] as const) {
      it(`sends on output ${what}`, async () => {
        const stage = await open({ type, op: 'lookup', services });
        await stage.ask({ rest: 'alice/a.jpg' });
        assert.deepEqual(
          stage.out.map((messages) => messages.length),
          [0, 1, 2, 3].map((index) => (index === output ? 1 : 0)),
        );
        assert.partialDeepStrictEqual(stage.out[output]?.[0]?.['file'], { kind });
      });
    }

    it('sends on output 4 with the answer for what the caller may not see', async () => {
      const stage = await open({
        type,
        op: 'lookup',
        services: looking({ kind: 'not_found' }, miss, true),
      });
      assert.equal(await codeOf(stage, 'files-download', { rest: 'bob/b.jpg' }, 404), 'not_found');
      assert.equal(stage.out[3]?.length, 1);
    });

    it('takes the words as they were sent, from the address or the query', async () => {
      const asked: unknown[] = [];
      const services: FakeServices = {
        ...looking(located, miss, true),
        files: {
          locate: (caller, raw, options) => {
            asked.push([caller.user.username, raw, options]);
            return Promise.resolve({ kind: 'not_found' });
          },
        },
      };
      const stage = await open({ type, op: 'lookup', services });
      await stage.ask({ rest: 'alice/100%25+1.txt', auto: true });
      await stage.ask({}, { url: '/api/files/download?x=1&path=alice%2Fa+b.txt' });
      assert.deepEqual(asked, [
        ['alice', 'alice/100%25+1.txt', { auto: true }],
        ['alice', 'alice%2Fa+b.txt', { auto: false }],
      ]);
    });
  });

  describe('serving', () => {
    it('ends the request with the bytes of the copy, and tells what was read', async () => {
      const read: unknown[] = [];
      const services: FakeServices = {
        prefetch: { read: (doing) => read.push(doing) },
        cache: {
          kept: {
            serve: (ticket, { response }) => {
              response.end(`bytes of ${ticket.file.path}`);
              return Promise.resolve({ kind: 'answered', whole: true });
            },
          },
        },
      };
      const stage = await open({ type, op: 'serve', services });
      stage.carry({ file: { kind: 'copy', ticket: TICKET } });
      assert.equal((await stage.ask()).payload, 'bytes of alice/a.jpg');
      assert.equal(stage.out.flat().length, 0);
      assert.deepEqual(read, [{ caller: ALICE, path: 'alice/a.jpg', auto: false, fromHere: true }]);
      assert.equal(stage.caught.length, 0);
    });

    it('sends a copy that turned out to be gone on as a miss', async () => {
      const gone = () => Promise.resolve({ kind: 'gone' } as const);
      const services: FakeServices = { cache: { kept: { serve: gone }, serveQueued: gone } };
      const stage = await open({ type, op: 'serve', services });
      stage.carry({ file: { kind: 'copy', ticket: TICKET } });
      await stage.ask();
      assert.deepEqual(stage.out[0]?.[0]?.['file'], { kind: 'missing', file: FILE });
      stage.carry({ file: { kind: 'queued', path: QUEUED.path, file: QUEUED } });
      await stage.ask();
      assert.deepEqual(stage.out[0]?.[1]?.['file'], { kind: 'delivered', path: QUEUED.path });
    });

    it('says where to wire it when no file was looked up', async () => {
      const stage = await open({ type, op: 'serve', services: {} });
      assert.equal((await stage.ask()).status, 500);
      assert.match(stage.caught[0]?.error.message ?? '', /wire serve behind look up/);
    });
  });

  it('counts', async () => {
    const services: FakeServices = {
      cache: { stats: () => STATS },
      upload: { queuedCount: () => 4 },
    };
    const stage = await open({ type, op: 'stats', services });
    const payload = await answerOf(stage, 'cache-stats');
    const counted = { total_files: 5, usage_percent: 50, dirty_files: 4, hit_rate_percent: 75 };
    assert.partialDeepStrictEqual(payload, counted);
  });

  it('counts by day, with zeros where nothing happened', async () => {
    const day = { ...STATS, day: '2026-02-22' };
    const services: FakeServices = {
      cache: {
        background: { counters: { days: () => ({ today: '2026-02-22', days: [day] }) } },
      },
    };
    const stage = await open({ type, op: 'days', services });
    const payload = await answerOf(stage, 'cache-days', { query: { days: 2 } });
    assert.partialDeepStrictEqual(payload, {
      days: [
        { date: '2026-02-21', hits: 0, nas_wakes_avoided: 0 },
        { date: '2026-02-22', hits: 3, hit_rate_percent: 75, nas_wakes_avoided: 2 },
      ],
    });
  });

  describe('pinning', () => {
    const asked: unknown[] = [];
    function pinning(outcome: PinOutcome): FakeServices {
      return {
        nas: { presence: { state: ASLEEP } },
        prefetch: {
          pin: (...args) => {
            asked.push(args);
            return Promise.resolve(outcome);
          },
        },
      };
    }
    beforeEach(() => {
      asked.length = 0;
    });

    for (const [state, change] of [
      ['kept', {}],
      ['pending', { state: 'unchecked' }],
      ['pending', { pendingFiles: 1, state: 'cut_short' }],
      ['partly_kept', { leftOutFiles: 1 }],
      ['partly_kept', { state: 'cut_short' }],
      ['missing', { state: 'missing' }],
      ['no_access', { state: 'no_access' }],
    ] as const) {
      it(`answers with the pin, ${state} where it is ${JSON.stringify(change)}`, async () => {
        const services = pinning({ kind: 'pinned', pin: { ...PIN, ...change } });
        const stage = await open({ type, op: 'pin', services });
        const call = { body: { path: '/alice/Photos' }, auto: true };
        const payload = await answerOf(stage, 'cache-pin', call);
        assert.partialDeepStrictEqual(payload, { path: 'alice/Photos', state, files: 3 });
        assert.deepEqual(asked, [[ALICE, '/alice/Photos', true]]);
      });
    }

    for (const [outcome, status, code] of [
      [{ kind: 'not_found' }, 404, 'not_found'],
      [{ kind: 'not_a_folder' }, 422, 'invalid'],
      [{ kind: 'bad_path', reason: 'No.' }, 400, 'bad_path'],
      [{ kind: 'too_large', shareBytes: 5e6, wantedBytes: 9e8 }, 507, 'pin_too_large'],
      [{ kind: 'needs_nas_token' }, 401, 'refresh_token_now'],
      [{ kind: 'nas_busy' }, 429, 'nas_busy'],
    ] as const) {
      it(`refuses with ${status} ${code}`, async () => {
        const stage = await open({ type, op: 'pin', services: pinning(outcome) });
        const call = { body: { path: 'alice' } };
        assert.equal(await codeOf(stage, 'cache-pin', call, status), code);
      });
    }

    it('lists the caller’s pins with their share', async () => {
      const services: FakeServices = {
        prefetch: { pins: { list: () => ({ pins: [PIN], shareBytes: 9, wantedBytes: 6 }) } },
      };
      const stage = await open({ type, op: 'pins', services });
      const payload = await answerOf(stage, 'cache-pins');
      assert.partialDeepStrictEqual(payload, { share_bytes: 9, used_bytes: 6 });
    });

    it('unpins by body or query, and tells what was not pinned', async () => {
      const services: FakeServices = {
        prefetch: {
          pins: { unpin: (_caller, path) => (path === 'alice' ? 'unpinned' : 'not_found') },
        },
      };
      const stage = await open({ type, op: 'unpin', services });
      await answerOf(stage, 'cache-unpin', { body: { path: 'alice' } });
      await answerOf(stage, 'cache-unpin', { query: { path: 'alice' }, body: {} });
      assert.equal(await codeOf(stage, 'cache-unpin', { body: { path: 'bob' } }, 404), 'not_found');
    });
  });

  describe('at a tick of the schedule', () => {
    for (const [op, text] of [
      ['fetch-ahead', '2'],
      ['keep-pins', '7'],
    ] as const) {
      it(`does ${op}, and shows how much waits`, async () => {
        const done: string[] = [];
        const services: FakeServices = {
          prefetch: {
            waiting: { users: 2, pinnedFiles: 7 },
            fetchNeighbours: () => Promise.resolve(void done.push('fetch-ahead')),
            keepPins: () => Promise.resolve(void done.push('keep-pins')),
          },
        };
        const stage = await open({ type, op, services });
        await stage.send({});
        assert.deepEqual(done, [op]);
        assert.equal(stage.statuses.at(-1)?.['text'], text);
      });
    }
  });

  describe('emptying', () => {
    const dropped: string[] = [];
    const services: FakeServices = {
      cache: {
        stats: () => (dropped.length === 0 ? STATS : { ...STATS, fileCount: 2, totalBytes: 0 }),
        kept: {
          empty: (path) => {
            dropped.push(path);
            return Promise.resolve();
          },
        },
      },
    };
    beforeEach(() => {
      dropped.length = 0;
    });

    for (const [what, call, path] of [
      ['everything', {}, ''],
      ['the folder of the body', { body: { path: '/alice/Photos' } }, 'alice/Photos'],
      ['the folder of the query', { query: { path: 'alice' } }, 'alice'],
    ] as const) {
      it(`drops ${what}, and tells how much that was`, async () => {
        const stage = await open({ type, op: 'clear', services });
        const payload = await answerOf(stage, 'cache-empty', call);
        assert.partialDeepStrictEqual(payload, { removed_files: 3, removed_bytes: 5_000_000 });
        assert.deepEqual(dropped, [path]);
      });
    }

    it('refuses a path that leads out', async () => {
      const stage = await open({ type, op: 'clear', services });
      const call = { body: { path: 'alice/../bob' } };
      assert.equal(await codeOf(stage, 'cache-empty', call, 400), 'bad_path');
      assert.deepEqual(dropped, []);
    });
  });
});
