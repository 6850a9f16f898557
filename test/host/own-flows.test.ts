import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type FlowNode, flowText } from '../../packages/node-red-flow-files/lib/flow-storage.ts';
import { nodeRedSettings } from '../../host/node-red-settings.ts';
import { makeNodeRedFolder, ownersPalette } from '../../host/palette.ts';
import { BootedBaluPi } from '../fakes/boot-balupi.ts';
import { uncheckedFetch } from '../fakes/checked-answers.ts';

/** A flow from an endpoint through one node to its answer. */
function route(name: string, middle: FlowNode, more: readonly FlowNode[] = []): FlowNode[] {
  const place = { z: 'mine', x: 100, y: 100 };
  return [
    {
      ...{ id: `${name}-in`, type: 'http in', ...place, name: '', method: 'get', url: `/${name}` },
      ...{ upload: false, skipBodyParsing: false, wires: [[middle.id]] },
    },
    { ...middle, ...place, wires: [[`${name}-out`]] },
    {
      ...{ id: `${name}-out`, type: 'http response', ...place, name: '', statusCode: '' },
      ...{ headers: {}, wires: [] },
    },
    ...more,
  ];
}

function lines(name: string, func: string): FlowNode[] {
  const code = { func, outputs: 1, noerr: 0, initialize: '', finalize: '', libs: [] };
  return route(name, { id: `${name}-fn`, type: 'function', name: '', ...code });
}

const MINE: readonly FlowNode[] = [
  { id: 'mine', type: 'tab', label: 'mine', disabled: false, info: '' },
  ...lines('zone', 'msg.payload = String(new Date(0).getHours()); return msg;'),
  ...lines(
    'secret',
    "msg.payload = String(env.get('BALUPI_SECRET_KEY')) + env.get('BALUPI_TAPO_PASSWORD'); return msg;",
  ),
  ...lines(
    'kept',
    "flow.set('it', 'kept', 'disk'); msg.payload = flow.get('it', 'disk'); return msg;",
  ),
  ...route('rows', {
    ...{ id: 'rows-sql', type: 'balupi-sql', name: '', rows: 10, seconds: 5 },
    ...{ sql: 'SELECT count(*) AS n FROM tapo_devices', store: 'this-balupi' },
    // As nodes of older versions have it, without an operation.
    file: '${BALUPI_ENERGY_DATABASE}',
  }),
  ...route('others', { id: 'others-node', type: 'practice-node', name: '' }),
];

/** Somebody's package, as npm installs it. */
function layPackage(folder: string): void {
  const home = join(folder, 'node_modules', 'node-red-contrib-practice');
  mkdirSync(home, { recursive: true });
  const manifest = {
    ...{ name: 'node-red-contrib-practice', version: '1.2.3' },
    'node-red': { nodes: { 'practice-node': 'node.js' } },
  };
  writeFileSync(join(home, 'package.json'), JSON.stringify(manifest));
  writeFileSync(
    join(home, 'node.js'),
    `module.exports = (RED) => RED.nodes.registerType('practice-node', function (config) {
       RED.nodes.createNode(this, config);
       this.on('input', (msg, send, done) => { msg.payload = 'from another'; send(msg); done(); });
     });`,
  );
  writeFileSync(
    join(home, 'node.html'),
    `<script>RED.nodes.registerType('practice-node', { defaults: {}, inputs: 1, outputs: 1 })</script>`,
  );
  const dependencies = { 'node-red-contrib-practice': '1.2.3' };
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'mine', dependencies }));
}

