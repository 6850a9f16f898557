import { declare } from '../lib/operations/operations.ts';

/** What this node can do, and every word about it: dialog, help and locales are made of it. */
export const DECLARATION = declare({
  key: 'balupi-system',
  type: 'balupi-system',
  color: '#d9d9d9',
  config: 'store',
  title: { en: 'system', de: 'System' },
  about: { en: 'How the Pi itself is.', de: 'Wie es dem Pi selbst geht.' },
  operations: {
    health: {
      words: { en: 'run the checks', de: 'Prüfungen ausführen' },
      for: 'flow',
      serves: ['health'],
    },
    load: {
      words: { en: 'how busy the Pi is', de: 'Auslastung des Pi' },
      for: 'flow',
      serves: ['system-status'],
    },
    doctor: {
      words: { en: 'ask the doctor', de: 'den Doktor fragen' },
      for: 'flow',
      serves: ['system-doctor'],
    },
    activity: {
      words: { en: 'what happened in the house', de: 'was im Haus geschah' },
      for: 'flow',
      serves: ['activity'],
      fieldWords: {
        kind: {
          label: { en: 'Kind', de: 'Art' },
          about: { en: 'one kind alone, such as `conflict`', de: 'nur eine Art, etwa `conflict`' },
        },
        days: {
          label: { en: 'Days', de: 'Tage' },
          about: { en: 'of the last so many days', de: 'der letzten so vielen Tage' },
        },
        before: {
          label: { en: 'Older than', de: 'Älter als' },
          about: {
            en: 'only what is older than the entry of this id',
            de: 'nur was älter ist als der Eintrag mit dieser Id',
          },
        },
        limit: {
          label: { en: 'At most', de: 'Höchstens' },
          about: { en: 'how many entries at most', de: 'wie viele Einträge höchstens' },
        },
      },
    },
    care: {
      words: { en: 'backups and updates', de: 'Backups und Updates' },
      for: 'flow',
      serves: ['system-care'],
    },
    metrics: {
      words: { en: 'write metrics', de: 'Messwerte für Prometheus' },
      for: 'flow',
      serves: ['metrics'],
    },
    'page-checks': {
      words: { en: 'the checks, for a table', de: 'die Prüfungen, für eine Tabelle' },
      for: 'house',
    },
    'page-doctor': {
      words: {
        en: 'the doctor’s findings, for a table',
        de: 'die Befunde des Doktors, für eine Tabelle',
      },
      for: 'house',
      serves: ['system-doctor'],
    },
  },
  gives: [
    {
      name: 'payload',
      type: 'object, array, string',
      en: 'the outcome, as the API gives it; of the tables an array of rows; of {{metrics}} a text',
      de: 'das Ergebnis, wie die API es gibt; bei den Tabellen ein Array von Zeilen; bei {{metrics}} ein Text',
    },
  ],
  details: {
    en: `{{health}} looks at this moment and asks nobody outside the process.

{{load}} gives the last look taken in the background.

{{metrics}} answers in the text format of Prometheus.

{{page-checks}} answers nobody: it puts a row for each check into \`payload\`, for a page of the Dashboard.

{{doctor}} answers an admin with what \`balupi doctor\` finds. {{page-doctor}} puts the same into \`payload\` as rows, for the page that asked.

{{activity}} gives the log of the last 90 days: to an admin all of it, to others what is everybody’s and their own.`,
    de: `{{health}} sieht in diesem Augenblick nach und fragt niemanden außerhalb des Prozesses.

{{load}} gibt den letzten Blick aus dem Hintergrund.

{{metrics}} antwortet in dessen Textformat.

{{page-checks}} antwortet niemandem: es legt eine Zeile je Prüfung in \`payload\`, für eine Seite des Dashboards.

{{doctor}} antwortet einem Admin mit dem, was \`balupi doctor\` findet. {{page-doctor}} legt dasselbe als Zeilen in \`payload\`, für die Seite, die gefragt hat.

{{activity}} gibt das Protokoll der letzten 90 Tage: einem Admin alles, anderen was alle angeht und was ihres ist.`,
  },
});
