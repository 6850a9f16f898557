import type { LocateOutcome } from '../lib/files/files.ts';
import { callerOf, callOf, responseOf, withAnswer } from '../lib/guard/call.ts';
import { troubleAnswer } from '../lib/guard/fault-answers.ts';
import { type FileMessage, requestOf } from '../lib/guard/guarded.ts';
import type { Rooms } from '../lib/rooms/rooms.ts';

/**
 * Brings a missing file from the NAS to the caller and into the cache in one pass. Ends the
 * request; only a refusal goes on.
 */
export async function fetchFile(rooms: Rooms, message: FileMessage): Promise<unknown> {
  const { cache, nas } = rooms;
  const wanted = await wantedFile(rooms, message);
  if (wanted.kind !== 'located') {
    return withAnswer(message, troubleAnswer(wanted, nas.presence.state));
  }
  const [request, response] = [requestOf(message), responseOf(message)];
  const looked = cache.lookup(wanted.file, request);
  if (looked.kind !== 'miss') {
    const served = await cache.serve(looked.ticket, request, response);
    if (served.kind === 'answered') return noteRead(rooms, message, wanted.file.path);
  }
  const outcome = await cache.fetch(callerOf(message), wanted.file, request, response);
  if (outcome.kind === 'answered') return noteRead(rooms, message, wanted.file.path);
  return withAnswer(message, troubleAnswer(outcome, nas.presence.state));
}

function noteRead({ prefetch }: Rooms, message: FileMessage, path: string): null {
  const { auto } = callOf(message);
  prefetch.read({ caller: callerOf(message), path, auto, fromHere: false });
  return null;
}

type Wanted = Exclude<LocateOutcome, { kind: 'queued' }>;

/** The file as it is now: what was looked up while the NAS slept is looked up again. */
async function wantedFile({ files }: Rooms, message: FileMessage): Promise<Wanted> {
  const { file } = message;
  if (file?.kind !== 'missing' && file?.kind !== 'delivered') {
    throw new Error('No file is missing in this message; wire fetch behind look up.');
  }
  if (file.kind === 'missing' && file.file.known === 'fresh') {
    return { kind: 'located', file: file.file };
  }
  const path = file.kind === 'missing' ? (file.file.shownPath ?? file.file.path) : file.path;
  const found = await files.locatePath(callerOf(message), path, { auto: callOf(message).auto });
  return found.kind === 'queued' ? { kind: 'not_found' } : found;
}
