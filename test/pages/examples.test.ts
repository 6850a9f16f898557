import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SystemClock } from '../../nodes/lib/time/system-clock.ts';
import { BootedBaluPi } from '../fakes/boot-balupi.ts';
import { HttpSink } from '../fakes/http-sink.ts';
import { until } from '../fakes/until.ts';
import { steady } from '../practice/plug/load-curve.ts';
import { PracticePlug } from '../practice/plug/practice-plug.ts';
import { browserOf, openPage, type Watched } from './browser.ts';
import { deploy, edit, importFlows, notices, press, signIn } from './editor-page.ts';

const OWNER = { username: 'plug.owner@example.org', password: 'Correct-Horse 9' };

function example(start: string): string {
  const name = readdirSync('examples').find((one) => one.startsWith(start)) ?? '';
  return readFileSync(join('examples', name), 'utf8');
}

describe('The examples, taken up in the editor', function () {
  this.timeout(120_000);
  const browser = browserOf(this);
  const phone = new HttpSink();
  let plug: PracticePlug;
  let balupi: BootedBaluPi;
  let watched: Watched;
  let admin: Record<string, string>;
  let alice: Record<string, string>;
  let plugId: string;

  before(async () => {
    const clock = new SystemClock((problem) => {
      throw problem;
    });
    plug = new PracticePlug({ clock, load: steady(42.5), ...OWNER, nickname: 'Lamp' });
    await plug.start();
    balupi = await BootedBaluPi.start({
      environment: {
        BALUPI_EDITOR: 'on',
        BALUPI_TAPO_USERNAME: OWNER.username,
        BALUPI_TAPO_PASSWORD: OWNER.password,
        BALUPI_TAPO_DISCOVERY_ADDRESS: `127.0.0.1:${plug.udpPort}`,
        BALUPI_ENERGY_SAMPLE_INTERVAL_SECONDS: '1',
        BALUPI_NAS_PROBE_INTERVAL_SECONDS: '1',
      },
    });
    const bearer = async (username: string) => ({
      Authorization: `Bearer ${await balupi.signIn(username)}`,
    });
    [admin, alice] = [await bearer('admin'), await bearer('alice')];
    const added = await fetch(`${balupi.url}/api/tapo/devices`, {
      method: 'POST',
      headers: { ...admin, 'Content-Type': 'application/json' },
      body: JSON.stringify({ ip_address: plug.address, name: 'Lamp' }),
    });
    plugId = ((await added.json()) as { readonly id: string }).id;
    watched = await openPage(browser(), balupi.editorUrl, 'en-US');
    await signIn(watched.page, balupi.editorUrl);
  });

  after(async () => {
    await balupi.stop();
    await plug.stop();
  });

  async function upload(name: string, size: number, more: Record<string, string> = {}) {
    const body = new FormData();
    body.set('path', 'alice');
    body.set('file', new Blob([Buffer.alloc(size, 'x')]), name);
    const headers = { ...alice, ...more };
    const answered = await fetch(`${balupi.url}/api/files/upload`, {
      ...{ method: 'POST', body, headers },
    });
    assert.equal(answered.status, 200, await answered.text());
  }

  async function nasState(): Promise<string> {
    const answered = await fetch(`${balupi.url}/api/health`);
    const { checks } = (await answered.json()) as { readonly checks: Record<string, string> };
    return checks['nas'] ?? '';
  }

  /** What the debug sidebar received since {@link hear}. */
  const shown = (): Promise<string> => watched.page.evaluate<string>('globalThis.told.join("\\n")');

  const hear = (): Promise<unknown> =>
    watched.page.evaluate(`
      globalThis.told = [];
      RED.comms.subscribe('debug', (_topic, message) => told.push(JSON.stringify(message)));`);

  /** Nodes whose type the editor does not know. */
  const unknownNodes = (): Promise<string[]> =>
    watched.page.evaluate<string[]>(`(() => {
      const found = [];
      RED.nodes.eachNode((node) => node.type === 'unknown' && found.push(node.name));
      return found;
    })()`);

  /** As an owner does: picked by name from the list of plugs. */
  async function choosePlug(name: string): Promise<void> {
    const { page } = watched;
    const option = `$('#balupi-field-device').typedInput('type', 'plug')`;
    await page.waitForFunction(
      `$('#balupi-field-device').data('nodered-typedInput').typeMap.plug.options.length > 0`,
    );
    await page.evaluate(option);
    await page.click('.balupi-fields .red-ui-typedInput-option-trigger');
    await page.click(`.red-ui-typedInput-options a:has-text("${name}")`);
  }

  it('ask nothing when they are imported, and every node of them is known', async () => {
    const { page } = watched;
    for (const name of readdirSync('examples').sort()) {
      const text = readFileSync(join('examples', name), 'utf8');
      // Two need nodes of other packages.
      if (text.includes('"modules"')) continue;
      await importFlows(page, text);
      const said = await notices(page);
      assert.ok(!said.some((text) => /already|unrecognised|conflict/i.test(text)), said.join());
      await page.evaluate('$(".red-ui-notification").remove()');
      assert.deepEqual(await unknownNodes(), [], name);
    }
    const invalid = await page.evaluate<string[]>(`(() => {
      const found = [];
      RED.nodes.eachNode((node) => node.valid === false && found.push(node.type + ' ' + node.id));
      return found;
    })()`);
    assert.deepEqual(
      invalid.filter((node) => node.includes(' lesson-')),
      [],
      'nor does a deploy ask whether it is meant so',
    );
  });

  it('name the package where they need nodes of others', async () => {
    const { page } = watched;
    for (const [start, name] of [
      ['19 ', 'node-red-contrib-postgresql'],
      ['22 ', 'node-red-node-email'],
    ] as const) {
      await importFlows(page, example(start));
      const said = (await notices(page)).join(' ');
      assert.ok(said.includes(name), said);
      await page.evaluate('$(".red-ui-notification").remove()');
    }
    await page.reload();
    await page.waitForSelector('.red-ui-palette-node[data-palette-type="balupi-wol"]');
    await page.evaluate('$.fx.off = true');
  });

  it('switch a plug off at midnight unless the NAS is awake', async () => {
    const { page } = watched;
    await importFlows(page, example('13 '));
    await edit(page, 'lesson-midnight-off', () => choosePlug('Lamp'));
    const kept = await page.evaluate(`RED.nodes.node('lesson-midnight-off').fields`);
    assert.deepEqual(kept, { device: { type: 'plug', value: plugId } });
    assert.equal(await deploy(page), 200);
    await until(
      'the flows to run',
      async () => (await fetch(`${balupi.url}/api/ping`)).status === 200,
    );
    assert.equal(plug.isOn, true);
    await press(page, 'lesson-midnight-clock');
    await until('the NAS to be awake', async () => (await nasState()) === 'awake');
    assert.equal(plug.isOn, true, 'as the NAS is awake');
    await balupi.nas.sleep('suspend');
    await until('the NAS to sleep', async () => (await nasState()) !== 'awake');
    await press(page, 'lesson-midnight-clock');
    await until('the plug to be off', () => !plug.isOn);
    await balupi.nas.wake();
  });

  it('push on a conflict', async () => {
    const { page } = watched;
    const url = await phone.start();
    await importFlows(page, example('14 ').replace(/https:\/\/ntfy\.sh[^"]*/, `${url}/our-topic`));
    assert.equal(await deploy(page), 200);
    await until(
      'the flows to run',
      async () => (await fetch(`${balupi.url}/api/ping`)).status === 200,
    );
    await until('the NAS to be awake', async () => (await nasState()) === 'awake');
    await balupi.nas.putFile('alice/plan.txt', Buffer.from('somebody else’s plan'), 'alice');
    await upload('plan.txt', 10, { 'X-Base-Checksum': 'a'.repeat(64) });
    const told = await phone.took(({ body }) => body.includes('plan.txt'));
    assert.match(told.body, /^Conflict: alice\/plan\.txt/);
    await phone.stop();
  });

  it('name the ten largest files of whoever is named in the dialog', async () => {
    const { page } = watched;
    for (const size of [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]) {
      await balupi.nas.putFile(`alice/size-${size}.bin`, Buffer.alloc(size * 1_000), 'alice');
    }
    const listed = await fetch(`${balupi.url}/api/files/list?path=alice`, { headers: alice });
    assert.equal(listed.status, 200);
    await importFlows(page, example('16 '));
    await edit(page, 'lesson-largest-act', async () => {
      await page.fill('#node-input-as', 'alice');
    });
    assert.equal(await deploy(page), 200);
    await until(
      'the flows to run',
      async () => (await fetch(`${balupi.url}/api/ping`)).status === 200,
    );
    await hear();
    await press(page, 'lesson-largest-ask');
    await until('the answer', async () => (await shown()) !== '');
    const said = await shown();
    assert.ok(said.includes('size-12.bin'), said);
    assert.ok(said.includes('size-3.bin') && !said.includes('size-2.bin'), said);
  });

  it('and nothing in the editor complained', () => {
    const { complaints } = watched;
    assert.deepEqual(
      complaints.filter((text) => !/status of 401/.test(text)),
      [],
    );
  });
});
