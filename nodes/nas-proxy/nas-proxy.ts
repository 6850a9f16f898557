import type { IncomingMessage, ServerResponse } from 'node:http';
import { PassThrough, type Readable } from 'node:stream';
import type { Node, NodeAPI, NodeDef } from 'node-red';
import { PASSED } from '../lib/api/api.ts';
import { actOf, actsOf } from '../lib/guard/acts.ts';
import { type ApiMessage, callerOf, callOf, responseOf, withAnswer } from '../lib/guard/call.ts';
import { nasRefusal, troubleAnswer, wordlessRefusal } from '../lib/guard/fault-answers.ts';
import { NodeGuard, type NodeStatus, requestOf } from '../lib/guard/guarded.ts';
import { type Answer, answerNow, giveBack, hasBody, refuse } from '../lib/http/http.ts';
import { FieldReader, type StoredNode } from '../lib/operations/operations.ts';
import type { PassedAnswer, PassOutcome } from '../lib/pass/pass.ts';
import { type Rooms, roomsBehind } from '../lib/rooms/rooms.ts';
import { fetchFile, largestFiles, listFolder, syncChanges } from './file-acts.ts';
import { DECLARATION } from './operations.ts';
import {
  credentials,
  desktops,
  deviceCode,
  dropCredentials,
  endDesktop,
  endSignIn,
  goodbye,
  handshakeSnapshot,
  handshakeStatus,
  hello,
  login,
  logout,
  me,
  people,
  poll,
  probe,
  putCredential,
  refresh,
  register as registerPhone,
  status,
  verifyTwoFactor,
} from './sign-in-acts.ts';

interface NasProxyConfig extends NodeDef, StoredNode {
  readonly op: string;
  /** Username of whom to act as for what carries no request. */
  readonly as?: string;
  readonly nas: string;
}

/**
 * Passes a request on to the NAS and its answer back, both as they stream. Ends the request; only a
 * refusal, and what another room answers, goes on.
 */
async function pass(rooms: Rooms, message: ApiMessage): Promise<ApiMessage | null> {
  const [request, response] = [requestOf(message), responseOf(message)];
  const { passed, auto, signal } = callOf(message);
  if (passed === undefined) throw new Error('Wire this node behind the addresses of the NAS.');
  const { method = 'GET', headers } = request;
  const outcome = await rooms.pass.pass({
    ...{ method, address: passed, caller: callerOf(message), auto, headers, signal },
    openBody: hasBody(request) ? () => bodyOf(request, response) : null,
  });
  if (outcome.kind === 'gone') {
    response.destroy();
    return null;
  }
  if (outcome.kind === 'passed') {
    await sendOn(outcome, response);
    return null;
  }
  const given = answerFor(outcome, rooms);
  if (request.complete) return withAnswer(message, given);
  // The rest of the refused body still comes, which the reply node knows nothing of.
  answerNow(request, response, given);
  return null;
}

function answerFor(
  outcome: Exclude<PassOutcome, PassedAnswer | { kind: 'gone' }>,
  { nas }: Rooms,
): Answer {
  switch (outcome.kind) {
    case 'answer':
      return outcome.answer;
    case 'too_large': {
      const detail = `The body is larger than the ${outcome.maxBytes} bytes this address takes.`;
      return refuse('too_large', { detail });
    }
    case 'refused': {
      const { status, body } = outcome;
      const words =
        body === undefined ? wordlessRefusal(status) : nasRefusal(status, body, 'bad_token');
      return { ...words, headers: { ...outcome.headers, ...words.headers } };
    }
    case 'asleep':
    case 'needs_nas_token':
    case 'nas_bad_answer':
    case 'nas_busy':
      return troubleAnswer(outcome, nas.presence.state);
  }
}

/** What cannot be finished is cut: a short answer must not look like a whole one. */
async function sendOn(passed: PassedAnswer, response: ServerResponse): Promise<void> {
  const { status, headers, lengthBytes, first, rest } = passed;
  // A reset connection is told by 'close' as well.
  response.on('error', () => undefined);
  const length = lengthBytes === null ? {} : { 'content-length': String(lengthBytes) };
  response.writeHead(status, { ...headers, ...length });
  // What the NAS sends bit by bit, over minutes, begins now.
  response.flushHeaders();
  for (const block of first) response.write(block);
  if (rest === null) {
    response.end();
    return;
  }
  await pour(rest, response);
}

