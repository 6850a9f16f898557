import { parseArgs } from 'node:util';

/** Options of `npm run bench -- <part> …`. */
export interface BenchOptions {
  /** The total time of a timed part. */
  readonly seconds: number;
  /** Request traces, `time,key,size` in gzipped CSV. Empty: those in the repository. */
  readonly traces: readonly string[];
  /** The folder of each file in the trace, `key,folder,index_in_folder,kind,size`. */
  readonly folders: string | null;
  /** Cache sizes in per cent of a trace's footprint. */
  readonly sizes: readonly number[];
  /** Entries of the largest table. */
  readonly rows: number;
  /** Of energy's random worlds; by default a different one each day. */
  readonly seed: number;
  /** How many random worlds energy meters, for each kind of fault. */
  readonly worlds: number;
  /** Duration of the part pi's mixed load. */
  readonly minutes: number;
  /** Writes the tables into docs/PERFORMANCE.md. */
  readonly write: boolean;
}

export class BenchUsageError extends Error {
  override readonly name = 'BenchUsageError';
}

/** @throws BenchUsageError */
export function readBenchOptions(args: readonly string[]): {
  readonly part: string;
  readonly options: BenchOptions;
} {
  const { values, positionals } = parsed(args);
  const [part = '', ...more] = positionals;
  if (more.length > 0)
    throw new BenchUsageError(`One part at a time, not also '${more.join(' ')}'.`);
  return {
    part,
    options: {
      seconds: positive('seconds', values.seconds),
      traces: values.trace,
      folders: values.folders ?? null,
      sizes: values.sizes.split(',').map((text) => positive('sizes', text)),
      rows: positive('rows', values.rows),
      seed: positive('seed', values.seed ?? String(Math.ceil(Date.now() / 86_400_000))),
      worlds: positive('worlds', values.worlds),
      minutes: positive('minutes', values.minutes),
      write: values.write,
    },
  };
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        seconds: { type: 'string', default: '90' },
        trace: { type: 'string', multiple: true, default: [] },
        folders: { type: 'string' },
        sizes: { type: 'string', default: '1,5,10,20' },
        rows: { type: 'string', default: '100000' },
        seed: { type: 'string' },
        worlds: { type: 'string', default: '40' },
        minutes: { type: 'string', default: '10' },
        write: { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    throw new BenchUsageError((error as Error).message, { cause: error });
  }
}

function positive(name: string, text: string): number {
  const value = Number(text.trim().replaceAll('_', ''));
  if (text.trim() !== '' && value > 0 && Number.isFinite(value)) return value;
  throw new BenchUsageError(`--${name} is '${text}', wanted a number above 0.`);
}
