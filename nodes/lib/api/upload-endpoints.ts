import { type Static, Type } from '@sinclair/typebox';
import {
  count,
  endpoint,
  flag,
  instant,
  json,
  MessageAnswer,
  nasPath,
  nullable,
  rowId,
  text,
  UPLOAD_ID,
  words,
} from './endpoint.ts';

const TAGS = ['uploads'];

/** The states of contract 4. What each means for a row is in `upload/rows/upload-rows.ts`. */
const STATE_WORDS = {
  queued: 'it waits for the NAS',
  sending: 'it is on its way',
  waiting: 'it is tried again later',
  waiting_for_credential: 'its user has to sign in',
  found: 'it was rebuilt after a loss',
  held: 'its user is gone',
  synced: 'the NAS has it',
  conflict: 'it is on the NAS next to another version',
  failed: 'retry or drop it',
} as const;

export type UploadState = keyof typeof STATE_WORDS;

const UPLOAD_STATES = Object.keys(STATE_WORDS) as readonly UploadState[];

const STATES = Object.entries(STATE_WORDS)
  .map(([state, meaning]) => `${state}: ${meaning}.`)
  .join(' ');

export const CHANGE_KINDS = ['delete', 'rename', 'move', 'mkdir'] as const;

export const UploadAnswer = Type.Object(
  {
    message: Type.String(),
    uploaded: count('How many files were accepted.'),
    upload_ids: Type.Array(Type.String(), { description: 'Their ids.' }),
    id: text('Id of the first.'),
    filename: text('Name of the first.'),
    size_bytes: count('Size of the first in bytes.'),
    status: words(UPLOAD_STATES, { description: 'How the first stands.' }),
    files: Type.Array(
      Type.Object({
        id: text('Id of the upload.'),
        filename: Type.String(),
        path: Type.String(),
        size_bytes: count(),
        sha256: Type.String(),
        status: words(UPLOAD_STATES, { description: STATES }),
      }),
      { description: 'One by one, in the order they were sent.' },
    ),
  },
  { title: 'UploadAnswer' },
);
export type UploadAnswer = Static<typeof UploadAnswer>;

const bytes = (description: string) => Type.String({ contentEncoding: 'binary', description });

const TARGET = 'Folder to put it into; of one file also its whole path. Here or in the query.';

/** Parts of the multipart body. Read by the upload module as they stream in, never validated whole. */
const UploadForm = Type.Object(
  {
    file: Type.Optional(bytes('The file.')),
    files: Type.Optional(
      Type.Array(bytes('One of the files.'), { description: 'Several files, a part each.' }),
    ),
    path: Type.Optional(nasPath({ description: TARGET })),
  },
  { title: 'UploadForm' },
);

const UPLOAD_HEADERS = Type.Object({
  'Idempotency-Key': Type.Optional(Type.String({ description: 'Counts 24 h per user.' })),
  'X-Content-SHA256': Type.Optional(Type.String({ description: 'What the content must hash to.' })),
  'X-Base-Checksum': Type.Optional(Type.String({ description: 'The version this one replaces.' })),
});

export const SyncStatusQuery = Type.Object({
  all: Type.Boolean({ default: false, description: "Everybody's; for admins." }),
});
export type SyncStatusQuery = Static<typeof SyncStatusQuery>;

export const SyncStatus = Type.Object(
  {
    is_syncing: flag('Whether something is being delivered now.'),
    pending_uploads: Type.Integer({
      minimum: 0,
      description: 'What the NAS does not have and is to get, `waiting_for_owner` with it.',
    }),
    pending_changes: Type.Integer({
      minimum: 0,
      description: 'Deletes, renames, moves and new folders that the NAS is to carry out.',
    }),
    waiting_for_owner: Type.Integer({
      minimum: 0,
      description: 'Found again after a loss, and changed meanwhile: retry or drop them.',
    }),
    pending_downloads: count("Files of the caller's pins that are not kept yet."),
    conflicts: count('Conflicts that nobody has settled.'),
    nas_online: flag('Whether the NAS is awake and answers.'),
    failed_uploads: count('Uploads and changes that need somebody: retry or drop them.'),
    waiting_for_credential: Type.Array(Type.String(), {
      description: 'Names of users whose uploads wait.',
    }),
    oldest_pending_at: nullable(instant('Since when the oldest waits; null where nothing does.')),
    last_sync: nullable(
      instant('When something was last delivered or carried out; null before the first.'),
    ),
  },
  { title: 'SyncStatus' },
);
export type SyncStatus = Static<typeof SyncStatus>;

