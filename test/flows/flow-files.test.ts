import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type FlowNode, flowText } from '../../packages/node-red-flow-files/lib/flow-storage.ts';
import { ENDPOINTS, PASSED } from '../../nodes/lib/api/api.ts';
import { type FlowFault, flowFaults } from '../../flows/flow-check.ts';
import { refuse } from '../../nodes/lib/http/http.ts';
import {
  flowTexts,
  isPlaced,
  KNOWN_TYPES,
  reached,
  suspicious,
  targets,
  xOf,
} from './flow-rules.ts';

const FOLDER = 'flows';
const FILES = flowTexts(FOLDER);
const TABS = FILES.filter(({ name }) => name !== 'shared.json');
const ALL = FILES.flatMap(({ nodes }) => nodes);
const LONGEST_FUNCTION_LINES = 5;

const typed = (nodes: readonly FlowNode[], type: string): readonly FlowNode[] =>
  nodes.filter((node) => node.type === type);

/** `GET /api/files/uploads/{}`: parameter names differ from place to place. */
function route(method: string, path: string): string {
  return `${method.toUpperCase()} ${path.replace(/\{\w+\}|:\w+\*?|\*/g, '{}')}`;
}

const routeOf = (node: FlowNode): string => route(node['method'] as string, node['url'] as string);
/** Requests passed to the NAS unchanged, which describes them; see `host/api-guard.ts`. */
const PASSED_ON = ['get', 'post', 'put', 'patch', 'delete'].map((method) =>
  route(method, PASSED.path),
);

