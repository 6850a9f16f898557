import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setImmediate } from 'node:timers/promises';
import { answerTo, type FileListQuery } from '../lib/api/api.ts';
import {
  type Listing,
  listingHeaders,
  type ListOutcome,
  type LocateOutcome,
  type PageQuery,
  readCursor,
  wireListing,
} from '../lib/files/files.ts';
import {
  type ApiMessage,
  asleepAnswer,
  callerOf,
  callOf,
  type FileMessage,
  nasRefusal,
  requestOf,
  responseOf,
  troubleAnswer,
  withAnswer,
} from '../lib/guard/guard.ts';
import {
  type Answer,
  answerNow,
  codingFor,
  isoSeconds,
  packed,
  plainAnswer,
  refuse,
  TextAnswer,
} from '../lib/http/http.ts';
import { MOST_TEXT_BYTES } from '../lib/kept/kept.ts';
import { failureOfStatus, isCannotAsk, type NasExchange, readNasJson } from '../lib/nas/nas.ts';
import type { Given } from '../lib/operations/operations.ts';
import type { Services } from '../lib/services/services.ts';

/**
 * Brings a missing file from the NAS to the caller and into the cache in one pass. Ends the
 * request; only a refusal goes on.
 */
export async function fetchFile(services: Services, message: FileMessage): Promise<unknown> {
  const { cache, nas } = services;
  const wanted = await wantedFile(services, message);
  if (wanted.kind !== 'located') {
    return withAnswer(message, troubleAnswer(wanted, nas.presence.state));
  }
  const [request, response] = [requestOf(message), responseOf(message)];
  const looked = cache.kept.lookup(wanted.file, request);
  if (looked.kind !== 'miss') {
    const served = await cache.kept.serve(looked.ticket, { request, response });
    if (served.kind === 'answered') return noteRead(services, message, wanted.file.path);
  }
  const outcome = await cache.fetch(callerOf(message), wanted.file, request, response);
  if (outcome.kind === 'answered') return noteRead(services, message, wanted.file.path);
  return withAnswer(message, troubleAnswer(outcome, nas.presence.state));
}

function noteRead({ prefetch }: Services, message: FileMessage, path: string): null {
  const { auto } = callOf(message);
  prefetch.read({ caller: callerOf(message), path, auto, fromHere: false });
  return null;
}

type Wanted = Exclude<LocateOutcome, { kind: 'queued' }>;

/** The file as it is now: what was looked up while the NAS slept is looked up again. */
async function wantedFile({ files }: Services, message: FileMessage): Promise<Wanted> {
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

/** A larger folder is sent in chunks, bypassing Node-RED, which would hold all of it. */
const MOST_AT_ONCE = 1_000;
/** Entries per chunk. */
const PAGE_ITEMS = 125;

/** `GET /api/files/list`. */
export async function listFolder(
  services: Services,
  message: ApiMessage,
): Promise<ApiMessage | null> {
  const { files, nas, prefetch } = services;
  const { query, auto, literalPath } = callOf(message);
  const { path, ...asked } = query as FileListQuery;
  const page = pageQuery(asked);
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
    await sendInChunks(services, message, listing);
    return null;
  }
  return atOnce(services, message, page === undefined ? unpaged(listing) : listing);
}

const BAD_CURSOR = {
  loc: ['query', 'cursor'],
  msg: 'wanted the next_cursor of the page before, together with limit',
};

function pageQuery({ limit, cursor }: Omit<FileListQuery, 'path'>) {
  if (limit === undefined) return cursor === undefined ? undefined : 'bad_cursor';
  const after = cursor === undefined ? null : readCursor(cursor);
  return cursor !== undefined && after === null ? 'bad_cursor' : { limit, after };
}

function unpaged(listing: Listing): Listing {
  const { page, ...rest } = listing;
  return page === undefined ? listing : rest;
}

async function atOnce(
  { cache }: Services,
  message: ApiMessage,
  listing: Listing,
): Promise<ApiMessage> {
  const wire = wireListing(listing, (kept) => cache.isKept(kept));
  const headers = listingHeaders(listing);
  const coding = codingFor(message.req?.headers ?? {});
  const bytes = coding === null ? null : await packed(JSON.stringify(wire), coding);
  if (bytes === null || coding === null)
    return withAnswer(message, answerTo('files-list', wire, 200, headers));
  return withAnswer(
    message,
    plainAnswer(bytes, 200, { ...headers, ...packedHeaders(message, coding) }),
  );
}

