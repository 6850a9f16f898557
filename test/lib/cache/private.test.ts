import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Caller } from '../../../nodes/lib/accounts/caller.ts';
import { ItemRows } from '../../../nodes/lib/files/item-rows.ts';
import { CacheBench, type Got } from './cache-bench.ts';

const FILES = [
  'alice/a.txt',
  'alice/sub/b.txt',
  'alice/foreign.txt',
  'bob/c.txt',
  'bob/sub/d.txt',
  'Shared/e.txt',
  'carol/f.txt',
];
const FOLDERS = ['', 'alice', 'alice/sub', 'bob', 'bob/sub', 'Shared', 'carol', 'nobody'];
const USERS = ['alice', 'bob', 'admin'] as const;

/** Ways to ask for a file's bytes, or for information about them. */
const HEADERS: readonly Readonly<Record<string, string>>[] = [
  {},
  { range: 'bytes=0-3' },
  { range: 'bytes=-2' },
  { range: 'bytes=0-0,2-3' },
  { range: 'bytes=900-' },
  { 'if-none-match': '*' },
  { 'if-modified-since': 'Fri, 01 Jan 2100 00:00:00 GMT' },
];

interface Ask {
  readonly kind: 'ask';
  readonly user: (typeof USERS)[number];
  readonly path: string;
  readonly method: 'GET' | 'HEAD';
  readonly headers: Readonly<Record<string, string>>;
  readonly by: 'path' | 'pi_id' | 'nas_id';
}

type Step =
  | Ask
  | { readonly kind: 'list'; readonly user: (typeof USERS)[number]; readonly path: string }
  | { readonly kind: 'ahead'; readonly user: (typeof USERS)[number]; readonly path: string }
  | { readonly kind: 'share'; readonly path: string; readonly isDirectory: boolean }
  | { readonly kind: 'sleep' | 'wake' | 'wait' | 'drop' | 'restart' };

const user = fc.constantFrom(...USERS);
const path = fc.constantFrom(...FILES);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('ask' as const),
      user,
      path,
      method: fc.constantFrom('GET' as const, 'HEAD' as const),
      headers: fc.constantFrom(...HEADERS),
      by: fc.constantFrom('path' as const, 'path' as const, 'pi_id' as const, 'nas_id' as const),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('list' as const),
      user,
      path: fc.constantFrom(...FOLDERS),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('ahead' as const), user, path }) },
  fc.constantFrom<Step>(
    { kind: 'share', path: 'alice/sub', isDirectory: true },
    { kind: 'share', path: 'alice/a.txt', isDirectory: false },
  ),
  fc.constantFrom<Step>({ kind: 'sleep' }, { kind: 'wake' }, { kind: 'wait' }),
  fc.constantFrom<Step>({ kind: 'drop' }, { kind: 'restart' }),
);

describe('What the cache tells whom', function () {
  this.timeout(120_000);

  it('is no byte and no word of a file that the NAS would not show them, in any order of events', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 8, maxLength: 30 }), async (steps) => {
        const bench = new CacheBench();
        try {
          await bench.start();
          for (const one of FILES) bench.nas.put(one, `the bytes of ${one}`);
          bench.nas.put('alice/foreign.txt', 'the bytes of alice/foreign.txt', { ownerId: '1' });
          for (const one of steps) await play(bench, one);
        } finally {
          await bench.close();
        }
      }),
      { numRuns: 40 },
    );
  });

  it('would be found out, were the rule asked with another user', async () => {
    const bench = new CacheBench();
    try {
      await bench.start();
      for (const one of FILES) bench.nas.put(one, `the bytes of ${one}`);
      // Alice may read it, and the model is told that bob asked.
      const got = await bench.get('alice/a.txt');
      assert.throws(() => checkAllowed(bench, bench.bob, 'alice/a.txt', got));
    } finally {
      await bench.close();
    }
  });
});

async function play(bench: CacheBench, one: Step): Promise<void> {
  switch (one.kind) {
    case 'sleep':
    case 'wake':
      bench.awake = one.kind === 'wake';
      return;
    case 'wait':
      return bench.clock.advance(11_000);
    case 'drop':
      return bench.cache.drop('alice/sub');
    case 'restart':
      await bench.cache.stop();
      return bench.reopen();
    case 'share':
      bench.nas.shares.push({ ...one, toUserId: bench.bob.user.id });
      return;
    case 'ahead':
      return fetchAhead(bench, one.user, one.path);
    case 'list':
      return list(bench, one.user, one.path);
    case 'ask':
      return ask(bench, one);
  }
}

