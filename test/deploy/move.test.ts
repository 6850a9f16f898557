import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { Move, type MoveInput } from '../../deploy/move.ts';
import { DataElsewhereError, DataFolder } from '../../nodes/lib/store/data-folder.ts';
import { BootedBaluPi } from '../fakes/boot-balupi.ts';

const PROGRAM = join('dist', 'test', 'fakes', 'move-until.js');
/** More than there are. */
const ALL_STEPS = 20;

describe('Moving the data', function () {
  this.timeout(120_000);
  let folder: string;
  let from: string;
  let to: string;
  let settingsFile: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'balupi-move-'));
    from = join(folder, 'old');
    to = join(folder, 'disk', 'new');
    settingsFile = join(folder, 'balupi.env');
    mkdirSync(join(folder, 'disk'));
    writeFileSync(settingsFile, `BALUPI_PORT=8000\nBALUPI_DATA_DIR=${from}\nBALUPI_HOST=::1\n`);
    writeFileSync(`${settingsFile}.conf`, machine(from));
    begin();
  });

  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  function machine(data: string): string {
    return `[Unit]\nRequiresMountsFor=${data}\n[Service]\nReadWritePaths=${data}\nRestartSteps=6\n`;
  }

  /** A data folder as a BaluPi leaves it. */
  function begin(): void {
    DataFolder.open(from).close();
    const cache = join(from, 'cache', 'ab');
    mkdirSync(cache, { recursive: true });
    for (let at = 0; at < 50; at += 1) {
      writeFileSync(join(cache, `blob-${String(at)}`), `kept ${String(at)} `.repeat(10_000));
    }
    mkdirSync(join(from, 'queue'));
    writeFileSync(join(from, 'queue', '01JD0000000000000000000000'), 'accepted');
    writeFileSync(join(from, 'secret.key'), 'k'.repeat(64));
    const holes = openSync(join(cache, 'segments'), 'w');
    writeSync(holes, 'begin', 0);
    writeSync(holes, 'end', 20_000_000);
    ftruncateSync(holes, 30_000_000);
    closeSync(holes);
    const oldS = Date.now() / 1_000 - 3_600;
    for (const name of filesOf(from)) utimesSync(join(from, name), oldS, oldS);
  }

  function filesOf(root: string): readonly string[] {
    return readdirSync(root, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => relative(root, join(entry.parentPath, entry.name)))
      .filter((name) => !/^(?:lock\.db|moving-to|moved-to|moved-from|incomplete)$/.test(name))
      .sort();
  }

  /** Every file with its hash; what a start itself writes is left out. */
  function contentOf(root: string): Readonly<Record<string, string>> {
    const names = filesOf(root).filter((name) => !/^last-run|\.db/.test(name));
    return Object.fromEntries(
      names.map((name) => [
        name,
        createHash('sha256')
          .update(readFileSync(join(root, name)))
          .digest('hex'),
      ]),
    );
  }

  function named(): string {
    return /^BALUPI_DATA_DIR=(.*)$/m.exec(readFileSync(settingsFile, 'utf8'))?.[1] ?? '';
  }

  function moveUntil(steps: number): { out: string; err: string; signal: string | null } {
    const done = spawnSync(process.execPath, [PROGRAM, named(), to, settingsFile, String(steps)], {
      encoding: 'utf8',
    });
    return { out: done.stdout, err: done.stderr, signal: done.signal };
  }

  function wish(service: Partial<MoveInput['service']> = {}): MoveInput {
    const still = {
      isActive: () => false,
      isEnabled: () => false,
      stop: () => Promise.resolve(),
      start: () => Promise.resolve(true),
      reload: () => undefined,
    };
    return {
      ...{ from, to, settingsFile, environment: {}, dropIn: `${settingsFile}.conf` },
      service: { ...still, ...service },
    };
  }

  async function run(move: Move): Promise<readonly string[]> {
    const lines: string[] = [];
    for await (const line of move.run()) lines.push(line);
    return lines;
  }

  it('takes everything along, names the new folder and bars the old one', async () => {
    const before = contentOf(from);
    const runBefore = readFileSync(join(from, 'last-run'), 'utf8');
    await run(new Move(wish()));
    assert.equal(named(), to);
    assert.match(readFileSync(settingsFile, 'utf8'), /^BALUPI_PORT=8000\n.*\nBALUPI_HOST=::1\n$/);
    assert.match(
      readFileSync(`${settingsFile}.conf`, 'utf8'),
      new RegExp(`ReadWritePaths=${to}\n`),
    );
    assert.deepEqual(contentOf(to), before);
    assert.equal(statSync(to).mode & 0o777, 0o700);
    assert.equal(readFileSync(join(to, 'last-run'), 'utf8'), runBefore);
    const segments = statSync(join(to, 'cache', 'ab', 'segments'));
    assert.ok(segments.blocks * 512 < 1_000_000, 'its holes are none any more');
    assert.throws(() => DataFolder.open(from), DataElsewhereError);
    const data = DataFolder.open(to);
    assert.deepEqual(data.setAside, []);
    data.close();
  });

  it('leaves a folder that may go: the service starts without it', () => {
    const unit = readFileSync(join('deploy', 'balupi.service'), 'utf8');
    assert.deepEqual(unit.match(/^(?:ReadWritePaths|ReadOnlyPaths|BindPaths)=.*$/gm), [
      'ReadWritePaths=-/var/lib/balupi',
    ]);
  });

  it('cut at any moment leaves a whole folder that the settings name, and goes on from there', () => {
    let steps = 1;
    for (; steps < ALL_STEPS; steps += 1) {
      rmSync(folder, { recursive: true });
      mkdirSync(join(folder, 'disk'), { recursive: true });
      writeFileSync(settingsFile, `BALUPI_DATA_DIR=${from}`);
      writeFileSync(`${settingsFile}.conf`, machine(from));
      begin();
      const before = contentOf(from);
      const { out, err, signal } = moveUntil(steps);
      if (signal === null) break;
      assert.equal(signal, 'SIGKILL', err);
      const lines = out.trim().split('\n');
      assert.equal(lines.length, steps, err);
      assert.deepEqual(contentOf(named()), before, lines.at(-1));
      DataFolder.open(named()).close();
      const other = named() === to ? from : to;
      const isWhole = existsSync(join(other, 'queue.db')) && !existsSync(join(other, 'incomplete'));
      if (existsSync(join(other, 'incomplete'))) {
        assert.throws(() => DataFolder.open(other), DataElsewhereError, lines.at(-1));
      }
      // What changed since must not be lost by going on.
      writeFileSync(join(named(), 'queue', '01JD0000000000000000000001'), 'newer');
      rmSync(join(named(), 'cache', 'ab', 'blob-0'));
      const after = contentOf(named());
      const again = moveUntil(ALL_STEPS);
      assert.equal(again.signal, null);
      assert.equal(again.err, '', lines.at(-1));
      assert.equal(named(), to, lines.at(-1));
      assert.deepEqual(contentOf(to), after, `${lines.at(-1) ?? ''} ${String(isWhole)}`);
      assert.throws(() => DataFolder.open(from), DataElsewhereError);
      DataFolder.open(to).close();
    }
    assert.ok(steps > 6, `it has only ${String(steps - 1)} steps`);
  });

  it('cut in the middle of copying leaves the old folder, and goes on from there', async () => {
    const before = contentOf(from);
    for (const files of [1, 20, 45]) {
      const child = spawn(process.execPath, [PROGRAM, from, to, settingsFile, '0']);
      const ended = once(child, 'close');
      const copied = (): number => (existsSync(join(to, 'cache')) ? filesOf(to).length : 0);
      while (child.exitCode === null && copied() < files) {
        await new Promise((next) => setImmediate(next));
      }
      child.kill('SIGKILL');
      await ended;
      // Killed later than in the copying, of which every step is cut above.
      if (!existsSync(join(to, 'incomplete'))) break;
      assert.deepEqual(contentOf(from), before);
      assert.throws(() => DataFolder.open(to), DataElsewhereError);
      DataFolder.open(from).close();
    }
    assert.equal(moveUntil(ALL_STEPS).err, '');
    assert.equal(named(), to);
    assert.deepEqual(contentOf(to), before);
    assert.ok(!filesOf(to).some((name) => name.endsWith('.moving')));
  });

  it('refuses what it cannot do before it touches anything', async () => {
    const refused = async (wrong: Partial<MoveInput>, words: RegExp): Promise<void> => {
      await assert.rejects(run(new Move({ ...wish(), ...wrong })), words);
      assert.equal(named(), from);
      assert.ok(!existsSync(join(from, 'moving-to')));
    };
    await refused({ to: join(from, 'inside') }, /within each other/);
    await refused({ to: folder }, /within each other/);
    await refused({ to: join(folder, 'none', 'deep') }, /There is no folder/);
    await refused({ to: join(folder, 'a b') }, /wanted a folder of letters/);
    const full = join(folder, 'full');
    mkdirSync(full);
    writeFileSync(join(full, 'photo.jpg'), 'x');
    await refused({ to: full }, /is not empty/);
    await refused({ from: join(folder, 'nothing') }, /There are no data/);
    const data = DataFolder.open(from);
    await refused({}, /Another BaluPi uses this data folder/);
    data.close();
  });

  it('starts BaluPi in the old folder again where the last step fails', async () => {
    const done: string[] = [];
    let isActive = true;
    const service = {
      isActive: () => isActive,
      stop: () => {
        done.push('stop');
        isActive = false;
        return Promise.resolve();
      },
      start: () => {
        done.push(`start ${named()}`);
        return Promise.resolve(named() !== to);
      },
    };
    await assert.rejects(run(new Move(wish(service))), /runs in .*old as before/);
    assert.deepEqual(done, ['stop', `start ${to}`, 'stop', `start ${from}`]);
    assert.equal(named(), from);
    DataFolder.open(from).close();
    const outranked = { ...wish(service), environment: { BALUPI_DATA_DIR: from } };
    done.length = 0;
    isActive = true;
    await assert.rejects(run(new Move(outranked)), /is set in the environment/);
    assert.deepEqual(done, ['stop', `start ${from}`]);
  });
});

