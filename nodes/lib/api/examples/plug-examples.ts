import type { Examples } from './example.ts';

const ID = '8eecfdd1-33e3-46ae-bc43-e2f761966aa6';
const PLUG = {
  id: ID,
  name: 'Fridge',
  ip_address: '192.168.1.42',
  mac_address: '02:50:4C:00:00:02',
  model: 'P110M',
  role: 'monitor',
  is_online: true,
  is_on: true,
  firmware: '1.2.3 Build 240617 Rel.153525',
  last_seen: '2026-02-22T14:30:00Z',
  state: 'ok',
  state_hint: '',
  old_protocol: null,
  device_number: 2,
};

export const PLUG_EXAMPLES: Examples = {
  'tapo-devices-list': { answer: [PLUG] },
  'tapo-devices-forgotten': {
    answer: [
      {
        id: 'f0a1c2d3-5e6f-4a7b-8c9d-0e1f2a3b4c5d',
        name: 'Old fridge',
        mac_address: '02:50:4C:00:00:03',
        model: 'P110',
        device_number: 3,
        forgotten_at: '2026-02-01T09:00:00Z',
      },
    ],
  },
  'tapo-devices-add': {
    body: { ip_address: '192.168.1.42', name: 'Fridge', role: 'monitor' },
    answer: PLUG,
  },
  'tapo-devices-discover': { answer: { discovered: 1, new_devices: 0, devices: [PLUG] } },
  'tapo-devices-change': { body: { name: 'Fridge' }, answer: PLUG },
  'tapo-devices-delete': { answer: { message: 'Forgotten' } },
  'tapo-devices-merge': { body: { into: ID }, answer: PLUG },
  'tapo-devices-toggle': {
    body: { force: false },
    answer: { success: true, device_id: ID, new_state: 'off' },
  },
};
