import { declare } from '../lib/operations/operations.ts';

/** What this node can do, and every word about it: dialog, help and locales are made of it. */
export const DECLARATION = declare({
  key: 'lru-cache-store',
  type: 'balupi-lru-cache-store',
  color: '#9ec5e8',
  config: 'store',
  title: { en: 'lru cache store', de: 'Cache' },
  about: { en: 'Keeps copies of files from the NAS.', de: 'Hält Kopien von Dateien des NAS.' },
  operations: {
    stats: {
      words: { en: 'count', de: 'zählen' },
      for: 'flow',
      serves: ['cache-stats'],
    },
    days: {
      words: { en: 'count by day', de: 'nach Tagen zählen' },
      for: 'flow',
      serves: ['cache-days'],
    },
    usage: {
      words: { en: 'who has how much', de: 'wer wie viel hat' },
      for: 'flow',
      serves: ['cache-usage'],
    },
    pins: {
      words: { en: 'list pins', de: 'Anheftungen zeigen' },
      for: 'flow',
      serves: ['cache-pins'],
    },
    pin: {
      words: { en: 'pin', de: 'anheften' },
      for: 'flow',
      serves: ['cache-pin'],
      takes: { wake: { kind: 'flag' } },
    },
    unpin: {
      words: { en: 'unpin', de: 'lösen' },
      for: 'flow',
      serves: ['cache-unpin'],
    },
    clear: {
      words: { en: 'empty', de: 'leeren' },
      for: 'flow',
      serves: ['cache-empty'],
    },
    lookup: {
      words: { en: 'look up', de: 'nachsehen' },
      for: 'house',
      serves: ['files-download', 'files-download-query'],
      outputs: [
        { en: 'kept', de: 'vorhanden' },
        { en: 'missing', de: 'fehlt' },
        { en: 'asleep', de: 'schläft' },
        { en: 'refused', de: 'abgelehnt' },
      ],
    },
    serve: {
      words: { en: 'serve', de: 'ausliefern' },
      for: 'house',
      serves: ['files-download', 'files-download-query'],
      outputs: [{ en: 'copy was gone', de: 'Kopie war weg' }],
    },
    'fetch-ahead': {
      words: { en: 'fetch ahead', de: 'vorausholen' },
      for: 'house',
      outputs: 0,
    },
    'keep-pins': {
      words: { en: 'keep pins', de: 'Angeheftetes holen' },
      for: 'house',
      outputs: 0,
    },
    check: {
      words: { en: 'check', de: 'prüfen' },
      for: 'house',
      outputs: 0,
    },
    settle: {
      words: { en: 'stay below the limit', de: 'unter der Grenze bleiben' },
      for: 'house',
      outputs: 0,
    },
    'page-days': {
      words: {
        en: 'wakes avoided by day, for a chart',
        de: 'vermiedenes Wecken je Tag, für ein Diagramm',
      },
      for: 'house',
    },
  },
  gives: [
    {
      name: 'payload',
      type: 'object, array',
      en: 'the outcome, as the API gives it',
      de: 'das Ergebnis, wie die API es gibt',
    },
    {
      name: 'file',
      type: 'object',
      en: 'the ticket of a file; never its content',
      de: 'der Zettel einer Datei; nie ihr Inhalt',
    },
  ],
  details: {
    en: `{{lookup}} decides whether the caller may read the file, then sends on one of four outputs: 1 *kept* – a copy is here; 2 *missing* – the NAS is awake and has it; 3 *asleep* – no copy and the NAS sleeps; 4 *refused* – the answer is already in the message.

{{serve}} streams the copy to the caller, with ranges, and ends the request. Only a copy that turns out damaged goes on, to *nas proxy: fetch and keep*.

{{fetch-ahead}} fetches, while the NAS is awake anyway, the files beside those that are being read; {{keep-pins}} keeps pinned folders fresh. Both wait behind all callers, begin no later than five minutes after the NAS was last needed, and never wake it. Under the node stands how much still waits. A tick in front turns them on; without one they are off.

{{check}} reads a part of what is kept again, about 1 % of all bytes a day at a tick every 15 minutes, and drops what changed on the disk. After a power cut it begins with what is read most.

{{settle}} gives up copies once waiting uploads or other files on the disk leave the cache less room than it holds. A file that is being fetched makes room by itself; this is for the rest of the time.

{{page-days}} answers nobody: it puts the last two weeks into \`payload\`, for a page of the Dashboard.

No file content ever travels in a message: \`msg.file\` is a ticket.`,
    de: `{{lookup}} entscheidet, ob der Aufrufer die Datei lesen darf, und sendet auf einem von vier Ausgängen: 1 *vorhanden* – eine Kopie liegt hier; 2 *fehlt* – das NAS ist wach und hat sie; 3 *schläft* – keine Kopie, und das NAS schläft; 4 *abgelehnt* – die Antwort steht schon in der Nachricht.

{{serve}} streamt die Kopie zum Aufrufer, mit Bereichen, und beendet die Anfrage. Nur eine Kopie, die sich als beschädigt erweist, geht weiter an *NAS: holen und behalten*.

{{fetch-ahead}} holt, solange das NAS ohnehin wach ist, die Dateien neben denen, die gerade gelesen werden; {{keep-pins}} hält angeheftete Ordner frisch. Beide warten hinter allen Aufrufern, beginnen höchstens fünf Minuten nach dem letzten Bedarf und wecken nie. Unter dem Knoten steht, wie viel noch wartet. Ein Takt davor schaltet sie an, ohne ihn sind sie aus.

{{check}} liest einen Teil des Aufbewahrten noch einmal, bei einem Takt alle 15 Minuten etwa 1 % aller Bytes am Tag, und wirft weg, was sich auf der Platte verändert hat. Nach einem Stromausfall beginnt es mit dem, was am meisten gelesen wird.

{{settle}} gibt Kopien auf, sobald wartende Uploads oder andere Dateien auf der Platte dem Cache weniger Platz lassen, als er belegt. Was gerade geholt wird, schafft sich selbst Platz; dies ist für die übrige Zeit.

{{page-days}} antwortet niemandem: es legt die letzten zwei Wochen in \`payload\`, für eine Seite des Dashboards.

Dateiinhalt reist nie in einer Nachricht: \`msg.file\` ist ein Abholschein.`,
  },
});
