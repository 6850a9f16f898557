import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type FlowNode,
  flowText,
  parseFlowText,
} from '../../packages/node-red-flow-files/lib/flow-storage.ts';
import { BootedBaluPi } from '../fakes/boot-balupi.ts';

interface Change {
  readonly name: string;
  readonly kind: string;
  readonly both: readonly string[];
}

type Editor = (path: string, init?: RequestInit) => Promise<Response>;

/** Signs in at the editor. @returns a client for it */
async function editorOf(pi: BootedBaluPi): Promise<Editor> {
  const answered = await fetch(`${pi.editorUrl}/auth/token`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({
      ...{ client_id: 'node-red-editor', grant_type: 'password', scope: '*' },
      ...{ username: 'admin', password: 'Practice-admin-1' },
    }),
  });
  const { access_token: session } = (await answered.json()) as { access_token: string };
  return (path, init = {}) =>
    fetch(`${pi.editorUrl}${path}`, {
      ...init,
      headers: {
        ...{ Authorization: `Bearer ${session}`, 'Node-RED-API-Version': 'v2' },
        ...(init.headers as Record<string, string> | undefined),
      },
    });
}

async function flowsIn(editor: Editor): Promise<{ rev: string; flows: FlowNode[] }> {
  return (await (await editor('/flows')).json()) as { rev: string; flows: FlowNode[] };
}

describe('What is deployed over the shipped flows, in the editor', function () {
  this.timeout(40_000);
  let pi: BootedBaluPi;
  let ask: Editor;

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
    ask = await editorOf(pi);
  });

  after(async () => {
    await pi.stop();
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
    assert.equal((await fetch(`${pi.url}/api/health`)).status, 200, 'they run when it says so');
    assert.equal(existsSync(join(pi.dataFolder, 'flows', 'api-health.json')), false);
    const { flows } = await flowsIn(ask);
    const reply = flows.find(({ id }) => id === 'api-health-ping-reply');
    assert.notEqual(reply?.['name'], 'another name');
    assert.deepEqual(await (await ask('/balupi/flow-changes')).json(), []);
  });
});

describe('An update of a tab that its owner changed', function () {
  this.timeout(60_000);
  let pi: BootedBaluPi;
  let ask: Editor;

  const REPLY = 'api-health-ping-reply';
  const ANOTHER = 'api-health-status-reply';

  before(async () => {
    pi = await BootedBaluPi.start({ environment: { BALUPI_EDITOR: 'on' } });
    const { rev, flows } = await flowsIn(await editorOf(pi));
    const deployed = flows.map((one) => (one.id === REPLY ? { ...one, name: 'my own' } : one));
    const answered = await (
      await editorOf(pi)
    )('/flows', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ rev, flows: deployed }),
    });
    assert.equal(answered.status, 200);
    ship((one) => ({ ...one, name: 'by the update' }));
    await pi.restart();
    ask = await editorOf(pi);
  });

  after(async () => {
    await pi.stop();
  });

  const shippedFile = (): string => join(pi.flowsFolder, 'api-health.json');

  /** Ships another version, with two nodes changed, one of which the owner has changed too. */
  function ship(change: (one: FlowNode) => FlowNode): void {
    const nodes = parseFlowText(readFileSync(shippedFile(), 'utf8')) as FlowNode[];
    const touched = nodes.map((one) => ([REPLY, ANOTHER].includes(one.id) ? change(one) : one));
    writeFileSync(shippedFile(), flowText(touched));
  }

  async function named(id: string): Promise<unknown> {
    const { flows } = await flowsIn(ask);
    return flows.find((one) => one.id === id)?.['name'];
  }

  async function health(): Promise<{ status: string; checks: Record<string, string> }> {
    return (await (await fetch(`${pi.url}/api/health`)).json()) as never;
  }

  it('runs the owner’s node, and the update everywhere else', async () => {
    assert.equal(await named(REPLY), 'my own');
    assert.equal(await named(ANOTHER), 'by the update');
  });

  it('is told in the log, in health and in the editor', async () => {
    assert.match(
      pi.output,
      /^\[warn\] This version changed 1 nodes of the tab api-health .*yours run\. To take yours back/m,
    );
    assert.equal((await health()).checks['changed_flows'], 'api-health');
    const changes = (await (await ask('/balupi/flow-changes')).json()) as readonly Change[];
    assert.equal(changes[0]?.both.length, 1);
    const { difference } = (await (await ask('/balupi/flow-changes/api-health')).json()) as {
      readonly difference: string;
    };
    assert.match(difference, /^-\s+"name": "by the update",$/m);
    assert.match(difference, /^\+\s+"name": "my own",$/m);
  });

  it('keeps both: taken back, the node of this version runs', async () => {
    const { status } = await ask('/balupi/flow-changes/api-health', { method: 'DELETE' });
    assert.equal(status, 200);
    assert.equal(await named(REPLY), 'by the update');
    assert.equal((await health()).checks['changed_flows'], 'ok');
  });
});
