import { type Static, Type } from '@sinclair/typebox';
import { endpoint, json } from './endpoint.ts';
import { CHANGE_KINDS } from './upload-endpoints.ts';
import { count, instant, nullable, rowId, words } from './wire.ts';

const TAGS = ['uploads'];
const CONFLICT = Type.Object({
  id: Type.String({ pattern: '^[1-9][0-9]{0,14}$', description: 'Number of the conflict.' }),
});

const RESOLUTIONS = ['renamed', 'local', 'remote', 'done', 'dropped'] as const;

export const Conflict = Type.Object(
  {
    id: rowId('Number of the conflict.'),
    upload_id: Type.String(),
    path: Type.String(),
    conflict_path: Type.String({
      description: 'Where the upload lies; of a rename or a move, where it was to go.',
    }),
    size_bytes: count(),
    sha256: Type.String(),
    found_at: instant('When it was met.'),
    resolution: nullable(words(RESOLUTIONS), 'How it was settled; null while it is open.'),
    kind: Type.Optional(words(CHANGE_KINDS, { description: 'Of a change; else an upload.' })),
    detail: Type.Optional(Type.String({ description: 'What a change met.' })),
  },
  { title: 'Conflict' },
);
export type Conflict = Static<typeof Conflict>;

export const ConflictList = Type.Object(
  { conflicts: Type.Array(Conflict, { description: 'The open ones, newest first.' }) },
  { title: 'ConflictList' },
);
export type ConflictList = Static<typeof ConflictList>;

export const ConflictBody = Type.Object(
  {
    resolution: words(RESOLUTIONS, {
      description:
        'Of an upload: renamed keeps both; local puts the upload in place and the other under the conflict name; remote removes the upload. Of a change: done has it done with what lies there now; dropped does not.',
    }),
  },
  { title: 'ConflictBody' },
);
export type ConflictBody = Static<typeof ConflictBody>;

export const CONFLICT_ENDPOINTS = [
  endpoint({
    id: 'files-conflicts',
    method: 'GET',
    path: '/api/files/conflicts',
    summary: "The caller's open conflicts.",
    tags: TAGS,
    access: 'caller',
    responses: { 200: json(ConflictList, 'The conflicts.') },
  }),
  endpoint({
    id: 'files-conflicts-resolve',
    method: 'POST',
    path: '/api/files/conflicts/{id}',
    summary: 'Settle a conflict. No version is lost, whatever happens.',
    tags: TAGS,
    access: 'caller',
    params: CONFLICT,
    bodySchema: ConflictBody,
    responses: { 200: json(Conflict, 'It is settled.') },
    refusals: [
      'not_found',
      'conflict',
      'disk_failing',
      'nas_asleep',
      'nas_never_seen',
      'not_allowed',
      'nas_busy',
      'nas_bad_answer',
      'refresh_token_now',
      'no_room',
    ],
  }),
] as const;