describe('The flow files', () => {
  it('are there, and in the order of the tabs', () => {
    const order = JSON.parse(readFileSync(join(FOLDER, '_order.json'), 'utf8')) as string[];
    assert.deepEqual([...order].sort(), TABS.map(({ name }) => name.replace('.json', '')).sort());
    assert.ok(TABS.length >= 11);
  });

  it('have ids that are unique across files and that a person can read', () => {
    const ids = ALL.map(({ id }) => id);
    assert.equal(new Set(ids).size, ids.length);
    const unreadable = ids.filter((id) => !/^[a-z]+(?:-[a-z0-9]+)+$/.test(id));
    assert.deepEqual(unreadable, []);
  });

  it('use the types that are known, and keep their config nodes in shared.json', () => {
    const unknown = ALL.filter(({ type }) => !KNOWN_TYPES.has(type));
    assert.deepEqual(unknown, []);
    const shared = FILES.find(({ name }) => name === 'shared.json');
    const loose = ALL.filter((node) => node.type !== 'tab' && !isPlaced(node));
    assert.deepEqual(loose, shared?.nodes);
  });

  it('name config nodes and wires that are there', () => {
    const ids = new Set(ALL.map(({ id }) => id));
    for (const node of ALL) {
      for (const key of ['store', 'nas', 'mydb', 'group', 'page', 'ui', 'theme', 'z']) {
        const named = node[key];
        if (typeof named === 'string' && named !== '')
          assert.ok(ids.has(named), `${node.id}: ${key} ${named}`);
      }
      for (const link of (node['links'] as readonly string[] | undefined) ?? []) {
        assert.ok(ids.has(link), `${node.id} ⇢ ${link}`);
      }
      for (const target of targets(node)) assert.ok(ids.has(target), `${node.id} → ${target}`);
    }
  });

  it('have an http in for each endpoint but those of the host, and for nothing else', () => {
    const wanted = ENDPOINTS.filter(({ answeredBy }) => answeredBy === 'flow');
    const routes = typed(ALL, 'http in').map(routeOf).sort();
    const ours = wanted.map(({ method, path }) => route(method, path));
    assert.deepEqual(routes, [...ours, ...PASSED_ON].sort());
  });

  it('never let Node-RED itself take a body', () => {
    for (const node of typed(ALL, 'http in')) {
      assert.deepEqual([node['upload'], node['skipBodyParsing']], [false, false], node.id);
    }
  });

  it('ask a database read only, and never by the text of a message', () => {
    for (const node of typed(ALL, 'sqlite')) {
      assert.equal(node['sqlquery'], 'prepared', node.id);
      assert.match(node['sql'] as string, /^SELECT\b/i);
    }
    for (const node of typed(ALL, 'sqlitedb')) assert.equal(node['mode'], 'RO', node.id);
  });

  it('have each tab that does without a package under the same name, id and words', () => {
    for (const lacked of readdirSync('flows/without')) {
      for (const { name, text, nodes } of flowTexts(`flows/without/${lacked}`)) {
        const [tab] = flowTexts('flows').find((one) => one.name === name)?.nodes ?? [];
        assert.equal(nodes[0]?.id, tab?.id, name);
        assert.equal(nodes[0]?.['label'], tab?.['label']);
        assert.equal(text, flowText(nodes));
        assert.deepEqual(
          nodes.filter(({ type }) => type.startsWith('sqlite')),
          [],
        );
      }
    }
  });

  it('hold no function that should be a module', () => {
    for (const node of typed(ALL, 'function')) {
      const lines = (node['func'] as string).split('\n').length;
      assert.ok(lines <= LONGEST_FUNCTION_LINES, `${node.id} has ${lines} lines`);
    }
  });

  for (const { name, text, nodes } of FILES) {
    it(`${name} is in its one canonical text and holds no secret and no path`, () => {
      assert.equal(flowText(nodes), text);
      assert.deepEqual(suspicious(text), []);
    });
  }

  for (const { name, nodes } of TABS) {
    describe(name, () => {
      const [tab] = nodes;

      it('is one tab, named as the file, with words about it', () => {
        assert.equal(tab?.type, 'tab');
        assert.equal(`${String(tab['label'])}.json`, name);
        assert.equal(tab.id, tab['label']);
        assert.ok(String(tab['info']).length > 40);
        const strangers = nodes.slice(1).filter(({ z }) => z !== tab.id);
        assert.deepEqual(strangers, []);
      });

      it('names its own endpoints in its words', () => {
        for (const node of typed(nodes, 'http in')) {
          const url = (node['url'] as string).replace(/:(\w+)\*?/g, '{$1}').replace(/\*$/, '<');
          const words = `${String(node['method']).toUpperCase()} ${url}`;
          assert.ok(String(tab?.['info']).includes(words), words);
        }
      });

      it('catches what fails, and answers for it where there is somebody to answer', () => {
        const [caught, ...others] = typed(nodes, 'catch');
        assert.ok(caught !== undefined && others.length === 0);
        assert.equal(caught['scope'], null);
        const behind = reached(caught, nodes).map(({ type }) => type);
        const hasCallers = typed(nodes, 'http in').length > 0;
        assert.ok(behind.includes(hasCallers ? 'http response' : 'debug'));
      });

      it('brings each request to a reply', () => {
        for (const node of typed(nodes, 'http in')) {
          const behind = reached(node, nodes).map(({ type }) => type);
          assert.ok(behind.includes('http response'), node.id);
        }
      });

      it('runs from left to right', () => {
        for (const node of nodes.filter(isPlaced)) {
          for (const id of targets(node)) {
            const target = nodes.find((candidate) => candidate.id === id);
            assert.ok(target !== undefined && xOf(target) > xOf(node), `${node.id} → ${id}`);
          }
        }
      });
    });
  }

  it('answer a failure as the guard does', () => {
    const { statusCode, payload } = refuse('failed');
    const failures = ALL.filter(({ id, type }) => type === 'change' && id.endsWith('-failed'));
    assert.equal(failures.length, TABS.filter(({ name }) => name.startsWith('api-')).length);
    for (const node of failures) {
      const rules = node['rules'] as readonly { readonly p: string; readonly to: string }[];
      const set = Object.fromEntries(rules.map(({ p, to }) => [p, JSON.parse(to) as unknown]));
      assert.deepEqual(set, { statusCode, headers: {}, payload });
    }
  });
});

