import type { Readable } from 'node:stream';
import type { FileVersion } from '../files/files.ts';
import type { NasRange } from '../nas/nas-client.ts';
import type { FillOpened } from './fill-ports.ts';
import { faultOf, isOfVersion, type FillHead, type Origin } from './origin.ts';

/** How a run ended. */
export type RunEnd =
  /** It brought all it was to bring, or was told to stop. */
  | 'done'
  /** The NAS ended it before. */
  | 'cut'
  /** The disk took no more. */
  | 'unstored';

/** Takes what a run brings; false where the disk takes no more. Never rejects. */
export type RunSink = (position: number, chunk: Buffer) => Promise<boolean>;

/**
 * A run's position must not lag far behind what lies on the disk: who waits for the byte after that
 * would think it far away and begin another stream.
 */
const PART_BYTES = 128 * 1024;

/** One stream from the NAS over a stretch of a file that is missing here. */
export class PieceRun {
  readonly opened: Promise<FillOpened>;
  readonly #sizeBytes: number;
  #position: number;
  #end: number;
  #body: Readable | null = null;
  #isStopped = false;

  /**
   * @param end the position after the last byte to be fetched
   * @param head what the NAS said of this version before, which it must say again
   */
  constructor(
    origin: Origin,
    version: FileVersion,
    start: number,
    end: number,
    head: FillHead | null,
  ) {
    this.#sizeBytes = version.sizeBytes;
    this.#position = start;
    this.#end = end;
    this.opened = this.#open(origin, version, head);
  }

  /** The next byte it brings. */
  get position(): number {
    return this.#position;
  }

  /** The position after the last byte it brings. */
  get end(): number {
    return this.#end;
  }

  /** It need not come further than this: somebody else brings the rest. */
  endAt(position: number): void {
    this.#end = Math.min(this.#end, position);
  }

  stop(): void {
    this.#isStopped = true;
    this.#body?.destroy();
  }

  /** Hands over what comes, to its end. Only once `opened` said `open`. */
  async pump(sink: RunSink): Promise<RunEnd> {
    try {
      for await (const chunk of this.#body as AsyncIterable<Buffer>) {
        for (const part of partsOf(chunk)) {
          const wanted = part.subarray(0, Math.max(0, this.#end - this.#position));
          if (wanted.length > 0 && !(await sink(this.#position, wanted))) return 'unstored';
          this.#position += wanted.length;
          if (this.#isOver) return 'done';
        }
      }
    } catch {
      // The NAS went away, or stop() let it go.
      return this.#isOver ? 'done' : 'cut';
    } finally {
      this.#body?.destroy();
    }
    return this.#isOver ? 'done' : 'cut';
  }

  get #isOver(): boolean {
    return this.#isStopped || this.#position >= this.#end;
  }

  async #open(origin: Origin, version: FileVersion, head: FillHead | null): Promise<FillOpened> {
    const [start, end] = [this.#position, this.#end];
    const answer = await origin.open(this.#rangeOf(start, end, head));
    if (answer.kind !== 'stream') return faultOf(answer);
    const { body } = answer;
    // Whoever stops the run destroys the stream; that it was cut short is told where it is read.
    body.on('error', () => undefined);
    const isAsked = answer.lengthBytes === end - start && isOfVersion(answer, version, head);
    if (!isAsked || this.#isStopped) {
      body.destroy();
      return isAsked ? { kind: 'unreachable' } : { kind: 'changed' };
    }
    this.#body = body;
    return { kind: 'open', head: { etag: answer.etag, mimeType: answer.contentType } };
  }

  #rangeOf(start: number, end: number, head: FillHead | null): NasRange | undefined {
    if (start === 0 && end === this.#sizeBytes) return undefined;
    const range = { firstByte: start, lastByte: end - 1 };
    const etag = head?.etag ?? null;
    return etag === null ? range : { ...range, ifRange: etag };
  }
}

function* partsOf(chunk: Buffer): Generator<Buffer> {
  if (chunk.length <= PART_BYTES) yield chunk;
  else
    for (let at = 0; at < chunk.length; at += PART_BYTES) yield chunk.subarray(at, at + PART_BYTES);
}
