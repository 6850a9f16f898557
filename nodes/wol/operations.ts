import { declare, type Words } from '../lib/operations/operations.ts';

const WAKE_OUTCOMES: readonly Words[] = [
  { en: 'the answer, at once', de: 'die Antwort, sofort' },
  { en: 'woken', de: 'geweckt' },
  { en: 'did not wake', de: 'nicht aufgewacht' },
];

/** What this node can do, and every word about it: dialog, help and locales are made of it. */
export const DECLARATION = declare({
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
    },
    hold: {
      words: { en: 'wake once and hold the reader', de: 'einmal wecken und Leser halten' },
      for: 'flow',
      serves: ['files-download', 'files-download-query'],
      outputs: [
        { en: 'awake', de: 'wach' },
        { en: 'still asleep', de: 'schläft noch' },
      ],
    },
    'wake-app': {
      words: { en: 'wake, answered as the NAS does', de: 'wecken, Antwort wie vom NAS' },
      for: 'house',
      serves: ['system-sleep-wake'],
      outputs: WAKE_OUTCOMES,
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
});
