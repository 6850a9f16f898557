import { type Static, Type } from '@sinclair/typebox';
import { endpoint, json } from './endpoint.ts';
import { count, instant, MessageAnswer, nasPath, text, words } from './wire.ts';

/** Uploads in chunks, with BaluHost's addresses and words. */

const TAGS = ['uploads'];
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
  }),
] as const;
