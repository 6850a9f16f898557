import { type Static, Type } from '@sinclair/typebox';
import { endpoint, json } from './endpoint.ts';
import { count, nasPath, nullable } from './wire.ts';

const TAGS = ['cache'];

export const CacheStats = Type.Object(
  {
    total_files: count(),
    total_size_mb: Type.Number({ minimum: 0 }),
    max_size_gb: Type.Number({ minimum: 0 }),
    usage_percent: Type.Number({ minimum: 0 }),
    dirty_files: count(),
    hit_rate_percent: nullable(Type.Number()),
    byte_hit_rate_percent: nullable(Type.Number()),
    evictions: count(),
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
