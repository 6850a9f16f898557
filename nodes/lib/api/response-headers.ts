type Json = Readonly<Record<string, unknown>>;

interface HeaderShape {
  readonly description: string;
  readonly schema: Json;
}

const text = (description: string, example: string): HeaderShape => ({
  description,
  schema: { type: 'string', examples: [example] },
});
const whole = (description: string, example: number): HeaderShape => ({
  description,
  schema: { type: 'integer', minimum: 0, examples: [example] },
});

/** What the headers of our answers mean. */
const HEADERS = {
  'X-Request-Id': text(
    'An id of this one answer, new each time.',
    '9b2f6c1e-8a53-4f0d-b7c4-2f1f3a6f0c11',
  ),
  'Cache-Control': text(
    'Nothing between the Pi and the caller may keep the answer; parts of the page /docs, a day.',
    'no-store',
  ),
  'X-Content-Type-Options': text('The answer is of no other type than it says.', 'nosniff'),
  'Referrer-Policy': text('No page that is led to from here learns from where.', 'no-referrer'),
  'X-Balupi-Cache': {
    description:
      'How it was answered. hit: from a kept copy. miss: from the NAS, and kept. stale: from a copy that the NAS could not confirm, as it sleeps. bypass: from the NAS, past the cache. queued: from an upload of the caller that the NAS does not have yet. Missing on a listing that the NAS told just now.',
    schema: { type: 'string', enum: ['hit', 'miss', 'stale', 'bypass', 'queued'] },
  },
  Age: whole('Seconds since the NAS confirmed what is served; only where a kept one is.', 42),
  ETag: text('The version of the file, for If-None-Match, If-Match and If-Range.', '"5f2b-6630"'),
  'Last-Modified': text(
    'When the file was changed last, to the second.',
    'Sun, 22 Feb 2026 14:30:00 GMT',
  ),
  'Accept-Ranges': text('Parts may be asked for by Range.', 'bytes'),
  'Content-Range': text(
    'Which bytes of how many these are; not with several parts.',
    'bytes 0-99/2048',
  ),
  'Content-Length': whole('Bytes of the body.', 2048),
  'Content-Disposition': text(
    'The name to keep it under. Never inline: a page stored on the NAS must not run as one of ours.',
    'attachment; filename="a.jpg"',
  ),
  'Content-Encoding': text('How the body is packed, where the caller takes it so.', 'gzip'),
  Vary: text('The request headers that change the answer.', 'Accept-Encoding'),
  'Content-Security-Policy': text('What the page may load: itself alone.', "default-src 'none'"),
  'Retry-After': whole('Seconds until a new try makes sense.', 30),
  'WWW-Authenticate': text('How to say who calls.', 'Bearer'),
} as const satisfies Readonly<Record<string, HeaderShape>>;

export type HeaderName = keyof typeof HEADERS;

const OF_EVERY_ANSWER: readonly HeaderName[] = [
  'X-Request-Id',
  'Cache-Control',
  'X-Content-Type-Options',
  'Referrer-Policy',
];

/** The headers of one answer: those named, and those that all have. */
export function headersOf(names: readonly HeaderName[]): Json {
  const all = [...names, ...OF_EVERY_ANSWER];
  return Object.fromEntries(all.map((name) => [name, { $ref: `#/components/headers/${name}` }]));
}

/** What the answers refer to. */
export function headerComponents(): Json {
  return HEADERS;
}
