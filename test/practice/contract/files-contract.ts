import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { possibleEtags } from './etags.ts';
import type { NasCaller, Row } from './nas-under-test.ts';

const HELLO = 'hello world 1\n';
const HELLO_2 = 'hello world, second version\n';

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** Lists, uploads, downloads, as recorded on 1.38. */
export function describeFiles(caller: () => NasCaller): void {
  describe('files', () => {
    let nas: NasCaller;
    let token: string;
    let other: string;
    let home: string;

    before(async () => {
      nas = caller();
      token = await nas.tokenOf(nas.nas.user);
      other = await nas.tokenOf(nas.nas.other);
      home = `${nas.nas.user.username}/${nas.folder}`;
      await nas.mkdir(token, home);
    });

    after(async () => {
      await nas.call(`DELETE /api/files/${home}`, { token });
    });

    async function row(path: string): Promise<Row> {
      const found = await nas.row(token, path);
      assert.ok(found, `${path} is not listed`);
      return found;
    }

    it('shows an ordinary user a virtual root', async () => {
      const [shared, own] = await nas.list(token, '');
      assert.equal(shared?.path, 'Shared');
      assert.equal(shared.owner_id, null);
      assert.equal(own?.path, nas.nas.user.username);
      assert.equal(own.file_id, null);
    });

    it('refuses a foreign home, and `..` with 400', async () => {
      const foreign = await nas.call(`GET /api/files/list?path=${nas.nas.other.username}`, {
        token,
      });
      assert.equal(foreign.status, 403);
      assert.deepEqual(foreign.body, { detail: 'Access denied' });
      const up = await nas.call(`GET /api/files/list?path=${home}/../../x`, { token });
      assert.equal(up.status, 400);
      assert.deepEqual(up.body, { detail: 'Invalid path' });
    });

    it('lists an unknown folder as an empty one', async () => {
      assert.deepEqual(await nas.list(token, `${home}/nope`), []);
    });

    it('stores an upload under a folder and lists it with hash, id and owner', async () => {
      const reply = await nas.upload(token, home, 'hello.txt', HELLO);
      assert.equal(reply.status, 200, reply.text);
      const body = reply.body as { message: string; uploaded: number; upload_ids: string[] };
      assert.deepEqual(Object.keys(body), ['message', 'uploaded', 'upload_ids']);
      assert.equal(body.message, 'Files uploaded');
      assert.equal(body.uploaded, 1);
      assert.equal(body.upload_ids.length, 1);
      const listed = await row(`${home}/hello.txt`);
      assert.equal(listed.size, 14);
      assert.equal(listed.checksum, sha256(HELLO));
      assert.equal(typeof listed.file_id, 'number');
      assert.equal(typeof listed.owner_id, 'string');
      assert.match(listed.modified_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z$/);
    });

    it('overwrites silently, whatever the preconditions, and keeps the id', async () => {
      const before = await row(`${home}/hello.txt`);
      const form = new FormData();
      form.append('path', home);
      form.append('file', new Blob([HELLO_2]), 'hello.txt');
      const headers = { 'if-match': '"deadbeef"', 'if-none-match': '*' };
      const reply = await nas.call('POST /api/files/upload', { token, form, headers });
      assert.equal(reply.status, 200);
      const after = await row(`${home}/hello.txt`);
      assert.equal(after.file_id, before.file_id);
      assert.equal(after.checksum, sha256(HELLO_2));
      assert.notEqual(after.modified_at, before.modified_at);
      await nas.upload(token, home, 'hello.txt', HELLO);
    });

    it('refuses an upload into a missing folder, yet makes the folder', async () => {
      const reply = await nas.upload(token, `${home}/new dir`, 'a.txt', HELLO);
      assert.equal(reply.status, 403);
      assert.deepEqual(reply.body, { detail: 'Operation not permitted' });
      assert.equal((await row(`${home}/new dir`)).type, 'directory');
      assert.equal((await nas.upload(token, `${home}/new dir`, 'a.txt', HELLO)).status, 200);
    });

    it('takes several files at once and names outside ASCII', async () => {
      const form = new FormData();
      form.append('files', new Blob([HELLO]), 'umlaut ä #1.txt');
      form.append('files', new Blob([HELLO_2]), 'two.bin');
      form.append('path', home);
      const reply = await nas.call('POST /api/files/upload', { token, form });
      assert.equal((reply.body as { uploaded: number }).uploaded, 2);
      const back = await nas.download(token, `${home}/umlaut ä #1.txt`);
      assert.equal(back.text, HELLO);
      assert.equal(
        back.headers.get('content-disposition'),
        "attachment; filename*=utf-8''umlaut%20%C3%A4%20%231.txt",
      );
    });

    it('takes a last segment with a dot for a file name', async () => {
      assert.equal((await nas.upload(token, `${home}/renamed.txt`, 'x.txt', HELLO_2)).status, 200);
      assert.equal((await row(`${home}/renamed.txt`)).checksum, sha256(HELLO_2));
      await nas.mkdir(token, `${home}/v1.2`);
      assert.equal((await nas.upload(token, `${home}/v1.2`, 'x.txt', HELLO)).status, 500);
    });

    it('keeps only the last component of a file name', async () => {
      await nas.upload(token, home, '../../other/evil.txt', HELLO);
      assert.equal((await row(`${home}/evil.txt`)).size, 14);
    });

    it('answers an upload without a file, without a boundary and as JSON in three ways', async () => {
      const form = new FormData();
      form.append('path', home);
      const none = await nas.call('POST /api/files/upload', { token, form });
      assert.deepEqual(none.body, { message: 'Files uploaded', uploaded: 0, upload_ids: [] });
      const headers = { 'content-type': 'multipart/form-data' };
      const bare = await nas.call('POST /api/files/upload', { token, raw: 'x', headers });
      assert.equal(bare.status, 400);
      assert.deepEqual(bare.body, { detail: 'Missing boundary in multipart.' });
      const json = await nas.call('POST /api/files/upload', { token, json: { path: home } });
      assert.equal(json.status, 403);
      assert.deepEqual(json.body, { detail: 'Access denied' });
    });

    it('tells of what exists, with another form of time', async () => {
      const json = { filenames: ['hello.txt', 'nothere.txt'], target_path: home };
      const reply = await nas.call('POST /api/files/check-exists', { token, json });
      const { duplicates } = reply.body as { duplicates: Record<string, unknown>[] };
      assert.equal(duplicates.length, 1);
      assert.equal(duplicates[0]?.['checksum'], sha256(HELLO));
      assert.match(String(duplicates[0]?.['modified_at']), /\+00:00$/);
    });

    it('serves ranges: one, open, from the end, several', async () => {
      const path = `${home}/hello.txt`;
      const whole = await nas.download(token, path);
      assert.equal(whole.status, 200);
      assert.equal(whole.text, HELLO);
      assert.equal(whole.headers.get('content-type'), 'text/plain; charset=utf-8');
      assert.equal(whole.headers.get('accept-ranges'), 'bytes');
      assert.equal(whole.headers.get('content-disposition'), 'attachment; filename="hello.txt"');
      const expected: readonly (readonly [string, string, string])[] = [
        ['bytes=6-10', 'bytes 6-10/14', 'world'],
        ['bytes=6-', 'bytes 6-13/14', 'world 1\n'],
        ['bytes=-4', 'bytes 10-13/14', 'd 1\n'],
        ['bytes=0-0', 'bytes 0-0/14', 'h'],
      ];
      for (const [range, contentRange, text] of expected) {
        const reply = await nas.download(token, path, { range });
        assert.equal(reply.status, 206, range);
        assert.equal(reply.headers.get('content-range'), contentRange);
        assert.equal(reply.text, text);
      }
      const several = await nas.download(token, path, { range: 'bytes=0-1,4-5' });
      assert.equal(several.status, 206);
      assert.equal(several.headers.get('content-length'), '242');
      const type = several.headers.get('content-type') ?? '';
      const boundary = /^multipart\/byteranges; boundary=([0-9a-f]{26})$/.exec(type)?.[1] ?? '';
      const head = `--${boundary}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Range: `;
      assert.equal(
        several.text,
        `${head}bytes 0-1/14\r\n\r\nhe\r\n${head}bytes 4-5/14\r\n\r\no \r\n--${boundary}--`,
      );
    });

    it('answers 416 outside a file and for every range of an empty one', async () => {
      const out = await nas.download(token, `${home}/hello.txt`, { range: 'bytes=9999-' });
      assert.equal(out.status, 416);
      assert.equal(out.headers.get('content-range'), 'bytes */14');
      assert.equal(out.text, '');
      await nas.upload(token, home, 'empty.txt', '');
      assert.equal((await nas.download(token, `${home}/empty.txt`)).status, 200);
      const empty = await nas.download(token, `${home}/empty.txt`, { range: 'bytes=0-' });
      assert.equal(empty.status, 416);
      assert.equal(empty.headers.get('content-range'), 'bytes */0');
    });

    it('heeds If-Range and knows no 304', async () => {
      const path = `${home}/hello.txt`;
      const etag = (await nas.download(token, path)).headers.get('etag') ?? '';
      const range = 'bytes=6-10';
      const same = await nas.download(token, path, { range, 'if-range': etag });
      assert.equal(same.status, 206);
      const old = await nas.download(token, path, { range, 'if-range': '"old"' });
      assert.equal(old.status, 200);
      assert.equal(old.text, HELLO);
      const none = await nas.download(token, path, { 'if-none-match': etag });
      assert.equal(none.status, 200);
      const since = new Date(Date.now() + 86_400_000).toUTCString();
      const modified = await nas.download(token, path, { 'if-modified-since': since });
      assert.equal(modified.status, 200);
    });

    it('makes its ETag of time and size alone', async () => {
      const path = `${home}/hello.txt`;
      const listed = await row(path);
      const etag = (await nas.download(token, path)).headers.get('etag') ?? '';
      assert.ok(possibleEtags(listed.modified_at, 14).includes(etag), `${etag} is of another time`);
    });

    it('takes an encoded slash and never an id', async () => {
      const encoded = await nas.call(
        `GET /api/files/download/${encodeURIComponent(`${home}/hello.txt`)}`,
        { token },
      );
      assert.equal(encoded.text, HELLO);
      const { file_id: id } = await row(`${home}/hello.txt`);
      const byId = await nas.call(`GET /api/files/download/${String(id)}`, { token });
      assert.equal(byId.status, 403);
      assert.deepEqual(byId.body, { detail: 'Access denied' });
      const admin = await nas.tokenOf(nas.nas.admin);
      const asAdmin = await nas.call(`GET /api/files/download/${String(id)}`, { token: admin });
      assert.equal(asAdmin.status, 404);
      assert.deepEqual(asAdmin.body, { detail: 'File not found' });
    });

    it('says 404 for a missing file and for a folder, 403 for a foreign one', async () => {
      for (const path of [`${home}/none.txt`, home]) {
        const reply = await nas.download(token, path);
        assert.equal(reply.status, 404);
        assert.deepEqual(reply.body, { detail: 'File not found' });
      }
      const foreign = await nas.download(other, `${home}/hello.txt`);
      assert.equal(foreign.status, 403);
      assert.deepEqual(foreign.body, { detail: 'Access denied' });
    });
  });
}
