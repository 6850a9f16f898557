import assert from 'node:assert/strict';
import { BootedBaluPi } from '../fakes/boot-balupi.ts';
import { HostilePlug } from '../practice/plug/hostile-plug.ts';

const OWNER = { username: 'plug.owner@example.org', password: 'Correct-Horse 9' };
const LONGEST_MS = 20_000;

interface WireDevice {
  readonly id: string;
  readonly state: string;
  readonly state_hint: string;
  readonly old_protocol: string | null;
}

/** The plugs of a running BaluPi, asked as the API's callers do. */
class PlugCaller {
  readonly #balupi: BootedBaluPi;
  readonly #token: string;

  private constructor(balupi: BootedBaluPi, token: string) {
    this.#balupi = balupi;
    this.#token = token;
  }

  static async signIn(balupi: BootedBaluPi, username: string): Promise<PlugCaller> {
    return new PlugCaller(balupi, await balupi.signIn(username));
  }

  async ask(method: string, path: string, body?: object): Promise<Response> {
    return await fetch(`${this.#balupi.url}${path}`, {
      method,
      headers: { Authorization: `Bearer ${this.#token}`, 'Content-Type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  }

  async devices(): Promise<readonly WireDevice[]> {
    return (await (await this.ask('GET', '/api/tapo/devices')).json()) as WireDevice[];
  }
}

/** Asks until it is so; the program runs on the real clock. */
async function until(isSo: () => Promise<boolean>): Promise<void> {
  const endMs = Date.now() + LONGEST_MS;
  while (!(await isSo())) {
    if (Date.now() > endMs) assert.fail('It did not become so within 20 s.');
    await new Promise<void>((resolve) => {
      setTimeout(resolve, 50);
    });
  }
}

describe('A stranger that announces itself as an old plug', function () {
  this.timeout(60_000);
  let balupi: BootedBaluPi;
  let hostile: HostilePlug;

  before(async () => {
    hostile = new HostilePlug();
    await hostile.start();
    balupi = await BootedBaluPi.start({
      environment: {
        BALUPI_TAPO_USERNAME: OWNER.username,
        BALUPI_TAPO_PASSWORD: OWNER.password,
        BALUPI_TAPO_DISCOVERY_ADDRESS: `127.0.0.1:${hostile.udpPort}`,
        BALUPI_ENERGY_SAMPLE_INTERVAL_SECONDS: '1',
      },
    });
  });

  after(async () => {
    await balupi.stop();
    await hostile.stop();
  });

  it('gets neither password nor hash before an admin confirms it, and then does', async () => {
    const admin = await PlugCaller.signIn(balupi, 'admin');
    assert.equal((await admin.ask('POST', '/api/tapo/devices/discover')).status, 200);
    const took = hostile.took.length;
    await until(() => Promise.resolve(hostile.took.length > took + 4));
    const [device] = await admin.devices();
    assert.equal(device?.state, 'unsupported_protocol');
    assert.equal(device?.old_protocol, 'asked');
    assert.match(device?.state_hint ?? '', /password .* goes to whoever answers/);
    assert.deepEqual(hostile.gotOf(OWNER), []);
    const path = `/api/tapo/devices/${device?.id ?? ''}`;
    const user = await PlugCaller.signIn(balupi, 'alice');
    assert.equal((await user.ask('PUT', path, { confirm_old_protocol: true })).status, 403);
    assert.equal((await admin.ask('PUT', path, { confirm_old_protocol: 'yes' })).status, 422);
    assert.equal((await admin.ask('PUT', path, { name: 'Herd' })).status, 200);
    assert.deepEqual(hostile.gotOf(OWNER), []);
    const told = await admin.ask('PUT', path, { confirm_old_protocol: true });
    assert.equal(told.status, 200, await told.text());
    await until(() => Promise.resolve(hostile.gotOf(OWNER).length > 0));
    assert.equal((await admin.ask('PUT', path, { confirm_old_protocol: false })).status, 200);
    const again = await admin.ask('PUT', path, { confirm_old_protocol: true });
    assert.equal(again.status, 409);
  });
});
