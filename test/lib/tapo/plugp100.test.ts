import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { Bench, OWNER } from './setup.ts';

/** A Python with plugp100; if the default has none, this names another. */
const PYTHON = process.env['BALUPI_TEST_PYTHON'] ?? 'python3';
const VERSION = '6.0.2';
const run = promisify(execFile);

const READ_AND_SWITCH = `
import asyncio, json, sys
from plugp100.api.protocol.tpap.protocol import TpapProtocol
from plugp100.common.credentials import AuthCredential

async def main(url, username, password):
    plug = TpapProtocol(AuthCredential(username, password), url)
    usage = await plug.send('{"method":"get_energy_usage"}')
    await plug.send('{"method":"set_device_info","params":{"device_on":false}}')
    info = await plug.send('{"method":"get_device_info"}')
    await plug.close()
    print(json.dumps([usage["result"]["current_power"], info["result"]["device_on"]]))

asyncio.run(main(*sys.argv[1:]))
`;

async function isThere(): Promise<boolean> {
  const script = 'import importlib.metadata as m; print(m.version("plugp100"))';
  try {
    return (await run(PYTHON, ['-c', script])).stdout.trim() === VERSION;
  } catch (error) {
    // No such program, or one without the package.
    if (error instanceof Error && 'code' in error) return false;
    throw error;
  }
}

/** A third-party client shows that the practice plug speaks more than our own dialect. */
function witness(this: Mocha.Suite): void {
  this.timeout(30_000);
  let bench: Bench;

  beforeEach(() => {
    bench = new Bench();
  });

  afterEach(async () => {
    await bench.close();
  });

  it('reads and switches it, and our driver reads it after that', async () => {
    const practice = await bench.plug({ protocol: 'tpap' });
    assert.ok(practice.tpap !== null);
    // It cannot send negative numbers, and encodes a short w0 in its own way.
    practice.tpap.choices = { startSeq: 1_000, devSalt: Buffer.alloc(16, 1) };
    const { username, password } = OWNER;
    const url = `http://${practice.address}`;
    const told = await run(PYTHON, ['-c', READ_AND_SWITCH, url, username, password]);
    assert.deepEqual(JSON.parse(told.stdout), [42_500, false]);
    assert.equal(practice.isOn, false);
    const ours = await bench.driver(practice).read();
    assert.ok(ours.kind === 'reading' && ours.reading.isOn === false);
    assert.equal(practice.tpap.logins, 2);
  });
}

const TITLE = `plugp100 ${VERSION} with the practice plug that speaks TPAP`;
// Not reported as skipped, as nobody needs to have it; its absence is mentioned.
if (await isThere()) describe(TITLE, witness);
else console.log(`Not run, as ${PYTHON} has no such package: ${TITLE}.`);
