import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  Activity,
  type ActivityQuery,
  type Entry,
  KEPT_DAYS,
  type NasUse,
} from '../../../nodes/lib/activity/activity.ts';
import type { WakeCause } from '../../../nodes/lib/nas/nas.ts';
import { QUEUE_MIGRATIONS } from '../../../nodes/lib/store/databases.ts';
import { Store } from '../../../nodes/lib/store/store.ts';
import type { UploadNews } from '../../../nodes/lib/upload/upload.ts';
import { KeptLog } from '../../fakes/kept-log.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

const ALICE = { id: 4, username: 'alice' };
const BOB = { id: 5, username: 'bob' };
const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

/** Activity whose sources report what the test says. */
class ActivityBench {
  readonly clock = new ManualClock();
  readonly online = new Map<string, boolean>();
  readonly folder = mkdtempSync(join(tmpdir(), 'balupi-activity-'));
  store = this.#open();
  activity = this.#begin(0);
  isProved = true;
  use: NasUse | null = { energyMwh: 25_000, costUc: 800_000 };
  #awake: boolean | null = null;
  #sleepState = 'unreachable';
  #cause: WakeCause | null = null;

  nas(awake: boolean, told: { cause?: WakeCause; sleepState?: string } = {}): void {
    this.#awake = awake;
    this.#cause = told.cause ?? null;
    this.#sleepState = told.sleepState ?? (awake ? 'awake' : 'unreachable');
    this.activity.nasChanged();
  }

  async pass(ms: number): Promise<void> {
    await this.clock.advance(ms);
  }

  /** Newest first, as an admin reads it. */
  entries(query: Partial<ActivityQuery> = {}): readonly Entry[] {
    const reader = { userId: 1, isAdmin: true };
    return this.activity.list({
      ...{ reader, kind: null, days: KEPT_DAYS, beforeId: null, limit: 100 },
      ...query,
    }).entries;
  }

  kinds(query: Partial<ActivityQuery> = {}): string[] {
    return this.entries(query).map(({ kind }) => kind);
  }

  asUser({ id }: typeof ALICE): readonly Entry[] {
    return this.entries({ reader: { userId: id, isAdmin: false } });
  }

  rows(): number {
    return Number(this.store.prepare('SELECT count(*) AS n FROM activity').get()?.['n']);
  }

  /** A power cut loses what was not committed. */
  cutPower(lastSeenMs = this.clock.nowMs()): void {
    this.store.close();
    this.store = this.#open();
    this.activity = this.#begin(lastSeenMs);
  }

  restart(lastSeenMs = this.clock.nowMs()): void {
    this.activity.stop();
    this.cutPower(lastSeenMs);
  }

  close(): void {
    this.activity.stop();
    this.store.close();
    rmSync(this.folder, { recursive: true });
  }

  #open(): Store {
    const file = join(this.folder, 'queue.db');
    const name = 'queue';
    return Store.open({ file, name, synchronous: 'FULL', migrations: QUEUE_MIGRATIONS });
  }

  #begin(lastSeenMs: number): Activity {
    const { clock } = this;
    const isProved = (): boolean => this.isProved;
    const activity = new Activity({
      clock,
      store: this.store,
      log: new KeptLog(),
      time: {
        nowMs: () => clock.nowMs(),
        unsynced: false,
        get isProved() {
          return isProved();
        },
        accepted: () => undefined,
      },
      lastSeenMs,
      nas: () =>
        this.#awake === null
          ? null
          : { awake: this.#awake, sleepState: this.#sleepState, cause: this.#cause },
      nasUse: () => this.use,
      isPlugOnline: (id) => this.online.get(id) ?? null,
    });
    activity.start();
    return activity;
  }
}

function upload(path: string, more: Partial<UploadNews> = {}): UploadNews {
  const { id: userId, username } = ALICE;
  const what = { what: 'upload', conflictPath: null, sizeBytes: 100, detail: null } as const;
  return { kind: 'upload_delivered', userId, username, id: path, path, ...what, ...more };
}

