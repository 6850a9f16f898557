import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { BootedBaluPi } from '../fakes/boot-balupi.ts';

describe('The life of a BaluPi', function () {
  this.timeout(40_000);

  it('does not start with wrong settings, and names them all', async () => {
    const { code, output } = await BootedBaluPi.fail({
      environment: { BALUPI_PORT: 'x', BALUPI_NAS_URL: 'nas', BALUPI_SECRET_KEY: '' },
    });
    assert.equal(code, 1);
    for (const name of ['PORT', 'NAS_URL', 'SECRET_KEY'])
      assert.match(output, new RegExp(`BALUPI_${name}`));
    assert.doesNotMatch(output, /\n\s+at /);
  });

  it('does not start with a broken flow file, and names it', async () => {
    const { code, output } = await BootedBaluPi.fail({
      prepare: ({ flows }) => {
        writeFileSync(join(flows, 'api-nas.json'), '[{"id": ');
      },
    });
    assert.equal(code, 1);
    assert.match(output, /api-nas\.json/);
    assert.doesNotMatch(output, /balupi-boot-/);
  });

  it('leaves out a tab whose nodes are not installed, says so, and works', async () => {
    const tab = [
      { id: 'strange', type: 'tab', label: 'strange', disabled: false, info: 'x', env: [] },
      { id: 'strange-node', type: 'not-there', z: 'strange', name: 'x', x: 100, y: 100, wires: [] },
    ];
    const pi = await BootedBaluPi.start({
      prepare: ({ flows }) => {
        writeFileSync(join(flows, 'strange.json'), `${JSON.stringify(tab, null, 2)}\n`);
      },
    });
    try {
      assert.match(pi.output, /Left out the tab "strange"/);
      const health = (await (await fetch(`${pi.url}/api/health`)).json()) as {
        checks: Record<string, string>;
      };
      assert.equal(health.checks['flows'], 'left_out');
      assert.ok(readdirSync(pi.flowsFolder).includes('strange.json'));
    } finally {
      await pi.stop();
    }
  });

  it('holds its data folder against a second one, and refuses a newer schema', async () => {
    const pi = await BootedBaluPi.start();
    try {
      const second = await BootedBaluPi.fail({ environment: { BALUPI_DATA_DIR: pi.dataFolder } });
      assert.equal(second.code, 1);
      assert.match(second.output, /Another BaluPi uses this data folder/);
      pi.signal('SIGTERM');
      assert.equal(await pi.exit(), 0);
      const database = new DatabaseSync(join(pi.dataFolder, 'queue.db'));
      database.exec('PRAGMA user_version = 99');
      database.close();
      const newer = await BootedBaluPi.fail({ environment: { BALUPI_DATA_DIR: pi.dataFolder } });
      assert.equal(newer.code, 1);
      assert.match(newer.output, /queue database has schema version 99/);
      assert.doesNotMatch(newer.output, /\n\s+at /);
    } finally {
      await pi.stop();
    }
  });

  it('ends with 0 on SIGTERM, while a caller still reads, and leaves whole databases', async () => {
    const pi = await BootedBaluPi.start();
    try {
      await pi.nas.putFile('alice/long.bin', Buffer.alloc(40_000_000, 7), 'alice');
      pi.nas.faults.set({ path: /download/, bytesPerSecond: 2_000_000 });
      const token = await pi.signIn();
      const reading = await fetch(`${pi.url}/api/files/download/alice/long.bin`, {
        headers: { Authorization: `Bearer ${token}` },
      });
      const whole = reading.arrayBuffer().then(
        (bytes) => bytes.byteLength,
        () => 'cut' as const,
      );
      const startedMs = performance.now();
      pi.signal('SIGTERM');
      assert.equal(await pi.exit(), 0);
      assert.ok(performance.now() - startedMs < 10_000);
      assert.equal(await whole, 'cut');
      for (const name of ['queue', 'cache', 'energy']) {
        const database = new DatabaseSync(join(pi.dataFolder, `${name}.db`));
        assert.equal(database.prepare('PRAGMA integrity_check').get()?.['integrity_check'], 'ok');
        database.close();
      }
    } finally {
      await pi.stop();
    }
  });

  it('keeps a key of its own for the credentials of tinkerers, for its owner only', async () => {
    const pi = await BootedBaluPi.start();
    try {
      const key = readFileSync(join(pi.dataFolder, 'node-red', 'credential.key'), 'utf8');
      assert.match(key, /^[0-9a-f]{64}$/);
      assert.doesNotMatch(pi.output, /system-generated key/);
    } finally {
      await pi.stop();
    }
  });
});
