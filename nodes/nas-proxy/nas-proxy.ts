import type { IncomingMessage, ServerResponse } from 'node:http';
import { PassThrough, type Readable } from 'node:stream';
import type { Node, NodeAPI, NodeDef } from 'node-red';
import { PASSED } from '../lib/api/api.ts';
import {
  type ApiMessage,
  callerOf,
  callOf,
  type Declared,
  nasRefusal,
  NodeGuard,
  type NodeStatus,
  operationOf,
  operationsOf,
  requestOf,
  responseOf,
  troubleAnswer,
  withAnswer,
  wordlessRefusal,
} from '../lib/guard/guard.ts';
import { type Answer, answerNow, giveBack, hasBody, refuse } from '../lib/http/http.ts';
import { FieldReader, type StoredNode } from '../lib/operations/operations.ts';
import type { PassedAnswer, PassOutcome } from '../lib/pass/pass.ts';
import { type Services, servicesBehind } from '../lib/services/services.ts';
import { fetchFile, largestFiles, listFolder, syncChanges } from './file-operations.ts';
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
} from './sign-in-operations.ts';

interface NasProxyConfig extends NodeDef, StoredNode {
  readonly op: string;
  /** Username of whom to act as for what carries no request. */
  readonly as?: string;
  readonly nas: string;
}

/**
 * Streams a request to the NAS and its answer back. Ends the request; only refusals and other
 * modules' answers continue.
 */
