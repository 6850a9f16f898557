import { declare } from '../lib/operations/operations.ts';

/** What this node can do, and every word about it: dialog, help and locales are made of it. */
export const DECLARATION = declare({
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
    },
    off: {
      words: { en: 'switch off', de: 'ausschalten' },
      for: 'flow',
      takes: {
        device: { kind: 'plug', was: 'device' },
        force: { kind: 'flag', property: null, was: 'force' },
      },
    },
    flip: {
      words: { en: 'switch over', de: 'umschalten' },
      for: 'flow',
      takes: {
        device: { kind: 'plug', was: 'device' },
        force: { kind: 'flag', property: null, was: 'force' },
      },
    },
    read: {
      words: { en: 'read now', de: 'jetzt ablesen' },
      for: 'flow',
      takes: { device: { kind: 'plug', was: 'device' } },
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
    },
    sample: {
      words: { en: 'read the plugs that are due', de: 'fällige Steckdosen lesen' },
      for: 'house',
    },
    devices: {
      words: { en: 'list the plugs', de: 'Steckdosen auflisten' },
      for: 'house',
      serves: ['tapo-devices-list'],
    },
    discover: {
      words: { en: 'search the network', de: 'im Netz suchen' },
      for: 'house',
      serves: ['tapo-devices-discover'],
    },
    add: {
      words: { en: 'add by address', de: 'mit Adresse hinzufügen' },
      for: 'house',
      serves: ['tapo-devices-add'],
    },
    update: {
      words: { en: 'change name, role or address', de: 'Name, Rolle oder Adresse ändern' },
      for: 'house',
      serves: ['tapo-devices-change'],
    },
    remove: {
      words: { en: 'forget a plug', de: 'Steckdose vergessen' },
      for: 'house',
      serves: ['tapo-devices-delete'],
    },
    forgotten: {
      words: { en: 'list forgotten plugs', de: 'vergessene Steckdosen auflisten' },
      for: 'house',
      serves: ['tapo-devices-forgotten'],
    },
    merge: {
      words: { en: 'hand a history over', de: 'Verlauf übergeben' },
      for: 'house',
      serves: ['tapo-devices-merge'],
    },
    toggle: {
      words: { en: 'switch', de: 'schalten' },
      for: 'house',
      serves: ['tapo-devices-toggle'],
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
});
