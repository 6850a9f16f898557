import { type Static, Type } from '@sinclair/typebox';
import {
  count,
  endpoint,
  flag,
  instant,
  json,
  MessageAnswer,
  nullable,
  secret,
  text,
  words,
} from './endpoint.ts';
import { NAS_STATES } from './energy-endpoints.ts';

const TAGS = ['nas'];

export const NasStatus = Type.Object(
  {
    online: flag('Whether it is awake and answers.'),
    version: nullable(text('Version of BaluHost; null before it was told.')),
    url: text('Its address, as the Pi reaches it.'),
    nas_state: words(NAS_STATES, { description: 'From the plug of the NAS; unknown without one.' }),
    sleep_state: Type.String({ description: "The NAS's own word, or unreachable or unknown." }),
    reachable_by: words(['http', 'power', 'none'], {
      description: 'By what it is known: it answers, it draws power, or neither.',
    }),
    power_w: nullable(Type.Number({ description: 'Its power in watts; null without its plug.' })),
    since: nullable(instant()),
    last_seen: nullable(instant()),
    nas_mismatch: Type.Optional(
      Type.Boolean({ description: 'Another machine answers at the address of the NAS.' }),
    ),
    nas_storage_missing: Type.Optional(
      Type.Boolean({
        description: 'The NAS lists nothing at all any more: its disk is not there.',
      }),
    ),
    wake: Type.Object(
      {
        state: words(['idle', 'waking', 'awake', 'failed'], {
          description: 'How the last one went.',
        }),
        started_at: nullable(instant('When it began; null before the first.')),
        attempts: count('How many wakes it took since the NAS was last awake.'),
      },
      { description: 'The last wake.' },
    ),
  },
  { title: 'NasStatus' },
);
export type NasStatus = Static<typeof NasStatus>;

export const WolAnswer = Type.Object(
  {
    success: Type.Boolean(),
    mac_address: text('MAC address that was called; empty where the NAS was woken without one.'),
    wol_sent: Type.Boolean({ description: 'False where the call joined a wake that was running.' }),
    nas_previous_state: text('sleep_state before the wake.'),
    estimated_boot_time_s: Type.Number({
      minimum: 0,
      description: 'Seconds after which the wake counts as failed.',
    }),
  },
  { title: 'WolAnswer' },
);
export type WolAnswer = Static<typeof WolAnswer>;

export const SleepWakeAnswer = Type.Object(
  { success: Type.Boolean(), message: Type.String() },
  { title: 'SleepWakeAnswer' },
);
export type SleepWakeAnswer = Static<typeof SleepWakeAnswer>;

const CREDENTIAL_KINDS = ['api_key', 'device'] as const;

export const Credential = Type.Object(
  {
    username: Type.String(),
    kind: words(CREDENTIAL_KINDS, {
      description: 'api_key: an admin stored it. device: it came with the pairing of a phone.',
    }),
    state: words(['unchecked', 'ok', 'revoked', 'inactive', 'removed', 'unreadable'], {
      description:
        'unchecked: the NAS was not asked yet. revoked: it refuses it. inactive: the user is switched off. removed: the user is gone. unreadable: stored under another SECRET_KEY.',
    }),
    last_used: nullable(instant('When it last acted; null before the first time.')),
    expires_at: nullable(instant('When it ends; null where it does not.')),
    created_at: instant('When it was stored.'),
    detail: nullable(text('What is wrong with it; null where nothing is.')),
  },
  { title: 'Credential' },
);
export type Credential = Static<typeof Credential>;

export const CredentialList = Type.Object(
  { credentials: Type.Array(Credential, { description: 'One of each kind for a user.' }) },
  { title: 'CredentialList' },
);
export type CredentialList = Static<typeof CredentialList>;

export const CredentialBody = Type.Object(
  { api_key: secret(512, 'An API key of the user, made on the NAS.') },
  { title: 'CredentialBody' },
);
export type CredentialBody = Static<typeof CredentialBody>;

