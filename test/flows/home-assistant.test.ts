import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type FlowNode,
  flowText,
  parseFlowText,
} from '../../packages/node-red-flow-files/lib/flow-storage.ts';
import { SystemClock } from '../../nodes/lib/time/system-clock.ts';
import { BootedBaluPi } from '../fakes/boot-balupi.ts';
import { TinyBroker } from '../fakes/tiny-broker.ts';
import { steady } from '../practice/plug/load-curve.ts';
import { PracticePlug } from '../practice/plug/practice-plug.ts';
import { until } from '../fakes/until.ts';

const EXAMPLE = join('examples', '10 - Plugs in Home Assistant.json');
const OWNER = { username: 'plug.owner@example.org', password: 'Correct-Horse 9' };

interface Sensor {
  readonly name: string;
  readonly unique_id: string;
  readonly state_topic: string;
  readonly device_class: string;
  readonly state_class: string;
  readonly unit_of_measurement: string;
  readonly availability_topic: string;
  readonly expire_after?: number;
  readonly device: { readonly identifiers: readonly string[]; readonly name: string };
}

/** As an import does: config nodes that exist are not added a second time. */
function importExample(flowsFolder: string, brokerPort: number): void {
  const nodes = parseFlowText(readFileSync(EXAMPLE, 'utf8')) as FlowNode[];
  const isConfig = ({ z, type }: FlowNode): boolean => z === undefined && type !== 'tab';
  const sharedFile = join(flowsFolder, 'shared.json');
  const shared = parseFlowText(readFileSync(sharedFile, 'utf8')) as FlowNode[];
  const added = nodes
    .filter((node) => isConfig(node) && !shared.some(({ id }) => id === node.id))
    .map((node) =>
      node.type === 'mqtt-broker'
        ? { ...node, broker: '127.0.0.1', port: String(brokerPort) }
        : node,
    );
  writeFileSync(sharedFile, flowText([...shared, ...added]));
  // Once a second instead of once an hour, to save waiting.
  const tab = nodes
    .filter((node) => !isConfig(node))
    .map((node) => (node.type === 'inject' ? { ...node, repeat: '1' } : node));
  writeFileSync(join(flowsFolder, 'lesson-home.json'), flowText(tab));
}

describe('The example that shows the plugs in Home Assistant', function () {
  this.timeout(60_000);
  const broker = new TinyBroker();
  let balupi: BootedBaluPi;
  let plug: PracticePlug;

  before(async () => {
    const port = await broker.start();
    const clock = new SystemClock((problem) => {
      throw problem;
    });
    plug = new PracticePlug({ clock, load: steady(42.5), ...OWNER, nickname: 'Kühl "schrank"' });
    await plug.start();
    balupi = await BootedBaluPi.start({
      hurry: 5,
      environment: {
        BALUPI_TAPO_USERNAME: OWNER.username,
        BALUPI_TAPO_PASSWORD: OWNER.password,
        BALUPI_TAPO_DISCOVERY_ADDRESS: `127.0.0.1:${plug.udpPort}`,
        BALUPI_ENERGY_SAMPLE_INTERVAL_SECONDS: '1',
      },
      prepare: ({ flows }) => {
        importExample(flows, port);
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
    await broker.stop();
  });

  /** The published messages, once all are there. */
  async function published(isEnough: () => boolean): Promise<void> {
    const topics = (): string => broker.published.map(({ topic }) => topic).join('\n');
    await until(() => `more than:\n${topics()}\n${balupi.output}`, isEnough);
  }

  const sensors = (): Map<string, Sensor> => {
    const configs = broker.published.filter(({ topic }) => topic.startsWith('homeassistant/'));
    return new Map(configs.map(({ topic, payload }) => [topic, JSON.parse(payload) as Sensor]));
  };

  it('describes each sensor of each plug, retained, as Home Assistant wants it', async () => {
    await published(() => sensors().size === 4);
    const told = [...sensors()].map(([topic, sensor]) => {
      assert.match(topic, /^homeassistant\/sensor\/balupi_[\w-]+\/\w+\/config$/);
      assert.equal(sensor.device.name, 'Kühl "schrank"');
      assert.equal(sensor.availability_topic, 'balupi/availability');
      assert.equal('expire_after' in sensor, sensor.state_class === 'measurement');
      return [sensor.device_class, sensor.state_class, sensor.unit_of_measurement];
    });
    assert.deepEqual(told.sort(), [
      ['current', 'measurement', 'A'],
      ['energy', 'total_increasing', 'kWh'],
      ['power', 'measurement', 'W'],
      ['voltage', 'measurement', 'V'],
    ]);
    const configs = broker.published.filter(({ topic }) => topic.startsWith('homeassistant/'));
    assert.ok(configs.every(({ isRetained, qos }) => isRetained && qos === 1));
    const ids = [...sensors().values()];
    assert.equal(new Set(ids.map(({ unique_id }) => unique_id)).size, 4);
    assert.equal(new Set(ids.map(({ device }) => device.identifiers[0])).size, 1);
  });

  it('publishes what the plug shows where the sensors look for it, and that it is there', async () => {
    const valueOf = (deviceClass: string): string | undefined => {
      const sensor = [...sensors().values()].find(
        ({ device_class }) => device_class === deviceClass,
      );
      return broker.published.findLast(({ topic }) => topic === sensor?.state_topic)?.payload;
    };
    await published(() =>
      ['power', 'voltage', 'energy'].every((name) => valueOf(name) !== undefined),
    );
    assert.equal(valueOf('power'), '42.5');
    assert.equal(valueOf('voltage'), '230');
    assert.ok(Number(valueOf('energy')) >= 0);
    const birth = broker.published.find(({ topic }) => topic === 'balupi/availability');
    assert.deepEqual([birth?.payload, birth?.isRetained], ['online', true]);
  });

  it('takes the descriptions of a forgotten plug back', async () => {
    const topics = [...sensors().keys()];
    const headers = { Authorization: `Bearer ${await balupi.signIn('admin')}` };
    const listed = await fetch(`${balupi.url}/api/tapo/devices`, { headers });
    const [device] = (await listed.json()) as { id: string }[];
    const path = `/api/tapo/devices/${device?.id ?? ''}`;
    const gone = await fetch(`${balupi.url}${path}`, { method: 'DELETE', headers });
    assert.equal(gone.status, 200);
    const lastOf = (topic: string) => broker.published.findLast((told) => told.topic === topic);
    await published(() => topics.every((topic) => lastOf(topic)?.payload === ''));
    assert.ok(topics.every((topic) => lastOf(topic)?.isRetained === true));
  });
});
