import fc from 'fast-check';
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { NodeDisk, type SpoolHandle } from '../../../nodes/lib/upload/spool/disk.ts';
import { BOUNDARY, UploadBench, multipart } from './upload-bench.ts';

/** A real disk without fsync: these tests are about bodies. */
class HastyDisk extends NodeDisk {
  override async create(file: string): Promise<SpoolHandle> {
    const handle = await super.create(file);
    return {
      writev: (buffers) => handle.writev(buffers),
      sync: () => Promise.resolve(),
      close: () => handle.close(),
    };
  }

  override async syncFolder(): Promise<void> {
    return Promise.resolve();
  }
}

const GOOD = multipart([
  { name: 'path', content: 'alice' },
  { name: 'file', filename: 'a.txt', content: 'some content' },
  { name: 'files', filename: 'b.txt', content: '' },
]);

const ALLOWED = [200, 400, 403, 413, 415, 422, 507];

describe('hostile bodies', () => {
  let bench: UploadBench;

  beforeEach(async () => {
    bench = new UploadBench({ disk: new HastyDisk(), maxFileBytes: 100_000 });
    await bench.start();
  });

  afterEach(async () => {
    await bench.close();
  });

  async function idle(): Promise<void> {
    while (bench.onDisk().some((name) => name.startsWith('incoming/'))) {
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
    }
  }

  it('are each answered within the contract, 1,000 mutations long, and leave no halves', async function () {
    this.timeout(60_000);
    const edit = fc.oneof(
      fc.record({
        at: fc.nat(GOOD.length),
        cut: fc.nat(40),
        put: fc.uint8Array({ maxLength: 40 }),
      }),
      fc.record({
        at: fc.nat(GOOD.length),
        cut: fc.nat(4),
        put: fc
          .constantFrom('\r\n', `--${BOUNDARY}`, '--', '"', "filename*=utf-8''%", '\0', ';', '\\"')
          .map((text) => new Uint8Array(Buffer.from(text))),
      }),
    );
    const mutations = fc.sample(fc.array(edit, { minLength: 1, maxLength: 4 }), {
      numRuns: 1_000,
      seed: 20260222,
    });
    const seen = new Map<number, number>();
    const workers = Array.from({ length: 8 }, async (_, worker) => {
      for (let index = worker; index < mutations.length; index += 8) {
        let body = GOOD;
        for (const { at, cut, put } of mutations[index] ?? []) {
          body = Buffer.concat([body.subarray(0, at), put, body.subarray(at + cut)]);
        }
        const { status, body: answered } = await bench.post(body);
        assert.ok(ALLOWED.includes(status), `${status}: ${JSON.stringify(answered)}`);
        if (status !== 200) assert.equal(typeof answered['code'], 'string');
        seen.set(status, (seen.get(status) ?? 0) + 1);
      }
    });
    await Promise.all(workers);
    assert.ok((seen.get(200) ?? 0) > 20 && (seen.get(400) ?? 0) > 100, JSON.stringify([...seen]));
    await idle();
    assert.equal(bench.onDisk().length, bench.states().length);
  });

  for (const [what, body, statuses] of [
    ['no final boundary', GOOD.subarray(0, -8), [400]],
    ['nothing at all', Buffer.alloc(0), [400]],
    ['a boundary and no more', Buffer.from(`--${BOUNDARY}--\r\n`), [422]],
    [
      'a thousand fields',
      multipart(Array.from({ length: 1_000 }, (_, n) => ({ name: `f${n}`, content: 'x' }))),
      [422],
    ],
    [
      'more than 200 files',
      multipart(
        Array.from({ length: 201 }, (_, n) => ({ name: 'files', filename: `f${n}`, content: 'x' })),
      ),
      [422],
    ],
    [
      'a path of 9 KB',
      multipart([
        { name: 'path', content: 'a'.repeat(9_000) },
        { name: 'file', filename: 'a', content: 'x' },
      ]),
      [400],
    ],
    ['a field name of 200 letters', multipart([{ name: 'n'.repeat(200), content: 'x' }]), [400]],
    [
      'a numeric and a prototype field name',
      multipart([
        { name: '4294967295', content: 'x' },
        { name: '__proto__', content: 'x' },
        { name: 'path', content: 'alice' },
        { name: 'file', filename: '__proto__', content: 'x' },
      ]),
      [200],
    ],
    [
      'a name in Latin-1',
      Buffer.from(
        multipart([
          { name: 'path', content: 'alice' },
          { name: 'file', filename: 'gr\u00f6\u00dfe', content: 'x' },
        ]).toString(),
        'latin1',
      ),
      [400],
    ],
    [
      'a part header of 20 KB',
      Buffer.from(`--${BOUNDARY}\r\nX-Long: ${'x'.repeat(20_000)}\r\n\r\n\r\n--${BOUNDARY}--\r\n`),
      [400],
    ],
    [
      'a file that is too large in the middle of several',
      multipart([
        { name: 'path', content: 'alice' },
        { name: 'files', filename: 'a', content: 'x' },
        { name: 'files', filename: 'b', content: Buffer.alloc(100_001) },
        { name: 'files', filename: 'c', content: 'x' },
      ]),
      [413],
    ],
  ] as const) {
    it(`with ${what} are answered ${statuses.join(' or ')}`, async () => {
      const { status, body: answered } = await bench.post(Buffer.from(body));
      assert.ok((statuses as readonly number[]).includes(status), JSON.stringify(answered));
      await idle();
      assert.equal(bench.onDisk().length, bench.states().length);
    });
  }

  it('with 200 small files are taken whole, with few files open at a time', async () => {
    const files = Array.from({ length: 200 }, (_, n) => ({
      name: 'files',
      filename: `f${n}`,
      content: `content ${n}`,
    }));
    const { status, body } = await bench.post(
      multipart([{ name: 'path', content: 'alice' }, ...files]),
    );
    assert.equal(status, 200);
    assert.equal(body['uploaded'], 200);
    const names = (body['files'] as { filename: string }[]).map(({ filename }) => filename);
    assert.deepEqual(
      names,
      files.map(({ filename }) => filename),
    );
  });

  it('are refused while most of the body is still unsent', async () => {
    const head = multipart([{ name: 'path', content: 'bob' }]).subarray(
      0,
      -`--${BOUNDARY}--\r\n`.length,
    );
    const socket = connect(bench.port, '127.0.0.1');
    await once(socket, 'connect');
    socket.write(
      'POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 50000\r\n' +
        `Content-Type: multipart/form-data; boundary=${BOUNDARY}\r\n\r\n`,
    );
    socket.write(head);
    socket.write(`--${BOUNDARY}\r\n`);
    const [answered] = (await once(socket, 'data')) as [Buffer];
    assert.match(answered.toString(), /^HTTP\/1\.1 403/);
    socket.destroy();
  });

  it('of unknown length are taken too', async () => {
    const socket = connect(bench.port, '127.0.0.1');
    await once(socket, 'connect');
    socket.write(
      'POST /upload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n' +
        `Content-Type: multipart/form-data; boundary=${BOUNDARY}\r\n\r\n`,
    );
    socket.write(`${GOOD.length.toString(16)}\r\n`);
    socket.write(GOOD);
    socket.write('\r\n0\r\n\r\n');
    const [answered] = (await once(socket, 'data')) as [Buffer];
    assert.match(answered.toString(), /^HTTP\/1\.1 200/);
    socket.destroy();
  });
});
