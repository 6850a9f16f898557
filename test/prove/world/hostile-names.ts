import type { Random } from './random.ts';

const UP = [
  '../',
  '..\\',
  '..%2f',
  '%2e%2e/',
  '..%252f',
  '....//',
  '..;/',
  './',
  '/../',
  '\u2025/',
];
const TARGETS = [
  'etc/passwd',
  'bob/evil.txt',
  'queue.db',
  '.ssh/authorized_keys',
  'flows/api-files.json',
  'incoming/x.part',
];
const PARTS = [
  'a',
  'photo.jpg',
  'CON',
  'NUL.txt',
  '.',
  '..',
  '...',
  ' ',
  '-rf',
  '~',
  '$(reboot)',
  '`id`',
  ';',
  '|',
  '&',
  '<script>',
  "' OR 1=1 --",
  '"',
  '\\',
  '/',
  '//',
  ':',
  '*',
  '?',
  '#',
  '%',
  '%00',
  '%0d%0a',
  '\0',
  '\r\nX-Injected: 1',
  '\n',
  '\t',
  '\u001b[31m',
  '\u007f',
  '\u0085',
  '\u202egpj.exe',
  '\u200f',
  '\u2066',
  'e\u0301',
  '\u00e9',
  '\ufeff',
  '🎉',
  'ä'.repeat(128),
  'x'.repeat(256),
  'd/'.repeat(70),
  '__proto__',
  'constructor',
  '{{7*7}}',
  '[object Object]',
  'alice',
  'Shared',
] as const;
/** Invalid UTF-8, or an overlong form of an ordinary character. */
const RAW = ['c0ae', 'c0af', 'e080ae', 'f8808080ae', 'ff', 'eda080', 'c3', 'fe', '80'] as const;

/** A hostile name, as bytes. */
export function hostileName(random: Random): Buffer {
  const kind = random.between(0, 3);
  if (kind === 0) {
    const up = random.pick(UP).repeat(random.between(1, 8));
    return Buffer.from(`${random.pick(['', 'alice/', '/'])}${up}${random.pick(TARGETS)}`);
  }
  if (kind === 1) {
    const raw = Buffer.from(random.pick(RAW), 'hex');
    return Buffer.concat([Buffer.from('alice/'), raw, raw, Buffer.from(random.pick(PARTS))]);
  }
  if (kind === 2)
    return Buffer.concat([Buffer.from('alice/'), random.bytes(random.between(1, 40))]);
  const parts = Array.from({ length: random.between(1, 5) }, () => random.pick(PARTS));
  return Buffer.from(`${random.pick(['', 'alice/', '/alice/'])}${parts.join('')}`);
}
