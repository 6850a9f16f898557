import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { KeptEntry } from '../../../nodes/lib/cache/cache.ts';
import { EntryRows } from '../../../nodes/lib/cache/entries/entry-rows.ts';
import { CACHE_MIGRATIONS } from '../../../nodes/lib/store/databases.ts';
import { Store } from '../../../nodes/lib/store/store.ts';
import {
  type Thumbnail,
  ThumbnailRows,
  Thumbnails,
} from '../../../nodes/lib/thumbnails/thumbnails.ts';

const BYTES = Buffer.from('RIFF----WEBP');
type Made = { kind: 'image'; bytes: Buffer } | { kind: 'unreadable' | 'died' | 'no_process' };

describe('Small pictures', () => {
  let folder = '';
  let store: Store;
  let entryRows: EntryRows;
  let orders: { file: string; done: (made: Made) => void }[] = [];
  let isShort = false;
  let refuses = false;
  let stops = 0;
  let thumbnails: Thumbnails;
  const never = new AbortController().signal;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'balupi-thumbnails-'));
    store = openStore();
    entryRows = new EntryRows(store);
    [orders, isShort, refuses, stops] = [[], false, false, 0];
    thumbnails = begin();
  });

  afterEach(() => {
    store.close();
    rmSync(folder, { recursive: true });
  });

  function openStore(migrations = CACHE_MIGRATIONS): Store {
    return Store.open({
      ...{ file: join(folder, 'cache.db'), name: 'cache', synchronous: 'NORMAL', migrations },
    });
  }

  function begin(): Thumbnails {
    return new Thumbnails({
      rows: new ThumbnailRows(store),
      process: {
        make: ({ file }) =>
          new Promise((resolve) => {
            orders.push({ file, done: resolve });
          }),
        stop: () => {
          stops += 1;
        },
      },
      diskRefuses: () => refuses,
      isShortOfMemory: () => isShort,
      settle: () => Promise.resolve(),
    });
  }

  function keep(name: string): KeptEntry {
    const version = { sizeBytes: 1_000, modifiedAtText: 'x', modifiedAtMs: 1, checksum: null };
    const blob = Buffer.from(name.padEnd(16, '-')).toString('hex');
    const copy = { version: { ...version, etag: null }, blob, path: `alice/${name}` };
    const more = { sha256: 'x', mimeType: null, ownerId: null, validatedAtMs: 1 };
    entryRows.replace({ ...copy, ...more }, 1);
    const id = entryRows.find(copy.path)?.id ?? 0;
    return { id, blob, file: name, sizeBytes: 1_000 };
  }

  const ask = (copy: KeptEntry, signal = never): Promise<Thumbnail> =>
    thumbnails.of(copy, 'a.jpg', 320, signal);
  const turn = (): Promise<void> =>
    new Promise((resolve) => {
      setImmediate(resolve);
    });

  it('are made once, for all who ask meanwhile, and kept', async () => {
    const copy = keep('a');
    const asked = [ask(copy), ask(copy)];
    await turn();
    orders[0]?.done({ kind: 'image', bytes: BYTES });
    for (const thumbnail of await Promise.all(asked)) {
      assert.deepEqual(thumbnail, { kind: 'image', bytes: BYTES });
    }
    thumbnails = begin();
    assert.deepEqual(await ask(copy), { kind: 'image', bytes: BYTES });
    assert.equal(orders.length, 1);
  });

  it('come in the order of who asked last, as that is what is on the screen', async () => {
    for (const name of ['a', 'b', 'c', 'd']) void ask(keep(name));
    void ask(keep('b2'));
    for (let index = 0; index < 5; index += 1) {
      await turn();
      orders[index]?.done({ kind: 'unreadable' });
    }
    await turn();
    assert.deepEqual(
      orders.map(({ file }) => file),
      ['a', 'b2', 'd', 'c', 'b'],
    );
  });

  it('are not made for whom nobody waits any more', async () => {
    void ask(keep('a'));
    const gone = new AbortController();
    const asked = ask(keep('b'), gone.signal);
    gone.abort();
    assert.equal((await asked).kind, 'busy');
    await turn();
    orders[0]?.done({ kind: 'unreadable' });
    await turn();
    assert.equal(orders.length, 1);
  });

  it('make no endless line: who has waited longest is told to come again', async () => {
    const first = ask(keep('first'));
    const asked = Array.from({ length: 201 }, (_, index) => ask(keep(`n${index}`)));
    assert.equal((await asked[0])?.kind, 'busy');
    await turn();
    orders[0]?.done({ kind: 'unreadable' });
    assert.equal((await first).kind, 'none');
  });

  it('are not tried again of what is no picture, until there is another copy', async () => {
    const copy = keep('a');
    const asked = ask(copy);
    await turn();
    orders[0]?.done({ kind: 'unreadable' });
    assert.equal((await asked).kind, 'none');
    assert.equal((await ask(copy)).kind, 'none');
    assert.equal(orders.length, 1);
    void ask(keep('a'));
    await turn();
    assert.equal(orders.length, 2);
  });

  it('are tried twice of what a process died at', async () => {
    const copy = keep('a');
    for (const kind of ['busy', 'none', 'none']) {
      const asked = ask(copy);
      await turn();
      orders.at(-1)?.done({ kind: 'died' });
      assert.equal((await asked).kind, kind);
    }
    assert.equal(orders.length, 2);
  });

  it('wait while memory is short, and their process with them', async () => {
    const [a, b] = [keep('a'), keep('b')];
    const asked = [ask(a), ask(b)];
    await turn();
    isShort = true;
    orders[0]?.done({ kind: 'image', bytes: BYTES });
    assert.deepEqual(
      (await Promise.all(asked)).map(({ kind }) => kind),
      ['image', 'busy'],
    );
    assert.equal(stops, 1);
    assert.equal((await ask(b)).kind, 'busy');
    assert.equal((await ask(a)).kind, 'image', 'what is made is shown');
  });

  it('begin no process for a film, an empty file or one that is too large', async () => {
    const copy = keep('a');
    assert.equal((await thumbnails.of(copy, 'a.mp4', 320, never)).kind, 'none');
    assert.equal((await thumbnails.of(copy, 'jpg', 320, never)).kind, 'none');
    for (const sizeBytes of [0, 50_000_000]) {
      assert.equal((await ask({ ...copy, sizeBytes })).kind, 'none');
    }
    assert.equal(orders.length, 0);
  });

  it('are shown and not kept while the disk takes nothing', async () => {
    const copy = keep('a');
    refuses = true;
    const asked = ask(copy);
    await turn();
    orders[0]?.done({ kind: 'image', bytes: BYTES });
    assert.equal((await asked).kind, 'image');
    assert.equal(new ThumbnailRows(store).find(copy, 320), null);
  });

  it('count in the space of the cache, and go with their copy', () => {
    const copy = keep('a');
    const rows = new ThumbnailRows(store);
    rows.keep(copy, 160, Buffer.alloc(10));
    rows.keep(copy, 320, Buffer.alloc(20));
    rows.keep(copy, 320, Buffer.alloc(30));
    assert.deepEqual(entryRows.totals(), { fileCount: 1, totalBytes: 1_030 });
    entryRows.move('alice/a', 'alice/z', 10);
    assert.equal(rows.find(copy, 320)?.length, 20);
    entryRows.remove({ ...copy });
    assert.deepEqual(entryRows.totals(), { fileCount: 0, totalBytes: 0 });
    assert.equal(rows.find(copy, 320), null);
    rows.keep(copy, 320, Buffer.alloc(5));
    assert.equal(rows.find(copy, 320), null, 'what comes too late is of nothing that is kept');
  });

  it('find their place in a cache of before', () => {
    const copy = keep('old');
    store.close();
    rmSync(folder, { recursive: true });
    folder = mkdtempSync(join(tmpdir(), 'balupi-thumbnails-'));
    store = openStore(CACHE_MIGRATIONS.slice(0, 1));
    entryRows = new EntryRows(store);
    keep('old');
    store.close();
    store = openStore();
    entryRows = new EntryRows(store);
    new ThumbnailRows(store).keep({ ...copy, id: 1 }, 160, Buffer.alloc(7));
    assert.equal(entryRows.totals().totalBytes, 1_007);
  });

  it('end with BaluPi, and nobody waits on', async () => {
    const asked = [ask(keep('a')), ask(keep('b'))];
    await turn();
    thumbnails.stop();
    orders[0]?.done({ kind: 'died' });
    assert.deepEqual(
      (await Promise.all(asked)).map(({ kind }) => kind),
      ['busy', 'busy'],
    );
    assert.equal(stops, 1);
  });
});
