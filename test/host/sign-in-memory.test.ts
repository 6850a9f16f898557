import assert from 'node:assert/strict';
import { request } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { BootedBaluPi } from '../fakes/boot-balupi.ts';

const SIGN_INS = 20;
/** Below the tries a minute that one address has. */
const OF_ONE_ADDRESS = 4;
const MOST_GROWTH_BYTES = 10 * 1024 * 1024;

describe('The memory of a running BaluPi', function () {
  this.timeout(60_000);
  let balupi: BootedBaluPi;

  before(async () => {
    balupi = await BootedBaluPi.start();
    await balupi.signIn('alice');
  });

  after(async () => {
    await balupi.stop();
  });

  /** From an address of its own, as limits count by address. */
  async function signInFrom(localAddress: string): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const body = JSON.stringify({ username: 'alice', password: 'Practice-alice-1' });
    const headers = { 'Content-Type': 'application/json', Connection: 'close' };
    const url = `${balupi.url}/api/auth/login`;
    const asked = request(url, { method: 'POST', localAddress, headers }, (answered) => {
      buffer(answered).then(() => {
        resolve(answered.statusCode ?? 0);
      }, reject);
    });
    asked.on('error', reject).end(body);
    return await promise;
  }

  it('is given back after 20 sign-ins asleep, each of which takes 32 MB', async () => {
    await balupi.nas.sleep('suspend');
    await signInFrom('127.0.3.1');
    const beforeBytes = balupi.residentBytes;
    const statuses: number[] = [];
    for (let count = 0; count < SIGN_INS; count += 1) {
      const address = `127.0.3.${String(2 + Math.floor(count / OF_ONE_ADDRESS))}`;
      statuses.push(await signInFrom(address));
    }
    assert.deepEqual(statuses, Array<number>(SIGN_INS).fill(200));
    const grownMb = Math.round((balupi.residentBytes - beforeBytes) / 1024 ** 2);
    assert.ok(grownMb * 1024 ** 2 <= MOST_GROWTH_BYTES, `${String(grownMb)} MB are kept`);
  });
});
