import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { pathToFileURL } from 'node:url';
import { resolve } from 'node:path';

const PROGRAM = resolve('deploy', 'watch-loop.pl');
const NO_PERL = resolve('deploy', 'there-is-none');
const GOES_ON = 'The watch of the event loop goes on as a thread: its process, by Perl, ended.\n';

/** The beginning of a watched process with short limits. */
function program(perl: string, then: string): string {
  const module = (file: string): string => pathToFileURL(resolve('dist', file)).href;
  return `
    const { LoopWatch } = await import('${module('host/loop-watch.js')}');
    const { SystemClock } = await import('${module('nodes/lib/time/system-clock.js')}');
    const { readFileSync } = await import('node:fs');
    const clock = new SystemClock(() => {});
    const log = { warn: (line) => console.error(line), error: (line) => console.error(line) };
    const limitsMs = { lookEveryMs: 20, slowMs: 100, burnedMs: 400, stalledMs: 1000 };
    const parts = { clock, log, errorMark: '[error] ', limitsMs, program: '${PROGRAM}' };
    const watch = new LoopWatch({ ...parts, perl: '${perl}' });
    watch.start();
    const children = () =>
      readFileSync('/proc/self/task/' + process.pid + '/children', 'utf8').trim();
    await new Promise((next) => setTimeout(next, 300));
    const wait = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
    ${then}
    process.exit(0);`;
}

/** @param then the code that its event loop runs */
async function watched(
  perl: string,
  then: string,
): Promise<{ signal: string | null; said: string }> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', program(perl, then)], {
    stdio: ['ignore', 'inherit', 'pipe'],
  });
  const ended = once(child, 'exit') as Promise<[number | null, string | null]>;
  // Reads stderr to its end, which comes once nobody holds it: a leftover watcher would hang here.
  const [said, [, signal]] = await Promise.all([text(child.stderr), ended]);
  return { signal, said };
}

for (const [who, perl, before] of [
  ['a process beside it', '/usr/bin/perl', ''],
  ['a thread, where there is no Perl', NO_PERL, GOES_ON],
] as const) {
  describe(`The watch of the event loop, by ${who},`, function () {
    this.timeout(20_000);

    it('ends a process whose loop burns CPU time and does not come back, and says so', async () => {
      const { signal, said } = await watched(perl, 'for (;;) {}');
      assert.equal(signal, 'SIGKILL');
      assert.match(
        said,
        /^\[error\] A flow or a node held everything else up for \d+ s of CPU time: BaluPi exits, to be restarted\.$/m,
      );
    });

    it('ends one that waits without an end, later', async () => {
      const { signal, said } = await watched(perl, 'wait(60_000);');
      assert.equal(signal, 'SIGKILL');
      assert.match(said, /^\[error\] Everything waited \d+ s for the disk: BaluPi exits\.$/m);
    });

    it('tells of a wait that came to its end, once', async () => {
      const { signal, said } = await watched(
        perl,
        `
        wait(500);
        await new Promise((next) => setTimeout(next, 100));
        console.error('slow: ' + watch.isDiskSlow);`,
      );
      assert.equal(signal, null);
      const told = 'Everything waited for the disk, for more than 0.1 s.\n';
      assert.equal(said, `${before}${told}slow: true\n`);
    });

    it('lets a loop be that is busy and comes back', async () => {
      const { signal, said } = await watched(
        perl,
        `
        const endMs = performance.now() + 800;
        while (performance.now() < endMs) {
          const turnMs = performance.now() + 50;
          while (performance.now() < turnMs);
          await new Promise((next) => setTimeout(next, 5));
        }
        await watch.stop();
        console.error('left: ' + children());`,
      );
      assert.deepEqual([signal, said], [null, `${before}left: \n`]);
    });
  });
}

describe('The process that watches the event loop', function () {
  this.timeout(20_000);

  it('is replaced by a thread when somebody ends it, and the loop stays watched', async () => {
    const { signal, said } = await watched(
      '/usr/bin/perl',
      `
      process.kill(Number(children()), 'SIGKILL');
      await new Promise((next) => setTimeout(next, 300));
      for (;;) {}`,
    );
    assert.equal(signal, 'SIGKILL');
    assert.match(said, new RegExp(`^${GOES_ON}\\[error\\] A flow or a node held everything`));
  });

  it('stays through a stop that is told to all, and ends with the process it watches', async () => {
    const { signal, said } = await watched(
      '/usr/bin/perl',
      `
      for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.kill(Number(children()), name);
      await new Promise((next) => setTimeout(next, 300));
      console.error('one: ' + /^\\d+$/.test(children()));
      process.kill(process.pid, 'SIGKILL');
      await new Promise(() => undefined);`,
    );
    assert.deepEqual([signal, said], ['SIGKILL', 'one: true\n']);
  });

  it('lets a process be that somebody stopped for a while', async () => {
    const { signal, said } = await watched(
      '/usr/bin/perl',
      `
      const { spawn } = await import('node:child_process');
      spawn('sh', ['-c', 'sleep 1.5; kill -CONT ' + process.pid], { stdio: 'ignore' }).unref();
      process.kill(process.pid, 'SIGSTOP');
      await new Promise((next) => setTimeout(next, 100));`,
    );
    assert.deepEqual([signal, said], [null, '']);
  });

  it('ends at once, and nobody with it, where another process than its parent is named', async () => {
    const other = spawn('sleep', ['60'], { stdio: 'ignore' });
    const args = [PROGRAM, String(other.pid), '10', '20', '40', '60', ''];
    const watcher = spawn('/usr/bin/perl', args, { stdio: ['pipe', 'ignore', 'ignore'] });
    assert.deepEqual(await once(watcher, 'exit'), [0, null]);
    assert.equal(other.exitCode ?? other.signalCode, null);
    const ended = once(other, 'exit');
    other.kill();
    await ended;
  });

  it('is a program that strict and warnings find nothing in', () => {
    const args = ['-Mstrict', '-Mwarnings', '-c', PROGRAM];
    const { status, stderr } = spawnSync('/usr/bin/perl', args, { encoding: 'utf8' });
    assert.deepEqual([status, stderr], [0, `${PROGRAM} syntax OK\n`]);
  });
});
