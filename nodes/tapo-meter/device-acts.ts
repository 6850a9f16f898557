import type {
  ForgottenPlug,
  NewTapoDeviceBody,
  TapoDevice as WireDevice,
  TapoDeviceChangeBody,
  TapoDiscovery,
  TapoMergeBody,
  TapoToggleAnswer,
  TapoToggleBody,
} from '../lib/api/api.ts';
import { type ApiMessage, callerOf, callOf, withAnswer } from '../lib/guard/call.ts';
import { type Answer, answer, isoSeconds, refuse } from '../lib/http/http.ts';
import type { Rooms } from '../lib/rooms/rooms.ts';
import type { DeviceWish, SwitchedBy, TapoDevice } from '../lib/tapo/tapo.ts';

const BAD_ADDRESS =
  'A plug is added by an IPv4 address of the home network, and not that of the NAS; a port may follow.';

const NO_SUCCESSOR = {
  loc: ['body', 'into'],
  msg: 'into must be the id of another plug that is in the list',
};

const NOT_HANDED_OVER = {
  side_by_side:
    'Both plugs were metered at the same time for more than an hour, so neither succeeds the other.',
  successor_not_read: 'The successor was not read since the other plug was. Try again when it was.',
};

const NOT_ASKED =
  'The plug at this address has not asked for the old protocol, or has spoken a better one.';

export function devices({ tapo }: Rooms, message: ApiMessage): ApiMessage {
  return withAnswer(message, answer(tapo.list(callOf(message).language).map(wire)));
}

export async function discover({ tapo }: Rooms, message: ApiMessage): Promise<ApiMessage> {
  const found = await tapo.discover(callOf(message).language);
  const payload: TapoDiscovery = {
    discovered: found.discovered,
    new_devices: found.newDevices,
    devices: found.devices.map(wire),
  };
  return withAnswer(message, answer(payload));
}

export async function add({ tapo }: Rooms, message: ApiMessage): Promise<ApiMessage> {
  const { body, language } = callOf(message);
  const { ip_address: address, ...rest } = body as NewTapoDeviceBody;
  const outcome = await tapo.add({ address, ...wishOf(rest) }, language);
  switch (outcome.kind) {
    case 'added':
      return withAnswer(message, answer(wire(outcome.device), 201));
    case 'known':
      return withAnswer(message, answer(wire(outcome.device)));
    case 'bad_address':
      return withAnswer(message, refuseAddress());
    case 'full':
      return withAnswer(message, refuse('conflict', { detail: 'BaluPi keeps up to 64 plugs.' }));
  }
}

export function update({ tapo }: Rooms, message: ApiMessage): ApiMessage {
  const { body, params, language } = callOf(message);
  const {
    ip_address: address,
    confirm_old_protocol: confirmed,
    ...rest
  } = body as TapoDeviceChangeBody;
  const wish = {
    ...wishOf(rest),
    ...(address === undefined ? {} : { address }),
    ...(confirmed === undefined ? {} : { confirmOldProtocol: confirmed }),
  };
  const outcome = tapo.update(params['id'] ?? '', wish, language);
  switch (outcome.kind) {
    case 'updated':
      return withAnswer(message, answer(wire(outcome.device)));
    case 'unknown_device':
      return withAnswer(message, refuse('not_found'));
    case 'bad_address':
      return withAnswer(message, refuseAddress());
    case 'old_protocol_not_asked':
      return withAnswer(message, refuse('conflict', { detail: NOT_ASKED }));
  }
}

export function forgotten({ tapo }: Rooms, message: ApiMessage): ApiMessage {
  const payload: ForgottenPlug[] = tapo.forgotten().map((plug) => ({
    id: plug.id,
    name: plug.name,
    mac_address: plug.macAddress,
    model: plug.model,
    device_number: plug.deviceNumber,
    forgotten_at: isoSeconds(plug.forgottenMs),
  }));
  return withAnswer(message, answer(payload));
}

export function remove({ tapo }: Rooms, message: ApiMessage): ApiMessage {
  const known = tapo.remove(callOf(message).params['id'] ?? '');
  return withAnswer(message, known ? answer({ message: 'Forgotten' }) : refuse('not_found'));
}

/** The history first: an old plug that is still there can be merged again, a lost one not. */
export function merge({ tapo, energy }: Rooms, message: ApiMessage): ApiMessage {
  const { body, params, language } = callOf(message);
  const { into } = body as TapoMergeBody;
  const old = [...tapo.list(language), ...tapo.forgotten()].find(({ id }) => id === params['id']);
  const successor = tapo.list(language).find(({ id }) => id === into);
  if (old === undefined) return withAnswer(message, refuse('not_found'));
  if (successor === undefined || successor.id === old.id) {
    return withAnswer(message, refuse('invalid', { errors: [NO_SUCCESSOR] }));
  }
  const by = callerOf(message).user.username;
  const { kind } = energy.handOver(old.deviceNumber, successor.deviceNumber, by);
  if (kind !== 'handed_over') {
    return withAnswer(message, refuse('conflict', { detail: NOT_HANDED_OVER[kind] }));
  }
  tapo.erase(old.id);
  return withAnswer(message, answer(wire(successor)));
}

/** A flow that acts as the Pi itself is nobody in particular. */
export function switcher({ req }: ApiMessage): SwitchedBy {
  const caller = req?.call?.caller ?? null;
  const isPerson = caller !== null && caller.user.id !== 0;
  return isPerson ? { how: 'user', username: caller.user.username } : { how: 'flow' };
}

export async function toggle({ tapo }: Rooms, message: ApiMessage): Promise<ApiMessage> {
  const { body, params, language } = callOf(message);
  const { force } = body as TapoToggleBody;
  const outcome = await tapo.toggle(params['id'] ?? '', { force, language, by: switcher(message) });
  switch (outcome.kind) {
    case 'switched': {
      const new_state = outcome.isOn ? 'on' : 'off';
      const payload: TapoToggleAnswer = { success: true, device_id: outcome.id, new_state };
      return withAnswer(message, answer(payload));
    }
    case 'unknown_device':
      return withAnswer(message, refuse('not_found'));
    case 'guarded':
      return withAnswer(message, refuse('nas_plug_guard'));
    case 'failed':
      return withAnswer(message, refuse('plug_unreachable', { detail: outcome.hint }));
  }
}

function refuseAddress(): Answer {
  const errors = [{ loc: ['body', 'ip_address'], msg: BAD_ADDRESS }];
  return refuse('invalid', { detail: BAD_ADDRESS, errors });
}

/** Leaves out what was not wished for; an absent name changes nothing. */
function wishOf(body: Pick<TapoDeviceChangeBody, 'name' | 'role'>): DeviceWish {
  return {
    ...(body.name === undefined ? {} : { name: body.name }),
    ...(body.role === undefined ? {} : { role: body.role }),
  };
}

function wire(device: TapoDevice): WireDevice {
  return {
    id: device.id,
    name: device.name,
    ip_address: device.ipAddress,
    mac_address: device.macAddress,
    model: device.model,
    role: device.role,
    is_online: device.isOnline,
    is_on: device.isOn,
    firmware: device.firmware,
    last_seen: device.lastSeenMs === null ? null : isoSeconds(device.lastSeenMs),
    state: device.state,
    state_hint: device.stateHint,
    old_protocol: device.oldProtocol,
    device_number: device.deviceNumber,
  };
}
