import type { Node, NodeAPI, NodeDef } from 'node-red';
import { type Acts, actOf, actsOf } from '../lib/guard/acts.ts';
import { NodeGuard } from '../lib/guard/guarded.ts';
import { FieldReader, type Given, type StoredNode } from '../lib/operations/operations.ts';
import { type Rooms, roomsBehind } from '../lib/rooms/rooms.ts';
import type { PlugSample } from '../lib/tapo/tapo.ts';
import { add, devices, discover, forgotten, merge, remove, toggle, update } from './device-acts.ts';
import { DECLARATION } from './operations.ts';
import { readNow, switchTo, toldReading } from './plug-acts.ts';

interface TapoConfig extends NodeDef, StoredNode {
  readonly op: string;
  readonly store: string;
}

/** Starts the reads that are due. What comes of each leaves the node when it is there. */
async function sample({ tapo, schedule }: Rooms): Promise<void> {
  if (schedule.sampling.due()) await tapo.pollAll();
}

const ACTS = actsOf<typeof DECLARATION, Rooms>(DECLARATION, {
  on: (rooms, message, given) => switchTo('on', rooms, message, given),
  off: (rooms, message, given) => switchTo('off', rooms, message, given),
  flip: (rooms, message, given) => switchTo(null, rooms, message, given),
  read: readNow,
  // A request that came here would wait for ever.
  readings: () => {
    throw new Error("'readings' takes no message: it sends them by itself.");
  },
  sample,
  devices,
  discover,
  add,
  update,
  forgotten,
  remove,
  merge,
  toggle,
});

/** Tells each reading, whoever asked for it, from the deploy on. */
function tellReadings(node: Node, guard: NodeGuard, rooms: Rooms, given: Given): () => void {
  const tell = guard.callback((sample: PlugSample) => {
    const payload = toldReading(rooms, sample, given);
    if (payload !== null) node.send({ payload });
  });
  return rooms.tapo.onSample(tell);
}

/** For the list in the dialog, which shows names and keeps ids. */
function offerPlugs(RED: NodeAPI): void {
  RED.httpAdmin.get(
    '/balupi/plugs/:store',
    RED.auth.needsPermission('flows.read'),
    (request, response) => {
      const store: unknown = RED.nodes.getNode(request.params['store'] ?? '');
      const plugs = store === null || store === undefined ? [] : roomsBehind(store).tapo.list();
      response.json(plugs.map(({ id, name }) => ({ id, name })));
    },
  );
}

/** Node `balupi-tapo-meter`. */
export default function register(RED: NodeAPI): void {
  function TapoMeter(this: Node, config: TapoConfig): void {
    RED.nodes.createNode(this, config);
    let stopListening: (() => void) | null = null;
    const fields = new FieldReader({
      util: RED.util,
      node: this,
      declaration: DECLARATION,
      config,
    });
    const guard = new NodeGuard(this);
    const store = (): Rooms => roomsBehind(RED.nodes.getNode(config.store));
    const pass = guard.callback((payload: unknown) => {
      this.send({ payload });
    });
    const acts: Acts<Rooms> = {
      ...ACTS,
      sample: (rooms) => {
        stopListening ??= rooms.tapo.onSample(pass);
        return sample(rooms);
      },
    };
    guard.onInput((message) => actOf(acts, config.op, '', fields)(store(), message));
    if (config.op === 'readings') {
      guard.callback(async () => {
        const given = await fields.read({});
        stopListening = tellReadings(this, guard, store(), given);
      })();
    }
    this.on('close', () => {
      stopListening?.();
    });
  }
  RED.nodes.registerType('balupi-tapo-meter', TapoMeter);
  offerPlugs(RED);
}
