import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { OWN_TYPES } from '../flows/flow-rules.ts';
import { browserOf, openPage, picture, type Watched } from './browser.ts';
import { edit, signIn } from './editor-page.ts';
import { RunningBaluPi } from './running-balupi.ts';

const OWN_EXAMPLE = 'examples/08 - An endpoint of your own.json';
/** The editor requests its settings before it knows who is signed in. */
const BEFORE_SIGN_IN = /status of 401 \(Unauthorized\)/;

/** A node as drawn. */
interface Box {
  readonly id: string;
  readonly tab: string;
  readonly x: number;
  readonly y: number;
  readonly w: number;
  readonly h: number;
}

async function show(page: Page, tab: string): Promise<void> {
  await page.evaluate(`RED.workspaces.show(${JSON.stringify(tab)})`);
  await page.waitForFunction(`RED.workspaces.active() === ${JSON.stringify(tab)}`);
}

/** The palette's entries under BaluPi. */
async function paletteWords(page: Page): Promise<readonly string[]> {
  return await page.$$eval('[data-palette-type^="balupi-"] .red-ui-palette-label', (nodes) =>
    nodes.map((node) => (node.textContent ?? '').replace(/\s+/g, ' ').trim()),
  );
}

async function boxes(page: Page): Promise<readonly Box[]> {
  return await page.evaluate<readonly Box[]>(`(() => {
    const found = [];
    RED.nodes.eachNode(({ id, z, x, y, w, h }) => found.push({ id, tab: z, x, y, w, h }));
    return found.filter(({ tab }) => tab === RED.workspaces.active());
  })()`);
}

/** Ids of nodes drawn outside their group, or inside another one. */
async function strayNodes(page: Page): Promise<readonly string[]> {
  return await page.evaluate<readonly string[]>(`(() => {
    const groups = RED.nodes.groups(RED.workspaces.active());
    const holds = ({ x, y, w, h }, node) =>
      node.x > x && node.x < x + w && node.y > y && node.y < y + h;
    return RED.nodes.filterNodes({ z: RED.workspaces.active() })
      .filter((node) => groups.some((group) => holds(group, node) !== (group.id === node.g)))
      .map(({ id }) => id);
  })()`);
}

function overlap(a: Box, b: Box): boolean {
  return Math.abs(a.x - b.x) < (a.w + b.w) / 2 && Math.abs(a.y - b.y) < (a.h + b.h) / 2;
}

/** The labels of a node's own form. */
async function formWords(page: Page, id: string): Promise<readonly string[]> {
  await page.evaluate(`RED.editor.edit(RED.nodes.node(${JSON.stringify(id)}))`);
  await page.waitForSelector('#node-input-op option', { state: 'attached' });
  const words = await page.$$eval(
    '#node-input-op option, #node-input-op optgroup, .form-row label',
    (parts) => parts.map((part) => (part.getAttribute('label') ?? part.textContent ?? '').trim()),
  );
  await page.click('#node-dialog-cancel');
  await page.waitForSelector('#node-input-op', { state: 'detached' });
  return words;
}

/** Config nodes, and those whose form has no operations. */
const WITHOUT_ACTS = ['balupi-store', 'balupi-nas', 'balupi-events', 'balupi-sql'];

