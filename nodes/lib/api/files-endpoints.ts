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
  type ResponseShape,
  text,
  UPLOAD_ID,
  words,
} from './endpoint.ts';
import { CONFLICT_ENDPOINTS, UPLOAD_ENDPOINTS } from './upload-endpoints.ts';

const CACHE_TAGS = ['cache'];

export const CacheStats = Type.Object(
  {
    total_files: count('How many files are kept.'),
    total_size_mb: Type.Number({ minimum: 0, description: 'What they take, in MB (10^6 bytes).' }),
    max_size_gb: Type.Number({
      minimum: 0,
      description: 'What they may take, in GB (10^9 bytes).',
    }),
    usage_percent: Type.Number({ minimum: 0, description: 'How much of that is taken.' }),
    dirty_files: count('How many uploads the NAS does not have yet.'),
    hit_rate_percent: nullable(Type.Number()),
    byte_hit_rate_percent: nullable(Type.Number()),
    evictions: count('How many copies went to make room.'),
    nas_wakes_avoided: count(),
  },
  { title: 'CacheStats' },
);
export type CacheStats = Static<typeof CacheStats>;

/** Taken from the body, or from the query by clients that send no body with DELETE. */
export const CacheEmptyBody = Type.Object(
  { path: Type.Optional(nasPath()) },
  { title: 'CacheEmptyBody' },
);
export type CacheEmptyBody = Static<typeof CacheEmptyBody>;

export const CacheEmptyAnswer = Type.Object(
  { message: Type.String(), removed_files: count(), removed_bytes: count() },
  { title: 'CacheEmptyAnswer' },
);
export type CacheEmptyAnswer = Static<typeof CacheEmptyAnswer>;

export const CacheDaysQuery = Type.Object({
  days: Type.Integer({
    minimum: 1,
    maximum: 400,
    default: 30,
    description: 'How many days, today with them.',
  }),
});
export type CacheDaysQuery = Static<typeof CacheDaysQuery>;

export const CacheDays = Type.Object(
  {
    days: Type.Array(
      Type.Object({
        date: Type.String({ format: 'date', description: 'A calendar day in TIMEZONE.' }),
        hits: count(),
        misses: count(),
        hit_rate_percent: nullable(Type.Number()),
        hit_bytes: count(),
        miss_bytes: count(),
        byte_hit_rate_percent: nullable(Type.Number()),
        nas_wakes_avoided: count(),
        prefetched_files: count(),
        prefetched_bytes: count(),
        prefetched_used_files: count(),
        prefetched_used_bytes: count(),
      }),
      { description: 'The days, oldest first.' },
    ),
  },
  { title: 'CacheDays' },
);
export type CacheDays = Static<typeof CacheDays>;

export const CachePin = Type.Object(
  {
    path: nasPath(),
    state: words(['kept', 'pending', 'partly_kept', 'missing', 'no_access'], {
      description:
        'partly_kept: beyond your share the oldest files are left out. no_access: you may not read it any more.',
    }),
    files: count('How many files it holds, with all below it.'),
    size_bytes: count(),
    kept_files: count(),
    kept_bytes: count(),
    pending_files: count(),
    pending_bytes: count(),
    left_out_files: count(),
    created_at: instant('When it was pinned.'),
    checked_at: nullable(instant('When the NAS was last looked at for it.')),
  },
  { title: 'CachePin' },
);
export type CachePin = Static<typeof CachePin>;

export const CachePins = Type.Object(
  {
    pins: Type.Array(CachePin, { description: "The caller's pins." }),
    share_bytes: count('What the pins of the caller may take, in bytes.'),
    used_bytes: count('What they take, in bytes.'),
  },
  { title: 'CachePins' },
);
export type CachePins = Static<typeof CachePins>;

