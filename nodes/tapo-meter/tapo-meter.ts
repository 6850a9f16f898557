import type { Node, NodeAPI, NodeDef } from 'node-red';
import { type Acts, actOf, serving } from '../lib/guard/acts.ts';
import { NodeGuard } from '../lib/guard/guarded.ts';
import { type Rooms, roomsBehind } from '../lib/rooms/rooms.ts';
import type { PlugSample } from '../lib/tapo/tapo.ts';
import { add, devices, discover, forgotten, merge, remove, toggle, update } from './device-acts.ts';
import { type PlugChoice, readNow, switchTo, toldReading } from './plug-acts.ts';

interface TapoConfig extends NodeDef, PlugChoice {
  readonly op: string;
  readonly store: string;
}

/** Starts the reads that are due. What comes of each leaves the node when it is there. */
async function sample({ tapo, schedule }: Rooms): Promise<void> {
  if (schedule.sampling.due()) await tapo.pollAll();
}

const ACTS: Acts<Rooms> = {
  devices: serving(devices, 'tapo-devices-list'),
  discover: serving(discover, 'tapo-devices-discover'),
  add: serving(add, 'tapo-devices-add'),
  update: serving(update, 'tapo-devices-change'),
  forgotten: serving(forgotten, 'tapo-devices-forgotten'),
  remove: serving(remove, 'tapo-devices-delete'),
  merge: serving(merge, 'tapo-devices-merge'),
  toggle: serving(toggle, 'tapo-devices-toggle'),
};

/** Tells each reading, whoever asked for it, from the deploy on. */
function tellReadings(node: Node, guard: NodeGuard, rooms: Rooms, config: TapoConfig): () => void {
  const tell = guard.callback((sample: PlugSample) => {
    const payload = toldReading(rooms, sample, config);
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
      on: (rooms, message) => switchTo('on', rooms, message, config),
      off: (rooms, message) => switchTo('off', rooms, message, config),
      flip: (rooms, message) => switchTo(null, rooms, message, config),
      read: (rooms, message) => readNow(rooms, message, config),
      // It speaks by itself; a message that comes in changes nothing.
      readings: () => undefined,
    };
    guard.onInput((message) => actOf(acts, config.op)(store(), message));
    if (config.op === 'readings') {
      guard.callback(() => {
        stopListening = tellReadings(this, guard, store(), config);
      })();
    }
    this.on('close', () => {
      stopListening?.();
    });
  }
  RED.nodes.registerType('balupi-tapo-meter', TapoMeter);
  offerPlugs(RED);
}