describe('A BaluPi that was moved', function () {
  this.timeout(120_000);

  it('goes on where it was, and does not start in what it left', async () => {
    const pi = await BootedBaluPi.start({
      environment: { BALUPI_NAS_PROBE_INTERVAL_SECONDS: '1', BALUPI_WAKE_ON_MISS: 'false' },
    });
    try {
      const token = await pi.signIn('alice');
      const headers = { Authorization: `Bearer ${token}` };
      const ask = (path: string, init: RequestInit = {}): Promise<Response> =>
        fetch(`${pi.url}/api${path}`, { ...init, headers });
      const online = async (): Promise<boolean> =>
        ((await (await ask('/nas/status')).json()) as { online: boolean }).online;
      await pi.nas.sleep('suspend');
      await pi.until('the NAS to be seen asleep', async () => !(await online()));
      const body = new FormData();
      body.set('path', 'alice');
      body.set('file', new Blob(['sent before it moved']), 'moved.txt');
      assert.equal((await ask('/files/upload', { method: 'POST', body })).status, 200);
      const to = join(pi.folder, 'larger');
      const settingsFile = join(pi.folder, 'balupi.env');
      let isActive = true;
      const service = {
        isActive: () => isActive,
        isEnabled: () => false,
        stop: async () => {
          pi.signal('SIGTERM');
          await pi.exit();
          isActive = false;
        },
        start: async () => {
          await pi.restart({ BALUPI_DATA_DIR: to });
          return true;
        },
        reload: () => undefined,
      };
      const dropIn = join(pi.folder, 'none.conf');
      const wish = { from: pi.dataFolder, to, settingsFile, environment: {}, dropIn, service };
      for await (const line of new Move(wish).run()) assert.ok(line.length > 0);
      assert.match(readFileSync(settingsFile, 'utf8'), new RegExp(`BALUPI_DATA_DIR=${to}\n`));
      const { uploads } = (await (await ask('/files/uploads')).json()) as {
        uploads: readonly { readonly path: string; readonly state: string }[];
      };
      assert.deepEqual(
        uploads.map(({ path, state }) => [path, state]),
        [['alice/moved.txt', 'queued']],
      );
      pi.signal('SIGTERM');
      await pi.exit();
      const left = await BootedBaluPi.fail({ environment: { BALUPI_DATA_DIR: pi.dataFolder } });
      assert.equal(left.code, 78);
      assert.match(left.output, /The data were moved out of this data folder/);
    } finally {
      await pi.stop();
    }
  });
});
