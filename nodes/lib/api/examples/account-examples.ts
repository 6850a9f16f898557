import type { Examples } from './example.ts';

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

export const ACCOUNT_EXAMPLES: Examples = {
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
