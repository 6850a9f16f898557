import { type Static, Type } from '@sinclair/typebox';
import { endpoint, json } from './endpoint.ts';
import { count, instant, MessageAnswer, nasPath, nullable, words } from './wire.ts';

const TAGS = ['cache'];

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
    days: count('Over so many calendar days, everybody together:'),
    prefetched_files: count(),
    prefetched_used_files: count(),
  },
  { title: 'CacheUsage' },
);
export type CacheUsage = Static<typeof CacheUsage>;

export const CachePinBody = Type.Object({ path: nasPath() }, { title: 'CachePinBody' });
export type CachePinBody = Static<typeof CachePinBody>;

export const CACHE_ENDPOINTS = [
  endpoint({
    id: 'cache-stats',
    method: 'GET',
    path: '/api/cache/stats',
    summary: 'How full the cache is and how often it answered for the NAS.',
    tags: TAGS,
    access: 'caller',
    responses: { 200: json(CacheStats, 'The counters.') },
  }),
  endpoint({
    id: 'cache-days',
    method: 'GET',
    path: '/api/cache/days',
    summary: 'What the cache did on each of the last days, everybody together, oldest first.',
    tags: TAGS,
    access: 'caller',
    query: CacheDaysQuery,
    responses: { 200: json(CacheDays, 'The days.') },
  }),
  endpoint({
    id: 'cache-usage',
    method: 'GET',
    path: '/api/cache/usage',
    summary: 'Who has how much here, and what was fetched ahead. Of others admins alone are told.',
    tags: TAGS,
    access: 'caller',
    responses: { 200: json(CacheUsage, 'As of a minute ago at most.') },
  }),
  endpoint({
    id: 'cache-pins',
    method: 'GET',
    path: '/api/cache/pins',
    summary: "The caller's pinned folders and how far they are kept.",
    tags: TAGS,
    access: 'caller',
    responses: { 200: json(CachePins, 'The pins.') },
  }),
  endpoint({
    id: 'cache-pin',
    method: 'PUT',
    path: '/api/cache/pins',
    summary: 'Pin a folder: kept fresh while the NAS is awake, with all below it, evicted last.',
    tags: TAGS,
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
  }),
  endpoint({
    id: 'cache-unpin',
    method: 'DELETE',
    path: '/api/cache/pins',
    summary: 'Unpin a folder. Its copies stay until their room is needed.',
    tags: TAGS,
    access: 'caller',
    query: Type.Object({ path: Type.Optional(nasPath()) }),
    bodySchema: CacheEmptyBody,
    responses: { 200: json(MessageAnswer, 'It is unpinned.') },
    refusals: ['bad_path', 'not_found'],
  }),
  endpoint({
    id: 'cache-empty',
    method: 'DELETE',
    path: '/api/cache/entries',
    summary: 'Empty the cache, or one folder of it. Queued uploads and pins stay.',
    tags: TAGS,
    access: 'admin',
    query: Type.Object({ path: Type.Optional(nasPath()) }),
    bodySchema: CacheEmptyBody,
    responses: { 200: json(CacheEmptyAnswer, 'It is empty.') },
    refusals: ['bad_path'],
  }),
] as const;