export const CacheUsage = Type.Object(
  {
    users: Type.Array(
      Type.Object({
        username: Type.String(),
        pins: count('How many folders they pinned.'),
        pinned_bytes: count('What these want of their share, in bytes.'),
        share_bytes: count('What their pins may take, in bytes.'),
        home_files: count('Kept files of their own folder.'),
        home_bytes: count('What these take, in bytes.'),
        queued_bytes: count('What they have in the queue, in bytes.'),
      }),
      { description: 'For admins everybody, for others themselves.' },
    ),
    shared: Type.Object(
      { files: count('How many of its files are kept.'), size_bytes: count() },
      { description: 'Of the folder Shared.' },
    ),
    unread_files: count('Kept files that were fetched ahead and that nobody has read yet.'),
    unread_bytes: count('What these take, in bytes.'),
    unread: Type.Array(
      Type.Object({
        path: nasPath(),
        size_bytes: count(),
        fetched_at: instant('When it was fetched.'),
      }),
      { description: 'The newest of them; your own, for admins everybody’s.' },
    ),
    days: count('The calendar days that the next two counts cover, for all users together.'),
    prefetched_files: count(),
    prefetched_used_files: count(),
  },
  { title: 'CacheUsage' },
);
export type CacheUsage = Static<typeof CacheUsage>;

export const CachePinBody = Type.Object({ path: nasPath() }, { title: 'CachePinBody' });
export type CachePinBody = Static<typeof CachePinBody>;

const AT = '2026-02-22T14:30:00Z';
const PIN: CachePin = {
  path: 'alice/Photos',
  state: 'kept',
  files: 120,
  size_bytes: 480_000_000,
  kept_files: 120,
  kept_bytes: 480_000_000,
  pending_files: 0,
  pending_bytes: 0,
  left_out_files: 0,
  created_at: AT,
  checked_at: AT,
};

