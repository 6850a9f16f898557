import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type { NasApi, NasClient, NasFileItem, NasJson } from '../../../nodes/lib/nas/nas-client.ts';
import { sha256 } from '../../fakes/file-nas.ts';

/** A client of a NAS with the homes of `alice` and `bob`. */
export interface ReadingUnderTest {
  readonly client: Pick<NasClient, 'list' | 'download'>;
  readonly alice: string;
  /** Stores a file of alice's, as the NAS does with an upload through its API. */
  readonly put: (path: string, text: string) => Promise<void>;
}

export interface WritingUnderTest extends ReadingUnderTest {
  readonly client: Pick<NasClient, 'list' | 'download' | 'mkdir' | 'openUpload'>;
  readonly api: Pick<NasApi, 'call'>;
}

function statusOf(outcome: { readonly kind: string; readonly status?: number }): string {
  return `${outcome.kind} ${outcome.status ?? ''}`.trim();
}

async function itemsOf(
  { client, alice }: ReadingUnderTest,
  folder: string,
): Promise<readonly NasFileItem[]> {
  const listing = await client.list(alice, folder);
  assert.ok(listing.kind === 'listing', JSON.stringify(listing));
  return listing.items;
}

async function textAt({ client, alice }: ReadingUnderTest, path: string): Promise<string | null> {
  const got = await client.download(alice, path);
  return got.kind === 'stream' ? (await buffer(got.body)).toString() : null;
}

/**
 * What the services rely on in listings and downloads, of a real client and of each double of one.
 */
export function describeReading(current: () => ReadingUnderTest): void {
  describe('reading', () => {
    it('lists a folder that nobody made as an empty one', async () => {
      assert.deepEqual(await itemsOf(current(), 'alice/nowhere'), []);
    });

    it('does not list the home of somebody else, nor anything for a token it does not know', async () => {
      const { client, alice } = current();
      assert.equal(statusOf(await client.list(alice, 'bob')), 'refused 403');
      assert.equal(statusOf(await client.list('nobody’s', 'alice')), 'refused 401');
      assert.equal(statusOf(await client.download('nobody’s', 'alice/a.txt')), 'refused 401');
    });

    it('tells of a file its path, size and checksum, and when it changed to the microsecond', async () => {
      await current().put('alice/told.txt', 'told of');
      const [item] = (await itemsOf(current(), 'alice')).filter(({ name }) => name === 'told.txt');
      assert.ok(item);
      const { path, size, type, checksum } = item;
      assert.deepEqual([path, size, type], ['alice/told.txt', 7, 'file']);
      assert.equal(checksum, sha256('told of'));
      assert.match(item.modified_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{6})?Z$/);
    });

    it('streams a file whole, with its length and a tag', async () => {
      await current().put('alice/whole.txt', 'all of it');
      const { client, alice } = current();
      const got = await client.download(alice, 'alice/whole.txt');
      assert.ok(got.kind === 'stream');
      assert.deepEqual([got.status, got.lengthBytes, got.sizeBytes], [200, 9, 9]);
      assert.match(got.etag ?? '', /^"[^"]+"$/);
      assert.equal((await buffer(got.body)).toString(), 'all of it');
    });

    it('streams a range of it as 206, and says 416 to one behind its end', async () => {
      await current().put('alice/range.txt', '0123456789');
      const { client, alice } = current();
      const path = 'alice/range.txt';
      const got = await client.download(alice, path, { firstByte: 3, lastByte: 5 });
      assert.ok(got.kind === 'stream');
      assert.deepEqual([got.status, got.lengthBytes, got.sizeBytes], [206, 3, 10]);
      assert.equal((await buffer(got.body)).toString(), '345');
      assert.equal(statusOf(await client.download(alice, path, { firstByte: 10 })), 'refused 416');
    });

    it('says 404 to a file that is not there', async () => {
      const { client, alice } = current();
      assert.equal(statusOf(await client.download(alice, 'alice/none.txt')), 'refused 404');
    });
  });
}

