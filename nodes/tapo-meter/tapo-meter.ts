import type { Node, NodeAPI, NodeDef } from 'node-red';
import {
  answerTo,
  type ForgottenPlug,
  type NewTapoDeviceBody,
  type TapoDevice as WireDevice,
  type TapoDeviceChangeBody,
  type TapoDiscovery,
  type TapoMergeBody,
  type TapoToggleAnswer,
  type TapoToggleBody,
} from '../lib/api/api.ts';
import {
  type ApiMessage,
  callerOf,
  callOf,
  type Declared,
  NodeGuard,
  operationOf,
  type Operations,
  operationsOf,
  withAnswer,
} from '../lib/guard/guard.ts';
import { type Answer, isoSeconds, refuse } from '../lib/http/http.ts';
import { FieldReader, type Given, type StoredNode, textIn } from '../lib/operations/operations.ts';
import { type Services, servicesBehind } from '../lib/services/services.ts';
import type {
  DeviceInput,
  PlugReading,
  PlugSample,
  SwitchedBy,
  TapoDevice,
} from '../../packages/node-red-contrib-balupi-tapo/lib/tapo/tapo.ts';

interface TapoConfig extends NodeDef, StoredNode {
  readonly op: string;
  readonly store: string;
}

/** Starts the reads that are due. Each result leaves the node when it arrives. */
async function sample({ tapo, schedule }: Services): Promise<void> {
  if (schedule.sampling.due()) await tapo.pollAll();
}

const BAD_ADDRESS =
  'A plug is added by an IPv4 address of the home network, and not that of the NAS; a port may follow.';

const NO_SUCCESSOR = {
  loc: ['body', 'into'],
  msg: 'into must be the id of another plug that is in the list',
};

const NOT_HANDED_OVER = {
  side_by_side:
    'Both plugs were metered at the same time for more than an hour, so neither succeeds the other.',
  successor_not_read: 'The successor was not read since the other plug was. Try again when it was.',
};

const NOT_ASKED =
  'The plug at this address has not asked for the old protocol, or has spoken a better one.';

function devices({ tapo }: Services, message: ApiMessage): ApiMessage {
  return withAnswer(
    message,
    answerTo('tapo-devices-list', tapo.list(callOf(message).language).map(wire)),
  );
}

async function discover({ tapo }: Services, message: ApiMessage): Promise<ApiMessage> {
  const found = await tapo.discover(callOf(message).language);
  const payload: TapoDiscovery = {
    discovered: found.discovered,
    new_devices: found.newDevices,
    devices: found.devices.map(wire),
  };
  return withAnswer(message, answerTo('tapo-devices-discover', payload));
}

async function add({ tapo }: Services, message: ApiMessage): Promise<ApiMessage> {
  const { body, language } = callOf(message);
  const { ip_address: address, ...rest } = body as NewTapoDeviceBody;
  const outcome = await tapo.add({ address, ...inputOf(rest) }, language);
  switch (outcome.kind) {
    case 'added':
      return withAnswer(message, answerTo('tapo-devices-add', wire(outcome.device), 201));
    case 'known':
      return withAnswer(message, answerTo('tapo-devices-add', wire(outcome.device)));
    case 'bad_address':
      return withAnswer(message, refuseAddress());
    case 'full':
      return withAnswer(message, refuse('conflict', { detail: 'BaluPi keeps up to 64 plugs.' }));
  }
}

function update({ tapo }: Services, message: ApiMessage): ApiMessage {
  const { body, params, language } = callOf(message);
  const {
    ip_address: address,
    confirm_old_protocol: confirmed,
    ...rest
  } = body as TapoDeviceChangeBody;
  const input = {
    ...inputOf(rest),
    ...(address === undefined ? {} : { address }),
    ...(confirmed === undefined ? {} : { confirmOldProtocol: confirmed }),
  };
  const outcome = tapo.update(params['id'] ?? '', input, language);
  switch (outcome.kind) {
    case 'updated':
      return withAnswer(message, answerTo('tapo-devices-change', wire(outcome.device)));
    case 'unknown_device':
      return withAnswer(message, refuse('not_found'));
    case 'bad_address':
      return withAnswer(message, refuseAddress());
    case 'old_protocol_not_asked':
      return withAnswer(message, refuse('conflict', { detail: NOT_ASKED }));
  }
}

