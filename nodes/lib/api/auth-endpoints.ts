import { type Static, Type } from '@sinclair/typebox';
import {
  count,
  endpoint,
  flag,
  instant,
  json,
  MessageAnswer,
  nullable,
  rowId,
  secret,
  text,
} from './endpoint.ts';

const TAGS = ['auth'];

/** A token is a JWT or an API key; both are far shorter. */
const TOKEN_CHARS = 8192;

export const LoginBody = Type.Object(
  {
    username: Type.String({ minLength: 1, maxLength: 256 }),
    password: secret(1024, 'Their password at the NAS.'),
  },
  { title: 'LoginBody' },
);
export type LoginBody = Static<typeof LoginBody>;

export const VerifyTwoFactorBody = Type.Object(
  {
    pending_token: secret(TOKEN_CHARS, 'As the first step gave it.'),
    code: secret(64, 'The six digits, or one of the codes for emergencies.'),
  },
  { title: 'VerifyTwoFactorBody' },
);
export type VerifyTwoFactorBody = Static<typeof VerifyTwoFactorBody>;

export const RefreshBody = Type.Object(
  { refresh_token: secret(TOKEN_CHARS, 'The last one that was given.') },
  { title: 'RefreshBody' },
);
export type RefreshBody = Static<typeof RefreshBody>;

/** A user as BaluHost 1.38 shows them; its times are passed on as they came. */
export const UserAnswer = Type.Object(
  {
    id: rowId("The NAS's number of the user."),
    username: Type.String(),
    email: Type.Optional(nullable(text('Their address for mail; null where none is known.'))),
    role: text('admin or user.'),
    is_active: flag('False: the NAS lets them in no more.'),
    smb_enabled: Type.Optional(flag("Whether they may use the NAS's shares in the network.")),
    created_at: Type.Optional(text('When the NAS made the account, as it wrote it.')),
    updated_at: Type.Optional(nullable(text('When it changed last, as the NAS wrote it.'))),
  },
  { title: 'User', description: 'A user of the NAS.' },
);
export type UserAnswer = Static<typeof UserAnswer>;

export const TokenAnswer = Type.Object(
  {
    access_token: Type.String(),
    refresh_token: Type.Optional(Type.String()),
    token_type: Type.String(),
    user: Type.Optional(UserAnswer),
  },
  { title: 'TokenAnswer' },
);
export type TokenAnswer = Static<typeof TokenAnswer>;

export const TwoFactorAnswer = Type.Object(
  {
    requires_2fa: Type.Literal(true, { description: 'A code is wanted at /api/auth/verify-2fa.' }),
    pending_token: Type.String(),
    token_type: Type.String(),
  },
  { title: 'TwoFactorAnswer' },
);
export type TwoFactorAnswer = Static<typeof TwoFactorAnswer>;

/** `requires_2fa` tells which of the two it is. */
const LoginAnswer = Type.Union([TokenAnswer, TwoFactorAnswer], {
  title: 'LoginAnswer',
  description: 'A token, or with `requires_2fa` a request for a code.',
});

const ASKS_THE_NAS = ['nas_busy', 'nas_bad_answer', 'nas_asleep', 'nas_never_seen'] as const;