export const UploadRow = Type.Object(
  {
    id: text('Id of the upload or change.'),
    path: Type.String(),
    size_bytes: count(),
    sha256: Type.String(),
    state: words(UPLOAD_STATES, { description: STATES }),
    attempts: count(),
    created_at: instant('When the Pi accepted it.'),
    next_attempt_at: nullable(instant('When it is tried next; null where it is not.')),
    detail: nullable(Type.String()),
    kind: Type.Optional(words(CHANGE_KINDS, { description: 'Of a change; else an upload.' })),
    to_path: Type.Optional(Type.String({ description: 'Where a rename or a move goes.' })),
  },
  { title: 'Upload' },
);
export type UploadRow = Static<typeof UploadRow>;

export const UploadListQuery = Type.Object({
  state: Type.Optional(words(UPLOAD_STATES, { description: 'Only those in that state.' })),
});
export type UploadListQuery = Static<typeof UploadListQuery>;

export const UploadList = Type.Object(
  { uploads: Type.Array(UploadRow, { description: 'The newest first.' }) },
  { title: 'UploadList' },
);
export type UploadList = Static<typeof UploadList>;

export const TakeUpBody = Type.Object(
  {
    username: Type.String({
      minLength: 1,
      maxLength: 255,
      description: 'Name of the user whose it is to be.',
    }),
    path: nasPath({ description: 'Where it is to go.' }),
  },
  { title: 'TakeUp' },
);
export type TakeUpBody = Static<typeof TakeUpBody>;

const SHA256 = '98ea6e4f216f2fb4b69fff9b3a44842c38686ca685f3f55dc48c5d3fb1107be4';
const ID = '01M8MXXKFYACTC22ZVQXSSNSKW';
const PATH = 'alice/Photos/a.jpg';
const AT = '2026-02-22T14:30:00Z';
const UPLOAD: UploadRow = {
  id: ID,
  path: PATH,
  size_bytes: 2_048,
  sha256: SHA256,
  state: 'queued',
  attempts: 0,
  created_at: AT,
  next_attempt_at: null,
  detail: null,
};

export const UPLOAD_ENDPOINTS = [
  endpoint({
    id: 'files-upload',
    method: 'POST',
    path: '/api/files/upload',
    summary: 'Upload files. 200 means they survive a power cut from this moment on.',
    tags: TAGS,
    access: 'caller',
    body: 'stream',
    query: Type.Object({ path: Type.Optional(nasPath({ description: TARGET })) }),
    headers: UPLOAD_HEADERS,
    bodySchema: UploadForm,
    responses: { 200: json(UploadAnswer, 'Accepted and safe on the Pi.') },
    refusals: [
      'malformed',
      'bad_path',
      'not_yours',
      'conflict',
      'too_large',
      'wrong_body_type',
      'invalid',
      'too_slow',
      'disk_failing',
      'no_room',
      'share_used',
    ],
    isForFilesPage: true,
    example: {
      body: { file: 'the bytes of the file', path: 'alice/Photos' },
      answer: {
        message: 'Files uploaded',
        uploaded: 1,
        upload_ids: [ID],
        id: ID,
        filename: 'a.jpg',
        size_bytes: 2_048,
        status: 'queued',
        files: [
          {
            id: ID,
            filename: 'a.jpg',
            path: PATH,
            size_bytes: 2_048,
            sha256: SHA256,
            status: 'queued',
          },
        ],
      },
    },
  }),
  endpoint({
    id: 'files-sync-status',
    method: 'GET',
    path: '/api/files/sync/status',
    summary: "How the caller's queue stands.",
    tags: TAGS,
    access: 'caller',
    query: SyncStatusQuery,
    responses: { 200: json(SyncStatus, 'The queue.') },
    refusals: ['admin_only'],
    isForFilesPage: true,
    example: {
      answer: {
        is_syncing: false,
        pending_uploads: 3,
        pending_changes: 0,
        waiting_for_owner: 0,
        pending_downloads: 0,
        conflicts: 1,
        nas_online: false,
        failed_uploads: 0,
        waiting_for_credential: [],
        oldest_pending_at: AT,
        last_sync: '2026-02-22T09:12:40Z',
      },
    },
  }),
  endpoint({
    id: 'files-uploads-list',
    method: 'GET',
    path: '/api/files/uploads',
    summary:
      "The caller's uploads and queued changes; for admins also what is held, as its user is gone.",
    tags: TAGS,
    access: 'caller',
    query: UploadListQuery,
    responses: { 200: json(UploadList, 'The uploads.') },
    isForFilesPage: true,
    example: { answer: { uploads: [UPLOAD] } },
  }),
  endpoint({
    id: 'files-uploads-retry',
    method: 'POST',
    path: '/api/files/uploads/{id}/retry',
    summary: 'Try an upload or a queued change again now.',
    tags: TAGS,
    access: 'caller',
    params: UPLOAD_ID,
    responses: { 200: json(UploadRow, 'The upload as it is now.') },
    refusals: ['not_found', 'conflict'],
    isForFilesPage: true,
    example: { answer: UPLOAD },
  }),
  endpoint({
    id: 'files-uploads-drop',
    method: 'DELETE',
    path: '/api/files/uploads/{id}',
    summary: 'Drop an upload and its bytes, or a queued change.',
    tags: TAGS,
    access: 'caller',
    params: UPLOAD_ID,
    responses: { 200: json(MessageAnswer, 'It is dropped.') },
    refusals: ['not_found', 'conflict'],
    isForFilesPage: true,
    example: { answer: { message: 'Dropped' } },
  }),
  endpoint({
    id: 'files-uploads-take-up',
    method: 'POST',
    path: '/api/files/uploads/{id}/take-up',
    summary: 'Make a held upload, whose user is gone, a new one of a user.',
    tags: TAGS,
    access: 'admin',
    params: UPLOAD_ID,
    bodySchema: TakeUpBody,
    responses: { 200: json(UploadRow, 'The upload as it is now.') },
    refusals: [
      'not_found',
      'bad_path',
      'not_yours',
      'invalid',
      'conflict',
      'disk_failing',
      'no_room',
      'share_used',
    ],
    example: {
      body: { username: 'alice', path: 'alice/Photos/a.jpg' },
      answer: UPLOAD,
    },
  }),
  endpoint({
    id: 'sync-changes',
    method: 'POST',
    path: '/api/sync/changes',
    summary: "The NAS's delta for a desktop; not while uploads of the caller are on their way.",
    tags: TAGS,
    access: 'caller',
    body: 'relay',
    bodySchema: Type.Object({}, { title: 'SyncChanges', additionalProperties: true }),
    responses: { 200: json(Type.Unknown(), "The NAS's own answer.") },
    passesRefusals: true,
    refusals: [
      'nas_asleep',
      'nas_never_seen',
      'uploads_waiting',
      'nas_busy',
      'nas_bad_answer',
      'refresh_token_now',
    ],
    example: {
      body: { device_id: 'desk-1', file_list: [] },
      answer: { to_download: [], to_delete: [], conflicts: [], change_token: 'of the NAS' },
    },
  }),
] as const;

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

