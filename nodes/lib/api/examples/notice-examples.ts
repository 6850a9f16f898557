import type { Examples } from './example.ts';

const ID = 'jXz0yq1R6bYw2m4C8tK5dA';

export const NOTICE_EXAMPLES: Examples = {
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