describe('The check of lines and groups', () => {
  type Change = (node: FlowNode) => FlowNode | null;
  const FILES_TAB = FILES.find(({ name }) => name === 'api-files.json')?.nodes ?? [];

  /** What the check finds in api-files once some of its nodes are changed, or removed by null. */
  function found(changes: Readonly<Record<string, Change>>): readonly FlowFault[] {
    const nodes = FILES_TAB.map((node) => {
      const change = changes[node.id.replace('api-files-', '')];
      return change === undefined ? node : change(node);
    });
    return flowFaults(nodes.filter((node) => node !== null));
  }
  const set =
    (more: object): Change =>
    (node) => ({ ...node, ...more });
  const inNone: Change = ({ g: _g, ...node }) => node;

  it('finds nothing in the shipped flows, in either of their forms', () => {
    assert.deepEqual(flowFaults(ALL), []);
    for (const lacked of readdirSync('flows/without')) {
      for (const { nodes } of flowTexts(`flows/without/${lacked}`)) {
        assert.deepEqual(flowFaults(nodes), []);
      }
    }
  });

  it('looks at every line, every group and every tick', () => {
    const kinds = ['http in', 'group', 'comment', 'inject', 'catch'];
    const counts = kinds.map((type) => typed(ALL, type).length);
    assert.ok(
      counts.every((count) => count > 10),
      counts.join(' '),
    );
  });

  for (const [what, changes, ...faults] of [
    [
      'a Catch that answers by the reply of another line',
      { failed: set({ wires: [['api-files-drop-reply']] }) },
      ['catch-without-own-reply', 'catch'],
      ['reply-without-line', 'failed-reply'],
    ],
    [
      'a Catch that leads to no reply',
      { failed: set({ wires: [[]] }) },
      ['catch-without-own-reply', 'catch'],
      ['reply-without-line', 'failed-reply'],
    ],
    [
      'a line with a node that no Catch covers',
      { catch: set({ scope: FILES_TAB.map(({ id }) => id).filter((id) => !/-list$/.test(id)) }) },
      ['line-without-catch', 'list-in'],
    ],
    [
      'lines that only a Catch of another group is for',
      { catch: set({ scope: 'group' }), 'upload-in': () => null, 'upload-reply': () => null },
      ...['conflicts', 'conflicts-resolve', 'device-drop', 'device-queue', 'device-retry'],
      ...['download', 'download-query', 'drop', 'list', 'retry', 'sync-status', 'take-up'],
      'uploads',
    ],
    [
      'a line that leads to no reply',
      { list: set({ wires: [[]] }) },
      ['line-without-reply', 'list-in'],
      ['reply-without-line', 'list-reply'],
    ],
    [
      'a node in no group, though one lists it',
      { serve: inNone },
      ['group-misses-node', 'serve'],
      ['group-misses-node', 'read-group'],
    ],
    [
      'a group that misses a node of its own',
      { 'folder-group': set({ nodes: ['api-files-folder-note'] }) },
      ['group-misses-node', 'list'],
      ['group-misses-node', 'list-in'],
      ['group-misses-node', 'list-reply'],
    ],
    [
      'a node outside the box of its group',
      { serve: set({ y: 5_000 }) },
      ['group-misses-node', 'serve'],
    ],
    [
      'a group without a title',
      { 'read-group': set({ name: '' }) },
      ['group-without-title', 'read-group'],
    ],
    [
      'a group whose comment says nothing in German',
      { 'folder-note': set({ info: 'From the NAS while it is awake, else as it was last seen.' }) },
      ['group-without-comment', 'folder-group'],
    ],
    [
      'a tick that names another interval',
      { 'list-in': set({ type: 'inject', name: 'look, every 5 s', repeat: '60' }) },
      ['tick-named-otherwise', 'list-in'],
      ['reply-without-line', 'list-reply'],
    ],
  ] as const) {
    it(`finds ${what}`, () => {
      const told = found(changes as Readonly<Record<string, Change>>).map(
        ({ rule, node }) => `${rule} ${node.replace('api-files-', '')}`,
      );
      const expected = faults.map((fault) =>
        typeof fault === 'string' ? `line-without-catch ${fault}-in` : fault.join(' '),
      );
      for (const fault of expected)
        assert.ok(told.includes(fault), `${fault} in ${told.join(', ')}`);
    });
  }
});
