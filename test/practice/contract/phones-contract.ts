import assert from 'node:assert/strict';
import type { NasCaller } from './nas-under-test.ts';

/** The synced folders of phones, as recorded on 1.38. */
export function describePhones(caller: () => NasCaller): void {
  describe('phones', () => {
    let nas: NasCaller;
    let token: string;
    let home: string;

    before(async () => {
      nas = caller();
      token = await nas.tokenOf(nas.nas.user);
      home = nas.nas.user.username;
    });

    it("shows a phone's folders to every user", async () => {
      const other = await nas.tokenOf(nas.nas.other);
      const phone = await nas.registerPhone(token);
      const path = `/api/mobile/sync/folders/${phone}`;
      assert.deepEqual((await nas.call(`GET ${path}`, { token })).body, []);
      const json = { local_path: '/storage/DCIM', remote_path: home, sync_type: 'upload' };
      const made = await nas.call(`POST ${path}`, { token, json });
      const { id } = made.body as { id: string };
      const seen = await nas.call(`GET ${path}`, { token: other });
      assert.equal((seen.body as { id: string }[])[0]?.id, id);
      const idle = await nas.call(`PUT /api/mobile/sync/folders/${id}`, {
        token,
        json: { status: 'idle' },
      });
      assert.notEqual((idle.body as { last_sync: unknown }).last_sync, null);
      const elsewhere = await nas.call(`PUT /api/mobile/sync/folders/${id}`, {
        token,
        json: { remote_path: `${home}/docs` },
      });
      const changed = elsewhere.body as { remote_path: string; status: string };
      assert.deepEqual([changed.remote_path, changed.status], [`${home}/docs`, 'idle']);
      const gone = await nas.call(`DELETE /api/mobile/sync/folders/${id}`, { token });
      assert.equal(gone.status, 204);
      const queue = await nas.call(`GET /api/mobile/upload/queue/${phone}`, { token: other });
      assert.deepEqual(queue.body, { items: [] });
      await nas.call(`DELETE /api/mobile/devices/${phone}`, { token });
    });

    it('fails to keep a folder of a phone that it does not know', async () => {
      const json = { local_path: '/storage/DCIM', remote_path: home, sync_type: 'upload' };
      const path = `/api/mobile/sync/folders/${nas.folder}`;
      const reply = await nas.call(`POST ${path}`, { token, json });
      assert.equal(reply.status, 500);
      assert.deepEqual((await nas.call(`GET ${path}`, { token })).body, []);
    });
  });
}
