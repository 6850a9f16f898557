import type { Node, NodeAPI, NodeDef, NodeMessage } from 'node-red';
import type { WakeEnd } from '../../packages/node-red-contrib-balupi-wol/lib/wake.ts';
import { answerTo } from '../lib/api/api.ts';
import {
  type ApiMessage,
  asleepAnswer,
  callOf,
  type Declared,
  NodeGuard,
  type NodeStatus,
  operationOf,
  operationsOf,
  withAnswer,
} from '../lib/guard/guard.ts';
import { isoSeconds, refuse } from '../lib/http/http.ts';
import type { WakeCause } from '../lib/nas/nas.ts';
import { FieldReader, type StoredNode, type Words } from '../lib/operations/operations.ts';
import { type Services, servicesBehind } from '../lib/services/services.ts';

interface WolConfig extends NodeDef, StoredNode {
  readonly op: string;
  readonly nas: string;
}

/** Who sent it; what carries no request comes from a flow. */
function senderOf({ req }: ApiMessage): WakeCause['by'] {
  return req?.call?.caller?.user ?? null;
}

type Began = ReturnType<Services['nas']['wake']['wake']>;

/** The services, and a callback for how a requested wake began. */
interface Waking extends Services {
  readonly follow: (outcome: Began) => void;
}

/** Answers at once; how it ends follows, and is in `GET /api/nas/status`. */
function wake({ nas, bootTimeoutSeconds, follow }: Waking, message: ApiMessage): ApiMessage {
  const before = nas.status();
  const outcome = nas.wake.wake({ kind: 'call', by: senderOf(message) });
  follow(outcome);
  if (outcome.kind === 'no_mac') return withAnswer(message, refuse('no_mac'));
  if (outcome.kind === 'already_awake') return withAnswer(message, refuse('already_awake'));
  const payload = {
    success: true,
    mac_address: nas.macAddress ?? '',
    wol_sent: outcome.packetSent,
    nas_previous_state: before.sleepState,
    estimated_boot_time_s: bootTimeoutSeconds,
  };
  return withAnswer(message, answerTo('nas-wol', payload));
}

/** The same, in the words of the NAS's own `POST /api/system/sleep/wake`. */
function wakeForApp({ nas, follow }: Waking, message: ApiMessage): ApiMessage {
  const outcome = nas.wake.wake({ kind: 'call', by: senderOf(message) });
  follow(outcome);
  if (outcome.kind === 'no_mac') return withAnswer(message, refuse('no_mac'));
  if (outcome.kind === 'already_awake') {
    return withAnswer(
      message,
      refuse('already_awake', { detail: 'Cannot wake from current state' }),
    );
  }
  const told = outcome.kind === 'joined' ? 'The NAS is waking already.' : 'The NAS is being woken.';
  return withAnswer(message, answerTo('system-sleep-wake', { success: true, message: told }));
}

async function hold(services: Services, message: ApiMessage): Promise<unknown> {
  const call = callOf(message);
  const held = await holdForWake(services, {
    by: senderOf(message),
    auto: call.auto,
    signal: call.signal,
  });
  if (held.kind === 'awake') return [message, null];
  const given = asleepAnswer(services.nas.presence.state, held.retryAfterSeconds);
  return [null, withAnswer(message, given)];
}

/** For a flow that needs the NAS: passes the message at output 1 once it is awake. */
async function wakeAndWait(services: Services, message: ApiMessage): Promise<unknown> {
  const held = await holdForWake(services, {
    ...{ by: senderOf(message), auto: false },
    signal: callOf(message).signal,
  });
  return held.kind === 'awake' ? [message, null] : [null, message];
}

/** How a wake ended, at the second or the third output: nobody's request, so it answers nobody. */
function ending({ nas }: Services, ended: WakeEnd): readonly (object | null)[] {
  const { attempts, startedAtMs } = nas.wake.status;
  const startedAt = startedAtMs === null ? null : isoSeconds(startedAtMs);
  const message = {
    topic: 'wake',
    payload: { state: ended, attempts, started_at: startedAt },
  };
  return ended === 'awake' ? [null, message, null] : [null, null, message];
}

