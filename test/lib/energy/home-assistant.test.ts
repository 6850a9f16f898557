import assert from 'node:assert/strict';
import {
  homeAssistantSensors,
  homeAssistantStates,
} from '../../../nodes/lib/energy/home-assistant.ts';

const PLUG = { id: 'a-1', name: 'NAS', model: '', firmware: '', hasVolts: false };

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

  it('leave out what is unknown, and tell a real 0', () => {
    const unknown = { id: 'a-1', powerW: null, voltageV: null, currentA: null, energyMwh: null };
    assert.deepEqual(homeAssistantStates([unknown]), []);
    const off = homeAssistantStates([{ ...unknown, powerW: 0, energyMwh: 1_234_567 }]);
    assert.deepEqual(
      off.map(({ topic, payload }) => [topic, payload]),
      [
        ['balupi/plug/a-1/power_w', 0],
        ['balupi/plug/a-1/energy_kwh', 1.234567],
      ],
    );
  });
});
