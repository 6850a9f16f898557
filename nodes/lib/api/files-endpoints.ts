import { type Static, Type } from '@sinclair/typebox';
import { CACHE_ENDPOINTS } from './cache-endpoints.ts';
import { endpoint, json, type ResponseShape } from './endpoint.ts';
import { CONFLICT_ENDPOINTS } from './conflict-endpoints.ts';
import { DEVICE_QUEUE_ENDPOINTS } from './device-queue-endpoints.ts';
import { UPLOAD_ENDPOINTS } from './upload-endpoints.ts';
import { count, flag, instant, nasPath, nullable, text, words } from './wire.ts';

const TAGS = ['files'];

/** A row of a folder, in the words of both kinds of clients (contract 3). */
export const FileItem = Type.Object(
  {
    name: text('Its name, without its folder.'),
    path: Type.String(),
    size: count('Size in bytes; of a folder, as the NAS tells it.'),
    type: words(['file', 'directory'], { description: 'What it is.' }),
    modified_at: instant('When it was changed last.'),
    owner_id: Type.Optional(nullable(text("The NAS's number of its owner, as text."))),
    owner_name: Type.Optional(nullable(text('Name of its owner.'))),
    mime_type: nullable(Type.String({ description: 'Null for a folder.' })),
    file_id: nullable(Type.Integer({ description: "The NAS's own number." })),
    checksum: Type.Optional(
      nullable(Type.String({ description: 'SHA-256; on all items or none.' })),
    ),
    id: Type.Integer({ minimum: 1_000_000_000, description: "The Pi's own number; stable." }),
    filename: text('As name.'),
    relative_path: text('As path.'),
    size_bytes: count('As size.'),
    is_directory: flag('As type.'),
    is_cached: flag('Whether it can be read while the NAS sleeps.'),
    sync_state: Type.Optional(
      Type.Literal('queued', { description: 'There while the NAS does not have it yet.' }),
    ),
    can_read: Type.Optional(Type.Boolean({ description: 'With the others, where it is shared.' })),
    can_write: Type.Optional(flag('Whether the caller may write it.')),
    can_delete: Type.Optional(flag('Whether the caller may delete it.')),
  },
  { title: 'FileItem' },
);
export type FileItem = Static<typeof FileItem>;

export const FileListing = Type.Object(
  {
    path: Type.String(),
    files: Type.Array(FileItem, { description: 'What is in it.' }),
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

export const FileDownloadQuery = Type.Object({
  path: nasPath({ description: 'Path of the file.' }),
});
export type FileDownloadQuery = Static<typeof FileDownloadQuery>;

const DOWNLOAD_HEADERS = Type.Object({
  Range: Type.Optional(Type.String({ description: 'bytes=…' })),
  'If-Range': Type.Optional(text('ETag or time: another version is sent whole.')),
  'If-None-Match': Type.Optional(text('ETags: 304 where the file is one of them.')),
  'If-Modified-Since': Type.Optional(text('A time: 304 where the file is not newer.')),
  'If-Match': Type.Optional(text('ETags: 412 where the file is none of them.')),
  'If-Unmodified-Since': Type.Optional(text('A time: 412 where the file is newer.')),
});

const binary = () => Type.String({ contentEncoding: 'binary' });
/** Of whatever type the file is; `application/octet-stream` where nobody knows. */
const BYTES = { '*/*': binary() };

const VERSION_HEADERS = [
  'ETag',
  'Last-Modified',
  'Accept-Ranges',
  'X-Balupi-Cache',
  'Age',
] as const;
const FILE_HEADERS = [...VERSION_HEADERS, 'Content-Disposition', 'Content-Length'] as const;

const DOWNLOAD_RESPONSES: Readonly<Record<number, ResponseShape>> = {
  200: { description: 'The file.', content: BYTES, headers: FILE_HEADERS },
  206: {
    description: 'The part that was asked for.',
    content: { ...BYTES, 'multipart/byteranges': binary() },
    headers: [...FILE_HEADERS, 'Content-Range'],
  },
  304: { description: 'The caller has it already.', content: {}, headers: VERSION_HEADERS },
};

const DOWNLOAD_REFUSALS = [
  'bad_path',
  'not_found',
  'refresh_token_now',
  'nas_busy',
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
    responses: {
      200: json(FileListing, 'The folder.', ['X-Balupi-Cache', 'Age', 'Content-Encoding', 'Vary']),
    },
    refusals: [
      'bad_path',
      'not_found',
      'refresh_token_now',
      'nas_busy',
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
