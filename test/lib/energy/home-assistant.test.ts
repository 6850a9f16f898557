import assert from 'node:assert/strict';
import {
  homeAssistantSensors,
  homeAssistantStates,
} from '../../../packages/node-red-contrib-balupi-tapo/lib/energy/home-assistant.ts';

const PLUG = {
  ...{ id: 'a-1', name: 'NAS', model: '', firmware: '' },
  ...{ hasVolts: false, feedsIn: false, isPutRight: false },
};
const UNKNOWN = {
  ...{ id: 'a-1', powerW: null, voltageV: null, currentA: null },
  ...{ energyMwh: null, feedInMwh: null, storedMwh: null },
};

describe('Messages for Home Assistant', () => {
  it('announce volts and amperes only of a plug that tells them', () => {
    const topics = (hasVolts: boolean): string[] =>
      homeAssistantSensors([{ ...PLUG, hasVolts }]).map(({ topic }) => topic);
    assert.deepEqual(topics(false), [
      'homeassistant/sensor/balupi_a-1/power_w/config',
      'homeassistant/sensor/balupi_a-1/energy_kwh/config',
    ]);
    assert.equal(topics(true).length, 4);
  });

  it('announce energy fed in, and energy put right, which nobody sees who did not ask for it', () => {
    const sensors = homeAssistantSensors([{ ...PLUG, feedsIn: true, isPutRight: true }]);
    const told = sensors.slice(2).map(({ payload }) => payload);
    assert.partialDeepStrictEqual(told, [
      { unique_id: 'balupi_a-1_feed_in_kwh', state_class: 'total_increasing' },
      { unique_id: 'balupi_a-1_stored_kwh', state_class: 'total', enabled_by_default: false },
    ]);
    const states = homeAssistantStates([{ ...UNKNOWN, feedInMwh: 2_000_000, storedMwh: 5_000 }]);
    assert.deepEqual(
      states.map(({ topic, payload }) => [topic, payload]),
      [
        ['balupi/plug/a-1/feed_in_kwh', 2],
        ['balupi/plug/a-1/stored_kwh', 0.005],
      ],
    );
  });

  it('leave out what is unknown, and tell a real 0', () => {
    assert.deepEqual(homeAssistantStates([UNKNOWN]), []);
    const off = homeAssistantStates([{ ...UNKNOWN, powerW: 0, energyMwh: 1_234_567 }]);
    assert.deepEqual(
      off.map(({ topic, payload }) => [topic, payload]),
      [
        ['balupi/plug/a-1/power_w', 0],
        ['balupi/plug/a-1/energy_kwh', 1.234567],
      ],
    );
  });
});
