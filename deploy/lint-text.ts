import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A rule, and the file whose text breaks it. */
export interface TextFault {
  readonly rule: string;
  readonly file: string;
}

interface TextRule {
  readonly rule: string;
  readonly looksAt: (file: string) => boolean;
  readonly breaks: (text: string) => boolean;
}

/** Alone on a line, as git writes them; a heading underlined in Markdown has fewer or more. */
const MARKS = new RegExp(`^(?:${'<'.repeat(7)} |${'='.repeat(7)}$|${'>'.repeat(7)} )`, 'm');

const RULES: readonly TextRule[] = [
  {
    rule: 'no-conflict-markers',
    looksAt: (file) => /\.(?:ts|mjs|cjs|js|json|md|html|css|sh|yml|service|conf)$/.test(file),
    breaks: (text) => MARKS.test(text),
  },
  {
    rule: 'no-sql-outside-rows',
    looksAt: (file) =>
      /^(?:nodes|packages|host|flows|compose)\/.*\.ts$/.test(file) &&
      !/^nodes\/lib\/store\/|-rows\.ts$/.test(file),
    breaks: (text) => /\.prepare\(\s*['"`]/.test(text),
  },
];

/** Every file that git knows. @throws Error where this is no checkout */
export function trackedFiles(): readonly string[] {
  const listed = spawnSync('git', ['ls-files', '-z'], { encoding: 'utf8' });
  if (listed.status !== 0) throw new Error(`git lists no files: ${listed.stderr}`);
  return listed.stdout.split('\0').filter((file) => file !== '' && existsSync(file));
}

/** @param files as seen from `folder` */
export function textFaults(files: readonly string[], folder = '.'): readonly TextFault[] {
  return files.flatMap((file) => {
    const rules = RULES.filter(({ looksAt }) => looksAt(file));
    if (rules.length === 0) return [];
    const text = readFileSync(join(folder, file), 'utf8');
    return rules.filter(({ breaks }) => breaks(text)).map(({ rule }) => ({ rule, file }));
  });
}
