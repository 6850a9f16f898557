import assert from 'node:assert/strict';
import {
  type AnswerOf,
  answerTo,
  type Endpoint,
  endpointById,
  ENDPOINTS,
} from '../../../nodes/lib/api/api.ts';
import { GLOSSARY, openApiDocument } from '../../../nodes/lib/api/openapi.ts';
import { faultsOf } from '../../../nodes/lib/api/validate.ts';
import { answerFaults } from '../../fakes/answer-faults.ts';

interface Answer {
  readonly description: string;
  readonly headers?: Record<string, unknown>;
  readonly content?: Record<string, { schema: object }>;
}

interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly security?: readonly unknown[];
  readonly parameters?: readonly {
    readonly name: string;
    readonly in: string;
    readonly required: boolean;
    readonly description?: string;
    readonly schema: object;
  }[];
  readonly requestBody?: {
    readonly required: boolean;
    readonly content: Record<string, { schema: object }>;
  };
  readonly responses: Readonly<Record<string, Answer | { readonly $ref: string }>>;
}

interface Document {
  readonly openapi: string;
  readonly info: Readonly<Record<string, unknown>>;
  readonly tags: readonly { readonly name: string; readonly description: string }[];
  readonly servers: readonly { readonly url: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: {
    readonly schemas: Readonly<Record<string, Record<string, unknown>>>;
    readonly responses: Readonly<Record<string, Answer>>;
    readonly headers: Readonly<Record<string, Record<string, unknown>>>;
    readonly securitySchemes: Readonly<Record<string, Record<string, unknown>>>;
  };
}

const text = JSON.stringify(openApiDocument(ENDPOINTS, '0.1.0'));
const document = JSON.parse(text) as Document;
const operations = Object.entries(document.paths).flatMap(([path, item]) =>
  Object.entries(item).map(([method, operation]) => ({ path, method, operation })),
);

/** The answer itself, or the one that the operation refers to. */
function answerOf(operation: Operation | undefined, status: string): Answer | undefined {
  const answer = operation?.responses[status];
  if (answer === undefined || !('$ref' in answer)) return answer;
  return document.components.responses[answer.$ref.replace('#/components/responses/', '')];
}

interface Schema {
  readonly $ref?: string;
  readonly type?: string;
  readonly description?: string;
  readonly anyOf?: readonly Schema[];
}

/** Whether there is a description: at the field, its schema, or the non-null one of two. */
function isDescribed({ description, $ref, anyOf = [] }: Schema): boolean {
  if (description !== undefined) return true;
  if ($ref !== undefined) {
    const shape = document.components.schemas[$ref.replace('#/components/schemas/', '')];
    return shape?.['description'] !== undefined;
  }
  return anyOf.some((one) => one.type !== 'null' && isDescribed(one));
}

/** Every schema-like object of the document, with its place. */
function* objectsIn(value: unknown, place = '#'): Generator<[string, Record<string, unknown>]> {
  if (typeof value !== 'object' || value === null) return;
  if (!Array.isArray(value)) yield [place, value as Record<string, unknown>];
  for (const [key, inner] of Object.entries(value)) yield* objectsIn(inner, `${place}/${key}`);
}

describe('the published description', () => {
  it('is OpenAPI 3.1 with title, version and a server on this very origin', () => {
    assert.equal(document.openapi, '3.1.0');
    assert.ok(document.info['title']);
    assert.equal(document.info['version'], '0.1.0');
    assert.deepEqual(document.servers, [{ url: '/' }]);
  });

  it('has one operation for each endpoint, each with an id of its own', () => {
    assert.equal(operations.length, ENDPOINTS.length);
    assert.equal(
      new Set(operations.map(({ operation }) => operation.operationId)).size,
      operations.length,
    );
  });

  it('declares each parameter of a path, required, and no other', () => {
    for (const { path, operation } of operations) {
      const named = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      const declared = (operation.parameters ?? []).filter((one) => one.in === 'path');
      assert.deepEqual(
        declared.map(({ name }) => name),
        named,
        path,
      );
      assert.ok(
        declared.every(({ required }) => required),
        path,
      );
    }
  });

  it('names no parameter twice and gives each a schema', () => {
    for (const { path, operation } of operations) {
      const keys = (operation.parameters ?? []).map((one) => `${one.in} ${one.name}`);
      assert.equal(new Set(keys).size, keys.length, path);
      for (const { schema } of operation.parameters ?? []) assert.equal(typeof schema, 'object');
    }
  });

  it('requires no parameter that has a default', () => {
    const history = document.paths['/api/energy/history']?.['get'];
    const required = history?.parameters?.filter((one) => one.required).map(({ name }) => name);
    assert.deepEqual(required, []);
    const period = history?.parameters?.find(({ name }) => name === 'period');
    assert.deepEqual(period?.schema, {
      type: 'string',
      enum: ['day', 'week', 'month', 'year'],
      default: 'day',
    });
  });

  it('describes every answer, with at least one success and a 500', () => {
    for (const { path, operation } of operations) {
      const statuses = Object.keys(operation.responses);
      assert.ok(
        statuses.every((status) => /^[1-5]\d\d$/.test(status)),
        path,
      );
      assert.ok(
        statuses.some((status) => status.startsWith('2')),
        path,
      );
      assert.ok(statuses.includes('500'), path);
      for (const status of statuses) assert.ok(answerOf(operation, status)?.description, path);
    }
  });

  it('has no body on a GET, and a media type on every other body', () => {
    for (const { method, path, operation } of operations) {
      if (method === 'get') assert.equal(operation.requestBody, undefined, path);
      for (const media of Object.keys(operation.requestBody?.content ?? {})) {
        assert.match(media, /^(application\/(json|octet-stream)|multipart\/form-data)$/);
      }
    }
  });

  it('refers only to components that exist, and uses every component', () => {
    const used = new Set<string>();
    const { components } = document as unknown as Record<string, Record<string, object>>;
    for (const [place, { $ref }] of objectsIn(document)) {
      if (typeof $ref !== 'string') continue;
      const [, , kind = '', name = ''] = $ref.split('/');
      assert.ok(name in (components?.[kind] ?? {}), `${place} refers to ${$ref}`);
      used.add(name);
    }
    const { schemas, responses, headers } = document.components;
    assert.deepEqual(
      Object.keys({ ...schemas, ...responses, ...headers }).filter((name) => !used.has(name)),
      [],
    );
  });

  it('requires in each object only properties that it has', () => {
    for (const [place, value] of objectsIn(document)) {
      if (!Array.isArray(value['required'])) continue;
      const { properties } = value as { properties: Record<string, unknown> };
      for (const name of value['required'] as string[])
        assert.ok(name in properties, `${place} ${name}`);
    }
  });

  it('asks for a bearer token everywhere but on what is open to all', () => {
    assert.equal(document.components.securitySchemes['bearer']?.['scheme'], 'bearer');
    for (const { path, operation } of operations) {
      const { access } = ENDPOINTS.find(({ id }) => id === operation.operationId) ?? {};
      if (access === 'open') {
        assert.deepEqual(operation.security, [], path);
      } else {
        assert.notDeepEqual(operation.security, [], path);
        assert.ok('401' in operation.responses, path);
      }
    }
  });

  it('has the shape of errors as a component', () => {
    const error = document.components.schemas['Error'];
    assert.deepEqual(error?.['required'], ['detail', 'code']);
    const invalid = answerOf(document.paths['/api/energy/history']?.['get'], '422');
    const code = { type: 'string', enum: ['invalid'], description: 'A stable word.' };
    assert.deepEqual(invalid?.content?.['application/json']?.schema, {
      allOf: [
        { $ref: '#/components/schemas/ValidationError' },
        { type: 'object', properties: { code } },
      ],
    });
  });

  it('names the codes of each refusal as an enum, and where the NAS may speak, its shape', () => {
    for (const { path, operation } of operations) {
      for (const status of Object.keys(operation.responses).filter((one) => one >= '400')) {
        const answer = answerOf(operation, status);
        const schema = JSON.stringify(answer?.content?.['application/json']?.schema);
        const codes = answer?.description.match(/[a-z_]+(?=[,.])/g);
        assert.ok(schema.includes(`"enum":${JSON.stringify(codes)}`), `${path} ${status}`);
      }
    }
    const login = answerOf(document.paths['/api/auth/login']?.['post'], '401');
    assert.match(JSON.stringify(login), /NasError/);
  });

  it('has no two addresses that differ in the name of a parameter alone', () => {
    const shapes = Object.keys(document.paths).map((path) => path.replaceAll(/\{\w+\}/g, '{}'));
    assert.equal(new Set(shapes).size, shapes.length);
    const queue = document.paths['/api/mobile/upload/queue/{id}'];
    assert.deepEqual(Object.keys(queue ?? {}).sort(), ['delete', 'get']);
  });

  it('gives a sign-in as one named shape that is one of two', () => {
    const login = answerOf(document.paths['/api/auth/login']?.['post'], '200');
    assert.deepEqual(login?.content?.['application/json']?.schema, {
      $ref: '#/components/schemas/LoginAnswer',
    });
    assert.deepEqual(document.components.schemas['LoginAnswer']?.['oneOf'], [
      { $ref: '#/components/schemas/TokenAnswer' },
      { $ref: '#/components/schemas/TwoFactorAnswer' },
    ]);
  });

  it('tells apart what comes as JSON and what as CSV', () => {
    for (const path of ['/api/energy/history', '/api/energy/report']) {
      const { content = {} } = answerOf(document.paths[path]?.['get'], '200') ?? {};
      assert.deepEqual(Object.keys(content), ['application/json', 'text/csv']);
    }
  });

  it('tells whose each group of operations is', () => {
    for (const { description } of document.tags) assert.ok(description.length > 10);
  });

  it('describes the headers of each answer', () => {
    for (const { path, operation } of operations) {
      for (const status of Object.keys(operation.responses)) {
        const named = Object.keys(answerOf(operation, status)?.headers ?? {});
        assert.ok(named.includes('X-Request-Id'), `${path} ${status}`);
      }
    }
    const part = answerOf(document.paths['/api/files/download']?.['get'], '206');
    for (const name of ['ETag', 'Content-Range', 'X-Balupi-Cache', 'Age']) {
      assert.ok(name in (part?.headers ?? {}), name);
    }
    for (const [name, { description }] of Object.entries(document.components.headers)) {
      assert.ok(description, name);
    }
  });

  it('tells that a download may be a path with slashes', () => {
    const download = document.paths['/api/files/download/{id}']?.['get'];
    assert.match(JSON.stringify(download?.parameters), /slashes may stay unescaped/);
  });

  it('shuts every answer: it holds what is named and nothing else', () => {
    const open = new Set(['NasError', '/api/handshake/snapshot']);
    for (const { path, operation } of operations) {
      if (open.has(path)) continue;
      const success = Object.entries(operation.responses).filter(([status]) => status < '400');
      for (const [place, schema] of objectsIn(Object.fromEntries(success), path)) {
        if ('properties' in schema) assert.equal(schema['additionalProperties'], false, place);
      }
    }
    const answered = new Set(
      JSON.stringify([
        operations.map(({ operation }) => operation.responses),
        document.components.responses,
      ]).match(/\w+(?="})/g),
    );
    for (const name of answered) {
      const schema = document.components.schemas[name];
      if (schema === undefined || open.has(name)) continue;
      for (const [place, inner] of objectsIn(schema, name)) {
        if ('properties' in inner) assert.equal(inner['additionalProperties'], false, place);
      }
    }
  });

  it('says of each parameter and each field what it is', () => {
    const unsaid = operations.flatMap(({ path, operation }) =>
      (operation.parameters ?? [])
        .filter(({ description }) => description === undefined)
        .map(({ name }) => `${path} ${name}`),
    );
    for (const [place, { properties }] of objectsIn(document)) {
      if (typeof properties !== 'object' || place.endsWith('/properties')) continue;
      for (const [name, schema] of Object.entries(properties as Record<string, Schema>)) {
        if (!isDescribed(schema)) unsaid.push(`${place} ${name}`);
      }
    }
    assert.deepEqual(unsaid, []);
  });

  it('shows one call of each operation, which its own description lets in and out', () => {
    for (const endpoint of ENDPOINTS as readonly Endpoint[]) {
      const { id, body, bodySchema, responses, example } = endpoint;
      const { body: sent, answer, texts } = example;
      if (body !== 'none') assert.deepEqual(faultsOf(bodySchema, sent, id), [], id);
      else assert.equal(sent, undefined, id);
      const [status = 0] = Object.keys(responses).map(Number);
      const { content } = responses[status] ?? { content: {} };
      if ('application/json' in content) {
        assert.deepEqual(answerFaults(endpoint, status, answer), [], id);
      }
      const others = Object.keys(content).filter((type) => type !== 'application/json');
      assert.deepEqual(Object.keys(texts ?? {}), others, id);
    }
    for (const { path, operation } of operations) {
      const media = Object.keys(operation.responses)
        .filter((status) => status.startsWith('2'))
        .flatMap((status) => Object.values(answerOf(operation, status)?.content ?? {}));
      assert.ok('example' in (media[0] ?? {}), path);
    }
  });

  it('explains no name that no field bears', () => {
    const said = new Set(text.match(/(?<="description":)"(?:[^"\\\\]|\\\\.)*"/g));
    const unused = Object.entries(GLOSSARY).filter(([, word]) => !said.has(JSON.stringify(word)));
    assert.deepEqual(unused, []);
  });

  it('names no other machine and no machine path', () => {
    assert.doesNotMatch(text.replaceAll('http://nas.lan', ''), /https?:\/\/|\/home\/|node_modules/);
  });
});

describe('an answer of an endpoint', () => {
  const plug = { device_id: 2, name: 'Fridge', watts: 95.7 };
  const answers = {
    rightOne: () =>
      answerTo('smart-devices-power', { total_watts: 95.7, device_count: 1, devices: [plug] }),
    // @ts-expect-error: nobody described `also`.
    inventedField: () => answerTo('ping', { status: 'ok', also: 1 }),
    inventedDeep: () =>
      answerTo('smart-devices-power', {
        total_watts: 95.7,
        device_count: 1,
        // @ts-expect-error: nor there.
        devices: [{ ...plug, also: 1 }],
      }),
    inventedBefore: () => {
      const made = { total_watts: 95.7, device_count: 1, devices: [{ ...plug, also: 1 }] };
      // @ts-expect-error: nor in what was made elsewhere, which the compiler alone lets go.
      return answerTo('smart-devices-power', made);
    },
    // @ts-expect-error: it is said what it is.
    missingField: () => answerTo('ping', {}),
    // @ts-expect-error: a word of its own.
    inventedWord: () => answerTo('ping', { status: 'yes' }),
    // @ts-expect-error: it answers no JSON.
    noJson: () => answerTo('metrics', 'a text'),
  };

  it('compiles where it is what its description says, and goes out with its status', () => {
    const { statusCode, payload } = answers.rightOne();
    assert.equal(statusCode, 200);
    assert.deepEqual(answerFaults(endpointById('smart-devices-power'), statusCode, payload), []);
    const price = endpointById('energy-prices-add').example.answer;
    const added = answerTo('energy-prices-add', price as AnswerOf<'energy-prices-add'>);
    assert.equal(added.statusCode, 201);
  });

  it('does not compile with a field that nobody described, and fails every test that gets it', () => {
    for (const [name, endpoint] of [
      ['inventedField', endpointById('ping')],
      ['inventedDeep', endpointById('smart-devices-power')],
      ['inventedBefore', endpointById('smart-devices-power')],
      ['missingField', endpointById('ping')],
      ['inventedWord', endpointById('ping')],
    ] as const) {
      const { statusCode, payload } = answers[name]();
      assert.equal(answerFaults(endpoint, statusCode, payload).length, 1, name);
    }
  });
});

describe('holding an answer against the description', () => {
  const ping = endpointById('ping');
  it('finds nothing wrong with a right one', () => {
    assert.deepEqual(answerFaults(ping, 200, { status: 'ok' }), []);
    assert.deepEqual(answerFaults(ping, 503, { detail: 'No.', code: 'restarting' }), []);
    assert.deepEqual(answerFaults(endpointById('files-download'), 206, null), []);
  });
  it('finds a wrong field, a wrong error and a status nobody described', () => {
    assert.equal(answerFaults(ping, 200, { status: 'yes' }).length, 1);
    assert.equal(answerFaults(ping, 500, { message: 'x' }).length, 3);
    assert.deepEqual(answerFaults(ping, 200, { status: 'ok', also: 1 }), [
      { loc: ['answer', 'also'], msg: 'is not described' },
    ]);
    assert.equal(answerFaults(ping, 204, null).length, 1);
  });
  it('finds a code that the endpoint does not have at that status', () => {
    const faults = answerFaults(ping, 503, { detail: 'No.', code: 'plug_unreachable' });
    assert.deepEqual(faults[0]?.loc, ['answer', 'code']);
    assert.equal(answerFaults(ping, 409, { detail: 'No.', code: 'conflict' }).length, 1);
  });
  it('takes a refusal of the NAS as it is where it goes on, but never without a code', () => {
    const login = endpointById('auth-login');
    const said = { detail: [{ loc: ['body'], msg: 'x', type: 'y' }], hint: 1 };
    assert.deepEqual(answerFaults(login, 422, { ...said, code: 'invalid' }), []);
    assert.equal(answerFaults(login, 422, said).length, 1);
    assert.notEqual(answerFaults(ping, 401, { ...said, code: 'invalid' }).length, 0);
    assert.notEqual(answerFaults(login, 502, { ...said, code: 'invalid' }).length, 0);
  });
  it('holds instants to UTC ending in Z', () => {
    const rows = endpointById('files-uploads-list');
    const row = {
      id: '1',
      path: 'a',
      size_bytes: 1,
      sha256: 'x',
      state: 'queued',
      attempts: 0,
      next_attempt_at: null,
      detail: null,
    };
    const answer = (created_at: string) => ({ uploads: [{ ...row, created_at }] });
    assert.deepEqual(answerFaults(rows, 200, answer('2026-02-22T14:30:00Z')), []);
    assert.equal(answerFaults(rows, 200, answer('2026-02-22T14:30:00+00:00')).length, 1);
    assert.equal(answerFaults(rows, 200, answer('2026-02-22 14:30:00')).length, 1);
  });
});
