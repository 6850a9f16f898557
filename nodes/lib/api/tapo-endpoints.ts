import { type Static, Type } from '@sinclair/typebox';
import {
  count,
  endpoint,
  flag,
  instant,
  json,
  MessageAnswer,
  nullable,
  oneLine,
  text,
  words,
} from './endpoint.ts';

const TAGS = ['tapo'];
const PATH = '/api/tapo/devices';
const PARAMS = Type.Object({
  id: Type.String({ minLength: 1, maxLength: 128, description: 'Id of the plug.' }),
});

export const PLUG_ROLES = ['nas', 'monitor', 'generic'] as const;
export const PLUG_STATES = [
  'ok',
  'unreachable',
  'wrong_password',
  'locked',
  'third_party_off',
  'unsupported_protocol',
  'session_taken',
] as const;

export const TapoDevice = Type.Object(
  {
    id: text('Id of the plug; it never changes.'),
    name: text('Name of the plug.'),
    ip_address: text('Its address in the network, where it was last found.'),
    mac_address: nullable(Type.String()),
    model: nullable(Type.String()),
    role: words(PLUG_ROLES),
    is_online: Type.Boolean(),
    is_on: nullable(flag('Whether it feeds what is plugged in; null while not known.')),
    firmware: nullable(text('Version of its firmware; null before it was read.')),
    last_seen: nullable(instant()),
    state: words(PLUG_STATES, {
      description:
        'ok: it is read. unreachable: it does not answer. wrong_password: it refuses the account. locked: it refuses for a while, after too many tries. third_party_off: its app does not let others read it. unsupported_protocol: it speaks none of ours. session_taken: somebody else holds its only session.',
    }),
    state_hint: nullable(Type.String({ description: 'What to do about the state.' })),
    old_protocol: nullable(
      words(['asked', 'confirmed'], {
        description: 'Of a plug that speaks AES alone: whether an admin confirmed it; else null.',
      }),
    ),
    device_number: count(),
  },
  { title: 'TapoDevice' },
);
export type TapoDevice = Static<typeof TapoDevice>;

export const TapoDiscovery = Type.Object(
  {
    discovered: count('How many plugs answered.'),
    new_devices: count('How many of them were not known.'),
    devices: Type.Array(TapoDevice, { description: 'Those that answered.' }),
  },
  { title: 'TapoDiscovery' },
);
export type TapoDiscovery = Static<typeof TapoDiscovery>;

export const ForgottenPlug = Type.Object(
  {
    id: text('Id of the plug.'),
    name: text('Name of the plug.'),
    mac_address: nullable(Type.String()),
    model: nullable(Type.String()),
    device_number: count(),
    forgotten_at: instant('When it was forgotten.'),
  },
  { title: 'ForgottenPlug' },
);
export type ForgottenPlug = Static<typeof ForgottenPlug>;

/** A host or IPv4 address, `:port` after it if need be. */
const plugAddress = () =>
  Type.String({
    minLength: 1,
    maxLength: 260,
    pattern: '^[A-Za-z0-9](?:[A-Za-z0-9.-]*)(?::[0-9]{1,5})?$',
    description: 'Address of the plug; a port may follow.',
  });

const CHANGEABLE = {
  name: Type.Optional(oneLine(100, { description: 'Name of the plug.' })),
  role: Type.Optional(words(PLUG_ROLES)),
};

export const NewTapoDeviceBody = Type.Object(
  { ip_address: plugAddress(), ...CHANGEABLE },
  { title: 'NewTapoDeviceBody' },
);
export type NewTapoDeviceBody = Static<typeof NewTapoDeviceBody>;

export const TapoDeviceChangeBody = Type.Object(
  {
    ip_address: Type.Optional(plugAddress()),
    ...CHANGEABLE,
    confirm_old_protocol: Type.Optional(
      Type.Boolean({
        description:
          'True: the password of the TP-Link account may go to this plug by the old protocol AES. Ends when the plug moves or another device answers there.',
      }),
    ),
  },
  { title: 'TapoDeviceChangeBody' },
);
export type TapoDeviceChangeBody = Static<typeof TapoDeviceChangeBody>;

export const TapoToggleBody = Type.Object(
  { force: Type.Boolean({ default: false, description: 'Switch the plug of the NAS anyway.' }) },
  { title: 'TapoToggleBody' },
);
export type TapoToggleBody = Static<typeof TapoToggleBody>;

