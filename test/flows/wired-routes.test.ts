import assert from 'node:assert/strict';
import type { FlowNode } from '../../packages/node-red-flow-files/lib/flow-storage.ts';
import { unansweredRoutes } from '../../flows/wired-routes.ts';
import { ENDPOINTS } from '../../nodes/lib/api/api.ts';
import { flowTexts } from './flow-rules.ts';

const ROUTE = { method: 'GET', path: '/api/things/{id}' };
const TAB: FlowNode = { id: 'tab', type: 'tab' };
const IN: FlowNode = {
  ...{ id: 'in', type: 'http in', z: 'tab', method: 'get', url: '/api/things/:id' },
  wires: [['act']],
};
const ACT: FlowNode = { id: 'act', type: 'change', z: 'tab', wires: [['reply']] };
const REPLY: FlowNode = { id: 'reply', type: 'http response', z: 'tab', wires: [] };

const missing = (...nodes: readonly FlowNode[]): number => unansweredRoutes(nodes, [ROUTE]).length;

describe('Routes that no flow answers', () => {
  it('are none of the shipped ones', () => {
    const nodes = flowTexts('flows').flatMap((file) => file.nodes);
    const routes = ENDPOINTS.filter(({ answeredBy }) => answeredBy === 'flow');
    assert.deepEqual(unansweredRoutes(nodes, routes), []);
  });

  it('are those without an http in of their method and address', () => {
    assert.equal(missing(TAB, IN, ACT, REPLY), 0);
    assert.equal(missing(TAB, ACT, REPLY), 1);
    assert.equal(missing(TAB, { ...IN, method: 'post' }, ACT, REPLY), 1);
    assert.equal(missing(TAB, { ...IN, url: '/api/things' }, ACT, REPLY), 1);
  });

  it('are those whose wires lead to no reply', () => {
    assert.equal(missing(TAB, IN, { ...ACT, wires: [[]] }, REPLY), 1);
    assert.equal(missing(TAB, IN, ACT), 1);
    assert.equal(missing(TAB, IN, { ...ACT, wires: [['in'], ['act']] }, REPLY), 1);
  });

  it('are those that are switched off, whole or in part', () => {
    assert.equal(missing({ ...TAB, disabled: true }, IN, ACT, REPLY), 1);
    for (const node of [IN, ACT, REPLY]) {
      const off = [IN, ACT, REPLY].map((one) => (one === node ? { ...one, d: true } : one));
      assert.equal(missing(TAB, ...off), 1, node.id);
    }
  });

  it('are not those that go by links', () => {
    const out: FlowNode = { ...ACT, type: 'link out', wires: [], links: ['link'] };
    const link: FlowNode = { id: 'link', type: 'link in', z: 'other', wires: [['reply']] };
    const reply = { ...REPLY, z: 'other' };
    assert.equal(missing(TAB, { id: 'other', type: 'tab' }, IN, out, link, reply), 0);
    const call: FlowNode = { ...ACT, type: 'link call', links: ['link'], wires: [['reply']] };
    assert.equal(missing(TAB, IN, call, REPLY), 0);
  });
});