const ALICE: UserAnswer = {
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

export const AUTH_ENDPOINTS = [
  endpoint({
    id: 'auth-login',
    method: 'POST',
    path: '/api/auth/login',
    summary: 'Sign in with a NAS account. Asleep, a known user gets a token for this Pi only.',
    tags: TAGS,
    access: 'open',
    bodySchema: LoginBody,
    isBaluHosts: true,
    responses: { 200: json(LoginAnswer, 'Signed in, or a code is wanted.') },
    passesRefusals: true,
    refusals: ['bad_credentials', 'too_many_tries', 'clock_unsynced', ...ASKS_THE_NAS],
    example: {
      body: { username: 'alice', password: 'a password' },
      answer: { ...TOKENS, user: ALICE },
    },
  }),
  endpoint({
    id: 'auth-verify-2fa',
    method: 'POST',
    path: '/api/auth/verify-2fa',
    summary: 'Second step of a sign-in. Needs the NAS.',
    tags: TAGS,
    access: 'open',
    bodySchema: VerifyTwoFactorBody,
    isBaluHosts: true,
    responses: { 200: json(TokenAnswer, 'Signed in.') },
    passesRefusals: true,
    refusals: ['bad_credentials', 'too_many_tries', ...ASKS_THE_NAS],
    example: {
      body: { pending_token: 'of the first step', code: '123456' },
      answer: { ...TOKENS, user: ALICE },
    },
  }),
  endpoint({
    id: 'auth-refresh',
    method: 'POST',
    path: '/api/auth/refresh',
    summary: 'A new access token for a refresh token. 504 means: keep your tokens, try later.',
    tags: TAGS,
    access: 'open',
    bodySchema: RefreshBody,
    isBaluHosts: true,
    responses: { 200: json(TokenAnswer, 'The new token.') },
    passesRefusals: true,
    refusals: ['bad_token', 'nas_asleep', 'gateway_timeout'],
    example: {
      body: { refresh_token: 'a refresh token' },
      answer: { access_token: 'another access token', token_type: 'bearer' },
    },
  }),
  endpoint({
    id: 'auth-logout',
    method: 'POST',
    path: '/api/auth/logout',
    summary: 'End this sign-in and the refresh tokens of this user.',
    tags: TAGS,
    access: 'caller',
    responses: { 200: json(MessageAnswer, 'Signed out.') },
    example: { answer: { message: 'Logged out' } },
  }),
  endpoint({
    id: 'auth-me',
    method: 'GET',
    path: '/api/auth/me',
    summary: 'Who is signed in, as the NAS last told.',
    tags: TAGS,
    access: 'caller',
    responses: { 200: json(UserAnswer, 'The user.') },
    passesRefusals: true,
    refusals: ['nas_bad_answer', 'nas_asleep'],
    example: { answer: ALICE },
  }),
] as const;

const PAIRING_TAGS = ['pairing'];

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

/** What the app sends; the NAS reads it and reports what is wrong with it. */
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
  tags: PAIRING_TAGS,
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
    example: {
      body: { token: 'of the QR code', device_info: { device_name: 'Phone', platform: 'android' } },
      answer: { ...TOKENS, user: ALICE, device: { device_name: 'Phone' } },
    },
  }),
  endpoint({
    ...SHARED,
    id: 'desktop-pairing-code',
    path: '/api/desktop-pairing/device-code',
    bodySchema: DeviceCodeBody,
    summary: 'Begin to pair a desktop. Needs the NAS.',
    responses: { 200: json(DeviceCodeAnswer, 'The codes.') },
    example: {
      body: { device_id: 'desk-1', device_name: 'Desk', platform: 'linux' },
      answer: {
        device_code: 'a device code',
        user_code: '482913',
        verification_url: 'nas.lan/devices',
        expires_in: 600,
        interval: 5,
      },
    },
  }),
  endpoint({
    ...SHARED,
    id: 'desktop-pairing-poll',
    path: '/api/desktop-pairing/poll',
    bodySchema: PollBody,
    summary: 'Whether the desktop was let in. 404 means that its code ran out.',
    responses: { 200: json(PollAnswer, 'How it stands.') },
    example: {
      body: { device_code: 'a device code' },
      answer: { status: 'authorization_pending' },
    },
  }),
  endpoint({
    id: 'auth-desktops',
    method: 'GET',
    path: '/api/auth/desktops',
    summary: "The caller's desktops that go on with tokens of the Pi; for admins everybody's.",
    tags: PAIRING_TAGS,
    access: 'caller',
    responses: { 200: json(PairedDesktopList, 'The desktops.') },
    example: {
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
  }),
  endpoint({
    id: 'auth-desktops-end',
    method: 'DELETE',
    path: '/api/auth/desktops/{device_id}',
    summary: 'End what a paired desktop may do here. It has to be paired again.',
    tags: PAIRING_TAGS,
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
    example: { answer: { message: 'Ended' } },
  }),
] as const;

const HANDSHAKE_TAGS = ['handshake'];

/** Most a body of the NAS may hold (contract 6). */
const SIGNED_BODY_BYTES = 1024 * 1024;