describe('The editor', function () {
  this.timeout(60_000);
  const browser = browserOf(this);
  let balupi: RunningBaluPi;
  let english: Watched;
  let german: Watched;

  before(async () => {
    balupi = await RunningBaluPi.start();
    english = await openPage(browser(), balupi.editorUrl, 'en-US');
    german = await openPage(browser(), balupi.editorUrl, 'de');
    await signIn(english.page, balupi.editorUrl);
    await signIn(german.page, balupi.editorUrl);
  });

  after(async () => {
    await balupi.stop();
  });

  it('shows the nodes of BaluPi in the language of the reader', async () => {
    const inEnglish = ['tapo meter', 'energy aggregator', 'lru cache store', 'nas proxy'];
    const more = ['system', 'upload queue', 'viewer', 'wol', 'events', 'ask (SQL)', 'notices'];
    assert.deepEqual(
      [...(await paletteWords(english.page))].sort(),
      [...inEnglish, ...more].sort(),
    );
    const inGerman = ['Steckdosen', 'Energie', 'Cache', 'NAS', 'System'];
    const mehr = [
      ...['Uploads', 'Betrachter', 'NAS wecken', 'Ereignisse', 'fragen (SQL)'],
      'Nachrichten',
    ];
    assert.deepEqual([...(await paletteWords(german.page))].sort(), [...inGerman, ...mehr].sort());
  });

  for (const tab of ['api-files', 'schedule-energy']) {
    it(`draws ${tab} with no node over another, from left to right`, async () => {
      const { page } = english;
      await show(page, tab);
      await page.waitForFunction(`document.querySelectorAll('g.red-ui-flow-node').length > 0`);
      const drawn = await boxes(page);
      assert.ok(drawn.length > 3);
      for (const [index, one] of drawn.entries()) {
        assert.ok(one.x - one.w / 2 >= 0, `${one.id} leaves the page on the left`);
        const over = drawn.slice(index + 1).find((other) => overlap(one, other));
        assert.equal(over?.id, undefined, `${one.id} lies over ${over?.id ?? ''}`);
      }
      assert.deepEqual(
        await strayNodes(page),
        [],
        'each group is drawn around its own nodes alone',
      );
      await page.evaluate(`RED.sidebar.isClosed?.() || RED.actions.invoke('core:toggle-sidebar')`);
      await picture(page, `editor-${tab}`);
      await page.evaluate(`RED.actions.invoke('core:toggle-sidebar')`);
    });
  }

  it('names every act in the form, in both languages, and shows no key in place of a word', async () => {
    const nodes = [
      ['api-files', 'api-files-lookup', 'look up', 'nachsehen'],
      ['api-nas', 'api-nas-wol', 'wake the NAS', 'NAS wecken'],
      [
        'schedule-energy',
        'schedule-energy-sample',
        'read the plugs that are due',
        'fällige Steckdosen lesen',
      ],
      ['schedule-energy', 'schedule-energy-record', 'record readings', 'Messwerte aufzeichnen'],
      ['api-files', 'api-files-upload', 'accept an upload', 'Hochladen annehmen'],
      ['api-auth', 'api-auth-login', 'sign in', 'anmelden'],
      ['api-health', 'api-health-health', 'run the checks', 'Prüfungen ausführen'],
      ['api-notices', 'api-notices-show', 'choices and browsers', 'Auswahl und Browser'],
      [
        'dashboard-energy',
        'dashboard-energy-look-fast',
        'only while somebody looks',
        'nur solange jemand schaut',
      ],
    ] as const;
    assert.equal(nodes.length, OWN_TYPES.filter((type) => !WITHOUT_ACTS.includes(type)).length);
    for (const [tab, id, inEnglish, inGerman] of nodes) {
      for (const [{ page }, word] of [
        [english, inEnglish],
        [german, inGerman],
      ] as const) {
        const words = await formWords(page, id);
        assert.ok(words.includes(word), `${id}: ${words.join(' | ')}`);
        const ofFlows = page === german.page ? 'In einem eigenen Flow' : 'In a flow of yours';
        assert.equal(words.includes(ofFlows), tab !== 'dashboard-energy', id);
        assert.deepEqual(
          words.filter((text) => text === '' || /^[\w-]+\.[\w.-]+$/.test(text)),
          [],
        );
      }
    }
  });

  it('asks for each value an act takes, in both languages, with what may be one', async () => {
    for (const [{ page }, label, kinds] of [
      [english, 'Period', ['msg', 'choice', 'flow', 'global', 'env', 'jsonata']],
      [german, 'Zeitraum', ['msg', 'Auswahl']],
    ] as const) {
      await show(page, 'api-energy');
      const id = 'api-energy-history';
      await edit(page, id, async () => {
        const input = page.getByRole('textbox', { name: label, exact: true });
        await input.waitFor({ state: 'visible' });
        assert.equal(await input.inputValue(), 'period');
        const offered = await page.evaluate<string>(
          `JSON.stringify(Object.values($('#balupi-field-period').data('nodered-typedInput').typeMap))`,
        );
        for (const kind of kinds) {
          assert.ok(offered.includes(`"${kind}"`), `${kind} in ${offered}`);
        }
        assert.match(offered, /"value":"month"/);
      });
      const isChanged = await page.evaluate(`RED.nodes.node('${id}').changed === true`);
      assert.equal(isChanged, false, 'a dialog that was only looked at changes nothing');
    }
  });

  it('keeps what was put in, and forgets it for another act', async () => {
    const { page } = english;
    await show(page, 'api-energy');
    const id = 'api-energy-costs';
    const put = async (act: () => Promise<unknown>): Promise<unknown> => {
      await edit(page, id, async () => {
        await page.waitForSelector('.balupi-fields, #node-input-op', { state: 'attached' });
        await act();
      });
      return await page.evaluate(`RED.nodes.node('${id}').fields`);
    };
    const period = { type: 'choice', value: 'month' };
    const kept = await put(() =>
      page.evaluate(`$('#balupi-field-period').typedInput('type', 'choice');
        $('#balupi-field-period').typedInput('value', 'month')`),
    );
    assert.deepEqual(kept, { period });
    assert.deepEqual(await put(() => Promise.resolve()), { period }, 'and shows it again');
    const other = await put(() => page.selectOption('#node-input-op', 'summary'));
    assert.deepEqual(other, {});
    // Restores what was shipped, for the deploys below.
    await page.evaluate(`(() => {
      const node = RED.nodes.node('${id}');
      Object.assign(node, { op: 'costs', fields: undefined, version: undefined });
    })()`);
  });

  it('offers what serves in a flow, and the rest to who asks for it', async () => {
    const { page } = english;
    await show(page, 'api-energy');
    await page.evaluate(`RED.view.importNodes([{
      id: 'a-new-meter', type: 'balupi-tapo-meter', z: 'api-energy', name: '', op: 'on',
      store: 'this-balupi', outputs: 1, fields: {}, version: 1, x: 100, y: 900, wires: [[]],
    }], { addFlow: false, generateIds: false, notify: false })`);
    const offered = (): Promise<string[]> =>
      page.$$eval('#node-input-op option', (options) =>
        options.map((option) => option.getAttribute('value') ?? ''),
      );
    await edit(page, 'a-new-meter', async () => {
      assert.deepEqual(await offered(), ['on', 'off', 'flip', 'read', 'readings']);
      await page.check('#balupi-more');
      assert.ok((await offered()).includes('discover'));
    });
    await page.evaluate(`RED.nodes.remove('a-new-meter')`);
  });

  it('offers as whom a node acts: the users whose credential is stored, or any name', async () => {
    await balupi.storeKey('alice');
    for (const [{ page }, label, hint] of [
      [english, 'As', 'a user whose credential is stored'],
      [german, 'Als', 'ein Benutzer mit hinterlegtem Zugang'],
    ] as const) {
      await show(page, 'api-cache');
      const id = 'an-own-pin';
      await page.evaluate(`RED.view.importNodes([{
        id: '${id}', type: 'balupi-lru-cache-store', z: 'api-cache', name: '', op: 'pin', as: '',
        store: 'this-balupi', outputs: 1, fields: {}, version: 1, x: 100, y: 900, wires: [[]],
      }], { addFlow: false, generateIds: false, notify: false })`);
      await edit(page, id, async () => {
        const as = page.locator('#node-input-as');
        assert.equal(await page.locator('.balupi-as label').textContent(), ` ${label}`);
        assert.equal(await as.getAttribute('placeholder'), hint);
        const offered = page.locator('#balupi-users option');
        await offered.first().waitFor({ state: 'attached' });
        const names = await offered.evaluateAll((all) =>
          all.map((one) => one.getAttribute('value')),
        );
        // The admin's own credential is stored some time after the sign-in.
        assert.deepEqual(
          names.filter((name) => name !== 'admin'),
          ['alice'],
        );
        await as.fill('somebody else');
      });
      const as = await page.evaluate(`RED.nodes.node('${id}').as`);
      assert.equal(as, 'somebody else');
      await page.evaluate(`RED.nodes.remove('${id}')`);
    }
    const asked = await fetch(`${balupi.editorUrl}/balupi/users/this-balupi`);
    assert.equal(asked.status, 401);
  });

  it('says under a node how it stands, in the language of the reader', async () => {
    for (const [{ page }, words] of [
      [english, ['empty', '7 waiting']],
      [german, ['leer', '7 warten']],
    ] as const) {
      const [empty, waiting] = words;
      const id = 'schedule-upload-flush';
      await page.waitForFunction(`RED.nodes.node('${id}').status?.text === '${empty}'`);
      const said = await page.evaluate<string>(
        `RED.nodes.node('${id}')._('upload-queue.status.waiting|7')`,
      );
      assert.equal(said, waiting);
    }
  });

  it('shows the help of each node in the language of the reader', async () => {
    for (const [{ page }, word] of [
      [english, 'Wakes the NAS.'],
      [german, 'Weckt das NAS.'],
    ] as const) {
      const help = await page.evaluate<string>(`RED.nodes.getNodeHelp('balupi-wol')`);
      assert.ok(help.includes(word), help);
    }
  });

  it('offers the examples', async () => {
    const { page } = english;
    const offered = await page.evaluate<string>(`(async () => {
      const token = JSON.parse(localStorage.getItem('auth-tokens')).access_token;
      const answer = await fetch('library/examples/flows/balupi', {
        headers: { Authorization: 'Bearer ' + token },
      });
      return await answer.text();
    })()`);
    for (const name of readdirSync('examples')) {
      assert.ok(offered.includes(name.replace('.json', '')), `${name}: ${offered}`);
    }
  });

  it('takes an own endpoint from the examples, which answers behind the guard after a deploy', async () => {
    const { page } = english;
    const headers = { Authorization: `Bearer ${await balupi.token()}` };
    await page.evaluate(`RED.view.importNodes(${readFileSync(OWN_EXAMPLE, 'utf8')}, {
      addFlow: false, generateIds: true, touchImport: true, notify: false,
    })`);
    const deployed = page.waitForResponse(
      (response) => response.request().method() === 'POST' && response.url().endsWith('/flows'),
    );
    await page.click('#red-ui-header-button-deploy');
    assert.equal((await deployed).status(), 200);
    const url = `${balupi.url}/my/plugs`;
    // The flows start in the background and answer 503 until they run.
    let answered = await fetch(url, { headers });
    const limitMs = performance.now() + 10_000;
    while (answered.status === 503 && performance.now() < limitMs) {
      answered = await fetch(url, { headers });
    }
    assert.equal(answered.status, 200);
    assert.deepEqual(await answered.json(), {});
    assert.equal((await fetch(url)).status, 401);
    const owners = join(balupi.dataFolder, 'flows');
    assert.match(
      readFileSync(join(owners, 'my-own-endpoint.json'), 'utf8'),
      /"url": "\/my\/plugs"/,
    );
    // The config nodes it brought were there already, and the shipped files are unchanged.
    assert.deepEqual(readdirSync(owners).sort(), ['_order.json', 'my-own-endpoint.json']);
    assert.ok(!existsSync(join('flows', 'my-own-endpoint.json')));
  });

  it('asks nobody but the Pi for anything, and complains of nothing', () => {
    for (const { foreign, complaints } of [english, german]) {
      assert.deepEqual(foreign, []);
      assert.deepEqual(
        complaints.filter((text) => !BEFORE_SIGN_IN.test(text)),
        [],
      );
    }
  });
});
