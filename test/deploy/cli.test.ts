import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawn } from 'node:child_process';
import { once } from 'node:events';

const CLI = join('dist', 'deploy', 'cli.js');

interface Said {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

describe('The command balupi', function () {
  // Each one starts a process, some of them several times.
  this.timeout(60_000);
  const folder = mkdtempSync(join(tmpdir(), 'balupi-cli-'));
  const env = { ...process.env, BALUPI_DATA_DIR: join(folder, 'data') };

  const balupi = (args: readonly string[], input = '', more = {}): Said => {
    const done = spawnSync(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', CLI, ...args],
      {
        encoding: 'utf8',
        input,
        env: { ...env, ...more },
      },
    );
    return { code: done.status, out: done.stdout, err: done.stderr };
  };

  after(() => {
    rmSync(folder, { recursive: true });
  });

  it('tells its version, the one of package.json', () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
    assert.equal(balupi(['--version']).out, `${version}\n`);
  });

  it('says what it can do, and what it cannot', () => {
    const { code, out } = balupi(['help']);
    assert.equal(code, 0);
    for (const word of ['status', 'doctor', 'logs', 'wake', 'set NAME', 'uninstall']) {
      assert.ok(out.includes(`balupi ${word}`), word);
    }
    const unknown = balupi(['fly']);
    assert.equal(unknown.code, 2);
    assert.equal(unknown.err, 'There is no command fly. `balupi help` lists them.\n');
  });

  it('is described in a manual page, each command of it', () => {
    const { out } = balupi(['help', '--man']);
    assert.match(out, /^\.TH BALUPI 1/);
    assert.match(out, /\.B uninstall \[\\-\\-purge\]/);
  });

  it('keeps a setting with the data, for its owner only', () => {
    assert.equal(balupi(['set', 'nas_url', 'http://192.0.2.7']).code, 0);
    const file = join(folder, 'data', 'settings.json');
    assert.deepEqual(JSON.parse(readFileSync(file, 'utf8')), { NAS_URL: 'http://192.0.2.7' });
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.match(balupi(['settings']).out, /^NAS_URL +http:\/\/192\.0\.2\.7 /m);
  });

  it('takes a secret from standard input alone, and never shows it', () => {
    const given = balupi(['set', 'TAPO_PASSWORD', 'on-the-command-line']);
    assert.equal(given.code, 2);
    assert.match(given.err, /standard input/);
    assert.equal(balupi(['set', 'TAPO_PASSWORD'], 'a # secret\n').code, 0);
    const { out, err } = balupi(['settings']);
    assert.match(out, /^TAPO_PASSWORD +\(set\)/m);
    assert.ok(!(out + err).includes('a # secret'));
    balupi(['set', 'TAPO_PASSWORD'], '\n');
    assert.match(balupi(['settings']).out, /^TAPO_PASSWORD +\(none\)/m);
  });

  describe('beside a service', () => {
    const bin = join(folder, 'bin');
    const restarts = join(folder, 'restarts');
    const withService = (state: string) => {
      writeFileSync(join(bin, 'state'), state);
      const path = `${bin}:${process.env['PATH'] ?? ''}`;
      return { PATH: path, BALUPI_DATA_DIR: join(folder, 'served') };
    };
    const restarted = (): boolean => existsSync(restarts);

    before(() => {
      mkdirSync(bin);
      const script = `#!/bin/sh
        if [ "$1" = is-active ]; then cat '${bin}/state'; else echo "$@" >'${restarts}'; fi`;
      writeFileSync(join(bin, 'systemctl'), script, { mode: 0o755 });
    });

    beforeEach(() => {
      rmSync(restarts, { force: true });
    });

    it('restarts it with a setting that counts, and not with half a pair', () => {
      const first = balupi(['set', 'TAPO_USERNAME', 'a@example.org'], '', withService('active'));
      assert.equal(first.code, 0);
      assert.match(first.out, /goes on as before.*\n.*TAPO_USERNAME and .* go together/);
      assert.equal(restarted(), false);
      const second = balupi(['set', 'TAPO_PASSWORD'], 'secret\n', withService('active'));
      assert.match(second.out, /^Restarting BaluPi/m);
      assert.equal(readFileSync(restarts, 'utf8'), 'restart balupi\n');
      balupi(['set', 'TAPO_USERNAME', ''], '', withService('inactive'));
      balupi(['set', 'TAPO_PASSWORD'], '\n', withService('inactive'));
    });

    it('starts one that a wrong setting kept down, and leaves one alone that was stopped', () => {
      balupi(['set', 'TIMEZONE', 'Europe/Berlin'], '', withService('inactive'));
      assert.equal(restarted(), false);
      balupi(['set', 'TIMEZONE', ''], '', withService('failed'));
      assert.equal(restarted(), true);
    });
  });

  it('refuses a wrong value, an unknown name, and what only the environment may say', () => {
    const before = readFileSync(join(folder, 'data', 'settings.json'), 'utf8');
    assert.match(balupi(['set', 'NAS_URL', 'nas']).err, /BALUPI_NAS_URL is 'nas', wanted/);
    assert.match(balupi(['set', 'NAS_ADRESS', 'x']).err, /There is no setting NAS_ADRESS/);
    assert.match(balupi(['set']).err, /^Which setting\?/);
    assert.match(balupi(['set', 'EDITOR', 'on']).err, /it decides who may come in/);
    assert.equal(readFileSync(join(folder, 'data', 'settings.json'), 'utf8'), before);
  });

  it('says when the environment outranks what was set', () => {
    const said = balupi(['set', 'NAS_URL', 'http://192.0.2.8'], '', {
      BALUPI_NAS_URL: 'http://192.0.2.9',
    });
    assert.match(said.out, /outranks it/);
  });

  it('makes no key by a look, and says whether there is one', () => {
    const fresh = { BALUPI_DATA_DIR: join(folder, 'fresh') };
    assert.match(balupi(['settings'], '', fresh).out, /^SECRET_KEY +\(none\)/m);
    const given = balupi(['settings'], '', {
      ...fresh,
      BALUPI_SECRET_KEY: '5d41402abc4b2a76b9719d911017c592',
    });
    assert.match(given.out, /^SECRET_KEY +\(set\)/m);
    assert.throws(() => statSync(join(folder, 'fresh', 'secret.key')));
  });

  it('seals what is secret with the key of the data folder', () => {
    const data = join(folder, 'sealing');
    balupi(['set', 'TAPO_PASSWORD'], 'Correct-Horse 7\n', { BALUPI_DATA_DIR: data });
    const kept = readFileSync(join(data, 'settings.json'), 'utf8');
    assert.match(kept, /"TAPO_PASSWORD": "sealed:[\w+/=]+"/);
    assert.ok(!kept.includes('Correct-Horse'));
  });

  it('makes a setup code for a BaluPi that is not set up, and none for one that is', () => {
    const data = join(folder, 'new-house');
    const made = balupi(['setup-code'], '', { BALUPI_DATA_DIR: data });
    assert.match(made.out, /^[0-9A-Z]{5}-[0-9A-Z]{5}\n$/);
    assert.equal(statSync(join(data, 'setup.json')).mode & 0o777, 0o600);
    const other = balupi(['setup-code'], '', { BALUPI_DATA_DIR: data });
    assert.notEqual(other.out, made.out);
    const present = balupi(['setup-code', '--present'], '', { BALUPI_DATA_DIR: data });
    assert.equal(present.out, other.out, 'the installer tells the one that the log told');
    assert.equal(balupi(['setup-code', '--present'], '', { BALUPI_DATA_DIR: data }).out, other.out);
    writeFileSync(join(data, 'setup.json'), '{"isOver":true,"given":null}');
    const late = balupi(['setup-code'], '', { BALUPI_DATA_DIR: data });
    assert.deepEqual([late.code, late.out], [1, '']);
    assert.match(late.err, /is set up/);
  });

  /** A command's output beside a BaluPi with that health. */
  async function besideOne(command: string, health: object): Promise<Said> {
    const server = createServer((_request, response) => {
      response.end(JSON.stringify(health));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const asked = spawn(process.execPath, [CLI, command], {
      env: { ...env, BALUPI_PORT: String(port), BALUPI_NAS_URL: 'http://127.0.0.1:1' },
    });
    let out = '';
    asked.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    const [code] = (await once(asked, 'close')) as [number];
    server.close();
    return { code, out, err: '' };
  }

  it('tells how a BaluPi is, and whether there is one', async () => {
    assert.equal(balupi(['status'], '', { BALUPI_PORT: '1' }).code, 3);
    const health = { status: 'ok', version: '9.9', checks: { disk: 'ok' } };
    const { code, out } = await besideOne('status', health);
    assert.equal(code, 0);
    assert.match(out, /^BaluPi 9\.9 at .*: ok\n {2}disk: ok\n/);
  });

  it('names in the doctor’s line what is not well, and no more', async () => {
    const checks = { disk: 'low', memory: 'ok', backup: 'off', update: 'available' };
    const { out } = await besideOne('doctor', { status: 'degraded', version: '9.9', checks });
    assert.match(out, /^warn BaluPi: degraded \(disk: low\)\n/m);
  });

  it('finds what others may open in the data folder, and nothing once it is shut', () => {
    const data = join(folder, 'shared');
    mkdirSync(data);
    for (const [name, mode] of [
      ['secret.key', 0o644],
      ['queue.db', 0o600],
    ] as const) {
      writeFileSync(join(data, name), '');
      chmodSync(join(data, name), mode);
    }
    const doctor = (): string => {
      const nowhere = { BALUPI_NAS_URL: 'http://127.0.0.1:1', BALUPI_PORT: '1' };
      return balupi(['doctor'], '', { ...nowhere, BALUPI_DATA_DIR: data }).out;
    };
    chmodSync(data, 0o755);
    assert.match(doctor(), /^warn Secrets: others may open secret\.key\n/m);
    chmodSync(data, 0o700);
    assert.match(doctor(), /^ {2}ok Secrets: /m);
    assert.match(doctor(), /^warn Waking: no MAC address of the NAS is known\n/m);
  });

  it('counts no uploads where no queue is, and finds a damaged settings file in words', () => {
    writeFileSync(join(folder, 'data', 'settings.json'), 'nonsense');
    const { code, err } = balupi(['settings']);
    assert.equal(code, 78);
    assert.equal(err, 'The file settings.json in the data folder is no list of settings.\n');
  });
});