export const HandshakeStatus = Type.Object(
  {
    nas_state: Type.String({ description: 'online or offline.' }),
    since: nullable(instant()),
    last_snapshot: nullable(instant('When the NAS last said goodbye with a snapshot.')),
    inbox_size_mb: Type.Number({
      minimum: 0,
      description: 'MB (1024²) the NAS does not have yet.',
    }),
    inbox_files: count('How many files the NAS does not have yet.'),
  },
  { title: 'HandshakeStatus' },
);
export type HandshakeStatus = Static<typeof HandshakeStatus>;

export const GoodbyeAnswer = Type.Object(
  {
    acknowledged: Type.Literal(true, { description: 'It was taken in.' }),
    dns_switched: flag("Whether the house's name points at the Pi now."),
  },
  { title: 'GoodbyeAnswer' },
);
export type GoodbyeAnswer = Static<typeof GoodbyeAnswer>;

export const HelloAnswer = Type.Object(
  {
    acknowledged: Type.Literal(true, { description: 'It was taken in.' }),
    inbox_flushed: Type.Boolean({ description: 'Nothing waits for the NAS.' }),
    files_transferred: count('0: they are delivered after this answer.'),
  },
  { title: 'HelloAnswer' },
);
export type HelloAnswer = Static<typeof HelloAnswer>;

const SIGNATURE_HEADERS = Type.Object({
  'X-Balupi-Timestamp': Type.String({ description: 'Unix seconds, at most 60 s off.' }),
  'X-Balupi-Signature': Type.String({
    description: 'Hex HMAC-SHA256 over METHOD:path:timestamp:sha256hex(body). It counts once.',
  }),
});

const SIGNED = {
  method: 'POST',
  tags: HANDSHAKE_TAGS,
  access: 'open',
  body: 'bytes',
  maxBodyBytes: SIGNED_BODY_BYTES,
  headers: SIGNATURE_HEADERS,
  bodySchema: Type.Object({}, { additionalProperties: true }),
  refusals: ['bad_signature', 'handshake_off', 'clock_unsynced', 'too_many_tries'],
} as const;

/** The start of what the NAS reports about itself as it shuts down. */
const SNAPSHOT = {
  version: 1,
  generated_at: '2026-02-22T14:29:58Z',
  baluhost_version: '1.38.0',
  users: { total: 1, list: [{ username: 'alice', role: 'user' }] },
};

export const HANDSHAKE_ENDPOINTS = [
  endpoint({
    ...SIGNED,
    id: 'handshake-goodbye',
    path: '/api/handshake/nas-going-offline',
    summary: 'The NAS goes, and leaves a snapshot of itself. Signed by the NAS.',
    responses: { 200: json(GoodbyeAnswer, 'It counts as asleep.') },
    example: {
      body: SNAPSHOT,
      answer: { acknowledged: true, dns_switched: true },
    },
  }),
  endpoint({
    ...SIGNED,
    id: 'handshake-hello',
    path: '/api/handshake/nas-coming-online',
    summary: 'The NAS comes. Uploads are delivered once it answers. Signed by the NAS.',
    responses: { 200: json(HelloAnswer, 'It is looked for.') },
    example: {
      body: {},
      answer: { acknowledged: true, inbox_flushed: false, files_transferred: 0 },
    },
  }),
  endpoint({
    id: 'handshake-status',
    method: 'GET',
    path: '/api/handshake/status',
    summary: 'Whether the NAS is there, and what waits for it.',
    tags: HANDSHAKE_TAGS,
    access: 'caller',
    responses: { 200: json(HandshakeStatus, 'As known now.') },
    example: {
      answer: {
        nas_state: 'offline',
        since: '2026-02-22T14:30:00Z',
        last_snapshot: '2026-02-22T14:29:58Z',
        inbox_size_mb: 12.5,
        inbox_files: 3,
      },
    },
  }),
  endpoint({
    id: 'handshake-snapshot',
    method: 'GET',
    path: '/api/handshake/snapshot',
    summary: 'What the NAS told of itself when it last went.',
    tags: HANDSHAKE_TAGS,
    access: 'caller',
    responses: {
      200: json(Type.Object({}, { additionalProperties: true }), 'As the NAS sent it.'),
    },
    refusals: ['not_found'],
    example: { answer: SNAPSHOT },
  }),
] as const;