describe('The activity log', () => {
  let bench: ActivityBench;

  beforeEach(() => {
    bench = new ActivityBench();
  });

  afterEach(() => {
    bench.close();
  });

  it('tells of each time awake who caused it, how long it was and what it cost', async () => {
    bench.nas(false);
    await bench.pass(10 * MINUTE_MS);
    bench.nas(true, { cause: { kind: 'call', by: ALICE } });
    await bench.pass(25 * MINUTE_MS);
    bench.nas(false, { sleepState: 'going_offline' });
    const [asleep, awake, before] = bench.entries();
    assert.equal(asleep?.facts.sleepState, 'going_offline');
    assert.equal(asleep.endedAtMs, null);
    assert.deepEqual(
      [awake?.kind, awake?.username, (awake?.endedAtMs ?? 0) - (awake?.atMs ?? 0)],
      ['nas_awake', 'alice', 25 * MINUTE_MS],
    );
    assert.deepEqual(awake?.facts, { cause: 'user', energyMwh: 25_000, costUc: 800_000 });
    assert.equal(before?.endedAtMs, awake.atMs);
  });

  const CAUSES: readonly (readonly [string, WakeCause | null])[] = [
    ['flow', { kind: 'call', by: null }],
    ['read', { kind: 'read', by: BOB }],
    ['queue', { kind: 'queue', by: null }],
    ['door', { kind: 'door', by: null }],
    ['elsewhere', null],
  ];
  for (const [word, cause] of CAUSES) {
    it(`tells a wake by "${word}" from the others`, async () => {
      bench.nas(false);
      await bench.pass(5 * MINUTE_MS);
      bench.nas(true, cause === null ? {} : { cause });
      assert.equal(bench.entries()[0]?.facts.cause, word);
    });
  }

  it('does not guess who woke a NAS that was awake when the Pi came', () => {
    bench.nas(true);
    assert.equal(bench.entries()[0]?.facts.cause, null);
  });

  it('tells what the present time awake used so far, and nothing where nothing measured it', () => {
    bench.nas(true);
    assert.equal(bench.entries()[0]?.facts.energyMwh, 25_000);
    bench.use = null;
    assert.equal(bench.entries()[0]?.facts.energyMwh, undefined);
  });

  it('takes a call that failed for no sleep, and a wake for one', async () => {
    bench.nas(true);
    await bench.pass(5 * MINUTE_MS);
    bench.nas(false);
    bench.activity.nasChanged();
    await bench.pass(5_000);
    bench.nas(true);
    assert.deepEqual(bench.kinds(), ['nas_awake']);
    assert.equal(bench.entries()[0]?.endedAtMs, null);
    bench.nas(false);
    await bench.pass(5_000);
    bench.nas(true, { cause: { kind: 'call', by: ALICE } });
    assert.deepEqual(bench.kinds(), ['nas_awake', 'nas_asleep', 'nas_awake']);
  });

  it('tells of a wake that failed, with who wanted it', () => {
    bench.activity.wakeFailed({ kind: 'call', by: BOB });
    const [failed] = bench.entries();
    assert.deepEqual([failed?.kind, failed?.username], ['wake_failed', 'bob']);
  });

  it('finds out by itself how the NAS is where nobody tells of a change', async () => {
    bench.nas(false);
    bench.restart();
    await bench.pass(2 * MINUTE_MS);
    assert.deepEqual(bench.kinds(), ['nas_asleep']);
  });

  it('goes on over a restart, and ends what it cannot know after a long one', async () => {
    bench.nas(true);
    await bench.pass(5 * MINUTE_MS);
    bench.restart();
    await bench.pass(2 * MINUTE_MS);
    assert.deepEqual(bench.kinds(), ['nas_awake']);
    const seenMs = bench.clock.nowMs();
    await bench.pass(60 * MINUTE_MS);
    bench.restart(seenMs);
    await bench.pass(2 * MINUTE_MS);
    const [now, then] = bench.entries();
    assert.deepEqual([now?.facts.cause, now?.endedAtMs], [null, null]);
    assert.equal(then?.endedAtMs, seenMs);
  });

  it('loses with the power what was not committed, and nothing else', () => {
    bench.activity.upload(upload('alice/a/1.jpg'));
    const settle = bench.store.transaction(() => bench.activity.write());
    settle();
    bench.activity.upload(upload('alice/b/2.jpg'));
    bench.cutPower();
    assert.deepEqual(
      bench.entries().map(({ facts }) => facts.path),
      ['alice/a/1.jpg'],
    );
  });

  it('keeps what a commit that failed did not write, for the next', () => {
    bench.activity.upload(upload('alice/a/1.jpg'));
    assert.throws(() =>
      bench.store.transaction(() => {
        bench.activity.write();
        throw new Error('The disk said no.');
      }),
    );
    assert.equal(bench.rows(), 0);
    assert.equal(bench.entries().length, 1);
  });

  it('costs no commit of its own, however much happens in a minute', async () => {
    const before = bench.store.file.commits;
    for (let n = 0; n < 150; n += 1) bench.activity.upload(upload(`alice/${n}/photo.jpg`));
    bench.nas(true);
    bench.nas(false);
    await bench.pass(10 * MINUTE_MS);
    assert.equal(bench.store.file.commits, before);
    bench.store.transaction(() => bench.activity.write())();
    assert.equal(bench.store.file.commits, before + 1);
  });

  it('makes one entry of what comes to one folder one after the other', async () => {
    for (let n = 0; n < 200; n += 1) {
      bench.activity.upload(upload(`alice/Photos/${n}.jpg`));
      await bench.pass(1_000);
    }
    const [run, ...others] = bench.entries();
    assert.deepEqual(others, []);
    const { path, files, sizeBytes } = run?.facts ?? {};
    assert.deepEqual([path, files, sizeBytes], ['alice/Photos', 200, 20_000]);
    await bench.pass(11 * MINUTE_MS);
    bench.activity.upload(upload('alice/Photos/late.jpg'));
    assert.equal(bench.entries()[0]?.facts.path, 'alice/Photos/late.jpg');
  });

  it('keeps apart what went differently, and whose it was', () => {
    const { id: userId, username } = BOB;
    bench.activity.upload(upload('Shared/a'));
    bench.activity.upload(upload('Shared/b', { userId, username }));
    bench.activity.upload(
      upload('Shared/c', { kind: 'upload_failed', detail: 'It is too large.' }),
    );
    bench.activity.upload(upload('Shared/d', { kind: 'conflict', conflictPath: 'Shared/d (2)' }));
    bench.activity.upload(upload('Shared/e', { kind: 'upload_accepted' }));
    assert.deepEqual(bench.kinds(), [
      'conflict',
      'upload_failed',
      'upload_delivered',
      'upload_delivered',
    ]);
  });

  it('tells how long a plug was gone, also where it came back during a restart', async () => {
    const plug = { id: 'p1', name: 'NAS' };
    bench.online.set('p1', false);
    bench.activity.plug({ kind: 'plug_lost', ...plug });
    await bench.pass(3 * MINUTE_MS);
    bench.activity.plug({ kind: 'plug_back', ...plug });
    const [first] = bench.entries();
    assert.equal((first?.endedAtMs ?? 0) - (first?.atMs ?? 0), 3 * MINUTE_MS);
    bench.activity.plug({ kind: 'plug_lost', ...plug });
    bench.restart();
    bench.activity.plug({ kind: 'plug_lost', ...plug });
    assert.equal(bench.entries({ kind: 'plug_lost' }).length, 2);
    bench.online.set('p1', true);
    await bench.pass(MINUTE_MS);
    assert.ok(bench.entries().every(({ endedAtMs }) => endedAtMs !== null));
  });

  it('shows nobody but an admin what is another’s, and of a shared wake not the name', async () => {
    bench.nas(false);
    await bench.pass(2 * MINUTE_MS);
    bench.nas(true, { cause: { kind: 'call', by: ALICE } });
    bench.activity.upload(upload('alice/secret.txt'));
    bench.activity.account({
      kind: 'sign_in',
      user: { ...ALICE, role: 'user' },
      address: '10.0.0.7',
    });
    bench.activity.plug({ kind: 'plug_lost', id: 'p1', name: 'NAS' });
    const seen = bench.asUser(BOB);
    assert.deepEqual(
      seen.map(({ kind }) => kind),
      ['plug_lost', 'nas_awake', 'nas_asleep'],
    );
    assert.doesNotMatch(JSON.stringify(seen), /alice|secret|10\.0\.0\.7/);
    assert.equal(seen[1]?.facts.cause, 'user');
    assert.equal(bench.asUser(ALICE).length, 5);
    assert.equal(bench.asUser(ALICE)[3]?.username, 'alice');
    assert.equal(bench.entries().length, 5);
  });

  it('gives a new person under an old id nothing of the former', async () => {
    bench.nas(false);
    await bench.pass(2 * MINUTE_MS);
    bench.nas(true, { cause: { kind: 'call', by: ALICE } });
    bench.activity.upload(upload('alice/old.txt'));
    bench.entries();
    bench.activity.upload(upload('alice/unwritten/new.txt'));
    bench.activity.dropUser(ALICE.id);
    bench.activity.upload(upload('alice/own.txt'));
    const seen = bench.asUser(ALICE);
    assert.deepEqual(
      seen.map(({ facts, username }) => [facts.path, username]),
      [
        ['alice/own.txt', 'alice'],
        [undefined, null],
        [undefined, null],
      ],
    );
    bench.nas(false);
    assert.equal(bench.entries({ kind: 'nas_awake' })[0]?.username, null);
  });

  it('is read by kind, by days and page by page', async () => {
    for (let n = 0; n < 5; n += 1) {
      bench.activity.upload(upload(`alice/${n}/a.jpg`));
      bench.activity.plug({ kind: 'plug_lost', id: `p${n}`, name: 'NAS' });
      await bench.pass(DAY_MS);
    }
    assert.equal(bench.entries({ kind: 'upload_delivered' }).length, 5);
    assert.equal(bench.entries({ kind: 'upload_delivered', days: 2 }).length, 2);
    const reader = { userId: 1, isAdmin: true };
    const query = { reader, kind: 'upload_delivered', days: 90, limit: 2 } as const;
    const first = bench.activity.list({ ...query, beforeId: null });
    const second = bench.activity.list({ ...query, beforeId: first.nextBeforeId });
    const third = bench.activity.list({ ...query, beforeId: second.nextBeforeId });
    const paths = [first, second, third].map(({ entries }) =>
      entries.map(({ facts }) => facts.path),
    );
    assert.deepEqual(paths, [
      ['alice/4/a.jpg', 'alice/3/a.jpg'],
      ['alice/2/a.jpg', 'alice/1/a.jpg'],
      ['alice/0/a.jpg'],
    ]);
    assert.equal(third.nextBeforeId, null);
  });

  it('forgets what is older than 90 days, once the time is proved', async () => {
    bench.activity.upload(upload('alice/old.txt'));
    bench.entries();
    bench.isProved = false;
    await bench.pass(91 * DAY_MS);
    bench.activity.upload(upload('alice/new.txt'));
    assert.equal(bench.entries().length, 1);
    assert.equal(bench.rows(), 2);
    bench.isProved = true;
    await bench.pass(2 * 3_600_000);
    bench.activity.upload(upload('alice/newest/a.txt'));
    assert.equal(bench.entries().length, 2);
    assert.equal(bench.rows(), 2);
  });

  it('lets a flood of one person’s end neither everybody’s nor another’s', async () => {
    const { id: userId, username } = BOB;
    bench.activity.plug({ kind: 'plug_lost', id: 'p1', name: 'NAS' });
    bench.activity.upload(upload('bob/a.txt', { userId, username }));
    for (let n = 0; n < 2_400; n += 1) bench.activity.upload(upload(`alice/${n}/a.jpg`));
    await bench.pass(2 * 3_600_000);
    bench.activity.upload(upload('alice/last/a.jpg'));
    bench.entries();
    assert.equal(bench.rows(), 2_002);
    assert.equal(bench.entries({ kind: 'plug_lost' }).length, 1);
    assert.equal(bench.asUser(BOB).length, 2);
  });
});
