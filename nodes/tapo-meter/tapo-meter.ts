import type { Node, NodeAPI, NodeDef } from 'node-red';
import { type Acts, actOf, serving } from '../lib/guard/acts.ts';
import { NodeGuard } from '../lib/guard/guarded.ts';
import { type Rooms, roomsBehind } from '../lib/rooms/rooms.ts';
import { add, devices, discover, forgotten, merge, remove, toggle, update } from './device-acts.ts';

interface TapoConfig extends NodeDef {
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

/** Node `balupi-tapo-meter`. */
export default function register(RED: NodeAPI): void {
  function TapoMeter(this: Node, config: TapoConfig): void {
    RED.nodes.createNode(this, config);
    let stopListening: (() => void) | null = null;
    const guard = new NodeGuard(this);
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
    guard.onInput((message) =>
      actOf(acts, config.op)(roomsBehind(RED.nodes.getNode(config.store)), message),
    );
    this.on('close', () => {
      stopListening?.();
    });
  }
  RED.nodes.registerType('balupi-tapo-meter', TapoMeter);
}