/** The state of the NAS now, whatever came of the last wake. */
function statusOf({ nas }: Services): NodeStatus {
  if (nas.presence.state.awake) return { fill: 'green', shape: 'dot', words: 'wol.status.awake' };
  const { state } = nas.wake.status;
  if (state === 'waking') return { fill: 'blue', shape: 'dot', words: 'wol.status.waking' };
  if (state === 'failed') return { fill: 'yellow', shape: 'dot', words: 'wol.status.failed' };
  return { fill: 'grey', shape: 'ring', words: 'wol.status.asleep' };
}

const WAKE_OUTCOMES: readonly Words[] = [
  { en: 'the answer, at once', de: 'die Antwort, sofort' },
  { en: 'woken', de: 'geweckt' },
  { en: 'did not wake', de: 'nicht aufgewacht' },
];

/** What this node can do, and every word about it: dialog, help and locales are made of it. */
export const DECLARATION = {
  key: 'wol',
  type: 'balupi-wol',
  color: '#f7c8da',
  config: 'nas',
  title: { en: 'wol', de: 'NAS wecken' },
  about: { en: 'Wakes the NAS.', de: 'Weckt das NAS.' },
  operations: {
    wake: {
      words: { en: 'wake the NAS', de: 'NAS wecken' },
      for: 'flow',
      serves: ['nas-wol'],
      outputs: WAKE_OUTCOMES,
      run: (waking, message) => [wake(waking, message), null, null],
    },
    hold: {
      words: { en: 'wake once and hold the reader', de: 'einmal wecken und Leser halten' },
      for: 'flow',
      serves: ['files-download', 'files-download-query'],
      outputs: [
        { en: 'awake', de: 'wach' },
        { en: 'still asleep', de: 'schläft noch' },
      ],
      run: hold,
      forFlows: { run: wakeAndWait, owner: 'pi' },
    },
    'wake-app': {
      words: { en: 'wake, answered as the NAS does', de: 'wecken, Antwort wie vom NAS' },
      for: 'balupi',
      serves: ['system-sleep-wake'],
      outputs: WAKE_OUTCOMES,
      run: (waking, message) => [wakeForApp(waking, message), null, null],
    },
  },
  status: {
    awake: { en: 'awake', de: 'wach' },
    waking: { en: 'waking', de: 'wird geweckt' },
    failed: { en: 'did not wake', de: 'nicht aufgewacht' },
    asleep: { en: 'asleep', de: 'schläft' },
  },
  gives: [
    {
      name: 'payload',
      type: 'object',
      en: '`success`, `wol_sent`, `nas_previous_state`, `estimated_boot_time_s`; at outputs 2 and 3 `state`, `attempts` and `started_at` of the wake',
      de: '`success`, `wol_sent`, `nas_previous_state`, `estimated_boot_time_s`; an den Ausgängen 2 und 3 `state`, `attempts` und `started_at` des Weckens',
    },
    {
      name: 'code',
      type: 'string',
      en: 'at a Catch node: `already_awake` or `no_mac`',
      de: 'an einem Catch-Knoten: `already_awake` oder `no_mac`',
    },
  ],
  details: {
    en: `{{wake}} answers at once, at output 1, and goes on looking every second until the NAS answers or its time is over. How it ended leaves at output 2 (*woken*) or 3 (*did not wake*), as a message of its own that answers nobody, and is in \`GET /api/nas/status\`. At most one burst of packets in 30 s.

{{wake-app}} is the same in the words of BaluHost's \`POST /api/system/sleep/wake\`.

{{hold}} is for a file that is not kept: one wake for all who wait. Output 1 when the NAS is awake, output 2 with a 503 when it did not come in time. In a flow without a request the message goes on at 1 or at 2 as it came.

{{wake}} works in any flow, as the Pi itself: the outcome is in \`payload\`, and a refusal (\`already_awake\`, \`no_mac\`) goes to a Catch node with \`msg.code\`.`,
    de: `{{wake}} antwortet sofort, an Ausgang 1, und sieht dann jede Sekunde nach, bis das NAS antwortet oder die Zeit um ist. Wie es ausging, kommt an Ausgang 2 (*geweckt*) oder 3 (*nicht aufgewacht*) heraus, als eigene Nachricht, die niemandem antwortet, und steht in \`GET /api/nas/status\`. Höchstens ein Schwung Pakete in 30 s.

{{wake-app}} ist dasselbe in den Worten von BaluHosts \`POST /api/system/sleep/wake\`.

{{hold}} ist für eine Datei, die nicht vorliegt: ein Wecken für alle, die warten. Ausgang 1, wenn das NAS wach ist, Ausgang 2 mit 503, wenn es nicht rechtzeitig kam. In einem Flow ohne Anfrage geht die Nachricht an 1 oder 2 weiter, wie sie kam.

{{wake}} geht in jedem Flow, als der Pi selbst: das Ergebnis steht in \`payload\`, und eine Ablehnung (\`already_awake\`, \`no_mac\`) geht mit \`msg.code\` an einen Catch-Knoten.`,
  },
} as const satisfies Declared<Waking>;

