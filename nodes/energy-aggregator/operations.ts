import { declare, type Words } from '../lib/operations/operations.ts';

const UNUSUAL: Words = { en: 'unusual consumption', de: 'ungewöhnlicher Verbrauch' };

/** What this node can do, and every word about it: dialog, help and locales are made of it. */
export const DECLARATION = declare({
  key: 'energy-aggregator',
  type: 'balupi-energy-aggregator',
  color: '#a8d5a2',
  config: 'store',
  title: { en: 'energy aggregator', de: 'Energie' },
  about: {
    en: 'Turns readings into energy and costs.',
    de: 'Macht aus Messwerten Energie und Kosten.',
  },
  operations: {
    current: {
      words: { en: 'watts now', de: 'Leistung jetzt' },
      for: 'flow',
      serves: ['energy-current'],
    },
    summary: {
      words: { en: 'sum up', de: 'Überblick' },
      for: 'flow',
      serves: ['energy-summary'],
    },
    history: {
      words: { en: 'look back', de: 'Verlauf' },
      for: 'flow',
      serves: ['energy-history'],
    },
    costs: {
      words: { en: 'add up the costs', de: 'Kosten zusammenrechnen' },
      for: 'flow',
      serves: ['energy-costs'],
    },
    report: {
      words: { en: 'any period, compared', de: 'ein Zeitraum, verglichen' },
      for: 'flow',
      serves: ['energy-report'],
    },
    prices: {
      words: { en: 'list tariffs', de: 'Tarife auflisten' },
      for: 'flow',
      serves: ['energy-prices-list'],
    },
    'price-slots': {
      words: { en: 'take prices by the slot', de: 'Preise je Viertelstunde übernehmen' },
      for: 'flow',
      serves: ['energy-prices-slots'],
    },
    'mqtt-sensors': {
      words: {
        en: 'announce the plugs to Home Assistant',
        de: 'Steckdosen bei Home Assistant anmelden',
      },
      for: 'flow',
    },
    'mqtt-states': {
      words: { en: 'publish what the plugs show', de: 'Werte der Steckdosen veröffentlichen' },
      for: 'flow',
    },
    unusual: {
      words: { en: 'tell of unusual consumption', de: 'ungewöhnlichen Verbrauch melden' },
      for: 'flow',
      outputs: [UNUSUAL],
    },
    record: {
      words: { en: 'record readings', de: 'Messwerte aufzeichnen' },
      for: 'house',
      outputs: 0,
      takes: {
        payload: {
          kind: 'json',
          about: {
            en: 'what *tapo meter: read the plugs that are due* sends',
            de: 'was *Steckdosen: fällige Steckdosen lesen* sendet',
          },
        },
      },
    },
    prune: {
      words: { en: 'forget what is too old', de: 'Altes vergessen' },
      for: 'house',
      outputs: 0,
    },
    'roll-up': {
      words: { en: 'write now, forget, tell', de: 'jetzt schreiben, vergessen, melden' },
      for: 'house',
      outputs: [{ en: 'after it is written', de: 'nach dem Schreiben' }, UNUSUAL],
    },
    correct: {
      words: { en: 'put the past right', de: 'Vergangenes berichtigen' },
      for: 'house',
      serves: ['energy-history-correct'],
    },
    corrections: {
      words: { en: 'list corrections', de: 'Berichtigungen auflisten' },
      for: 'house',
      serves: ['energy-corrections-list'],
    },
    'undo-correction': {
      words: { en: 'undo a correction', de: 'eine Berichtigung zurücknehmen' },
      for: 'house',
      serves: ['energy-corrections-undo'],
    },
    'add-price': {
      words: { en: 'add a tariff', de: 'Tarif hinzufügen' },
      for: 'house',
      serves: ['energy-prices-add'],
    },
    'update-price': {
      words: { en: 'change a tariff', de: 'Tarif ändern' },
      for: 'house',
      serves: ['energy-prices-change'],
      leaves: ['slots', 'already_costed_hours', 'recalculate_from'],
    },
    'remove-price': {
      words: { en: 'remove a tariff', de: 'Tarif entfernen' },
      for: 'house',
      serves: ['energy-prices-delete'],
    },
    recalculate: {
      words: { en: 'recalculate costs', de: 'Kosten neu berechnen' },
      for: 'house',
      serves: ['energy-prices-recalculate'],
    },
    'app-devices': {
      words: { en: 'list the plugs for the apps', de: 'Steckdosen für die Apps auflisten' },
      for: 'house',
      serves: ['smart-devices'],
    },
    'app-power': {
      words: { en: 'watts for the apps', de: 'Leistung für die Apps' },
      for: 'house',
      serves: ['smart-devices-power'],
    },
    'app-dashboard': {
      words: { en: 'one plug for the apps', de: 'eine Steckdose für die Apps' },
      for: 'house',
      serves: ['energy-dashboard'],
    },
    'app-types': {
      words: { en: 'what kinds of plugs there are', de: 'welche Arten von Steckdosen es gibt' },
      for: 'house',
      serves: ['smart-device-types'],
    },
    'app-device': {
      words: { en: 'one plug as a smart device', de: 'eine Steckdose als smartes Gerät' },
      for: 'house',
      serves: ['smart-device'],
    },
    'app-stats': {
      words: { en: 'a period of one plug', de: 'ein Zeitraum einer Steckdose' },
      for: 'house',
      serves: ['energy-stats'],
    },
    'app-hourly': {
      words: { en: 'the last hours of one plug', de: 'die letzten Stunden einer Steckdose' },
      for: 'house',
      serves: ['energy-hourly'],
    },
    'app-cost': {
      words: { en: 'what one plug cost', de: 'was eine Steckdose gekostet hat' },
      for: 'house',
      serves: ['energy-cost'],
    },
    'app-growth': {
      words: { en: 'how one plug’s energy grew', de: 'wie die Energie einer Steckdose wuchs' },
      for: 'house',
      serves: ['energy-cumulative'],
    },
    'app-growth-of-all': {
      words: { en: 'how the energy of all grew', de: 'wie die Energie aller wuchs' },
      for: 'house',
      serves: ['energy-cumulative-total'],
    },
    'app-history': {
      words: { en: 'the past watts of one plug', de: 'die vergangenen Watt einer Steckdose' },
      for: 'house',
      serves: ['smart-device-history'],
    },
    'page-now': {
      words: { en: 'watts now, for a page', de: 'Leistung jetzt, für eine Seite' },
      for: 'house',
    },
    'page-glance': {
      words: { en: 'the household, for a page', de: 'der Haushalt, für eine Seite' },
      for: 'house',
    },
    'page-standby': {
      words: {
        en: 'standby of plugs, for a table',
        de: 'Standby der Steckdosen, für eine Tabelle',
      },
      for: 'house',
    },
  },
  gives: [
    {
      name: 'payload',
      type: 'object, array',
      en: 'the outcome, as the API gives it; from {{unusual}} the unusual hour',
      de: 'das Ergebnis, wie die API es gibt; von {{unusual}} die ungewöhnliche Stunde',
    },
    {
      name: 'topic',
      type: 'string',
      en: 'where a message for MQTT goes',
      de: 'wohin eine Nachricht für MQTT geht',
    },
  ],
  details: {
    en: `{{record}} takes the messages of *tapo meter: read the plugs that are due*, one for each plug; one without a reading books nothing. Energy is the trapezoid between readings, kept inside the plug's own counter; a gap is filled from that counter and marked *estimated*, or left uncovered.

What was measured is written by itself every \`BALUPI_ENERGY_COMMIT_SECONDS\`, hours and days with it, whatever the flows do.

{{unusual}} looks at each message whether an hour was out of the ordinary: \`payload\` is \`{device_id, device_name, hour, level, power_w, usual_power_w, margin_w, weeks}\`, where \`level\` is \`high\`, \`low\`, or \`usual\` when it is over. Each plug's last complete hour, and the household's, is held against the median of the same hour of the same weekday in the last eight weeks; nothing is told before there are four such hours. Wire anything behind it: a mail, a push message, a lamp.

{{prune}} drops one small slice of what is older than its retention (\`BALUPI_ENERGY_RAW_RETENTION_DAYS\`, \`BALUPI_ENERGY_HOURLY_RETENTION_DAYS\`) at each message. Without it nothing is dropped, and the database grows with every reading.

{{roll-up}} is all of that at one message, for flows that want to go on once everything is written: the message goes on at the first output, an unusual hour leaves at the second.

{{mqtt-sensors}} and {{mqtt-states}} send messages for an *mqtt out* node: the first the retained descriptions that Home Assistant's MQTT discovery reads, the second the values of power, energy since it was first metered, and where there are any voltage, current and energy fed in. Energy never falls, not by a restart or a correction either; where the past was put right, there is the sensor *Energy with corrections*, which Home Assistant shows once it is asked to. A value that is not known is not sent, and Home Assistant shows it as unavailable after two minutes. The example *Plugs in Home Assistant* has both.

{{price-slots}} takes, without a request, \`payload\` \`{name, slots: [{from, to, price_per_kwh_cents}]}\` from a flow of your own, in the place of what the tariff of that name has in their range; the example *Prices of tomorrow* fetches them from the exchange.

{{report}} answers with a whole calendar period or any days in bars and by plug, beside the stretch before or a year earlier, and tells what is estimated, corrected or unknown. The page Energy is made of it.

Those **for a page** answer nobody: they put what a gauge, a table or a template of the Dashboard shows into \`payload\`.`,
    de: `{{record}} nimmt die Nachrichten von *Steckdosen: fällige Steckdosen lesen*, eine je Steckdose; eine ohne Messwert bucht nichts. Energie ist das Trapez zwischen den Messwerten, gehalten im Zähler der Steckdose; eine Lücke wird aus diesem Zähler gefüllt und als *geschätzt* markiert oder bleibt unbelegt.

Was gemessen wurde, wird alle \`BALUPI_ENERGY_COMMIT_SECONDS\` von selbst geschrieben, Stunden und Tage mit ihm, was auch immer die Flows tun.

{{unusual}} sieht bei jeder Nachricht nach, ob eine Stunde aus der Reihe fiel: \`payload\` ist \`{device_id, device_name, hour, level, power_w, usual_power_w, margin_w, weeks}\`; \`level\` ist \`high\` (hoch), \`low\` (niedrig) oder \`usual\` (wieder üblich). Die letzte volle Stunde jeder Steckdose und des Haushalts wird am Median derselben Stunde desselben Wochentags in den letzten acht Wochen gemessen; bevor es vier solche Stunden gibt, wird nichts gemeldet. Dahinter passt alles: eine Mail, eine Push-Nachricht, eine Lampe.

{{prune}} löscht bei jeder Nachricht ein kleines Stück dessen, was älter ist als seine Aufbewahrung (\`BALUPI_ENERGY_RAW_RETENTION_DAYS\`, \`BALUPI_ENERGY_HOURLY_RETENTION_DAYS\`). Ohne es wird nichts gelöscht, und die Datenbank wächst mit jeder Messung.

{{roll-up}} ist all das bei einer Nachricht, für Flows, die weitermachen wollen, sobald alles geschrieben ist: die Nachricht geht am ersten Ausgang weiter, eine ungewöhnliche Stunde kommt am zweiten heraus.

{{mqtt-sensors}} und {{mqtt-states}} senden Nachrichten für einen Knoten *mqtt out*: das erste die dauerhaften Beschreibungen, die Home Assistant per MQTT-Discovery liest, das zweite Leistung, Energie seit der ersten Messung und, wo es sie gibt, Spannung, Strom und eingespeiste Energie. Die Energie fällt nie, auch nicht durch einen Neustart oder eine Berichtigung; wo berichtigt wurde, gibt es den Sensor *Energy with corrections*, den Home Assistant erst auf Wunsch zeigt. Ein unbekannter Wert wird nicht gesendet; Home Assistant zeigt ihn nach zwei Minuten als nicht verfügbar. Das Beispiel *Plugs in Home Assistant* hat beides.

{{price-slots}} nimmt ohne Anfrage \`payload\` \`{name, slots: [{from, to, price_per_kwh_cents}]}\` aus dem eigenen Flow und ersetzt, was der Tarif dieses Namens in ihrem Zeitraum hat; das Beispiel *Prices of tomorrow* holt sie von der Börse.

{{report}} antwortet mit einem ganzen Kalenderzeitraum oder beliebigen Tagen, in Balken und nach Steckdose, neben dem Zeitraum davor oder ein Jahr früher, und sagt, was geschätzt, berichtigt oder unbekannt ist. Daraus besteht die Seite Energie.

Die **für eine Seite** antworten niemandem: sie legen in \`payload\`, was eine Anzeige, eine Tabelle oder ein Template des Dashboards zeigt.`,
  },
});