function packedHeaders(message: ApiMessage, coding: string): Record<string, string> {
  const vary = [message.res?._res.getHeader('Vary'), 'Accept-Encoding'].filter(Boolean).join(', ');
  return { ...JSON_TYPE, 'Content-Encoding': coding, Vary: vary };
}

const JSON_TYPE = { 'Content-Type': 'application/json; charset=utf-8' };

/**
 * The same answer as for a small folder, in chunks, so that nobody waits for it. What cannot be
 * finished is cut: half a listing would read as deletions.
 */
async function sendInChunks(
  services: Services,
  message: ApiMessage,
  begin: Listing,
): Promise<void> {
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
    for await (const text of chunks(services, message, begin)) {
      isGoingOn &&= await out.write(text);
      if (!isGoingOn) return;
    }
  } catch (error) {
    out.cut();
    throw error;
  }
  if (await out.write(']}')) out.end();
}

async function* chunks(
  services: Services,
  message: ApiMessage,
  begin: Listing,
): AsyncGenerator<string> {
  const { files, cache } = services;
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
    const page: PageQuery = { limit: PAGE_ITEMS, after: end };
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

const USUAL_COUNT = 10;
const MOST_COUNT = 1_000;

/** From the user's kept listings: it asks the NAS nothing and wakes nobody. */
export async function largestFiles(
  { files }: Services,
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
  const largest = {
    files: found.files.map((file) => ({
      path: file.path,
      size: file.sizeBytes,
      modified_at: isoSeconds(file.modifiedAtMs),
    })),
    unlisted_folders: found.unlistedFolders,
  };
  return withAnswer(message, plainAnswer(largest));
}

type Response = Extract<NasExchange, { readonly kind: 'response' }>;

/** A desktop's first list holds every file it knows; the NAS compares them all before it answers. */
const COMPARING_MS = 120_000;
/** How much of a question is compared with the previous one; its length is compared too. */
const BEGIN_BYTES = 1024 * 1024;
/** When a desktop is told to ask again where nothing could be kept for it. */
const TURN_SECONDS = 60;

/**
 * `POST /api/sync/changes`, streamed in both directions. The NAS answers with paths a desktop
 * should delete because it does not know them, but compares its own storage paths with
 * folder-relative ones (measured), so these are the family's files: `to_delete` is always emptied.
 * Nobody may ask while an upload of theirs is on its way; checked before the question and again
 * before the answer is sent.
 *
 * A desktop asks every 30 s for each of its folders, and the NAS counts each question against its
 * sleep: a repeated question waits for its turn, and meanwhile gets the last answer with its age.
 */
export async function syncChanges(
  services: Services,
  message: ApiMessage,
): Promise<ApiMessage | null> {
  const [request, response] = [requestOf(message), responseOf(message)];
  const caller = callerOf(message);
  const say = (given: Answer): ApiMessage | null => {
    if (request.complete) return withAnswer(message, given);
    // The rest of the refused body is still arriving, which the reply node does not know.
    answerNow(request, response, given);
    return null;
  };
  const no = refusalFor(services, caller.user.id);
  if (no !== null) return say(no);
  const token = caller.nasToken ?? (await services.credentials.credentialFor(caller.user.id));
  if (token === null) return say(refuse('refresh_token_now'));
  const question = await readQuestion(request);
  if (question === null) return null;
  const key = services.kept.deltas.keyOf(caller.user.id, question.begin, question.lengthBytes);
  if (!services.kept.mayAskForDelta(key)) {
    services.files.followers.asked(caller, false);
    return say(await keptDelta(services, key));
  }
  const exchange = await ask(services, message, token, question.body);
  if (exchange.kind === 'failed') return say(asleepAnswer(services.nas.presence.state));
  const isRefused = failureOfStatus(exchange.status)?.kind === 'token_refused';
  if (isRefused) await services.credentials.refused(token);
  const late = refusalFor(services, caller.user.id) ?? (await refusalOf(services, exchange));
  if (late === null) {
    await passOn(exchange, response, services, (text) => {
      services.files.followers.asked(caller, services.kept.deltas.keep(key, text));
    });
    return null;
  }
  exchange.body.destroy();
  return say(late);
}

async function ask(
  { nas }: Services,
  message: ApiMessage,
  token: string,
  body: Question['body'],
): Promise<NasExchange> {
  return await nas.client.relay({
    method: 'POST',
    path: '/api/sync/changes',
    headers: {
      Authorization: `Bearer ${token}`,
      Accept: 'application/json',
      'Content-Type': requestOf(message).headers['content-type'] ?? 'application/json',
      'X-Sync-Trigger': 'auto',
    },
    body,
    firstByteMs: COMPARING_MS,
    signal: callOf(message).signal,
  });
}

interface Question {
  readonly begin: Buffer;
  /** Null where it is not told. */
  readonly lengthBytes: number | null;
  readonly body: Buffer | { readonly stream: Readable; readonly sizeBytes: number | null };
}

/** Reads the begin of the body, mostly all of it. Null when the caller is gone. */
async function readQuestion(request: IncomingMessage): Promise<Question | null> {
  const { 'content-length': length } = request.headers;
  const lengthBytes = length === undefined ? null : Number(length);
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  try {
    for await (const chunk of request.iterator({ destroyOnReturn: false })) {
      chunks.push(chunk as Buffer);
      sizeBytes += (chunk as Buffer).length;
      if (sizeBytes >= BEGIN_BYTES) break;
    }
  } catch (error) {
    if (request.destroyed || request.errored !== null) return null;
    throw error;
  }
  const begin = Buffer.concat(chunks);
  if (sizeBytes < BEGIN_BYTES) return { begin, lengthBytes: sizeBytes, body: begin };
  const rest = async function* (): AsyncGenerator<Buffer> {
    yield begin;
    // An answer may come before all of it was read; the connection stays for it.
    for await (const chunk of request.iterator({ destroyOnReturn: false })) yield chunk as Buffer;
  };
  return { begin, lengthBytes, body: { stream: Readable.from(rest()), sizeBytes: lengthBytes } };
}

async function keptDelta({ kept }: Services, key: string): Promise<Answer> {
  const found = await kept.deltas.find(key);
  if (found === null || found.text === null) {
    return refuse('nas_left_alone', { retryAfterSeconds: TURN_SECONDS });
  }
  return plainAnswer(JSON.parse(found.text), 200, { Age: String(found.ageSeconds) });
}

function refusalFor({ nas, upload }: Services, userId: number): Answer | null {
  if (!nas.presence.state.awake) return asleepAnswer(nas.presence.state);
  return upload.hasUnfinished(userId) ? refuse('uploads_waiting') : null;
}

/** The NAS's no, and what the apps could not read, put into the contract's words. */
async function refusalOf(services: Services, exchange: Response): Promise<Answer | null> {
  const { nas, clock } = services;
  const { status, headers } = exchange;
  const failure = failureOfStatus(status);
  if (failure?.kind === 'throttled') return refuse('nas_busy', { retryAfterSeconds: 60 });
  if (failure?.kind === 'unavailable') return asleepAnswer(nas.presence.state);
  const isJson = /^application\/json\b/i.test(headers['content-type'] ?? '');
  if (!isJson || isCannotAsk(failure)) return refuse('nas_bad_answer');
  if (failure === null) return null;
  const told = await readNasJson(exchange, clock);
  if (told.kind !== 'answer') return refuse('nas_bad_answer');
  return nasRefusal(status, told.body, 'bad_token');
}

/** @param told gets the answer right before its end is sent; null where it was too long */
async function passOn(
  exchange: Response,
  response: ServerResponse,
  { upload }: Services,
  told: (text: string | null) => void,
): Promise<void> {
  const { status, headers, body } = exchange;
  response.writeHead(status, { 'Content-Type': headers['content-type'] ?? 'application/json' });
  try {
    await pipeline(body, upload.withoutDeletes(), tap(told), response);
  } catch (error) {
    // Cut on both sides: the caller sees a broken answer, never a short one that looks whole.
    if (!response.destroyed) response.destroy();
    if (!(error instanceof Error)) throw error;
  }
}

/** Passes everything on, and reports at its end what it was. */
function tap(told: (text: string | null) => void): Transform {
  let chunks: Buffer[] = [];
  let sizeBytes = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, next) {
      sizeBytes += chunk.length;
      if (sizeBytes <= MOST_TEXT_BYTES) chunks.push(chunk);
      else chunks = [];
      next(null, chunk);
    },
    flush(next) {
      told(sizeBytes <= MOST_TEXT_BYTES ? Buffer.concat(chunks).toString() : null);
      next();
    },
  });
}
