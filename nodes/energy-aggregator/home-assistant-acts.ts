import {
  homeAssistantFarewells,
  homeAssistantSensors,
  homeAssistantStates,
} from '../lib/energy/energy.ts';
import type { Rooms } from '../lib/rooms/rooms.ts';

/** Descriptions of all sensors, and of none for plugs that are gone, a message each, for an `mqtt out` node. */
export function announce({ tapo, energy }: Rooms): unknown {
  const now = new Map(energy.current().devices.map((device) => [device.deviceId, device]));
  const plugs = tapo.list().map(({ id, name, model, firmware, deviceNumber }) => {
    const hasVolts = (now.get(id)?.voltageV ?? null) !== null;
    const { energyMwh, feedInMwh, storedMwh } = energy.counted(deviceNumber);
    const known = { hasVolts, feedsIn: feedInMwh > 0, isPutRight: storedMwh !== energyMwh };
    return { id, name, model, firmware, ...known };
  });
  const descriptions = [...homeAssistantSensors(plugs), ...homeAssistantFarewells(tapo.goneIds())];
  return [descriptions];
}

/** What the sensors show now, a message each. */
export function publishStates({ energy }: Rooms): unknown {
  const states = energy.current().devices.map((device) => {
    const { deviceId: id, isStale } = device;
    const { energyMwh, feedInMwh, storedMwh } = energy.counted(device.deviceNumber);
    const isRead = device.atMs !== null;
    return {
      id,
      powerW: isStale ? null : device.powerW,
      voltageV: isStale ? null : device.voltageV,
      currentA: isStale ? null : device.currentA,
      energyMwh: isRead ? energyMwh : null,
      feedInMwh: isRead && feedInMwh > 0 ? feedInMwh : null,
      storedMwh: isRead && storedMwh !== energyMwh ? storedMwh : null,
    };
  });
  return [homeAssistantStates(states)];
}
