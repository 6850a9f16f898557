import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { type FlowNode, flowText } from '../../packages/node-red-flow-files/lib/flow-storage.ts';
import { BootedBaluPi } from '../fakes/boot-balupi.ts';
import { uncheckedFetch } from '../fakes/checked-answers.ts';

const PLACE = { z: 'mine', x: 100, y: 100, name: '' };
/**
 * An owner's flow that queries through another package's SQLite node, as the tab explore-energy
 * does.
 */
const MINE: readonly FlowNode[] = [
  { id: 'mine', type: 'tab', label: 'mine', disabled: false, info: '' },
  {
    ...{ id: 'mine-in', type: 'http in', ...PLACE, method: 'get', url: '/plugs-in-sql' },
    ...{ upload: false, skipBodyParsing: false, wires: [['mine-params']] },
  },
  {
    ...{ id: 'mine-params', type: 'change', ...PLACE, wires: [['mine-copy']] },
    rules: [{ t: 'set', p: 'params', pt: 'msg', to: '{}', tot: 'json' }],
  },
  {
    ...{ id: 'mine-copy', type: 'balupi-sql', ...PLACE, op: 'copy', store: 'this-balupi' },
    wires: [['mine-sql']],
  },
  {
    ...{ id: 'mine-sql', type: 'sqlite', ...PLACE, mydb: 'energy-database', wires: [['mine-out']] },
    ...{ sqlquery: 'prepared', sql: 'SELECT count(*) AS n FROM tapo_devices' },
  },
  {
    ...{ id: 'mine-out', type: 'http response', ...PLACE, statusCode: '', headers: {} },
    wires: [],
  },
];
const NO_BINARY = `data:text/javascript,${encodeURIComponent(`
  import Module from 'node:module';
  const load = Module._load;
  Module._load = function (name, ...more) {
    if (name === 'sqlite3') throw new Error('not compiled for this machine');
    return load.call(this, name, ...more);
  };`)}`;

function isCompiled(): boolean {
  try {
    createRequire(import.meta.url)('sqlite3');
    return true;
  } catch {
    return false;
  }
}

/** How many locks all processes hold on a file. */
function locksOn(file: string): number {
  const { ino } = statSync(file);
  const ofFile = new RegExp(`:${ino} `);
  return readFileSync('/proc/locks', 'utf8')
    .split('\n')
    .filter((line) => ofFile.test(line)).length;
}

type Editor = (path: string, init?: RequestInit) => Promise<Response>;

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
        ...{ Authorization: `Bearer ${session}`, 'Content-Type': 'application/json' },
        ...{ 'Node-RED-API-Version': 'v2', 'Node-RED-Deployment-Type': 'full' },
      },
    });
}

async function flowsIn(editor: Editor): Promise<{ rev: string; flows: FlowNode[] }> {
  return (await (await editor('/flows')).json()) as { rev: string; flows: FlowNode[] };
}

describe('A SQLite that others bring into the process', function () {
  this.timeout(120_000);

  describe('where it is compiled', () => {
    let pi: BootedBaluPi;
    let editor: Editor;
    let headers: Record<string, string>;
    const database = (): string => join(pi.dataFolder, 'energy.db');

    before(async function () {
      if (!isCompiled()) this.skip();
      pi = await BootedBaluPi.start({
        environment: { BALUPI_EDITOR: 'on' },
        prepare: ({ data }) => {
          mkdirSync(join(data, 'flows'), { recursive: true });
          writeFileSync(join(data, 'flows', 'mine.json'), flowText(MINE));
        },
      });
      editor = await editorOf(pi);
      headers = {
        Authorization: `Bearer ${await pi.signIn('admin')}`,
        'Content-Type': 'application/json',
      };
    });

    after(async () => {
      await pi?.stop();
    });

    async function plugsInSql(): Promise<number> {
      let answered = await uncheckedFetch(`${pi.url}/plugs-in-sql`, { headers });
      // Until the deployed flows have started.
      while (answered.status === 503) {
        answered = await uncheckedFetch(`${pi.url}/plugs-in-sql`, { headers });
      }
      assert.equal(answered.status, 200, pi.output);
      const [row] = (await answered.json()) as readonly { readonly n: number }[];
      return row?.n ?? -1;
    }

    async function deployAll(): Promise<void> {
      const { rev, flows } = await flowsIn(editor);
      const body = JSON.stringify({ rev, flows });
      assert.equal((await editor('/flows', { method: 'POST', body })).status, 200);
    }

    it('is asked by the tab explore-energy', async () => {
      const { flows } = await flowsIn(editor);
      const days = flows.find(({ id }) => id === 'explore-energy-days');
      assert.equal(days?.type, 'sqlite');
    });

    it('sees what is written by now, and a question after a change sees the change', async () => {
      assert.equal(await plugsInSql(), 0);
      const body = JSON.stringify({ ip_address: '127.0.0.77:9' });
      const added = await fetch(`${pi.url}/api/tapo/devices`, { method: 'POST', headers, body });
      assert.equal(added.status, 201, await added.text());
      assert.equal(await plugsInSql(), 1);
      assert.equal(await plugsInSql(), 1, 'where nothing was written since');
    });

    it('takes no lock of BaluPi away when a deploy closes it', async () => {
      const before = locksOn(database());
      assert.ok(before > 0);
      await plugsInSql();
      await deployAll();
      await plugsInSql();
      await deployAll();
      assert.equal(locksOn(database()), before);
    });

    it('so that another program that looks into the file leaves the log where it is', () => {
      assert.ok(existsSync(`${database()}-wal`));
      const look = `
        const { DatabaseSync } = require('node:sqlite');
        const database = new DatabaseSync(${JSON.stringify(database())});
        database.prepare('SELECT count(*) FROM tapo_devices').get();
        database.close();`;
      execFileSync(process.execPath, ['-e', look], { stdio: 'pipe' });
      assert.ok(existsSync(`${database()}-wal`));
    });

    it('is given a file that only the owner of the data can read', () => {
      const { mode } = statSync(join(pi.dataFolder, 'energy-copy.db'));
      assert.equal(mode & 0o777, 0o600);
    });
  });

  describe('where it does not load', () => {
    let pi: BootedBaluPi;

    before(async () => {
      pi = await BootedBaluPi.start({
        environment: { BALUPI_EDITOR: 'on' },
        preload: [NO_BINARY],
      });
    });

    after(async () => {
      await pi.stop();
    });

    it('is not missed: the tab explore-energy asks by the SQLite of Node.js', async () => {
      const { flows } = await flowsIn(await editorOf(pi));
      const days = flows.find(({ id }) => id === 'explore-energy-days');
      assert.equal(days?.type, 'balupi-sql');
      assert.deepEqual(
        flows.filter(({ type }) => type.startsWith('sqlite')),
        [],
      );
      const health = (await (await fetch(`${pi.url}/api/health`)).json()) as {
        readonly checks: Readonly<Record<string, string>>;
      };
      assert.equal(health.checks['flows'], 'ok');
    });
  });
});
