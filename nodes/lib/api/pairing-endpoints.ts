import { type Static, Type } from '@sinclair/typebox';
import { endpoint, json } from './endpoint.ts';
import { instant, MessageAnswer, nullable, text } from './wire.ts';

const TAGS = ['pairing'];

/** A token, a code and what a device says of itself. */
const PAIRING_BODY_BYTES = 16 * 1024;

/** As BaluHost 1.38 answers; its times are passed on as they came. */
const MobileRegisterAnswer = Type.Object(
  {
    access_token: Type.String(),
    refresh_token: Type.String(),
    token_type: Type.String(),
    user: Type.Unknown({ description: 'As the NAS wrote it.' }),
    device: Type.Unknown({ description: 'As the NAS wrote it.' }),
  },
  { title: 'MobileRegisterAnswer' },
);

const DeviceCodeAnswer = Type.Object(
  {
    device_code: Type.String(),
    user_code: text('What the user types in on the NAS.'),
    verification_url: Type.String({ description: 'On the NAS itself.' }),
    expires_in: Type.Integer({ description: 'Seconds.' }),
    interval: Type.Integer({ description: 'Seconds between two polls.' }),
  },
  { title: 'DeviceCodeAnswer' },
);

const PollAnswer = Type.Object(
  {
    status: Type.String({
      description: 'authorization_pending, approved, denied or expired.',
    }),
    access_token: Type.Optional(nullable(Type.String())),
    refresh_token: Type.Optional(nullable(Type.String())),
    token_type: Type.Optional(nullable(Type.String())),
    user: Type.Optional(Type.Unknown({ description: 'As the NAS wrote it.' })),
  },
  { title: 'PollAnswer' },
);

/** What the app sends; the NAS reads it, and says what is wrong with it. */
const MORE = { additionalProperties: true };

const MobileRegisterBody = Type.Object(
  {
    token: Type.String({ description: 'Of the QR code: once, and for five minutes.' }),
    device_info: Type.Object({}, { ...MORE, description: 'What the phone says of itself.' }),
    token_validity_days: Type.Optional(Type.Integer({ description: '30 to 180.' })),
  },
  { title: 'MobileRegisterBody', ...MORE },
);

const DeviceCodeBody = Type.Object(
  {
    device_id: text('What the desktop calls itself; the same each time.'),
    device_name: text('Its name for people.'),
    platform: text('Its system, such as linux.'),
  },
  { title: 'DeviceCodeBody', ...MORE },
);

const PollBody = Type.Object({ device_code: Type.String() }, { title: 'PollBody', ...MORE });

export const PairedDesktopList = Type.Object(
  {
    desktops: Type.Array(
      Type.Object({
        device_id: text('What the desktop calls itself.'),
        device_name: text('Its name for people.'),
        username: nullable(text('Name of its user; null where nobody knows it any more.')),
        paired_at: instant('When it was paired.'),
        valid_until: instant('Until then it goes on by itself, if nothing ends it.'),
      }),
      { description: 'The desktops.' },
    ),
  },
  { title: 'PairedDesktopList' },
);
export type PairedDesktopList = Static<typeof PairedDesktopList>;

const SHARED = {
  method: 'POST',
  tags: TAGS,
  access: 'open',
  body: 'bytes',
  maxBodyBytes: PAIRING_BODY_BYTES,
  isBaluHosts: true,
  passesRefusals: true,
  refusals: [
    'bad_credentials',
    'not_found',
    'too_many_tries',
    'nas_busy',
    'nas_bad_answer',
    'nas_asleep',
    'nas_never_seen',
  ],
} as const;

export const PAIRING_ENDPOINTS = [
  endpoint({
    ...SHARED,
    id: 'mobile-register',
    path: '/api/mobile/register',
    bodySchema: MobileRegisterBody,
    summary: 'Pair a phone with the one-time token of its QR code. Needs the NAS.',
    responses: { 200: json(MobileRegisterAnswer, 'Paired.') },
  }),
  endpoint({
    ...SHARED,
    id: 'desktop-pairing-code',
    path: '/api/desktop-pairing/device-code',
    bodySchema: DeviceCodeBody,
    summary: 'Begin to pair a desktop. Needs the NAS.',
    responses: { 200: json(DeviceCodeAnswer, 'The codes.') },
  }),
  endpoint({
    ...SHARED,
    id: 'desktop-pairing-poll',
    path: '/api/desktop-pairing/poll',
    bodySchema: PollBody,
    summary: 'Whether the desktop was let in. 404 means that its code ran out.',
    responses: { 200: json(PollAnswer, 'How it stands.') },
  }),
  endpoint({
    id: 'auth-desktops',
    method: 'GET',
    path: '/api/auth/desktops',
    summary: "The caller's desktops that go on with tokens of the Pi; for admins everybody's.",
    tags: TAGS,
    access: 'caller',
    responses: { 200: json(PairedDesktopList, 'The desktops.') },
  }),
  endpoint({
    id: 'auth-desktops-end',
    method: 'DELETE',
    path: '/api/auth/desktops/{device_id}',
    summary: 'End what a paired desktop may do here. It has to be paired anew.',
    tags: TAGS,
    access: 'caller',
    params: Type.Object({
      device_id: Type.String({
        minLength: 1,
        maxLength: 256,
        description: 'What the desktop calls itself.',
      }),
    }),
    responses: { 200: json(MessageAnswer, 'Ended.') },
    refusals: ['not_found'],
  }),
] as const;