export const CACHE_ENDPOINTS = [
  endpoint({
    id: 'cache-stats',
    method: 'GET',
    path: '/api/cache/stats',
    summary: 'How full the cache is and how often it answered for the NAS.',
    tags: CACHE_TAGS,
    access: 'caller',
    responses: { 200: json(CacheStats, 'The counters.') },
    example: {
      answer: {
        total_files: 4_210,
        total_size_mb: 18_300.5,
        max_size_gb: 32,
        usage_percent: 57.2,
        dirty_files: 3,
        hit_rate_percent: 91.4,
        byte_hit_rate_percent: 84.2,
        evictions: 120,
        nas_wakes_avoided: 310,
      },
    },
  }),
  endpoint({
    id: 'cache-days',
    method: 'GET',
    path: '/api/cache/days',
    summary: 'What the cache did on each of the last days, everybody together, oldest first.',
    tags: CACHE_TAGS,
    access: 'caller',
    query: CacheDaysQuery,
    responses: { 200: json(CacheDays, 'The days.') },
    example: {
      answer: {
        days: [
          {
            date: '2026-02-22',
            hits: 240,
            misses: 12,
            hit_rate_percent: 95.2,
            hit_bytes: 812_000_000,
            miss_bytes: 40_000_000,
            byte_hit_rate_percent: 95.3,
            nas_wakes_avoided: 14,
            prefetched_files: 30,
            prefetched_bytes: 90_000_000,
            prefetched_used_files: 11,
            prefetched_used_bytes: 33_000_000,
          },
        ],
      },
    },
  }),
  endpoint({
    id: 'cache-usage',
    method: 'GET',
    path: '/api/cache/usage',
    summary: 'Who has how much here, and what was fetched ahead. Of others admins alone are told.',
    tags: CACHE_TAGS,
    access: 'caller',
    responses: { 200: json(CacheUsage, 'As of a minute ago at most.') },
    example: {
      answer: {
        users: [
          {
            username: 'alice',
            pins: 1,
            pinned_bytes: 480_000_000,
            share_bytes: 16_000_000_000,
            home_files: 1_204,
            home_bytes: 6_200_000_000,
            queued_bytes: 93_482_117,
          },
        ],
        shared: { files: 310, size_bytes: 2_100_000_000 },
        unread_files: 19,
        unread_bytes: 57_000_000,
        unread: [
          {
            path: 'alice/Photos/IMG_0131.jpg',
            size_bytes: 3_011_200,
            fetched_at: '2026-02-22T14:02:11Z',
          },
        ],
        days: 30,
        prefetched_files: 410,
        prefetched_used_files: 187,
      },
    },
  }),
  endpoint({
    id: 'cache-pins',
    method: 'GET',
    path: '/api/cache/pins',
    summary: "The caller's pinned folders and how far they are kept.",
    tags: CACHE_TAGS,
    access: 'caller',
    responses: { 200: json(CachePins, 'The pins.') },
    isForFilesPage: true,
    isUsers: true,
    example: {
      answer: { pins: [PIN], share_bytes: 16_000_000_000, used_bytes: 480_000_000 },
    },
  }),
  endpoint({
    id: 'cache-pin',
    method: 'PUT',
    path: '/api/cache/pins',
    summary: 'Pin a folder: kept fresh while the NAS is awake, with all below it, evicted last.',
    tags: CACHE_TAGS,
    access: 'caller',
    bodySchema: CachePinBody,
    responses: { 200: json(CachePin, 'It is pinned.') },
    refusals: [
      'bad_path',
      'not_found',
      'refresh_token_now',
      'nas_busy',
      'nas_bad_answer',
      'nas_storage_missing',
      'pin_too_large',
    ],
    isForFilesPage: true,
    isUsers: true,
    example: { body: { path: 'alice/Photos' }, answer: PIN },
  }),
  endpoint({
    id: 'cache-unpin',
    method: 'DELETE',
    path: '/api/cache/pins',
    summary: 'Unpin a folder. Its copies stay until their room is needed.',
    tags: CACHE_TAGS,
    access: 'caller',
    query: Type.Object({ path: Type.Optional(nasPath()) }),
    bodySchema: CacheEmptyBody,
    responses: { 200: json(MessageAnswer, 'It is unpinned.') },
    refusals: ['bad_path', 'not_found'],
    isForFilesPage: true,
    isUsers: true,
    example: { body: { path: 'alice/Photos' }, answer: { message: 'Unpinned' } },
  }),
  endpoint({
    id: 'cache-empty',
    method: 'DELETE',
    path: '/api/cache/entries',
    summary: 'Empty the cache, or one folder of it. Queued uploads and pins stay.',
    tags: CACHE_TAGS,
    access: 'admin',
    query: Type.Object({ path: Type.Optional(nasPath()) }),
    bodySchema: CacheEmptyBody,
    responses: { 200: json(CacheEmptyAnswer, 'It is empty.') },
    refusals: ['bad_path'],
    example: {
      body: { path: 'alice/Photos' },
      answer: { message: 'Emptied', removed_files: 120, removed_bytes: 480_000_000 },
    },
  }),
] as const;

const DEVICE_QUEUE_TAGS = ['uploads'];
const DEVICE = Type.Object({
  device_id: Type.String({
    minLength: 1,
    maxLength: 128,
    description: "What the app calls its device; the queue is the caller's whatever it is.",
  }),
});
export const DeviceQueueItem = Type.Object(
  {
    id: text('Id of the upload.'),
    device_id: text('As the app asked.'),
    folder_id: Type.Null({ description: 'The Pi knows no folders of phones here.' }),
    filename: Type.String(),
    remote_path: text('Where it goes on the NAS.'),
    file_size: count('Size in bytes.'),
    file_size_bytes: count('The same.'),
    uploaded_bytes: count('How many bytes the NAS has.'),
    status: words(['pending', 'uploading', 'completed', 'failed'], {
      description: "How it stands, in the app's words.",
    }),
    error_message: nullable(text('What went wrong; null where nothing did.')),
    retry_count: count('How often it was tried.'),
    created_at: instant('When the Pi accepted it.'),
  },
  { title: 'DeviceQueueItem' },
);
export type DeviceQueueItem = Static<typeof DeviceQueueItem>;