function forgotten({ tapo }: Services, message: ApiMessage): ApiMessage {
  const payload: ForgottenPlug[] = tapo.forgotten().map((plug) => ({
    id: plug.id,
    name: plug.name,
    mac_address: plug.macAddress,
    model: plug.model,
    device_number: plug.deviceNumber,
    forgotten_at: isoSeconds(plug.forgottenMs),
  }));
  return withAnswer(message, answerTo('tapo-devices-forgotten', payload));
}

function remove({ tapo }: Services, message: ApiMessage): ApiMessage {
  const known = tapo.remove(callOf(message).params['id'] ?? '');
  return withAnswer(
    message,
    known ? answerTo('tapo-devices-delete', { message: 'Forgotten' }) : refuse('not_found'),
  );
}

/** The history first: an old plug that is still there can be merged again, a lost one cannot. */
function merge({ tapo, energy }: Services, message: ApiMessage): ApiMessage {
  const { body, params, language } = callOf(message);
  const { into } = body as TapoMergeBody;
  const old = [...tapo.list(language), ...tapo.forgotten()].find(({ id }) => id === params['id']);
  const successor = tapo.list(language).find(({ id }) => id === into);
  if (old === undefined) return withAnswer(message, refuse('not_found'));
  if (successor === undefined || successor.id === old.id) {
    return withAnswer(message, refuse('invalid', { errors: [NO_SUCCESSOR] }));
  }
  const by = callerOf(message).user.username;
  const { kind } = energy.metering.handOver(old.deviceNumber, successor.deviceNumber, by);
  if (kind !== 'handed_over') {
    return withAnswer(message, refuse('conflict', { detail: NOT_HANDED_OVER[kind] }));
  }
  tapo.devices.erase(old.id);
  return withAnswer(message, answerTo('tapo-devices-merge', wire(successor)));
}

/** A flow that acts as the Pi itself is nobody in particular. */
function switcher({ req }: ApiMessage): SwitchedBy {
  const caller = req?.call?.caller ?? null;
  const isPerson = caller !== null && caller.user.id !== 0;
  return isPerson ? { how: 'user', username: caller.user.username } : { how: 'flow' };
}

async function toggle({ tapo }: Services, message: ApiMessage): Promise<ApiMessage> {
  const { body, params, language } = callOf(message);
  const { force } = body as TapoToggleBody;
  const outcome = await tapo.toggle(params['id'] ?? '', { force, language, by: switcher(message) });
  switch (outcome.kind) {
    case 'switched': {
      const new_state = outcome.isOn ? 'on' : 'off';
      const payload: TapoToggleAnswer = { success: true, device_id: outcome.id, new_state };
      return withAnswer(message, answerTo('tapo-devices-toggle', payload));
    }
    case 'unknown_device':
      return withAnswer(message, refuse('not_found'));
    case 'guarded':
      return withAnswer(message, refuse('nas_plug_guard'));
    case 'failed':
      return withAnswer(message, refuse('plug_unreachable', { detail: outcome.hint }));
  }
}

function refuseAddress(): Answer {
  const errors = [{ loc: ['body', 'ip_address'], msg: BAD_ADDRESS }];
  return refuse('invalid', { detail: BAD_ADDRESS, errors });
}

/** Leaves out what was not given; an absent name changes nothing. */
function inputOf(body: Pick<TapoDeviceChangeBody, 'name' | 'role'>): DeviceInput {
  return {
    ...(body.name === undefined ? {} : { name: body.name }),
    ...(body.role === undefined ? {} : { role: body.role }),
  };
}

function wire(device: TapoDevice): WireDevice {
  return {
    id: device.id,
    name: device.name,
    ip_address: device.ipAddress,
    mac_address: device.macAddress,
    model: device.model,
    role: device.role,
    is_online: device.isOnline,
    is_on: device.isOn,
    firmware: device.firmware,
    last_seen: device.lastSeenMs === null ? null : isoSeconds(device.lastSeenMs),
    state: device.state,
    state_hint: device.stateHint,
    old_protocol: device.oldProtocol,
    device_number: device.deviceNumber,
  };
}

type PlugMessage = ApiMessage & { code?: string };

