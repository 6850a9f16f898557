import { declare } from '../lib/operations/operations.ts';

/** What this node can do, and every word about it: dialog, help and locales are made of it. */
export const DECLARATION = declare({
  key: 'notices',
  type: 'balupi-notices',
  color: '#f2b8a0',
  config: 'store',
  title: { en: 'notices', de: 'Nachrichten' },
  about: {
    en: "Messages to people's own phones and browsers, by web push.",
    de: 'Nachrichten an die eigenen Telefone und Browser der Leute, über Web-Push.',
  },
  operations: {
    tell: {
      words: { en: 'send a message', de: 'Nachricht senden' },
      for: 'flow',
      takes: {
        payload: {
          kind: 'text',
          label: { en: 'Message', de: 'Nachricht' },
          about: { en: 'what it says', de: 'was sie sagt' },
        },
        topic: {
          kind: 'text',
          label: { en: 'Title', de: 'Titel' },
          about: { en: 'its title; `BaluPi` without one', de: 'ihr Titel; ohne einen `BaluPi`' },
        },
        audience: {
          kind: 'text',
          label: { en: 'To', de: 'An' },
          about: {
            en: 'to whom: `everybody` (as without it), `admins`, or one `user`',
            de: 'an wen: `everybody` (wie ohne Angabe), `admins` oder ein einzelner `user`',
          },
        },
        username: {
          kind: 'text',
          label: { en: 'User', de: 'Benutzer' },
          about: {
            en: 'whom, where it goes to one `user`',
            de: 'wen, wenn sie an einen `user` geht',
          },
        },
      },
    },
    show: {
      words: { en: 'choices and browsers', de: 'Auswahl und Browser' },
      for: 'house',
      serves: ['notices'],
    },
    choose: {
      words: { en: 'choose of what to be told', de: 'wählen, was gemeldet wird' },
      for: 'house',
      serves: ['notices-choose'],
      fieldWords: {
        wanted: {
          label: { en: 'Wanted', de: 'Gewünscht' },
          about: { en: 'a list of kinds of events', de: 'eine Liste von Arten der Ereignisse' },
        },
        quiet_from: {
          label: { en: 'Quiet from', de: 'Ruhe von' },
          about: { en: 'a time of day such as `22:00`', de: 'eine Uhrzeit wie `22:00`' },
        },
        quiet_to: {
          label: { en: 'Quiet to', de: 'Ruhe bis' },
          about: { en: 'a time of day such as `07:00`', de: 'eine Uhrzeit wie `07:00`' },
        },
      },
    },
    'device-add': {
      words: { en: 'add a browser', de: 'Browser hinzufügen' },
      for: 'house',
      serves: ['notices-device-add'],
      // What a browser hands out, for its own page alone.
      leaves: ['name', 'endpoint', 'p256dh', 'auth'],
    },
    'device-remove': {
      words: { en: 'remove a browser', de: 'Browser entfernen' },
      for: 'house',
      serves: ['notices-device-remove'],
    },
    test: {
      words: { en: 'send a test', de: 'Probe senden' },
      for: 'house',
      serves: ['notices-test'],
      leaves: ['device_id'],
    },
  },
  gives: [
    {
      name: 'payload',
      type: 'object, string',
      en: 'the outcome, as the API gives it; after {{tell}} the message itself',
      de: 'das Ergebnis, wie die API es gibt; nach {{tell}} die Nachricht selbst',
    },
  ],
  details: {
    en: `{{tell}} goes to the browsers of those who added one on the page Notifications and want to hear of flows. A message of *events* has its audience along, so it reaches nobody else. Of one title there is one message a minute; what comes meanwhile is counted.

{{show}}, {{choose}}, {{device-add}}, {{device-remove}} and {{test}} are for whoever asks, by the API or on their page, about their own alone.`,
    de: `{{tell}} geht an die Browser aller, die auf der Seite Nachrichten einen hinzugefügt haben und von Flows hören wollen. Eine Nachricht von *Ereignisse* bringt mit, wer sie wissen darf, und erreicht darum niemand anderen. Von einem Titel gibt es eine Nachricht je Minute; was inzwischen kommt, wird gezählt.

{{show}}, {{choose}}, {{device-add}}, {{device-remove}} und {{test}} sind für den, der fragt, über die API oder auf seiner Seite, und betreffen nur die eigenen.`,
  },
});
