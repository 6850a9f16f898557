import { type Static, Type } from '@sinclair/typebox';
import { CACHE_ENDPOINTS } from './cache-endpoints.ts';
import { endpoint, json, type ResponseShape } from './endpoint.ts';
import { CONFLICT_ENDPOINTS } from './conflict-endpoints.ts';
import { DEVICE_QUEUE_ENDPOINTS } from './device-queue-endpoints.ts';
import { UPLOAD_ENDPOINTS } from './upload-endpoints.ts';
import { count, instant, nasPath, nullable, words } from './wire.ts';

const TAGS = ['files'];

/** A row of a folder, in the words of both kinds of clients (contract 3). */
export const FileItem = Type.Object(
  {
    name: Type.String(),
    path: Type.String(),
    size: count(),
    type: words(['file', 'directory']),
    modified_at: instant(),
    owner_id: Type.Optional(nullable(Type.String())),
    owner_name: Type.Optional(nullable(Type.String())),
    mime_type: nullable(Type.String({ description: 'Null for a folder.' })),
    file_id: nullable(Type.Integer({ description: "The NAS's own number." })),
    checksum: Type.Optional(
      nullable(Type.String({ description: 'SHA-256; on all items or none.' })),
    ),
    id: Type.Integer({ minimum: 1_000_000_000, description: "The Pi's own number; stable." }),
    filename: Type.String(),
    relative_path: Type.String(),
    size_bytes: count(),
    is_directory: Type.Boolean(),
    is_cached: Type.Boolean(),
    sync_state: Type.Optional(Type.Literal('queued')),
    can_read: Type.Optional(Type.Boolean({ description: 'With the others, where it is shared.' })),
    can_write: Type.Optional(Type.Boolean()),
    can_delete: Type.Optional(Type.Boolean()),
  },
  { title: 'FileItem' },
);
export type FileItem = Static<typeof FileItem>;

export const FileListing = Type.Object(
  {
    path: Type.String(),
    files: Type.Array(FileItem),
    next_cursor: Type.Optional(
      nullable(Type.String({ description: 'With limit: for the next page; null at the end.' })),
    ),
    next: Type.Optional(nullable(Type.String({ description: 'As next_cursor.' }))),
  },
  { title: 'FileListing' },
);
export type FileListing = Static<typeof FileListing>;

export const FileListQuery = Type.Object({
  path: nasPath({ default: '' }),
  limit: Type.Optional(
    Type.Integer({ minimum: 1, maximum: 1000, description: 'Entries of a page; without it, all.' }),
  ),
  cursor: Type.Optional(
    Type.String({ minLength: 1, description: "The page before's next_cursor; needs limit." }),
  ),
});
export type FileListQuery = Static<typeof FileListQuery>;

export const FileDownloadQuery = Type.Object({ path: nasPath() });
export type FileDownloadQuery = Static<typeof FileDownloadQuery>;

const DOWNLOAD_HEADERS = Type.Object({
  Range: Type.Optional(Type.String({ description: 'bytes=…' })),
  'If-Range': Type.Optional(Type.String()),
  'If-None-Match': Type.Optional(Type.String()),
  'If-Modified-Since': Type.Optional(Type.String()),
  'If-Match': Type.Optional(Type.String()),
  'If-Unmodified-Since': Type.Optional(Type.String()),
});

const binary = () => Type.String({ contentEncoding: 'binary' });
/** Of whatever type the file is; `application/octet-stream` where nobody knows. */
const BYTES = { '*/*': binary() };

const DOWNLOAD_RESPONSES: Readonly<Record<number, ResponseShape>> = {
  200: { description: 'The file.', content: BYTES },
  206: {
    description: 'The part that was asked for.',
    content: { ...BYTES, 'multipart/byteranges': binary() },
  },
  304: { description: 'The caller has it already.', content: {} },
};

const DOWNLOAD_REFUSALS = [
  'bad_path',
  'not_found',
  'refresh_token_now',
  'precondition_failed',
  'range_not_satisfiable',
  'nas_bad_answer',
  'nas_storage_missing',
  'nas_asleep',
  'busy',
] as const;

export const FILES_ENDPOINTS = [
  endpoint({
    id: 'files-list',
    method: 'GET',
    path: '/api/files/list',
    summary:
      'A folder, as the NAS shows it to the caller; asleep, as it last did; in pages with limit.',
    tags: TAGS,
    access: 'caller',
    query: FileListQuery,
    responses: { 200: json(FileListing, 'The folder.') },
    refusals: [
      'bad_path',
      'not_found',
      'refresh_token_now',
      'nas_bad_answer',
      'nas_storage_missing',
      'nas_asleep',
      'busy',
    ],
  }),
  endpoint({
    id: 'files-download-query',
    method: 'GET',
    path: '/api/files/download',
    summary: 'A file by its path.',
    tags: TAGS,
    access: 'caller',
    query: FileDownloadQuery,
    headers: DOWNLOAD_HEADERS,
    responses: DOWNLOAD_RESPONSES,
    refusals: DOWNLOAD_REFUSALS,
  }),
  endpoint({
    id: 'files-download',
    method: 'GET',
    path: '/api/files/download/{id}',
    rest: 'raw',
    summary:
      "A file by the Pi's number, the NAS's number, or its path with or without escaped slashes.",
    tags: TAGS,
    access: 'caller',
    params: Type.Object({
      id: Type.String({
        description: 'A number, or a path such as alice/Photos/a.jpg; slashes may stay unescaped.',
      }),
    }),
    headers: DOWNLOAD_HEADERS,
    responses: DOWNLOAD_RESPONSES,
    refusals: DOWNLOAD_REFUSALS,
  }),
  ...UPLOAD_ENDPOINTS,
  ...CONFLICT_ENDPOINTS,
  ...DEVICE_QUEUE_ENDPOINTS,
  ...CACHE_ENDPOINTS,
] as const;
