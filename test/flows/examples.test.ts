import assert from 'node:assert/strict';
import type { FlowNode } from '../../packages/node-red-flow-files/lib/flow-storage.ts';
import { stages } from '../nodes/stage.ts';
import {
  EXAMPLES_TYPES,
  flowTexts,
  isPlaced,
  OWN_TYPES,
  reached,
  suspicious,
  targets,
  xOf,
} from './flow-rules.ts';

const EXAMPLES = flowTexts('examples');
const SHARED = flowTexts('flows').find(({ name }) => name === 'shared.json')?.nodes ?? [];
const MOST_NODES = 12;
const CONFIG_KEYS = ['store', 'nas', 'mydb', 'broker', 'postgreSQLConfig'];
/** One has no input, the other uses a database file and no service. */
const WITHOUT_ACTS = ['balupi-events', 'balupi-sql'];
/**
 * Config nodes of no shipped flow: they belong to an installation, and are completed after the
 * import.
 */
const OF_THE_HOUSE = ['mqtt-broker', 'postgreSQLConfig'];
/** Names other packages to the editor, which imports nothing from it. */
const PALETTE = 'global-config';

const own = (nodes: readonly FlowNode[]): readonly FlowNode[] =>
  nodes.filter((node) => OWN_TYPES.includes(node.type) && isPlaced(node));

describe('The examples', () => {
  it('show every node type of BaluPi that is placed in a flow', () => {
    const shown = new Set(EXAMPLES.flatMap(({ nodes }) => nodes.map(({ type }) => type)));
    assert.deepEqual(
      OWN_TYPES.filter((type) => !shown.has(type)),
      ['balupi-store', 'balupi-nas'],
    );
  });

  it('have ids that no other example and no shipped flow has, but for shared config nodes', () => {
    const ids = EXAMPLES.flatMap(({ nodes }) => nodes.filter(isPlaced).map(({ id }) => id));
    assert.equal(new Set(ids).size, ids.length);
  });

  for (const { name, text, nodes } of EXAMPLES) {
    describe(name, () => {
      const open = stages();
      const ids = new Set(nodes.map(({ id }) => id));

      it('is short, in one tab, begins with a comment, and uses known types only', () => {
        const [tab] = nodes;
        assert.equal(tab?.type, 'tab');
        assert.ok(String(tab['info']).length > 20);
        assert.equal(nodes[1]?.type, 'comment');
        assert.ok(nodes.filter(isPlaced).length <= MOST_NODES);
        assert.deepEqual(
          nodes.filter(({ type }) => !EXAMPLES_TYPES.has(type)),
          [],
        );
        assert.deepEqual(
          nodes.filter((node) => isPlaced(node) && node.z !== tab.id),
          [],
        );
      });

      it('is as Node-RED imports it: its text has no marks of our own files', () => {
        assert.deepEqual(JSON.parse(text), nodes);
        assert.ok(!text.includes('$lines'));
      });

      it('names config nodes of the shipped flows, and brings none that are there already', () => {
        const brought = nodes.filter((node) => node.type !== 'tab' && !isPlaced(node));
        // Otherwise the editor would ask what to do with duplicates.
        assert.deepEqual(
          brought.filter(({ type }) => ![...OF_THE_HOUSE, PALETTE].includes(type)),
          [],
        );
        const there = new Set([...SHARED, ...brought].map(({ id }) => id));
        const named = nodes
          .filter(isPlaced)
          .flatMap((node) =>
            CONFIG_KEYS.flatMap((key) => (typeof node[key] === 'string' ? [node[key]] : [])),
          );
        assert.deepEqual(
          named.filter((id) => !there.has(id)),
          [],
        );
      });

      it('names the package of what it needs of others, as the editor’s own exports do', () => {
        const foreign = nodes.some(({ type }) => ['postgresql', 'e-mail'].includes(type));
        const palette = nodes.find(({ type }) => type === PALETTE);
        assert.equal(palette !== undefined, foreign);
        for (const version of Object.values(palette?.['modules'] ?? {})) {
          assert.match(String(version), /^\d+\.\d+\.\d+$/);
        }
      });

      it('is wired from left to right to nodes that are there, and catches what fails', () => {
        for (const node of nodes.filter(isPlaced)) {
          for (const id of targets(node)) {
            const target = nodes.find((candidate) => candidate.id === id);
            assert.ok(ids.has(id) && target !== undefined && xOf(target) > xOf(node), id);
          }
        }
        assert.equal(nodes.filter(({ type }) => type === 'catch').length, 1);
      });

      it('holds no secret and no path of a machine', () => {
        assert.deepEqual(suspicious(text), []);
      });

      it('lets no message into the text of a query, and reads only', () => {
        for (const node of nodes.filter(({ type }) => type === 'sqlite')) {
          assert.equal(node['sqlquery'], 'prepared');
        }
        for (const node of nodes.filter(({ type }) => type === 'sqlitedb')) {
          assert.equal(node['mode'], 'RO');
        }
      });

      it('sets each node to an act that works where it stands', async () => {
        for (const node of own(nodes).filter(({ type }) => !WITHOUT_ACTS.includes(type))) {
          const op = String(node['op']);
          const stage = await open({ type: node.type, op, services: {} });
          await stage.send();
          const said = stage.caught[0]?.error.message ?? '';
          // It got as far as the services, or names what it needs in the message; it needs no
          // request.
          assert.match(said, /No fake of|msg\.\w+|name one in the node, under "as"/);
        }
      });
    });
  }

  it('with an own endpoint keep away from the addresses of BaluPi and the NAS', () => {
    const endpoints = EXAMPLES.flatMap(({ nodes }) =>
      nodes.filter(({ type }) => type === 'http in').map((node) => ({ node, nodes })),
    );
    assert.ok(endpoints.length > 0);
    for (const { node, nodes } of endpoints) {
      assert.ok(!String(node['url']).startsWith('/api/'));
      assert.ok(reached(node, nodes).some(({ type }) => type === 'http response'));
      assert.deepEqual([node['upload'], node['skipBodyParsing']], [false, false]);
    }
  });

  it('are where Node-RED looks for them, with the energy lesson under its own name', () => {
    const names = EXAMPLES.map(({ name }) => name);
    assert.ok(names.includes('Ask the energy database.json'));
    const numbered = names.filter((name) => /^\d\d - [A-Z]/.test(name));
    assert.equal(numbered.length, names.length - 1);
  });
});
