import type { IncomingMessage } from 'node:http';
import { refused, refusedAt, type Refused } from './admission.ts';
import { BodyFiles, type BodyFilesParts, type ReceivedFile } from './body-files.ts';
import { feedBody } from './feed-body.ts';
import { boundaryOf } from './header-parameters.ts';
import { MultipartError, MultipartParser } from './multipart-parser.ts';
import { readPartHead, type PartHead } from './part-head.ts';
import { readFilename } from './target.ts';

/** No request may open more of anything than this. */
const MOST_FIELDS = 10;
const MOST_FILES = 200;
const MOST_FIELD_BYTES = 8 * 1024;
const LONGEST_FIELD_NAME = 100;

export type Received =
  | {
      readonly kind: 'received';
      readonly files: readonly ReceivedFile[];
      /** The body's `path` field; null where it has none. */
      readonly path: string | null;
    }
  | Refused
  /** The caller went away before the end. */
  | { readonly kind: 'gone' };

export interface MultipartIntakeParts extends BodyFilesParts {
  /** The query's `path`; null where it has none. */
  readonly queryPath: string | null;
  /** Says no to a `path` field as soon as it is read. */
  readonly checkPlace: (path: string) => Promise<Refused | null>;
}

/** The part that is coming in. */
type Part =
  | { readonly kind: 'file' }
  /** `bytes` is null where nobody wants to know its value. */
  | { readonly kind: 'field'; readonly pieces: Buffer[] | null; sizeBytes: number };

/**
 * Receives one multipart body. No more of it is read than the disk keeps up with: so memory and open
 * files stay bounded whatever comes. The first fault ends it, and then nothing of it is left on the
 * disk. The request itself is left paused, for the answer to be given on it.
 */
export class MultipartIntake {
  readonly #checkPlace: (path: string) => Promise<Refused | null>;
  readonly #queryPath: string | null;
  readonly #files: BodyFiles;
  #part: Part = { kind: 'file' };
  #fieldCount = 0;
  #fileCount = 0;
  #path: string | null = null;
  #wake: () => void = () => undefined;

  constructor(parts: MultipartIntakeParts) {
    this.#checkPlace = parts.checkPlace;
    this.#queryPath = parts.queryPath;
    this.#files = new BodyFiles(parts, () => {
      this.#wake();
    });
  }

  /** @throws what neither the caller nor the disk is to blame for */
  async receive(request: IncomingMessage): Promise<Received> {
    const files = this.#files;
    await this.#feed(request);
    await files.settle();
    if (files.end === null) {
      return { kind: 'received', files: files.received(), path: this.#path };
    }
    await files.discard();
    if (files.end.kind === 'surprise') {
      throw new Error('Receiving an upload failed.', { cause: files.end.error });
    }
    return files.end;
  }

  async #feed(request: IncomingMessage): Promise<void> {
    const files = this.#files;
    const boundary = boundaryOf(request.headers['content-type'] ?? '');
    if (boundary === null) {
      files.refuse(refused('malformed', 'Missing boundary in multipart.'));
      return;
    }
    const parser = new MultipartParser(boundary, {
      partBegin: (head) => {
        if (files.end === null) this.#begin(readPartHead(head));
      },
      partData: (bytes) => {
        if (files.end === null) this.#data(bytes);
      },
      partEnd: () => {
        if (files.end === null) this.#end();
      },
    });
    const ended = await feedBody(request, {
      take: (piece) => {
        this.#guarded(() => {
          parser.push(piece);
        });
      },
      state: () => (files.end !== null ? 'over' : files.isFull ? 'full' : 'ready'),
      onWake: (wake) => {
        this.#wake = wake;
      },
    });
    if (ended === 'gone') files.refuse({ kind: 'gone' });
    if (ended === 'whole') {
      this.#guarded(() => {
        parser.end();
      });
    }
  }

  #guarded(work: () => void): void {
    try {
      work();
    } catch (error) {
      if (!(error instanceof MultipartError)) this.#files.refuse({ kind: 'surprise', error });
      else if (error.filename !== null) this.#refuseName(error.filename, this.#fileCount + 1);
      else this.#refuse('malformed', `The multipart body cannot be read: ${error.message}.`);
    }
  }

  #refuse(code: Refused['code'], detail: string): void {
    this.#files.refuse(refused(code, detail));
  }

  #begin({ name, filename }: PartHead): void {
    if (filename === null && name !== 'file' && name !== 'files') {
      this.#beginField(name);
      return;
    }
    this.#part = { kind: 'file' };
    this.#fileCount += 1;
    if (this.#fileCount > MOST_FILES) this.#refuse('invalid', tooMany());
    else if (name !== 'file' && name !== 'files') {
      this.#refuse('invalid', 'Send each file as a part named file or files.');
    } else {
      const read = readFilename(filename ?? '');
      if (read.kind === 'filename') this.#files.begin(read.filename);
      else this.#refuseName(filename ?? '', this.#fileCount);
    }
  }

  #refuseName(filename: string, count: number): void {
    const read = readFilename(filename);
    const reason = read.kind === 'bad_path' ? read.reason : 'The name cannot be read.';
    this.#refuse('bad_path', `File ${count}: ${reason}`);
  }

  #beginField(name: string): void {
    this.#fieldCount += 1;
    this.#part = { kind: 'field', pieces: name === 'path' ? [] : null, sizeBytes: 0 };
    if (this.#fieldCount > MOST_FIELDS) this.#refuse('invalid', tooMany());
    else if (name.length > LONGEST_FIELD_NAME) {
      this.#refuse('malformed', 'A field has too long a name.');
    }
  }

  #data(bytes: Buffer): void {
    if (this.#part.kind === 'file') {
      this.#files.push(bytes);
      return;
    }
    const { pieces } = this.#part;
    this.#part.sizeBytes += bytes.length;
    if (this.#part.sizeBytes <= MOST_FIELD_BYTES) pieces?.push(bytes);
    else if (pieces !== null) this.#refuse('bad_path', 'The path is too long.');
    else this.#refuse('malformed', 'A field is too long.');
  }

  #end(): void {
    if (this.#part.kind === 'file') this.#files.finish();
    else if (this.#part.pieces !== null)
      this.#takePath(Buffer.concat(this.#part.pieces).toString());
  }

  #takePath(path: string): void {
    if (this.#path !== null && this.#path !== path) {
      this.#refuse('malformed', 'The body names two paths.');
      return;
    }
    this.#path = path;
    if (this.#queryPath !== null && !isSamePath(this.#queryPath, path)) {
      const detail = 'The query and the form name different paths.';
      this.#files.refuse(refusedAt(['query', 'path'], detail));
      return;
    }
    this.#files.run(async () => {
      const refusal = await this.#checkPlace(path);
      if (refusal !== null) this.#files.refuse(refusal);
    });
  }
}

/** Callers may send a leading slash (contract 1). */
/** A slash at either end says nothing. */
function isSamePath(one: string, other: string): boolean {
  const bare = (path: string): string => path.replace(/^\/|\/$/g, '');
  return bare(one) === bare(other);
}

function tooMany(): string {
  return `Send at most ${MOST_FILES} files and ${MOST_FIELDS} fields at once.`;
}
