import type { ApiMessage } from '../lib/guard/call.ts';
import { type Given, textIn } from '../lib/operations/operations.ts';
import type { Rooms } from '../lib/rooms/rooms.ts';
import type { PlugReading, PlugSample, TapoDevice } from '../lib/tapo/tapo.ts';
import { switcher } from './device-acts.ts';

type PlugMessage = ApiMessage & { code?: string };

/**
 * Switches a plug.
 * @param to null: to the other side
 * @param given `device`, by id or name; `force` cuts the plug of a NAS that is not off
 * @throws Error in words for a Catch node, with the code in the message
 */
export async function switchTo(
  to: 'on' | 'off' | null,
  { tapo }: Rooms,
  message: PlugMessage,
  given: Given,
): Promise<ApiMessage> {
  const plug = chosen(tapo.list(), message, given);
  const by = switcher(message);
  const outcome = await tapo.toggle(plug.id, {
    ...(to === null ? {} : { to }),
    force: given['force'] === true,
    by,
  });
  switch (outcome.kind) {
    case 'switched':
      message.payload = { device_id: outcome.id, name: plug.name, is_on: outcome.isOn };
      return message;
    case 'unknown_device':
      throw refused(message, 'not_found', `The plug ${plug.name} is no longer there.`);
    case 'guarded':
      throw refused(
        message,
        'nas_plug_guard',
        'This plug feeds the NAS, which is not off. It was left on.',
      );
    case 'failed':
      throw refused(message, 'plug_unreachable', outcome.hint);
  }
}

/**
 * Reads a plug, now.
 * @param given `device`, by id or name
 * @throws Error as {@link switchTo} does
 */
export async function readNow(
  { tapo }: Rooms,
  message: PlugMessage,
  given: Given,
): Promise<ApiMessage> {
  const plug = chosen(tapo.list(), message, given);
  const outcome = await tapo.read(plug.id);
  if (outcome === null) {
    throw refused(message, 'not_found', `The plug ${plug.name} is no longer there.`);
  }
  if (outcome.kind !== 'reading') throw refused(message, 'plug_unreachable', outcome.detail);
  message.payload = readingOf(plug, outcome.reading);
  return message;
}

/**
 * A reading for a flow; null for one that did not come, or of another plug than the chosen.
 * @param given `device`, by id or name; without it every plug is chosen
 */
export function toldReading(
  { tapo }: Rooms,
  { id, outcome }: PlugSample,
  given: Given,
): object | null {
  if (outcome.kind !== 'reading') return null;
  const plugs = tapo.list();
  const plug = plugs.find((one) => one.id === id);
  const device = textIn(given, 'device');
  const isOther = device !== '' && plugCalled(plugs, device) !== plug;
  return plug === undefined || isOther ? null : readingOf(plug, outcome.reading);
}

function readingOf({ id, name }: Pick<TapoDevice, 'id' | 'name'>, reading: PlugReading): object {
  const { powerMw, voltageMv, currentMa, todayEnergyWh, monthEnergyWh, isOn } = reading;
  return {
    ...{ device_id: id, name, is_on: isOn, power_w: thousandth(powerMw) },
    ...{ voltage_v: thousandth(voltageMv), current_a: thousandth(currentMa) },
    ...{ energy_today_wh: todayEnergyWh, energy_month_wh: monthEnergyWh },
  };
}

/** What a plug does not tell is null, never 0. */
function thousandth(value: number | null): number | null {
  return value === null ? null : value / 1_000;
}

function chosen(plugs: readonly TapoDevice[], message: PlugMessage, given: Given): TapoDevice {
  const wanted = textIn(given, 'device');
  const plug = plugCalled(plugs, wanted);
  if (plug !== undefined) return plug;
  throw refused(
    message,
    'not_found',
    wanted === '' ? 'Choose a plug, or name it in msg.device.' : `There is no plug ${wanted}.`,
  );
}

/** By id first: somebody may call a plug like another one's id. */
function plugCalled(plugs: readonly TapoDevice[], wanted: string): TapoDevice | undefined {
  return plugs.find(({ id }) => id === wanted) ?? plugs.find(({ name }) => name === wanted);
}

function refused(message: PlugMessage, code: string, words: string): Error {
  message.code = code;
  return new Error(words);
}