describe('Flows of an owner', function () {
  this.timeout(120_000);
  let pi: BootedBaluPi;
  let headers: Record<string, string>;

  before(async () => {
    pi = await BootedBaluPi.start({
      // Fourteen hours ahead, as no machine that tests is.
      environment: {
        BALUPI_TIMEZONE: 'Pacific/Kiritimati',
        BALUPI_TAPO_USERNAME: 'plug.owner@example.org',
        BALUPI_TAPO_PASSWORD: 'hush hush',
      },
      prepare: ({ data }) => {
        mkdirSync(join(data, 'flows'), { recursive: true });
        writeFileSync(join(data, 'flows', 'mine.json'), flowText(MINE));
        mkdirSync(join(data, 'node-red'), { recursive: true });
        layPackage(join(data, 'node-red'));
      },
    });
    headers = { Authorization: `Bearer ${await pi.signIn('admin')}` };
  });

  after(async () => {
    await pi.stop();
  });

  async function said(path: string): Promise<string> {
    const answered = await uncheckedFetch(`${pi.url}/${path}`, { headers });
    assert.equal(answered.status, 200, `${path} ${pi.output}`);
    return await answered.text();
  }

  it('tell the time of the home, whatever the machine is set to', async () => {
    const hour = new Intl.DateTimeFormat('en', {
      ...{ hour: 'numeric', hourCycle: 'h23', timeZone: 'Pacific/Kiritimati' },
    }).format(0);
    assert.equal(await said('zone'), String(Number(hour)));
  });

  it('see no secret of the settings', async () => {
    assert.doesNotMatch(await said('secret'), /hush/);
  });

  it('keep on the disk what they ask to be kept there', async () => {
    assert.equal(await said('kept'), 'kept');
  });

  it('ask the energy database with the SQLite that is in Node.js', async () => {
    assert.deepEqual(JSON.parse(await said('rows')), [{ n: 0 }]);
  });

  it('use nodes of others that lie in the data folder, and health names these by version', async () => {
    assert.equal(await said('others'), 'from another');
    const health = JSON.parse(await said('api/health')) as {
      readonly checks: Readonly<Record<string, string>>;
    };
    assert.equal(health.checks['palette'], 'node-red-contrib-practice@1.2.3');
    assert.equal(health.checks['flows'], 'ok');
  });

  it('get exact versions from npm', () => {
    const npmrc = readFileSync(join(pi.dataFolder, 'node-red', '.npmrc'), 'utf8');
    assert.match(npmrc, /^save-exact=true$/m);
  });
});

describe('The palette of others', () => {
  const folder = mkdtempSync(join(tmpdir(), 'balupi-palette-'));
  const none = (): void => undefined;

  after(() => {
    rmSync(folder, { recursive: true });
  });

  const settingsWith = (palette: boolean) =>
    nodeRedSettings({
      ...{ packageFolder: folder, userFolder: folder, storage: null, logLevel: 'warn' },
      log: { debug: none, info: none, warn: none, error: none },
      ...{ editor: null, services: null, inRoute: null, ownersFlows: null, dashboard: {}, palette },
    }) as {
      readonly externalModules: { readonly palette: object };
      readonly editorTheme: { readonly palette?: object };
    };

  it('is installed from the editor only where the owner set that', () => {
    const off = settingsWith(false);
    assert.deepEqual(off.externalModules.palette, {
      ...{ allowInstall: false, allowUpdate: false, allowUpload: false },
    });
    assert.deepEqual(
      off.editorTheme.palette,
      { catalogues: [] },
      'and nothing is asked of anybody',
    );
    const on = settingsWith(true);
    assert.partialDeepStrictEqual(on.externalModules.palette, { allowInstall: true });
    assert.equal(on.editorTheme.palette, undefined);
  });

  it('leaves an owner’s own npm settings alone', () => {
    writeFileSync(join(folder, '.npmrc'), 'mine=1\n');
    makeNodeRedFolder(folder);
    assert.equal(readFileSync(join(folder, '.npmrc'), 'utf8'), 'mine=1\n');
  });

  it('is told once a package, and what does not load', () => {
    const set = { types: [], enabled: true };
    assert.deepEqual(
      ownersPalette([
        { ...set, module: 'b', version: '2.0.0', local: true, err: new Error('no') },
        { ...set, module: 'a', version: '1.0.0', local: true },
        { ...set, module: 'a', version: '1.0.0', local: true },
        { ...set, module: 'node-red', version: '5.0.0', local: false },
      ]),
      ['a@1.0.0', 'b@2.0.0 (does not load)'],
    );
  });
});
