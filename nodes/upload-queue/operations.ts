import { declare, type Words } from '../lib/operations/operations.ts';

const ACCEPTED: Words = { en: 'accepted', de: 'angenommen' };
const REFUSED: Words = { en: 'refused', de: 'abgelehnt' };

/** What this node can do, and every word about it: dialog, help and locales are made of it. */
export const DECLARATION = declare({
  key: 'upload-queue',
  type: 'balupi-upload-queue',
  color: '#f2b39d',
  config: 'store',
  title: { en: 'upload queue', de: 'Uploads' },
  about: {
    en: 'Takes uploads at any hour and delivers them when the NAS is awake.',
    de: 'Nimmt Uploads zu jeder Stunde an und liefert sie, wenn das NAS wach ist.',
  },
  operations: {
    accept: {
      words: { en: 'accept an upload', de: 'Hochladen annehmen' },
      for: 'flow',
      serves: ['files-upload'],
      belongsTo: 'user',
      outputs: [ACCEPTED, REFUSED],
      hadOneOutput: true,
      takes: {
        path: {
          kind: 'text',
          about: { en: 'the folder it goes to', de: 'der Ordner, in den es geht' },
        },
        filename: { kind: 'text' },
        payload: {
          kind: 'text',
          about: { en: 'bytes or text of the file', de: 'Bytes oder Text der Datei' },
        },
        wake: { kind: 'flag' },
      },
    },
    status: {
      words: { en: 'count the queue', de: 'Warteschlange zählen' },
      for: 'flow',
      serves: ['files-sync-status'],
    },
    list: {
      words: { en: 'list the queue', de: 'Warteschlange auflisten' },
      for: 'flow',
      serves: ['files-uploads-list'],
    },
    retry: {
      words: { en: 'try again', de: 'erneut versuchen' },
      for: 'flow',
      serves: ['files-uploads-retry'],
    },
    drop: {
      words: { en: 'drop', de: 'verwerfen' },
      for: 'flow',
      serves: ['files-uploads-drop', 'mobile-upload-queue-drop'],
    },
    conflicts: {
      words: { en: 'list the conflicts', de: 'Konflikte auflisten' },
      for: 'flow',
      serves: ['files-conflicts'],
    },
    'conflicts-resolve': {
      words: { en: 'settle a conflict', de: 'Konflikt entscheiden' },
      for: 'flow',
      serves: ['files-conflicts-resolve'],
      fieldWords: {
        resolution: {
          label: { en: 'What becomes of it', de: 'Was daraus wird' },
          about: {
            en: '`renamed` keeps both, `local` puts the upload in place, `remote` removes it; of a change `done` or `dropped`',
            de: '`renamed` behält beide, `local` setzt den Upload an die Stelle, `remote` entfernt ihn; bei einer Änderung `done` oder `dropped`',
          },
        },
      },
    },
    due: {
      words: { en: 'when something can be delivered', de: 'wenn etwas geliefert werden kann' },
      for: 'house',
      isSource: true,
    },
    flush: {
      words: { en: 'deliver to the NAS', de: 'an das NAS liefern' },
      for: 'house',
      outputs: [
        { en: 'delivered', de: 'geliefert' },
        { en: 'later', de: 'später' },
        { en: 'conflict', de: 'Konflikt' },
        { en: 'failed', de: 'gescheitert' },
      ],
    },
    'wake-for-queue': {
      words: { en: 'wake the NAS for what waits', de: 'das NAS für Wartendes wecken' },
      for: 'house',
      outputs: 0,
    },
    begin: {
      words: { en: 'begin an upload in chunks', de: 'Hochladen in Stücken beginnen' },
      for: 'house',
      serves: ['files-chunked-init'],
    },
    chunk: {
      words: { en: 'take a chunk', de: 'Stück annehmen' },
      for: 'house',
      serves: ['files-chunked-chunk'],
    },
    complete: {
      words: { en: 'complete it', de: 'abschließen' },
      for: 'house',
      serves: ['files-chunked-complete'],
      outputs: [ACCEPTED, REFUSED],
      hadOneOutput: true,
    },
    abort: {
      words: { en: 'give it up', de: 'abbrechen' },
      for: 'house',
      serves: ['files-chunked-abort'],
    },
    unfinished: {
      words: { en: 'list the unfinished', de: 'Unfertiges auflisten' },
      for: 'house',
      serves: ['files-chunked-list'],
    },
    'device-queue': {
      words: { en: 'queue for the app', de: 'Warteschlange für die App' },
      for: 'house',
      serves: ['mobile-upload-queue'],
    },
    'take-up': {
      words: { en: 'take up what is held', de: 'Zurückgehaltenes übernehmen' },
      for: 'house',
      serves: ['files-uploads-take-up'],
    },
    'device-retry': {
      words: { en: 'try again (app)', de: 'erneut versuchen (App)' },
      for: 'house',
      serves: ['mobile-upload-queue-retry'],
    },
  },
  status: {
    empty: { en: 'empty', de: 'leer' },
    waiting: { en: '__count__ waiting', de: '__count__ warten' },
    failed: { en: '__count__ failed', de: '__count__ gescheitert' },
  },
  gives: [
    {
      name: 'payload',
      type: 'object, array',
      en: 'the outcome, as the API gives it; from {{flush}} one upload or change, as the node *events* tells it',
      de: 'das Ergebnis, wie die API es gibt; von {{flush}} ein Upload oder eine Änderung, wie der Knoten *Ereignisse* es meldet',
    },
  ],
  details: {
    en: `{{accept}} streams the body of an \`http in\` POST to disk; when it answers 200 the file survives a power cut that instant. Without a request it takes \`payload\` (bytes or text) as the file \`msg.filename\` in the folder \`msg.path\`, as the user named under *As*. Output 1 when it is safe on the Pi, output 2 when it was refused, with \`code\` in \`msg.payload\`; {{complete}} has the same two. A body that is refused in its middle is answered at once, and nothing leaves the node.

{{due}} needs no message: it sends one whenever there is something to deliver, or when it may get through again (an upload came in, the NAS woke, a pause is over, somebody pressed *try again*). {{flush}} sends what waits, in order, as its owner, and believes nothing it has not verified. It does nothing while the NAS sleeps, and nothing is delivered without it: the messages that reach it decide when. It tells of each upload at one of its four outputs, with \`audience\` and \`username\` in the message as *events* has them: 1 *delivered*; 2 *later*, with the reason in \`payload.detail\`; 3 *conflict*, both versions are kept; 4 *failed*, its owner has to try again or drop it.

{{wake-for-queue}} wakes the NAS once what waits is due by \`BALUPI_FLUSH_WAKE\`, and never where that is not set.`,
    de: `{{accept}} streamt den Rumpf eines POST aus \`http in\` auf die Platte; antwortet es 200, übersteht die Datei einen Stromausfall in diesem Augenblick. Ohne Anfrage nimmt es \`payload\` (Bytes oder Text) als Datei \`msg.filename\` im Ordner \`msg.path\`, als der unter *Als* genannte Benutzer. Ausgang 1, wenn es sicher auf dem Pi liegt, Ausgang 2, wenn es abgelehnt wurde, mit \`code\` in \`msg.payload\`; {{complete}} hat dieselben zwei. Ein Rumpf, der mittendrin abgelehnt wird, wird sofort beantwortet, und nichts verlässt den Knoten.

{{due}} braucht keine Nachricht: es sendet eine, sobald es etwas zu liefern gibt oder etwas wieder durchkommen kann (ein Upload kam an, das NAS ist wach, eine Pause ist um, jemand hat *erneut versuchen* gedrückt). {{flush}} sendet, was wartet, in der Reihenfolge und als sein Besitzer, und glaubt nichts, was es nicht geprüft hat. Solange das NAS schläft, tut es nichts, und ohne es wird nichts geliefert: die Nachrichten, die es bekommt, entscheiden, wann. Jeden Upload meldet es an einem von vier Ausgängen, mit \`audience\` und \`username\` in der Nachricht wie bei *Ereignisse*: 1 *geliefert*; 2 *später*, mit dem Grund in \`payload.detail\`; 3 *Konflikt*, beide Fassungen sind erhalten; 4 *gescheitert*, sein Besitzer muss es erneut versuchen oder verwerfen.

{{wake-for-queue}} weckt das NAS, sobald Wartendes nach \`BALUPI_FLUSH_WAKE\` dran ist, und nie, wo das nicht gesetzt ist.`,
  },
});