async function pass(services: Services, message: ApiMessage): Promise<ApiMessage | null> {
  const [request, response] = [requestOf(message), responseOf(message)];
  const { passed, auto, signal } = callOf(message);
  if (passed === undefined) throw new Error('Wire this node behind the addresses of the NAS.');
  const { method = 'GET', headers } = request;
  const outcome = await services.pass.pass({
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
  const given = answerFor(outcome, services);
  if (request.complete) return withAnswer(message, given);
  // The rest of the refused body is still arriving, which the reply node does not know.
  answerNow(request, response, given);
  return null;
}

function answerFor(
  outcome: Exclude<PassOutcome, PassedAnswer | { kind: 'gone' }>,
  { nas }: Services,
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

/** What cannot be finished is cut: a partial answer must not look like a whole one. */
async function sendOn(passed: PassedAnswer, response: ServerResponse): Promise<void> {
  const { status, headers, lengthBytes, first, rest } = passed;
  // A reset connection is told by 'close' as well.
  response.on('error', () => undefined);
  const length = lengthBytes === null ? {} : { 'content-length': String(lengthBytes) };
  response.writeHead(status, { ...headers, ...length });
  // Answers the NAS sends slowly, over minutes, start now.
  response.flushHeaders();
  for (const block of first) response.write(block);
  if (rest === null) {
    response.end();
    return;
  }
  await pour(rest, response);
}

/**
 * Block by block as they arrived: iterating over the stream would merge some, and the originals
 * would wait for the collector (40 MB of 200, measured).
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
 * A request's body for another owner: destroying it leaves the request alone, which may still be
 * answered.
 */
function bodyOf(request: IncomingMessage, response: ServerResponse): Readable {
  if (request.headers.expect?.toLowerCase() === '100-continue') response.writeContinue();
  const body = new PassThrough();
  // Its reader gets the error; without a reader it does not matter.
  body.on('error', () => undefined);
  request.once('close', () => {
    if (!request.readableEnded) body.destroy(new Error('The caller went away.'));
  });
  request.pipe(body);
  return body;
}

/** What this node can do, and every word about it: dialog, help and locales are made of it. */
export const DECLARATION = {
  key: 'nas-proxy',
  type: 'balupi-nas-proxy',
  color: '#c9b6e4',
  config: 'nas',
  title: { en: 'nas proxy', de: 'NAS' },
  about: { en: 'Speaks to the NAS for a caller.', de: 'Spricht für einen Aufrufer mit dem NAS.' },
  operations: {
    status: {
      words: { en: 'what is known of the NAS', de: 'was vom NAS bekannt ist' },
      for: 'flow',
      serves: ['nas-status'],
      run: status,
    },
    list: {
      words: { en: 'list a folder', de: 'Ordner auflisten' },
      for: 'flow',
      serves: ['files-list'],
      takes: { wake: { kind: 'flag' } },
      run: listFolder,
    },
    largest: {
      words: { en: 'largest files', de: 'größte Dateien' },
      for: 'flow',
      serves: ['files-list'],
      leaves: ['limit', 'cursor'],
      takes: { count: { kind: 'number' } },
      // In a flow, or behind a custom route: it is no endpoint of the API.
      run: largestFiles,
    },
    'handshake-status': {
      words: { en: 'handshake status', de: 'Stand des Handschlags' },
      for: 'flow',
      serves: ['handshake-status'],
      run: handshakeStatus,
    },
    'handshake-snapshot': {
      words: { en: 'last snapshot', de: 'letzte Momentaufnahme' },
      for: 'flow',
      serves: ['handshake-snapshot'],
      run: handshakeSnapshot,
    },
    fetch: {
      words: { en: 'fetch and keep', de: 'holen und behalten' },
      for: 'balupi',
      serves: ['files-download', 'files-download-query'],
      outputs: [{ en: 'refused', de: 'abgelehnt' }],
      run: fetchFile,
    },
    login: {
      words: { en: 'sign in', de: 'anmelden' },
      for: 'balupi',
      serves: ['auth-login'],
      run: login,
    },
    'verify-2fa': {
      words: { en: 'second factor', de: 'zweiter Faktor' },
      for: 'balupi',
      serves: ['auth-verify-2fa'],
      run: verifyTwoFactor,
    },
    refresh: {
      words: { en: 'fresh token', de: 'Token erneuern' },
      for: 'balupi',
      serves: ['auth-refresh'],
      run: refresh,
    },
    me: {
      words: { en: 'who am I', de: 'wer bin ich' },
      for: 'balupi',
      serves: ['auth-me'],
      run: me,
    },
    logout: {
      words: { en: 'sign out', de: 'abmelden' },
      for: 'balupi',
      serves: ['auth-logout'],
      run: logout,
    },
    'pair-phone': {
      words: { en: 'pair a phone', de: 'Telefon koppeln' },
      for: 'balupi',
      serves: ['mobile-register'],
      run: registerPhone,
    },
    'pair-code': {
      words: { en: 'begin to pair a desktop', de: 'Desktop koppeln beginnen' },
      for: 'balupi',
      serves: ['desktop-pairing-code'],
      run: deviceCode,
    },
    'pair-poll': {
      words: { en: 'was the desktop let in?', de: 'Desktop eingelassen?' },
      for: 'balupi',
      serves: ['desktop-pairing-poll'],
      run: poll,
    },
    desktops: {
      words: { en: 'paired desktops', de: 'gekoppelte Desktops' },
      for: 'balupi',
      serves: ['auth-desktops'],
      run: desktops,
    },
    'desktops-end': {
      words: { en: 'end a paired desktop', de: 'gekoppelten Desktop beenden' },
      for: 'balupi',
      serves: ['auth-desktops-end'],
      run: endDesktop,
    },
    people: {
      words: { en: 'who is known here', de: 'wer hier bekannt ist' },
      for: 'balupi',
      serves: ['people'],
      run: people,
    },
    'people-end': {
      words: { en: 'end a sign-in', de: 'Anmeldung beenden' },
      for: 'balupi',
      serves: ['people-sign-in-end'],
      run: endSignIn,
    },
    probe: {
      words: { en: 'probe when due', de: 'nachsehen, wenn fällig' },
      for: 'balupi',
      outputs: [
        { en: 'awake', de: 'wach' },
        { en: 'asleep', de: 'schläft' },
        { en: 'no answer', de: 'keine Antwort' },
      ],
      run: probe,
    },
    credentials: {
      words: { en: 'stored credentials', de: 'hinterlegte Zugänge' },
      for: 'balupi',
      serves: ['nas-credentials'],
      run: credentials,
    },
    'credentials-put': {
      words: { en: 'store a key', de: 'Schlüssel hinterlegen' },
      for: 'balupi',
      serves: ['nas-credentials-put'],
      takes: { wake: { kind: 'flag' } },
      run: putCredential,
    },
    'credentials-drop': {
      words: { en: 'forget credentials', de: 'Zugänge vergessen' },
      for: 'balupi',
      serves: ['nas-credentials-drop'],
      run: dropCredentials,
    },
    'sync-changes': {
      words: { en: "a desktop's delta", de: 'Abgleich eines Desktops' },
      for: 'balupi',
      serves: ['sync-changes'],
      outputs: [{ en: 'refused', de: 'abgelehnt' }],
      run: syncChanges,
    },
    pass: {
      words: { en: 'pass to the NAS', de: 'ans NAS weiterreichen' },
      for: 'balupi',
      outputs: [{ en: 'refused', de: 'abgelehnt' }],
      run: pass,
      endpoints: [PASSED],
    },
    goodbye: {
      words: { en: 'the NAS goes', de: 'das NAS geht' },
      for: 'balupi',
      serves: ['handshake-goodbye'],
      run: goodbye,
    },
    hello: {
      words: { en: 'the NAS comes', de: 'das NAS kommt' },
      for: 'balupi',
      serves: ['handshake-hello'],
      run: hello,
    },
  },
  status: {
    awake: { en: 'awake', de: 'wach' },
    waking: { en: 'waking up', de: 'wacht auf' },
    soft_sleep: { en: 'soft sleep', de: 'leichter Schlaf' },
    true_suspend: { en: 'suspended', de: 'im Tiefschlaf' },
    entering_soft_sleep: { en: 'falling asleep', de: 'schläft ein' },
    entering_suspend: { en: 'falling asleep', de: 'schläft ein' },
    going_offline: { en: 'said goodbye', de: 'verabschiedet' },
    unreachable: { en: 'does not answer', de: 'antwortet nicht' },
    unknown: { en: 'not asked yet', de: 'noch nicht gefragt' },
    nas_mismatch: { en: 'another machine', de: 'anderes Gerät' },
    nas_tls: { en: 'other certificate', de: 'anderes Zertifikat' },
  },
  gives: [
    {
      name: 'payload',
      type: 'object, array',
      en: 'the outcome, as the API gives it; of {{largest}} `files` (`path`, `size`, `modified_at`) and `unlisted_folders`',
      de: 'das Ergebnis, wie die API es gibt; von {{largest}} `files` (`path`, `size`, `modified_at`) und `unlisted_folders`',
    },
  ],
  details: {
    en: `{{list}} asks the NAS while it is awake and answers from the last listing while it sleeps.

{{largest}} looks through the folders that its user listed through the Pi, below \`msg.path\` or all of them. It asks the NAS nothing; \`payload.unlisted_folders\` says how many it knows nothing of.

{{fetch}} starts or joins the one stream that brings a file from the NAS, and sends it to the caller as it comes. It ends the request; only a refusal goes on, with the answer in the message.

{{login}}, {{verify-2fa}}, {{refresh}}, {{me}} and {{logout}} answer as the NAS does, and for it while it sleeps.

{{pair-phone}}, {{pair-code}} and {{pair-poll}} are open to all and the NAS's own answers; by its 200 the Pi knows user, tokens and device, so that they are let in while it sleeps.

{{desktops}} shows those that go on with tokens of the Pi, as the NAS refuses theirs; {{desktops-end}} takes that from one.

{{status}} answers from memory and needs no caller.

{{probe}} looks whether the NAS is awake in a way that never wakes it, once it is time (\`BALUPI_NAS_PROBE_INTERVAL_SECONDS\`), and then sends what \`GET /api/nas/status\` says at one of three outputs: 1 *awake*; 2 *asleep*, it answers and sleeps; 3 *no answer*. A message before that time is taken and nothing comes of it.

{{credentials}} shows what lets the Pi act for users later, never the secrets; {{credentials-put}} has the NAS check the key while it is awake; {{credentials-drop}} also takes the Pi off the user's devices.

{{sync-changes}} passes a desktop's list on to the NAS, but not while uploads of that user are on their way: the NAS would have the desktop delete those files. It ends the request.

{{pass}} hands on what BaluPi does not answer itself, and the answer back, both as they stream, with the caller's own token and only while the NAS is awake. It ends the request; only a refusal goes on, with the answer in the message.

{{goodbye}} and {{hello}} take the NAS’s own signed words: it counts as asleep at once, or is looked for each second until it answers. {{handshake-status}} and {{handshake-snapshot}} show what it said last.`,
    de: `{{list}} fragt das NAS, solange es wach ist, und antwortet sonst aus der letzten Auflistung.

{{largest}} sieht die Ordner durch, die ihr Benutzer über den Pi aufgelistet hat, unterhalb von \`msg.path\` oder alle. Es fragt das NAS nichts; \`payload.unlisted_folders\` sagt, von wie vielen es nichts weiß.

{{fetch}} beginnt den einen Strom, der eine Datei vom NAS bringt, oder schließt sich ihm an, und sendet sie dem Aufrufer, während sie eintrifft. Damit endet die Anfrage; nur eine Ablehnung geht weiter, mit der Antwort in der Nachricht.

{{login}}, {{verify-2fa}}, {{refresh}}, {{me}} und {{logout}} antworten wie das NAS und an seiner Stelle, während es schläft.

{{pair-phone}}, {{pair-code}} und {{pair-poll}} stehen allen offen und sind die Antworten des NAS selbst; aus seiner 200 kennt der Pi Benutzer, Tokens und Gerät, so dass sie auch eingelassen werden, während es schläft.

{{desktops}} zeigt, welche mit Tokens des Pi weiterleben, weil das NAS die ihren ablehnt; {{desktops-end}} nimmt einem das.

{{status}} antwortet aus dem Gedächtnis und braucht keinen Aufrufer.

{{probe}} prüft, ob das NAS wach ist, ohne es je zu wecken, sobald es Zeit ist (\`BALUPI_NAS_PROBE_INTERVAL_SECONDS\`), und sendet dann, was \`GET /api/nas/status\` sagt, an einem von drei Ausgängen: 1 *wach*; 2 *schläft*, es antwortet und schläft; 3 *keine Antwort*. Eine Nachricht vor dieser Zeit bewirkt nichts.

{{credentials}} zeigt, womit der Pi später für Benutzer handeln kann, nie die Geheimnisse; {{credentials-put}} prüft den Schlüssel beim NAS, solange es wach ist; {{credentials-drop}} nimmt den Pi auch aus der Geräteliste.

{{sync-changes}} reicht die Liste eines Desktops an das NAS weiter, aber nicht, solange Uploads dieses Benutzers unterwegs sind: das NAS ließe den Desktop diese Dateien löschen. Damit endet die Anfrage.

{{pass}} gibt weiter, was BaluPi nicht selbst beantwortet, und die Antwort zurück, beides als Strom, mit dem eigenen Token des Aufrufers und nur, solange das NAS wach ist. Damit endet die Anfrage; nur eine Ablehnung geht weiter, mit der Antwort in der Nachricht.

{{goodbye}} und {{hello}} nehmen die signierten Worte des NAS entgegen: es gilt sofort als schlafend, oder es wird jede Sekunde gesucht, bis es antwortet. {{handshake-status}} und {{handshake-snapshot}} zeigen, was es zuletzt gesagt hat.`,
  },
} as const satisfies Declared<Services>;

const OPERATIONS = operationsOf<Services>(DECLARATION);

/** What the NAS or the presence calls it; another word of the NAS's is shown as it is. */
const SLEEP_WORDS: ReadonlySet<string> = new Set([
  ...['awake', 'waking', 'soft_sleep', 'true_suspend', 'entering_soft_sleep'],
  ...['entering_suspend', 'going_offline', 'unreachable', 'unknown', 'nas_mismatch', 'nas_tls'],
]);

function statusOf({ nas }: Services): NodeStatus {
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
    const services = (): Services => servicesBehind(RED.nodes.getNode(config.nas));
    const fields = new FieldReader(RED, this, DECLARATION, config);
    const guard = new NodeGuard(this, () => statusOf(services()));
    guard.onInput((message) =>
      operationOf(OPERATIONS, config.op, config.as, fields)(services(), message),
    );
    guard.follow((again) => services().nas.presence.onChange(again));
  }
  RED.nodes.registerType('balupi-nas-proxy', NasProxy);
}
