import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync, type SpawnSyncOptions } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runInNewContext } from 'node:vm';
import { flowTexts } from './flow-rules.ts';
import { until } from '../fakes/until.ts';

type Identity = Pick<SpawnSyncOptions, 'uid' | 'gid'>;

/** PostgreSQL refuses to run as root; Debian's package has a user for it. */
function identity(): Identity | null {
  if (process.getuid?.() !== 0) return {};
  const [uid, gid] = ['-u', '-g'].map((flag) =>
    Number(spawnSync('id', [flag, 'postgres'], { encoding: 'utf8' }).stdout.trim() || Number.NaN),
  );
  const isThere = uid !== undefined && gid !== undefined && uid > 0 && gid > 0;
  return isThere ? { uid, gid } : null;
}

const isInstalled = ['initdb', 'postgres', 'psql'].every(
  (program) => spawnSync(program, ['--version']).status === 0,
);

describe('The example that writes energy into PostgreSQL', function () {
  this.timeout(120_000);
  const { nodes = [] } = flowTexts('examples').find(({ name }) => name.startsWith('19 ')) ?? {};
  const field = (id: string, name: string): string =>
    String(nodes.find((node) => node.id === `lesson-postgres-${id}`)?.[name]);
  let folder = '';
  let server: ChildProcess | null = null;

  function psql(sql: string) {
    const where = ['-h', folder, '-U', 'balupi', '-d', 'postgres', '-v', 'ON_ERROR_STOP=1', '-At'];
    return spawnSync('psql', [...where, '-f', '-'], { input: sql, encoding: 'utf8' });
  }

  function asked(sql: string): string {
    const { status, stdout, stderr } = psql(sql);
    assert.equal(status, 0, stderr);
    return stdout.trim();
  }

  before(async function () {
    const as = identity();
    if (!isInstalled || as === null) {
      console.log('      PostgreSQL is not on this machine, so the example is not tried on one.');
      this.skip();
    }
    folder = mkdtempSync(join(tmpdir(), 'balupi-pg-'));
    if (as.uid !== undefined) chownSync(folder, as.uid, as.gid ?? as.uid);
    const data = join(folder, 'data');
    const made = spawnSync('initdb', ['-D', data, '-U', 'balupi', '--auth=trust', '--no-sync'], {
      ...{ ...as, cwd: folder, encoding: 'utf8' },
    });
    assert.equal(made.status, 0, String(made.stderr));
    const by = ['-D', data, '-k', folder, '-F', '-c', 'listen_addresses='];
    server = spawn('postgres', by, { ...as, cwd: folder, stdio: 'ignore' });
    const started = server;
    await until('PostgreSQL to answer', () => {
      assert.equal(started.exitCode, null, 'PostgreSQL ended');
      return psql('SELECT 1').status === 0;
    });
  });

  after(async () => {
    if (server !== null) {
      const ended = once(server, 'exit');
      server.kill('SIGINT');
      await ended;
    }
    if (folder !== '') rmSync(folder, { recursive: true });
  });

  /** What the function makes of an answer of *energy aggregator: current*. */
  function params(devices: readonly object[]): readonly string[] | null {
    const told: unknown = runInNewContext(`(() => {${field('rows', 'func')}})()`, {
      msg: { payload: { devices } },
    });
    return (told as { readonly params: readonly string[] } | null)?.params ?? null;
  }

  const fridge = {
    ...{ device_id: 'p1', name: "Anna's fridge", power_w: 42.5, energy_today_wh: null },
    ...{ is_stale: false, timestamp: '2026-02-22T14:30:00.000Z' },
  };

  it('makes its table, also where it is there, and writes each reading once', () => {
    const [rows = ''] = params([fridge, { ...fridge, device_id: 'p2', power_w: null }]) ?? [];
    const insert = field('write', 'query').replace(/;\s*$/, '');
    const written = `EXECUTE w($json$${rows}$json$);`;
    asked(`${field('table', 'query')}\n${field('table', 'query')}`);
    asked(`PREPARE w(jsonb) AS ${insert};\n${written}\n${written}`);
    assert.equal(
      asked("SELECT at AT TIME ZONE 'UTC', device_id, name, power_w FROM plug_power"),
      "2026-02-22 14:30:00|p1|Anna's fridge|42.5",
    );
  });

  it('writes nothing where no plug was read', () => {
    assert.equal(params([{ ...fridge, is_stale: true }]), null);
  });
});