export const DeviceQueue = Type.Object(
  { items: Type.Array(DeviceQueueItem, { description: 'What is not finished, oldest first.' }) },
  { title: 'DeviceQueue' },
);
export type DeviceQueue = Static<typeof DeviceQueue>;

const PATH = 'alice/Photos/a.jpg';

/** The app's own upload queue, which shows ours. */
export const DEVICE_QUEUE_ENDPOINTS = [
  endpoint({
    id: 'mobile-upload-queue',
    method: 'GET',
    path: '/api/mobile/upload/queue/{device_id}',
    publishedPath: '/api/mobile/upload/queue/{id}',
    summary: "The caller's queue in BaluHost's shape.",
    tags: DEVICE_QUEUE_TAGS,
    access: 'caller',
    params: DEVICE,
    responses: { 200: json(DeviceQueue, 'The queue.') },
    example: {
      answer: {
        items: [
          {
            id: '01M8MXXKFYACTC22ZVQXSSNSKW',
            device_id: 'phone',
            folder_id: null,
            filename: 'a.jpg',
            remote_path: PATH,
            file_size: 2_048,
            file_size_bytes: 2_048,
            uploaded_bytes: 0,
            status: 'pending',
            error_message: null,
            retry_count: 0,
            created_at: AT,
          },
        ],
      },
    },
  }),
  endpoint({
    id: 'mobile-upload-queue-retry',
    method: 'POST',
    path: '/api/mobile/upload/queue/{id}/retry',
    summary: 'Try an upload again now, as the app says it.',
    tags: DEVICE_QUEUE_TAGS,
    access: 'caller',
    params: UPLOAD_ID,
    responses: { 200: json(MessageAnswer, 'It is due.') },
    refusals: ['not_found', 'conflict'],
    example: { answer: { message: 'Queued again' } },
  }),
  endpoint({
    id: 'mobile-upload-queue-drop',
    method: 'DELETE',
    path: '/api/mobile/upload/queue/{id}',
    summary: 'Drop an upload and its bytes, as the app says it.',
    tags: DEVICE_QUEUE_TAGS,
    access: 'caller',
    params: UPLOAD_ID,
    responses: { 200: json(MessageAnswer, 'It is dropped.') },
    refusals: ['not_found', 'conflict'],
    example: { answer: { message: 'Dropped' } },
  }),
] as const;

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

const DOWNLOAD_RESPONSES = {
  200: { description: 'The file.', content: BYTES, headers: FILE_HEADERS },
  206: {
    description: 'The part that was asked for.',
    content: { ...BYTES, 'multipart/byteranges': binary() },
    headers: [...FILE_HEADERS, 'Content-Range'],
  },
  304: { description: 'The caller has it already.', content: {}, headers: VERSION_HEADERS },
} as const satisfies Readonly<Record<number, ResponseShape>>;

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
    isForFilesPage: true,
    example: {
      answer: {
        path: 'alice/Photos',
        files: [
          {
            name: 'a.jpg',
            path: PATH,
            size: 2_048,
            type: 'file',
            modified_at: AT,
            owner_id: '2',
            owner_name: 'alice',
            mime_type: 'image/jpeg',
            file_id: 41,
            checksum: null,
            id: 1_000_000_041,
            filename: 'a.jpg',
            relative_path: PATH,
            size_bytes: 2_048,
            is_directory: false,
            is_cached: true,
          },
        ],
      },
    },
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
    isForFilesPage: true,
    example: { texts: { '*/*': 'the bytes of the file' } },
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
    isForFilesPage: true,
    example: { texts: { '*/*': 'the bytes of the file' } },
  }),
  ...UPLOAD_ENDPOINTS,
  ...CONFLICT_ENDPOINTS,
  ...DEVICE_QUEUE_ENDPOINTS,
  ...CACHE_ENDPOINTS,
] as const;
