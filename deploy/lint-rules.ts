import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { cruise as cruiseModules } from 'dependency-cruiser';
import extractDepcruiseConfig from 'dependency-cruiser/config-utl/extract-depcruise-config';
import extractTSConfig from 'dependency-cruiser/config-utl/extract-ts-config';
import { type FlowFault, flowFaults } from '../flows/flow-check.ts';
import { ShippedFlowFolder } from '../flows/shipped-flows.ts';
import { FlowFiles, type FlowNode } from '../packages/node-red-flow-files/lib/flow-storage.ts';
import { readProgram } from './lint-program.ts';
import { sqlOutsideRows } from './lint-sql.ts';
import { EXEMPTIONS, unusedIn } from './lint-unused.ts';

/** A rule and the file that breaks it. */
interface TextFault {
  readonly rule: string;
  readonly file: string;
}

interface TextRule {
  readonly rule: string;
  readonly looksAt: (file: string) => boolean;
  readonly breaks: (text: string, file: string) => boolean;
}

/** Git's conflict markers, alone on a line; Markdown's heading underlines differ in length. */
const MARKS = new RegExp(`^(?:${'<'.repeat(7)} |${'='.repeat(7)}\\r?$|${'>'.repeat(7)} )`, 'm');

/** A node's answers that no endpoint describes, by what they are made of. */
const UNTYPED: readonly { readonly file: string; readonly of: string; readonly why: string }[] = [
  { file: 'balupi-system/balupi-system.ts', of: 'metricsText', why: 'text for Prometheus' },
  {
    file: 'balupi-system/balupi-system.ts',
    of: 'pageRows',
    why: "rows of a page's table, in words for its reader",
  },
  { file: 'nas-proxy/file-operations.ts', of: 'bytes', why: 'a listing that is packed already' },
  { file: 'nas-proxy/file-operations.ts', of: 'largest', why: 'a message for flows alone' },
  { file: 'nas-proxy/file-operations.ts', of: 'JSON.parse', why: "the NAS's own words, kept" },
  { file: 'nas-proxy/sign-in-operations.ts', of: 'body', why: "the NAS's own words" },
  { file: 'nas-proxy/sign-in-operations.ts', of: 'outcome.body', why: "the NAS's own words" },
  { file: 'nas-proxy/sign-in-operations.ts', of: 'snapshot.text', why: "the NAS's own words" },
];