function callerOf(bench: CacheBench, name: string): Caller {
  return { alice: bench.alice, bob: bench.bob, admin: bench.admin }[name] ?? bench.alice;
}

/** As prefetch and pins do: only what that user may read is ever requested. */
async function fetchAhead(bench: CacheBench, name: string, file: string): Promise<void> {
  const caller = callerOf(bench, name);
  const located = await bench.files.locate(caller, file);
  if (located.kind !== 'located' || located.file.known !== 'fresh') return;
  assert.ok(bench.nas.allows(caller.user, file));
  const { signal } = new AbortController();
  const occasion = { userId: caller.user.id, after: 'read', round: 1 } as const;
  const gently = { signal, occasion, yieldToCallers: () => undefined };
  await bench.cache.background.fetch(caller, located.file, gently);
}

async function list(bench: CacheBench, name: string, folder: string): Promise<void> {
  const { user: who } = callerOf(bench, name);
  const said = (await bench.get(`?list=${folder}`, { 'x-user': name })).body.toString();
  for (const file of FILES) {
    if (said.includes(`"${file}"`)) assert.ok(bench.nas.allows(who, file), `${name} ${file}`);
  }
  const isForeign = folder !== '' && !bench.nas.allows(who, `${folder}/x`);
  // Somebody else's folder and one that does not exist look the same.
  if (isForeign && !said.startsWith('{')) {
    const nowhere = await bench.get('?list=nobody/at/all', { 'x-user': name });
    assert.equal(said, nowhere.body.toString());
  }
}

/** The Pi's id of a path. Nobody was told it, but anybody may guess. */
function piIdOf(bench: CacheBench, path: string): number {
  return new ItemRows(bench.store).piIdOf(path);
}

async function ask(bench: CacheBench, { user: name, path: file, ...how }: Ask): Promise<void> {
  const caller = callerOf(bench, name);
  const headers = { ...how.headers, 'x-user': name };
  const reference = { path: file, pi_id: String(piIdOf(bench, file)), nas_id: '7' }[how.by];
  const got = await bench.get(reference, headers, how.method);
  if (how.by === 'nas_id') return checkNasId(bench, caller, got);
  if (bench.nas.allows(caller.user, file)) return checkBytes(got, file, how);
  const beside = `${file}.none`;
  const unknown = how.by === 'pi_id' ? String(piIdOf(bench, beside)) : beside;
  const none = await bench.get(unknown, headers, how.method);
  assert.deepEqual(likeness(got), likeness(none), `${name} ${file} and a file that is not there`);
  checkAllowed(bench, caller, file, got);
}

/** Everything by which a caller could tell two answers apart, except the time of day. */
function likeness({ status, headers, body, cut }: Got): unknown {
  return { status, body: body.toString(), cut, headers: { ...headers, date: '' } };
}

function checkAllowed(bench: CacheBench, caller: Caller, file: string, got: Got): void {
  const isTold = got.status < 400 || got.status === 416 || got.body.includes(file);
  assert.ok(!isTold || bench.nas.allows(caller.user, file), `${caller.user.username} ${file}`);
}

/** All files here share one NAS id, so any bytes that come must be ones the caller may read. */
function checkNasId(bench: CacheBench, caller: Caller, got: Got): void {
  for (const file of FILES) {
    if (got.body.includes(file)) assert.ok(bench.nas.allows(caller.user, file));
  }
}

/** A permitted reader gets exactly the bytes, or a refusal that fits. */
function checkBytes(got: Got, file: string, how: Pick<Ask, 'method' | 'headers'>): void {
  const bytes = `the bytes of ${file}`;
  if (how.method === 'HEAD' || got.status === 304) assert.equal(got.body.length, 0);
  else if (got.status === 200) assert.equal(got.body.toString(), bytes);
  else if (got.status === 206 && how.headers['range'] === 'bytes=0-3') {
    assert.equal(got.body.toString(), bytes.slice(0, 4));
  } else assert.ok([206, 404, 416, 503].includes(got.status), `${got.status}`);
}