export const TapoMergeBody = Type.Object(
  { into: Type.String({ minLength: 1, maxLength: 128, description: 'Id of the successor.' }) },
  { title: 'TapoMergeBody' },
);
export type TapoMergeBody = Static<typeof TapoMergeBody>;

export const TapoToggleAnswer = Type.Object(
  {
    success: Type.Boolean(),
    device_id: text('Id of the plug.'),
    new_state: words(['on', 'off'], { description: 'How it is now.' }),
  },
  { title: 'TapoToggleAnswer' },
);
export type TapoToggleAnswer = Static<typeof TapoToggleAnswer>;

const PLUG_ID = '8eecfdd1-33e3-46ae-bc43-e2f761966aa6';
const PLUG: TapoDevice = {
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

export const TAPO_ENDPOINTS = [
  endpoint({
    id: 'tapo-devices-list',
    method: 'GET',
    path: PATH,
    summary: 'All plugs, how they are, and what to do where one is not well.',
    tags: TAGS,
    access: 'caller',
    responses: { 200: json(Type.Array(TapoDevice), 'The plugs.') },
    example: { answer: [PLUG] },
  }),
  endpoint({
    id: 'tapo-devices-forgotten',
    method: 'GET',
    path: `${PATH}/forgotten`,
    summary: 'Plugs that were forgotten and whose history is kept.',
    tags: TAGS,
    access: 'caller',
    responses: { 200: json(Type.Array(ForgottenPlug), 'The forgotten plugs.') },
    example: {
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
  }),
  endpoint({
    id: 'tapo-devices-add',
    method: 'POST',
    path: PATH,
    summary: 'Add a plug by its address.',
    tags: TAGS,
    access: 'admin',
    bodySchema: NewTapoDeviceBody,
    responses: {
      200: json(TapoDevice, 'The plug, which was known already.'),
      201: json(TapoDevice, 'The new plug.'),
    },
    refusals: ['conflict', 'plug_unreachable'],
    example: {
      body: { ip_address: '192.168.1.42', name: 'Fridge', role: 'monitor' },
      answer: PLUG,
    },
  }),
  endpoint({
    id: 'tapo-devices-discover',
    method: 'POST',
    path: `${PATH}/discover`,
    summary: 'Search the network for plugs.',
    tags: TAGS,
    access: 'admin',
    responses: { 200: json(TapoDiscovery, 'What was found.') },
    example: { answer: { discovered: 1, new_devices: 0, devices: [PLUG] } },
  }),
  endpoint({
    id: 'tapo-devices-change',
    method: 'PUT',
    path: `${PATH}/{id}`,
    summary:
      'Name a plug, give it a role or another address, or confirm the old protocol for it. One plug feeds the NAS.',
    tags: TAGS,
    access: 'admin',
    params: PARAMS,
    bodySchema: TapoDeviceChangeBody,
    responses: { 200: json(TapoDevice, 'The plug as it is now.') },
    refusals: ['not_found', 'conflict'],
    example: { body: { name: 'Fridge' }, answer: PLUG },
  }),
  endpoint({
    id: 'tapo-devices-delete',
    method: 'DELETE',
    path: `${PATH}/{id}`,
    summary: 'Forget a plug. Its history is kept, and found again by its MAC address.',
    tags: TAGS,
    access: 'admin',
    params: PARAMS,
    responses: { 200: json(MessageAnswer, 'It is forgotten.') },
    refusals: ['not_found'],
    example: { answer: { message: 'Forgotten' } },
  }),
  endpoint({
    id: 'tapo-devices-merge',
    method: 'POST',
    path: `${PATH}/{id}/merge`,
    summary:
      'Hand the history of a plug, also of a forgotten one, to its successor. The old plug is let go.',
    tags: TAGS,
    access: 'admin',
    params: PARAMS,
    bodySchema: TapoMergeBody,
    responses: { 200: json(TapoDevice, 'The successor.') },
    refusals: ['not_found', 'conflict'],
    example: { body: { into: PLUG_ID }, answer: PLUG },
  }),
  endpoint({
    id: 'tapo-devices-toggle',
    method: 'POST',
    path: `${PATH}/{id}/toggle`,
    summary: 'Switch a plug over. The plug of a NAS that is not off needs force.',
    tags: TAGS,
    access: 'admin',
    params: PARAMS,
    bodySchema: TapoToggleBody,
    responses: { 200: json(TapoToggleAnswer, 'It is switched.') },
    refusals: ['not_found', 'nas_plug_guard', 'plug_unreachable'],
    example: {
      body: { force: false },
      answer: { success: true, device_id: PLUG_ID, new_state: 'off' },
    },
  }),
] as const;
