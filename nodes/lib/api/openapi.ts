import { type Static, type TObject, type TSchema, Type } from '@sinclair/typebox';
import { type RefusalCode, refuse } from '../http/http.ts';
import {
  type Access,
  closed,
  type Endpoint,
  headerComponents,
  type HeaderName,
  headersOf,
  nonNull,
  nullable,
  partsOf,
  wordsOf,
} from './endpoint.ts';

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

/** Its description is placed next to the schema, where readers look for it. */
function parameterSchema({ description, ...schema }: Json): Json {
  return { ...(description === undefined ? {} : { description }), schema };
}

/** A field with a default need not be sent, though the code always finds it. */
function isRequired(fields: TObject, name: string, schema: TSchema): boolean {
  return (fields.required ?? []).includes(name) && schema.default === undefined;
}

function requestBody(endpoint: Endpoint, book: SchemaBook): Json {
  const { body, bodySchema, streamType, example } = endpoint;
  const mediaType = body === 'stream' ? streamType : 'application/json';
  const published = book.use(bodySchema);
  return {
    required: body === 'stream' || book.hasRequired(bodySchema),
    content: { [mediaType]: { schema: published, ...shown(example.body) } },
  };
}

function shown(example: unknown): Json {
  return example === undefined ? {} : { example };
}

function answersOf(endpoint: Endpoint, book: SchemaBook): Json {
  const answers: Json = {};
  const { responses, example } = endpoint;
  for (const [status, shape] of Object.entries(responses)) {
    const { description, content, headers = [] } = shape;
    const media = Object.entries(content).map(([type, schema]) => [
      type,
      {
        schema: book.use(schema),
        ...shown(type === 'application/json' ? example.answer : example.texts?.[type]),
      },
    ]);
    answers[status] = {
      description,
      headers: headersOf(headers),
      ...(media.length === 0 ? {} : { content: Object.fromEntries(media) as Json }),
    };
  }
  return answers;
}

const HEADERS: Readonly<Record<number, readonly HeaderName[]>> = {
  401: ['WWW-Authenticate'],
  416: ['Content-Range'],
  429: ['Retry-After'],
  503: ['Retry-After'],
  504: ['Retry-After'],
};

/**
 * The refusals of all endpoints, as components that the operations refer to: many refuse the same
 * way, and repeated for each they would be more than half the document.
 */
class RefusalAnswers {
  readonly #book: SchemaBook;
  readonly #components = new Map<string, Json>();

  constructor(book: SchemaBook) {
    this.#book = book;
  }

  /** Every refusal of an endpoint, by status, each with its possible codes. */
  of(endpoint: Endpoint): Json {
    const answers = [...codesByStatus(endpoint)].map(([status, codes]) => {
      const isTheirs = mayBeTheirs(endpoint, status);
      const name = [`refused-${status}`, ...codes, ...(isTheirs ? ['or-the-nas'] : [])].join('-');
      if (!this.#components.has(name)) {
        this.#components.set(name, this.#answer(status, codes, isTheirs));
      }
      return [status, { $ref: `#/components/responses/${name}` }];
    });
    return Object.fromEntries(answers) as Json;
  }

