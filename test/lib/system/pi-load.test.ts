import assert from 'node:assert/strict';
import { ChildProcess, exec, execSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type PiLoad, PiLoadSampler, piLoadReader } from '../../../nodes/lib/system/system.ts';
import { KeptLog } from '../../fakes/kept-log.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

interface Starter {
  spawn: (...given: unknown[]) => unknown;
}

/** Replaces every function of node:child_process before a library takes it when it loads. */
function trapProcesses(): { readonly started: number; release(): void } {
  const inner = process as unknown as { binding(name: string): Starter };
  const starters: Starter[] = [
    ChildProcess.prototype as unknown as Starter,
    inner.binding('spawn_sync'),
  ];
  const originals = starters.map(({ spawn }) => spawn);
  let started = 0;
  for (const starter of starters) {
    starter.spawn = () => {
      started += 1;
      throw new Error('a process was started');
    };
  }
  return {
    get started() {
      return started;
    },
    release() {
      starters.forEach((starter, index) => {
        const original = originals[index];
        if (original !== undefined) starter.spawn = original;
      });
    },
  };
}

describe('a look at the machine', () => {
  const folder = mkdtempSync(join(tmpdir(), 'balupi-load-'));
  const zone = join(folder, 'temp');

  after(() => {
    rmSync(folder, { recursive: true });
  });

  it('tells load, memory, disk and how long the machine runs', async () => {
    const read = piLoadReader(folder, zone);
    await read();
    const { cpuPercent, memoryPercent, diskTotalGb, uptimeSeconds, loadAvg } = await read();
    for (const percent of [cpuPercent, memoryPercent]) {
      assert.ok(percent >= 0 && percent <= 100, String(percent));
    }
    assert.ok(diskTotalGb > 0 && uptimeSeconds > 0);
    assert.equal(loadAvg.length, 3);
  });

  it('tells the temperature as the kernel has it, and null where no sensor is', async () => {
    const read = piLoadReader(folder, zone);
    assert.equal((await read()).cpuTempCelsius, null);
    for (const [text, celsius] of [
      ['48312\n', 48.3],
      ['-273200\n', null],
      ['', null],
      ['nothing\n', null],
    ] as const) {
      writeFileSync(zone, text);
      assert.equal((await read()).cpuTempCelsius, celsius, text);
    }
  });

  it('starts no process', async () => {
    const trap = trapProcesses();
    try {
      assert.throws(() => execSync('true'), /a process was started/);
      assert.throws(() => exec('true'), /a process was started/);
      const read = piLoadReader(folder, zone);
      await read();
      await read();
    } finally {
      trap.release();
    }
    assert.equal(trap.started, 2);
  });
});

describe('looks at the machine, one after the other', () => {
  const LOOK = { cpuPercent: 1 } as PiLoad;
  let clock: ManualClock;
  let log: KeptLog;

  beforeEach(() => {
    clock = new ManualClock();
    log = new KeptLog();
  });

  it('go on after one failed, or after what follows from it failed', async () => {
    let reads = 0;
    const read = (): Promise<PiLoad> => {
      reads += 1;
      return reads === 2 ? Promise.reject(new Error('no such sensor')) : Promise.resolve(LOOK);
    };
    const sampler = new PiLoadSampler(clock, read, log);
    let looks = 0;
    sampler.onLook = () => {
      looks += 1;
      if (looks === 1) throw new Error('the disk is gone');
    };
    await sampler.start();
    await clock.advance(30_000);
    await sampler.stop();
    // Also after the read that failed: a disk that is gone has news.
    assert.deepEqual([reads, looks], [4, 4]);
    assert.match(log.problems.join('\n'), /the disk is gone[^]*no such sensor/);
  });

  it('end with the stop, which waits for the one that runs', async () => {
    const running = Promise.withResolvers<PiLoad>();
    let reads = 0;
    const read = (): Promise<PiLoad> => {
      reads += 1;
      return reads === 1 ? Promise.resolve(LOOK) : running.promise;
    };
    const sampler = new PiLoadSampler(clock, read, log);
    await sampler.start();
    await clock.advance(10_000);
    let isStopped = false;
    let looksAfterwards = 0;
    sampler.onLook = () => {
      looksAfterwards += 1;
    };
    const stopped = sampler.stop().then(() => {
      isStopped = true;
    });
    await clock.advance(1);
    assert.equal(isStopped, false);
    running.resolve(LOOK);
    await stopped;
    await clock.advance(60_000);
    assert.deepEqual([reads, looksAfterwards], [2, 0]);
  });
});
