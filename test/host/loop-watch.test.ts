import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { pathToFileURL } from 'node:url';
import { resolve } from 'node:path';

/** A process with a watch of short limits, and what its event loop does then. */
async function watched(then: string): Promise<{ signal: string | null; said: string }> {
  const module = (file: string): string => pathToFileURL(resolve('dist', file)).href;
  const program = `
    const { LoopWatch } = await import('${module('host/loop-watch.js')}');
    const { SystemClock } = await import('${module('nodes/lib/time/system-clock.js')}');
    const clock = new SystemClock(() => {});
    const log = { warn: (line) => console.error(line), error: (line) => console.error(line) };
    const limitsMs = { lookEveryMs: 20, slowMs: 100, burnedMs: 400, stalledMs: 1000 };
    const watch = new LoopWatch({ clock, log, errorMark: '[error] ', limitsMs });
    watch.start();
    await new Promise((next) => setTimeout(next, 300));
    const wait = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
    ${then}
    process.exit(0);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'inherit', 'pipe'],
  });
  const ended = once(child, 'exit') as Promise<[number | null, string | null]>;
  const [said, [, signal]] = await Promise.all([text(child.stderr), ended]);
  return { signal, said };
}

describe('The watch of the event loop', function () {
  this.timeout(20_000);

  it('ends a process whose loop burns CPU time and does not come back, and says so', async () => {
    const { signal, said } = await watched('for (;;) {}');
    assert.equal(signal, 'SIGKILL');
    assert.match(
      said,
      /^\[error\] A flow or a node held everything else up for \d+ s of CPU time/m,
    );
  });

  it('ends one that waits without an end, later', async () => {
    const { signal, said } = await watched('wait(60_000);');
    assert.equal(signal, 'SIGKILL');
    assert.match(said, /^\[error\] Everything waited \d+ s for the disk: BaluPi ends\./m);
  });

  it('tells of a wait that came to its end', async () => {
    const { signal, said } = await watched(`
      wait(300);
      await new Promise((next) => setTimeout(next, 100));
      console.error('slow: ' + watch.isDiskSlow);`);
    assert.equal(signal, null);
    assert.match(said, /^Everything waited for the disk, for more than 0\.1 s\.$/m);
    assert.match(said, /^slow: true$/m);
  });

  it('lets a loop be that is busy and comes back', async () => {
    const { signal, said } = await watched(`
      const endMs = performance.now() + 800;
      while (performance.now() < endMs) {
        const turnMs = performance.now() + 50;
        while (performance.now() < turnMs);
        await new Promise((next) => setTimeout(next, 5));
      }
      await watch.stop();`);
    assert.deepEqual([signal, said], [null, '']);
  });
});