/**
 * Switches a plug.
 * @param to null: to the other side
 * @param given `device`, by id or name; `force` cuts the plug of a NAS that is not off
 * @throws Error in words for a Catch node, with the code in the message
 */
async function switchTo(
  to: 'on' | 'off' | null,
  { tapo }: Services,
  message: PlugMessage,
  given: Given,
): Promise<ApiMessage> {
  const plug = chosen(tapo.list(), message, given);
  const by = switcher(message);
  const outcome = await tapo.toggle(plug.id, {
    ...(to === null ? {} : { to }),
    force: given['force'] === true,
    by,
  });
  switch (outcome.kind) {
    case 'switched':
      message.payload = { device_id: outcome.id, name: plug.name, is_on: outcome.isOn };
      return message;
    case 'unknown_device':
      throw refused(message, 'not_found', `The plug ${plug.name} is no longer there.`);
    case 'guarded':
      throw refused(
        message,
        'nas_plug_guard',
        'This plug feeds the NAS, which is not off. It was left on.',
      );
    case 'failed':
      throw refused(message, 'plug_unreachable', outcome.hint);
  }
}

/**
 * Reads a plug, now.
 * @param given `device`, by id or name
 * @throws Error as {@link switchTo} does
 */
async function readNow(
  { tapo }: Services,
  message: PlugMessage,
  given: Given,
): Promise<ApiMessage> {
  const plug = chosen(tapo.list(), message, given);
  const outcome = await tapo.read(plug.id);
  if (outcome === null) {
    throw refused(message, 'not_found', `The plug ${plug.name} is no longer there.`);
  }
  if (outcome.kind !== 'reading') throw refused(message, 'plug_unreachable', outcome.detail);
  message.payload = readingOf(plug, outcome.reading);
  return message;
}

/**
 * A reading for a flow; null for one that did not come, or of another plug than the chosen.
 * @param given `device`, by id or name; without it every plug is chosen
 */
function toldReading({ tapo }: Services, { id, outcome }: PlugSample, given: Given): object | null {
  if (outcome.kind !== 'reading') return null;
  const plugs = tapo.list();
  const plug = plugs.find((one) => one.id === id);
  const device = textIn(given, 'device');
  const isOther = device !== '' && plugCalled(plugs, device) !== plug;
  return plug === undefined || isOther ? null : readingOf(plug, outcome.reading);
}

function readingOf({ id, name }: Pick<TapoDevice, 'id' | 'name'>, reading: PlugReading): object {
  const { powerMw, voltageMv, currentMa, todayEnergyWh, monthEnergyWh, isOn } = reading;
  return {
    ...{ device_id: id, name, is_on: isOn, power_w: thousandth(powerMw) },
    ...{ voltage_v: thousandth(voltageMv), current_a: thousandth(currentMa) },
    ...{ energy_today_wh: todayEnergyWh, energy_month_wh: monthEnergyWh },
  };
}

/** A missing value is null, never 0. */
function thousandth(value: number | null): number | null {
  return value === null ? null : value / 1_000;
}

function chosen(plugs: readonly TapoDevice[], message: PlugMessage, given: Given): TapoDevice {
  const wanted = textIn(given, 'device');
  const plug = plugCalled(plugs, wanted);
  if (plug !== undefined) return plug;
  throw refused(
    message,
    'not_found',
    wanted === '' ? 'Choose a plug, or name it in msg.device.' : `There is no plug ${wanted}.`,
  );
}

/** By id first: a plug may be named like another one's id. */
function plugCalled(plugs: readonly TapoDevice[], wanted: string): TapoDevice | undefined {
  return plugs.find(({ id }) => id === wanted) ?? plugs.find(({ name }) => name === wanted);
}

function refused(message: PlugMessage, code: string, words: string): Error {
  message.code = code;
  return new Error(words);
}

