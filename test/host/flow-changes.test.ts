import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type FlowNode, parseFlowText } from '../../flows/flow-text.ts';
import { BootedBaluPi } from '../fakes/boot-balupi.ts';

interface Change {
  readonly name: string;
  readonly kind: string;
}

describe('What is deployed over the shipped flows, in the editor', function () {
  this.timeout(40_000);
  let pi: BootedBaluPi;
  let session: string;

  before(async () => {
    pi = await BootedBaluPi.start({
      environment: { BALUPI_EDITOR: 'on' },
      prepare: ({ data }) => {
        mkdirSync(join(data, 'flows'), { recursive: true });
        const nodes = parseFlowText(readFileSync('flows/api-health.json', 'utf8')) as FlowNode[];
        const reply = nodes.find(({ id }) => id === 'api-health-ping-reply');
        assert.ok(reply !== undefined);
        const changed = [{ ...reply, name: 'another name' }];
        const overlay = { changed, removed: [], hidden: false, base: {} };
        writeFileSync(join(data, 'flows', 'api-health.json'), JSON.stringify(overlay));
      },
    });
    const answered = await fetch(`${pi.editorUrl}/auth/token`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({
        ...{ client_id: 'node-red-editor', grant_type: 'password', scope: '*' },
        ...{ username: 'admin', password: 'Practice-admin-1' },
      }),
    });
    session = ((await answered.json()) as { access_token: string }).access_token;
  });

  after(async () => {
    await pi.stop();
  });

  const ask = (path: string, init: RequestInit = {}, bearer = session): Promise<Response> =>
    fetch(`${pi.editorUrl}${path}`, {
      ...init,
      headers: { Authorization: `Bearer ${bearer}`, ...init.headers },
    });

  it('is shown to nobody who is not signed in there', async () => {
    for (const path of ['/balupi/flow-changes', '/balupi/flow-changes/api-health']) {
      assert.equal((await fetch(`${pi.editorUrl}${path}`)).status, 401, path);
    }
    const taking = await fetch(`${pi.editorUrl}/balupi/flow-changes/api-health`, {
      method: 'DELETE',
    });
    assert.equal(taking.status, 401);
  });

  it('brings a sidebar with it, in both languages', async () => {
    const page = await (await ask('/plugins', { headers: { Accept: 'text/html' } })).text();
    assert.match(page, /registerPlugin\('balupi-flow-changes'/);
    for (const [language, words] of [
      ['en-US', /Changes of the shipped flows/],
      ['de', /Änderungen an den mitgelieferten Flows/],
    ] as const) {
      const catalogue = await ask(`/plugins/messages?lng=${language}`);
      assert.match(await catalogue.text(), words);
    }
  });

  it('is listed, and shown line by line', async () => {
    const changes = (await (await ask('/balupi/flow-changes')).json()) as readonly Change[];
    assert.deepEqual(
      changes.map(({ name, kind }) => [name, kind]),
      [['api-health.json', 'changed']],
    );
    const { difference } = (await (await ask('/balupi/flow-changes/api-health')).json()) as {
      readonly difference: string;
    };
    assert.match(difference, /^\+\s+"name": "another name",$/m);
  });

  it('knows no tab by a name that leads elsewhere', async () => {
    for (const tab of [
      'nothing',
      '..%2F..%2Fserver',
      '%2Fetc%2Fpasswd',
      '%2E%2E',
      'a'.repeat(300),
    ]) {
      for (const method of ['GET', 'DELETE']) {
        const { status } = await ask(`/balupi/flow-changes/${tab}`, { method });
        assert.ok(status === 404, `${method} ${tab}: ${status}`);
      }
    }
  });

  it('is taken back, and the flows run as they were shipped at once', async () => {
    const { status } = await ask('/balupi/flow-changes/api-health', { method: 'DELETE' });
    assert.equal(status, 200);
    assert.equal(existsSync(join(pi.dataFolder, 'flows', 'api-health.json')), false);
    const flows = (await (
      await ask('/flows', { headers: { 'Node-RED-API-Version': 'v2' } })
    ).json()) as { readonly flows: readonly FlowNode[] };
    const reply = flows.flows.find(({ id }) => id === 'api-health-ping-reply');
    assert.notEqual(reply?.['name'], 'another name');
    assert.deepEqual(await (await ask('/balupi/flow-changes')).json(), []);
  });
});
