import type { TObject, TSchema } from '@sinclair/typebox';
import { refuse, type RefusalCode } from '../http/http.ts';
import type { Access, Endpoint } from './endpoint.ts';
import { ERROR_SCHEMAS, refusalSchemaOf, refusalsOf } from './refusal-schemas.ts';
import { SchemaBook } from './schema-book.ts';

type Json = Record<string, unknown>;

/**
 * The OpenAPI 3.1 document of the given endpoints.
 * @param version of BaluPi, for `info.version`
 */
export function openApiDocument(endpoints: readonly Endpoint[], version: string): Json {
  const book = new SchemaBook();
  const paths: Record<string, Json> = {};
  for (const endpoint of endpoints) {
    const item = (paths[endpoint.path] ??= {});
    item[endpoint.method.toLowerCase()] = operation(endpoint, book);
  }
  for (const schema of ERROR_SCHEMAS) book.use(schema);
  return {
    openapi: '3.1.0',
    info: {
      title: 'BaluPi',
      version,
      description:
        'A smart cache and upload queue in front of a sleeping BaluHost NAS, and energy metering. ' +
        'HEAD is answered wherever GET is.',
    },
    servers: [{ url: '/' }],
    security: [{ bearer: [] }],
    tags: tagsOf(endpoints),
    paths,
    components: {
      schemas: book.components(),
      securitySchemes: {
        bearer: {
          type: 'http',
          scheme: 'bearer',
          description: 'A token or API key of the NAS, or a token that this Pi gave out.',
        },
      },
    },
  };
}

function tagsOf(endpoints: readonly Endpoint[]): Json[] {
  const names = new Set(endpoints.flatMap((endpoint) => endpoint.tags));
  return [...names].map((name) => ({ name }));
}

const WHO: Readonly<Record<Access, string>> = {
  open: 'Open to all.',
  caller: 'For everyone signed in.',
  caller_or_loopback: 'For everyone signed in, and without a token from the Pi itself.',
  admin: 'For admins.',
  wake: 'For admins and for users who may wake the NAS.',
};

function operation(endpoint: Endpoint, book: SchemaBook): Json {
  const parameters = [
    ...parametersOf(endpoint.params, 'path', book),
    ...parametersOf(endpoint.query, 'query', book),
    ...parametersOf(endpoint.headers, 'header', book),
  ];
  return {
    operationId: endpoint.id,
    summary: endpoint.summary,
    description: WHO[endpoint.access],
    tags: endpoint.tags,
    ...securityOf(endpoint.access),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(endpoint.body === 'none' ? {} : { requestBody: requestBody(endpoint, book) }),
    responses: { ...answersOf(endpoint, book), ...refusalAnswers(endpoint, book) },
  };
}

function securityOf(access: Access): Json {
  if (access === 'open') return { security: [] };
  return access === 'caller_or_loopback' ? { security: [{ bearer: [] }, {}] } : {};
}

function parametersOf(fields: TObject, place: string, book: SchemaBook): Json[] {
  return Object.entries(fields.properties).map(([name, schema]) => ({
    name,
    in: place,
    required: place === 'path' || isRequired(fields, name, schema),
    ...(typeof schema.description === 'string' ? { description: schema.description } : {}),
    schema: book.use(schema),
  }));
}

/** A field with a default need not be sent, though the code always finds it. */
function isRequired(fields: TObject, name: string, schema: TSchema): boolean {
  return (fields.required ?? []).includes(name) && schema.default === undefined;
}

function requestBody(endpoint: Endpoint, book: SchemaBook): Json {
  const { body, bodySchema, streamType } = endpoint;
  const mediaType = body === 'stream' ? streamType : 'application/json';
  const published = book.use(bodySchema);
  return {
    required: body === 'stream' || book.hasRequired(bodySchema),
    content: { [mediaType]: { schema: published } },
  };
}

function answersOf(endpoint: Endpoint, book: SchemaBook): Json {
  const answers: Json = {};
  for (const [status, { description, content }] of Object.entries(endpoint.responses)) {
    const media = Object.entries(content).map(([type, schema]) => [
      type,
      { schema: book.use(schema) },
    ]);
    answers[status] = {
      description,
      ...(media.length === 0 ? {} : { content: Object.fromEntries(media) as Json }),
    };
  }
  return answers;
}

function refusalAnswers(endpoint: Endpoint, book: SchemaBook): Json {
  const byStatus = new Map<number, RefusalCode[]>();
  for (const code of refusalsOf(endpoint)) {
    const { statusCode } = refuse(code);
    byStatus.set(statusCode, [...(byStatus.get(statusCode) ?? []), code]);
  }
  const sorted = [...byStatus].sort(([a], [b]) => a - b);
  return Object.fromEntries(
    sorted.map(([status, codes]) => [
      status,
      refusalAnswer(status, codes, book.use(refusalSchemaOf(endpoint, status))),
    ]),
  );
}

function refusalAnswer(status: number, codes: readonly RefusalCode[], schema: Json): Json {
  const waits = status === 429 || status === 503;
  return {
    description: `Code: ${codes.join(', ')}.`,
    ...(waits
      ? { headers: { 'Retry-After': { description: 'Seconds.', schema: { type: 'integer' } } } }
      : {}),
    content: { 'application/json': { schema } },
  };
}
