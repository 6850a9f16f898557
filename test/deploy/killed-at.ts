import childProcess from 'node:child_process';
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

/** Loaded before a program: kills it before its n-th step with an outside effect. */
const killAt = Number(process.env['KILL_AT']);
let steps = 0;

const { writeFileSync } = fs;
process.once('exit', () => {
  writeFileSync(`${process.env['WORLD'] ?? ''}/steps`, String(steps));
});

type Any = (...args: unknown[]) => unknown;

function counted(original: Any): Any {
  return (...args) => {
    steps += 1;
    if (steps === killAt) process.kill(process.pid, 'SIGKILL');
    return original(...args);
  };
}

const CHANGING = [
  'chmodSync',
  'copyFileSync',
  'fsyncSync',
  'mkdirSync',
  'renameSync',
  'rmSync',
  'symlinkSync',
  'writeFileSync',
] as const;
for (const name of CHANGING) Reflect.set(fs, name, counted(fs[name] as Any));
Reflect.set(childProcess, 'spawnSync', counted(childProcess.spawnSync as Any));
syncBuiltinESMExports();
