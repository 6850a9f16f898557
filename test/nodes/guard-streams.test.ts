import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { PlugSample } from '../../packages/node-red-contrib-balupi-tapo/lib/tapo/tapo.ts';
import { ALICE, AWAKE, type FakeServices } from '../fakes/fake-services.ts';
import { type Stage, stages } from './stage.ts';

const BOOM = new Error('boom');
const FAILED = { detail: 'Something went wrong here. It was logged.', code: 'failed' };
const PRESENCE = { state: AWAKE };

function throwing(): never {
  throw BOOM;
}

/** Sends `first`, then fails. */
function breaking(first: unknown): Readable {
  return Readable.from(
    (function* () {
      yield first;
      throw BOOM;
    })(),
  );
}

describe('The guard around callbacks and streams', () => {
  const open = stages();

  it('balupi-tapo-meter survives a throw where it passes on what a plug told', async () => {
    let tell: (sample: PlugSample) => void = () => undefined;
    const services: FakeServices = {
      schedule: { sampling: { due: () => false } },
      tapo: {
        onSample: (listener) => {
          tell = listener;
          return () => undefined;
        },
      },
    };
    const stage = await open({ type: 'balupi-tapo-meter', op: 'sample', services });
    await stage.send();
    const { send } = stage.node;
    stage.node.send = throwing;
    const outcome = { kind: 'unreachable', detail: 'no answer' } as const;
    const sample: PlugSample = { id: 'a', deviceNumber: 1, atMonotonicMs: 5, outcome };
    tell(sample);
    await stage.next('caught');
    assert.match(stage.caught[0]?.error.message ?? '', /boom/);
    stage.node.send = send;
    tell(sample);
    await stage.next('out');
    assert.deepEqual(stage.out[0]?.[0]?.['payload'], sample);
  });

  it('balupi-lru-cache-store cuts a copy that cannot be read to its end', async () => {
    const services: FakeServices = {
      cache: {
        serveQueued: async (_file, _request, response) => {
          response.writeHead(200, { 'Content-Length': '1000000' });
          await pipeline(breaking(Buffer.alloc(64 * 1024)), response);
          return { kind: 'answered', whole: true };
        },
      },
    };
    const stage = await open({ type: 'balupi-lru-cache-store', op: 'serve', services });
    stage.carry({ file: { kind: 'queued', path: 'alice/a.jpg', file: {} } });
    await assert.rejects(stage.ask());
    await stage.next('caught');
    assert.match(stage.caught[0]?.error.message ?? '', /boom/);
    assert.equal(stage.caught.length, 1);
  });

  it('balupi-energy-aggregator cuts an export that breaks off', async () => {
    const services: FakeServices = {
      energy: {
        histories: {
          pages: () => ({
            kind: 'pages',
            deviceId: null,
            deviceName: null,
            period: 'day',
            fromS: 0,
            toS: 1,
            resolution: 'hour',
            pages: breaking([]),
          }),
        },
      },
    };
    const stage = await open({ type: 'balupi-energy-aggregator', op: 'history', services });
    await assert.rejects(stage.ask({}, { headers: { Accept: 'text/csv' } }));
    await stage.next('caught');
    assert.match(stage.caught[0]?.error.message ?? '', /boom/);
  });

  it('drops the headers of the answer that came to nothing', async () => {
    const services: FakeServices = {
      upload: {
        queuedCount: () => 0,
        accept: () => {
          stage.response?.setHeader('Content-Length', '123456');
          stage.response?.setHeader('Content-Disposition', 'attachment; filename="a.csv"');
          stage.response?.setHeader('Content-Type', 'text/csv');
          throw BOOM;
        },
      },
    };
    const stage = await open({ type: 'balupi-upload-queue', op: 'accept', services });
    const { status, payload, headers } = await stage.ask();
    assert.equal(status, 500);
    assert.deepEqual(payload, FAILED);
    assert.equal(headers.get('content-disposition'), null);
  });

  it('answers by itself within about a second where no Catch node is wired', async () => {
    const services: FakeServices = { files: { list: throwing }, nas: { presence: PRESENCE } };
    const stage = await open({ type: 'balupi-nas-proxy', op: 'list', services, withCatch: false });
    const startedMs = performance.now();
    const { status, payload, headers } = await stage.ask({ caller: ALICE });
    assert.ok(performance.now() - startedMs < 2_000);
    assert.equal(status, 500);
    assert.deepEqual(payload, FAILED);
    assert.equal(headers.get('content-type'), 'application/json; charset=utf-8');
  });

  it('cuts at once where no Catch node is wired and half of the answer is out', async () => {
    let stage: Stage | null = null;
    const half = (): never => {
      stage?.response?.writeHead(200, { 'Content-Length': '1000' });
      stage?.response?.write('half of it');
      throw BOOM;
    };
    const services: FakeServices = { files: { list: half }, nas: { presence: PRESENCE } };
    stage = await open({ type: 'balupi-nas-proxy', op: 'list', services, withCatch: false });
    const startedMs = performance.now();
    await assert.rejects(stage.ask());
    assert.ok(performance.now() - startedMs < 900);
  });

  it('counts a message as done although its words in the editor could not be made', async () => {
    const services: FakeServices = {
      upload: {
        wakeIfDue: () => undefined,
        onNews: () => () => undefined,
        delivery: { flush: () => Promise.resolve() },
        failedCount: throwing,
      },
    };
    const stage = await open({ type: 'balupi-upload-queue', op: 'flush', services });
    await stage.send();
    await stage.next('caught');
    assert.match(stage.caught[0]?.error.message ?? '', /boom/);
  });
});
