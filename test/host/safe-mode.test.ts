import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type FlowNode,
  flowText,
  parseFlowText,
} from '../../packages/node-red-flow-files/lib/flow-storage.ts';
import { BootedBaluPi } from '../fakes/boot-balupi.ts';
import { uncheckedFetch } from '../fakes/checked-answers.ts';

/** A tab of a tinkerer with a route that says `mine`. */
const MINE: readonly FlowNode[] = [
  { id: 'mine', type: 'tab', label: 'mine', disabled: false, info: '' },
  {
    ...{ id: 'mine-in', type: 'http in', z: 'mine', name: '', method: 'get', url: '/mine' },
    ...{ upload: false, skipBodyParsing: false, x: 100, y: 100, wires: [['mine-say']] },
  },
  {
    ...{ id: 'mine-say', type: 'template', z: 'mine', name: '', field: 'payload' },
    ...{ fieldType: 'msg', format: 'text', syntax: 'plain', template: 'mine', output: 'str' },
    ...{ x: 200, y: 100, wires: [['mine-reply']] },
  },
  {
    ...{ id: 'mine-reply', type: 'http response', z: 'mine', name: '', statusCode: '' },
    ...{ headers: {}, x: 300, y: 100, wires: [] },
  },
];

interface Health {
  readonly status: string;
  readonly checks: Readonly<Record<string, string>>;
}

