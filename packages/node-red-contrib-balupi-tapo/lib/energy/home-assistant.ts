/**
 * Messages that make plugs appear in Home Assistant by its MQTT discovery: a retained description of
 * each sensor under `homeassistant/`, and the value of each sensor on a topic of its own, so that one
 * that is unknown is simply not published.
 * Source: Home Assistant's documentation, "MQTT" (discovery) and "MQTT Sensor".
 */

/** What an `mqtt out` node publishes. */
export interface MqttMessage {
  readonly topic: string;
  /** Empty: removes a retained message. */
  readonly payload: number | '' | Readonly<Record<string, unknown>>;
  readonly qos: 0 | 1;
  readonly retain: boolean;
}

/** A plug as Home Assistant is told of it. */
export interface AnnouncedPlug {
  /** The Pi's own id: letters, digits, `-` and `_`. */
  readonly id: string;
  readonly name: string;
  readonly model: string;
  readonly firmware: string;
  readonly hasVolts: boolean;
  /** Something was fed in through it. */
  readonly feedsIn: boolean;
  /** Its stored past differs from what was counted, as somebody corrected it. */
  readonly isPutRight: boolean;
}

/** The current values of a plug; an unknown one is null and not published. */
export interface PlugState {
  readonly id: string;
  readonly powerW: number | null;
  readonly voltageV: number | null;
  readonly currentA: number | null;
  /** Used and fed in since it was first metered; never fall. */
  readonly energyMwh: number | null;
  readonly feedInMwh: number | null;
  /** Used, as it is stored now. */
  readonly storedMwh: number | null;
}

interface Sensor {
  readonly key: string;
  readonly name: string;
  readonly deviceClass: string;
  readonly stateClass: 'measurement' | 'total' | 'total_increasing';
  readonly unit: string;
  /** Shown once somebody asks for it. */
  readonly isHidden?: true;
}

const POWER: Sensor = {
  key: 'power_w',
  name: 'Power',
  deviceClass: 'power',
  stateClass: 'measurement',
  unit: 'W',
};
const ENERGY: Sensor = {
  key: 'energy_kwh',
  name: 'Energy',
  deviceClass: 'energy',
  stateClass: 'total_increasing',
  unit: 'kWh',
};
const FEED_IN: Sensor = {
  key: 'feed_in_kwh',
  name: 'Energy fed in',
  deviceClass: 'energy',
  stateClass: 'total_increasing',
  unit: 'kWh',
};
/** Another device class: the energy dashboard takes a falling counter as restarted. */
const STORED: Sensor = {
  key: 'stored_kwh',
  name: 'Energy with corrections',
  deviceClass: 'energy',
  stateClass: 'total',
  unit: 'kWh',
  isHidden: true,
};
const VOLTAGE: Sensor = {
  key: 'voltage_v',
  name: 'Voltage',
  deviceClass: 'voltage',
  stateClass: 'measurement',
  unit: 'V',
};
const CURRENT: Sensor = {
  key: 'current_a',
  name: 'Current',
  deviceClass: 'current',
  stateClass: 'measurement',
  unit: 'A',
};

/** Home Assistant considers a measurement gone when no new one arrived for this long. */
const EXPIRES_S = 120;
/** Set by the broker node's birth and will messages. */
const AVAILABILITY_TOPIC = 'balupi/availability';

/** The descriptions of all sensors of all plugs; retained, so they outlive a restart of either side. */
export function homeAssistantSensors(plugs: readonly AnnouncedPlug[]): MqttMessage[] {
  return plugs.flatMap((plug) => {
    const sensors = [
      ...[POWER, ENERGY],
      ...(plug.hasVolts ? [VOLTAGE, CURRENT] : []),
      ...(plug.feedsIn ? [FEED_IN] : []),
      ...(plug.isPutRight ? [STORED] : []),
    ];
    return sensors.map((sensor) => description(plug, sensor));
  });
}

/** Removes the descriptions of forgotten plugs, with one empty retained message each. */
export function homeAssistantFarewells(ids: readonly string[]): MqttMessage[] {
  return ids.flatMap((id) =>
    [POWER, ENERGY, VOLTAGE, CURRENT, FEED_IN, STORED].map((sensor): MqttMessage => {
      return { topic: configTopic(id, sensor), payload: '', qos: 1, retain: true };
    }),
  );
}

/** The current state of each plug. */
export function homeAssistantStates(states: readonly PlugState[]): MqttMessage[] {
  return states.flatMap((state) => {
    const values: readonly (readonly [Sensor, number | null])[] = [
      [POWER, state.powerW],
      [ENERGY, kwh(state.energyMwh)],
      [FEED_IN, kwh(state.feedInMwh)],
      [STORED, kwh(state.storedMwh)],
      [VOLTAGE, state.voltageV],
      [CURRENT, state.currentA],
    ];
    return values.flatMap(([sensor, value]) =>
      value === null
        ? []
        : [{ topic: stateTopic(state.id, sensor), payload: value, qos: 0, retain: false }],
    );
  });
}

function description(plug: AnnouncedPlug, sensor: Sensor): MqttMessage {
  const uniqueId = `balupi_${plug.id}_${sensor.key}`;
  const payload = {
    name: sensor.name,
    unique_id: uniqueId,
    object_id: uniqueId,
    state_topic: stateTopic(plug.id, sensor),
    device_class: sensor.deviceClass,
    state_class: sensor.stateClass,
    unit_of_measurement: sensor.unit,
    ...(sensor.isHidden === true ? { enabled_by_default: false } : {}),
    availability_topic: AVAILABILITY_TOPIC,
    // A counted sum stays true while a plug is away; a measurement does not.
    ...(sensor.stateClass === 'measurement' ? { expire_after: EXPIRES_S } : {}),
    device: {
      identifiers: [`balupi_${plug.id}`],
      name: plug.name,
      manufacturer: 'TP-Link',
      ...(plug.model === '' ? {} : { model: plug.model }),
      ...(plug.firmware === '' ? {} : { sw_version: plug.firmware }),
    },
    origin: { name: 'BaluPi' },
  };
  const topic = configTopic(plug.id, sensor);
  return { topic, payload, qos: 1, retain: true };
}

function kwh(mwh: number | null): number | null {
  return mwh === null ? null : mwh / 1_000_000;
}

function configTopic(id: string, { key }: Sensor): string {
  return `homeassistant/sensor/balupi_${id}/${key}/config`;
}

function stateTopic(id: string, { key }: Sensor): string {
  return `balupi/plug/${id}/${key}`;
}
