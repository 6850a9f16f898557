import { type Static, Type } from '@sinclair/typebox';
import { endpoint, json } from './endpoint.ts';
import { count, instant, nasPath, nullable, rowId, text, words } from './wire.ts';

const KINDS = [
  'nas_awake',
  'nas_asleep',
  'wake_failed',
  'upload_delivered',
  'upload_failed',
  'conflict',
  'plug_lost',
  'sign_in',
  'device_paired',
] as const;

export const ActivityQuery = Type.Object({
  kind: Type.Optional(words(KINDS, { description: 'Only what is of this kind.' })),
  days: Type.Integer({
    minimum: 1,
    maximum: 90,
    default: 90,
    description: 'Of the last so many times 24 hours.',
  }),
  before: Type.Optional(rowId('Only what is older than the entry of this id: next_before.')),
  limit: Type.Integer({
    minimum: 1,
    maximum: 500,
    default: 100,
    description: 'How many entries at most.',
  }),
});
export type ActivityQuery = Static<typeof ActivityQuery>;

export const ActivityEntry = Type.Object(
  {
    id: rowId('Id of the entry.'),
    kind: words(KINDS, {
      description:
        'nas_awake, nas_asleep and plug_lost last, from at to ended_at. upload_*, conflict, sign_in and device_paired are their user’s and the admins’ alone.',
    }),
    at: instant('When it happened, or began.'),
    ended_at: nullable(
      instant('When it was over, or the last file of several came; null while it lasts.'),
    ),
    username: nullable(
      text('Whose it is, or who woke the NAS; null where that is not for you to know.'),
    ),
    cause: nullable(
      words(['user', 'flow', 'read', 'queue', 'door', 'elsewhere']),
      'Of nas_awake and wake_failed: a user or a flow asked for it, somebody read what is not kept, uploads waited (FLUSH_WAKE), an admin at the sign-in page; elsewhere: the NAS by itself or somebody past the Pi. Null where nobody saw it.',
    ),
    sleep_state: nullable(text("Of nas_asleep: the NAS's own word, or unreachable.")),
    energy_wh: nullable(
      Type.Number({
        description: 'Of nas_awake, up to now: what its plug measured; null without.',
      }),
    ),
    cost_cents: nullable(Type.Number({ description: 'What that cost; null without.' })),
    path: nullable(nasPath({ description: 'The file; where files is above 1, their folder.' })),
    conflict_path: nullable(nasPath({ description: 'Where the upload lies beside it.' })),
    what: nullable(
      words(['upload', 'delete', 'rename', 'move', 'mkdir'], { description: 'What was wanted.' }),
    ),
    files: nullable(count('How many went the same way, one after the other.')),
    size_bytes: nullable(count('What they hold, in bytes.')),
    detail: nullable(text('Why it failed or differs, in one English sentence.')),
    device_id: nullable(text('Id of the plug.')),
    device_name: nullable(text('Name of the plug, or of the device that was paired.')),
    address: nullable(text('Of sign_in and device_paired: where it came from.')),
  },
  { title: 'ActivityEntry' },
);
export type ActivityEntry = Static<typeof ActivityEntry>;

export const ActivityAnswer = Type.Object(
  {
    entries: Type.Array(ActivityEntry, { description: 'What you may know, newest first.' }),
    next_before: nullable(rowId('For before, to read on; null where there are no more.')),
  },
  { title: 'Activity' },
);
export type ActivityAnswer = Static<typeof ActivityAnswer>;

export const ACTIVITY_ENDPOINTS = [
  endpoint({
    id: 'activity',
    method: 'GET',
    path: '/api/activity',
    summary:
      'What happened in the house in the last 90 days, newest first: for admins all of it, for others what is everybody’s and their own.',
    tags: ['system'],
    access: 'caller',
    query: ActivityQuery,
    responses: { 200: json(ActivityAnswer, 'The entries.') },
  }),
] as const;
