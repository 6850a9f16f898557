/**
 * Messages that make plugs appear in Home Assistant by its MQTT discovery: a retained description of
 * each sensor under `homeassistant/`, and the value of each sensor on a topic of its own, so that one
 * that is unknown is simply not published.
 * Source: Home Assistant's documentation, "MQTT" (discovery) and "MQTT Sensor".
 */

/** What an `mqtt out` node publishes. */
export interface MqttMessage {
  readonly topic: string;
  /** Empty: takes a retained message back. */
  readonly payload: number | '' | Readonly<Record<string, unknown>>;
  readonly qos: 0 | 1;
  readonly retain: boolean;
}

/** A plug as Home Assistant gets to know it. */
export interface AnnouncedPlug {
  /** The Pi's own id: letters, digits, `-` and `_`. */
  readonly id: string;
  readonly name: string;
  readonly model: string;
  readonly firmware: string;
  readonly hasVolts: boolean;
}

/** What a plug shows now; what is unknown is null and is not published. */
export interface PlugState {
  readonly id: string;
  readonly powerW: number | null;
  readonly voltageV: number | null;
  readonly currentA: number | null;
  /** Metered in this calendar year; begins anew each year. */
  readonly energyMwh: number | null;
}

interface Sensor {
  readonly key: string;
  readonly name: string;
  readonly deviceClass: string;
  readonly stateClass: 'measurement' | 'total_increasing';
  readonly unit: string;
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

/** Home Assistant takes a measurement for gone when no new one came for so long. */
const EXPIRES_S = 120;
/** Set by the broker node's birth and will messages. */
const AVAILABILITY_TOPIC = 'balupi/availability';

/** The descriptions of all sensors of all plugs; retained, so they outlive a restart of either side. */
export function homeAssistantSensors(plugs: readonly AnnouncedPlug[]): MqttMessage[] {
  return plugs.flatMap((plug) => {
    const sensors = [POWER, ENERGY, ...(plug.hasVolts ? [VOLTAGE, CURRENT] : [])];
    return sensors.map((sensor) => description(plug, sensor));
  });
}

/** Takes back the descriptions of plugs that were forgotten: an empty retained message each. */
export function homeAssistantFarewells(ids: readonly string[]): MqttMessage[] {
  return ids.flatMap((id) =>
    [POWER, ENERGY, VOLTAGE, CURRENT].map((sensor): MqttMessage => {
      return { topic: configTopic(id, sensor), payload: '', qos: 1, retain: true };
    }),
  );
}

/** What is known of each plug now. */
export function homeAssistantStates(states: readonly PlugState[]): MqttMessage[] {
  return states.flatMap((state) => {
    const values: readonly (readonly [Sensor, number | null])[] = [
      [POWER, state.powerW],
      [ENERGY, state.energyMwh === null ? null : state.energyMwh / 1_000_000],
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

function configTopic(id: string, { key }: Sensor): string {
  return `homeassistant/sensor/balupi_${id}/${key}/config`;
}

function stateTopic(id: string, { key }: Sensor): string {
  return `balupi/plug/${id}/${key}`;
}
