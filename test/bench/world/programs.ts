import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { availableParallelism } from 'node:os';
import { delimiter, join } from 'node:path';

/** Where Debian keeps what only administrators have on their path. */
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

/** Whether Python is there with these modules. @returns its file; null when it is not */
export function findPython(modules: readonly string[]): string | null {
  const python = findProgram('python3');
  if (python === null) return null;
  const tried = spawnSync(python, ['-c', `import ${modules.join(', ')}`], { stdio: 'ignore' });
  return tried.status === 0 ? python : null;
}

/** Which of the machine's cores a process may have, so that server and load do not share one. */
export type Core = 0 | 1;

/** @returns program and arguments, bound to a core where the machine has two and `taskset` */
export function onCore(core: Core, program: string, args: readonly string[]): [string, string[]] {
  const taskset = availableParallelism() < 2 ? null : findProgram('taskset');
  return taskset === null
    ? [program, [...args]]
    : [taskset, ['-c', String(core), program, ...args]];
}

/** Moves this very process to a core, where the machine has two and `taskset`. */
export function moveToCore(core: Core): void {
  const taskset = availableParallelism() < 2 ? null : findProgram('taskset');
  if (taskset !== null) spawnSync(taskset, ['-acp', String(core), String(process.pid)]);
}

/** Starts this project's Node on a program of its own. */
export function spawnNode(
  core: Core,
  args: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): ChildProcess {
  const [program, all] = onCore(core, process.execPath, args);
  return spawn(program, all, { env, stdio: ['ignore', 'pipe', 'inherit', 'ipc'] });
}

/** Asks a process to end and waits until it has. */
export async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const { promise, resolve } = Promise.withResolvers<undefined>();
  child.once('exit', () => {
    resolve(undefined);
  });
  child.kill('SIGTERM');
  await promise;
}

/** @throws Error when the process never got an id */
export function pidOf(child: ChildProcess): number {
  if (child.pid === undefined) throw new Error('A process of the bench could not be started.');
  return child.pid;
}