/** What this node can do, and every word about it: dialog, help and locales are made of it. */
export const DECLARATION = {
  key: 'tapo-meter',
  type: 'balupi-tapo-meter',
  color: '#f6d365',
  config: 'store',
  title: { en: 'tapo meter', de: 'Steckdosen' },
  about: { en: 'Reads and switches Tapo plugs.', de: 'Liest und schaltet Tapo-Steckdosen.' },
  operations: {
    on: {
      words: { en: 'switch on', de: 'einschalten' },
      for: 'flow',
      takes: { device: { kind: 'plug', was: 'device' } },
      run: (services, message, given) => switchTo('on', services, message, given),
    },
    off: {
      words: { en: 'switch off', de: 'ausschalten' },
      for: 'flow',
      takes: {
        device: { kind: 'plug', was: 'device' },
        force: { kind: 'flag', property: null, was: 'force' },
      },
      run: (services, message, given) => switchTo('off', services, message, given),
    },
    flip: {
      words: { en: 'switch over', de: 'umschalten' },
      for: 'flow',
      takes: {
        device: { kind: 'plug', was: 'device' },
        force: { kind: 'flag', property: null, was: 'force' },
      },
      run: (services, message, given) => switchTo(null, services, message, given),
    },
    read: {
      words: { en: 'read now', de: 'jetzt ablesen' },
      for: 'flow',
      takes: { device: { kind: 'plug', was: 'device' } },
      run: readNow,
    },
    readings: {
      words: { en: 'every reading', de: 'jede Ablesung' },
      for: 'flow',
      isSource: true,
      takes: {
        device: {
          kind: 'plug',
          property: null,
          was: 'device',
          about: {
            en: 'the plug; all of them without it',
            de: 'die Steckdose; sonst alle',
          },
        },
      },
      // A request here would wait for ever.
      run: () => {
        throw new Error("'readings' takes no message: it sends them by itself.");
      },
    },
    sample: {
      words: { en: 'read the plugs that are due', de: 'fällige Steckdosen lesen' },
      for: 'balupi',
      run: sample,
    },
    devices: {
      words: { en: 'list the plugs', de: 'Steckdosen auflisten' },
      for: 'balupi',
      serves: ['tapo-devices-list'],
      run: devices,
    },
    discover: {
      words: { en: 'search the network', de: 'im Netz suchen' },
      for: 'balupi',
      serves: ['tapo-devices-discover'],
      run: discover,
    },
    add: {
      words: { en: 'add by address', de: 'mit Adresse hinzufügen' },
      for: 'balupi',
      serves: ['tapo-devices-add'],
      run: add,
    },
    update: {
      words: { en: 'change name, role or address', de: 'Name, Rolle oder Adresse ändern' },
      for: 'balupi',
      serves: ['tapo-devices-change'],
      run: update,
    },
    remove: {
      words: { en: 'forget a plug', de: 'Steckdose vergessen' },
      for: 'balupi',
      serves: ['tapo-devices-delete'],
      run: remove,
    },
    forgotten: {
      words: { en: 'list forgotten plugs', de: 'vergessene Steckdosen auflisten' },
      for: 'balupi',
      serves: ['tapo-devices-forgotten'],
      run: forgotten,
    },
    merge: {
      words: { en: 'hand a history over', de: 'Verlauf übergeben' },
      for: 'balupi',
      serves: ['tapo-devices-merge'],
      run: merge,
    },
    toggle: {
      words: { en: 'switch', de: 'schalten' },
      for: 'balupi',
      serves: ['tapo-devices-toggle'],
      run: toggle,
    },
  },
  gives: [
    {
      name: 'payload',
      type: 'object',
      en: 'of {{on}}, {{off}}, {{flip}}: `device_id`, `name`, `is_on`',
      de: 'von {{on}}, {{off}}, {{flip}}: `device_id`, `name`, `is_on`',
    },
    {
      name: 'payload',
      type: 'object',
      en: 'of {{read}} and {{readings}} also `power_w`, `voltage_v`, `current_a`, `energy_today_wh`, `energy_month_wh`; what a plug does not tell is null',
      de: 'von {{read}} und {{readings}} auch `power_w`, `voltage_v`, `current_a`, `energy_today_wh`, `energy_month_wh`; was eine Steckdose nicht sagt, ist null',
    },
  ],
  details: {
    en: `{{on}}, {{off}}, {{flip}} and {{read}} are for any flow: a clock, MQTT, another node. A plug that stands as wanted already is left alone. What could not be done goes to a Catch node, with the reason in \`msg.code\`: \`nas_plug_guard\` where it would cut a NAS that is not off and the node does not say *Also cut a NAS*, \`plug_unreachable\`, \`not_found\`.

{{readings}} speaks by itself from the deploy on, with each answer of the chosen plug, or of all of them.

{{sample}} is for an inject node that ticks each second. Once it was ticked, it sends one message for every plug that was read, whoever asked for the reading: \`payload.id\` and \`payload.deviceNumber\` say which, \`payload.outcome.kind\` is \`reading\` or says why there is none, \`payload.outcome.reading\` holds the values (power in milliwatts, energy in watt hours). Wire it to *energy aggregator: record readings*. A plug that does not answer delays no other.

{{toggle}} reads the plug afresh, and refuses to cut the plug with the role \`nas\` while the NAS is not off, unless the body says \`force: true\`.`,
    de: `{{on}}, {{off}}, {{flip}} und {{read}} sind für jeden Flow: eine Uhr, MQTT, ein anderer Knoten. Eine Steckdose, die schon so steht, bleibt unberührt. Was nicht ging, geht an einen Catch-Knoten, der Grund steht in \`msg.code\`: \`nas_plug_guard\`, wo es ein NAS vom Strom trennen würde, das nicht aus ist, und der Knoten nicht *Auch ein NAS trennen* sagt, \`plug_unreachable\`, \`not_found\`.

{{readings}} spricht von selbst, sobald der Flow übernommen ist, mit jeder Antwort der gewählten Steckdose oder aller.

{{sample}} gehört hinter einen Inject-Knoten, der jede Sekunde tickt. Nach dem ersten Tick sendet es für jede gelesene Steckdose eine Nachricht, gleich wer sie lesen ließ: \`payload.id\` und \`payload.deviceNumber\` sagen, welche es ist, \`payload.outcome.kind\` ist \`reading\` oder sagt, warum es keinen Wert gibt, und \`payload.outcome.reading\` enthält die Werte (Leistung in Milliwatt, Energie in Wattstunden). Dahinter gehört *Energie: Messwerte aufzeichnen*. Eine stumme Steckdose hält keine andere auf.

{{toggle}} liest die Steckdose frisch und trennt die mit der Rolle \`nas\` nicht, solange das NAS nicht aus ist – außer der Rumpf sagt \`force: true\`.`,
  },
} as const satisfies Declared<Services>;

