import { ENERGY_EXAMPLES } from './energy-examples.ts';
import type { Examples } from './example.ts';
import { FILE_EXAMPLES } from './file-examples.ts';
import { SYSTEM_EXAMPLES } from './system-examples.ts';

const ALICE = {
  id: 2,
  username: 'alice',
  email: null,
  role: 'user',
  is_active: true,
  smb_enabled: false,
  created_at: '2026-02-22T00:30:18',
  updated_at: null,
};
const TOKENS = {
  access_token: 'an access token',
  refresh_token: 'a refresh token',
  token_type: 'bearer',
};

const ACCOUNT_EXAMPLES: Examples = {
  'auth-login': {
    body: { username: 'alice', password: 'a password' },
    answer: { ...TOKENS, user: ALICE },
  },
  'auth-verify-2fa': {
    body: { pending_token: 'of the first step', code: '123456' },
    answer: { ...TOKENS, user: ALICE },
  },
  'auth-refresh': {
    body: { refresh_token: 'a refresh token' },
    answer: { access_token: 'another access token', token_type: 'bearer' },
  },
  'auth-logout': { answer: { message: 'Logged out' } },
  'auth-me': { answer: ALICE },
  'mobile-register': {
    body: { token: 'of the QR code', device_info: { device_name: 'Phone', platform: 'android' } },
    answer: { ...TOKENS, user: ALICE, device: { device_name: 'Phone' } },
  },
  'desktop-pairing-code': {
    body: { device_id: 'desk-1', device_name: 'Desk', platform: 'linux' },
    answer: {
      device_code: 'a device code',
      user_code: '482913',
      verification_url: 'nas.lan/devices',
      expires_in: 600,
      interval: 5,
    },
  },
  'desktop-pairing-poll': {
    body: { device_code: 'a device code' },
    answer: { status: 'authorization_pending' },
  },
  people: {
    answer: {
      users: [
        {
          username: 'alice',
          role: 'user',
          may_wake: true,
          answered_at: '2026-02-22T14:30:00Z',
          credentials: [
            {
              username: 'alice',
              kind: 'device',
              state: 'ok',
              last_used: '2026-02-22T14:01:10Z',
              expires_at: '2026-08-21T00:30:29Z',
              created_at: '2026-02-22T00:30:29Z',
              detail: null,
            },
          ],
          sign_ins: [
            {
              id: 'page-3f0c7a4be19d2865',
              kind: 'page',
              name: null,
              since: '2026-02-20T18:12:00Z',
              ends_at: '2026-03-22T18:12:00Z',
            },
          ],
        },
      ],
    },
  },
  'people-sign-in-end': { answer: { message: 'Ended' } },
  'auth-desktops': {
    answer: {
      desktops: [
        {
          device_id: 'desk-1',
          device_name: 'Desk',
          username: 'alice',
          paired_at: '2026-02-22T14:30:00Z',
          valid_until: '2026-03-24T14:30:00Z',
        },
      ],
    },
  },
  'auth-desktops-end': { answer: { message: 'Ended' } },
};

const ID = 'jXz0yq1R6bYw2m4C8tK5dA';

const NOTICE_EXAMPLES: Examples = {
  notices: {
    answer: {
      public_key:
        'BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8',
      kinds: [
        { kind: 'wake_failed', is_wanted: true },
        { kind: 'conflict', is_wanted: true },
        { kind: 'upload_failed', is_wanted: true },
        { kind: 'plug_lost', is_wanted: false },
        { kind: 'unusual', is_wanted: true },
        { kind: 'flow', is_wanted: true },
      ],
      quiet_from: '22:00',
      quiet_to: '07:00',
      devices: [
        {
          id: ID,
          name: 'Chrome, Android',
          language: 'de',
          created_at: '2026-02-22T14:30:00Z',
          sent_at: '2026-02-23T06:12:09Z',
          problem: null,
        },
      ],
    },
  },
  'notices-choose': {
    body: { wanted: ['wake_failed', 'conflict'], quiet_from: null, quiet_to: null },
    answer: { message: 'Chosen' },
  },
  'notices-device-add': {
    body: {
      name: 'Chrome, Android',
      endpoint: 'as the subscription of the browser tells it',
      p256dh:
        'BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4',
      auth: 'BTBZMqHH6r4Tts7J_aSIgg',
    },
    answer: { id: ID },
  },
  'notices-device-remove': { answer: { message: 'Removed' } },
  'notices-test': { body: { device_id: ID }, answer: { message: 'Sent' } },
};

const PLUG_ID = '8eecfdd1-33e3-46ae-bc43-e2f761966aa6';
const PLUG = {
  id: PLUG_ID,
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

const PLUG_EXAMPLES: Examples = {
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
  'tapo-devices-merge': { body: { into: PLUG_ID }, answer: PLUG },
  'tapo-devices-toggle': {
    body: { force: false },
    answer: { success: true, device_id: PLUG_ID, new_state: 'off' },
  },
};

/** One call of each endpoint, by its id; published, and held against the descriptions by a test. */
export const EXAMPLES: Examples = {
  ...SYSTEM_EXAMPLES,
  ...ACCOUNT_EXAMPLES,
  ...FILE_EXAMPLES,
  ...ENERGY_EXAMPLES,
  ...PLUG_EXAMPLES,
  ...NOTICE_EXAMPLES,
};
