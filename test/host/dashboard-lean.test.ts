import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { dashboardFolder } from '../../host/dashboard-files.ts';
import { LeanPage, type SetNode } from '../../host/dashboard-lean.ts';
import { FlowFiles } from '../../packages/node-red-flow-files/lib/flow-storage.ts';
import { ShippedFlowFolder } from '../../flows/shipped-flows.ts';

const PACKED = join('dist', 'dashboard');
const INDEX = readFileSync(join(dashboardFolder(), 'index.html'), 'utf8').replaceAll(
  '="./',
  '="/dashboard/',
);

function lean(): LeanPage {
  const page = LeanPage.read(PACKED);
  assert.ok(page !== null, 'This version of the Dashboard is no longer made lean: see the build.');
  return page;
}

describe('The lean copy of the Dashboard’s page', () => {
  let shipped: readonly SetNode[];

  before(async () => {
    const files = new FlowFiles(new ShippedFlowFolder('flows'), () => 'unknown');
    shipped = (await files.load()).nodes;
  });

  it('is made by the build, small as it comes over the network of a home', () => {
    const index = lean().index(INDEX);
    const named = [...index.matchAll(/\/dashboard\/(assets\/lean-[\w-]+\.(?:js|css|woff2))/g)];
    const files = [...new Set(named.map(([, file = '']) => file))];
    assert.equal(files.length, 3);
    const bytes = files.map((file) => {
      assert.ok(lean().has(file), file);
      const packed = join(PACKED, `${file}.gz`);
      return statSync(existsSync(packed) ? packed : join(PACKED, file)).size;
    });
    const all = bytes.reduce((sum, one) => sum + one, 0);
    assert.ok(all < 560_000, `${all} bytes`);
    assert.doesNotMatch(index, /mermaid|echarts|assets\/index-/);
  });

  it('is enough for our own pages', () => {
    assert.ok(shipped.some(({ type }) => type === 'ui-template'));
    assert.ok(lean().isEnoughFor(shipped));
  });

  for (const [what, node] of [
    ['a chart', { type: 'ui-chart' }],
    ['a gauge', { type: 'ui-gauge' }],
    ['Markdown', { type: 'ui-markdown' }],
    ['a widget of others', { type: 'ui-led' }],
    ['an icon that the font lacks', { type: 'ui-button', icon: 'rocket' }],
    ['such an icon in a template', { type: 'ui-template', format: '<v-icon>mdi-rocket</v-icon>' }],
  ] as const) {
    it(`is not enough for a page of an owner's with ${what}`, () => {
      assert.ok(!lean().isEnoughFor([...shipped, node]));
    });
  }

  it('is enough for an owner’s page with what it can draw', () => {
    const own = { type: 'ui-button', icon: 'mdi-power' };
    assert.ok(
      lean().isEnoughFor([...shipped, own, { type: 'debug', icon: 'font-awesome/fa-bug' }]),
    );
  });
});
