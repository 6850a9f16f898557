import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { generateKeyPairSync, sign } from 'node:crypto';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { basename, join } from 'node:path';
import { faultOfRelease, keysIn, readRelease } from '../../deploy/release-file.ts';
import { Updater } from '../../deploy/update.ts';
import { newerRelease } from '../../host/drop-folder.ts';
import { HastyClock } from './hasty-clock.ts';
import { InstalledWorld, type ReleaseOptions } from './installed-world.ts';

/** Spread over all steps of an update. */
const MOST_KILLS = 20;

describe('An update', function () {
  this.timeout(60_000);
  let world: InstalledWorld;
  let said: string[];
  const environment = { ...process.env };

  beforeEach(async () => {
    world = await InstalledWorld.make();
    said = [];
    Object.assign(process.env, world.environment);
  });

  afterEach(async () => {
    await world.stop();
    for (const name of Object.keys(process.env)) {
      if (!(name in environment)) Reflect.deleteProperty(process.env, name);
    }
    Object.assign(process.env, environment);
  });

  function updater(): Updater {
    const say = (line: string): void => {
      said.push(line);
    };
    return new Updater({ ...world.installation, clock: new HastyClock(), say });
  }

  async function bring(version: string, options: ReleaseOptions = {}): Promise<0 | 1> {
    return await updater().bring(await readRelease(world.archive(version, options)));
  }

  it('runs the new version once that was well for a while, and keeps two releases', async () => {
    assert.equal(await bring('1.1.0'), 0);
    assert.equal(await bring('1.2.0'), 0);
    assert.equal(world.running, '1.2.0');
    assert.deepEqual(world.releases, ['1.1.0', '1.2.0']);
    assert.equal(world.queue, 'accepted 1.0.0 1.1.0 1.2.0');
    assert.equal(world.isOnTrial, false);
    assert.ok(said.some((line) => line.startsWith('BaluPi 1.2.0 runs. Before: 1.1.0')));
  });

  it('brings unit and manual along, and what turns the next one', async () => {
    const turn = join(world.home, 'turn');
    writeFileSync(turn, `${readFileSync(turn, 'utf8')}# of 1.0.0\n`);
    await bring('1.1.0');
    assert.equal(readFileSync(turn, 'utf8'), readFileSync(join('deploy', 'turn.sh'), 'utf8'));
    const { unitFile, papers } = world.installation;
    assert.equal(readFileSync(unitFile, 'utf8'), '# of 1.1.0\n');
    const manual = papers['deploy/balupi.1'] ?? '';
    assert.equal(readFileSync(manual, 'utf8'), 'manual of 1.1.0\n');
  });

  it('goes back from a version that ends at its start, with the databases of before', async () => {
    const before = world.dataNow();
    assert.equal(await bring('1.1.0', { isBroken: true }), 1);
    assert.equal(said.at(-1), 'rolled back to 1.0.0');
    assert.equal(world.running, '1.0.0');
    assert.deepEqual(world.releases, ['1.0.0']);
    assert.equal(readFileSync(world.installation.unitFile, 'utf8'), '# of 1.0.0\n');
    const { [join(world.data, 'ids-anew')]: mark, ...after } = world.dataNow();
    assert.deepEqual(after, before);
    assert.equal(mark, '');
  });

  it('goes back where a check is worse than it was, and says which', async () => {
    assert.equal(await bring('1.1.0', { checks: { disk: 'failing' } }), 1);
    assert.match(said.join('\n'), /its check disk says failing, and said ok before/);
    assert.equal(said.at(-1), 'rolled back to 1.0.0');
  });

  it('stays where a check is as bad as it was, and where the NAS went to sleep', async () => {
    await bring('1.1.0', { checks: { nas: 'asleep' } });
    assert.equal(world.running, '1.1.0');
    writeFileSync(
      join(world.home, 'releases', '1.1.0', 'checks.json'),
      JSON.stringify({ disk: 'low' }),
    );
    assert.equal(await bring('1.2.0', { checks: { disk: 'low' } }), 0);
    assert.equal(world.running, '1.2.0');
  });

  it('changes nothing where the new version says that it cannot run here', async () => {
    const before = world.dataNow();
    const why = 'BALUPI_NAS_URL is x, wanted an address.';
    await assert.rejects(bring('1.1.0', { checkCode: 78, says: why }), (error: Error) => {
      assert.ok(error.message.includes(why));
      return true;
    });
    assert.equal(world.running, '1.0.0');
    assert.equal(world.current, 'releases/1.0.0');
    assert.deepEqual(world.dataNow(), before);
    assert.equal(world.isOnTrial, false);
  });

  it('tells what the new version says of the owner’s tabs', async () => {
    await bring('1.1.0', { says: 'This version changed 1 nodes of the tab api-files' });
    assert.ok(said.includes('  This version changed 1 nodes of the tab api-files'));
  });

  it('to the version that runs is none', async () => {
    assert.equal(await bring('1.0.0'), 0);
    assert.deepEqual(said.at(-1), 'BaluPi 1.0.0 runs already.');
    assert.deepEqual(world.releases, ['1.0.0']);
  });

  it('refuses what is for another machine, has no version of its own, or is not whole', async () => {
    await assert.rejects(bring('1.1.0', { machine: 'riscv64' }), /is for riscv64/);
    await assert.rejects(bring('1.1.0', { toldVersion: '../../etc' }), /has no version/);
    const whole = await readRelease(world.archive('1.1.0'));
    const cut = { ...whole, bytes: whole.bytes.subarray(0, whole.bytes.length / 2) };
    await assert.rejects(updater().bring(cut), /cannot be unpacked/);
    assert.deepEqual(world.dataNow()[world.queueDb], 'accepted 1.0.0');
    assert.equal(world.running, '1.0.0');
  });

  it('leaves another one alone that is under way, and clears what one left before it began', async () => {
    world.ask('1.1.0');
    await assert.rejects(bring('1.2.0'), /Another update is under way/);
    const file = join(world.home, 'trial');
    writeFileSync(file, readFileSync(file, 'utf8').replace(/^began=.*/m, 'began=1'));
    assert.equal(await bring('1.2.0'), 0);
    assert.equal(world.running, '1.2.0');
  });

  it('goes back to the release of before when asked to', async () => {
    await bring('1.1.0');
    assert.equal(await updater().goBack(false), 0);
    assert.equal(world.running, '1.0.0');
    assert.deepEqual(world.releases, ['1.0.0', '1.1.0']);
    assert.equal(await updater().goBack(false), 0);
    assert.equal(world.running, '1.1.0');
  });

  it('names the backup where the databases are too new for the release of before, and returns to it by one command', async () => {
    await bring('1.1.0');
    writeFileSync(join(world.home, 'releases', '1.0.0', 'data-code'), '65');
    await assert.rejects(updater().goBack(false), (error: Error) => {
      assert.match(error.message, /left them lie in .*before-update, made .* UTC/);
      assert.match(error.message, /balupi update --back --restore$/);
      return true;
    });
    assert.equal(world.running, '1.1.0');
    writeFileSync(join(world.data, 'flows', 'later-tab.json'), '[]');
    assert.equal(await updater().goBack(true), 0);
    assert.equal(world.running, '1.0.0');
    assert.equal(world.queue, 'accepted 1.0.0');
    assert.ok(existsSync(join(world.data, 'flows', 'later-tab.json')));
    // What is found beside an older list waits for its owner; nobody who signed out is in again.
    assert.ok(existsSync(join(world.data, 'queue', 'restored')));
    assert.ok(existsSync(join(world.data, 'distrust')));
    // And what was given up for it is kept.
    const kept = join(world.data, 'before-update');
    assert.equal(readFileSync(join(kept, 'version'), 'utf8'), '1.1.0\n');
    assert.equal(readFileSync(join(kept, 'queue.db'), 'utf8'), 'accepted 1.0.0 1.1.0');
  });

  it('gives the databases back that such a return took, where the older release does not run', async () => {
    await bring('1.1.0');
    writeFileSync(join(world.home, 'releases', '1.0.0', 'broken'), '');
    assert.equal(await updater().goBack(true), 1);
    assert.equal(said.at(-1), 'rolled back to 1.1.0');
    assert.equal(world.queue, 'accepted 1.0.0 1.1.0');
    assert.equal(existsSync(join(world.data, 'queue', 'restored')), false);
    assert.equal(existsSync(join(world.data, 'distrust')), false);
    assert.deepEqual(world.releases, ['1.0.0', '1.1.0']);
    const kept = join(world.data, 'before-update');
    assert.equal(readFileSync(join(kept, 'version'), 'utf8'), '1.0.0\n');
  });

  it('does not go back where there is nothing to go back to', async () => {
    await assert.rejects(updater().goBack(false), /no release from before/);
    await bring('1.1.0');
    rmSync(join(world.data, 'before-update'), { recursive: true });
    await assert.rejects(updater().goBack(true), /no backup of the databases of 1\.0\.0/);
  });

  describe('that is killed', () => {
    /** Runs one in a process that ends itself at its n-th step. @returns how that ended */
    async function killedAt(step: number, file: string): Promise<NodeJS.Signals | number | null> {
      const preload = join('dist', 'test', 'deploy', 'killed-at.js');
      const program = join('dist', 'test', 'deploy', 'update-driver.js');
      const child = spawn(
        process.execPath,
        ['--import', `./${preload}`, program, JSON.stringify(world.installation), file],
        { env: { ...world.environment, KILL_AT: String(step) }, stdio: 'ignore' },
      );
      const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
      return signal ?? code;
    }

    it('leaves the old or the new version at whichever of its steps, whole and with its data', async function () {
      this.timeout(240_000);
      const file = world.archive('1.1.0');
      const pristine = join(world.folder, 'pristine');
      for (const name of ['home', 'data', 'unit']) {
        cpSync(join(world.folder, name), join(pristine, name), {
          recursive: true,
          verbatimSymlinks: true,
        });
      }
      await killedAt(0, file);
      const steps = Number(readFileSync(join(world.folder, 'steps'), 'utf8'));
      assert.ok(steps > MOST_KILLS, `only ${steps} steps`);
      const ends: Record<string, number> = {};
      for (let kill = 1; kill <= MOST_KILLS; kill += 1) {
        const step = Math.ceil((kill * steps) / MOST_KILLS);
        for (const name of ['home', 'data', 'unit']) {
          rmSync(join(world.folder, name), { recursive: true });
          cpSync(join(pristine, name), join(world.folder, name), {
            recursive: true,
            verbatimSymlinks: true,
          });
        }
        world.start();
        assert.equal(await killedAt(step, file), 'SIGKILL');
        const where = `killed at step ${step}`;
        assert.ok(world.running !== null, `${where}: none runs`);
        // And after whatever starts it next: a crash, the end of the trial, the morning's reboot.
        assert.ok(world.start(), `${where}: none starts`);
        const { running } = world;
        assert.ok(world.isWhole(), `${where}: ${running} is not whole`);
        const wanted = running === '1.1.0' ? 'accepted 1.0.0 1.1.0' : 'accepted 1.0.0';
        assert.equal(world.queue, wanted, where);
        assert.equal(world.isOnTrial, false, where);
        ends[String(running)] = (ends[String(running)] ?? 0) + 1;
      }
      assert.deepEqual(Object.keys(ends).sort(), ['1.0.0', '1.1.0']);
    });
  });

  describe('that a power cut meets', () => {
    const remake = (from: string): void => {
      for (const name of ['home', 'data']) {
        rmSync(join(world.folder, name), { recursive: true });
        cpSync(join(from, name), join(world.folder, name), {
          recursive: true,
          verbatimSymlinks: true,
        });
      }
    };
    const keepAs = (name: string): string => {
      const to = join(world.folder, name);
      for (const part of ['home', 'data']) {
        cpSync(join(world.folder, part), join(to, part), {
          recursive: true,
          verbatimSymlinks: true,
        });
      }
      return to;
    };

    it('is taken back at the next start, at whichever command of the turn it came', () => {
      world.install('1.1.0');
      const asked = keepAs('asked');
      let step = 1;
      for (; ; step += 1) {
        remake(asked);
        world.ask('1.1.0');
        const isCut = world.cutAt(step);
        if (!isCut) break;
        // The update that asked died with the machine.
        const file = join(world.home, 'trial');
        if (existsSync(file)) {
          writeFileSync(file, readFileSync(file, 'utf8').replace(/^pid=.*/m, 'pid=0'));
        }
        assert.ok(world.start(), `cut at ${step}: none starts`);
        assert.equal(world.running, '1.0.0', `cut at ${step}`);
        assert.equal(world.queue, 'accepted 1.0.0', `cut at ${step}`);
      }
      assert.ok(step > 10);
    });

    it('goes on going back, at whichever command of that it came', () => {
      world.install('1.1.0');
      world.ask('1.1.0');
      assert.ok(world.start());
      assert.equal(world.queue, 'accepted 1.0.0 1.1.0');
      const tried = keepAs('tried');
      let step = 1;
      for (; ; step += 1) {
        remake(tried);
        if (!world.cutAt(step)) break;
        assert.ok(world.start(), `cut at ${step}: none starts`);
        assert.equal(world.running, '1.0.0', `cut at ${step}`);
        assert.equal(world.queue, 'accepted 1.0.0', `cut at ${step}`);
        assert.equal(existsSync(join(world.data, 'before-update', 'undecided')), false);
      }
      assert.ok(step > 10);
    });
  });

  describe('from a file or an address', () => {
    const { publicKey, privateKey } = generateKeyPairSync('ed25519');
    const other = generateKeyPairSync('ed25519').publicKey;

    function signed(file: string): void {
      const signature = sign(null, readFileSync(file), privateKey);
      writeFileSync(`${file}.sig`, `${signature.toString('base64')}\n`);
    }

    it('wants a signature by a key that the installation knows', async () => {
      const file = world.archive('1.1.0');
      const bare = await readRelease(file);
      assert.match(faultOfRelease(bare, [publicKey], false) ?? '', /is not signed.*--unsigned$/);
      assert.equal(faultOfRelease(bare, [publicKey], true), null);
      signed(file);
      const release = await readRelease(file);
      assert.equal(faultOfRelease(release, [other, publicKey], false), null);
      assert.match(faultOfRelease(release, [], false) ?? '', /knows no key/);
      assert.match(faultOfRelease(release, [other], true) ?? '', /not signed by the key/);
      const changed = { ...release, bytes: Buffer.concat([release.bytes, Buffer.from([0])]) };
      assert.match(faultOfRelease(changed, [publicKey], true) ?? '', /not signed by the key/);
    });

    it('holds it against the checksums that lie beside it', async () => {
      const file = world.archive('1.1.0');
      signed(file);
      const sums = `${'0'.repeat(64)}  ${basename(file)}\n`;
      writeFileSync(join(world.folder, 'SHA256SUMS'), sums);
      assert.match(faultOfRelease(await readRelease(file), [publicKey], true) ?? '', /is damaged/);
    });

    it('takes its keys from files in PEM, and no other file', () => {
      const file = join(world.folder, 'release.pub');
      writeFileSync(file, publicKey.export({ type: 'spki', format: 'pem' }));
      assert.equal(keysIn([file, join(world.folder, 'none')]).length, 1);
      writeFileSync(file, 'nonsense');
      assert.throws(() => keysIn([file]), /holds no public Ed25519 key/);
    });

    it('finds the one for this machine by the address of a folder', async () => {
      const file = world.archive('1.1.0');
      signed(file);
      const name = basename(file);
      const files: Record<string, string | Buffer> = {
        [`/1.1.0/${name}`]: readFileSync(file),
        [`/1.1.0/${name}.sig`]: readFileSync(`${file}.sig`),
      };
      const server = createServer((request, response) => {
        const found = files[request.url ?? ''];
        response.statusCode = found === undefined ? 404 : 200;
        response.end(found);
      }).listen(0, '127.0.0.1');
      await once(server, 'listening');
      const { port } = server.address() as AddressInfo;
      const address = `http://127.0.0.1:${port}/1.1.0`;
      try {
        await assert.rejects(readRelease(address), /names no release for/);
        const sum = `${'0'.repeat(64)}  balupi-1.1.0-linux-other.tar.xz\n`;
        files['/1.1.0/SHA256SUMS'] = `${sum}${'1'.repeat(64)}  ${name}\n`;
        const release = await readRelease(address);
        assert.equal(release.name, name);
        assert.deepEqual(release.bytes, readFileSync(file));
        assert.match(faultOfRelease(release, [publicKey], false) ?? '', /is damaged/);
        files['/1.1.0/SHA256SUMS'] = '';
        const direct = await readRelease(`${address}/${name}`);
        assert.equal(faultOfRelease(direct, [publicKey], false), null);
        await assert.rejects(readRelease(`${address}/none.tar.xz`), /There is nothing at/);
      } finally {
        server.close();
      }
      await assert.rejects(readRelease(address), /cannot be fetched \(\w+\)/);
    });

    it('is offered where a newer one lies in the drop folder, the newest for this machine', () => {
      const folder = join(world.data, 'updates');
      assert.equal(newerRelease(world.data, '1.0.0'), null);
      mkdirSync(folder);
      const lay = (version: string, machine: string = process.arch): string => {
        const file = join(folder, `balupi-${version}-linux-${machine}.tar.xz`);
        writeFileSync(file, '');
        return file;
      };
      lay('0.9.9');
      lay('1.0.0');
      lay('1.0.0-rc.1');
      lay('3.0.0', process.arch === 'x64' ? 'arm64' : 'x64');
      writeFileSync(join(folder, 'balupi-9.9.9-linux-x64.tar.xz.part'), '');
      assert.equal(newerRelease(world.data, '1.0.0'), null);
      const early = lay('1.10.0-rc.2');
      lay('1.9.0');
      assert.equal(newerRelease(world.data, '1.0.0'), early);
      const last = lay('1.10.0');
      assert.equal(newerRelease(world.data, '1.0.0'), last);
    });
  });
});
