import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { unregister } from '../../deploy/farewell.ts';
import { readSettings } from '../../settings.ts';
import { BootedBaluPi } from '../fakes/boot-balupi.ts';

describe('A Pi that goes for good', function () {
  this.timeout(60_000);
  const key = randomBytes(32).toString('hex');
  let pi: BootedBaluPi;

  beforeEach(async () => {
    pi = await BootedBaluPi.start({ environment: { BALUPI_SECRET_KEY: key } });
  });

  afterEach(async () => {
    await pi.stop();
  });

  async function devices(): Promise<readonly string[]> {
    const token = pi.nas.accounts.accessToken('alice');
    const answered = await fetch(`${pi.nas.url}/api/mobile/devices`, {
      headers: { Authorization: `Bearer ${token}` },
    });
    const listed = (await answered.json()) as readonly {
      readonly device_name: string;
      readonly is_active: boolean;
    }[];
    return listed.filter((one) => one.is_active).map((one) => one.device_name);
  }

  async function registered(): Promise<void> {
    await pi.signIn('alice');
    await pi.until('a device', async () => (await devices()).length > 0);
    assert.deepEqual(await devices(), ['BaluPi']);
    pi.signal('SIGTERM');
    await pi.exit();
  }

  function settings() {
    const read = readSettings({
      BALUPI_DATA_DIR: pi.dataFolder,
      BALUPI_SECRET_KEY: key,
      BALUPI_NAS_URL: pi.nas.url,
    });
    assert.ok(read.kind === 'settings');
    return read.settings;
  }

  it('takes itself off its users’ devices', async () => {
    await registered();
    assert.deepEqual(await unregister(settings(), '0'), { removed: 1, left: 0 });
    assert.deepEqual(await devices(), []);
    assert.deepEqual(await unregister(settings(), '0'), { removed: 0, left: 0 });
  });

  it('says how many stay where the NAS sleeps, and lives on', async () => {
    await registered();
    await pi.nas.sleep('suspend');
    assert.deepEqual(await unregister(settings(), '0'), { removed: 0, left: 1 });
    await pi.nas.wake();
    await pi.restart();
    assert.deepEqual(await devices(), ['BaluPi']);
  });
});