describe('Flows that do harm', function () {
  this.timeout(60_000);
  let pi: BootedBaluPi;
  /** One for all: who signs in at each look is soon asked to wait. */
  let token = '';

  before(async () => {
    pi = await BootedBaluPi.start({
      hurry: 5,
      environment: { BALUPI_EDITOR: 'on' },
      prepare: ({ data }) => {
        mkdirSync(join(data, 'flows'), { recursive: true });
        writeFileSync(join(data, 'flows', 'mine.json'), flowText(MINE));
        writeFileSync(join(data, 'flows', 'api-health.json'), overlayOfPing());
      },
    });
  });

  after(async () => {
    await pi.stop();
  });

  /** What the owner changed: the ping's reply has another name. */
  function overlayOfPing(): string {
    const nodes = parseFlowText(readFileSync('flows/api-health.json', 'utf8')) as FlowNode[];
    const reply = nodes.find(({ id }) => id === 'api-health-ping-reply');
    assert.ok(reply !== undefined);
    const changed = [{ ...reply, name: 'changed by its owner' }];
    return JSON.stringify({ changed, removed: [], hidden: false, base: {} });
  }

  async function health(): Promise<Health> {
    return (await (await fetch(`${pi.url}/api/health`)).json()) as Health;
  }

  async function mine(): Promise<number> {
    token ||= await pi.signIn('alice');
    const headers = { Authorization: `Bearer ${token}` };
    return (await uncheckedFetch(`${pi.url}/mine`, { headers })).status;
  }

  async function killed(): Promise<void> {
    pi.signal('SIGKILL');
    await pi.exit();
    await pi.restart();
  }

  async function session(): Promise<string> {
    const answered = await fetch(`${pi.editorUrl}/auth/token`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({
        ...{ client_id: 'node-red-editor', grant_type: 'password', scope: '*' },
        ...{ username: 'admin', password: 'Practice-admin-1' },
      }),
    });
    return ((await answered.json()) as { access_token: string }).access_token;
  }

  interface Deployed {
    readonly rev: string;
    readonly flows: readonly FlowNode[];
  }

  async function editor(bearer: string, body?: object): Promise<Deployed> {
    const answered = await fetch(`${pi.editorUrl}/flows`, {
      method: body === undefined ? 'GET' : 'POST',
      headers: {
        ...{ Authorization: `Bearer ${bearer}`, 'Content-Type': 'application/json' },
        'Node-RED-API-Version': 'v2',
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    assert.equal(answered.status, 200, await answered.clone().text());
    return (await answered.json()) as Deployed;
  }

  const pingName = ({ flows }: Deployed): unknown =>
    flows.find(({ id }) => id === 'api-health-ping-reply')?.['name'];

  it('run, until the process has ended three times within ten minutes', async () => {
    for (let count = 0; count < 2; count += 1) {
      await killed();
      assert.deepEqual([(await health()).checks['flows'], await mine()], ['ok', 200]);
    }
    await killed();
    const { status, checks } = await health();
    assert.deepEqual([status, checks['flows']], ['degraded', 'safe_mode']);
    assert.equal(await mine(), 404);
    assert.match(pi.output, /Safe mode, as BaluPi ended three times within ten minutes/);
    assert.equal((await fetch(`${pi.url}/api/ping`)).status, 200);
  });

  it('are shown switched off in the editor, and shipped tabs as they were shipped', async () => {
    const deployed = await editor(await session());
    assert.equal(deployed.flows.find(({ id }) => id === 'mine')?.['disabled'], true);
    assert.notEqual(pingName(deployed), 'changed by its owner');
  });

  it('run again after a deploy, and nothing of the owner is lost by it', async () => {
    const bearer = await session();
    const { rev, flows } = await editor(bearer);
    const mended = flows.map((node) =>
      node.id === 'mine-say' ? { ...node, template: 'mended' } : node,
    );
    await editor(bearer, { rev, flows: mended });
    await pi.until('the own tab runs', async () => (await mine()) === 200);
    assert.deepEqual((await health()).checks['flows'], 'ok');
    assert.equal(pingName(await editor(bearer)), 'changed by its owner');
    await killed();
    assert.deepEqual([(await health()).checks['flows'], await mine()], ['ok', 200]);
  });

  it('that answer no shipped endpoint any more are named, and it says so with 503', async () => {
    const bearer = await session();
    const { rev, flows } = await editor(bearer);
    const unwired = flows.map((node) =>
      node.id === 'api-health-ping-in' ? { ...node, wires: [[]] } : node,
    );
    const without = unwired.filter(({ z, id }) => z !== 'api-cache' && id !== 'api-cache');
    await editor(bearer, { rev, flows: without });
    await pi.until('the ping is missing', async () => {
      const answered = await fetch(`${pi.url}/api/ping`);
      const { code } = (await answered.json()) as { code?: string };
      return answered.status === 503 && code === 'flow_missing';
    });
    const stats = await fetch(`${pi.url}/api/cache/stats`, {
      headers: { Authorization: `Bearer ${token}` },
    });
    assert.deepEqual(
      [stats.status, ((await stats.json()) as { code: string }).code],
      [503, 'flow_missing'],
    );
    assert.equal((await fetch(`${pi.url}/api/cache/stats`)).status, 401);
    const { status, checks } = await health();
    assert.deepEqual([status, checks['flows']], ['degraded', 'missing']);
    assert.match(checks['missing_flows'] ?? '', /GET \/api\/ping/);
    assert.match(checks['missing_flows'] ?? '', /GET \/api\/cache\/stats/);
  });

  it('see no secret of the settings', async () => {
    const bearer = await session();
    const { rev, flows } = await editor(bearer);
    const asks: FlowNode = {
      ...{ id: 'mine-say', type: 'function', z: 'mine', name: '', outputs: 1, noerr: 0 },
      ...{ timeout: 0, initialize: '', finalize: '', libs: [], x: 200, y: 100 },
      func: "msg.payload = [env.get('BALUPI_SECRET_KEY'), env.get('BALUPI_NAS_URL')].join('|'); return msg;",
      wires: [['mine-reply']],
    };
    await editor(bearer, { rev, flows: flows.map((one) => (one.id === asks.id ? asks : one)) });
    const headers = { Authorization: `Bearer ${token}` };
    let said = '';
    await pi.until('the function answers', async () => {
      const answered = await uncheckedFetch(`${pi.url}/mine`, { headers });
      said = await answered.text();
      return said.includes('|');
    });
    assert.equal(said, `|${pi.nas.url}`);
  });

  it('that do not come to an end are cut, and everybody else goes on', async () => {
    const bearer = await session();
    const { rev, flows } = await editor(bearer);
    const loops = flows.map((one) =>
      one.id === 'mine-say' ? { ...one, func: 'while (true) {}' } : one,
    );
    await editor(bearer, { rev, flows: loops });
    const headers = { Authorization: `Bearer ${token}` };
    await pi.until('the function was cut', async () => {
      // The first may still meet the flow of before.
      const signal = AbortSignal.timeout(1_500);
      await uncheckedFetch(`${pi.url}/mine`, { headers, signal }).catch(() => undefined);
      return /SCRIPT_EXECUTION_TIMEOUT|Script execution timed out/.test(pi.output);
    });
    assert.equal((await health()).checks['nas'], 'awake');
  });
});
