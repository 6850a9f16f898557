import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type FlowNode,
  parseFlowText,
} from '../../packages/node-red-flow-files/lib/flow-storage.ts';
import { BootedBaluPi } from '../fakes/boot-balupi.ts';
import { uncheckedFetch } from '../fakes/checked-answers.ts';

/** Needs a package that is not installed. */
const EXAMPLE = 'examples/19 - Energy into PostgreSQL.json';
const LONGEST_MS = 20_000;

describe('A deploy of nodes that are not installed', function () {
  this.timeout(60_000);
  let pi: BootedBaluPi;
  let headers: Record<string, string>;

  before(async () => {
    pi = await BootedBaluPi.start({ environment: { BALUPI_EDITOR: 'on' } });
    const answered = await fetch(`${pi.editorUrl}/auth/token`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({
        ...{ client_id: 'node-red-editor', grant_type: 'password', scope: '*' },
        ...{ username: 'admin', password: 'Practice-admin-1' },
      }),
    });
    const { access_token: session } = (await answered.json()) as { access_token: string };
    headers = {
      ...{ Authorization: `Bearer ${session}`, 'Content-Type': 'application/json' },
      'Node-RED-API-Version': 'v2',
    };
  });

  after(async () => {
    await pi.stop();
  });

  const flowsNow = async () =>
    (await (await fetch(`${pi.editorUrl}/flows`, { headers })).json()) as {
      readonly rev: string;
      readonly flows: readonly FlowNode[];
    };

  async function deployExample(): Promise<void> {
    const { rev, flows } = await flowsNow();
    const example = parseFlowText(readFileSync(EXAMPLE, 'utf8')) as FlowNode[];
    const ids = new Set(flows.map(({ id }) => id));
    const added = example.filter(({ id }) => !ids.has(id));
    const body = JSON.stringify({ rev, flows: [...flows, ...added] });
    const answered = await fetch(`${pi.editorUrl}/flows`, { method: 'POST', headers, body });
    assert.equal(answered.status, 200, await answered.text());
  }

  it('stops no flow but its own, which stays where it was put, and is told', async () => {
    await deployExample();
    const endMs = Date.now() + LONGEST_MS;
    let answered = await uncheckedFetch(`${pi.url}/api/ping`);
    while (answered.status !== 200 && Date.now() < endMs) {
      answered = await uncheckedFetch(`${pi.url}/api/ping`);
    }
    assert.equal(answered.status, 200, pi.output);
    const health = (await (await fetch(`${pi.url}/api/health`)).json()) as {
      readonly checks: Readonly<Record<string, string>>;
    };
    assert.equal(health.checks['flows'], 'left_out');
    assert.match(
      pi.output,
      /Left out the tab "Energy into PostgreSQL" .*these node types are not installed: postgresql/,
    );
    const kept = readFileSync(join(pi.dataFolder, 'flows', 'energy-into-postgresql.json'), 'utf8');
    assert.match(kept, /"type": "postgresql"/);
    const { flows } = await flowsNow();
    assert.ok(!flows.some(({ type }) => type === 'postgresql'));
  });

  it('and stays there over the next deploy', async () => {
    const { rev, flows } = await flowsNow();
    const body = JSON.stringify({ rev, flows });
    await fetch(`${pi.editorUrl}/flows`, { method: 'POST', headers, body });
    const kept = readFileSync(join(pi.dataFolder, 'flows', 'energy-into-postgresql.json'), 'utf8');
    assert.match(kept, /"type": "postgresql"/);
  });
});
