import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MemoryPressure, memoryReader } from '../../../nodes/lib/system/system.ts';
import { KeptLog } from '../../fakes/kept-log.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

const MB = 1_000_000;

describe('how much memory the process holds', () => {
  const folder = mkdtempSync(join(tmpdir(), 'balupi-group-'));
  const group = join(folder, 'system.slice', 'balupi.service');
  const places = { ownGroup: join(folder, 'cgroup'), allGroups: folder };
  /** As kernel 6.1 writes it, with a large page cache. */
  const STAT =
    'anon 200000000\nfile 250000000\nkernel 30000000\nkernel_stack 1000000\nsock 4000000\n' +
    'shmem 1000000\nfile_mapped 90000000\nslab_reclaimable 20000000\nslab 25000000\n';

  beforeEach(() => {
    mkdirSync(group, { recursive: true });
    writeFileSync(places.ownGroup, '0::/system.slice/balupi.service\n');
    writeFileSync(join(group, 'memory.high'), '524288000\n');
    writeFileSync(join(group, 'memory.stat'), STAT);
  });

  after(() => {
    rmSync(folder, { recursive: true });
  });

  it('is what its group cannot give back, against the limit of the group', () => {
    const told = { heldBytes: 215_000_000, highBytes: 524_288_000 };
    assert.deepEqual(memoryReader(400 * MB, places)(), told);
  });

  it('follows a limit that is changed while it runs', () => {
    const read = memoryReader(400 * MB, places);
    read();
    writeFileSync(join(group, 'memory.high'), '300000000\n');
    assert.equal(read().highBytes, 300_000_000);
  });

  for (const [what, without] of [
    ['its group has no limit', () => writeFileSync(join(group, 'memory.high'), 'max\n')],
    ['its group counts no memory', () => rmSync(group, { recursive: true })],
    ['there are only the older groups', () => writeFileSync(places.ownGroup, '4:memory:/x\n')],
    ['there are no groups', () => writeFileSync(places.ownGroup, '')],
  ] as const) {
    it(`is its resident memory against the setting where ${what}`, () => {
      without();
      const { heldBytes, highBytes } = memoryReader(400 * MB, places)();
      assert.equal(highBytes, 400 * MB);
      assert.ok(heldBytes > 10 * MB);
    });
  }
});

describe('whether memory is short', () => {
  it('begins close to the limit, ends well below it, and is said once each', async () => {
    const clock = new ManualClock();
    const log = new KeptLog();
    let heldBytes = 0;
    const memory = new MemoryPressure(clock, log, () => ({ heldBytes, highBytes: 500 * MB }));
    const seen: boolean[] = [];
    for (const mb of [474, 476, 499, 430, 426, 424, 460, 474, 475]) {
      heldBytes = mb * MB;
      await clock.advance(1_000);
      seen.push(memory.isOver());
    }
    assert.deepEqual(seen, [false, true, true, true, true, false, false, false, true]);
    assert.deepEqual(log.lines, [
      'Memory is short (476 MB of 500 MB): new downloads and lists are refused.',
      'There is memory again (424 MB of 500 MB): downloads and lists are served.',
      'Memory is short (475 MB of 500 MB): new downloads and lists are refused.',
    ]);
  });

  it('is looked at twice a second at most, however many ask', async () => {
    const clock = new ManualClock();
    let looks = 0;
    const memory = new MemoryPressure(clock, new KeptLog(), () => {
      looks += 1;
      return { heldBytes: 0, highBytes: 500 * MB };
    });
    for (let asked = 0; asked < 100; asked += 1) memory.isOver();
    await clock.advance(500);
    memory.isOver();
    assert.equal(looks, 2);
  });
});
