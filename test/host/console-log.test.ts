import assert from 'node:assert/strict';
import { ConsoleLog, lineMarks, nodeRedLogHandler } from '../../host/console-log.ts';

describe('The log on the console', () => {
  const lines: string[] = [];
  const log = new ConsoleLog(
    'info',
    lineMarks({}),
    (line) => lines.push(line),
    (line) => lines.push(line),
  );

  afterEach(() => {
    lines.length = 0;
  });

  const HOSTILE = 'a\u001b[2Jb\r\nc\u0000\u0085\u2028\rd ä\u009b31m';
  const SHOWN = 'a\\u001b[2Jb ⏎ c\\u0000\\u0085\\u2028\\u000dd ä\\u009b31m';

  it('shows control characters and obeys none, in each kind of line', () => {
    log.info(HOSTILE);
    log.warn(HOSTILE);
    log.error(HOSTILE);
    assert.deepEqual(lines, [`[info] ${SHOWN}\n`, `[warn] ${SHOWN}\n`, `[error] ${SHOWN}\n`]);
  });

  it('does the same for what Node-RED and its nodes say', () => {
    const handle = nodeRedLogHandler(log)();
    handle({ level: 20, msg: HOSTILE, type: 'function', name: HOSTILE });
    handle({ level: 30, msg: { text: HOSTILE }, type: 'inject', id: 'x1' });
    handle({ level: 40, msg: 'Started flows' });
    handle({ level: 50, msg: 'not wanted at info' });
    assert.equal(lines[0], `[error] [function:${SHOWN}] ${SHOWN}\n`);
    assert.match(lines[1] ?? '', /^\[warn\] \[inject:x1\] \{"text":"a/);
    assert.equal(lines[2], '[info] Started flows\n');
    assert.equal(lines.length, 3);
    // eslint-disable-next-line no-control-regex
    assert.doesNotMatch(lines.join('').replaceAll('\n', ''), /[\u0000-\u001f\u007f-\u009f]/);
  });

  it('takes nothing of Node-RED for an alarm that every start has', () => {
    const handle = nodeRedLogHandler(log)();
    handle({ level: 30, msg: 'Encrypted credentials not found' });
    handle({ level: 40, msg: '\n\nWelcome to Node-RED\n===================\n' });
    assert.deepEqual(lines, []);
    handle({ level: 30, msg: 'Error loading credentials: Encrypted credentials not found' });
    assert.equal(lines.length, 1);
  });

  it('begins with its priority where journald reads it, and only there', () => {
    const status = () => ({ dev: 9, ino: 1234 });
    const told: string[] = [];
    const say = (line: string) => told.push(line);
    for (const stream of ['9:1234', '9:1']) {
      const journal = new ConsoleLog(
        'debug',
        lineMarks({ JOURNAL_STREAM: stream }, status),
        say,
        say,
      );
      journal.debug('a');
      journal.info('b');
      journal.warn('c');
      journal.error('d');
    }
    assert.deepEqual(
      told.map((line) => line.trimEnd()),
      ['<7>a', '<6>b', '<4>c', '<3>d', '[debug] a', '[info] b', '[warn] c', '[error] d'],
    );
  });
});
