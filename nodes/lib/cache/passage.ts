import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import type { FileVersion } from '../files/files.ts';
import type { ByteRange } from '../http/http.ts';
import type { NasRange } from '../nas/nas-client.ts';
import { likelyRange, planAnswer, type AnswerPlan, type FileHead } from './answer-plan.ts';
import { faultOf, isOfVersion, standsStill, type Origin, type OriginFault } from './origin.ts';
import type { Outlet } from './outlet.ts';
import { respond, sendStream } from './respond.ts';

/** How an answer went, once its head was sent; or why there was none to send. */
export type Answered =
  { readonly kind: 'answered'; readonly plan: AnswerPlan; readonly whole: boolean } | OriginFault;

type Stretch =
  | {
      readonly kind: 'stretch';
      readonly body: Readable;
      readonly etag: string | null;
      readonly mimeType: string | null;
    }
  | OriginFault;

/**
 * Serves straight from the NAS, past the cache: what is too large to keep, and a range far ahead
 * of what is there. The first stream is opened before the head is sent, so that a refusal can still
 * be told.
 * @param headOf makes the head from what the NAS said
 */
export async function servePast(
  request: IncomingMessage,
  response: ServerResponse,
  origin: Origin,
  version: FileVersion,
  headOf: (etag: string | null, mimeType: string | null) => FileHead,
): Promise<Answered> {
  const likely = firstStretch(request, version.sizeBytes);
  const first = likely === null ? null : await openStretch(origin, likely, version, null);
  if (first !== null && first.kind !== 'stretch') return first;
  const head = headOf(first?.etag ?? null, first?.mimeType ?? null);
  const plan = planAnswer(request, head);
  let opened = first?.body ?? null;
  try {
    const whole = await respond(request, response, plan, {
      send: async (outlet, range) => {
        const isThere = opened !== null && likely !== null && isSame(range, likely);
        const body = isThere ? opened : null;
        opened = isThere ? null : opened;
        const etag = first?.etag ?? null;
        if (body === null) return sendFromOrigin(outlet, origin, range, version, etag);
        return sendStream(outlet, body, lengthOf(range), () => stands(origin, version, etag));
      },
    });
    return { kind: 'answered', plan, whole };
  } finally {
    opened?.destroy();
  }
}

/** Sends one stretch by an own request to the NAS. */
export async function sendFromOrigin(
  outlet: Outlet,
  origin: Origin,
  range: ByteRange,
  version: FileVersion,
  etag: string | null,
): Promise<boolean> {
  const opened = await openStretch(origin, range, version, etag);
  if (opened.kind !== 'stretch') return false;
  const mayEnd = (): Promise<boolean> => stands(origin, version, etag ?? opened.etag);
  return sendStream(outlet, opened.body, lengthOf(range), mayEnd);
}

/** Whether what was read is of one version, as far as the NAS can still be asked. */
async function stands(origin: Origin, version: FileVersion, etag: string | null): Promise<boolean> {
  const head = { etag, mimeType: null };
  return (await standsStill(origin, version, head)) !== 'changed';
}

/** The stretch to open before anything is decided; null for an empty file, which has none. */
function firstStretch(request: IncomingMessage, sizeBytes: number): ByteRange | null {
  if (sizeBytes === 0) return null;
  // The NAS knows no HEAD (405, measured); one byte tells the same.
  if (request.method === 'HEAD') return { first: 0, last: 0 };
  return likelyRange(request, sizeBytes) ?? { first: 0, last: sizeBytes - 1 };
}

async function openStretch(
  origin: Origin,
  range: ByteRange,
  version: FileVersion,
  etag: string | null,
): Promise<Stretch> {
  const isWhole = range.first === 0 && range.last === version.sizeBytes - 1;
  const answer = await origin.open(isWhole ? undefined : nasRange(range, etag));
  if (answer.kind !== 'stream') return faultOf(answer);
  const { body } = answer;
  body.on('error', () => undefined);
  const head = etag === null ? null : { etag, mimeType: null };
  if (!isOfVersion(answer, version, head) || answer.lengthBytes !== lengthOf(range)) {
    body.destroy();
    return { kind: 'changed' };
  }
  return { kind: 'stretch', body, etag: answer.etag, mimeType: answer.contentType };
}

function nasRange(range: ByteRange, etag: string | null): NasRange {
  const stretch = { firstByte: range.first, lastByte: range.last };
  return etag === null ? stretch : { ...stretch, ifRange: etag };
}

function lengthOf(range: ByteRange): number {
  return range.last - range.first + 1;
}

function isSame(a: ByteRange, b: ByteRange): boolean {
  return a.first === b.first && a.last === b.last;
}
