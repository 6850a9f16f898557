import assert from 'node:assert/strict';
import { endpointById, ENDPOINTS, openApiDocument } from '../../../nodes/lib/api/api.ts';
import { answerFaults } from '../../fakes/answer-faults.ts';

interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly security?: readonly unknown[];
  readonly parameters?: readonly { name: string; in: string; required: boolean; schema: object }[];
  readonly requestBody?: {
    readonly required: boolean;
    readonly content: Record<string, { schema: object }>;
  };
  readonly responses: Readonly<
    Record<string, { description: string; content?: Record<string, { schema: object }> }>
  >;
}

interface Document {
  readonly openapi: string;
  readonly info: Readonly<Record<string, string>>;
  readonly servers: readonly { readonly url: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: {
    readonly schemas: Readonly<Record<string, Record<string, unknown>>>;
    readonly securitySchemes: Readonly<Record<string, Record<string, unknown>>>;
  };
}

const text = JSON.stringify(openApiDocument(ENDPOINTS, '0.1.0'));
const document = JSON.parse(text) as Document;
const operations = Object.entries(document.paths).flatMap(([path, item]) =>
  Object.entries(item).map(([method, operation]) => ({ path, method, operation })),
);

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
      for (const { description } of Object.values(operation.responses)) assert.ok(description);
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
    for (const [place, { $ref }] of objectsIn(document)) {
      if (typeof $ref !== 'string') continue;
      const name = $ref.replace('#/components/schemas/', '');
      assert.ok(name in document.components.schemas, `${place} refers to ${$ref}`);
      used.add(name);
    }
    assert.deepEqual(
      Object.keys(document.components.schemas).filter((name) => !used.has(name)),
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
    const invalid = document.paths['/api/energy/history']?.['get']?.responses['422'];
    assert.deepEqual(invalid?.content?.['application/json']?.schema, {
      $ref: '#/components/schemas/ValidationError',
    });
  });

  it('tells that a download may be a path with slashes', () => {
    const download = document.paths['/api/files/download/{id}']?.['get'];
    assert.match(JSON.stringify(download?.parameters), /slashes may stay unescaped/);
  });

  it('shuts every answer: it holds what is named and nothing else', () => {
    const open = new Set(['NasError', '/api/handshake/snapshot']);
    for (const { path, operation } of operations) {
      if (open.has(path)) continue;
      for (const [place, schema] of objectsIn(operation.responses, path)) {
        if ('properties' in schema) assert.equal(schema['additionalProperties'], false, place);
      }
    }
    const answered = new Set(
      JSON.stringify(operations.map(({ operation }) => operation.responses)).match(/\w+(?="})/g),
    );
    for (const name of answered) {
      const schema = document.components.schemas[name];
      if (schema === undefined || open.has(name)) continue;
      for (const [place, inner] of objectsIn(schema, name)) {
        if ('properties' in inner) assert.equal(inner['additionalProperties'], false, place);
      }
    }
  });

  it('names no other machine and no machine path', () => {
    assert.doesNotMatch(text, /https?:\/\/|\/home\/|node_modules/);
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
