import fc from 'fast-check';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { QUEUE_SCHEMA } from '../../../nodes/lib/store/schema/queue-schema.ts';
import { conflictName } from '../../../nodes/lib/upload/delivery/attempt.ts';
import { backoffMs } from '../../../nodes/lib/upload/delivery/backoff.ts';
import { Pacer } from '../../../nodes/lib/upload/delivery/delivery-calls.ts';
import { readTarget } from '../../../nodes/lib/upload/receive/target.ts';
import {
  CLAIMABLE,
  compareBase,
  DELIVERED,
  FOUND,
  FOUND_WAITING,
  isUploadState,
  NO_BASE,
  PENDING,
  REQUEUABLE,
  toState,
  UNDELIVERED,
  UNFINISHED,
  type UploadBase,
} from '../../../nodes/lib/upload/rows/upload-rows.ts';
import { GroupCommit } from '../../../nodes/lib/upload/spool/intents.ts';
import { isUploadId, type ShownEntry, uploadId } from '../../../nodes/lib/upload/upload-deps.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { MemoryNas } from './memory-nas.ts';

const FILE: ShownEntry = {
  kind: 'file',
  sizeBytes: 1,
  modifiedAt: '2026-01-01T00:00:00Z',
  checksum: null,
  listedAtMs: 0,
};

