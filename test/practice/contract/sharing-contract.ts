import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import type { NasCaller } from './nas-under-test.ts';

const HELLO = 'hello world 1\n';
const HELLO_2 = 'hello world, second version\n';

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** Shares, Shared, and file owners, as recorded on 1.38. */
export function describeSharing(caller: () => NasCaller): void {
  describe('sharing', () => {
    let nas: NasCaller;
    let token: string;
    let other: string;
    let home: string;

    before(async () => {
      nas = caller();
      token = await nas.tokenOf(nas.nas.user);
      other = await nas.tokenOf(nas.nas.other);
      home = `${nas.nas.user.username}/${nas.folder}-3`;
      await nas.mkdir(token, home);
      await nas.upload(token, home, 'hello.txt', HELLO);
    });

    after(async () => {
      await nas.call(`DELETE /api/files/${home}`, { token });
    });

    it('shares a file for reading, at once and until it is taken back', async () => {
      const { file_id } = (await nas.row(token, `${home}/hello.txt`)) ?? assert.fail();
      const me = await nas.call('GET /api/auth/me', { token: other });
      const json = { file_id, shared_with_user_id: (me.body as { id: number }).id, can_read: true };
      const made = await nas.call('POST /api/shares/user-shares', { token, json });
      assert.equal(made.status, 201, made.text);
      const again = await nas.call('POST /api/shares/user-shares', { token, json });
      assert.deepEqual(again.body, { detail: 'File already shared with this user' });
      const virtual = await nas.list(other, 'Shared with me');
      const shown = virtual.find((one) => one.path === `${home}/hello.txt`);
      assert.equal(shown?.name, `hello.txt (from ${nas.nas.user.username})`);
      assert.equal(shown.checksum, null);
      assert.doesNotMatch(shown.modified_at, /Z$/);
      assert.equal((await nas.download(other, `${home}/hello.txt`)).text, HELLO);
      const write = await nas.upload(other, `${home}/hello.txt`, 'hello.txt', HELLO_2);
      assert.equal(write.status, 403);
      assert.deepEqual(write.body, { detail: 'Operation not permitted' });
      const { id } = made.body as { id: number };
      const gone = await nas.call(`DELETE /api/shares/user-shares/${String(id)}`, { token });
      assert.equal(gone.status, 204);
      assert.equal((await nas.download(other, `${home}/hello.txt`)).status, 403);
    });

    it('lets everybody overwrite in Shared, and the owner stays the first', async () => {
      const name = `${nas.folder}.txt`;
      await nas.upload(token, 'Shared', name, HELLO);
      const first = await nas.row(token, `Shared/${name}`);
      assert.equal((await nas.upload(other, 'Shared', name, HELLO_2)).status, 200);
      const second = await nas.row(token, `Shared/${name}`);
      assert.equal(second?.owner_id, first?.owner_id);
      assert.equal(second?.checksum, sha256(HELLO_2));
      const foreign = await nas.call(`DELETE /api/files/Shared/${name}`, { token: other });
      assert.equal(foreign.status, 403);
      assert.equal((await nas.call(`DELETE /api/files/Shared/${name}`, { token })).status, 200);
    });

    it("hides from a user what an admin put into the user's home", async () => {
      const admin = await nas.tokenOf(nas.nas.admin);
      assert.equal((await nas.upload(admin, home, 'byadmin.txt', HELLO)).status, 200);
      assert.equal(await nas.row(token, `${home}/byadmin.txt`), undefined);
      const reply = await nas.download(token, `${home}/byadmin.txt`);
      assert.equal(reply.status, 403);
      assert.deepEqual(reply.body, { detail: 'Operation not permitted' });
      assert.equal((await nas.upload(token, home, 'byadmin.txt', HELLO_2)).status, 200);
      assert.equal(await nas.row(token, `${home}/byadmin.txt`), undefined);
      await nas.call(`DELETE /api/files/${home}/byadmin.txt`, { token: admin });
    });
  });
}
