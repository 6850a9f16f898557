import assert from 'node:assert/strict';
import type { Caller } from '../../../nodes/lib/accounts/caller.ts';
import { ALICE, UploadBench } from './upload-bench.ts';
import { sha256 } from './memory-nas.ts';

const DESK: Caller = { ...ALICE, device: 'refresh:desk' };
const PHONE: Caller = { ...ALICE, device: 'refresh:phone' };
const PATH = 'alice/a.txt';
const COPY = 'alice/a (conflict 2026-02-22 15-30 alice).txt';

/** The content a save declares as its base. */
type Base = string | null;

describe('two devices that save one file', () => {
  let bench: UploadBench;

  beforeEach(async () => {
    bench = new UploadBench();
    await bench.start();
    bench.nas.put(PATH, 'v0');
    listFromNas();
  });

  afterEach(async () => {
    await bench.close();
  });

  function listFromNas(): void {
    const item = bench.nas.item(PATH);
    assert.ok(item);
    bench.listed.set(`1 ${PATH}`, {
      kind: 'file',
      sizeBytes: item.size,
      modifiedAt: item.modified_at,
      checksum: item.checksum,
      listedAtMs: bench.clock.nowMs(),
    });
  }

  async function save(who: Caller, content: string, base: Base = null): Promise<void> {
    bench.who = who;
    const headers = base === null ? {} : { 'X-Base-Checksum': sha256(base) };
    assert.equal((await bench.send('alice', 'a.txt', content, headers)).status, 200);
  }

  async function saveByChunks(who: Caller, content: string, base: string): Promise<void> {
    bench.who = who;
    const input = { filename: 'a.txt', totalBytes: content.length, folder: 'alice' };
    const begun = await bench.upload.resumable.begin(who, input);
    assert.equal(begun.kind, 'begun');
    const id = begun.kind === 'begun' ? begun.id : '';
    assert.equal((await bench.chunk(id, 0, Buffer.from(content))).status, 200);
    const headers = { 'x-base-checksum': sha256(base) };
    assert.equal((await bench.upload.resumable.complete(who, id, headers)).kind, 'completed');
  }

  /** Shows that device the folder, including what is queued. */
  function look(who: Caller): void {
    bench.upload.shown(who, 'alice');
  }

  /**
   * The minute in a copy's name is levelled: a loaded machine may take more than one on the manual
   * clock.
   */
  function texts(): Record<string, string> {
    return Object.fromEntries(
      [...bench.nas.files].map(([path, file]) => [
        path.replace(/conflict 2026-02-22 15-\d\d/, 'conflict 2026-02-22 15-30'),
        file.bytes.toString(),
      ]),
    );
  }

  function copy(): string {
    return bench.upload.conflicts(ALICE)[0]?.conflict_path ?? '';
  }

  function openConflicts(): number {
    return bench.upload.conflicts(ALICE).length;
  }

  for (const [how, first, second] of [
    ['in one request', save, save],
    ['by chunks', saveByChunks, saveByChunks],
    ['each in its own way', save, saveByChunks],
  ] as const) {
    it(`lose nothing where both name the version before, ${how}`, async () => {
      await first(DESK, 'desk', 'v0');
      await second(PHONE, 'phone', 'v0');
      await bench.deliver();
      assert.deepEqual(texts(), { [PATH]: 'desk', [COPY]: 'phone' });
      assert.deepEqual(bench.states(), ['synced', 'conflict']);
    });
  }

  it('lose nothing either where nothing tells the two apart', async () => {
    await save(ALICE, 'desk', 'v0');
    await save(ALICE, 'phone', 'v0');
    await bench.deliver();
    assert.deepEqual(texts(), { [PATH]: 'desk', [COPY]: 'phone' });
  });

  it('lose nothing where neither says what it was made from', async () => {
    await save(DESK, 'desk');
    await save(PHONE, 'phone');
    await bench.deliver();
    assert.deepEqual(texts(), { [PATH]: 'desk', [COPY]: 'phone' });
  });

  it('are told apart by program and address where no token names them', async () => {
    await save({ ...ALICE, agent: 'BaluDesk 10.0.0.2' }, 'desk');
    await save({ ...ALICE, agent: 'okhttp 10.0.0.3' }, 'phone');
    await bench.deliver();
    assert.deepEqual(texts(), { [PATH]: 'desk', [COPY]: 'phone' });
  });

  it('are one in doubt: other tokens of the same program at the same address', async () => {
    const agent = 'BaluDesk 10.0.0.2';
    await save({ ...ALICE, agent, nasToken: 'one' }, 'first');
    await save({ ...ALICE, agent, nasToken: 'two', kind: 'nas' }, 'second');
    await save({ ...DESK, agent }, 'third');
    await bench.deliver();
    assert.deepEqual(texts(), { [PATH]: 'third' });
  });

  it('are two where one comes with an API key', async () => {
    const agent = 'curl 10.0.0.2';
    await save({ ...ALICE, agent }, 'desk');
    await save({ ...ALICE, agent, device: 'key:script' }, 'script');
    await bench.deliver();
    assert.deepEqual(texts(), { [PATH]: 'desk', [COPY]: 'script' });
  });

  it('follow each other where the second was shown the first', async () => {
    await save(DESK, 'desk');
    look(PHONE);
    await save(PHONE, 'phone');
    await bench.deliver();
    assert.deepEqual(texts(), { [PATH]: 'phone' });
    assert.deepEqual(bench.states(), ['synced', 'synced']);
  });

  it('do not follow each other by what a third one was shown, nor by what was shown before', async () => {
    look(PHONE);
    await save(DESK, 'desk');
    look(DESK);
    await save(PHONE, 'phone');
    await bench.deliver();
    assert.deepEqual(texts(), { [PATH]: 'desk', [COPY]: 'phone' });
  });

  it('follow each other where the second names the first', async () => {
    await save(DESK, 'desk', 'v0');
    await save(PHONE, 'phone', 'desk');
    await saveByChunks(DESK, 'desk again', 'phone');
    await bench.deliver();
    assert.deepEqual(texts(), { [PATH]: 'desk again' });
  });

  it('lose nothing where the second names one that has a successor', async () => {
    await save(DESK, 'one', 'v0');
    await save(DESK, 'two', 'one');
    await save(PHONE, 'phone', 'one');
    await bench.deliver();
    assert.deepEqual(texts(), { [PATH]: 'two', [COPY]: 'phone' });
  });

  it('each carry on their own branch, whatever order they save in', async () => {
    await save(DESK, 'desk 1');
    await save(PHONE, 'phone 1');
    await save(DESK, 'desk 2');
    await save(PHONE, 'phone 2');
    await bench.deliver();
    assert.deepEqual(texts(), { [PATH]: 'desk 2', [COPY]: 'phone 2' });
    assert.equal(openConflicts(), 1);
  });

  it('are one line where the same device keeps naming what it began from', async () => {
    for (const content of ['one', 'two', 'three']) await save(DESK, content, 'v0');
    await bench.deliver();
    assert.deepEqual(texts(), { [PATH]: 'three' });
    assert.deepEqual(bench.nas.published.get(PATH), ['one', 'two', 'three']);
  });

  it('keep one version in place where the first failed', async () => {
    bench.who = DESK;
    await save(DESK, 'desk', 'v0');
    await save(PHONE, 'phone', 'v0');
    const listed = bench.upload.view.list(ALICE, null);
    const id = listed.kind === 'uploads' ? (listed.uploads.at(-1)?.id ?? '') : '';
    await bench.upload.drop(ALICE, id);
    await bench.deliver();
    assert.deepEqual(texts(), { [PATH]: 'phone' });
  });

  /** What five saves of a phone declare as their base. */
  const FIVE: readonly (readonly [string, (index: number) => Base])[] = [
    ['say nothing', () => null],
    ['name the version before each', (index) => (index === 1 ? 'v0' : `phone ${index - 1}`)],
    ['all name what the first was made from', () => 'v0'],
  ];

  for (const [what, base] of FIVE) {
    for (const when of ['asleep', 'awake', 'asleep, then awake'] as const) {
      it(`make one copy of five saves that ${what}, ${when}`, async () => {
        await save(DESK, 'desk', 'v0');
        if (when === 'awake') await bench.deliver();
        for (let index = 1; index <= 5; index += 1) {
          await save(PHONE, `phone ${index}`, base(index));
          if (when === 'awake' || (when === 'asleep, then awake' && index >= 3)) {
            await bench.deliver();
          }
        }
        await bench.deliver();
        assert.deepEqual(texts(), { [PATH]: 'desk', [COPY]: 'phone 5' });
        assert.equal(openConflicts(), 1);
        const [conflict] = bench.upload.conflicts(ALICE);
        assert.equal(conflict?.sha256, sha256('phone 5'));
      });
    }
  }

  it('mean the file itself again once they were shown both', async () => {
    await save(DESK, 'desk');
    await save(PHONE, 'phone');
    await bench.deliver();
    await bench.clock.advance(1_000);
    listFromNas();
    look(PHONE);
    await save(PHONE, 'merged');
    await bench.deliver();
    assert.deepEqual(texts(), { [PATH]: 'merged', [COPY]: 'phone' });
  });

  it('do not write over a copy that somebody changed', async () => {
    await save(DESK, 'desk', 'v0');
    await save(PHONE, 'phone 1', 'v0');
    await bench.deliver();
    bench.nas.put(copy(), 'edited by hand');
    await save(PHONE, 'phone 2', 'phone 1');
    await bench.deliver();
    const contents = [...bench.nas.files.values()].map(({ bytes }) => bytes.toString());
    assert.deepEqual(contents.sort(), ['desk', 'edited by hand', 'phone 2']);
    assert.equal(openConflicts(), 2);
  });

  it('lose nothing where the first was delivered before the second came', async () => {
    await save(DESK, 'desk');
    await bench.deliver();
    await save(PHONE, 'phone');
    await bench.deliver();
    assert.deepEqual(texts(), { [PATH]: 'desk', [COPY]: 'phone' });
  });

  it('go on from what they delivered themselves', async () => {
    await save(DESK, 'one');
    await bench.deliver();
    await save(DESK, 'two');
    await bench.deliver();
    assert.deepEqual(texts(), { [PATH]: 'two' });
  });

  it('go on from an unfinished proof without taking the place of the file', async () => {
    await save(DESK, 'desk', 'v0');
    await save(PHONE, 'phone 1', 'v0');
    await bench.deliver();
    await save(PHONE, 'phone 2', 'phone 1');
    let spoilt = 0;
    const place = copy();
    bench.nas.effect = (call) => {
      if (call !== `complete ${place}` || spoilt++ > 0) return;
      bench.nas.put(place, 'half of');
    };
    await bench.deliver();
    assert.deepEqual(texts(), { [PATH]: 'desk', [COPY]: 'phone 2' });
  });
});

