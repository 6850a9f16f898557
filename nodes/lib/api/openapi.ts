import type { TObject, TSchema } from '@sinclair/typebox';
import type { Access, Endpoint } from './endpoint.ts';
import { EXAMPLES } from './examples/examples.ts';
import { RefusalAnswers } from './refusal-answers.ts';
import { headerComponents, headersOf } from './response-headers.ts';
import { SchemaBook } from './schema-book.ts';

type Json = Record<string, unknown>;

/**
 * The OpenAPI 3.1 document of the given endpoints.
 * @param version of BaluPi, for `info.version`
 */
export function openApiDocument(endpoints: readonly Endpoint[], version: string): Json {
  const book = new SchemaBook();
  const refusals = new RefusalAnswers(book);
  const paths: Record<string, Json> = {};
  for (const endpoint of endpoints) {
    const item = (paths[endpoint.publishedPath ?? endpoint.path] ??= {});
    item[endpoint.method.toLowerCase()] = operation(endpoint, book, refusals);
  }
  return {
    openapi: '3.1.0',
    info: info(version),
    servers: [{ url: '/' }],
    security: [{ bearer: [] }],
    tags: tagsOf(endpoints),
    paths,
    components: {
      schemas: book.components(),
      responses: refusals.components(),
      headers: headerComponents(),
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

function info(version: string): Json {
  return {
    title: 'BaluPi',
    version,
    summary: 'A NAS that may sleep.',
    description:
      'A smart cache and upload queue in front of a sleeping BaluHost NAS, and energy metering. ' +
      'HEAD is answered wherever GET is. Refusals are JSON with a stable code, never HTML.',
    license: { name: 'MIT', identifier: 'MIT' },
    contact: { name: 'Whoever runs this Pi' },
  };
}

/** What each group of endpoints is about. */
const TAGS: Readonly<Record<string, string>> = {
  system: 'The Pi itself: whether it is well, its load, its counters and this description.',
  auth: 'Sign-in with an account of the NAS, awake and asleep.',
  pairing: 'Phones and desktops that are paired with the NAS through the Pi.',
  files: 'Folders and files of the NAS, from kept copies while it sleeps.',
  uploads: 'What waits on the Pi for the NAS: uploads, changes, conflicts.',
  cache: 'What is kept of the NAS, and what is to be kept always.',
  energy: 'Power, energy and costs of what the plugs feed.',
  apps: "Power and energy in the shapes of BaluHost's own apps.",
  tapo: 'The plugs: to find, name, give a role, switch and forget.',
  nas: 'The NAS: its state, its wake, and what acts for its users.',
  notices: "Messages to people's own phones and browsers, by web push.",
  handshake: 'What the NAS says as it goes and comes.',
};

/** @throws Error when a group has no words */
function tagsOf(endpoints: readonly Endpoint[]): Json[] {
  const names = new Set(endpoints.flatMap((endpoint) => endpoint.tags));
  return [...names].map((name) => {
    const description = TAGS[name];
    if (description === undefined) throw new Error(`Nobody says what the group ${name} is.`);
    return { name, description };
  });
}

const WHO: Readonly<Record<Access, string>> = {
  open: 'Open to all.',
  caller: 'For everyone signed in.',
  caller_or_loopback: 'For everyone signed in, and without a token from the Pi itself.',
  admin: 'For admins.',
  wake: 'For admins and for users who may wake the NAS.',
};

function operation(endpoint: Endpoint, book: SchemaBook, refusals: RefusalAnswers): Json {
  const parameters = [
    ...pathParameters(endpoint, book),
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
    responses: { ...answersOf(endpoint, book), ...refusals.of(endpoint) },
  };
}

function securityOf(access: Access): Json {
  if (access === 'open') return { security: [] };
  return access === 'caller_or_loopback' ? { security: [{ bearer: [] }, {}] } : {};
}

/** Under the names that the published address has for them. */
function pathParameters(endpoint: Endpoint, book: SchemaBook): Json[] {
  const { path, publishedPath = path } = endpoint;
  const [ours = [], published = []] = [path, publishedPath].map((one) =>
    [...one.matchAll(/\{(\w+)\}/g)].map((found) => found[1]),
  );
  return parametersOf(endpoint.params, 'path', book).map((parameter) => ({
    ...parameter,
    name: published[ours.indexOf(parameter['name'] as string)],
  }));
}

function parametersOf(fields: TObject, place: string, book: SchemaBook): Json[] {
  return Object.entries(fields.properties).map(([name, schema]) => ({
    name,
    in: place,
    required: place === 'path' || isRequired(fields, name, schema),
    ...parameterSchema(book.useNamed(name, schema)),
  }));
}

/** Its words stand beside the schema, where readers look for them. */
function parameterSchema({ description, ...schema }: Json): Json {
  return { ...(description === undefined ? {} : { description }), schema };
}

/** A field with a default need not be sent, though the code always finds it. */
function isRequired(fields: TObject, name: string, schema: TSchema): boolean {
  return (fields.required ?? []).includes(name) && schema.default === undefined;
}

function requestBody(endpoint: Endpoint, book: SchemaBook): Json {
  const { body, bodySchema, streamType } = endpoint;
  const mediaType = body === 'stream' ? streamType : 'application/json';
  const published = book.use(bodySchema);
  const example = EXAMPLES[endpoint.id]?.body;
  return {
    required: body === 'stream' || book.hasRequired(bodySchema),
    content: { [mediaType]: { schema: published, ...(example === undefined ? {} : { example }) } },
  };
}

function exampleOf({ id }: Endpoint, mediaType: string): Json {
  const { answer = null, texts = {} } = EXAMPLES[id] ?? {};
  const example = mediaType === 'application/json' ? answer : (texts[mediaType] ?? null);
  return example === null ? {} : { example };
}

function answersOf(endpoint: Endpoint, book: SchemaBook): Json {
  const answers: Json = {};
  for (const [status, shape] of Object.entries(endpoint.responses)) {
    const { description, content, headers = [] } = shape;
    const media = Object.entries(content).map(([type, schema]) => [
      type,
      { schema: book.use(schema), ...exampleOf(endpoint, type) },
    ]);
    answers[status] = {
      description,
      headers: headersOf(headers),
      ...(media.length === 0 ? {} : { content: Object.fromEntries(media) as Json }),
    };
  }
  return answers;
}
