import { isIP } from 'node:net';

/** Parses one setting. Throws {@link SettingFault} saying what is expected. */
export type Parser<T> = (text: string) => T;

/** An invalid value; the message says what is expected. */
export class SettingFault extends Error {
  override readonly name = 'SettingFault';
}

export const text: Parser<string> = (value) => value;

export function number(min: number, max: number): Parser<number> {
  return (value) => {
    const parsed = Number(value);
    if (!Number.isFinite(parsed) || parsed < min || parsed > max) {
      throw new SettingFault(`a number from ${min} to ${max}`);
    }
    return parsed;
  };
}

export const flag: Parser<boolean> = (value) => {
  const word = value.toLowerCase();
  if (['true', '1', 'yes', 'on'].includes(word)) return true;
  if (['false', '0', 'no', 'off'].includes(word)) return false;
  throw new SettingFault('true or false');
};

export function oneOf<const T extends string>(...words: readonly T[]): Parser<T> {
  return (value) => {
    const found = words.find((word) => word === value.toLowerCase());
    if (found === undefined) throw new SettingFault(`one of ${words.join(', ')}`);
    return found;
  };
}

export function list<T>(item: Parser<T>): Parser<readonly T[]> {
  return (value) =>
    value
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== '')
      .map(item);
}

export const port: Parser<number> = (value) => {
  const parsed = Number(value);
  if (!Number.isInteger(parsed) || parsed < 0 || parsed > 65_535) {
    throw new SettingFault('a port from 0 to 65535');
  }
  return parsed;
};

/** At least one port; `0` lets the system choose. */
export const ports: Parser<readonly number[]> = (value) => {
  const parsed = list(port)(value);
  if (parsed.length === 0) throw new SettingFault('a port, or several with commas between');
  return [...new Set(parsed)];
};

export const httpUrl: Parser<string> = (value) => {
  const parsed = URL.parse(value);
  if (parsed === null || !/^https?:$/.test(parsed.protocol) || parsed.username !== '') {
    throw new SettingFault('an http:// or https:// address without a user in it');
  }
  return value.replace(/\/+$/, '');
};

/** Not `.local`: such names are resolved by mDNS, never by a name server (RFC 6762). */
export const dnsName: Parser<string> = (value) => {
  const name = value.toLowerCase();
  const label = '[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?';
  const isName = name.length <= 253 && new RegExp(`^${label}(?:\\.${label})+$`).test(name);
  if (!isName || name.endsWith('.local') || /^[\d.]+$/.test(name)) {
    throw new SettingFault('a name such as baluhost.home.arpa, not one that ends with .local');
  }
  return name;
};

/** The owner's contact, for push services (RFC 8292, `sub`). */
export const contact: Parser<string> = (value) => {
  const isMail = /^mailto:[^\s@]+@[^\s@]+\.[^\s@]+$/.test(value);
  if (!isMail && URL.parse(value)?.protocol !== 'https:') {
    throw new SettingFault('mailto:somebody@example.com, or an https:// address');
  }
  return value;
};

export const origin: Parser<string> = (value) => {
  const parsed = URL.parse(value);
  if (parsed === null || parsed.origin === 'null' || parsed.origin !== value.replace(/\/$/, '')) {
    throw new SettingFault('origins such as http://nas.local:3000, with commas between');
  }
  return parsed.origin;
};

/** `aa:bb:cc:dd:ee:ff`, also with dashes; normalised to upper case with colons. */
export const macAddress: Parser<string> = (value) => {
  const digits = value.replace(/[:-]/g, '').toUpperCase();
  if (!/^[0-9A-F]{12}$/.test(digits) || !/^[0-9A-Fa-f]{2}([:-]?[0-9A-Fa-f]{2}){5}$/.test(value)) {
    throw new SettingFault('a MAC address such as 02:00:5E:00:53:01');
  }
  return digits.replace(/(..)(?=.)/g, '$1:');
};

/** `host` or `host:port`. */
export const hostAndPort: Parser<string> = (value) => {
  const match = /^([A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(?::(\d{1,5}))?$/.exec(value);
  if (match === null) throw new SettingFault('an address, with :port behind it if needed');
  if (match[2] !== undefined) port(match[2]);
  return value;
};

/** SHA-256 of a certificate, hex with or without colons; normalised to lower case without. */
export const fingerprint: Parser<string> = (value) => {
  const digits = value.replace(/:/g, '').toLowerCase();
  if (!/^[0-9a-f]{64}$/.test(digits))
    throw new SettingFault('a SHA-256 fingerprint (64 hex digits)');
  return digits;
};

export const timeZone: Parser<string> = (value) => {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: value }).resolvedOptions().timeZone;
  } catch (error) {
    if (error instanceof RangeError)
      throw new SettingFault('an IANA time zone such as Europe/Berlin');
    throw error;
  }
};

/** When the queue may wake the NAS: daily at a time, or once its oldest upload reaches an age. */
export type FlushWake =
  | { readonly kind: 'never' }
  | { readonly kind: 'daily'; readonly hour: number; readonly minute: number }
  | { readonly kind: 'age'; readonly hours: number };

export const flushWake: Parser<FlushWake> = (value) => {
  const daily = /^([01]?\d|2[0-3]):([0-5]\d)$/.exec(value);
  if (daily !== null) return { kind: 'daily', hour: Number(daily[1]), minute: Number(daily[2]) };
  const age = /^(\d+(?:\.\d+)?)h$/.exec(value);
  if (age !== null && Number(age[1]) > 0) return { kind: 'age', hours: Number(age[1]) };
  throw new SettingFault('a time HH:MM or an age such as 6h');
};

/** Placeholders that people leave in when they copy an example. */
const PLACEHOLDER =
  /change[-_ ]?(me|it|this|in)|placeholder|your[-_ ]|replace[-_ ]?(me|this|with)|example|<[^>]*>/i;
const SECRET_MIN_CHARACTERS = 32;
/** A key with fewer different characters is a run or a repeated word, not random. */
const SECRET_MIN_DIFFERENT = 8;

export const secretKey: Parser<string> = (value) => {
  const wanted = 'at least 32 random characters; `openssl rand -hex 32` prints a good one';
  if (value.length < SECRET_MIN_CHARACTERS) throw new SettingFault(wanted);
  if (PLACEHOLDER.test(value)) throw new SettingFault(`not a placeholder but ${wanted}`);
  if (new Set(value).size < SECRET_MIN_DIFFERENT) throw new SettingFault(wanted);
  return value;
};

/** A proxy's address or address range, as text for the matcher. */
export const addressRange: Parser<string> = (value) => {
  const [, address = '', bits = '0'] = /^([^/%]+)(?:\/(\d{1,3}))?$/.exec(value) ?? [];
  const family = isIP(address);
  if (family === 0 || Number(bits) > (family === 4 ? 32 : 128)) {
    throw new SettingFault(
      'addresses or ranges such as 127.0.0.1 or 10.0.0.0/8, with commas between',
    );
  }
  return value;
};
