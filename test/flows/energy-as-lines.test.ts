import assert from 'node:assert/strict';
import { SystemClock } from '../../nodes/lib/time/system-clock.ts';
import { BootedBaluPi } from '../fakes/boot-balupi.ts';
import { HttpSink } from '../fakes/http-sink.ts';
import { steady } from '../practice/plug/load-curve.ts';
import { PracticePlug } from '../practice/plug/practice-plug.ts';
import { importExample } from './imported-example.ts';

const OWNER = { username: 'plug.owner@example.org', password: 'Correct-Horse 9' };

describe('The example that writes energy into a database of time series', function () {
  this.timeout(120_000);
  const database = new HttpSink(204);
  let balupi: BootedBaluPi;
  let plug: PracticePlug;

  before(async () => {
    const url = await database.start();
    const clock = new SystemClock((problem) => {
      throw problem;
    });
    plug = new PracticePlug({ clock, load: steady(42.5), ...OWNER, nickname: 'Big fridge, left' });
    await plug.start();
    balupi = await BootedBaluPi.start({
      environment: {
        BALUPI_TAPO_USERNAME: OWNER.username,
        BALUPI_TAPO_PASSWORD: OWNER.password,
        BALUPI_TAPO_DISCOVERY_ADDRESS: `127.0.0.1:${plug.udpPort}`,
        BALUPI_ENERGY_SAMPLE_INTERVAL_SECONDS: '1',
      },
      prepare: ({ flows }) => {
        importExample(flows, '18 - Energy into InfluxDB or VictoriaMetrics', (node) => {
          if (node.type === 'http request') return { ...node, url: `${url}/write?precision=s` };
          return node.type === 'inject' ? { ...node, repeat: '1' } : node;
        });
      },
    });
    const added = await fetch(`${balupi.url}/api/tapo/devices`, {
      method: 'POST',
      headers: {
        Authorization: `Bearer ${await balupi.signIn('admin')}`,
        'Content-Type': 'application/json',
      },
      body: JSON.stringify({ ip_address: plug.address }),
    });
    assert.equal(added.status, 201, await added.text());
  });

  after(async () => {
    await balupi.stop();
    await plug.stop();
    await database.stop();
  });

  it('sends a line for each plug, with what would end a tag escaped', async () => {
    const { method, path, body } = await database.took((taken) => taken.body !== '');
    assert.deepEqual([method, path], ['POST', '/write?precision=s']);
    const [line = ''] = body.split('\n');
    assert.match(
      line,
      /^plug,device=[^ ,]+,name=Big\\ fridge\\,\\ left power_w=42\.5(,energy_today_wh=[\d.]+)? \d{10}$/,
    );
  });
});
