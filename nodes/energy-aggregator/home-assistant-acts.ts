import {
  homeAssistantFarewells,
  homeAssistantSensors,
  homeAssistantStates,
} from '../lib/energy/energy.ts';
import type { Rooms } from '../lib/rooms/rooms.ts';

/** Descriptions of all sensors, and of none for forgotten plugs, a message each, for an `mqtt out` node. */
export function announce({ tapo, energy }: Rooms): unknown {
  const now = new Map(energy.current().devices.map((device) => [device.deviceId, device]));
  const plugs = tapo.list().map(({ id, name, model, firmware }) => {
    const hasVolts = (now.get(id)?.voltageV ?? null) !== null;
    return { id, name, model, firmware, hasVolts };
  });
  const gone = tapo.forgotten().map(({ id }) => id);
  const descriptions = [...homeAssistantSensors(plugs), ...homeAssistantFarewells(gone)];
  return [descriptions];
}

/** What the sensors show now, a message each. */
export function publishStates({ energy }: Rooms): unknown {
  const states = energy.current().devices.map((device) => {
    const { deviceId: id, isStale } = device;
    const metered = energy.costs({ deviceId: id, period: 'year' });
    const isMetered = metered.kind === 'costs' && device.atMs !== null;
    return {
      id,
      powerW: isStale ? null : device.powerW,
      voltageV: isStale ? null : device.voltageV,
      currentA: isStale ? null : device.currentA,
      energyMwh: isMetered ? metered.energyMwh : null,
    };
  });
  return [homeAssistantStates(states)];
}
