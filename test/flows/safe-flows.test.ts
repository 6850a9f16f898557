import assert from 'node:assert/strict';
import { deployedOverSafe } from '../../flows/flow-storage.ts';
import type { FlowNode } from '../../packages/node-red-flow-files/lib/flow-storage.ts';

const tab = (id: string, more: object = {}): FlowNode => ({ id, type: 'tab', label: id, ...more });
const node = (id: string, z: string, more: object = {}): FlowNode => ({
  ...{ id, type: 'function', z, func: 'return msg;', wires: [[]] },
  ...more,
});

/**
 * A shipped tab that its owner changed and one of the owner's own; and both as safe mode shows
 * them.
 */
const FULL = [
  tab('api'),
  node('ask', 'api', { func: 'changed' }),
  node('added', 'api'),
  tab('own', { disabled: false }),
  node('mine', 'own', { func: 'while (true) {}' }),
  tab('off', { disabled: true }),
];
const SHOWN = [
  tab('api'),
  node('ask', 'api'),
  node('taken-out', 'api'),
  tab('own', { disabled: true }),
  node('mine', 'own', { func: 'while (true) {}' }),
  tab('off', { disabled: true }),
];

function byId(nodes: readonly FlowNode[]): Record<string, FlowNode> {
  return Object.fromEntries(nodes.map((one) => [one.id, one]));
}

describe('A deploy in safe mode', () => {
  it('without a change changes nothing, though it was shown something else', () => {
    assert.deepEqual(byId(deployedOverSafe(SHOWN, SHOWN, FULL)), byId(FULL));
  });

  it('changes what it changed, and keeps the rest of the owner’s changes', () => {
    const deployed = SHOWN.map((one) => (one.id === 'mine' ? node('mine', 'own') : one));
    const next = byId(deployedOverSafe(deployed, SHOWN, FULL));
    assert.equal(next['mine']?.['func'], 'return msg;');
    assert.equal(next['ask']?.['func'], 'changed');
    assert.ok(next['added'] !== undefined);
    assert.equal(next['taken-out'], undefined);
  });

  it('leaves no tab switched off that only safe mode had switched off', () => {
    const deployed = SHOWN.map((one) => (one.id === 'own' ? { ...one, label: 'renamed' } : one));
    const next = byId(deployedOverSafe(deployed, SHOWN, FULL));
    assert.deepEqual([next['own']?.['label'], next['own']?.['disabled']], ['renamed', false]);
    assert.equal(next['off']?.['disabled'], true);
  });

  it('removes what it removed, and takes in what is new, with its tab', () => {
    const deployed = [
      ...SHOWN.filter(({ id, z }) => id !== 'own' && z !== 'own'),
      tab('new'),
      node('fresh', 'new'),
    ];
    const next = byId(deployedOverSafe(deployed, SHOWN, FULL));
    assert.deepEqual([next['own'], next['mine']], [undefined, undefined]);
    assert.ok(next['new'] !== undefined && next['fresh'] !== undefined);
  });

  it('brings a tab back that a new node lies on, where its owner had taken it out', () => {
    const deployed = [...SHOWN, node('fresh', 'api')];
    const next = byId(deployedOverSafe(deployed, SHOWN, [tab('own'), node('mine', 'own')]));
    assert.ok(next['api'] !== undefined && next['fresh'] !== undefined);
    assert.equal(next['ask'], undefined);
  });
});
