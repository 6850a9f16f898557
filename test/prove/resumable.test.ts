import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { Household } from './world/household.ts';

const BASE = '/api/files/upload/chunked';

describe('Uploads in chunks through a whole BaluPi', function () {
  this.timeout(60_000);
  let household: Household;

  before(async () => {
    household = await Household.open();
    await household.start();
    await household.signIn();
  });

  after(async () => {
    await household.close();
  });

  async function post(
    path: string,
    body: Buffer | object = {},
  ): Promise<{ status: number; body: Record<string, unknown> }> {
    const isBytes = Buffer.isBuffer(body);
    const answered = await fetch(`${household.pi.url}${BASE}${path}`, {
      method: 'POST',
      headers: {
        Authorization: `Bearer ${household.token}`,
        'Content-Type': isBytes ? 'application/octet-stream' : 'application/json',
      },
      body: isBytes ? new Uint8Array(body) : JSON.stringify(body),
    });
    return {
      status: answered.status,
      body: (await answered.json()) as Record<string, unknown>,
    };
  }

  /** BaluPi's answer to the headers of a chunk, before its body is sent. */
  async function firstWord(path: string, length: number): Promise<string> {
    const socket = connect(household.pi.port, '127.0.0.1');
    socket.write(
      `POST ${BASE}${path} HTTP/1.1\r\nHost: pi\r\nExpect: 100-continue\r\n` +
        `Authorization: Bearer ${household.token}\r\nContent-Length: ${length}\r\n\r\n`,
    );
    const [said] = (await once(socket, 'data')) as [Buffer];
    socket.destroy();
    return said.toString().slice('HTTP/1.1 '.length, 'HTTP/1.1 100'.length);
  }

  it('go on while the NAS sleeps and after the Pi lost its power, and reach the NAS', async () => {
    const bytes = randomBytes(3_000_000);
    await household.nas.sleep('suspend');
    const begun = await post('/init', {
      filename: 'big.bin',
      total_size: bytes.length,
      target_path: 'alice',
    });
    assert.equal(begun.status, 200);
    const id = String(begun.body['upload_id']);
    assert.equal(typeof begun.body['chunk_size'], 'number');
    const first = await post(`/${id}/chunk?chunk_index=0`, bytes.subarray(0, 2_000_000));
    assert.deepEqual(first, { status: 200, body: { received_bytes: 2_000_000 } });

    await household.kill();
    await household.start();

    const again = await post(`/${id}/chunk?chunk_index=0`, bytes.subarray(0, 2_000_000));
    assert.deepEqual([again.status, again.body['detail']], [400, 'Expected chunk 1, got 0']);
    const early = await post(`/${id}/complete`);
    assert.deepEqual([early.status, early.body['code']], [409, 'conflict']);
    const rest = await post(`/${id}/chunk?chunk_index=1`, bytes.subarray(2_000_000));
    assert.equal(rest.body['received_bytes'], bytes.length);
    const done = await post(`/${id}/complete`);
    assert.equal(done.status, 200);
    assert.deepEqual([done.body['path'], done.body['size']], ['alice/big.bin', bytes.length]);
    assert.equal((await post(`/${id}/complete`)).status, 404);

    await household.nas.wake();
    assert.deepEqual(await household.drain(20_000), []);
    assert.deepEqual(readFileSync(join(household.folder, 'nas', 'alice', 'big.bin')), bytes);
  });

  it('are judged by their headers, before a chunk is sent', async () => {
    const begun = await post('/init', { filename: 'a', total_size: 10, target_path: 'alice' });
    const id = String(begun.body['upload_id']);
    assert.equal(await firstWord(`/${id}/chunk?chunk_index=0`, 10), '100');
    assert.equal(await firstWord(`/${id}/chunk?chunk_index=1`, 10), '400');
    assert.equal(await firstWord('/nobodys/chunk?chunk_index=0', 10), '404');
    assert.equal(await firstWord(`/${id}/chunk`, 10), '422');
    assert.equal(await firstWord(`/${id}/chunk?chunk_index=0`, 11), '400');
  });

  it('are refused in BaluHost’s place and way', async () => {
    for (const [input, status] of [
      [{ filename: 'x', total_size: 1, target_path: 'bob' }, 403],
      [{ filename: 'x', total_size: 99_999_999_999_999, target_path: 'alice' }, 413],
      [{ filename: 'x', total_size: -1, target_path: 'alice' }, 422],
      [{ filename: 'x', total_size: 1, target_path: 'alice/../bob' }, 400],
      [{ filename: '..', total_size: 1, target_path: 'alice' }, 400],
      [{ total_size: 1 }, 422],
    ] as const) {
      const refused = await post('/init', input);
      assert.equal(refused.status, status, JSON.stringify([input, refused.body]));
      assert.equal(typeof refused.body['code'], 'string');
    }
  });
});
