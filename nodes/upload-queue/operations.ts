import { declare } from '../lib/operations/operations.ts';

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
    flush: {
      words: { en: 'deliver to the NAS', de: 'an das NAS liefern' },
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
      en: 'the outcome, as the API gives it',
      de: 'das Ergebnis, wie die API es gibt',
    },
  ],
  details: {
    en: `{{accept}} streams the body of an \`http in\` POST to disk; when it answers 200 the file survives a power cut that instant. Without a request it takes \`payload\` (bytes or text) as the file \`msg.filename\` in the folder \`msg.path\`, as the user named under *As*.

{{flush}} sends what waits, in order, as its owner, and believes nothing it has not verified. It does nothing while the NAS sleeps.`,
    de: `{{accept}} streamt den Rumpf eines POST aus \`http in\` auf die Platte; antwortet es 200, übersteht die Datei einen Stromausfall in diesem Augenblick. Ohne Anfrage nimmt es \`payload\` (Bytes oder Text) als Datei \`msg.filename\` im Ordner \`msg.path\`, als der unter *Als* genannte Benutzer.

{{flush}} sendet, was wartet, in der Reihenfolge und als sein Besitzer, und glaubt nichts, was es nicht geprüft hat. Solange das NAS schläft, tut es nichts.`,
  },
});
