/** The same in both languages of the editor. */
export interface Words {
  readonly en: string;
  readonly de: string;
}

export interface FieldWords {
  /** The label of its input. */
  readonly label: Words;
  /** Its description in the help, after the type. */
  readonly about: Words;
}

/** The words for a value that means the same wherever an operation takes it. */
export const FIELD_WORDS: Readonly<Record<string, FieldWords>> = {
  device_id: {
    label: { en: 'Plug', de: 'Steckdose' },
    about: {
      en: 'the plug by its id; without it the sum of all',
      de: 'die Steckdose mit ihrer Id; ohne sie die Summe aller',
    },
  },
  device: {
    label: { en: 'Plug', de: 'Steckdose' },
    about: {
      en: 'the plug, by its id or its name',
      de: 'die Steckdose, mit ihrer Id oder ihrem Namen',
    },
  },
  device_number: {
    label: { en: "Plug's number", de: 'Nummer der Steckdose' },
    about: {
      en: "the plug by the number BaluHost's apps know it by",
      de: 'die Steckdose mit der Nummer, unter der die Apps von BaluHost sie kennen',
    },
  },
  force: {
    label: { en: 'Also cut a NAS', de: 'Auch ein NAS trennen' },
    about: {
      en: '`true` switches also where it cuts a NAS that is not off',
      de: '`true` schaltet auch, wenn es ein NAS vom Strom trennt, das nicht aus ist',
    },
  },
  ip_address: {
    label: { en: 'Address', de: 'Adresse' },
    about: {
      en: 'IPv4 address of the plug in the home network; a port may follow',
      de: 'IPv4-Adresse der Steckdose im Heimnetz, mit oder ohne Port',
    },
  },
  name: {
    label: { en: 'Name', de: 'Name' },
    about: { en: 'the name it is to have', de: 'der Name, den es haben soll' },
  },
  role: {
    label: { en: 'Role', de: 'Rolle' },
    about: { en: '`nas`, `monitor` or `generic`', de: '`nas`, `monitor` oder `generic`' },
  },
  confirm_old_protocol: {
    label: { en: 'Old protocol', de: 'Altes Protokoll' },
    about: {
      en: '`true` confirms the old protocol for a plug that asked for it',
      de: '`true` bestätigt das alte Protokoll für eine Steckdose, die danach gefragt hat',
    },
  },
  into: {
    label: { en: 'Successor', de: 'Nachfolger' },
    about: {
      en: 'the plug that takes the history over',
      de: 'die Steckdose, die den Verlauf übernimmt',
    },
  },
  path: {
    label: { en: 'Path', de: 'Pfad' },
    about: {
      en: 'file or folder on the NAS, such as `alice/Photos`',
      de: 'Datei oder Ordner auf dem NAS, etwa `alice/Photos`',
    },
  },
  limit: {
    label: { en: 'At most', de: 'Höchstens' },
    about: {
      en: 'how many entries an answer has at most',
      de: 'wie viele Einträge eine Antwort höchstens hat',
    },
  },
  cursor: {
    label: { en: 'Page', de: 'Seite' },
    about: {
      en: 'where to go on, from the answer before',
      de: 'wo es weitergeht, aus der Antwort davor',
    },
  },
  count: {
    label: { en: 'How many', de: 'Wie viele' },
    about: { en: 'how many files, 10 without it', de: 'wie viele Dateien, sonst 10' },
  },
  wake: {
    label: { en: 'Wake the NAS', de: 'NAS wecken' },
    about: { en: '`true` lets it wake the NAS', de: '`true` erlaubt, das NAS zu wecken' },
  },
  all: {
    label: { en: 'Of everybody', de: 'Von allen' },
    about: {
      en: '`true` counts those of all users, for an admin',
      de: '`true` zählt die aller Benutzer, für einen Admin',
    },
  },
  state: {
    label: { en: 'State', de: 'Zustand' },
    about: { en: 'only uploads in this state', de: 'nur Uploads in diesem Zustand' },
  },
  id: {
    label: { en: 'Id', de: 'Id' },
    about: { en: 'by the id that the list of them gives', de: 'mit der Id aus ihrer Liste' },
  },
  username: {
    label: { en: 'User', de: 'Benutzer' },
    about: { en: 'name of the user', de: 'Name des Benutzers' },
  },
  filename: {
    label: { en: 'File name', de: 'Dateiname' },
    about: { en: 'the name of the file', de: 'der Name der Datei' },
  },
  total_size: {
    label: { en: 'Size', de: 'Größe' },
    about: { en: 'all bytes of the file', de: 'alle Bytes der Datei' },
  },
  target_path: {
    label: { en: 'Folder', de: 'Ordner' },
    about: { en: 'the folder it goes to', de: 'der Ordner, in den es geht' },
  },
  upload_id: {
    label: { en: 'Upload', de: 'Upload' },
    about: { en: 'the upload that was begun', de: 'der begonnene Upload' },
  },
  days: {
    label: { en: 'Days', de: 'Tage' },
    about: { en: 'how many days back', de: 'wie viele Tage zurück' },
  },
  period: {
    label: { en: 'Period', de: 'Zeitraum' },
    about: {
      en: 'the calendar day, week, month or year',
      de: 'der Kalendertag, die Woche, der Monat oder das Jahr',
    },
  },
  from: {
    label: { en: 'From', de: 'Von' },
    about: {
      en: 'begin, such as `2026-02-22T00:00:00Z`',
      de: 'Beginn, etwa `2026-02-22T00:00:00Z`',
    },
  },
  to: {
    label: { en: 'To', de: 'Bis' },
    about: { en: 'end, not included', de: 'Ende, nicht mehr dabei' },
  },
  start: {
    label: { en: 'From', de: 'Von' },
    about: {
      en: 'begin, such as `2026-02-22T00:00:00Z`',
      de: 'Beginn, etwa `2026-02-22T00:00:00Z`',
    },
  },
  end: {
    label: { en: 'To', de: 'Bis' },
    about: { en: 'end, not included', de: 'Ende, nicht mehr dabei' },
  },
  resolution: {
    label: { en: 'Resolution', de: 'Auflösung' },
    about: { en: 'how fine the points are', de: 'wie fein die Punkte sind' },
  },
  date: {
    label: { en: 'Day', de: 'Tag' },
    about: {
      en: 'a day of that period, such as `2026-02-22`',
      de: 'ein Tag dieses Zeitraums, etwa `2026-02-22`',
    },
  },
  compare: {
    label: { en: 'Compared with', de: 'Verglichen mit' },
    about: {
      en: 'the stretch before, or a year earlier',
      de: 'der Zeitraum davor oder ein Jahr früher',
    },
  },
  language: {
    label: { en: 'Language', de: 'Sprache' },
    about: { en: '`en` or `de`', de: '`en` oder `de`' },
  },
  hours: {
    label: { en: 'Hours', de: 'Stunden' },
    about: { en: 'how many hours back', de: 'wie viele Stunden zurück' },
  },
  capability: {
    label: { en: 'What', de: 'Was' },
    about: { en: '`power_monitor`', de: '`power_monitor`' },
  },
  cost_per_kwh: {
    label: { en: 'Price per kWh', de: 'Preis je kWh' },
    about: { en: 'instead of the tariffs', de: 'anstelle der Tarife' },
  },
  currency: {
    label: { en: 'Currency', de: 'Währung' },
    about: { en: 'a word behind the cost', de: 'ein Wort hinter den Kosten' },
  },
  plugin_name: {
    label: { en: 'Plugin', de: 'Plugin' },
    about: {
      en: 'only plugs of this plugin of BaluHost',
      de: 'nur Steckdosen dieses Plugins von BaluHost',
    },
  },
  energy_wh: {
    label: { en: 'Energy (Wh)', de: 'Energie (Wh)' },
    about: { en: 'what it really was, in watt hours', de: 'was es wirklich war, in Wattstunden' },
  },
  clear: {
    label: { en: 'Unknown', de: 'Unbekannt' },
    about: { en: '`true`: nobody knows what it was', de: '`true`: niemand weiß, was es war' },
  },
  why: {
    label: { en: 'Why', de: 'Warum' },
    about: {
      en: 'the reason, for the list of corrections',
      de: 'der Grund, für die Liste der Berichtigungen',
    },
  },
  undone: {
    label: { en: 'Also undone', de: 'Auch aufgehobene' },
    about: {
      en: '`true` lists those too that were undone',
      de: '`true` nennt auch, was aufgehoben wurde',
    },
  },
  price_per_kwh_cents: {
    label: { en: 'Cents per kWh', de: 'Cent je kWh' },
    about: { en: 'the price of a kilowatt hour', de: 'der Preis einer Kilowattstunde' },
  },
  valid_from: {
    label: { en: 'Valid from', de: 'Gültig ab' },
    about: {
      en: 'its first moment, on a quarter hour',
      de: 'sein erster Augenblick, auf eine Viertelstunde',
    },
  },
  valid_to: {
    label: { en: 'Valid to', de: 'Gültig bis' },
    about: { en: 'its end, not included', de: 'sein Ende, nicht mehr dabei' },
  },
  weekdays: {
    label: { en: 'Weekdays', de: 'Wochentage' },
    about: { en: 'such as `[1, 5]`; 1 is Monday', de: 'etwa `[1, 5]`; 1 ist Montag' },
  },
  time_from: {
    label: { en: 'From (time)', de: 'Von (Uhrzeit)' },
    about: { en: '`HH:MM` in BaluPi’s time zone', de: '`HH:MM` in der Zeitzone von BaluPi' },
  },
  time_to: {
    label: { en: 'To (time)', de: 'Bis (Uhrzeit)' },
    about: { en: '`HH:MM` in BaluPi’s time zone', de: '`HH:MM` in der Zeitzone von BaluPi' },
  },
  is_active: {
    label: { en: 'In use', de: 'In Gebrauch' },
    about: { en: '`false` lays it aside', de: '`false` legt ihn beiseite' },
  },
  vat_percent: {
    label: { en: 'VAT (%)', de: 'MwSt. (%)' },
    about: { en: 'added to price and fee', de: 'kommt zu Preis und Grundgebühr hinzu' },
  },
  base_fee_cents_per_month: {
    label: { en: 'Fee (cents a month)', de: 'Grundgebühr (Cent je Monat)' },
    about: { en: 'the fixed part of a month', de: 'der feste Teil eines Monats' },
  },
  slots: {
    label: { en: 'Slots', de: 'Viertelstunden' },
    about: { en: '`[{from, to, price_per_kwh_cents}]`', de: '`[{from, to, price_per_kwh_cents}]`' },
  },
  api_key: {
    label: { en: 'Key', de: 'Schlüssel' },
    about: {
      en: 'an API key that the user made on the NAS',
      de: 'ein API-Schlüssel, den der Benutzer auf dem NAS gemacht hat',
    },
  },
  kind: {
    label: { en: 'Kind', de: 'Art' },
    about: {
      en: '`api_key` or `device`; both without it',
      de: '`api_key` oder `device`; sonst beide',
    },
  },
  payload: {
    label: { en: 'Content', de: 'Inhalt' },
    about: { en: 'what it works on', de: 'womit es arbeitet' },
  },
  sql: {
    label: { en: 'Question', de: 'Frage' },
    about: { en: 'the question, in SQL', de: 'die Frage, in SQL' },
  },
  params: {
    label: { en: 'Values', de: 'Werte' },
    about: {
      en: 'the values of the question by their names, such as `{"$days": 30}`; they never become part of its text',
      de: 'die Werte der Frage nach ihrem Namen, etwa `{"$days": 30}`; sie werden nie Teil ihres Textes',
    },
  },
  file: {
    label: { en: 'Database', de: 'Datenbank' },
    about: {
      en: 'a SQLite file; the energy database without it',
      de: 'eine SQLite-Datei; sonst die Energie-Datenbank',
    },
  },
  rows: {
    label: { en: 'Rows at most', de: 'Zeilen höchstens' },
    about: { en: '1,000 without it, 100,000 at most', de: 'sonst 1000, höchstens 100.000' },
  },
  seconds: {
    label: { en: 'Seconds at most', de: 'Sekunden höchstens' },
    about: { en: '5 without it, 60 at most', de: 'sonst 5, höchstens 60' },
  },
};
