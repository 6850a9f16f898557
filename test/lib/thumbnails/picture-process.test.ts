import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32, deflateSync } from 'node:zlib';
import sharp, { type Sharp } from 'sharp';
import type { Log } from '../../../nodes/lib/log/log.ts';
import { PictureProcess, startPictureProgram } from '../../../nodes/lib/thumbnails/thumbnails.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

type PictureChild = ReturnType<typeof startPictureProgram>;

const CONFINE = join('deploy', 'confine.pl');

/** A PNG whose header promises that size, with a body of a few bytes. */
function pngOf(width: number, height: number, body: Buffer, interlaced = false): Buffer {
  const chunk = (type: string, bytes: Buffer): Buffer => {
    const named = Buffer.concat([Buffer.from(type, 'latin1'), bytes]);
    const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
    length.writeUInt32BE(bytes.length);
    sum.writeUInt32BE(crc32(named));
    return Buffer.concat([length, named, sum]);
  };
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([16, 6, 0, 0, interlaced ? 1 : 0], 8);
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  const parts = [chunk('IHDR', head), chunk('IDAT', body), chunk('IEND', Buffer.alloc(0))];
  return Buffer.concat([signature, ...parts]);
}

describe('The process that decodes pictures', function () {
  this.timeout(30_000);
  let folder = '';
  let clock: ManualClock;
  let warnings: string[] = [];
  let pictures: PictureProcess;
  const children: PictureChild[] = [];

  const log = (): Log => {
    const say = (line: string): void => {
      warnings.push(line);
    };
    return { debug: say, info: say, warn: say, error: say };
  };
  const processWith = (start: () => PictureChild): PictureProcess =>
    new PictureProcess({
      ...{ clock, log: log() },
      start: () => {
        const child = start();
        children.push(child);
        return child;
      },
    });
  const script = (code: string) => (): PictureChild =>
    spawn(process.execPath, ['-e', code], { stdio: ['pipe', 'pipe', 'ignore'] });

  before(function () {
    if (spawnSync('/usr/bin/perl', ['-e', '1']).status !== 0) this.skip();
    folder = mkdtempSync(join(tmpdir(), 'balupi-pictures-'));
  });

  beforeEach(() => {
    clock = new ManualClock();
    warnings = [];
    children.length = 0;
    pictures = processWith(() => startPictureProgram(join(process.cwd(), CONFINE)));
  });

  afterEach(() => {
    pictures.stop();
  });

  after(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  async function made(bytes: Buffer, widthPx = 160): Promise<Buffer | string> {
    const file = join(folder, 'picture');
    writeFileSync(file, bytes);
    const picture = await pictures.make({ file, sizeBytes: bytes.length, widthPx });
    return picture.kind === 'image' ? picture.bytes : picture.kind;
  }

  /** Left half red, right half blue. */
  const drawn = (width = 400, height = 200): Sharp => {
    const create = { width, height, channels: 3, background: '#d00000' } as const;
    const half = { create: { ...create, width: width / 2, background: '#0000d0' } };
    return sharp({ create }).composite([{ input: half, left: width / 2, top: 0 }]);
  };
  const photo = (): Promise<Buffer> =>
    drawn()
      .withMetadata({ orientation: 6 })
      .withExif({ IFD0: { ImageDescription: 'taken at home' }, IFD3: { GPSLatitude: '48/1' } })
      .jpeg()
      .toBuffer();

  it('makes a small one, upright, without a word of what the camera wrote beside it', async () => {
    const given = await photo();
    assert.ok(given.includes('taken at home'));
    const image = await made(given);
    assert.ok(Buffer.isBuffer(image));
    const { width, height, format, exif, icc, orientation } = await sharp(image).metadata();
    assert.deepEqual([width, height, format], [80, 160, 'webp']);
    assert.deepEqual([exif, icc, orientation], [undefined, undefined, undefined]);
    const { data } = await sharp(image).raw().toBuffer({ resolveWithObject: true });
    const [top, bottom] = [data.subarray(0, 3), data.subarray(-3)];
    assert.ok((top[0] ?? 0) > 150 && (bottom[2] ?? 0) > 150, 'red is above, blue below');
  });

  for (const format of ['png', 'webp', 'gif'] as const) {
    it(`makes one of a ${format}, and none larger than that`, async () => {
      const image = await made(await drawn(40, 20).toFormat(format).toBuffer());
      assert.ok(Buffer.isBuffer(image));
      assert.equal((await sharp(image).metadata()).width, 40);
    });
  }

  it('makes none of what is no picture of pixels, whatever its name says', async () => {
    const svg = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect/></svg>';
    const xml = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>';
    for (const [what, bytes] of [
      ['html', Buffer.from('<html><script>alert(1)</script>')],
      ['svg', Buffer.from(svg)],
      ['xml', Buffer.from(`${xml}<svg>&b;</svg>`)],
      ['pdf', Buffer.from('%PDF-1.7\n')],
      ['tiff', await drawn().tiff().toBuffer()],
      ['avif', await drawn(64, 64).avif({ effort: 0 }).toBuffer()],
      ['nothing', Buffer.from('x')],
    ] as const) {
      assert.equal(await made(bytes), 'unreadable', what);
    }
    assert.equal(children.length, 1, 'one process bore them all');
  });

  it('makes none of half a picture', async () => {
    const given = await photo();
    assert.equal(await made(given.subarray(0, given.length / 2)), 'unreadable');
    const png = await drawn().png().toBuffer();
    assert.equal(await made(png.subarray(0, png.length - 100)), 'unreadable');
  });

  it('makes nothing of a picture that is two things at once but its pixels', async () => {
    const both = Buffer.concat([await photo(), Buffer.from('<script>alert(1)</script>PK\x03\x04')]);
    const image = await made(both);
    assert.ok(Buffer.isBuffer(image) && !image.includes('script'));
  });

  it('is not filled by a file that unpacks to more than the Pi has, and goes on', async () => {
    const zeros = deflateSync(Buffer.alloc(64 * 1024 * 1024));
    const bomb = await made(pngOf(60_000, 60_000, zeros));
    assert.equal(bomb, 'unreadable');
    // 60 million pixels of 8 bytes, which it would all need at once.
    const wide = await made(pngOf(7_700, 7_700, zeros, true));
    assert.ok(wide === 'unreadable' || wide === 'died', String(wide));
    assert.ok(Buffer.isBuffer(await made(await photo())));
  });

  it('reads the very file it was told, and follows no link', async () => {
    const given = await photo();
    const [file, link] = [join(folder, 'real'), join(folder, 'link')];
    writeFileSync(file, given);
    symlinkSync(file, link);
    const order = { sizeBytes: given.length, widthPx: 160 };
    assert.equal((await pictures.make({ ...order, file: link })).kind, 'unreadable');
    assert.equal((await pictures.make({ ...order, file: folder })).kind, 'unreadable');
    const other = await pictures.make({ ...order, sizeBytes: 5, file });
    assert.equal(other.kind, 'unreadable');
    assert.equal((await pictures.make({ ...order, file })).kind, 'image');
  });

  it('knows nothing of our environment', async () => {
    process.env['BALUPI_SECRET_KEY'] = 'secret of a test';
    try {
      await made(await photo());
      const { pid } = children[0] ?? {};
      const environment = readFileSync(`/proc/${String(pid)}/environ`, 'utf8');
      assert.ok(environment.includes('MALLOC_ARENA_MAX') && !environment.includes('BALUPI'));
      assert.equal(
        readFileSync(`/proc/${String(pid)}/status`, 'utf8').match(/Seccomp:\t2/)?.length,
        1,
      );
    } finally {
      delete process.env['BALUPI_SECRET_KEY'];
    }
  });

  it('is ended when it hangs, and another does the next', async () => {
    const hangs = script("process.stdout.write('WEBP'); process.stdin.resume();");
    const good = (): PictureChild => startPictureProgram(join(process.cwd(), CONFINE));
    pictures = processWith(() => (children.length === 0 ? hangs() : good()));
    const making = made(await photo());
    await once(children[0]?.stdout ?? process, 'data');
    await clock.advance(30_000);
    assert.equal(await making, 'died');
    const [first] = children;
    if (first?.exitCode === null && first.signalCode === null) await once(first, 'exit');
    assert.equal(first?.signalCode, 'SIGKILL');
    assert.ok(Buffer.isBuffer(await made(await photo())));
  });

  it('is ended when it says more than a picture, or what is none', async () => {
    for (const [said, kind] of [
      ['Buffer.alloc(9, 255)', 'died'],
      ['Buffer.from([0, 0, 0, 2, 1, 2, 3])', 'died'],
      ["Buffer.concat([Buffer.from([0, 0, 0, 6]), Buffer.from('<html>')])", 'unreadable'],
    ] as const) {
      pictures = processWith(
        script(`process.stdout.write('WEBP'); process.stdin.on('data', () => {
          process.stdout.write(${said}); });`),
      );
      assert.equal(await made(await photo()), kind, said);
      pictures.stop();
    }
  });

  it('ends by itself when nobody looks at pictures any more', async () => {
    await made(await photo());
    const [child] = children;
    assert.equal(child?.exitCode, null);
    const ended = once(child ?? process, 'exit');
    await clock.advance(120_000);
    await ended;
    assert.ok(Buffer.isBuffer(await made(await photo())));
    assert.equal(children.length, 2);
  });

  it('is missed once, in one line, where it cannot run', async () => {
    pictures = processWith(script('process.exit(7)'));
    assert.equal(await made(await photo()), 'no_process');
    assert.equal(await made(await photo()), 'no_process');
    assert.equal(children.length, 1);
    assert.equal(warnings.length, 1);
  });

  it('does nothing but decode, whatever code it is made to run', async () => {
    const target = join(folder, 'target');
    writeFileSync(target, 'as it was');
    const code = `
      const fs = require('node:fs');
      const net = require('node:net');
      const said = [];
      const attempt = (what, act) => {
        try { act(); said.push(what); } catch (error) { if (error.code !== 'EPERM') said.push(what + error.code); }
      };
      const target = ${JSON.stringify(target)};
      attempt('write', () => fs.writeFileSync(target, 'x'));
      attempt('append', () => fs.appendFileSync(target, 'x'));
      attempt('make', () => fs.writeFileSync(target + '2', 'x'));
      attempt('remove', () => fs.unlinkSync(target));
      attempt('rename', () => fs.renameSync(target, target + '3'));
      attempt('chmod', () => fs.chmodSync(target, 0o777));
      attempt('utimes', () => fs.utimesSync(target, 1, 1));
      attempt('truncate', () => fs.truncateSync(target, 1));
      attempt('link', () => fs.linkSync(target, target + '4'));
      attempt('symlink', () => fs.symlinkSync(target, target + '5'));
      attempt('mkdir', () => fs.mkdirSync(target + '6'));
      attempt('signal', () => process.kill(process.ppid, 0));
      attempt('start', () => { const { error } = require('node:child_process').spawnSync('/bin/true'); if (error) throw error; });
      attempt('memory', () => {
        try { for (let held = []; ; ) { held.push(Buffer.alloc(1e7, 1)); if (held.length > 40) return; } }
        catch { throw Object.assign(new Error(), { code: 'EPERM' }); }
      });
      net.connect(9, '127.0.0.1').on('error', ({ code }) => {
        if (code !== 'EPERM') said.push('connect' + code);
        net.createServer().on('error', ({ code }) => {
          if (code !== 'EPERM') said.push('listen' + code);
          process.stdout.write(JSON.stringify(said));
        }).listen(0);
      });
    `;
    const node = [process.execPath, '--jitless', '--single-threaded', '-e', code];
    const child = spawn('/usr/bin/perl', [CONFINE, '200', ...node], {
      env: {},
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    child.stdout.on('data', (bytes: Buffer) => (said += bytes.toString()));
    await once(child, 'close');
    assert.equal(said, '[]');
    assert.equal(readFileSync(target, 'utf8'), 'as it was');
    assert.ok(statSync(target).mtimeMs > 1_000_000);
  });
});