const OPEN_CONFLICT: Conflict = {
  id: 7,
  upload_id: ID,
  path: 'alice/notes.txt',
  conflict_path: 'alice/notes (conflict 2026-02-22 14-30 alice).txt',
  size_bytes: 2_048,
  sha256: SHA256,
  found_at: AT,
  resolution: null,
};

export const CONFLICT_ENDPOINTS = [
  endpoint({
    id: 'files-conflicts',
    method: 'GET',
    path: '/api/files/conflicts',
    summary: "The caller's open conflicts.",
    tags: TAGS,
    access: 'caller',
    responses: { 200: json(ConflictList, 'The conflicts.') },
    isForFilesPage: true,
    example: { answer: { conflicts: [OPEN_CONFLICT] } },
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
    isForFilesPage: true,
    example: {
      body: { resolution: 'renamed' },
      answer: { ...OPEN_CONFLICT, resolution: 'renamed' },
    },
  }),
] as const;

const PARAMS = Type.Object({ upload_id: Type.String({ minLength: 1, maxLength: 64 }) });
const BASE = '/api/files/upload/chunked';

export const ChunkedInit = Type.Object(
  {
    filename: Type.String({ minLength: 1, maxLength: 4096 }),
    total_size: count('Bytes of the whole file.'),
    target_path: Type.Optional(nasPath({ description: 'Folder to put it into.' })),
  },
  { title: 'ChunkedInit' },
);
export type ChunkedInit = Static<typeof ChunkedInit>;

export const ChunkedBegun = Type.Object(
  {
    upload_id: Type.String(),
    chunk_size: Type.Integer({ description: 'Proposed, in bytes; others are taken too.' }),
  },
  { title: 'ChunkedBegun' },
);
export type ChunkedBegun = Static<typeof ChunkedBegun>;

export const ChunkedList = Type.Object(
  {
    uploads: Type.Array(
      Type.Object({
        upload_id: Type.String(),
        filename: Type.String(),
        target_path: Type.String({ description: 'Folder it goes into.' }),
        total_size: count('Bytes of the whole file.'),
        received_bytes: count('How many bytes of the upload are here.'),
        next_chunk_index: count('The chunk to send next, which begins behind these bytes.'),
        chunk_size: Type.Integer({ description: 'Proposed, in bytes; others are taken too.' }),
        touched_at: instant('When it began or its last chunk came.'),
      }),
      { description: 'What moved last first.' },
    ),
  },
  { title: 'ChunkedList' },
);
export type ChunkedList = Static<typeof ChunkedList>;

