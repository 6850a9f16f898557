import { type Language, type Words, WORDS } from '../nodes/lib/words/words.ts';

/**
 * How every page writes numbers, money, dates and times, as `window.balupi`: in the reader's
 * language and region, and in the zone of this house, wherever the browser is. The region is the
 * browser's own where it speaks the language (an en-GB reader gets British dates).
 */
const PAGE_SCRIPT = `((language, timeZone, languages) => {
  const known = (navigator.languages || []).find((tag) => tag.toLowerCase().split('-')[0] === language);
  const locale = known || { de: 'de-DE', en: 'en-GB' }[language] || language;
  const formats = new Map();
  const formatOf = (Kind, options) => {
    const key = Kind.name + JSON.stringify(options);
    if (!formats.has(key)) formats.set(key, new Kind(locale, options));
    return formats.get(key);
  };
  const at = (moment) => (typeof moment === 'string' ? new Date(moment) : moment);
  const date = (moment, options) => formatOf(Intl.DateTimeFormat, { timeZone, ...options }).format(at(moment));
  const number = (value, digits) =>
    formatOf(Intl.NumberFormat, { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value);
  // Whatever is first of Intl in a browser costs a slow phone 150 ms: not before the page is there.
  let inZone = null;
  const zoned = () => (inZone ??= new Intl.DateTimeFormat('en-US', {
    timeZone, hourCycle: 'h23', year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit'
  }));
  const parts = (moment) => Object.fromEntries(zoned().formatToParts(at(moment)).map(({ type, value }) => [type, value]));
  const dayOf = (moment) => { const { year, month, day } = parts(moment); return year + '-' + month + '-' + day };
  const clockOf = (moment) => { const { hour, minute } = parts(moment); return hour + ':' + minute };
  const utc = (day) => new Date(day + 'T00:00:00Z');
  const iso = (moment) => moment.toISOString().slice(0, 10);
  window.balupi = {
    language, locale, timeZone, languages, number, date,
    atMost: (value, digits) => formatOf(Intl.NumberFormat, { maximumFractionDigits: digits }).format(value),
    money: (euro) => formatOf(Intl.NumberFormat, { style: 'currency', currency: 'EUR' }).format(euro),
    /** How long ago, of seconds: the largest unit that counts at least two. */
    ago: (seconds) => {
      const [size, unit] = [[86400, 'day'], [3600, 'hour'], [60, 'minute']].find(([one]) => seconds >= 2 * one) || [1, 'second'];
      return formatOf(Intl.RelativeTimeFormat, { style: 'narrow' }).format(-Math.round(seconds / size), unit);
    },
    when: (moment) => date(moment, { dateStyle: 'short', timeStyle: 'short' }),
    time: (moment) => date(moment, { timeStyle: 'short' }),
    /** A number as somebody writes it into a form; NaN where it is none. */
    read: (text) => {
      const plain = String(text).trim().replace(/\\u2212/g, '-').replace(/[\\s\\u00A0\\u202F']/g, '');
      const mark = Math.max(plain.lastIndexOf(','), plain.lastIndexOf('.'));
      const isOne = mark >= 0 && plain.indexOf(plain[mark]) === mark;
      const whole = isOne ? plain.slice(0, mark) : plain;
      const rest = isOne ? plain.slice(mark + 1) : '';
      const isNumber = /^-?(\\d*|\\d{1,3}([.,]\\d{3})+)$/.test(whole) && /^\\d*$/.test(rest) && /\\d/.test(plain);
      return isNumber ? Number(whole.replace(/[.,]/g, '') + '.' + rest) : NaN;
    },
    /** A number for a form, with all its digits. */
    written: (value) => formatOf(Intl.NumberFormat, { useGrouping: false, maximumFractionDigits: 6 }).format(value),
    /** The local calendar day of a moment, YYYY-MM-DD, and its time, HH:MM. */
    dayOf, clockOf,
    /** The moment of a local time, YYYY-MM-DDTHH:MM, in UTC. */
    momentOf: (local) => {
      const wantedMs = Date.parse(local + ':00Z');
      const shownMs = (ms) => Date.parse(dayOf(ms) + 'T' + clockOf(ms) + ':00Z');
      const nearMs = 2 * wantedMs - shownMs(wantedMs);
      return new Date(nearMs + wantedMs - shownMs(nearMs)).toISOString().replace('.000Z', 'Z');
    },
    addDays: (day, days) => { const moved = utc(day); moved.setUTCDate(moved.getUTCDate() + days); return iso(moved) },
    addMonths: (day, months) => {
      const [year, month] = day.split('-').map(Number);
      return iso(new Date(Date.UTC(year, month - 1 + months, 1)));
    },
    /** A value with changes (JSON Patch, RFC 6902), as an answer that a page has already is told anew. */
    changed: (value, changes) => {
      const whole = structuredClone(value);
      for (const { op, path, value: put } of changes) {
        const names = path.split('/').slice(1).map((name) => name.replace(/~1/g, '/').replace(/~0/g, '~'));
        const last = names.pop();
        const place = names.reduce((at, name) => at[name], whole);
        if (op !== 'remove') place[last] = put;
        else if (Array.isArray(place)) place.splice(Number(last), 1);
        else delete place[last];
      }
      return whole;
    },
    /** A calendar day in words of the options, whatever the zone. */
    dayText: (day, options) => formatOf(Intl.DateTimeFormat, { timeZone: 'UTC', ...options }).format(utc(day))
  };
})`;

/**
 * @param timeZone IANA name of the house's zone
 * @param words whose languages the page offers
 */
export function pageScript(language: Language, timeZone: string, words: Words = WORDS): string {
  const given = [language, timeZone, words.languages].map((one) => JSON.stringify(one));
  return `${PAGE_SCRIPT}(${given.join(', ')});\n`;
}
