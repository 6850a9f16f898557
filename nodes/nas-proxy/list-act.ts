import { setImmediate } from 'node:timers/promises';
import type { FileListQuery } from '../lib/api/api.ts';
import {
  type Listing,
  listingHeaders,
  type ListOutcome,
  type PageWish,
  readCursor,
  wireListing,
} from '../lib/files/files.ts';
import { type ApiMessage, callerOf, callOf, responseOf, withAnswer } from '../lib/guard/call.ts';
import { troubleAnswer } from '../lib/guard/fault-answers.ts';
import { answer, codingFor, packed, refuse, TextAnswer } from '../lib/http/http.ts';
import type { Rooms } from '../lib/rooms/rooms.ts';

/** A folder of more entries goes out in pieces, past Node-RED, which would hold all of it. */
const MOST_AT_ONCE = 1_000;
/** Entries of one piece. */
const PIECE_ITEMS = 125;

/** `GET /api/files/list`. */
export async function listFolder(rooms: Rooms, message: ApiMessage): Promise<ApiMessage | null> {
  const { files, nas, prefetch } = rooms;
  const { query, auto, literalPath } = callOf(message);
  const { path, ...asked } = query as FileListQuery;
  const page = pageWish(asked);
  if (page === 'bad_cursor')
    return withAnswer(message, refuse('invalid', { errors: [BAD_CURSOR] }));
  const first = page ?? { limit: MOST_AT_ONCE, after: null };
  const listed = await files.list(callerOf(message), path, { auto, page: first, literalPath });
  if (listed.kind !== 'listing') {
    return withAnswer(message, troubleAnswer(listed, nas.presence.state));
  }
  const { listing } = listed;
  const fromHere = listing.source === 'stored';
  prefetch.listed({ caller: callerOf(message), path: listing.path, auto, fromHere });
  if (page === undefined && listing.page !== undefined && listing.page.end !== null) {
    await sendInPieces(rooms, message, listing);
    return null;
  }
  return atOnce(rooms, message, page === undefined ? unpaged(listing) : listing);
}

const BAD_CURSOR = {
  loc: ['query', 'cursor'],
  msg: 'wanted the next_cursor of the page before, together with limit',
};

function pageWish({ limit, cursor }: Omit<FileListQuery, 'path'>) {
  if (limit === undefined) return cursor === undefined ? undefined : 'bad_cursor';
  const after = cursor === undefined ? null : readCursor(cursor);
  return cursor !== undefined && after === null ? 'bad_cursor' : { limit, after };
}

function unpaged(listing: Listing): Listing {
  const { page, ...rest } = listing;
  return page === undefined ? listing : rest;
}

async function atOnce(
  { cache }: Rooms,
  message: ApiMessage,
  listing: Listing,
): Promise<ApiMessage> {
  const wire = wireListing(listing, (kept) => cache.isKept(kept));
  const headers = listingHeaders(listing);
  const coding = codingFor(message.req?.headers ?? {});
  const bytes = coding === null ? null : await packed(JSON.stringify(wire), coding);
  if (bytes === null || coding === null) return withAnswer(message, answer(wire, 200, headers));
  return withAnswer(message, answer(bytes, 200, { ...headers, ...packedHeaders(message, coding) }));
}

function packedHeaders(message: ApiMessage, coding: string): Record<string, string> {
  const vary = [message.res?._res.getHeader('Vary'), 'Accept-Encoding'].filter(Boolean).join(', ');
  return { ...JSON_TYPE, 'Content-Encoding': coding, Vary: vary };
}

const JSON_TYPE = { 'Content-Type': 'application/json; charset=utf-8' };

/**
 * The same answer as a small folder's, a piece at a time, so that nobody waits for it. What cannot
 * be finished is cut: half a listing would read as deletions.
 */
async function sendInPieces(rooms: Rooms, message: ApiMessage, begin: Listing): Promise<void> {
  const response = responseOf(message);
  const coding = codingFor(message.req?.headers ?? {});
  const packing = coding === null ? JSON_TYPE : packedHeaders(message, coding);
  const out = new TextAnswer(response, { ...listingHeaders(begin), ...packing }, coding);
  if (message.req?.method === 'HEAD') {
    out.end();
    return;
  }
  let isGoingOn = await out.write(`{"path":${JSON.stringify(begin.path)},"files":[`);
  try {
    for await (const text of pieces(rooms, message, begin)) {
      isGoingOn &&= await out.write(text);
      if (!isGoingOn) return;
    }
  } catch (error) {
    out.cut();
    throw error;
  }
  if (await out.write(']}')) out.end();
}

async function* pieces(rooms: Rooms, message: ApiMessage, begin: Listing): AsyncGenerator<string> {
  const { files, cache } = rooms;
  const [caller, { auto }] = [callerOf(message), callOf(message)];
  let divider = '';
  let listing = begin;
  for (;;) {
    const entries = wireListing(listing, (kept) => cache.isKept(kept)).files;
    const texts = entries.map((entry) => JSON.stringify(entry));
    if (texts.length > 0) {
      yield divider + texts.join(',');
      divider = ',';
    }
    const end = listing.page?.end ?? null;
    if (end === null) return;
    await setImmediate();
    const page: PageWish = { limit: PIECE_ITEMS, after: end };
    const next = await files.list(caller, begin.path, { auto, page });
    listing = goesOn(next, begin);
  }
}

/** @throws Error where the folder is not what it was */
function goesOn(next: ListOutcome, begin: Listing): Listing {
  if (next.kind === 'listing' && next.listing.page?.isListed === begin.page?.isListed) {
    return next.listing;
  }
  throw new Error(`A listing ended in the middle: ${next.kind}.`);
}
