import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { FakeFileNas } from '../fakes/file-nas.ts';
import { ManualClock } from '../fakes/manual-clock.ts';
import { clientFor, type ClientRig } from '../lib/nas/client-rig.ts';
import { MemoryNas } from '../lib/upload/memory-nas.ts';
import { describeReading, describeWriting } from './contract/client-contract.ts';
import { PracticeNas } from './nas/practice-nas.ts';

describe('A client of the NAS', () => {
  describe('over HTTP, of the practice NAS', () => {
    let folder: string;
    let nas: PracticeNas;
    let rig: ClientRig;

    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'practice-nas-'));
      nas = new PracticeNas({ clock: new ManualClock(), storageFolder: folder });
      await nas.start();
      rig = clientFor(new URL(nas.url));
    });

    after(async () => {
      rig.close();
      await nas.stop();
      await rm(folder, { recursive: true });
    });

    /** Through the API, so that the NAS knows its checksum. */
    async function put(path: string, text: string): Promise<void> {
      const channel = rig.client.openUpload(alice());
      const [target, filename] = [path.slice(0, path.lastIndexOf('/')), path.split('/').at(-1)];
      const begun = await channel.init({
        folder: target,
        filename: filename ?? '',
        sizeBytes: text.length,
      });
      assert.ok(begun.kind === 'answer' && begun.status === 200, JSON.stringify(begun));
      const { upload_id: id } = begun.body as { readonly upload_id: string };
      await channel.chunk(id, 0, Readable.from([Buffer.from(text)]), text.length);
      await channel.complete(id);
      channel.close();
    }
    const alice = (): string => nas.accounts.accessToken('alice');
    const current = () => ({ client: rig.client, api: rig.client, alice: alice(), put });

    describeReading(current);
    describeWriting(current);
  });

  describe('in memory, of the cache’s tests', () => {
    const nas = new FakeFileNas();
    const { nasToken } = nas.addUser({ id: 2, username: 'alice', role: 'user' });
    nas.addUser({ id: 3, username: 'bob', role: 'user' });
    describeReading(() => ({
      client: nas,
      alice: nasToken ?? '',
      put: (path, text) => {
        nas.put(path, text);
        return Promise.resolve();
      },
    }));
  });

  describe('in memory, of the queue’s tests', () => {
    const nas = new MemoryNas();
    const current = () => ({
      client: nas.client(),
      api: nas.api(),
      alice: 'token-alice',
      put: (path: string, text: string) => {
        nas.put(path, text);
        return Promise.resolve();
      },
    });
    describeReading(current);
    describeWriting(current);
  });
});
