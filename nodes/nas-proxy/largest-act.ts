import type { FileListQuery } from '../lib/api/api.ts';
import { type ApiMessage, callerOf, callOf, withAnswer } from '../lib/guard/call.ts';
import { answer, isoSeconds, refuse } from '../lib/http/http.ts';
import type { Given } from '../lib/operations/operations.ts';
import type { Rooms } from '../lib/rooms/rooms.ts';

const USUAL_COUNT = 10;
const MOST_COUNT = 1_000;

/** From what is kept of its user's folders: it asks the NAS nothing and wakes nobody. */
export async function largestFiles(
  { files }: Rooms,
  message: ApiMessage,
  { count: asked }: Given,
): Promise<ApiMessage> {
  const { path = '' } = callOf(message).query as Partial<FileListQuery>;
  const folder = path.replace(/^\/+|\/+$/g, '');
  const wanted = Math.floor(Number(asked ?? USUAL_COUNT));
  const count = wanted >= 1 ? Math.min(wanted, MOST_COUNT) : USUAL_COUNT;
  const found = await files.largest(callerOf(message).user, folder, count);
  if (found === null) {
    const detail = 'This folder was never listed through the Pi by this user.';
    return withAnswer(message, refuse('not_found', { detail }));
  }
  const payload = {
    files: found.files.map((file) => ({
      path: file.path,
      size: file.sizeBytes,
      modified_at: isoSeconds(file.modifiedAtMs),
    })),
    unlisted_folders: found.unlistedFolders,
  };
  return withAnswer(message, answer(payload));
}