  components(): Json {
    const byName = [...this.#components].sort(([a], [b]) => (a < b ? -1 : 1));
    return Object.fromEntries(byName);
  }

  #answer(status: number, codes: readonly RefusalCode[], isTheirs: boolean): Json {
    const code = { type: 'string', enum: codes, description: 'A stable word.' };
    const ours = {
      allOf: [this.#book.use(ownRefusalOf(status)), { type: 'object', properties: { code } }],
    };
    const schema = isTheirs ? { anyOf: [ours, this.#book.use(NasErrorAnswer)] } : ours;
    return {
      description: `Code: ${codes.join(', ')}.`,
      headers: headersOf(HEADERS[status] ?? []),
      content: { 'application/json': { schema } },
    };
  }
}

const SleepDetail = Type.Object(
  {
    message: Type.String({ description: 'One English sentence a person can act on.' }),
    sleep_state: Type.String({
      description: "The NAS's own word for its state, or unreachable or unknown.",
    }),
    next_wake_at: nullable(
      Type.String({ description: 'When the NAS said that it wakes next, as it wrote it.' }),
    ),
    retry_after_seconds: Type.Integer({ description: 'Seconds until a new try makes sense.' }),
  },
  { title: 'SleepDetail', description: 'Why a sleeping NAS cannot be asked, and until when.' },
);

const FIELDS = {
  detail: Type.Union([Type.String(), SleepDetail], {
    description: 'One English sentence a person can act on; an object where the NAS sleeps.',
  }),
  code: Type.String({ description: 'A stable word.' }),
};

/** The body of every refusal (contract 1, Errors). */
const ErrorAnswer = closed(
  Type.Object(
    {
      ...FIELDS,
      retry_after: Type.Optional(Type.Integer({ description: 'Seconds; with 429.' })),
    },
    { title: 'Error', description: 'A refusal.' },
  ),
);
export type ErrorAnswer = Static<typeof ErrorAnswer>;

const ValidationErrorAnswer = closed(
  Type.Object(
    {
      ...FIELDS,
      errors: Type.Array(
        Type.Object({
          loc: Type.Array(Type.Union([Type.String(), Type.Integer()]), {
            description: 'query, body or path, then the way to the value.',
          }),
          msg: Type.String({ description: 'What is wanted there.' }),
          got: Type.Optional(Type.String({ description: 'What came; never for secrets.' })),
        }),
        { description: 'The faults by their place, at most twenty.' },
      ),
    },
    { title: 'ValidationError', description: 'A refusal of values, each fault with its place.' },
  ),
);
export type ValidationErrorAnswer = Static<typeof ValidationErrorAnswer>;

/** A refusal in the NAS's own words: unchanged, but for the code where it had none. */
export const NasErrorAnswer = Type.Object(
  { detail: Type.Unknown({ description: 'As the NAS wrote it.' }), code: FIELDS.code },
  {
    title: 'NasError',
    description: "A refusal in the NAS's own words, with a code.",
    additionalProperties: true,
  },
);

/** The body of our own refusals with this status; {@link codesByStatus} has their codes. */
export function ownRefusalOf(status: number): TSchema {
  return status === 422 ? ValidationErrorAnswer : ErrorAnswer;
}

/** Whether the NAS's own refusal may replace ours; its codes are unknown here. */
export function mayBeTheirs({ passesRefusals }: Endpoint, status: number): boolean {
  return passesRefusals && status < 500;
}

/** The codes an endpoint may refuse with, by their status, lowest first. */
export function codesByStatus(endpoint: Endpoint): ReadonlyMap<number, readonly RefusalCode[]> {
  const byStatus = Map.groupBy(refusalsOf(endpoint), (code) => refuse(code).statusCode);
  return new Map([...byStatus].sort(([a], [b]) => a - b));
}

/** Every refusal an endpoint may give: its own, and those its access, query and body bring. */
function refusalsOf(endpoint: Endpoint): readonly RefusalCode[] {
  const codes = new Set<RefusalCode>(endpoint.refusals);
  if (endpoint.access !== 'open') addAll(codes, ['no_token', 'bad_token', 'nas_asleep']);
  if (endpoint.access === 'admin') codes.add('admin_only');
  if (endpoint.access === 'wake') codes.add('not_allowed');
  if (Object.keys(endpoint.params.properties).length > 0) codes.add('not_found');
  if (Object.keys(endpoint.query.properties).length > 0) codes.add('invalid');
  if (endpoint.body === 'json') addAll(codes, ['wrong_body_type', 'invalid']);
  if (endpoint.passesRefusals) addAll(codes, ['bad_token', 'not_allowed', 'invalid']);
  // Two hosts, or a body where none is wanted: whatever is asked for.
  if (endpoint.maxBodyBytes !== null) addAll(codes, ['too_large', 'too_slow']);
  if (codes.has('nas_asleep')) codes.add('nas_never_seen');
  addAll(codes, ['malformed', 'failed', 'restarting', 'flow_missing', 'deadline']);
  return [...codes];
}

function addAll(codes: Set<RefusalCode>, more: readonly RefusalCode[]): void {
  for (const code of more) codes.add(code);
}

/**
 * Turns our schemas into published ones. A schema with a title becomes a component and is referred
 * to; a union of words becomes an `enum`, one of named shapes `oneOf`; a field with a default is not `required`.
 */
class SchemaBook {
  readonly #components = new Map<string, Json>();

  /**
   * @throws Error when two different schemas bear one title
   */
  use(schema: TSchema): Json {
    const { title } = partsOf(schema);
    if (title === undefined) return this.#publish(schema);
    const published = this.#publish(schema);
    const known = this.#components.get(title);
    // TypeBox copies a schema to make it optional, so only the text tells whether it is another.
    if (known !== undefined && JSON.stringify(known) !== JSON.stringify(published)) {
      throw new Error(`Two schemas are called ${title}.`);
    }
    this.#components.set(title, published);
    return { $ref: `#/components/schemas/${title}` };
  }

  /**
   * As {@link use}, for a field or a parameter: if its schema has no description, its name provides
   * it.
   */
  useNamed(name: string, schema: TSchema): Json {
    const published = this.use(schema);
    const word = GLOSSARY[name];
    if (word === undefined || isDescribed(schema)) return published;
    return { ...published, description: word };
  }

  /** Whether a value without any field would be refused. */
  hasRequired(schema: TSchema): boolean {
    return requiredOf(schema).length > 0;
  }

  components(): Json {
    const byName = [...this.#components].sort(([a], [b]) => (a < b ? -1 : 1));
    return Object.fromEntries(byName);
  }

  #publish(schema: TSchema): Json {
    const words = wordsOf(schema);
    if (words !== undefined) {
      const { description, default: standard } = partsOf(schema);
      return {
        type: 'string',
        enum: words,
        ...(description === undefined ? {} : { description }),
        ...(standard === undefined ? {} : { default: standard }),
      };
    }
    const published: Json = {};
    for (const [key, value] of Object.entries(plain(schema))) {
      published[isChoice(key, value) ? 'oneOf' : key] = this.#keyword(key, value);
    }
    if ('required' in published) {
      const required = requiredOf(schema);
      if (required.length === 0) delete published['required'];
      else published['required'] = required;
    }
    return published;
  }

  #keyword(key: string, value: unknown): unknown {
    switch (key) {
      case 'properties':
      case 'patternProperties':
        return mapValues(value as Record<string, TSchema>, (name, property) =>
          this.useNamed(name, property),
        );
      case 'items':
        return this.use(value as TSchema);
      case 'anyOf':
        return (value as TSchema[]).map((variant) => this.use(variant));
      default:
        return value;
    }
  }
}

/**
 * Exactly one of the named shapes fits, because they are closed; that much a generator can be told.
 */
function isChoice(key: string, value: unknown): boolean {
  return key === 'anyOf' && (value as TSchema[]).every((one) => partsOf(one).title !== undefined);
}

function isDescribed(schema: TSchema): boolean {
  return [schema, nonNull(schema)].some((one) => partsOf(one).description !== undefined);
}

function requiredOf(schema: TSchema): string[] {
  const { required = [], properties = {} } = partsOf(schema);
  return required.filter((name) => {
    const property = properties[name];
    return property !== undefined && partsOf(property).default === undefined;
  });
}

/** The schema's string keys; TypeBox keeps its own notes under symbols. */
function plain(schema: TSchema): Json {
  return Object.fromEntries(Object.entries(schema));
}

function mapValues<T>(
  record: Readonly<Record<string, T>>,
  turn: (name: string, value: T) => Json,
): Json {
  return Object.fromEntries(
    Object.entries(record).map(([name, value]) => [name, turn(name, value)]),
  );
}

/**
 * What a field of that name means wherever it stands and says nothing else itself: one name has one
 * meaning in the API (contract 1). Published with the schemas; nothing is checked by it.
 */
export const GLOSSARY: Readonly<Record<string, string>> = {
  // Who and when
  username: 'Name of a user of the NAS.',
  last_seen: 'When it answered last; null before the first time.',
  since: 'Since when it is so; null where nobody saw it begin.',
  message: 'What was done, in one English sentence.',
  success: 'True: what did not work is a refusal.',
  detail: 'What went wrong, in one English sentence; null where nothing did.',
  hostname: 'Name of the Pi in its network.',

  // Sign-in
  access_token: 'Sent with each call as `Authorization: Bearer …`.',
  refresh_token: 'Gets new access tokens at /api/auth/refresh.',
  token_type: 'bearer.',
  pending_token: 'Of the first step, for the second; a few minutes.',
  device_code: 'What the desktop asks with, again and again.',
  device_name: 'Name of the plug; null for the sum of all plugs.',

  // Files
  path: "A path on the NAS without a leading slash, such as alice/Photos; callers may send one. '' is the root.",
  filename: 'Name of the file, without its folder.',
  size_bytes: 'Size in bytes.',
  sha256: 'SHA-256 of the content, in hex.',
  upload_id: 'Id of the upload.',
  attempts: 'How often it was tried.',
  kept_files: 'How many files of it are kept here.',
  kept_bytes: 'How many bytes of it are kept here.',
  pending_files: 'How many files of it are still to be fetched.',
  pending_bytes: 'How many bytes of it are still to be fetched.',
  left_out_files: 'How many of its files are beyond your share, and so not kept.',

  // Counts of the cache
  hits: 'Reads answered from a kept copy.',
  misses: 'Reads that needed the NAS.',
  hit_bytes: 'Bytes answered from kept copies.',
  miss_bytes: 'Bytes that came from the NAS.',
  hit_rate_percent: 'Share of the reads answered from kept copies; null before the first read.',
  byte_hit_rate_percent: 'The same of bytes.',
  nas_wakes_avoided: 'Times that the NAS could sleep on, as a kept copy answered.',
  prefetched_files: 'Files fetched before anybody asked.',
  prefetched_bytes: 'Bytes fetched before anybody asked.',
  prefetched_used_files: 'Of these, files that somebody then read.',
  prefetched_used_bytes: 'Of these, bytes that somebody then read.',
  removed_files: 'Files that were removed.',
  removed_bytes: 'Bytes that were removed.',

  // Energy
  device_id: 'Id of the plug; null for the sum of all plugs.',
  device_number: 'The plug as a number, for the apps; never given twice.',
  period: 'The calendar day, week (from Monday), month or year in TIMEZONE, up to now.',
  date: 'A calendar day in TIMEZONE.',
  timestamp: 'When it was measured; of a stretch, its begin.',
  power_w: 'Power now in watts; null while it is not known.',
  total_power_w: 'Power of all plugs now in watts; null while none is known.',
  voltage_v: 'Volts; null where the plug does not tell.',
  current_a: 'Amperes; null where the plug does not tell.',
  avg_power_w: 'Mean power in watts; null where nothing was measured.',
  max_power_w: 'Highest power in watts; null where nothing was measured.',
  min_power_w: 'Lowest power in watts; null where nothing was measured.',
  energy_wh: 'Energy used in watt-hours; null where nothing was measured.',
  energy_today_wh: 'Energy used since midnight in TIMEZONE, in watt-hours; null while not known.',
  estimated_wh: 'The part of energy_wh that is estimated, in watt-hours.',
  feed_in_wh: 'Energy fed in through the plug, in watt-hours; no part of energy_wh.',
  cost_cents: 'What it cost, in cents; null where it is not known.',
  covered_seconds: 'Seconds of it that were measured.',
  elapsed_seconds: 'Seconds of it that have passed.',
  estimated: 'True where a part was estimated from the counter of the plug.',
  corrected: 'True where an admin put a part right.',
  quality: 'corrected: an admin put a part right. estimated: a part is. measured: neither.',
  is_online: 'Whether the plug answers.',
  is_stale: 'Whether the values are older than they should be.',
  kwh: 'Energy in kWh.',
  avg_watts: 'Mean power in watts.',
  min_watts: 'Lowest power in watts.',
  max_watts: 'Highest power in watts.',
  watts: 'Power now in watts.',
  sample_count: 'How many values it is made of.',
  is_active: 'False: it counts as if it were not there.',
  base_fee_cents_per_month: 'Fee in cents a month; null: none.',
  slots: 'Prices, one after the other.',
  price_id: 'Number of the tariff.',

  // Plugs
  mac_address: 'Its MAC address; null while it is not known.',
  model: 'What the plug says it is, such as P110; null before it was read.',
  role: 'nas: it feeds the NAS, at most one. monitor: it is metered only. generic: any other.',

  // The NAS
  nas_state: 'From the power of the plug of the NAS; unknown without one.',
  capabilities: 'What it can do.',
  plugin_name: 'The plug-in of BaluHost for such devices: tapo_smart_plug.',
};