/**
 * Block by block as they came: a loop over the stream would be given some of them put together, and
 * what they were made of would wait for the collector (40 MB of 200, measured).
 */
async function pour(rest: Readable, response: ServerResponse): Promise<void> {
  const over = Promise.withResolvers<undefined>();
  const done = (): void => {
    over.resolve(undefined);
  };
  response.once('close', () => {
    rest.destroy();
    done();
  });
  rest.on('data', (block: Buffer) => {
    const isTaken = response.write(block, () => {
      giveBack(block);
    });
    if (!isTaken) rest.pause();
  });
  response.on('drain', () => rest.resume());
  rest.once('end', () => response.end(done));
  rest.once('error', () => {
    response.destroy();
    done();
  });
  if (response.destroyed) rest.destroy();
  await over.promise;
}

/**
 * The body of a request, to be given away: whoever destroys it leaves the request alone, which may
 * still get its answer.
 */
function bodyOf(request: IncomingMessage, response: ServerResponse): Readable {
  if (request.headers.expect?.toLowerCase() === '100-continue') response.writeContinue();
  const body = new PassThrough();
  // Whoever reads it hears of it; where nobody does any more, it is nobody's matter.
  body.on('error', () => undefined);
  request.once('close', () => {
    if (!request.readableEnded) body.destroy(new Error('The caller went away.'));
  });
  request.pipe(body);
  return body;
}

const ACTS = actsOf<typeof DECLARATION, Rooms>(DECLARATION, {
  list: listFolder,
  // In a flow, or behind an address of an owner's own: it is no endpoint of the API.
  largest: largestFiles,
  fetch: fetchFile,
  login,
  'verify-2fa': verifyTwoFactor,
  refresh,
  me,
  logout,
  'pair-phone': registerPhone,
  'pair-code': deviceCode,
  'pair-poll': poll,
  desktops,
  'desktops-end': endDesktop,
  people,
  'people-end': endSignIn,
  status,
  probe,
  credentials,
  'credentials-put': putCredential,
  'credentials-drop': dropCredentials,
  'sync-changes': syncChanges,
  pass: { run: pass, endpoints: [PASSED] },
  goodbye,
  hello,
  'handshake-status': handshakeStatus,
  'handshake-snapshot': handshakeSnapshot,
});

/** What the NAS or the presence calls it; another word of the NAS's is shown as it is. */
const SLEEP_WORDS: ReadonlySet<string> = new Set([
  ...['awake', 'waking', 'soft_sleep', 'true_suspend', 'entering_soft_sleep'],
  ...['entering_suspend', 'going_offline', 'unreachable', 'unknown', 'nas_mismatch', 'nas_tls'],
]);

function statusOf({ nas }: Rooms): NodeStatus {
  const { awake, reachable, sleepState } = nas.presence.state;
  const said = SLEEP_WORDS.has(sleepState)
    ? { words: `nas-proxy.status.${sleepState}` }
    : { text: sleepState };
  if (awake) return { fill: 'green', shape: 'dot', ...said };
  return { fill: reachable ? 'blue' : 'grey', shape: 'ring', ...said };
}

/** Node `balupi-nas-proxy`. */
export default function register(RED: NodeAPI): void {
  function NasProxy(this: Node, config: NasProxyConfig): void {
    RED.nodes.createNode(this, config);
    const rooms = (): Rooms => roomsBehind(RED.nodes.getNode(config.nas));
    const fields = new FieldReader({
      util: RED.util,
      node: this,
      declaration: DECLARATION,
      config,
    });
    const guard = new NodeGuard(this, () => statusOf(rooms()));
    guard.onInput((message) => actOf(ACTS, config.op, config.as, fields)(rooms(), message));
    guard.follow((again) => rooms().nas.presence.onChange(again));
  }
  RED.nodes.registerType('balupi-nas-proxy', NasProxy);
}