export const CredentialDropQuery = Type.Object({
  kind: Type.Optional(words(CREDENTIAL_KINDS, { description: 'One kind; both when left out.' })),
});
export type CredentialDropQuery = Static<typeof CredentialDropQuery>;

const USERNAME = Type.Object({
  username: Type.String({ pattern: '^[A-Za-z0-9_-]{1,64}$', minLength: 1, maxLength: 64 }),
});

export const NAS_ENDPOINTS = [
  endpoint({
    id: 'nas-status',
    method: 'GET',
    path: '/api/nas/status',
    summary: 'How the NAS is, from memory. Never asks it.',
    tags: TAGS,
    access: 'caller',
    wakeScope: true,
    responses: { 200: json(NasStatus, 'Its state.') },
    isForFilesPage: true,
    example: {
      answer: {
        online: false,
        version: '1.38.0',
        url: 'http://nas.lan',
        nas_state: 'standby',
        sleep_state: 'true_suspend',
        reachable_by: 'power',
        power_w: 1.5,
        since: '2026-02-22T14:30:00Z',
        last_seen: '2026-02-22T14:29:55Z',
        wake: { state: 'idle', started_at: null, attempts: 0 },
      },
    },
  }),
  endpoint({
    id: 'nas-wol',
    method: 'POST',
    path: '/api/nas/wol',
    summary: 'Wake the NAS. The outcome shows in the status.',
    tags: TAGS,
    access: 'wake',
    wakeScope: true,
    responses: { 200: json(WolAnswer, 'It is being woken.') },
    refusals: ['no_mac', 'already_awake'],
    isForFilesPage: true,
    example: {
      answer: {
        success: true,
        mac_address: '02:50:4C:00:00:10',
        wol_sent: true,
        nas_previous_state: 'true_suspend',
        estimated_boot_time_s: 90,
      },
    },
  }),
  endpoint({
    id: 'system-sleep-wake',
    method: 'POST',
    path: '/api/system/sleep/wake',
    summary: "Wake the NAS, in BaluHost's shape.",
    tags: TAGS,
    access: 'wake',
    responses: { 200: json(SleepWakeAnswer, 'It is being woken.') },
    refusals: ['no_mac', 'already_awake'],
    example: { answer: { success: true, message: 'The NAS is being woken.' } },
  }),
  endpoint({
    id: 'nas-credentials',
    method: 'GET',
    path: '/api/nas/credentials',
    summary: 'What is stored to act for users later. Never the secrets.',
    tags: TAGS,
    access: 'admin',
    responses: { 200: json(CredentialList, 'The credentials.') },
    isUsers: true,
    example: {
      answer: {
        credentials: [
          {
            username: 'alice',
            kind: 'device',
            state: 'ok',
            last_used: null,
            expires_at: '2026-08-21T00:30:29Z',
            created_at: '2026-02-22T00:30:29Z',
            detail: null,
          },
        ],
      },
    },
  }),
  endpoint({
    id: 'nas-credentials-put',
    method: 'PUT',
    path: '/api/nas/credentials/{username}',
    summary: "Store a user's API key, checked with the NAS where it is awake.",
    tags: TAGS,
    access: 'admin',
    params: USERNAME,
    bodySchema: CredentialBody,
    responses: { 200: json(Credential, 'It is stored.') },
    isUsers: true,
    example: {
      body: { api_key: 'an API key of the NAS' },
      answer: {
        username: 'alice',
        kind: 'api_key',
        state: 'ok',
        last_used: null,
        expires_at: null,
        created_at: '2026-02-22T14:30:00Z',
        detail: null,
      },
    },
  }),
  endpoint({
    id: 'nas-credentials-drop',
    method: 'DELETE',
    path: '/api/nas/credentials/{username}',
    summary: 'Forget what is stored for a user.',
    tags: TAGS,
    access: 'admin',
    params: USERNAME,
    query: CredentialDropQuery,
    responses: { 200: json(MessageAnswer, 'It is forgotten.') },
    refusals: ['not_found'],
    isUsers: true,
    example: { answer: { message: 'Forgotten' } },
  }),
] as const;
