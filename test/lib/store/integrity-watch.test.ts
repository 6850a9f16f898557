import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, openSync, rmSync, statSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Log } from '../../../nodes/lib/log/log.ts';
import { DataFolder, LastRun } from '../../../nodes/lib/store/data-folder.ts';
import { IntegrityWatch } from '../../../nodes/lib/store/disk-watch.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

const PAGE = 4_096;
const QUARTER_HOUR_MS = 900_000;
const WEEK_MS = 7 * 86_400_000;
const SAMPLES = 20_000;
const MANY_SAMPLES = 300_000;

describe('A database in use', function () {
  this.timeout(60_000);
  let folder: string;
  let data: DataFolder;
  let clock: ManualClock;
  let said: string[];
  let watch: IntegrityWatch;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'balupi-integrity-'));
    clock = new ManualClock();
    said = [];
    data = DataFolder.open(folder, clock.nowMs());
    write(0, SAMPLES);
    watch = new IntegrityWatch({ clock, log: logTo(said), data });
  });

  afterEach(async () => {
    await watch.stop();
    data.close();
    rmSync(folder, { recursive: true });
  });

  function write(from: number, count: number): void {
    const insert = data.energy.prepare(
      'INSERT OR REPLACE INTO energy_samples (place, power_mw, relay_on) VALUES (?, ?, 1)',
    );
    data.energy.transaction(() => {
      for (let at = from; at < from + count; at += 1) insert.run(at * 65_536 + 1, at);
    });
  }

  /** Lets the checks that are due finish. */
  async function looked(): Promise<void> {
    const before = said.length;
    for (let turn = 0; turn < 2_000 && said.length < before + 3; turn += 1) {
      await new Promise((next) => setImmediate(next));
      await new Promise((next) => setTimeout(next, 1));
    }
  }

  function spoil(): void {
    // Checkpointed, so that the change is in the file and not in the WAL.
    data.close();
    const file = join(folder, 'energy.db');
    const { size } = statSync(file);
    const handle = openSync(file, 'r+');
    writeSync(handle, Buffer.alloc(PAGE, 0xff), 0, PAGE, size - 5 * PAGE);
    closeSync(handle);
  }

  function reopen(): void {
    data = DataFolder.open(folder, clock.nowMs());
    watch = new IntegrityWatch({ clock, log: logTo(said), data });
  }

  it('is looked through a quarter of an hour after a start, and then once a week', async () => {
    watch.start();
    await clock.advance(QUARTER_HOUR_MS);
    await looked();
    assert.deepEqual(said, [
      'debug The queue database was checked and is sound.',
      'debug The cache database was checked and is sound.',
      'debug The energy database was checked and is sound.',
    ]);
    await clock.advance(WEEK_MS - 2 * 3_600_000);
    assert.equal(said.length, 3);
    await clock.advance(2 * 3_600_000);
    await looked();
    assert.equal(said.length, 6);
  });

  it('is written to meanwhile, far beyond what the log may hold otherwise, and is sound', async () => {
    const signal = new AbortController().signal;
    write(0, MANY_SAMPLES);
    const everywhere = data.energy.prepare(
      'UPDATE energy_samples SET power_mw = power_mw + 1 WHERE relay_on = 1',
    );
    const state = { isDone: false };
    const look = data.energy.lookThrough(signal).finally(() => (state.isDone = true));
    let turns = 0;
    while (!state.isDone) {
      // More pages than the limit at which SQLite writes them into the file.
      everywhere.run();
      turns += 1;
      await new Promise((next) => setImmediate(next));
    }
    assert.deepEqual(await look, { kind: 'sound' });
    assert.ok(turns > 0, 'nothing was written meanwhile');
    const wal = statSync(join(folder, 'energy.db-wal')).size;
    write(0, 10);
    write(10, 10);
    assert.ok(wal > 1_000 * PAGE, `the log held ${String(wal)} bytes`);
    assert.equal(data.energy.fault(), null);
    assert.deepEqual(await data.energy.lookThrough(signal), { kind: 'sound' });
    assert.equal(data.energy.file.isDamaged, false);
  });

  it('that is damaged is told at once, and put right by the next start', async () => {
    spoil();
    // Unnoticed: by the last run's note everything is as it was left.
    new LastRun(folder).end(['queue.db', 'cache.db', 'energy.db']);
    reopen();
    assert.deepEqual(data.setAside, []);
    watch.start();
    await clock.advance(QUARTER_HOUR_MS);
    await looked();
    assert.match(said.at(-1) ?? '', /^error The energy database is damaged \(.+\)\. Start BaluPi/);
    assert.equal(data.energy.file.isDamaged, true);
    assert.equal(data.queue.file.isDamaged, false);
    await watch.stop();
    data.close();
    reopen();
    assert.deepEqual(
      data.setAside.map(({ database }) => database),
      ['energy'],
    );
  });

  it('lets a look that runs be ended, without a word', async () => {
    const aborter = new AbortController();
    const look = data.energy.lookThrough(aborter.signal);
    aborter.abort();
    await assert.rejects(look);
    write(0, 10);
    assert.equal(data.energy.file.isDamaged, false);
  });
});

function logTo(said: string[]): Log {
  const note = (level: string) => (message: string) => void said.push(`${level} ${message}`);
  return { debug: note('debug'), info: note('info'), warn: note('warn'), error: note('error') };
}