describe('the states of the queue', () => {
  const statesIn = (sql: string): string[] =>
    [...sql.matchAll(/'(\w+)'/g)].map(([, state]) => `${state}`);
  const wordsIn = (text: string): string[] => text.match(/\w+/g) ?? [];
  const contract = /`state` is one of `([^`]+)`/.exec(
    readFileSync('docs/CONTRACT.md', 'utf8'),
  )?.[1];
  const words = wordsIn(contract ?? '');

  it('are the words of the contract, and one more in the tables', () => {
    assert.equal(words.length, 9);
    for (const word of words) {
      assert.ok(isUploadState(word));
      assert.equal(toState(word), word);
    }
    assert.equal(isUploadState(FOUND_WAITING), false);
    assert.equal(toState(FOUND_WAITING), 'found');
    for (const other of ['lost', 'toString', '']) {
      assert.equal(isUploadState(other), false);
      assert.throws(() => toState(other), /unknown state/);
    }
    const all = [...statesIn(UNFINISHED), 'held', ...statesIn(DELIVERED)];
    assert.deepEqual(all.sort(), [...words, FOUND_WAITING].sort());
  });

  it('are each further from the NAS than the list before', () => {
    assert.equal(CLAIMABLE, "('queued', 'sending', 'waiting', 'found')");
    assert.equal(
      UNDELIVERED,
      "('queued', 'sending', 'waiting', 'waiting_for_credential', 'found')",
    );
    assert.deepEqual(statesIn(PENDING), [...statesIn(UNDELIVERED), FOUND_WAITING]);
    assert.deepEqual(statesIn(UNFINISHED), [...statesIn(PENDING), 'failed']);
    assert.deepEqual(statesIn(DELIVERED), ['conflict', 'synced']);
    assert.deepEqual(statesIn(FOUND), ['found', FOUND_WAITING]);
    const requeuable = ['waiting', 'waiting_for_credential', 'found', FOUND_WAITING, 'failed'];
    assert.deepEqual(statesIn(REQUEUABLE), requeuable);
  });

  it('stand in the partial indices in the very words of the statements', () => {
    const indexed = [...QUEUE_SCHEMA.matchAll(/WHERE state IN (\([^)]*\))/g)].map(
      ([, list]) => list,
    );
    assert.deepEqual(indexed, [CLAIMABLE, UNDELIVERED]);
  });

  it('have each a word on the page', () => {
    const page = readFileSync('flows/parts/dashboard-uploads-uploads.vue', 'utf8');
    const shown = /\n {6}states: \{([^}]*)\}/.exec(page)?.[1] ?? '';
    assert.deepEqual(
      [...shown.matchAll(/^ +(\w+):/gm)].map(([, word]) => word),
      words,
    );
  });
});

describe('the meaning of an upload’s path', () => {
  const read = (
    path: string,
    filename: string,
    shown: ShownEntry['kind'] = 'unknown',
    several = false,
  ): unknown => {
    const entry = shown === 'file' ? FILE : { kind: shown };
    const outcome = readTarget({ path, filename, several }, () => entry);
    return outcome.kind === 'target'
      ? [outcome.target.path, outcome.target.secondPath]
      : outcome.kind;
  };

  it('is a folder for several files, whatever it looks like', () => {
    assert.deepEqual(read('alice/a.jpg', 'a.jpg', 'unknown', true), ['alice/a.jpg/a.jpg', null]);
  });

  it('is a folder where a listing shows one, dot or not', () => {
    assert.deepEqual(read('alice/v1.2', 'a.jpg', 'folder'), ['alice/v1.2/a.jpg', null]);
    assert.deepEqual(read('alice/a.jpg', 'a.jpg', 'folder'), ['alice/a.jpg/a.jpg', null]);
  });

  it('is the full path when its last name is the file’s', () => {
    assert.deepEqual(read('alice/a.jpg', 'a.jpg'), ['alice/a.jpg', null]);
    assert.deepEqual(read('alice/README', 'README'), ['alice/README', null]);
    // Browsers and OkHttp send the name of a part this way.
    assert.deepEqual(read('alice/a"b', 'a%22b'), ['alice/a"b', null]);
  });

  it('is the full path when it has a dot and the folder’s listing has no such name', () => {
    assert.deepEqual(read('alice/b.jpg', 'a.jpg', 'absent'), ['alice/b.jpg', null]);
  });

  it('is the full path where a listing shows a file', () => {
    assert.deepEqual(read('alice/notes', 'a.jpg', 'file'), ['alice/notes', null]);
  });

  it('is a folder without a dot', () => {
    assert.deepEqual(read('alice/Photos', 'a.jpg'), ['alice/Photos/a.jpg', null]);
    assert.deepEqual(read('', 'a.jpg'), ['a.jpg', null]);
    assert.deepEqual(read('/alice/', 'a.jpg'), ['alice/a.jpg', null]);
  });

  it('keeps both readings where only a dot speaks', () => {
    assert.deepEqual(read('alice/v1.2', 'a.jpg'), ['alice/v1.2', 'alice/v1.2/a.jpg']);
  });
});

describe('conflict names', () => {
  const naming = {
    filename: 'report.pdf',
    username: 'alice',
    acceptedAtMs: Date.parse('2026-02-22T13:30:00Z'),
    timezone: 'Europe/Berlin',
    count: 1,
  };

  it('tell the time of acceptance as the clocks show it, and the user', () => {
    assert.equal(conflictName(naming), 'report (conflict 2026-02-22 14-30 alice).pdf');
    const midnight = Date.parse('2026-07-01T22:05:00Z');
    assert.equal(
      conflictName({ ...naming, acceptedAtMs: midnight }),
      'report (conflict 2026-07-02 00-05 alice).pdf',
    );
  });

  it('count on where one is taken', () => {
    assert.equal(
      conflictName({ ...naming, count: 2 }),
      'report (conflict 2026-02-22 14-30 alice) 2.pdf',
    );
  });

  it('keep names without an extension and hidden files whole', () => {
    for (const [filename, expected] of [
      ['README', 'README (conflict 2026-02-22 14-30 alice)'],
      ['.profile', '.profile (conflict 2026-02-22 14-30 alice)'],
    ] as const) {
      assert.equal(conflictName({ ...naming, filename }), expected);
    }
  });

  it('never exceed 255 bytes, never break a character and keep the extension', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 255 }), (stem) => {
        const name = conflictName({ ...naming, filename: `${stem}.jpeg`, count: 12 });
        assert.ok(Buffer.byteLength(name) <= 255);
        assert.ok(name.endsWith(' (conflict 2026-02-22 14-30 alice) 12.jpeg'));
        assert.ok(name.isWellFormed() || !stem.isWellFormed());
      }),
    );
  });
});

describe('comparing with the base', () => {
  const nas = new MemoryNas();
  nas.put('alice/a', 'content');
  const item = nas.item('alice/a');
  assert.ok(item);
  const base: UploadBase = {
    source: 'listing',
    uploadId: null,
    sizeBytes: item.size,
    modifiedAt: item.modified_at,
    checksum: item.checksum,
  };

  it('finds it absent, unchanged or changed', () => {
    assert.equal(compareBase(base, null), 'absent');
    assert.equal(compareBase(base, item), 'unchanged');
    assert.equal(compareBase(NO_BASE, item), 'changed');
    assert.equal(compareBase(base, { ...item, size: 1 }), 'changed');
    assert.equal(compareBase(base, { ...item, checksum: 'ff' }), 'changed');
    assert.equal(compareBase(base, { ...item, type: 'directory' }), 'changed');
  });

  it('takes the same time in another spelling for the same', () => {
    const naive = item.modified_at.replace('T', ' ').replace('Z', '');
    assert.equal(compareBase(base, { ...item, modified_at: naive }), 'unchanged');
  });

  it('doubts a checksum that stands while the time moved', () => {
    assert.equal(compareBase(base, { ...item, modified_at: '2027-01-01T00:00:00Z' }), 'doubtful');
    const caller: UploadBase = { ...NO_BASE, source: 'caller', checksum: item.checksum };
    assert.equal(compareBase(caller, { ...item, checksum: null }), 'doubtful');
    assert.equal(compareBase(caller, item), 'unchanged');
  });

  it('goes by size and time where nobody knows a checksum', () => {
    const plain: UploadBase = { ...base, checksum: null };
    assert.equal(compareBase(plain, { ...item, checksum: null }), 'unchanged');
    assert.equal(compareBase(plain, { ...item, modified_at: '2027-01-01T00:00:00Z' }), 'changed');
  });
});

describe('backoff', () => {
  it('lies between 5 s and a bound that doubles up to an hour', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 500 }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (n, r) => {
          const delay = backoffMs(n, () => r);
          assert.ok(delay >= 5_000 && delay <= Math.min(3_600_000, 5_000 * 2 ** Math.min(n, 20)));
        },
      ),
    );
    assert.equal(
      backoffMs(1, () => 0),
      5_000,
    );
    assert.ok(backoffMs(30, () => 0.9999) > 3_500_000);
  });
});

describe('upload ids', () => {
  it('are 26 letters that sort by age', () => {
    const bytes = (size: number): Uint8Array => new Uint8Array(size).fill(31);
    const early = uploadId(1_000, bytes);
    const late = uploadId(1_001, bytes);
    assert.ok(early < late);
    assert.ok(isUploadId(early) && isUploadId(uploadId(-5, bytes)));
    assert.equal(isUploadId('../etc/passwd'), false);
  });
});

describe('pacing', () => {
  it('lets a burst go and spaces out the rest', async () => {
    const clock = new ManualClock();
    const pacer = new Pacer(clock, { burst: 2, perMinute: 60 });
    let gone = 0;
    const go = async (): Promise<void> => {
      for (let call = 0; call < 5; call += 1) {
        await pacer.turn(new AbortController().signal);
        gone += 1;
      }
    };
    const going = go();
    await clock.advance(1);
    assert.equal(gone, 2);
    await clock.advance(1_000);
    assert.equal(gone, 3);
    await clock.advance(3_000);
    await going;
    assert.equal(gone, 5);
  });

  it('goes half as fast after a refusal, and recovers', async () => {
    const clock = new ManualClock();
    const pacer = new Pacer(clock, { burst: 1, perMinute: 60 });
    pacer.slowDown();
    let gone = false;
    const going = pacer.turn(new AbortController().signal).then(() => {
      gone = true;
    });
    await clock.advance(1_500);
    assert.equal(gone, false);
    await clock.advance(600);
    await going;
    assert.equal(gone, true);
  });
});

describe('group commit', () => {
  it('lets those that end together share one commit, and a late one take the next', async () => {
    const groups: (readonly number[])[] = [];
    const gate = Promise.withResolvers<undefined>();
    const commit = new GroupCommit<number, number>(async (jobs) => {
      groups.push(jobs);
      if (groups.length === 1) await gate.promise;
      return jobs.map((job) => job * 2);
    });
    const first = [commit.join(1), commit.join(2)];
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
    const late = [commit.join(3), commit.join(4)];
    gate.resolve(undefined);
    assert.deepEqual(await Promise.all([...first, ...late]), [2, 4, 6, 8]);
    assert.deepEqual(groups, [
      [1, 2],
      [3, 4],
    ]);
  });

  it('fails a whole group with the error of its commit, and goes on', async () => {
    let fail = true;
    const commit = new GroupCommit<number, number>(async (jobs) => {
      await Promise.resolve();
      if (fail) throw new Error('no disk');
      return jobs;
    });
    await assert.rejects(commit.join(1), /no disk/);
    fail = false;
    assert.equal(await commit.join(2), 2);
  });
});
