import assert from 'node:assert/strict';
import { BootedBaluPi } from '../fakes/boot-balupi.ts';

const FILES = 6;
const FILE_BYTES = 1_500_000;

describe('A cache that holds more than it may', function () {
  this.timeout(60_000);
  let booted: BootedBaluPi;
  let token: string;

  before(async () => {
    booted = await BootedBaluPi.start({ environment: { BALUPI_CACHE_MAX_SIZE_GB: '0.02' } });
    for (let number = 0; number < FILES; number += 1) {
      await booted.nas.putFile(`alice/${number}.bin`, Buffer.alloc(FILE_BYTES, number), 'alice');
    }
    token = await booted.signIn('alice');
  });

  after(async () => {
    await booted.stop();
  });

  async function call(path: string): Promise<Response> {
    return await fetch(`${booted.url}/api${path}`, {
      headers: { Authorization: `Bearer ${token}` },
    });
  }

  async function keptMegabytes(): Promise<number> {
    const told = (await (await call('/cache/stats')).json()) as { total_size_mb: number };
    return told.total_size_mb;
  }

  it('gives up the rest by itself, though nothing is fetched', async () => {
    for (let number = 0; number < FILES; number += 1) {
      const read = await call(`/files/download/alice/${number}.bin`);
      assert.equal((await read.arrayBuffer()).byteLength, FILE_BYTES);
    }
    assert.ok((await keptMegabytes()) > 8);
    await booted.restart({ BALUPI_CACHE_MAX_SIZE_GB: '0.005' });
    const limitMs = performance.now() + 20_000;
    while ((await keptMegabytes()) > 4.25) {
      assert.ok(performance.now() < limitMs, `${await keptMegabytes()} MB are kept`);
      await new Promise((next) => {
        setTimeout(next, 100);
      });
    }
  });
});
