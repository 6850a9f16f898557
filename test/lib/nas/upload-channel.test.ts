import assert from 'node:assert/strict';
import type { RequestListener } from 'node:http';
import { Readable } from 'node:stream';
import { NasCallError, type NasJson } from '../../../nodes/lib/nas/nas-client.ts';
import { DirectAddress } from '../../../nodes/lib/nas/nas-service.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { clientFor, type ClientRig } from './client-rig.ts';
import { json, type LoopbackNas, serveHttp } from './loopback-nas.ts';
import { until } from '../../fakes/until.ts';

const TARGET = { folder: 'alice', filename: 'big.bin', sizeBytes: 6 };

describe('An upload channel', () => {
  let nas: LoopbackNas | undefined;
  let rig: ClientRig | undefined;

  async function against(handler: RequestListener): Promise<ClientRig> {
    nas = await serveHttp(handler);
    rig = clientFor(nas.url);
    return rig;
  }

  afterEach(async () => {
    rig?.close();
    await nas?.close();
  });

  it('sends all of an upload over one connection, in order', async () => {
    const seen: string[] = [];
    const { client, clock } = await against((request, response) => {
      let body = '';
      request.on('data', (block) => (body += String(block)));
      request.on('end', () => {
        seen.push(`${request.method} ${request.url} ${request.headers.authorization} ${body}`);
        json({ upload_id: 'a/b', chunk_size: 4 })(request, response);
      });
    });
    const channel = client.openUpload('token');
    await channel.init(TARGET);
    await clock.advance(20_000);
    await Promise.all([
      channel.chunk('a/b', 0, Readable.from([Buffer.from('ab'), Buffer.from('cd')]), 4),
      channel.chunk('a/b', 1, Readable.from([Buffer.from('ef')]), 2),
      channel.complete('a/b'),
    ]);
    channel.close();
    assert.deepEqual(seen, [
      'POST /api/files/upload/chunked/init Bearer token ' +
        '{"filename":"big.bin","total_size":6,"target_path":"alice"}',
      'POST /api/files/upload/chunked/a%2Fb/chunk?chunk_index=0 Bearer token abcd',
      'POST /api/files/upload/chunked/a%2Fb/chunk?chunk_index=1 Bearer token ef',
      'POST /api/files/upload/chunked/a%2Fb/complete Bearer token ',
    ]);
    assert.equal(nas?.connections(), 1);
  });

  it('opens one connection even when its first calls come together', async () => {
    const { client } = await against((request, response) => {
      request.resume().on('end', () => {
        json({})(request, response);
      });
    });
    const channel = client.openUpload('token');
    await Promise.all([channel.init(TARGET), channel.complete('u'), channel.complete('u')]);
    channel.close();
    assert.equal(nas?.connections(), 1);
  });

  it('gives the NAS a minute to answer a chunk', async () => {
    let received = false;
    const { client, clock } = await against((request) => {
      request.resume().on('end', () => (received = true));
    });
    const channel = client.openUpload('token');
    const results: string[] = [];
    const call = channel.chunk('u', 0, Readable.from([Buffer.from('ab')]), 2).then((outcome) => {
      results.push(outcome.kind);
    });
    await until('the first bytes', () => received);
    await clock.advance(59_000);
    assert.deepEqual(results, []);
    await clock.advance(2_000);
    await call;
    assert.deepEqual(results, ['unreachable']);
  });

  it('stops sending when the NAS refuses in the middle, and hands on why', async () => {
    const { client } = await against(json({ detail: 'Upload session not found' }, 404));
    const endless = new Readable({
      read() {
        this.push(Buffer.alloc(65_536));
      },
    });
    const channel = client.openUpload('token');
    const result = await channel.chunk('u', 0, endless, 2 ** 40);
    assert.equal(result.kind === 'answer' && result.status, 404);
    await until('the end of the body', () => endless.destroyed);
    assert.equal((await channel.complete('u')).kind, 'answer');
  });

  for (const [fault, body] of [
    ['ends early', Readable.from([Buffer.from('ab')])],
    ['is too long', Readable.from([Buffer.from('abcdefgh')])],
    [
      'cannot be read',
      new Readable({
        read() {
          this.destroy(new Error('disk'));
        },
      }),
    ],
    ['is gone already', new Readable().destroy()],
  ] as const) {
    it(`throws when what it shall send ${fault}, and blames no NAS`, async () => {
      const { client, presence } = await against((request, response) => {
        request.resume().on('end', () => {
          json({})(request, response);
        });
      });
      const channel = client.openUpload('token');
      await assert.rejects(
        channel.chunk('u', 0, body, 6),
        (error) => error instanceof NasCallError && error.code === 'body',
      );
      assert.deepEqual(presence.news, []);
    });
  }

  it('cuts what runs when it is closed and takes no more', async () => {
    let asked = false;
    const { client } = await against(() => {
      asked = true;
    });
    const channel = client.openUpload('token');
    const call = channel.init(TARGET);
    await until('the question', () => asked);
    channel.close();
    assert.equal((await call).kind, 'unreachable');
    await assert.rejects(channel.init(TARGET), /closed/);
  });
});

describe('The direct address', () => {
  const ALIVE: NasJson = { kind: 'answer', status: 401, body: {} };
  const SILENT: NasJson = { kind: 'unreachable', cause: new NasCallError('refused') };

  async function found(nasUrl: string, setUrl: string | null, answer: NasJson): Promise<string> {
    const set = setUrl === null ? null : new URL(setUrl);
    const ask = (): Promise<NasJson> => Promise.resolve(answer);
    return (await new DirectAddress(new URL(nasUrl), set, ask, new ManualClock()).resolve()).href;
  }

  it('is port 8000 of the host of the NAS when it answers there', async () => {
    assert.equal(await found('http://nas.local/x', null, ALIVE), 'http://nas.local:8000/');
  });

  it('is the address of the NAS itself when nothing or something else answers there', async () => {
    const other: NasJson = { kind: 'bad_answer', status: 200 };
    assert.equal(await found('http://nas.local', null, SILENT), 'http://nas.local/');
    assert.equal(await found('http://nas.local', null, other), 'http://nas.local/');
  });

  it('is never that of a BaluPi that listens at port 8000 of the same machine', async () => {
    const ours: NasJson = { kind: 'answer', status: 401, body: { detail: '…', code: 'no_token' } };
    assert.equal(await found('http://127.0.0.1:9001', null, ours), 'http://127.0.0.1:9001/');
  });

  it('is what the settings say, unasked', async () => {
    assert.equal(await found('http://nas.local', 'http://nas:9000', SILENT), 'http://nas:9000/');
  });

  it('never trades https for plain http', async () => {
    assert.equal(await found('https://nas.local', null, ALIVE), 'https://nas.local/');
  });

  it('is asked for again after ten minutes', async () => {
    const clock = new ManualClock();
    const answers = [SILENT, ALIVE];
    const ask = (): Promise<NasJson> => Promise.resolve(answers.shift() ?? SILENT);
    const direct = new DirectAddress(new URL('http://nas.local'), null, ask, clock);
    assert.equal((await direct.resolve()).port, '');
    await clock.advance(9 * 60_000);
    assert.equal((await direct.resolve()).port, '');
    await clock.advance(60_000);
    assert.equal((await direct.resolve()).port, '8000');
    assert.equal((await direct.resolve()).port, '8000');
  });
});
