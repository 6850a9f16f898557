import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { extname } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { Log } from '../log/log.ts';
import type { Cancel, Clock } from '../time/clock.ts';
import { LENGTH_BYTES, type PictureOrder, READY } from './picture-words.ts';

export type Picture =
  /** WebP. */
  | { readonly kind: 'image'; readonly bytes: Buffer }
  /** It is none, is of a kind that is not read, or is damaged. */
  | { readonly kind: 'unreadable' }
  /** The process died of it, or took too long. */
  | { readonly kind: 'died' }
  /** There is none on this machine. */
  | { readonly kind: 'no_process' };

type PictureChild = ChildProcessByStdio<Writable, Readable, null>;

interface PictureProcessParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly start: () => PictureChild;
}

/** A Pi under load, at the lowest priority, takes some seconds for the largest. */
const MOST_MS = 30_000;
/** Starting takes a Pi two seconds; what it holds meanwhile is 75 MB. */
const IDLE_MS = 120_000;
/** What 640 pixels come to at most. */
const MOST_BYTES = 512 * 1024;

/** What it may take in data; of 12 million pixels it takes 80 MB, and 50 million are 105 (measured). */
const MEMORY_MB = 200;
/** Without a compiler of its own V8 asks for no memory that could be run, and for little else. */
const NODE_OPTIONS = [
  '--jitless',
  '--single-threaded',
  '--max-old-space-size=32',
  '--max-semi-space-size=1',
];

/** The program beside this file, compiled or not. */
const PROGRAM = fileURLToPath(
  new URL(`./picture-program${extname(import.meta.url)}`, import.meta.url),
);

/**
 * Begins the process that decodes pictures, confined (deploy/confine.pl), without anything of our
 * environment.
 * @param confine where that program lies
 */
export function startPictureProgram(confine: string): PictureChild {
  const node = [process.execPath, ...NODE_OPTIONS, PROGRAM];
  return spawn('/usr/bin/perl', [confine, String(MEMORY_MB), ...node], {
    env: { MALLOC_ARENA_MAX: '1', UV_THREADPOOL_SIZE: '1', LANG: 'C' },
    cwd: '/',
    stdio: ['pipe', 'pipe', 'ignore'],
  });
}

interface Running {
  readonly child: PictureChild;
  /** Resolves what is waited for; null while it rests. */
  done: ((picture: Picture) => void) | null;
  received: Buffer[];
  receivedBytes: number;
  /** It ended, or is being ended. */
  isOver: boolean;
  isReady: boolean;
}

/**
 * The one process that decodes pictures: begun for the first, kept for the next, ended when none
 * comes. What it sends is believed to be bytes and nothing else.
 */
export class PictureProcess {
  readonly #parts: PictureProcessParts;
  #running: Running | null = null;
  #cancel: Cancel = () => undefined;
  #isMissing = false;

  constructor(parts: PictureProcessParts) {
    this.#parts = parts;
  }

  /** One at a time: the next only after this one has come. */
  async make(order: PictureOrder): Promise<Picture> {
    if (this.#isMissing) return { kind: 'no_process' };
    this.#cancel();
    const running = (this.#running ??= this.#begin());
    const picture = await new Promise<Picture>((resolve) => {
      running.done = resolve;
      this.#cancel = this.#parts.clock.after(MOST_MS, () => {
        this.#end(running, { kind: 'died' });
      });
      if (!running.isOver) running.child.stdin.write(`${JSON.stringify(order)}\n`);
    });
    this.#cancel();
    if (this.#running !== null) this.#cancel = this.#parts.clock.after(IDLE_MS, () => this.stop());
    return picture;
  }

  /** Ends it; what it was at has died. The next order begins another. */
  stop(): void {
    this.#cancel();
    if (this.#running !== null) this.#end(this.#running, { kind: 'died' });
  }

  #begin(): Running {
    const child = this.#parts.start();
    const running: Running = {
      ...{ child, done: null, received: [], receivedBytes: 0 },
      ...{ isOver: false, isReady: false },
    };
    child.stdout.on('data', (bytes: Buffer) => {
      this.#take(running, bytes);
    });
    // It died; `exit` tells.
    child.stdin.on('error', () => undefined);
    child.on('error', () => {
      this.#ended(running);
    });
    child.on('exit', () => {
      this.#ended(running);
    });
    return running;
  }

  /** One that ends before it was ready, and not by our hand, cannot run here. */
  #ended(running: Running): void {
    if (running.isOver) return;
    if (!running.isReady && running.child.signalCode === null) {
      this.#isMissing = true;
      this.#parts.log.warn(
        'There are no small pictures on this machine: their process needs Linux on arm64 or x64 ' +
          'with Perl, and a kernel with seccomp.',
      );
    }
    this.#end(running, { kind: this.#isMissing ? 'no_process' : 'died' });
  }

  #end(running: Running, picture: Picture): void {
    if (this.#running === running) this.#running = null;
    running.isOver = true;
    running.child.kill('SIGKILL');
    running.done?.(picture);
    running.done = null;
  }

  #take(running: Running, bytes: Buffer): void {
    if (running.isOver) return;
    running.received.push(bytes);
    running.receivedBytes += bytes.length;
    if (running.receivedBytes < LENGTH_BYTES) return;
    const all = Buffer.concat(running.received);
    running.received = [all];
    if (running.isReady) this.#takePicture(running, all);
    else this.#takeHello(running, all);
  }

  #takeHello(running: Running, all: Buffer): void {
    const rest = all.subarray(READY.length);
    running.isReady = all.toString('latin1', 0, READY.length) === READY;
    running.received = [];
    running.receivedBytes = 0;
    if (!running.isReady) this.#end(running, { kind: 'died' });
    else if (rest.length > 0) this.#take(running, rest);
  }

  #takePicture(running: Running, all: Buffer): void {
    const length = all.readUInt32BE(0);
    // It was fooled: it says more than a picture can be, or speaks when nobody asked.
    if (length > MOST_BYTES || all.length > LENGTH_BYTES + length || running.done === null) {
      this.#end(running, { kind: 'died' });
      return;
    }
    if (all.length < LENGTH_BYTES + length) return;
    running.received = [];
    running.receivedBytes = 0;
    const image = all.subarray(LENGTH_BYTES);
    running.done(isWebp(image) ? { kind: 'image', bytes: image } : { kind: 'unreadable' });
    running.done = null;
  }
}

function isWebp(bytes: Buffer): boolean {
  return bytes.toString('latin1', 0, 4) === 'RIFF' && bytes.toString('latin1', 8, 12) === 'WEBP';
}
