import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { ShippedFlowFolder } from '../../flows/shipped-flows.ts';
import { dashboardFolder, LeanPage, type SetNode } from '../../host/dashboard-files.ts';
import { FlowFiles } from '../../packages/node-red-flow-files/lib/flow-storage.ts';

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
    const index = lean().index(INDEX, shipped, 'en');
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

  it('is the light page for our own pages, a fifth of it, with all of our parts', () => {
    assert.ok(lean().isLightEnoughFor(shipped));
    const index = lean().index(INDEX, shipped, 'de');
    const [script = ''] = /assets\/lean-[\w-]+-light-de\.js/.exec(index) ?? [];
    const [style = ''] = /assets\/lean-[\w-]+-light\.css/.exec(index) ?? [];
    const sizes = [script, style].map((file) => statSync(join(PACKED, `${file}.gz`)).size);
    assert.ok((sizes[0] ?? 0) + (sizes[1] ?? 0) < 110_000, sizes.join());
    const widgets = Object.fromEntries(
      shipped
        .filter(({ type }) => type === 'ui-template')
        .map((node) => [String(node['id']), { props: { format: node['format'] } }]),
    );
    const told = (of: unknown, to: string): string =>
      JSON.stringify(lean().named({ widgets: of }, to, 'de'));
    assert.doesNotMatch(told(widgets, script), /"format"/);
    // An owner's own templates, and all parts for a page loaded before an update, are sent
    // unchanged.
    const own = { mine: { props: { format: '<template><b>mine</b></template>' } } };
    assert.equal(told(own, script), JSON.stringify({ widgets: own }));
    assert.equal(told(widgets, 'assets/lean-of-before-light-de.js'), JSON.stringify({ widgets }));
  });

  for (const [what, node] of [
    ['a button', { type: 'ui-button' }],
    ['a component of Vuetify', { type: 'ui-template', format: '<v-btn>Go</v-btn>' }],
    ['a script from elsewhere', { type: 'ui-template', format: '<script src="/a.js"></script>' }],
    ['the Dashboard’s store', { type: 'ui-template', format: '{{ $store.state.data.values }}' }],
    ['another layout', { type: 'ui-page', layout: 'flex' }],
    ['a dialog', { type: 'ui-group', groupType: 'dialog' }],
    ['a drawer', { type: 'ui-base', navigationStyle: 'icon' }],
  ] as const) {
    it(`gives way to the lean one for ${what}`, () => {
      assert.ok(lean().isEnoughFor([...shipped, node]));
      assert.ok(!lean().isLightEnoughFor([...shipped, node]));
      assert.match(lean().index(INDEX, [...shipped, node], 'de'), /assets\/lean-[\w-]+-page\.js/);
    });
  }

  it('is the light page for a part of an owner’s with an icon, a field and a message', () => {
    const format =
      '<template><v-icon size="20">mdi-power</v-icon><b @click="send({ topic: `x` })">{{ msg.payload }} ${1}</b></template>' +
      '<script>export default { mounted() { this.$socket.on("x", () => this.$nextTick()) } }</script>';
    assert.ok(lean().isLightEnoughFor([...shipped, { type: 'ui-template', format }]));
  });

  it('is enough for an owner’s page with what it can draw', () => {
    const own = { type: 'ui-button', icon: 'mdi-power' };
    assert.ok(
      lean().isEnoughFor([...shipped, own, { type: 'debug', icon: 'font-awesome/fa-bug' }]),
    );
  });
});
