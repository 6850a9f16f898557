import { type Static, Type } from '@sinclair/typebox';
import { endpoint, json } from './endpoint.ts';
import { flag, MessageAnswer, nullable, rowId, secret, text } from './wire.ts';

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

/** Which of the two it is, `requires_2fa` tells. */
const LoginAnswer = Type.Union([TokenAnswer, TwoFactorAnswer], {
  title: 'LoginAnswer',
  description: 'A token, or with `requires_2fa` the wish for a code.',
});

const ASKS_THE_NAS = ['nas_busy', 'nas_bad_answer', 'nas_asleep', 'nas_never_seen'] as const;

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
  }),
  endpoint({
    id: 'auth-logout',
    method: 'POST',
    path: '/api/auth/logout',
    summary: 'End this sign-in and the refresh tokens of this user.',
    tags: TAGS,
    access: 'caller',
    responses: { 200: json(MessageAnswer, 'Signed out.') },
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
  }),
] as const;