/** What the queue relies on in folders, resumable uploads and changes. */
export function describeWriting(current: () => WritingUnderTest): void {
  async function change(
    method: 'PUT' | 'POST' | 'DELETE',
    path: string,
    body?: unknown,
  ): Promise<NasJson> {
    const { api, alice } = current();
    const wanted = { method, path: `/api/files/${path}`, token: alice };
    return await api.call(body === undefined ? wanted : { ...wanted, body });
  }

  async function upload(folder: string, filename: string, text: string): Promise<NasJson[]> {
    const { client, alice } = current();
    const channel = client.openUpload(alice);
    try {
      const begun = await channel.init({ folder, filename, sizeBytes: text.length });
      if (begun.kind !== 'answer' || begun.status !== 200) return [begun];
      const { upload_id: id } = begun.body as { readonly upload_id: string };
      const sent = await channel.chunk(id, 0, Readable.from([Buffer.from(text)]), text.length);
      return [begun, sent, await channel.complete(id)];
    } finally {
      channel.close();
    }
  }

  describe('writing', () => {
    it('makes a folder in one that is there, as often as one likes, and not below a missing one', async () => {
      const { client, alice } = current();
      assert.equal(statusOf(await client.mkdir(alice, 'alice/made')), 'answer 200');
      assert.equal(statusOf(await client.mkdir(alice, 'alice/made')), 'answer 200');
      assert.equal(statusOf(await client.mkdir(alice, 'alice/none/made')), 'answer 403');
    });

    it('publishes an upload when it is completed, over what was there', async () => {
      for (const text of ['first', 'second']) {
        const answers = await upload('alice', 'up.txt', text);
        assert.deepEqual(answers.map(statusOf), ['answer 200', 'answer 200', 'answer 200']);
        assert.equal(await textAt(current(), 'alice/up.txt'), text);
      }
    });

    it('begins no upload into a folder that is not there', async () => {
      assert.deepEqual((await upload('alice/none', 'up.txt', 'x')).map(statusOf), ['answer 403']);
    });

    it('takes the chunks of an upload in their order alone, and knows no upload it did not begin', async () => {
      const { client, alice } = current();
      const channel = client.openUpload(alice);
      const chunk = async (id: string, index: number): Promise<NasJson> =>
        await channel.chunk(id, index, Readable.from([Buffer.from('x')]), 1);
      const begun = await channel.init({ folder: 'alice', filename: 'order.txt', sizeBytes: 2 });
      assert.ok(begun.kind === 'answer');
      const { upload_id: id } = begun.body as { readonly upload_id: string };
      const early = await chunk(id, 1);
      assert.equal(statusOf(early), 'answer 400');
      assert.match(JSON.stringify(early), /[Ee]xpected chunk 0, got 1/);
      assert.equal(statusOf(await chunk('unknown', 0)), 'answer 404');
      assert.equal(statusOf(await channel.complete('unknown')), 'answer 404');
      channel.close();
    });

    it('renames and moves, into a folder where one is named, and deletes', async () => {
      await current().put('alice/old.txt', 'one');
      const renamed = await change('PUT', 'rename', {
        old_path: 'alice/old.txt',
        new_name: 'new.txt',
      });
      assert.equal(statusOf(renamed), 'answer 200');
      await current().client.mkdir(current().alice, 'alice/into');
      const moved = await change('PUT', 'move', {
        source_path: 'alice/new.txt',
        target_path: 'alice/into',
      });
      assert.equal(statusOf(moved), 'answer 200');
      assert.equal(await textAt(current(), 'alice/into/new.txt'), 'one');
      assert.equal(statusOf(await change('DELETE', 'alice/into/new.txt')), 'answer 200');
      assert.equal(await textAt(current(), 'alice/into/new.txt'), null);
    });

    it('answers 500 to a rename onto a file, and has replaced it', async () => {
      await current().put('alice/from.txt', 'from');
      await current().put('alice/onto.txt', 'onto');
      const renamed = await change('PUT', 'rename', {
        old_path: 'alice/from.txt',
        new_name: 'onto.txt',
      });
      assert.equal(statusOf(renamed), 'answer 500');
      assert.equal(await textAt(current(), 'alice/onto.txt'), 'from');
      assert.equal(await textAt(current(), 'alice/from.txt'), null);
    });

    it('tells which of many names a folder has, with their checksums', async () => {
      await current().put('alice/there.txt', 'there');
      const told = await change('POST', 'check-exists', {
        filenames: ['there.txt', 'not.txt'],
        target_path: 'alice',
      });
      assert.ok(told.kind === 'answer');
      const { duplicates } = told.body as { readonly duplicates: readonly NasFileItem[] };
      assert.deepEqual(
        duplicates.map(({ checksum, ...one }) => [
          (one as unknown as { readonly filename: string }).filename,
          checksum,
        ]),
        [['there.txt', sha256('there')]],
      );
    });
  });
}
