import type { Node, NodeAPI, NodeDef } from 'node-red';
import { type Acts, actOf, serving } from '../lib/guard/acts.ts';
import type { ApiMessage } from '../lib/guard/call.ts';
import { NodeGuard } from '../lib/guard/guarded.ts';
import { type Rooms, roomsBehind } from '../lib/rooms/rooms.ts';
import {
  add,
  devices,
  discover,
  forgotten,
  merge,
  remove,
  switcher,
  toggle,
  update,
} from './device-acts.ts';

interface TapoConfig extends NodeDef {
  readonly op: string;
  readonly store: string;
  /** The Pi's id of a plug, to be switched; `msg.device` comes first. */
  readonly device?: string;
  /** Cuts the plug of a NAS that is not off. */
  readonly force?: boolean;
}

type SwitchMessage = ApiMessage & { readonly device?: unknown; code?: string };

/** Starts the reads that are due. What comes of each leaves the node when it is there. */
async function sample({ tapo, schedule }: Rooms): Promise<void> {
  if (schedule.sampling.due()) await tapo.pollAll();
}

/** @throws Error in words for a Catch node, with the code in the message */
async function switchTo(
  to: 'on' | 'off',
  { tapo }: Rooms,
  message: SwitchMessage,
  { device = '', force = false }: TapoConfig,
): Promise<ApiMessage> {
  const wanted = typeof message.device === 'string' ? message.device : device;
  const plug = tapo.list().find(({ id, name }) => id === wanted || name === wanted);
  const by = switcher(message);
  const outcome = await tapo.toggle(plug?.id ?? '', { to, force, by });
  switch (outcome.kind) {
    case 'switched':
      message.payload = { device_id: outcome.id, name: plug?.name, is_on: outcome.isOn };
      return message;
    case 'unknown_device':
      message.code = 'not_found';
      throw new Error(
        wanted === '' ? 'Choose a plug, or name it in msg.device.' : `There is no plug ${wanted}.`,
      );
    case 'guarded':
      message.code = 'nas_plug_guard';
      throw new Error('This plug feeds the NAS, which is not off. It was left on.');
    case 'failed':
      message.code = 'plug_unreachable';
      throw new Error(outcome.hint);
  }
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
      on: (rooms, message) => switchTo('on', rooms, message, config),
      off: (rooms, message) => switchTo('off', rooms, message, config),
    };
    guard.onInput((message) =>
      actOf(acts, config.op)(roomsBehind(RED.nodes.getNode(config.store)), message),
    );
    this.on('close', () => {
      stopListening?.();
    });
  }
  RED.nodes.registerType('balupi-tapo-meter', TapoMeter);
  // For the list in the dialog, which shows names and keeps ids.
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