const OPERATIONS = operationsOf<Waking>(DECLARATION);

/** Node `balupi-wol`. */
export default function register(RED: NodeAPI): void {
  function Wol(this: Node, config: WolConfig): void {
    RED.nodes.createNode(this, config);
    const services = (): Services => servicesBehind(RED.nodes.getNode(config.nas));
    const fields = new FieldReader(RED, this, DECLARATION, config);
    const guard = new NodeGuard(this, () => statusOf(services()));
    let isClosed = false;
    this.on('close', () => {
      isClosed = true;
    });
    const tell = guard.callback((services: Services, ended: WakeEnd) => {
      if (!isClosed) this.send(ending(services, ended) as NodeMessage[]);
    });
    const waking = (given: Services): Waking => {
      const follow = (outcome: Began): void => {
        if ('done' in outcome)
          void outcome.done.then((ended) => {
            tell(given, ended);
          });
      };
      return Object.create(given, { follow: { value: follow } }) as Waking;
    };
    guard.onInput((message) =>
      operationOf(OPERATIONS, config.op, '', fields)(waking(services()), message),
    );
    guard.follow((again) => {
      const { nas } = services();
      const stops = [nas.presence.onChange(again), nas.onNews(again)];
      return () => {
        for (const stop of stops) stop();
      };
    });
  }
  RED.nodes.registerType('balupi-wol', Wol);
}

type Held =
  | { readonly kind: 'awake' }
  | { readonly kind: 'asleep'; readonly retryAfterSeconds: number };

/** `Retry-After` for a refused reader while a wake runs: it may be done by then. */
const WAKING_RETRY_SECONDS = 15;
/** … and when nothing is going to wake the NAS. */
const ASLEEP_RETRY_SECONDS = 300;

/**
 * Wakes the NAS for a reader of a file that is not kept, once for all who wait, and holds the
 * reader while it boots (contract 3: wake on miss).
 */
async function holdForWake(
  { nas, missRule, clock }: Pick<Services, 'nas' | 'missRule' | 'clock'>,
  caller: { readonly by: WakeCause['by']; readonly auto: boolean; readonly signal: AbortSignal },
): Promise<Held> {
  if (nas.presence.state.awake) return { kind: 'awake' };
  if (!missRule.wakeOnMiss || caller.auto) {
    return { kind: 'asleep', retryAfterSeconds: ASLEEP_RETRY_SECONDS };
  }
  const outcome = nas.wake.wakeForMiss({ kind: 'read', by: caller.by });
  if (outcome.kind === 'already_awake') return { kind: 'awake' };
  if (outcome.kind === 'no_mac') {
    return { kind: 'asleep', retryAfterSeconds: ASLEEP_RETRY_SECONDS };
  }
  if (outcome.kind === 'held_back') {
    return { kind: 'asleep', retryAfterSeconds: Math.ceil(outcome.retryAfterMs / 1_000) };
  }
  const over = new AbortController();
  const gone = AbortSignal.any([over.signal, caller.signal]);
  const tooLong = clock.sleep(missRule.holdMs, gone).then(
    () => 'held' as const,
    () => 'gone' as const,
  );
  const ended = await Promise.race([outcome.done, tooLong]);
  over.abort();
  if (ended === 'awake') return { kind: 'awake' };
  return { kind: 'asleep', retryAfterSeconds: WAKING_RETRY_SECONDS };
}
