import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { BenchUsageError, readBenchOptions } from './options.ts';
import { PROJECT_FOLDER } from './project-folder.ts';
import { withSection } from './report/document.ts';
import { Goals } from './report/goals.ts';
import { percentile } from './report/stats.ts';
import { short, Table } from './report/table.ts';
import { HEAP_ENVIRONMENT, HEAP_FLAGS } from './world/balupi.ts';

describe("The bench's tables", () => {
  it('are Markdown, aligned, with bars in cells escaped', () => {
    const table = new Table('a', 'longer');
    table.add('1|2', 'x');
    assert.deepEqual(table.lines(), [
      '| a    | longer |',
      '| ---- | ------ |',
      '| 1\\|2 | x      |',
    ]);
  });

  it('refuse a row that does not fit their head', () => {
    assert.throws(() => new Table('a', 'b').add('1'), /1 cells in a table of 2/);
  });

  it('show as many digits as mean something', () => {
    const shown = [12_345, 123.4, 12.34, 1.234, 0.1234, NaN].map(short);
    assert.deepEqual(shown, ['12 345', '123', '12.3', '1.23', '0.123', '–']);
  });

  it('say of each goal whether it is reached, and when nothing was measured', () => {
    const goals = new Goals();
    goals.atLeast('speed', 2, 2);
    goals.atMost('memory', 61, 60, ' MB');
    goals.atLeast('peer', NaN, 1);
    const results = goals.lines().slice(2);
    assert.match(results[0] ?? '', /speed .* yes /);
    assert.match(results[1] ?? '', /≤ 60.0 MB .* 61.0 MB .* \*\*no\*\*/);
    assert.match(results[2] ?? '', /not measured/);
  });

  it('take the percentile that a share of all does not pass', () => {
    const values = Array.from({ length: 100 }, (_, index) => 100 - index);
    assert.equal(percentile(values, 0.5), 51);
    assert.equal(percentile(values, 0.99), 100);
  });
});

describe("A part's section in the document", () => {
  const document =
    'before\n<!-- bench:a -->\nold\n<!-- /bench:a -->\nbetween\n<!-- bench:b -->\n<!-- /bench:b -->\n';

  it('is replaced, and nothing else', () => {
    const written = withSection(document, 'a', ['text', '| x |', '| --- |', '| 1 |']);
    assert.equal(
      written,
      'before\n<!-- bench:a -->\n\n- text\n\n| x |\n| --- |\n| 1 |\n\n<!-- /bench:a -->\n' +
        'between\n<!-- bench:b -->\n<!-- /bench:b -->\n',
    );
  });

  it('is the same when written twice', () => {
    const once = withSection(document, 'b', ['one', '', 'two']);
    assert.equal(withSection(once, 'b', ['one', '', 'two']), once);
  });

  it('parts two tables that follow each other', () => {
    const lines = ['| x |', '| --- |', '| 1 |', '', '| y |', '| --- |', '| 2 |'];
    assert.match(withSection(document, 'a', lines), /\| 1 \|\n\n\| y \|/);
  });

  it('must be there', () => {
    assert.throws(() => withSection(document, 'c', []), /no section <!-- bench:c -->/);
  });

  it('is there for every part', () => {
    const text = readFileSync(join(PROJECT_FOLDER, 'docs', 'PERFORMANCE.md'), 'utf8');
    for (const part of ['serve', 'upload', 'policy', 'metadata', 'energy', 'memory']) {
      assert.ok(withSection(text, part, ['x']).includes('- x'), part);
    }
  });
});

describe("The bench's command line", () => {
  it('has a standard for everything but the part', () => {
    const { part, options } = readBenchOptions(['serve']);
    assert.equal(part, 'serve');
    assert.deepEqual(options.sizes, [1, 5, 10, 20]);
    assert.equal(options.write, false);
  });

  it('takes traces and sizes', () => {
    const { options } = readBenchOptions([
      'policy',
      '--trace',
      'a',
      '--trace',
      'b',
      '--sizes',
      '2,3',
    ]);
    assert.deepEqual(
      [options.traces, options.sizes],
      [
        ['a', 'b'],
        [2, 3],
      ],
    );
  });

  it('refuses what it does not know, in words', () => {
    const wrong = [
      ['serve', '--fast'],
      ['serve', 'upload'],
      ['serve', '--seconds', 'x'],
      ['policy', '--sizes', '1,'],
    ];
    for (const args of wrong) assert.throws(() => readBenchOptions(args), BenchUsageError);
  });

  it('runs BaluPi with the heap that npm start and the service give it', () => {
    const script = readFileSync(join(PROJECT_FOLDER, 'deploy', 'run.mjs'), 'utf8');
    const flags = /SMALL_HEAP = \[([^\]]*)\]/.exec(script)?.[1]?.match(/--[^']+/g);
    assert.deepEqual(flags, HEAP_FLAGS);
    const more = /FEW_HEAPS = \{ (\w+): '(\d+)' \}/.exec(script)?.slice(1) ?? [];
    assert.deepEqual(Object.entries(HEAP_ENVIRONMENT), [more]);
    const service = readFileSync(join(PROJECT_FOLDER, 'deploy', 'balupi.service'), 'utf8');
    for (const said of [...HEAP_FLAGS, `Environment=${more.join('=')}`]) {
      assert.ok(service.includes(said), said);
    }
  });
});
