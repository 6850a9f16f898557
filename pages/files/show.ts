import { h, type JSX } from 'preact';
import type { Refused } from './api.ts';
import type { Kind } from './folder.ts';
import { isKey, say, written } from './words.ts';

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'] as const;

/** `1.4 MB`, in the reader's way. */
export function sizeText(bytes: number): string {
  let [value, unit] = [bytes, 0];
  while (value >= 999.5 && unit < UNITS.length - 1) [value, unit] = [value / 1_000, unit + 1];
  const digits = unit === 0 || value >= 99.5 ? 0 : 1;
  return `${written(value, digits)} ${UNITS[unit] ?? ''}`;
}

/** Date and time in BaluPi's zone. */
export function whenText(atMs: number): string {
  return window.balupi.when(new Date(atMs));
}

/** Bidi controls, which can make `jpg.exe` look like `exe.gpj`. */
const TURNING = /[\u202A-\u202E\u2066-\u2069]/gu;

/** A name without characters that disguise it. */
export function nameText(name: string): string {
  return name.replace(TURNING, '\uFFFD');
}

/** A name in a sentence or row, isolated from the surrounding text direction. */
export function Name({ name }: { readonly name: string }): JSX.Element {
  return h('bdi', {}, nameText(name));
}

/** A failure in the reader's language. */
export function problemText({ code, message }: Pick<Refused, 'code' | 'message'>): string {
  if (isKey(code)) return say(code);
  // The NAS's own message, in its language.
  return message === '' ? say('didNotWork') : message;
}

/** As {@link problemText}, of what somebody asked for once and nothing asks for again. */
export function actionProblemText(problem: Pick<Refused, 'code' | 'message'>): string {
  return problem.code === 'offline' ? say('offlineNow') : problemText(problem);
}

/** Paths in a 24 by 24 view box. */
const DRAWN = {
  folder:
    'M3 6.5A1.5 1.5 0 0 1 4.5 5h4.6l2 2h8.4A1.5 1.5 0 0 1 21 8.5v9A1.5 1.5 0 0 1 19.5 19h-15A1.5 1.5 0 0 1 3 17.5z',
  image: 'M4 5h16v14H4zM4 16l4.5-4.5 3.5 3.5 2.5-2.5L20 18M15.5 9.5h.01',
  video: 'M3.5 6h12v12h-12zM15.5 10.5l5-2.5v8l-5-2.5',
  audio:
    'M9 17.5V6l10-2v11.5M9 17.5a2.5 2.5 0 1 1-5 0 2.5 2.5 0 0 1 5 0zM19 15.5a2.5 2.5 0 1 1-5 0 2.5 2.5 0 0 1 5 0z',
  text: 'M6 3.5h8l4 4v13H6zM9 12h6M9 15.5h6M14 3.5v4h4',
  archive: 'M5 4h14v4H5zM6 8v12h12V8M10 12h4',
  file: 'M6 3.5h8l4 4v13H6zM14 3.5v4h4',
  more: 'M12 5.5h.01M12 12h.01M12 18.5h.01',
  up: 'M12 19V6M6 12l6-6 6 6',
  close: 'M6 6l12 12M18 6L6 18',
  upload: 'M12 16V5M7 10l5-5 5 5M5 19.5h14',
  camera: 'M4 8h3.5L9 6h6l1.5 2H20v11H4zM12 16.5a3 3 0 1 0 0-6 3 3 0 0 0 0 6z',
  newFolder:
    'M3 6.5A1.5 1.5 0 0 1 4.5 5h4.6l2 2h8.4A1.5 1.5 0 0 1 21 8.5v9A1.5 1.5 0 0 1 19.5 19h-15A1.5 1.5 0 0 1 3 17.5zM12 10.5v5M9.5 13h5',
  pin: 'M9 4h6l-1 6 3 3.5H7L10 10zM12 13.5V20',
  search: 'M10.5 17a6.5 6.5 0 1 1 0-13 6.5 6.5 0 0 1 0 13zM15.3 15.3L20 20',
  here: 'M5 12.5l4.5 4.5L19 7.5',
  cloud: 'M7 18.5a4 4 0 0 1-.5-8A5.5 5.5 0 0 1 17 9.5a4.5 4.5 0 0 1 .5 9z',
  waits: 'M12 7.5V12l3 2M12 20a8 8 0 1 1 0-16 8 8 0 0 1 0 16z',
  back: 'M14.5 6l-6 6 6 6',
  forth: 'M9.5 6l6 6-6 6',
  look: 'M12 4a8 8 0 1 0 0 16zM12 4a8 8 0 0 1 0 16',
  leave: 'M10 4H5v16h5M14 8l4 4-4 4M18 12H9.5',
  settings:
    'M12 15.2a3.2 3.2 0 1 0 0-6.4 3.2 3.2 0 0 0 0 6.4zM12 3.5v2.3M12 18.2v2.3M3.5 12h2.3M18.2 12h2.3M6 6l1.6 1.6M16.4 16.4L18 18M6 18l1.6-1.6M16.4 7.6L18 6',
  down: 'M6 9.5l6 6 6-6',
} as const satisfies Record<Kind, string> & Record<string, string>;

export type IconName = keyof typeof DRAWN;

/** Hidden from screen readers, as there is text next to it. */
export function Icon({
  name,
  size = 22,
}: {
  readonly name: IconName;
  readonly size?: number;
}): JSX.Element {
  const svg = { class: `icon ${name}`, viewBox: '0 0 24 24', width: size, height: size };
  return h('svg', { ...svg, 'aria-hidden': 'true' }, h('path', { d: DRAWN[name] }));
}
