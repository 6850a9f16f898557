import type { ByteRange } from '../../http/http.ts';
import type { Download } from '../download/download.ts';
import type { OpenSegment, Reader } from '../download/ranges.ts';
import type { Layout } from '../entries/segment-rows.ts';
import {
  type Availability,
  type BufferPool,
  type ByteSource,
  type ResponseWriter,
  sendSource,
  type SendOutcome,
} from './byte-source.ts';
import type { PartSource } from './respond.ts';

/**
 * A file whose wanted segments are all kept. A segment lost meanwhile cuts the reader off.
 * @param open opens a segment; null where it is gone
 */
export function keptSource(
  open: (number: number) => Promise<OpenSegment | null>,
  layout: Layout,
  pool: BufferPool,
): PartSource {
  return {
    send: async (writer, range) => {
      let position = range.first;
      while (position <= range.last) {
        const segment = await open(layout.at(position));
        if (segment === null) return false;
        const stretch = { first: position, last: Math.min(range.last, segment.end - 1) };
        const outcome = await sendSegment(writer, segment, wholeSegment(segment), stretch, pool);
        if (outcome.kind !== 'sent') return false;
        position = segment.end;
      }
      return true;
    },
  };
}

/** What follows a download into a response. */
interface FollowDeps {
  readonly pool: BufferPool;
  /** A kept segment was read. */
  readonly used: (segmentId: number) => void;
  /** Sends a stretch from the NAS, where the disk takes no more. */
  readonly past: (writer: ResponseWriter, rest: ByteRange) => Promise<boolean>;
}

/**
 * A file that is being fetched. The last byte of each stretch waits until the NAS has shown that
 * all of it is of one version, so that torn bytes never end cleanly.
 */
export function partialSource(download: Download, reader: Reader, deps: FollowDeps): PartSource {
  return {
    send: async (writer, range) => {
      const { first, last } = range;
      reader.position = first;
      reader.last = last;
      const isKept = download.here.isKept(first, last);
      const freeLast = isKept ? last : last - 1;
      let outcome = await follow(writer, download, reader, { first, last: freeLast }, deps);
      if (outcome.kind === 'sent' && !isKept) {
        writer.whenClosed(() => {
          download.here.ranges.cancel(reader);
        });
        if (!writer.isOpen || !(await download.mayEnd(reader, last))) return false;
        outcome = await follow(writer, download, reader, { first: last, last }, deps);
      }
      if (outcome.kind !== 'unstored') return outcome.kind === 'sent';
      return deps.past(writer, { first: outcome.position, last });
    },
  };
}

async function follow(
  writer: ResponseWriter,
  download: Download,
  reader: Reader,
  range: ByteRange,
  { pool, used }: FollowDeps,
): Promise<SendOutcome> {
  let position = range.first;
  while (position <= range.last) {
    reader.position = position;
    writer.whenClosed(() => {
      download.here.ranges.cancel(reader);
    });
    if (!writer.isOpen) return { kind: 'cut' };
    const segment = await download.open(reader, position);
    if (segment === 'cut') return { kind: 'cut' };
    if (segment === 'unstored') return { kind: 'unstored', position };
    if (segment.id !== null) used(segment.id);
    const stretch = { first: position, last: Math.min(range.last, segment.end - 1) };
    const source =
      segment.id === null ? partialSegment(download, reader, segment) : wholeSegment(segment);
    const outcome = await sendSegment(writer, segment, source, stretch, pool);
    if (outcome.kind !== 'sent') return outcome;
    position = stretch.last + 1;
  }
  return { kind: 'sent' };
}

/** Sends part of a segment and closes it. @param stretch in positions of the file, as the outcome */
async function sendSegment(
  writer: ResponseWriter,
  segment: OpenSegment,
  source: ByteSource,
  stretch: ByteRange,
  pool: BufferPool,
): Promise<SendOutcome> {
  try {
    const within = { first: stretch.first - segment.start, last: stretch.last - segment.start };
    const outcome = await sendSource(writer, source, within, pool);
    if (outcome.kind !== 'unstored') return outcome;
    return { ...outcome, position: outcome.position + segment.start };
  } finally {
    await segment.close();
  }
}

function wholeSegment(segment: OpenSegment): ByteSource {
  return {
    fd: segment.fd,
    ...(segment.read === undefined ? {} : { read: segment.read }),
    available: () => ({ kind: 'upto', bytes: segment.end - segment.start }),
    cancel: () => undefined,
  };
}

/** A partial segment, in its own positions. */
function partialSegment(download: Download, reader: Reader, segment: OpenSegment): ByteSource {
  const upto = (position: number): Availability => ({
    kind: 'upto',
    bytes: Math.min(download.here.ranges.present.endFrom(position), segment.end) - segment.start,
  });
  return {
    fd: segment.fd,
    available: (within) => {
      const position = within + segment.start;
      reader.position = position;
      const arrival = download.whenThere(reader, position);
      if (arrival === 'there') return upto(position);
      return Promise.resolve(arrival).then((how) =>
        how === 'there' ? upto(position) : { kind: how },
      );
    },
    cancel: () => {
      download.here.ranges.cancel(reader);
    },
  };
}
