import busboy from 'busboy';
import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { refused, type Refused } from './admission.ts';
import { BodyFiles, FILES_AT_ONCE, type BodyFilesParts, type ReceivedFile } from './body-files.ts';
import { readFilename } from './target.ts';

/** No request may open more of anything than this. */
const LIMITS = {
  fields: 10,
  fieldSize: 8 * 1024,
  fieldNameSize: 100,
  files: 200,
  parts: 211,
  headerPairs: 50,
};

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
  /** Says no to a `path` field as soon as it is read. */
  readonly checkPlace: (path: string) => Promise<Refused | null>;
}

/**
 * Receives one multipart body. The body is fed to the parser chunk by chunk, each only when the one
 * before it is used up and no more than a few finished files wait for the disk: so memory and open
 * files stay bounded whatever comes. The first fault ends it, and then nothing of it is left on the
 * disk. The request itself is left paused, for the answer to be given on it.
 */
export class MultipartIntake {
  readonly #checkPlace: (path: string) => Promise<Refused | null>;
  readonly #files: BodyFiles;
  #path: string | null = null;
  #wake: () => void = () => undefined;

  constructor(parts: MultipartIntakeParts) {
    this.#checkPlace = parts.checkPlace;
    this.#files = new BodyFiles(parts, () => {
      this.#wake();
    });
  }

  /** @throws what neither the caller nor the disk is to blame for */
  async receive(request: IncomingMessage): Promise<Received> {
    const files = this.#files;
    const parser = this.#openParser(request);
    if (parser !== null) {
      await this.#feed(request, parser);
      if (files.end === null) await this.#finish(parser);
      if (files.end !== null) parser.destroy();
    }
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

  #openParser(request: IncomingMessage): busboy.Busboy | null {
    let parser: busboy.Busboy;
    try {
      parser = busboy({
        headers: request.headers,
        defParamCharset: 'utf8',
        preservePath: true,
        limits: LIMITS,
      });
    } catch (error) {
      this.#malformed(error);
      return null;
    }
    parser.on('file', (name, stream, info) => {
      this.#onFile(name, stream, info.filename);
    });
    parser.on('field', (name, value, info) => {
      this.#onField(name, value, info.valueTruncated);
    });
    parser.on('error', (error) => {
      this.#malformed(error);
    });
    const tooMany = (): void => {
      const detail = `Send at most ${LIMITS.files} files and ${LIMITS.fields} fields at once.`;
      this.#files.refuse(refused('invalid', detail));
    };
    parser.on('filesLimit', tooMany);
    parser.on('fieldsLimit', tooMany);
    parser.on('partsLimit', tooMany);
    return parser;
  }

  #malformed(error: unknown): void {
    const reason = error instanceof Error ? error.message : 'it has no known form';
    const detail = `The multipart body cannot be read: ${reason}.`;
    this.#files.refuse(refused('malformed', detail));
  }

  async #feed(request: IncomingMessage, parser: busboy.Busboy): Promise<void> {
    const files = this.#files;
    try {
      // Leaving the loop must not destroy the request: its answer still has to go out on it.
      for await (const chunk of request.iterator({ destroyOnReturn: false })) {
        await this.#untilWoken((done) => {
          parser.write(chunk, done);
        });
        while (files.end === null && files.unfinished > FILES_AT_ONCE + 1) await this.#untilWoken();
        if (files.end !== null) return;
      }
      if (!request.complete) files.refuse({ kind: 'gone' });
    } catch (error) {
      files.refuse(request.complete ? { kind: 'surprise', error } : { kind: 'gone' });
    }
  }

  async #finish(parser: busboy.Busboy): Promise<void> {
    await this.#untilWoken((done) => {
      parser.once('close', done);
      parser.end();
    });
  }

  /** Runs `start`, then waits for its callback or for the end; without one, for any change. */
  async #untilWoken(start?: (done: () => void) => void): Promise<void> {
    if (this.#files.end !== null) return;
    await new Promise<void>((resolve) => {
      let finished = start === undefined;
      this.#wake = () => {
        if (finished || this.#files.end !== null) resolve();
      };
      start?.(() => {
        finished = true;
        this.#wake();
      });
      if (this.#files.end !== null) resolve();
    });
  }

  #onField(name: string | undefined, value: string, truncated: boolean): void {
    if ((name ?? '').length > LIMITS.fieldNameSize) {
      this.#files.refuse(refused('malformed', 'A field has too long a name.'));
    }
    if (name !== 'path' || this.#files.end !== null) return;
    if (truncated) {
      this.#files.refuse(refused('bad_path', 'The path is too long.'));
      return;
    }
    this.#path = value;
    this.#files.run(async () => {
      const refusal = await this.#checkPlace(value);
      if (refusal !== null) this.#files.refuse(refusal);
    });
  }

  #onFile(name: string | undefined, stream: Readable, rawFilename: string | undefined): void {
    // The parser ends its streams with an error when it is destroyed; the end is known by then.
    stream.on('error', () => {
      this.#wake();
    });
    const filename = this.#filenameOf(name, rawFilename);
    if (filename === null) stream.resume();
    else this.#files.add(filename, stream);
  }

  #filenameOf(name: string | undefined, rawFilename: string | undefined): string | null {
    if (this.#files.end !== null) return null;
    if (name !== 'file' && name !== 'files') {
      this.#files.refuse(refused('invalid', 'Send each file as a part named file or files.'));
      return null;
    }
    const read = readFilename(rawFilename);
    if (read.kind === 'filename') return read.filename;
    this.#files.refuse(refused('bad_path', read.reason));
    return null;
  }
}
