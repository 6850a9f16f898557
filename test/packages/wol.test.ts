import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { MOST } from '../../deploy/pack.ts';
import {
  type FlowNodeLike,
  ForeignNodeRed,
  NODE_REDS,
  type NodeRedVersion,
  UserFolder,
} from './foreign-node-red.ts';

/** Of its own, as a port of 127.0.0.1 that is let go of for a while may be taken by anybody. */
const NAS_HOST = '127.0.0.77';

/** A machine on loopback: it wakes by the first packet it hears, and answers then. */
class LoopbackNas {
  readonly #card: Socket = createSocket('udp4');
  readonly #service: Server = createServer((socket) => socket.destroy());
  packets = 0;
  cardPort = 0;
  servicePort = 0;

  async open({ wakes }: { readonly wakes: boolean }): Promise<void> {
    this.#card.bind(0, '127.0.0.1');
    await once(this.#card, 'listening');
    this.cardPort = this.#card.address().port;
    this.#service.listen(0, NAS_HOST);
    await once(this.#service, 'listening');
    this.servicePort = (this.#service.address() as { port: number }).port;
    this.#service.close();
    this.#card.on('message', () => {
      this.packets += 1;
      if (wakes && this.packets === 1) this.#service.listen(this.servicePort, NAS_HOST);
    });
  }

  close(): void {
    this.#card.close();
    this.#service.close();
  }
}

describe('node-red-contrib-balupi-wol in a Node-RED of somebody else', function () {
  this.timeout(120_000);
  let folder: UserFolder;
  let nodeRed: ForeignNodeRed;
  let nas: LoopbackNas;

  before(() => {
    folder = new UserFolder('node-red-contrib-balupi-wol');
  });
  beforeEach(() => {
    nas = new LoopbackNas();
  });
  afterEach(() => {
    nas.close();
  });
  after(() => {
    folder.remove();
  });

  it(`takes at most ${MOST.installedMb} MB and ${MOST.seconds} s`, () => {
    assert.ok(folder.taken.megabytes <= MOST.installedMb, `${folder.taken.megabytes} MB`);
    assert.ok(folder.taken.seconds <= MOST.seconds, `${folder.taken.seconds} s`);
  });

  const first = (): readonly FlowNodeLike[] => [...folder.examples().values()][0] ?? [];
  const example = (own: Readonly<Record<string, unknown>>): readonly FlowNodeLike[] =>
    first().map((node) => (node.type === 'balupi-wake' ? { ...node, ...own } : node));

  for (const version of Object.keys(NODE_REDS) as NodeRedVersion[]) {
    describe(`Node-RED ${version}`, () => {
      before(async () => {
        nodeRed = await ForeignNodeRed.start(version, folder);
      });
      afterEach(async () => {
        await nodeRed.forget();
      });
      after(async () => {
        await nodeRed.stop();
        folder.forget();
      });

      it('runs the example as it is imported, with the node of that folder', async () => {
        const sets = (await nodeRed.get('/nodes')) as Readonly<Record<string, unknown>>[];
        const ours = sets.find(({ module }) => module === folder.packageName);
        assert.deepEqual(
          [ours?.['types'], ours?.['enabled'], ours?.['local'], ours?.['err']],
          [['balupi-wake'], true, true, undefined],
        );
        await nodeRed.deploy(first().map(atPort(nodeRed.url)));
        assert.match(await nodeRed.shown('wake-example-awake'), /"was_awake":true/);
        await nodeRed.status('wake-example-wake', 'wake.status.awake');
      });

      it('wakes a machine, goes on once it answers, and sends one burst for two messages', async () => {
        await nas.open({ wakes: true });
        const place = { probe: `${NAS_HOST}:${nas.servicePort}` };
        const nodes = example({ ...place, address: `127.0.0.1:${nas.cardPort}` });
        const twice = { ...nodes.find(({ type }) => type === 'inject'), id: 'another' };
        await nodeRed.deploy([...nodes, twice as FlowNodeLike]);
        // The other message may come when the machine is just up, and is then through at once.
        const woken = await nodeRed.told(({ topic, data }) => {
          const text = topic === 'debug' ? String(data['msg']) : '';
          return text.includes('"packet_sent":true') ? text : undefined;
        });
        assert.match(woken, /"awake":true,"was_awake":false/);
        assert.ok(nas.packets <= 3, `${nas.packets} packets`);
      });

      it('goes on at the other output when the machine does not wake in time', async () => {
        await nas.open({ wakes: false });
        const place = { probe: `${NAS_HOST}:${nas.servicePort}`, timeout: '1' };
        await nodeRed.deploy(example({ ...place, address: `127.0.0.1:${nas.cardPort}` }));
        assert.match(await nodeRed.shown('wake-example-asleep'), /"awake":false/);
        await nodeRed.status('wake-example-wake', 'wake.status.failed');
      });

      it('tells a Catch node by a code what of its settings cannot be used', async () => {
        await nodeRed.deploy(example({ mac: 'the NAS' }));
        assert.match(await nodeRed.shown('wake-example-said'), /"code":"bad_mac"/);
        await nodeRed.status('wake-example-wake', 'wake.status.settings');
      });
    });
  }
});

/** The example asks this Node-RED itself, at the port that Node-RED has when nobody says another. */
function atPort(url: string): (node: FlowNodeLike) => FlowNodeLike {
  const { host } = new URL(url);
  return (node) => (node.type === 'balupi-wake' ? { ...node, probe: host } : node);
}
