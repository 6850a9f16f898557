import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HttpNasClient } from '../../../nodes/lib/nas/http-nas-client.ts';
import { NasCalls } from '../../../nodes/lib/nas/nas-calls.ts';
import { NasTransport } from '../../../nodes/lib/nas/nas-transport.ts';
import { NodeDisk, PlainSend } from '../../../nodes/lib/upload/upload.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { PracticeNas } from '../../practice/nas/practice-nas.ts';
import { FakePresence, json } from './memory-nas.ts';
import { UploadBench } from './upload-bench.ts';

describe('sending a file in one piece', () => {
  const folder = mkdtempSync(join(tmpdir(), 'balupi-plain-'));
  const storageFolder = join(folder, 'nas');
  const clock = new ManualClock();
  let nas: PracticeNas;
  let transport: NasTransport;
  let plain: PlainSend;
  let token: string;

  before(async () => {
    nas = new PracticeNas({ clock, storageFolder });
    await nas.start();
    const url = new URL(nas.url);
    transport = new NasTransport({ url, clock, fingerprint: null, identityOf: null });
    const calls = new NasCalls(transport, new FakePresence(), clock);
    const never = (): Promise<never> => Promise.reject(new Error('no chunks here'));
    const client = new HttpNasClient(calls, clock, never);
    plain = new PlainSend(client, new NodeDisk());
    const answered = await client.login('alice', 'Practice-alice-1');
    assert.ok(answered.kind === 'answer');
    token = (answered.body as { readonly access_token: string }).access_token;
    await nas.putFolder('alice/v1.2', 'alice');
  });

  after(async () => {
    transport.close();
    await nas.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  for (const name of ['a.txt', 'without', 'ü #1.jpg', 'v1.2/b.txt', 'a;b=c.txt']) {
    it(`arrives as ${name}`, async () => {
      const bytes = Buffer.from(`the bytes of ${name}`.repeat(5_000));
      const file = join(folder, 'source');
      writeFileSync(file, bytes);
      const answered = await plain.send(token, `alice/${name}`, file, bytes.length);
      assert.partialDeepStrictEqual(answered, { kind: 'answer', status: 200 });
      assert.ok(readFileSync(join(storageFolder, 'alice', name)).equals(bytes));
    });
  }

  it('says so where the NAS would read the path as something else', async () => {
    const file = join(folder, 'source');
    writeFileSync(file, 'x');
    const answered = await plain.send(token, 'alice/v1.2/README', file, 1);
    assert.partialDeepStrictEqual(answered, { kind: 'answer', status: 500 });
  });

  it('is what the delivery falls back to where no session is kept, and is proved too', async () => {
    const sent: string[] = [];
    const bench: UploadBench = new UploadBench({
      fallback: {
        send: (_token, path, file) => {
          sent.push(path);
          bench.nas.put(path, readFileSync(file));
          return Promise.resolve(json(200, { uploaded: 1 }));
        },
      },
    });
    await bench.start();
    bench.nas.trouble = (call) =>
      call.startsWith('chunk') ? json(404, { detail: 'Upload session not found' }) : null;
    await bench.send('alice', 'a.txt', 'whole');
    await bench.deliver();
    assert.deepEqual(sent, ['alice/a.txt']);
    assert.deepEqual(bench.states(), ['synced']);
    assert.equal(bench.nas.text('alice/a.txt'), 'whole');
    await bench.close();
  });
});