const OPERATIONS = operationsOf<Services>(DECLARATION);

/** Tells each reading, whoever asked for it, from the deploy on. */
function tellReadings(node: Node, guard: NodeGuard, services: Services, given: Given): () => void {
  const tell = guard.callback((sample: PlugSample) => {
    const payload = toldReading(services, sample, given);
    if (payload !== null) node.send({ payload });
  });
  return services.tapo.onSample(tell);
}

/** For the list in the dialog, which shows names and keeps ids. */
function offerPlugs(RED: NodeAPI): void {
  RED.httpAdmin.get(
    '/balupi/plugs/:store',
    RED.auth.needsPermission('flows.read'),
    (request, response) => {
      const store: unknown = RED.nodes.getNode(request.params['store'] ?? '');
      const plugs = store === null || store === undefined ? [] : servicesBehind(store).tapo.list();
      response.json(plugs.map(({ id, name }) => ({ id, name })));
    },
  );
}

/** Node `balupi-tapo-meter`. */
export default function register(RED: NodeAPI): void {
  function TapoMeter(this: Node, config: TapoConfig): void {
    RED.nodes.createNode(this, config);
    let stopListening: (() => void) | null = null;
    const fields = new FieldReader(RED, this, DECLARATION, config);
    const guard = new NodeGuard(this);
    const store = (): Services => servicesBehind(RED.nodes.getNode(config.store));
    const pass = guard.callback((payload: unknown) => {
      this.send({ payload });
    });
    const operations: Operations<Services> = {
      ...OPERATIONS,
      sample: (services) => {
        stopListening ??= services.tapo.onSample(pass);
        return sample(services);
      },
    };
    guard.onInput((message) => operationOf(operations, config.op, '', fields)(store(), message));
    if (config.op === 'readings') {
      guard.callback(async () => {
        const given = await fields.read({});
        stopListening = tellReadings(this, guard, store(), given);
      })();
    }
    this.on('close', () => {
      stopListening?.();
    });
  }
  RED.nodes.registerType('balupi-tapo-meter', TapoMeter);
  offerPlugs(RED);
}