export const ChunkQuery = Type.Object({
  chunk_index: Type.Integer({ minimum: 0, description: 'From 0, one after the other.' }),
});
export type ChunkQuery = Static<typeof ChunkQuery>;

export const ChunkedReceived = Type.Object(
  { received_bytes: count('How many bytes of the upload are here.') },
  { title: 'ChunkedReceived' },
);
export type ChunkedReceived = Static<typeof ChunkedReceived>;

export const ChunkedComplete = Type.Object(
  {
    path: Type.String(),
    size: count('Size in bytes.'),
    id: text('Id of the upload.'),
    sha256: Type.String(),
    status: words(['queued'], { description: 'It waits for the NAS.' }),
  },
  { title: 'ChunkedComplete' },
);

export const RESUMABLE_ENDPOINTS = [
  endpoint({
    id: 'files-chunked-list',
    method: 'GET',
    path: BASE,
    summary: "The caller's unfinished uploads in chunks, and where each goes on.",
    tags: TAGS,
    access: 'caller',
    responses: { 200: json(ChunkedList, 'The uploads.') },
    isForFilesPage: true,
    example: {
      answer: {
        uploads: [
          {
            upload_id: ID,
            filename: 'film.mp4',
            target_path: 'alice/Films',
            total_size: 734_003_200,
            received_bytes: 25_165_824,
            next_chunk_index: 3,
            chunk_size: 8_388_608,
            touched_at: '2026-02-22T14:30:00Z',
          },
        ],
      },
    },
  }),
  endpoint({
    id: 'files-chunked-init',
    method: 'POST',
    path: `${BASE}/init`,
    summary: 'Begin an upload in chunks, which survives broken connections and restarts.',
    tags: TAGS,
    access: 'caller',
    bodySchema: ChunkedInit,
    isBaluHosts: true,
    responses: { 200: json(ChunkedBegun, 'The id to send chunks to.') },
    refusals: [
      'bad_path',
      'not_yours',
      'conflict',
      'too_large',
      'too_many_tries',
      'disk_failing',
      'no_room',
      'share_used',
    ],
    isForFilesPage: true,
    example: {
      body: { filename: 'film.mp4', total_size: 734_003_200, target_path: 'alice/Films' },
      answer: { upload_id: ID, chunk_size: 10_485_760 },
    },
  }),
  endpoint({
    id: 'files-chunked-chunk',
    method: 'POST',
    path: `${BASE}/{upload_id}/chunk`,
    summary: 'Send the next chunk as the raw body. 200 means it is safe on the Pi.',
    tags: TAGS,
    access: 'caller',
    body: 'stream',
    streamType: 'application/octet-stream',
    params: PARAMS,
    query: ChunkQuery,
    bodySchema: Type.String({ contentEncoding: 'binary' }),
    responses: { 200: json(ChunkedReceived, 'How much of the upload is here.') },
    refusals: [
      'malformed',
      'not_found',
      'too_slow',
      'too_many_tries',
      'disk_failing',
      'no_room',
      'share_used',
    ],
    isForFilesPage: true,
    example: {
      body: 'the bytes of the chunk',
      answer: { received_bytes: 10_485_760 },
    },
  }),
  endpoint({
    id: 'files-chunked-complete',
    method: 'POST',
    path: `${BASE}/{upload_id}/complete`,
    summary: 'Queue an upload all of whose bytes are here. 200 means it survives a power cut.',
    tags: TAGS,
    access: 'caller',
    params: PARAMS,
    headers: Type.Object({
      'X-Content-SHA256': Type.Optional(
        Type.String({ description: 'What the content must hash to.' }),
      ),
      'X-Base-Checksum': Type.Optional(
        Type.String({ description: 'The version this one replaces.' }),
      ),
    }),
    responses: { 200: json(ChunkedComplete, 'It is in the queue.') },
    refusals: [
      'not_found',
      'conflict',
      'invalid',
      'bad_path',
      'not_yours',
      'disk_failing',
      'no_room',
      'share_used',
    ],
    isForFilesPage: true,
    example: {
      answer: {
        path: 'alice/Films/film.mp4',
        size: 734_003_200,
        id: ID,
        sha256: SHA256,
        status: 'queued',
      },
    },
  }),
  endpoint({
    id: 'files-chunked-abort',
    method: 'DELETE',
    path: `${BASE}/{upload_id}`,
    summary: 'Give an unfinished upload up.',
    tags: TAGS,
    access: 'caller',
    params: PARAMS,
    responses: { 200: json(MessageAnswer, 'Nothing of it is left.') },
    refusals: ['not_found', 'disk_failing'],
    isForFilesPage: true,
    example: { answer: { message: 'Upload aborted' } },
  }),
] as const;
