import { type Static, Type } from '@sinclair/typebox';
import { endpoint, json } from './endpoint.ts';
import { flag, instant, MessageAnswer, nullable, oneLine, secret, text, words } from './wire.ts';

const TAGS = ['notices'];

/** As the room has them (`notices/notice-kinds.ts`). */
const NoticeKindWord = words([
  'wake_failed',
  'conflict',
  'upload_failed',
  'plug_lost',
  'unusual',
  'disk',
  'update_ready',
  'flow',
]);

const timeOfDay = (description: string) =>
  nullable(Type.String({ pattern: '^([01]\\d|2[0-3]):[0-5]\\d$' }), description);

const QUIET = {
  quiet_from: timeOfDay(
    'From this time of the day, HH:MM in TIMEZONE, nothing is sent; null: ever.',
  ),
  quiet_to: timeOfDay('Until this time, the next day where it is the earlier one; null: none.'),
};

const DeviceId = Type.String({
  pattern: '^[\\w-]{22}$',
  description: 'Id of the browser: the beginning of the SHA-256 of its endpoint, base64url.',
});

export const NoticeList = Type.Object(
  {
    public_key: text('What a browser subscribes with (`applicationServerKey`), base64url.'),
    kinds: Type.Array(
      Type.Object(
        {
          kind: Type.Union(NoticeKindWord.anyOf, { description: 'What happened.' }),
          is_wanted: flag('Whether the caller wants to be told.'),
        },
        { title: 'NoticeChoice' },
      ),
      { description: 'All that the caller may be told of.' },
    ),
    ...QUIET,
    devices: Type.Array(
      Type.Object(
        {
          id: DeviceId,
          name: text('What the caller calls it.'),
          language: Type.Union([Type.Literal('en'), Type.Literal('de')], {
            description: 'The language of its messages.',
          }),
          created_at: instant('When it was added.'),
          sent_at: nullable(
            instant(),
            'When its last message was handed over; null before one was.',
          ),
          problem: nullable(
            Type.String(),
            'Why the last message was not handed over, in a word; null where it was.',
          ),
        },
        { title: 'NoticeDevice' },
      ),
      { description: 'The browsers of the caller that are told.' },
    ),
  },
  { title: 'NoticeList' },
);
export type NoticeList = Static<typeof NoticeList>;

export const NoticeChoicesBody = Type.Object(
  {
    wanted: Type.Array(NoticeKindWord, {
      maxItems: 32,
      uniqueItems: true,
      description: 'Of what the caller wants to be told; of nothing else any more.',
    }),
    ...QUIET,
  },
  { title: 'NoticeChoicesBody' },
);
export type NoticeChoicesBody = Static<typeof NoticeChoicesBody>;

export const NoticeDeviceBody = Type.Object(
  {
    name: oneLine(60, { description: 'What the caller calls this browser.' }),
    endpoint: secret(2_048, 'The `endpoint` of its PushSubscription.'),
    p256dh: secret(128, 'Its `p256dh` key, base64url.'),
    auth: secret(64, 'Its `auth` key, base64url.'),
  },
  { title: 'NoticeDeviceBody' },
);
export type NoticeDeviceBody = Static<typeof NoticeDeviceBody>;

export const NoticeDeviceAnswer = Type.Object({ id: DeviceId }, { title: 'NoticeDeviceAnswer' });
export type NoticeDeviceAnswer = Static<typeof NoticeDeviceAnswer>;

export const NoticeTestBody = Type.Object(
  { device_id: Type.Optional(DeviceId) },
  { title: 'NoticeTestBody' },
);
export type NoticeTestBody = Static<typeof NoticeTestBody>;

export const NOTICE_ENDPOINTS = [
  endpoint({
    id: 'notices',
    method: 'GET',
    path: '/api/notices',
    summary: 'Of what the caller is told by web push, and on which browsers.',
    tags: TAGS,
    access: 'caller',
    responses: { 200: json(NoticeList, 'The choices and the browsers.') },
  }),
  endpoint({
    id: 'notices-choose',
    method: 'PUT',
    path: '/api/notices',
    summary: 'Choose of what to be told, and when not.',
    tags: TAGS,
    access: 'caller',
    bodySchema: NoticeChoicesBody,
    responses: { 200: json(MessageAnswer, 'Chosen.') },
  }),
  endpoint({
    id: 'notices-device-add',
    method: 'POST',
    path: '/api/notices/devices',
    summary: 'Have messages sent to a browser, by its PushSubscription. Again: it is put right.',
    tags: TAGS,
    access: 'caller',
    bodySchema: NoticeDeviceBody,
    responses: { 200: json(NoticeDeviceAnswer, 'Added.') },
    refusals: ['not_allowed'],
  }),
  endpoint({
    id: 'notices-device-remove',
    method: 'DELETE',
    path: '/api/notices/devices/{id}',
    summary: "Send nothing more to one of the caller's browsers.",
    tags: TAGS,
    access: 'caller',
    params: Type.Object({ id: DeviceId }),
    responses: { 200: json(MessageAnswer, 'Removed.') },
    refusals: ['not_found'],
  }),
  endpoint({
    id: 'notices-test',
    method: 'POST',
    path: '/api/notices/test',
    summary: "Send a test message to the caller's browsers, or to one of them.",
    tags: TAGS,
    access: 'caller',
    bodySchema: NoticeTestBody,
    responses: { 200: json(MessageAnswer, 'Handed to the push service.') },
    refusals: ['not_found', 'too_many_tries', 'push_failed'],
  }),
] as const;
