import assert from 'node:assert/strict';
import { ChildProcess, exec, execSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { piLoadReader } from '../../../nodes/lib/system/system.ts';

interface Starter {
  spawn: (...given: unknown[]) => unknown;
}

/** Below every function of node:child_process, as a library takes those when it is loaded. */
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