/** Each use of `plainAnswer`, and the beginning of what it is made of; an import has none. */
const PLAIN = /\bplainAnswer(?:\(\s*([\w.]*)|\s+as\s)/g;

/** @returns whether a file's answers are other ones than {@link UNTYPED} names */
function isUntyped(text: string, file: string): boolean {
  const made = [...text.matchAll(PLAIN)].map(([, of = '']) => of);
  const named = UNTYPED.filter((one) => file === `nodes/${one.file}`).map(({ of }) => of);
  return made.some((of) => !named.includes(of)) || named.some((of) => !made.includes(of));
}

const RULES: readonly TextRule[] = [
  {
    rule: 'no-conflict-markers',
    looksAt: () => true,
    breaks: (text) => MARKS.test(text),
  },
  {
    // A node's answers are typed by their description: `answerTo`.
    rule: 'no-untyped-answer',
    looksAt: (file) => /^nodes\/(?!lib\/)[\w-]+\/.*\.ts$/.test(file),
    breaks: isUntyped,
  },
];

/** Every file that is tracked or new. @throws Error if this is no checkout */
function textFiles(): readonly string[] {
  const which = ['--cached', '--others', '--exclude-standard', '--deduplicate'];
  const listed = spawnSync('git', ['ls-files', '-z', ...which], { encoding: 'utf8' });
  if (listed.status !== 0) throw new Error(`git lists no files: ${listed.stderr}`);
  return listed.stdout.split('\0').filter((file) => file !== '' && existsSync(file));
}

/** @param files relative to `folder` */
export function textFaults(files: readonly string[], folder = '.'): readonly TextFault[] {
  return files.flatMap((file) => {
    const rules = RULES.filter(({ looksAt }) => looksAt(file));
    if (rules.length === 0) return [];
    const text = readFileSync(join(folder, file), 'utf8');
    // As Git tells a picture from a text.
    if (text.includes('\0')) return [];
    return rules.filter(({ breaks }) => breaks(text, file)).map(({ rule }) => ({ rule, file }));
  });
}

/** The violations of import rules in a set of folders. */
interface CruiseReport {
  readonly modules: number;
  readonly violations: readonly {
    readonly rule: string;
    readonly from: string;
    readonly to: string;
  }[];
}

/** Every place that holds code of ours. */
const CODE = [
  'nodes',
  'packages',
  'host',
  'flows',
  'pages',
  'test',
  'deploy',
  'server.ts',
  'settings.ts',
  'compose',
  'compose.ts',
] as const;

/** Without tests: code that only tests use counts as unused. */
export const RUNNING = CODE.filter((place) => place !== 'test');

/**
 * Checks the import rules of `.dependency-cruiser.cjs`.
 * @param places files and folders, relative to `folder`
 * @param folder a tree laid out like this one; another one only in the lint's own test
 */
export async function cruise(
  places: readonly string[],
  folder = process.cwd(),
): Promise<CruiseReport> {
  const rules = await extractDepcruiseConfig(resolve('.dependency-cruiser.cjs'));
  const { output } = await cruiseModules(
    [...places],
    { ...rules.options, ruleSet: rules, validate: true, baseDir: folder },
    {},
    { tsConfig: extractTSConfig(resolve('tsconfig.json')) },
  );
  if (typeof output === 'string') throw new Error(`dependency-cruiser answered: ${output}`);
  const { totalCruised, violations } = output.summary;
  return {
    modules: totalCruised,
    violations: violations.map(({ rule, from, to }) => ({ rule: rule.name, from, to })),
  };
}

/** Joins the flow files as Node-RED would get them, with or without optional packages. */
async function joinedFlows(folder: string, loads = true): Promise<FlowNode[]> {
  const shipped = new ShippedFlowFolder(folder, () => loads);
  return (await new FlowFiles(shipped, () => 'unknown').load()).nodes;
}

/** The faults of both forms, without duplicates. */
async function faultsOfFlows(folder: string): Promise<readonly FlowFault[]> {
  const forms = await Promise.all([true, false].map((loads) => joinedFlows(folder, loads)));
  const faults = forms.flatMap(flowFaults);
  return [...new Map(faults.map((fault) => [`${fault.rule} ${fault.node}`, fault])).values()];
}

/** Runs Node-RED's linter over all flows together, as links cross files. */
export async function lintFlows(folder: string): Promise<{ ok: boolean; output: string }> {
  const scratch = mkdtempSync(join(tmpdir(), 'balupi-lint-'));
  const file = join(scratch, 'flows.json');
  writeFileSync(file, JSON.stringify(await joinedFlows(folder)));
  const tool = join('node_modules', 'nrlint', 'bin', 'nrlint.js');
  const done = spawnSync(process.execPath, [tool, '--config', '.nrlint.cjs', file], {
    encoding: 'utf8',
  });
  rmSync(scratch, { recursive: true });
  return { ok: done.status === 0, output: done.stdout + done.stderr };
}

/** Guards against a lint that silently reads nothing (ADR 0002). */
const LEAST_LOOKED_AT = 500;

async function main(): Promise<number> {
  const report = await cruise(CODE.filter((place) => existsSync(place)));
  const texts = textFiles();
  if (report.modules < LEAST_LOOKED_AT || texts.length < LEAST_LOOKED_AT) {
    console.error(`The rules looked at ${report.modules} modules and ${texts.length} files only.`);
    return 1;
  }
  for (const { rule, from, to } of report.violations) console.error(`${rule}: ${from} → ${to}`);
  const program = readProgram(RUNNING.filter((place) => existsSync(place)));
  const unused = unusedIn(program, EXEMPTIONS);
  for (const { kind, file, name } of unused) {
    const fault = kind === 'exemption' ? 'needs none' : 'is used by no code that runs';
    console.error(`no-unused-${kind}: ${file} ${name} ${fault}`);
  }
  const told = [
    ...textFaults(texts),
    ...sqlOutsideRows(program).map((file) => ({ rule: 'no-sql-outside-rows', file })),
  ];
  for (const { rule, file } of told) console.error(`${rule}: ${file}`);
  const untrue = await faultsOfFlows('flows');
  for (const { rule, node } of untrue) console.error(`${rule}: ${node}`);
  const flows = await lintFlows('flows');
  if (!flows.ok) console.error(flows.output);
  const violations = report.violations.length + unused.length + told.length + untrue.length;
  console.log(
    `Import rules: ${report.modules} modules, ${violations} violations; flows ${flows.ok ? 'fine' : 'not fine'}.`,
  );
  return violations === 0 && flows.ok ? 0 : 1;
}

if (process.argv[1]?.endsWith('lint-rules.js')) process.exitCode = await main();
