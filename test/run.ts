import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Mocha from 'mocha';

/**
 * Runs every test below this folder, or those named on the command line, and ends with the one
 * line that says how it went: `N passed, N failed`, and `, N skipped` where a machine lacks
 * something a test needs.
 */
const here = fileURLToPath(new URL('.', import.meta.url));
const wanted = process.argv.slice(2);

function testFiles(): string[] {
  return readdirSync(here, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.test.js'))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((file) => wanted.length === 0 || wanted.some((part) => file.includes(part)))
    .sort();
}

const mocha = new Mocha({ reporter: 'spec', timeout: 10_000, forbidOnly: true });
for (const file of testFiles()) mocha.addFile(file);
await mocha.loadFilesAsync();

const runner = mocha.run();
runner.on('end', () => {
  const { passes = 0, failures = 0, pending = 0, tests = 0 } = runner.stats ?? {};
  // The spec reporter prints its summary in the same turn; the closing line comes behind it.
  setImmediate(() => {
    if (tests === 0 && failures === 0) console.error('No test was found.');
    const skipped = pending > 0 ? `, ${pending} skipped` : '';
    console.log(`${passes} passed, ${failures} failed${skipped}`);
    process.exit(failures > 0 || tests === 0 ? 1 : 0);
  });
});