describe('files sent one by one to a place that may be a folder', () => {
  let bench: UploadBench;

  beforeEach(async () => {
    bench = new UploadBench();
    await bench.start();
  });

  afterEach(async () => {
    await bench.close();
  });

  function contents(): string[] {
    return [...bench.nas.files.values()].map(({ bytes }) => bytes.toString()).sort();
  }

  it('go into it under their names, as two names are no one file', async () => {
    await bench.send('alice/2026.11.29', 'a.jpg', 'one');
    await bench.send('alice/2026.11.29', 'b.jpg', 'two');
    await bench.deliver();
    assert.equal(bench.nas.text('alice/2026.11.29/a.jpg'), 'one');
    assert.equal(bench.nas.text('alice/2026.11.29/b.jpg'), 'two');
    assert.deepEqual(bench.states(), ['synced', 'synced']);
  });

  it('never write over each other, awake either', async () => {
    bench.presence.set(true);
    await bench.send('alice/2026.11.29', 'a.jpg', 'one');
    await bench.deliver();
    const item = bench.nas.item('alice/2026.11.29');
    for (const [index, name] of ['b.jpg', 'c.jpg'].entries()) {
      if (item !== undefined) {
        bench.listed.set('1 alice/2026.11.29', {
          kind: 'file',
          sizeBytes: item.size,
          modifiedAt: item.modified_at,
          checksum: item.checksum,
          listedAtMs: bench.clock.nowMs() + 1_000,
        });
      }
      await bench.send('alice/2026.11.29', name, `more ${index}`);
      await bench.deliver();
    }
    assert.deepEqual(contents(), ['more 0', 'more 1', 'one']);
  });

  it('are versions of one file where they come under one name', async () => {
    await bench.send('alice/notes.txt', 'draft', 'one');
    await bench.send('alice/notes.txt', 'draft', 'two');
    await bench.deliver();
    assert.equal(bench.nas.text('alice/notes.txt'), 'two');
    assert.deepEqual(contents(), ['two']);
  });
});
