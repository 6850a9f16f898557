import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { Agent, createServer, get } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { BootedBaluPi, type BootOptions } from '../fakes/boot-balupi.ts';
import { until } from '../fakes/until.ts';

/** How many times as fast those stop that wait for somebody. */
const HURRY = 5;

describe('The life of a BaluPi', function () {
  this.timeout(40_000);

  it('does not start with wrong settings, and names them all', async () => {
    const { code, output } = await BootedBaluPi.fail({
      environment: { BALUPI_PORT: 'x', BALUPI_NAS_URL: 'nas', BALUPI_SECRET_KEY: 'short' },
    });
    assert.equal(code, 78);
    for (const name of ['PORT', 'NAS_URL', 'SECRET_KEY'])
      assert.match(output, new RegExp(`BALUPI_${name}`));
    assert.doesNotMatch(output, /\n\s+at /);
  });

  it('says in one line what is wrong with its port or its data folder', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const port = String((taken.address() as AddressInfo).port);
    const cases: readonly (readonly [what: BootOptions, words: RegExp, exitCode: number])[] = [
      [{ environment: { BALUPI_PORT: port } }, /^Port \d+ could not be opened: it is in use/m, 1],
      [
        {
          prepare: ({ data }) => {
            writeFileSync(data, 'a file');
          },
        },
        /^The data folder \(BALUPI_DATA_DIR\) cannot be used at [a-z.]+: there is a file in its place .*ls -ld/m,
        1,
      ],
      [
        {
          prepare: ({ data }) => {
            mkdirSync(join(data, 'energy.db'), { recursive: true });
          },
        },
        /^energy\.db in the data folder \(BALUPI_DATA_DIR\) cannot be opened: .*ls -l/m,
        1,
      ],
    ];
    for (const [what, words, exitCode] of cases) {
      const { code, output } = await BootedBaluPi.fail(what);
      assert.equal(code, exitCode);
      assert.match(output, words);
      assert.doesNotMatch(output, /\n\s+at |balupi-boot-/);
    }
    taken.close();
  });

  it('does not start with a broken flow file, and names it', async () => {
    const { code, output } = await BootedBaluPi.fail({
      prepare: ({ flows }) => {
        writeFileSync(join(flows, 'api-nas.json'), '[{"id": ');
      },
    });
    assert.equal(code, 78);
    assert.match(output, /api-nas\.json/);
    assert.doesNotMatch(output, /balupi-boot-/);
  });

  it('ends with 0 on SIGTERM, while a caller still reads, and leaves whole databases', async () => {
    const pi = await BootedBaluPi.start({ hurry: HURRY });
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
      assert.ok(performance.now() - startedMs < 10_000 / HURRY);
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

  it('ends with 0 on SIGTERM while an upload comes in, and keeps nothing half', async () => {
    const pi = await BootedBaluPi.start({ hurry: HURRY });
    try {
      const token = await pi.signIn();
      const socket = connect(pi.port, '127.0.0.1');
      socket.on('error', () => undefined);
      socket.write(
        `POST /api/files/upload?path=alice HTTP/1.1\r\nHost: pi\r\nAuthorization: Bearer ${token}\r\n` +
          'Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 1000000\r\n\r\n' +
          '--x\r\nContent-Disposition: form-data; name="file"; filename="half.bin"\r\n\r\n' +
          'a'.repeat(300_000),
      );
      const incoming = join(pi.dataFolder, 'queue', 'incoming');
      await until('the first half lies on the disk', () => readdirSync(incoming).length > 0);
      let answered = '';
      socket.on('data', (chunk: Buffer) => (answered += chunk.toString()));
      pi.signal('SIGTERM');
      assert.equal(await pi.exit(), 0);
      assert.doesNotMatch(answered, /^HTTP\/1\.1 2/);
      assert.deepEqual(readdirSync(incoming), []);
      const database = new DatabaseSync(join(pi.dataFolder, 'queue.db'));
      assert.equal(database.prepare('SELECT count(*) AS n FROM upload_queue').get()?.['n'], 0);
      database.close();
    } finally {
      await pi.stop();
    }
  });

  it('ends at once on SIGTERM when nobody waits for anything, whoever holds a connection', async () => {
    const pi = await BootedBaluPi.start();
    try {
      const agent = new Agent({ keepAlive: true });
      const { promise, resolve } = Promise.withResolvers<undefined>();
      get(`${pi.url}/api/ping`, { agent }, (response) => {
        response.resume().once('end', () => {
          resolve(undefined);
        });
      });
      await promise;
      const idle = connect(pi.port, '127.0.0.1');
      idle.on('error', () => undefined);
      await once(idle, 'connect');
      const startedMs = performance.now();
      pi.signal('SIGTERM');
      assert.equal(await pi.exit(), 0);
      assert.ok(performance.now() - startedMs < 3_000);
      agent.destroy();
    } finally {
      await pi.stop();
    }
  });

  it('comes to the end of its start before it obeys a SIGTERM', async () => {
    const pi = await BootedBaluPi.begin();
    try {
      await until('it holds its data folder', () => existsSync(join(pi.dataFolder, 'lock.db')));
      pi.signal('SIGTERM');
      assert.equal(await pi.exit(), 0, pi.output);
      const second = await BootedBaluPi.start({ environment: { BALUPI_DATA_DIR: pi.dataFolder } });
      await second.stop();
    } finally {
      await pi.stop();
    }
  });

  describe('that runs', () => {
    let pi: BootedBaluPi;
    const tab = [
      { id: 'strange', type: 'tab', label: 'strange', disabled: false, info: 'x', env: [] },
      { id: 'strange-node', type: 'not-there', z: 'strange', name: 'x', x: 100, y: 100, wires: [] },
    ];

    before(async () => {
      pi = await BootedBaluPi.start({
        prepare: ({ flows }) => {
          writeFileSync(join(flows, 'strange.json'), `${JSON.stringify(tab, null, 2)}\n`);
        },
      });
    });

    after(async () => {
      await pi.stop();
    });

    it('leaves out a tab whose nodes are not installed, says so, and works', async () => {
      assert.match(pi.output, /Left out the tab "strange"/);
      const health = (await (await fetch(`${pi.url}/api/health`)).json()) as {
        checks: Record<string, string>;
      };
      assert.equal(health.checks['flows'], 'left_out');
      assert.ok(readdirSync(pi.flowsFolder).includes('strange.json'));
    });

    it('keeps a key of its own for the credentials of tinkerers, for its owner only', () => {
      const key = readFileSync(join(pi.dataFolder, 'node-red', 'credential.key'), 'utf8');
      assert.match(key, /^[0-9a-f]{64}$/);
      assert.doesNotMatch(pi.output, /system-generated key/);
    });

    it('holds its data folder against a second one, and refuses a newer schema', async () => {
      const second = await BootedBaluPi.fail({ environment: { BALUPI_DATA_DIR: pi.dataFolder } });
      assert.equal(second.code, 1);
      assert.match(second.output, /Another BaluPi uses this data folder/);
      pi.signal('SIGTERM');
      assert.equal(await pi.exit(), 0);
      const database = new DatabaseSync(join(pi.dataFolder, 'queue.db'));
      database.exec('PRAGMA user_version = 99');
      database.close();
      const newer = await BootedBaluPi.fail({ environment: { BALUPI_DATA_DIR: pi.dataFolder } });
      assert.equal(newer.code, 65);
      assert.match(newer.output, /queue database has schema version 99/);
      assert.doesNotMatch(newer.output, /\n\s+at /);
    });
  });

  describe('whose data folder is damaged', () => {
    let pi: BootedBaluPi;
    const names = ['queue', 'cache', 'energy'] as const;
    const damage = (data: string): void => {
      for (const [name, bytes] of [
        ['lock.db', 5_000] as const,
        ['lock.db-journal', 600] as const,
      ]) {
        writeFileSync(join(data, name), randomBytes(bytes));
      }
    };

    before(async () => {
      pi = await BootedBaluPi.start({
        prepare: ({ data }) => {
          mkdirSync(data, { recursive: true, mode: 0o700 });
          for (const name of names) writeFileSync(join(data, `${name}.db`), 'no database at all');
          damage(data);
        },
      });
    });

    after(async () => {
      await pi.stop();
    });

    it('starts beside damaged databases, and says what it set aside', async () => {
      const health = (await (await fetch(`${pi.url}/api/health`)).json()) as {
        status: string;
        checks: Record<string, string>;
      };
      assert.equal(health.status, 'degraded');
      for (const name of names) {
        assert.equal(health.checks[`${name}_db`], 'set_aside');
        assert.match(
          pi.output,
          new RegExp(`The ${name} database was damaged and is now ${name}\\.db`),
        );
      }
    });

    it('makes a damaged lock anew, and takes the folder from nobody who holds it', async () => {
      const lateFor = async (): Promise<void> => {
        const late = await BootedBaluPi.fail({ environment: { BALUPI_DATA_DIR: pi.dataFolder } });
        assert.equal(late.code, 1, late.output);
        assert.match(late.output, /Another BaluPi uses this data folder/);
      };
      await lateFor();
      damage(pi.dataFolder);
      await lateFor();
      assert.equal((await fetch(`${pi.url}/api/ping`)).status, 200);
    });
  });
});
