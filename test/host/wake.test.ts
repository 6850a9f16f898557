import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { SystemClock } from '../../nodes/lib/time/system-clock.ts';
import { PracticeNas } from '../practice/nas/practice-nas.ts';

const WAKE = resolve('dist', 'deploy', 'wake.js');

interface Ended {
  readonly code: number | null;
  readonly output: string;
}

describe('npm run wake', function () {
  this.timeout(20_000);
  let folder: string;
  let nas: PracticeNas;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'balupi-wake-'));
    const clock = new SystemClock((problem) => {
      throw problem;
    });
    nas = new PracticeNas({ clock, storageFolder: join(folder, 'nas') });
    await nas.start();
  });

  afterEach(async () => {
    await nas.stop();
    rmSync(folder, { recursive: true });
  });

  async function run(environment: Record<string, string>): Promise<Ended> {
    const child = spawn(process.execPath, [WAKE], {
      env: {
        PATH: process.env['PATH'],
        BALUPI_NAS_URL: nas.url,
        BALUPI_NAS_WAKE_ADDRESS: nas.wakeAddress,
        BALUPI_NAS_BOOT_TIMEOUT_SECONDS: '2',
        BALUPI_DATA_DIR: join(folder, 'data'),
        ...environment,
      },
    });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
    const { promise, resolve: ended } = Promise.withResolvers<Ended>();
    child.once('close', (code) => {
      ended({ code, output });
    });
    return await promise;
  }

  it('wakes a sleeping NAS and says so, without a key or a sign-in', async () => {
    await nas.sleep('suspend');
    const { code, output } = await run({ BALUPI_NAS_MAC_ADDRESS: nas.macAddress });
    assert.match(output, /Sent a magic packet/);
    assert.match(output, /The NAS is awake/);
    assert.equal(code, 0);
    assert.ok(nas.magicPackets.length > 0);
  });

  it('sends nothing to a NAS that answers', async () => {
    const { code, output } = await run({ BALUPI_NAS_MAC_ADDRESS: nas.macAddress });
    assert.match(output, /answers already/);
    assert.equal(code, 0);
    assert.equal(nas.magicPackets.length, 0);
  });

  it('fails and says what is missing where no MAC address is known', async () => {
    await nas.sleep('suspend');
    const { code, output } = await run({});
    assert.match(output, /BALUPI_NAS_MAC_ADDRESS/);
    assert.equal(code, 1);
  });

  it('says in one sentence that there is no network', async () => {
    await nas.sleep('suspend');
    const { code, output } = await run({
      BALUPI_NAS_MAC_ADDRESS: nas.macAddress,
      // A name that cannot exist (RFC 6761) fails as an address without a route does.
      BALUPI_NAS_WAKE_ADDRESS: 'nowhere.invalid:9',
    });
    assert.equal(output.trim().split('\n').length, 1, output);
    assert.match(output, /^No magic packet could be sent/);
    assert.equal(code, 1);
  });

  it('fails when the NAS does not come', async () => {
    await nas.sleep('suspend');
    const { code, output } = await run({ BALUPI_NAS_MAC_ADDRESS: '02:00:5E:00:53:99' });
    assert.match(output, /did not answer within 2 s/);
    assert.equal(code, 1);
  });
});
