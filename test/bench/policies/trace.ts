import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { Policy, Use } from './policy.ts';

/** Requests in order, and the total size of all objects. */
export interface Trace {
  readonly name: string;
  readonly uses: readonly Use[];
  readonly footprintBytes: number;
}

export interface Replayed {
  readonly objectHitRatio: number;
  readonly byteHitRatio: number;
  readonly mostBytes: number;
}

/**
 * @param file gzipped CSV, `time,key,size`
 * @throws Error naming the first invalid line
 */
export function readTrace(file: string): Trace {
  const name = basename(file).replace(/\.csv\.gz$/, '');
  return traceOf(name, gunzipSync(readFileSync(file)).toString('latin1'));
}

/** @param text CSV with a header line; a key keeps its first size */
export function traceOf(name: string, text: string): Trace {
  const [header = '', ...lines] = text.trimEnd().split(/\r?\n/);
  if (header.trim() !== 'time,key,size') {
    throw new Error(`The trace ${name} begins with '${header}', wanted time,key,size.`);
  }
  const dense = new Map<string, { readonly key: number; readonly sizeBytes: number }>();
  const objects = lines.map((line, index) => {
    const [, keyText = '', sizeText = ''] = line.split(',');
    const sizeBytes = Number(sizeText);
    if (keyText === '' || sizeText.trim() === '' || !(sizeBytes >= 0)) {
      throw new Error(`Line ${index + 2} of the trace ${name} is '${line}'.`);
    }
    const object = dense.get(keyText) ?? { key: dense.size, sizeBytes };
    dense.set(keyText, object);
    return object;
  });
  return threaded(name, objects);
}

/** A synthetic trace; a key keeps its first size. */
export function traceFrom(
  name: string,
  keys: readonly number[],
  sizeOf: (key: number) => number,
): Trace {
  const known = new Map<number, Omit<Use, 'nextUse'>>();
  const objects = keys.map((key) => {
    const object = known.get(key) ?? { key, sizeBytes: sizeOf(key) };
    known.set(key, object);
    return object;
  });
  return threaded(name, objects);
}

/** Adds each use's next use. */
function threaded(name: string, objects: readonly Omit<Use, 'nextUse'>[]): Trace {
  const uses: Use[] = new Array<Use>(objects.length);
  const next = new Map<number, number>();
  let footprintBytes = 0;
  for (let at = objects.length - 1; at >= 0; at -= 1) {
    const object = objects[at];
    if (object === undefined) continue;
    if (!next.has(object.key)) footprintBytes += object.sizeBytes;
    uses[at] = { ...object, nextUse: next.get(object.key) ?? Infinity };
    next.set(object.key, at);
  }
  return { name, uses, footprintBytes };
}

/** Runs a trace through a policy, from an empty cache. */
export function replay(trace: Trace, policy: Policy): Replayed {
  let [hits, hitBytes, allBytes, mostBytes] = [0, 0, 0, 0];
  for (const use of trace.uses) {
    allBytes += use.sizeBytes;
    if (policy.use(use)) {
      hits += 1;
      hitBytes += use.sizeBytes;
    }
    mostBytes = Math.max(mostBytes, policy.heldBytes);
  }
  return {
    objectHitRatio: hits / Math.max(1, trace.uses.length),
    byteHitRatio: hitBytes / Math.max(1, allBytes),
    mostBytes,
  };
}
