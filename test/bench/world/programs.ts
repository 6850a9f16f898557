import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { availableParallelism } from 'node:os';
import { delimiter, join } from 'node:path';

/** Debian's folders that only administrators have on their path. */
const MORE_PLACES = ['/usr/sbin', '/usr/local/sbin'];

/** @returns the file of a program on this machine; null when it is not installed */
export function findProgram(name: string): string | null {
  const places = [...(process.env['PATH'] ?? '').split(delimiter), ...MORE_PLACES];
  return places.map((place) => join(place, name)).find(isProgram) ?? null;
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error) return false;
    throw error;
  }
}

/** @returns the file of a Python with these modules; null if there is none */
export function findPython(modules: readonly string[]): string | null {
  const python = findProgram('python3');
  if (python === null) return null;
  const tried = spawnSync(python, ['-c', `import ${modules.join(', ')}`], { stdio: 'ignore' });
  return tried.status === 0 ? python : null;
}

/** Which core a process runs on, so that server and load do not share one. */
export type Core = 0 | 1;

/** @returns program and arguments, pinned to a core if the machine has two and `taskset` */
export function onCore(core: Core, program: string, args: readonly string[]): [string, string[]] {
  const taskset = availableParallelism() < 2 ? null : findProgram('taskset');
  return taskset === null
    ? [program, [...args]]
    : [taskset, ['-c', String(core), program, ...args]];
}

/** Pins this very process to a core, if the machine has two and `taskset`. */
export function moveToCore(core: Core): void {
  const taskset = availableParallelism() < 2 ? null : findProgram('taskset');
  if (taskset !== null) spawnSync(taskset, ['-acp', String(core), String(process.pid)]);
}

/** Starts this project's Node with a program. */
export function spawnNode(
  core: Core,
  args: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): ChildProcess {
  const [program, all] = onCore(core, process.execPath, args);
  return spawn(program, all, { env, stdio: ['ignore', 'pipe', 'inherit', 'ipc'] });
}

/** Ends a process and waits for it. */
export async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const { promise, resolve } = Promise.withResolvers<undefined>();
  child.once('exit', () => {
    resolve(undefined);
  });
  child.kill('SIGTERM');
  await promise;
}

/** @throws Error if the process never got a pid */
export function pidOf(child: ChildProcess): number {
  if (child.pid === undefined) throw new Error('A process of the bench could not be started.');
  return child.pid;
}
