import fs from 'node:fs';
import promises, { type FileHandle } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { DatabaseSync } from 'node:sqlite';

/**
 * Loaded before BaluPi: counts the disk operations that can fail for want of space or health (open
 * for writing, write, fsync, rename, commit) and makes the k-th fail on request.
 */
type Code = 'EIO' | 'ENOSPC';

interface Armed {
  readonly code: Code;
  left: number;
}

let armed: Armed | null = null;
/** What failed since it was armed, and the number of operations. */
let struck: string | null = null;
let seen = 0;

function step(operation: string): void {
  seen += 1;
  if (armed === null) return;
  armed.left -= 1;
  if (armed.left > 0) return;
  const { code } = armed;
  armed = null;
  struck = operation;
  throw operation === 'commit' ? sqliteError(code) : systemError(code, operation);
}

function systemError(code: Code, syscall: string): Error {
  const errno = code === 'EIO' ? -5 : -28;
  return Object.assign(new Error(`${code}: the disk was made to fail, ${syscall}`), {
    code,
    errno,
    syscall,
  });
}

/** SQLITE_IOERR is 10 and SQLITE_FULL 13 (sqlite.org/rescode.html). */
function sqliteError(code: Code): Error {
  const errcode = code === 'EIO' ? 10 : 13;
  return Object.assign(new Error('the disk was made to fail, commit'), {
    code: 'ERR_SQLITE_ERROR',
    errcode,
  });
}

type Callback = (error: unknown) => void;
type Any = (...args: unknown[]) => unknown;

/** A function that fails on request, in its own style: by throwing, rejecting or calling back. */
function failing(operation: string, original: Any, counts: (args: unknown[]) => boolean): Any {
  return function guarded(this: unknown, ...args: unknown[]): unknown {
    if (!counts(args)) return original.apply(this, args);
    const last = args.at(-1);
    try {
      step(operation);
    } catch (error) {
      if (typeof last !== 'function') throw error;
      setImmediate(last as Callback, error);
      return undefined;
    }
    return original.apply(this, args);
  };
}

/** An async function that fails on request. */
function rejecting(operation: string, original: Any, counts: (args: unknown[]) => boolean): Any {
  const guarded = failing(operation, original, counts);
  return async function later(this: unknown, ...args: unknown[]): Promise<unknown> {
    return await guarded.apply(this, args);
  };
}

const always = () => true;

function forWriting(args: unknown[]): boolean {
  const [, flags = 'r'] = args;
  return typeof flags === 'string' ? flags !== 'r' : Number(flags) !== fs.constants.O_RDONLY;
}

function replace(target: object, name: string, make: (original: Any) => Any): void {
  const original = (target as Record<string, unknown>)[name];
  if (typeof original !== 'function') throw new Error(`There is no ${name} to stand in front of.`);
  (target as Record<string, unknown>)[name] = make(original as Any);
}

const CALLBACK_STEPS: readonly (readonly [name: string, counts: (args: unknown[]) => boolean])[] = [
  ['open', forWriting],
  ['write', always],
  ['writev', always],
  ['fsync', always],
  ['fdatasync', always],
  ['rename', always],
];

for (const [name, counts] of CALLBACK_STEPS) {
  replace(fs, name, (original) => failing(name, original, counts));
  replace(fs, `${name}Sync`, (original) => failing(name, original, counts));
}
replace(promises, 'open', (original) => rejecting('open', original, forWriting));
replace(promises, 'rename', (original) => rejecting('rename', original, always));

const handle: FileHandle = await promises.open(import.meta.filename, 'r');
const handles: unknown = Object.getPrototypeOf(handle);
await handle.close();
if (typeof handles !== 'object' || handles === null) throw new Error('File handles have no kind.');
for (const name of ['write', 'writev', 'sync', 'datasync', 'writeFile', 'appendFile']) {
  replace(handles, name, (original) => rejecting(name, original, always));
}
syncBuiltinESMExports();

replace(DatabaseSync.prototype, 'exec', (original) =>
  failing('commit', original, ([sql]) => sql === 'COMMIT'),
);

process.on('message', (message: { readonly k?: number; readonly code?: Code }) => {
  const answer = { struck, seen };
  struck = null;
  seen = 0;
  const { k, code } = message;
  armed = k === undefined || code === undefined ? null : { code, left: k };
  process.send?.(answer);
});
// The channel alone must not keep BaluPi alive when it is to end.
process.channel?.unref();
