import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { Agent } from 'node:http';
import type { NasCaller, Reply } from './nas-under-test.ts';
import { callBy, hangsUp } from './one-socket.ts';

const HELLO = 'hello world 1\n';
const HELLO_2 = 'hello world, second version\n';
const CHUNKED = '/api/files/upload/chunked';

interface Init {
  readonly upload_id: string;
  readonly chunk_size: number;
}

/** Renaming, moving, deleting, resumable uploads, delta sync, as recorded on 1.38. */
export function describeChanges(caller: () => NasCaller): void {
  describe('changes', () => {
    let nas: NasCaller;
    let token: string;
    let home: string;

    before(async () => {
      nas = caller();
      token = await nas.tokenOf(nas.nas.user);
      home = `${nas.nas.user.username}/${nas.folder}-2`;
      await nas.mkdir(token, home);
    });

    after(async () => {
      await nas.call(`DELETE /api/files/${home}`, { token });
    });

    /** All chunked requests on one connection, as a session is in one worker. */
    async function onOneSocket<T>(
      work: (call: (line: string, body?: object | Uint8Array) => Promise<Reply>) => Promise<T>,
    ): Promise<T> {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      try {
        return await work((line, body) => callBy(agent, nas.nas.url, token, line, body));
      } finally {
        agent.destroy();
      }
    }

    async function init(
      call: (line: string, body?: object) => Promise<Reply>,
      filename: string,
      totalSize: number,
    ): Promise<string> {
      const body = { filename, total_size: totalSize, target_path: home };
      const reply = await call(`POST ${CHUNKED}/init`, body);
      assert.equal(reply.status, 200, reply.text);
      assert.equal((reply.body as Init).chunk_size, 33_554_432);
      return (reply.body as Init).upload_id;
    }

    it('makes a folder as often as one likes', async () => {
      for (let time = 0; time < 2; time += 1) {
        const json = { path: home, name: 'docs' };
        const reply = await nas.call('POST /api/files/folder', { token, json });
        assert.deepEqual(reply.body, { message: 'Folder created' });
      }
    });

    it('answers 403 for renaming what is missing, 200 for deleting it', async () => {
      const json = { old_path: `${home}/zzz.txt`, new_name: 'y.txt' };
      const renamed = await nas.call('PUT /api/files/rename', { token, json });
      assert.equal(renamed.status, 403);
      assert.deepEqual(renamed.body, { detail: 'Operation not permitted' });
      const deleted = await nas.call(`DELETE /api/files/${home}/zzz.txt`, { token });
      assert.deepEqual(deleted.body, { message: 'Deleted' });
      const byBody = await nas.call('POST /api/files/delete', {
        token,
        json: { path: `${home}/zzz.txt` },
      });
      assert.deepEqual(byBody.body, { message: 'Deleted' });
    });

    it('fails to rename onto a taken name although the file is replaced, its checksum stale', async () => {
      await nas.upload(token, home, 'hello.txt', HELLO);
      await nas.upload(token, home, 'second.txt', HELLO_2);
      const json = { old_path: `${home}/second.txt`, new_name: 'hello.txt' };
      const reply = await nas.call('PUT /api/files/rename', { token, json });
      assert.equal(reply.status, 500);
      const row = await nas.row(token, `${home}/hello.txt`);
      assert.equal(row?.size, 28);
      assert.equal(row.checksum, createHash('sha256').update(HELLO).digest('hex'));
      assert.equal((await nas.download(token, `${home}/hello.txt`)).text, HELLO_2);
      assert.equal(await nas.row(token, `${home}/second.txt`), undefined);
    });

    it('keeps the id when a file moves, and drops those below a folder that is renamed', async () => {
      await nas.upload(token, home, 'blob.bin', HELLO);
      const before = await nas.row(token, `${home}/blob.bin`);
      const moved = await nas.call('PUT /api/files/move', {
        token,
        json: { source_path: `${home}/blob.bin`, target_path: `${home}/docs` },
      });
      assert.deepEqual(moved.body, { message: 'Moved' });
      const after = await nas.row(token, `${home}/docs/blob.bin`);
      assert.equal(after?.file_id, before?.file_id);
      const json = { old_path: `${home}/docs`, new_name: 'docs2' };
      const renamed = await nas.call('PUT /api/files/rename', { token, json });
      assert.deepEqual(renamed.body, { message: 'Renamed' });
      const child = await nas.row(token, `${home}/docs2/blob.bin`);
      assert.deepEqual([child?.file_id, child?.checksum, child?.owner_id], [null, null, null]);
      assert.equal((await nas.download(token, `${home}/docs2/blob.bin`)).text, HELLO);
    });

    it('takes a resumable upload strictly in order and publishes it once', async () => {
      await onOneSocket(async (call) => {
        const id = await init(call, 'big.bin', 28);
        const first = await call(`POST ${CHUNKED}/${id}/chunk?chunk_index=0`, Buffer.from(HELLO));
        assert.deepEqual(first.body, { received_bytes: 14 });
        const again = await call(`POST ${CHUNKED}/${id}/chunk?chunk_index=0`, Buffer.from(HELLO));
        assert.equal(again.status, 400);
        assert.deepEqual(again.body, { detail: 'Expected chunk 1, got 0' });
        const ahead = await call(`POST ${CHUNKED}/${id}/chunk?chunk_index=5`, Buffer.from(HELLO));
        assert.deepEqual(ahead.body, { detail: 'Expected chunk 1, got 5' });
        await call(`POST ${CHUNKED}/${id}/chunk?chunk_index=1`, Buffer.from(HELLO));
        const done = await call(`POST ${CHUNKED}/${id}/complete`);
        assert.deepEqual(done.body, { path: `${home}/big.bin`, size: 28 });
        const twice = await call(`POST ${CHUNKED}/${id}/complete`);
        assert.equal(twice.status, 404);
        assert.deepEqual(twice.body, { detail: 'Upload session not found' });
      });
      const row = await nas.row(token, `${home}/big.bin`);
      const hash = createHash('sha256').update(HELLO).update(HELLO).digest('hex');
      assert.equal(row?.checksum, hash);
    });

    it('publishes a resumable upload that is too short, and drops one that is too long', async () => {
      await onOneSocket(async (call) => {
        const short = await init(call, 'short.bin', 28);
        await call(`POST ${CHUNKED}/${short}/chunk?chunk_index=0`, Buffer.from(HELLO));
        const done = await call(`POST ${CHUNKED}/${short}/complete`);
        assert.equal(done.status, 200);
        assert.deepEqual(done.body, { path: `${home}/short.bin`, size: 14 });
        const long = await init(call, 'long.bin', 10);
        const path = `POST ${CHUNKED}/${long}/chunk?chunk_index=0`;
        const over = await call(path, Buffer.from(HELLO));
        assert.equal(over.status, 400);
        const detail = `Upload exceeds declared total_size (10 bytes) for session ${long}`;
        assert.deepEqual(over.body, { detail });
        assert.equal((await call(path, Buffer.from(HELLO))).status, 404);
      });
    });

    it('refuses a resumable upload elsewhere, into a missing folder and beyond all space', async () => {
      const json = { filename: 'x', total_size: 1, target_path: nas.nas.other.username };
      const foreign = await nas.call(`POST ${CHUNKED}/init`, { token, json });
      assert.deepEqual(foreign.body, { detail: 'Access denied' });
      const missing = await nas.call(`POST ${CHUNKED}/init`, {
        token,
        json: { ...json, target_path: `${home}/fresh` },
      });
      assert.equal(missing.status, 403);
      assert.deepEqual(missing.body, { detail: 'Operation not permitted' });
      const huge = await nas.call(`POST ${CHUNKED}/init`, {
        token,
        json: { filename: 'x', total_size: 99_999_999_999_999, target_path: home },
      });
      assert.equal(huge.status, 507);
      assert.deepEqual(huge.body, { detail: 'Internal server error' });
    });

    it('swallows the abort of a resumable upload as a delete of a foreign path', async () => {
      const id = '7ffdeda3-9152-4b84-a35f-e4f523e2dacf';
      const reply = await nas.call(`DELETE ${CHUNKED}/${id}`, { token });
      assert.equal(reply.status, 403);
      assert.deepEqual(reply.body, { detail: 'Access denied' });
    });

    it('tells a desktop to delete what the NAS does not know, whatever the hashes', async () => {
      const device_id = nas.folder;
      const list = { device_id, file_list: [] };
      const unknown = await nas.call('POST /api/sync/changes', { token, json: list });
      assert.equal(unknown.status, 400);
      assert.deepEqual(unknown.body, { detail: 'Device not registered' });
      for (const status of ['registered', 'already_registered']) {
        const reply = await nas.call('POST /api/sync/register-desktop', {
          token,
          json: { device_id, device_name: 'PC' },
        });
        assert.equal((reply.body as { status: string }).status, status);
      }
      const file_list = [`${home}/hello.txt`, `${home}/gone.txt`].map((path) => ({
        path,
        hash: '00',
        size: 1,
        modified_at: '2020-01-01T00:00:00Z',
      }));
      const reply = await nas.call('POST /api/sync/changes', {
        token,
        json: { device_id, file_list },
      });
      const body = reply.body as { to_delete: unknown; conflicts: unknown };
      assert.deepEqual(body.to_delete, [{ path: `${home}/gone.txt` }]);
      assert.deepEqual(body.conflicts, []);
    });

    it('hangs up after a 500, without saying so, and after no other refusal', async () => {
      const json = { local_path: '/storage/DCIM', remote_path: home, sync_type: 'upload' };
      const broken = `POST /api/mobile/sync/folders/${nas.folder}`;
      assert.deepEqual(await hangsUp(nas.nas.url, token, broken, json), {
        status: 500,
        announced: false,
        hungUp: true,
      });
      const foreign = `GET /api/files/list?path=${nas.nas.other.username}`;
      assert.deepEqual(await hangsUp(nas.nas.url, token, foreign), {
        status: 403,
        announced: false,
        hungUp: false,
      });
    });
  });
}
