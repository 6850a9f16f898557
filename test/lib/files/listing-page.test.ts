import assert from 'node:assert/strict';
import { readCursor, wireListing } from '../../../nodes/lib/files/files.ts';
import { cursorOf, type WireItem } from '../../../nodes/lib/files/listing-wire.ts';
import type { PageEnd } from '../../../nodes/lib/files/outcomes.ts';
import { FilesBench } from './files-bench.ts';

describe('A folder in pages', () => {
  let bench: FilesBench;

  beforeEach(() => {
    bench = new FilesBench();
    for (const name of ['b.txt', 'A.txt', 'c.txt', 'd.txt', 'E.txt']) {
      bench.nas.put(`alice/f/${name}`, name, { checksum: true });
    }
    bench.nas.put('alice/f/zoo/x.txt', 'x');
    bench.nas.put('alice/f/Bar/x.txt', 'x');
  });

  afterEach(() => {
    bench.close();
  });

  function queue(...names: string[]): void {
    for (const name of names) {
      bench.queued.push({
        userId: 4,
        uploadId: name,
        seq: 1,
        path: `alice/f/${name}`,
        sizeBytes: 1,
        acceptedAtMs: 0,
        sha256: '0'.repeat(64),
        mimeType: null,
        file: '/nowhere',
      });
    }
  }

  async function whole(): Promise<readonly WireItem[]> {
    const outcome = await bench.files.list(bench.alice, 'alice/f');
    assert.equal(outcome.kind, 'listing');
    return wireListing(outcome.listing, () => false).files;
  }

  /** All pages, each requested by the previous one's cursor. */
  async function pages(limit: number): Promise<WireItem[][]> {
    const found: WireItem[][] = [];
    for (let after: PageEnd | null = null; ;) {
      const outcome = await bench.files.list(bench.alice, 'alice/f', { page: { limit, after } });
      assert.equal(outcome.kind, 'listing');
      const { files, next_cursor: next } = wireListing(outcome.listing, () => false);
      found.push([...files]);
      assert.ok(next !== undefined && files.length <= limit);
      if (next === null) return found;
      after = readCursor(next);
      assert.ok(after !== null);
    }
  }

  it('is the whole answer cut up: folders first, then names, then what is queued', async () => {
    queue('a-new.txt', 'c.txt', 'z-new.txt');
    const all = await whole();
    assert.deepEqual(
      all.map(({ name }) => name),
      ['Bar', 'zoo', 'A.txt', 'b.txt', 'd.txt', 'E.txt', 'a-new.txt', 'c.txt', 'z-new.txt'],
    );
    for (const limit of [1, 2, 3, 5, 6, 8, 9, 10, 1_000]) {
      const cut = await pages(limit);
      assert.deepEqual(cut.flat(), all, `pages of ${limit}`);
      assert.equal(cut.length, Math.ceil(all.length / limit), `pages of ${limit}`);
    }
  });

  it('is one page where it is empty, and where only the queue knows it', async () => {
    bench.nas.put('alice/other.txt', '');
    queue('n/one.txt');
    const outcome = await bench.files.list(bench.alice, 'alice/f/n', {
      page: { limit: 5, after: null },
    });
    assert.equal(outcome.kind, 'listing');
    const { files, next_cursor: next } = wireListing(outcome.listing, () => false);
    assert.deepEqual([files.map(({ name }) => name), next], [['one.txt'], null]);
  });

  it('goes on in the right place when files come and go between two pages', async () => {
    const first = await bench.files.list(bench.alice, 'alice/f', {
      page: { limit: 4, after: null },
    });
    assert.equal(first.kind, 'listing');
    const end = first.listing.page?.end ?? null;
    bench.nas.files.delete('alice/f/b.txt');
    bench.nas.put('alice/f/aa.txt', 'before');
    bench.nas.put('alice/f/cc.txt', 'behind');
    await bench.nextListing();
    const second = await bench.files.list(bench.alice, 'alice/f', {
      page: { limit: 9, after: end },
    });
    assert.equal(second.kind, 'listing');
    assert.deepEqual(
      second.listing.items.map(({ name }) => name),
      ['c.txt', 'cc.txt', 'd.txt', 'E.txt'],
    );
  });

  it('shows checksums on all pages or on none', async () => {
    const shown = async (): Promise<boolean[]> =>
      (await pages(3)).map((page) => page.some(({ checksum }) => checksum !== null));
    assert.deepEqual(await shown(), [true, true, true]);
    bench.nas.put('alice/f/z.txt', 'unhashed', { checksum: null });
    await bench.nextListing();
    assert.deepEqual(await shown(), [false, false, false]);
  });

  it('asks the NAS no more often than the whole answer does', async () => {
    await pages(2);
    assert.equal(bench.nas.count('list token-4 alice/f'), 1);
  });

  it('is read asleep too', async () => {
    await whole();
    bench.awake = false;
    assert.equal((await pages(3)).flat().length, 7);
  });

  it('takes no cursor that it did not give', () => {
    const ends: PageEnd[] = [
      { part: 'queued', path: '' },
      { part: 'items', item: { isDirectory: true, name: 'ä/"', path: 'alice/ä' } },
    ];
    for (const end of ends) assert.deepEqual(readCursor(cursorOf(end)), end);
    const coded = (value: unknown): string =>
      Buffer.from(JSON.stringify(value)).toString('base64url');
    const nonsense = ['x', '', '%%%', coded(null), coded(['q']), coded(['q', 1]), coded([])];
    const more = [coded(['i', 2, 'a', 'b']), coded(['i', 1, 'a']), coded(['i', 1, 1, 'b'])];
    for (const text of [...nonsense, ...more, 'a'.repeat(20_000)]) {
      assert.equal(readCursor(text), null, text.slice(0, 40));
    }
  });
});
